"""The SQL that reads the declared paths of JSON documents."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

from orchestration.core.sql import literal


def _pointer(keys: Iterable[str]) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in keys)


_STEP = re.compile(
    r"""(?P<key>[^.\[\]]+)          # a member
    | \[(?P<index>\d+)\]            # an element by its place
    | \[(?P<path>[^=\]]+)=(?P<value>[^\]]*)\]   # the first element whose member has a value
    """,
    re.VERBOSE,
)


def json_text(document: str, path: str) -> str:
    """The SQL expression of the text at a dotted path of a JSON document, or NULL.

    Args:
        document: SQL expression of the document.
        path: such as ``person.email``, ``items[0].name``, ``answers[field.ref=nps].number``.
    """
    return _json_step(document, path, "json_extract_string")


def json_value(document: str, path: str) -> str:
    """The same as ``json_text``, as JSON instead of text."""
    return _json_step(document, path, "json_extract")


def _json_step(document: str, path: str, last: str) -> str:
    expression, keys, place = document, [], 0
    while place < len(path):
        step = _STEP.match(path, place)
        if step is None:  # not a path: only the member of just this name
            return f"{last}({document}, {literal(_pointer([path]))})"
        place = step.end()
        if path[place : place + 1] == ".":
            place += 1
        if step["path"] is None:
            keys.append(step["key"] if step["key"] is not None else step["index"])
            continue
        if keys:
            expression = f"json_extract({expression}, {literal(_pointer(keys))})"
            keys = []
        member = literal(_pointer(step["path"].split(".")))
        same = f"json_extract_string(element, {member}) = {literal(step['value'])}"
        elements = f"json_extract({expression}, '$[*]')"
        expression = f"list_filter({elements}, lambda element: {same})[1]"
    return f"{last}({expression}, {literal(_pointer(keys))})"


def _simple_keys(path: str) -> list[str] | None:
    """The keys of a path without filters, or None."""
    steps = re.fullmatch(r"[^.\[\]]+(\.[^.\[\]]+|\[\d+\])*", path)
    return re.findall(r"[^.\[\]]+", path) if steps else None


_BEGINS = "starts_with(doc, '{')"
_BEGINS_LATER = r"starts_with(ltrim(doc, e' \t\r\n'), '{')"


class JsonCells:
    """The SQL of the cells of JSON documents; one pass over a document reads all plain paths."""

    def __init__(self, wanted: Iterable[str], mapped: Iterable[str]) -> None:
        """Note what is read.

        Args:
            wanted: the paths of all cells.
            mapped: those of them that are not kept in ``extra``.
        """
        self.pointers: list[str] = []
        self._cells = {name: self._cell(name) for name in wanted}
        mapped = list(mapped)
        self._top = {keys[0] for name in mapped if (keys := _simple_keys(name)) and len(keys) == 1}
        self._top |= {name for name in mapped if "[" not in name}

    def _plain(self, pointer: str) -> str:
        if pointer not in self.pointers:
            self.pointers.append(pointer)
        return f"_cells[{self.pointers.index(pointer) + 1}]"

    def _cell(self, name: str) -> str:
        keys = _simple_keys(name)
        if keys == [name]:
            return self._plain(_pointer(keys))
        nested = self._plain(_pointer(keys)) if keys else json_text("doc", name)
        # A member may itself be called "a.b": then it is meant.
        return f"coalesce({self._plain(_pointer([name]))}, {nested})"

    def cell(self, name: str) -> str:
        """The SQL of the text at a declared path."""
        return self._cells[name]

    def query(self, columns: Mapping[str, str], source: str) -> str:
        """The SQL of columns of the documents of ``source``, and whether each is an object.

        Args:
            columns: SQL by name, made of ``cell`` and ``unmapped``; all NULL of what is no object.
            source: a relation with the columns ``doc`` and ``_row_number``.
        """
        # of all that is JSON only objects begin so; documents that cannot be read are NULL
        begins = f"case when {_BEGINS} then true else {_BEGINS_LATER} end"
        pointers = ", ".join(literal(pointer) for pointer in self.pointers or [""])
        cells = f"case when {begins} then try(json_extract_string(doc, [{pointers}])) end"
        read = f"select doc, _row_number, {cells} as _cells from {source}"
        objects = (
            "select case when _cells is not null then doc end as doc, _cells, _row_number "
            f"from ({read})"
        )
        selected = ", ".join(f"{sql} as {name}" for name, sql in columns.items())
        return f"select {selected}, _row_number, _cells is not null as is_object from ({objects})"

    def unmapped(self, usual: Iterable[list[str]] = ()) -> str:
        """The SQL of all members that are not mapped whole (RFC 7396: null removes a member).

        Args:
            usual: names of members that documents have; comparing them with those of each document
                takes half as long as removing the mapped ones.
        """
        mapped = json.dumps(dict.fromkeys(sorted(self._top)), ensure_ascii=False)
        others = f"nullif(json_merge_patch(doc, {literal(mapped)})::varchar, '{{}}')"
        whole = [names for names in usual if self._top.issuperset(names)]
        lists = ", ".join(f"[{', '.join(map(literal, names))}]" for names in whole)
        return (
            f"case when json_keys(doc) in ({lists}) then null else {others} end"
            if lists
            else others
        )
