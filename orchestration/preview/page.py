"""What a check found, in plain text of 100 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

from orchestration.preview.findings import Findings, MappedColumn, Refused, reject_reasons
from orchestration.preview.matches import Match
from orchestration.report.formatting import METRICS, counted, display_text
from orchestration.workspace.model import Workspace

WIDTH = 100
_LABEL = 12
_MOST_NAMES = 40
# Begins what ingest says of times that name no zone.
_NO_OFFSET = "times without an offset"
_STATUSES = ("accepted", "quarantined", "duplicate", "superseded", "deleted", "excluded")


def check_page(
    workspace: Workspace, found: Sequence[Findings], unclaimed: Sequence[str] = ()
) -> str:
    """The text of a check.

    Args:
        workspace: the workspace that was checked.
        found: what was found of each source.
        unclaimed: files in landing that no source names, below landing.
    """
    is_today = "" if workspace.as_of else " (today)"
    lines = [
        *_wrapped(
            f"{workspace.root}, as of {workspace.as_of_on}{is_today}, times in "
            f"{workspace.timezone}. Nothing was published.",
            0,
        ),
        "",
    ]
    for each in found:
        lines += [*_source_lines(workspace, each), ""]
    lines += [
        f"landing/{display_text(name, 80)}: no source of workspace.yml names this file"
        for name in unclaimed
    ]
    lines += _zone_lines(workspace, found)
    is_marked = any(line.startswith("!") for line in lines)
    return "\n".join([*lines, *_wrapped(_verdict(found, is_marked=is_marked), 0)])


def _verdict(found: Sequence[Findings], *, is_marked: bool) -> str:
    bad = [each.source.label for each in found if each.is_bad]
    if bad:
        return f"Look at {', '.join(bad)} before `nps run`: what is marked ! above."
    if not any(each.statuses for each in found):
        return "There is nothing to publish yet."
    if is_marked:
        return "A run can read this; look at what is marked ! first. Next: `nps run`."
    return "A run can read this. Next: `nps run`."


def _source_lines(workspace: Workspace, found: Findings) -> list[str]:
    source = found.source
    head = f"{source.label}"
    place = f"landing/{source.name}/{source.files}"
    lines = [f"{head} {'-' * max(3, WIDTH - len(head) - len(place) - 2)} {place}"]
    lines += _file_lines(found)
    if not found.statuses and not found.refused:
        return lines
    total = sum(found.statuses.values())
    parts = [f"{found.statuses[s]:,} {s}" for s in _STATUSES if s in found.statuses]
    lines += _line("rows", f"{total:,} = {' + '.join(parts)}")
    lines += _column_lines(found)
    lines += _unreadable_lines(found)
    lines += [line for refused in found.refused for line in _refused_lines(refused)]
    lines += [line for match in found.matches for line in _match_lines(match)]
    for metric, answers, mean, classes in found.scores:
        shares = ", ".join(f"{display_text(name)} {count:,}" for name, count in classes)
        name = METRICS.get(metric, display_text(metric))
        text = f"{name} {mean:.1f}, each of {counted(answers, 'answer')} counted: {shares}"
        lines += _line("score", text)
    for warning in found.result.warnings:
        if _NO_OFFSET not in warning and "not mapped" not in warning:
            lines += _line("note", warning.removeprefix(f"{source.label}: "))
    return lines


def _zone_lines(workspace: Workspace, found: Sequence[Findings]) -> list[str]:
    """Which sources' times name no zone: the same is true of all of them."""
    labels = [
        each.source.label
        for each in found
        if any(_NO_OFFSET in warning for warning in each.result.warnings)
    ]
    if not labels:
        return []
    text = (
        f"Times that name no zone are read in {workspace.timezone} ({', '.join(labels)}): declare "
        "`timezone`, of the workspace or of an entry, if they were written elsewhere."
    )
    return [*_wrapped(text, 0), ""]


def _line(label: str, text: str, mark: str = " ") -> list[str]:
    """A labelled paragraph; a mark says that something is to be done."""
    first = f"{mark} {label:<{_LABEL - 2}}"
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=" " * _LABEL,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _wrapped(text: str, indent: int) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=" " * indent, subsequent_indent=" " * indent)


def _file_lines(found: Findings) -> list[str]:
    excerpt, source = found.excerpt, found.source
    if not excerpt.found:
        place = f"landing/{source.name}/"
        return _line("files", f"none matches {source.files!r} in {place}; put them there", "!")
    text = f"{excerpt.read:,} of {counted(excerpt.found, 'file')} read"
    if excerpt.skipped > 0:
        text += ", which is enough for a check"
    lines = _line("files", text)
    for name, taken, size in excerpt.cut[:3]:
        lines += _line("", f"{name}: its first {taken / 1e6:,.0f} of {size / 1e6:,.0f} MB")
    for problem in [*excerpt.problems, *found.result.problems]:
        text = f"{display_text(problem.file_name, 60)}: {problem.reason}: {problem.message}"
        lines += _line("refused", text, "!")
    if found.header:
        shown = ", ".join(display_text(name, 40) for name in found.header[:_MOST_NAMES])
        lines += _line("", f"its columns are: {shown}")
    return lines


def _column_lines(found: Findings) -> list[str]:
    mapped = [each for each in found.columns if not each.is_constant]
    left = ", ".join(display_text(name, 30) for name in found.unmapped[:12])
    more = f" and {len(found.unmapped) - 12:,} more" if len(found.unmapped) > 12 else ""
    rest = f"; not mapped, but kept: {left}{more}" if found.unmapped else ", none left over"
    lines = _line("columns", f"{counted(len(mapped), 'column')} mapped{rest}")
    names = max((len(each.name) for each in found.columns), default=0)
    origins = max((len(each.delivered) for each in mapped), default=0)
    rows = found.result.rows_loaded
    return lines + [
        _column_line(each, min(20, names), min(26, origins), rows) for each in found.columns
    ]


def _column_line(column: MappedColumn, names: int, origins: int, rows: int) -> str:
    name = f"{'':{_LABEL}}{column.name:<{names}}"
    if column.is_constant:
        return f"{name} =  {display_text(column.delivered, 60)}"
    count = column.filled
    filled = "" if count is None or count == rows else f" ({count:,} of {rows:,} rows)"
    if column.values is None:
        shown = f"personal, not shown{filled}"
    elif not column.values:
        shown = "empty in every row" if column.is_empty else "no value that can be read"
    else:
        room = WIDTH - len(name) - 4 - origins - 2 - len(filled)
        shown = _fitting(column.values, max(12, room)) + filled
    return f"{name} <- {display_text(column.delivered, origins):<{origins}}  {shown}"


def _fitting(values: Sequence[str], room: int) -> str:
    """As many of the first values as there is room for, the first one in any case."""
    texts = [display_text(value, room) for value in values]
    while len(texts) > 1 and len(", ".join(texts)) > room:
        texts.pop()
    return ", ".join(texts)


def _unreadable_lines(found: Findings) -> list[str]:
    lines = []
    for column, formats in found.unreadable.items():
        text = f"no {column} can be read: a run stops here. "
        declared = ", ".join(found.source.formats_of(column))
        if column == "score":
            text += "Map another column, or say what its texts mean by `values`."
        elif len(formats) == 1:
            text += f"It is read as {declared}; this fits every value:"
        elif formats:
            text += f"It is read as {declared}; each of these fits every value, choose one:"
        else:
            text += f"It is read as {declared}, and no format that is known fits every value."
        lines += _line("stop", text, "!")
        lines += [f'{"":{_LABEL}}  timestamps: {{{column}: "{each}"}}' for each in formats]
    return lines


def _refused_lines(refused: Refused) -> list[str]:
    known = reject_reasons().get(refused.reason, {})
    is_mistake = known.get("is_mistake") == "true"
    of = f" ({', '.join(refused.columns)})" if refused.columns else ""
    text = f"{refused.reason}{of}: {counted(refused.rows, 'row')}, {_places(refused.places)}"
    lines = _line("refused" if is_mistake else "left out", text, "!" if is_mistake else " ")
    return lines + (_wrapped(known["fix"], _LABEL + 2) if known.get("fix") else [])


def _places(places: Iterable[tuple[str, int]]) -> str:
    """``row 5, 17 of a.csv``; the header is row 1."""
    by_file: dict[str, list[int]] = {}
    for name, row in places:
        by_file.setdefault(name, []).append(row)
    return "; ".join(
        f"row {', '.join(map(str, rows))} of {display_text(name, 40)}"
        for name, rows in by_file.items()
    )


def _match_lines(match: Match) -> list[str]:
    by = match.by.split("/")[0]
    what = match.what + ("" if match.ids == 1 else "es" if match.what.endswith("s") else "s")
    verb = "is" if match.ids == 1 else "are"
    text = f"{match.known:,} of {match.ids:,} {what} {verb} known to {by}"
    if match.shapes:
        text += (
            f"; here most look like {match.shapes[0]}, there like {match.shapes[1]}: `normalise` "
            "says in which form ids are compared"
        )
    return _line("match", text, "!" if match.is_low else " ")
