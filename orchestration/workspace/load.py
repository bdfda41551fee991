"""Read and validate ``workspace.yml``; all mistakes are reported at once, one line each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from orchestration.core.errors import UserError
from orchestration.workspace.answers import answers_mistakes, raw_parts
from orchestration.workspace.entities import ENTITIES
from orchestration.workspace.events import event_mistakes
from orchestration.workspace.excluded import exclude_mistakes, list_mistakes
from orchestration.workspace.hints import key_hint
from orchestration.workspace.identity import identity_mistakes
from orchestration.workspace.model import (
    FILE_NAME,
    Answer,
    Churned,
    Format,
    Settings,
    Source,
    Workspace,
)
from orchestration.workspace.rules import (
    NAME_RULE,
    SAFE_NAME,
    did_you_mean,
    shown,
    time_format_mistake,
)
from orchestration.workspace.scales import metric_mistake, scale_mistakes
from orchestration.workspace.sections import (
    Actions,
    Event,
    Headline,
    Publish,
    SendActions,
    SurveyRules,
)
from orchestration.workspace.segments import name_mistake
from orchestration.workspace.time_formats import ambiguous_pair

_TOO_DEEP = "lists or mappings are nested too deeply; check its brackets and indentation"
PRESETS = Path(__file__).parents[1] / "lake" / "presets"


def _mapping(value: object) -> Mapping[str, Any]:
    """The value if it is a mapping, else an empty one: its own mistake is reported elsewhere."""
    return value if isinstance(value, dict) else {}


def _format_mistakes(raw: Mapping[str, Any]) -> list[str]:
    lines = []
    kind = raw.get("type", "csv")
    rows, header = raw.get("header_rows", 1), raw.get("header", 1)
    if type(rows) is int and type(header) is int and header > rows >= 1:
        lines.append(f"format.header {header} is greater than header_rows {rows}")
    quote = raw.get("quote", '"')
    if raw.get("delimiter") is not None and raw.get("delimiter") == quote:
        lines.append("format.delimiter and format.quote are the same character")
    meaningless = {
        "jsonl": ("delimiter", "quote", "header_rows", "header", "records", "sheet"),
        "json": ("delimiter", "quote", "header_rows", "header", "sheet"),
        "parquet": ("delimiter", "quote", "header_rows", "header", "records", "encoding", "sheet"),
        "xlsx": ("delimiter", "quote", "records", "encoding"),
        "csv": ("records", "sheet"),
        "tsv": ("records", "sheet"),
    }
    lines += [
        f"format.{key} has no meaning for type {kind}; remove it"
        for key in (meaningless.get(kind, ()) if isinstance(kind, str) else ())
        if key in raw
    ]
    return lines


def _columns_mistakes(raw: Mapping[str, Any], surveys: Mapping[str, set[str]]) -> list[str]:
    """Mistakes of one entry's columns, constants, attributes and timestamps.

    Args:
        raw: the entry as written.
        surveys: the columns that the `surveys` entry of each source name provides.
    """
    name, entity = raw.get("entity"), None
    if isinstance(name, str):
        entity = ENTITIES.get(name)
    if entity is None:
        if "entity" not in raw or not isinstance(name, str):
            return []
        return [f"unknown entity {shown(name)}{did_you_mean(name, ENTITIES) or _list(ENTITIES)}"]
    lines = []
    columns, constants = _mapping(raw.get("columns")), _mapping(raw.get("constants"))
    known = entity.column_names
    for key, names in (("columns", columns), ("constants", constants)):
        lines += [
            f"unknown column '{column}' of {entity.name} in {key}"
            + (did_you_mean(column, known) or "; put what is not canonical under attributes")
            for column in names
            if column not in known
        ]
    lines += [
        f"'{column}' is named by both columns and constants; remove one"
        for column in columns
        if column in constants
    ]
    given = {*columns, *constants}
    lines += [
        f"required column '{column}' is missing; add it to columns"
        for column in entity.required
        if column not in given and isinstance(raw.get("columns"), dict)
    ]
    if entity.name == "survey_responses":
        of_survey = surveys.get(str(raw.get("name")), set()) if "survey_id" in given else set()
        lines += [
            f"'{column}' of the answers is unknown; add it to columns or constants, or declare a "
            f"surveys entry of the same name that maps it, and map survey_id here"
            for column in ("metric", "survey_type", "scale")
            if column not in given | of_survey
        ]
    if entity.name in ("survey_responses", "surveys", "score_summaries"):
        lines += scale_mistakes(constants)
    attributes = _mapping(raw.get("attributes"))
    if attributes and not entity.has_attributes:
        takers = ", ".join(e.name for e in ENTITIES.values() if e.has_attributes)
        lines.append(f"{entity.name} takes no attributes (only {takers}); remove them")
    lines += [
        f"attribute {shown(key)} is not a safe name; {NAME_RULE}"
        for key in attributes
        if not SAFE_NAME.fullmatch(key)
    ]
    lines += [
        f"split.{name} is no attribute of the entry{did_you_mean(name, attributes)}"
        for name in _mapping(raw.get("split"))
        if name not in attributes
    ]
    lines += exclude_mistakes(_mapping(raw.get("exclude")), entity, given)
    valued = [c.name for c in entity.columns if c.kind == "text" and c.name in columns]
    lines += _values_mistakes(raw, [*valued, *attributes])
    return lines + _timestamps_mistakes(raw, [name for name in entity.times if name in given])


def _values_mistakes(raw: Mapping[str, Any], valued: list[str]) -> list[str]:
    """Meanings of what has none; ``valued`` are the mapped columns of text and the attributes."""
    return [
        f"values.{name} is no mapped column of text" + (did_you_mean(name, valued) or _list(valued))
        for name in _mapping(raw.get("values"))
        if name not in valued
    ]


def _timestamps_mistakes(raw: Mapping[str, Any], timed: list[str]) -> list[str]:
    """Formats of columns that are not mapped; ``timed`` are the mapped timestamps and dates."""
    snapshot = raw.get("snapshot_at", "file_modified")
    if isinstance(snapshot, str) and snapshot != "file_modified" and "%" not in snapshot:
        timed = [*timed, "snapshot_at"]
    return [
        f"timestamps.{column} formats no mapped timestamp"
        + (did_you_mean(column, timed) or _list(timed))
        for column in _mapping(raw.get("timestamps"))
        if column not in timed
    ]


def _ambiguous_formats(source: Source) -> list[str]:
    """Formats of one column that read one text as two times: nothing says which is meant."""
    found = ((column, ambiguous_pair(each)) for column, each in source.timestamps.items())
    return [
        f"timestamps.{column}: {shown(pair[0])} and {shown(pair[1])} both read {shown(pair[2])}, "
        "as different times; keep one, and deliver files with the other through an entry of "
        "their own"
        for column, pair in found
        if pair
    ]


def _list(names: Iterable[str]) -> str:
    return "; there are: " + (", ".join(names) or "none")


def _source_mistakes(raw: Mapping[str, Any], surveys: Mapping[str, set[str]]) -> list[str]:
    lines = []
    if raw.get("preset") is not None:
        presets = sorted(path.stem for path in PRESETS.glob("*.yml"))
        lines.append(f"there is no preset {shown(raw['preset'])}{_list(presets)}; remove the key")
    lines += _format_mistakes(_mapping(raw.get("format")))
    lines += _columns_mistakes(raw, surveys)
    snapshot = raw.get("snapshot_at")
    if isinstance(snapshot, str) and "%" in snapshot and (bad := time_format_mistake(snapshot)):
        lines.append(f"snapshot_at {shown(snapshot)} {bad}")
    return lines + _idle_snapshot(raw)


def _identity_mistakes(raw: Mapping[str, Any], segments: object) -> list[str]:
    """Mistakes of an entry's ids, addresses and states, where its entity is known."""
    name = raw.get("entity")
    entity = ENTITIES.get(name) if isinstance(name, str) else None
    if entity is None:
        return []
    given = {*_mapping(raw.get("columns")), *_mapping(raw.get("constants"))}
    listed = [str(each) for each in segments] if isinstance(segments, list) else []
    return identity_mistakes(raw, entity, given, listed)


def _idle_snapshot(raw: Mapping[str, Any]) -> list[str]:
    """A declared date of delivery that would decide nothing."""
    snapshot, mapped = raw.get("snapshot_at"), _mapping(raw.get("columns")).get("updated_at")
    if raw.get("entity") != "survey_responses" or snapshot is None:
        return []
    why = None
    if snapshot == "file_modified":
        why = "copying a file changes its time"
    elif mapped in (snapshot, [snapshot]):
        why = "updated_at is the same column"
    return [
        f"snapshot_at: {snapshot} has no effect on survey_responses, as {why}; name a date in the "
        "files' names ('export_%Y%m%d.csv') or a column, or remove the key"
    ] * (why is not None)


def _label(index: int, raw: object) -> str:
    entry = _mapping(raw)
    named = "/".join(str(entry.get(key, "?")) for key in ("name", "entity"))
    return f"sources[{index}] ({named})"


def _survey_type_mistakes(raw: Mapping[str, Any], entries: list[Mapping[str, Any]]) -> list[str]:
    """A headline of a survey type that no source delivers, where all of them declare theirs."""
    kind = _mapping(raw.get("headline")).get("survey_type")
    asking = [e for e in entries if e.get("entity") in ("survey_responses", "surveys")]
    given = {
        str(constant).strip().lower()
        for entry in asking
        if (constant := _mapping(entry.get("constants")).get("survey_type"))
    }
    mapped = any("survey_type" in _mapping(entry.get("columns")) for entry in asking)
    if not isinstance(kind, str) or not kind or not given or mapped or kind in given:
        return []
    hint = did_you_mean(kind, given) or _list(sorted(given))
    return [f"headline.survey_type: no source delivers {shown(kind)}{hint}"]


def _rates_mistakes(entries: list[Mapping[str, Any]]) -> list[str]:
    """Entries that deliver exchange rates beside another: an amount has one rate."""
    places = [
        place for place, entry in enumerate(entries) if entry.get("entity") == "exchange_rates"
    ]
    return [
        f"{_label(place, entries[place])}: sources[{places[0]}] already delivers exchange_rates, "
        "and an amount has one rate; deliver them through one entry"
        for place in places[1:]
    ]


def _cross_mistakes(raw: Mapping[str, Any]) -> list[str]:
    """Mistakes that pydantic cannot see: those between keys and between entries.

    They are looked for in what was written, not in the parsed model, so that they are all reported
    together with the mistakes that keep the model from being made.
    """
    sources = raw.get("sources")
    entries = [_mapping(entry) for entry in sources] if isinstance(sources, list) else []
    surveys: dict[str, set[str]] = {}
    for entry in entries:
        if entry.get("entity") == "surveys":
            given = {*_mapping(entry.get("columns")), *_mapping(entry.get("constants"))}
            surveys.setdefault(str(entry.get("name")), set()).update(given)
    lines = []
    if isinstance(sources, list) and not sources:
        lines.append("sources: the list is empty; declare at least one source")
    seen: dict[tuple[str, str], int] = {}
    crm: dict[str, int] = {}
    for index, entry in enumerate(entries):
        label = _label(index, entry)
        if entry.get("entity") == "customers" and "name" in entry:
            owner = str(entry.get("customer_source") or entry["name"])
            if owner in crm and (str(entry["name"]), "customers") not in seen:
                lines.append(
                    f"{label}: sources[{crm[owner]}] already delivers the customers of '{owner}'; "
                    "give this entry a customer_source of its own, or deliver them through one"
                )
            crm.setdefault(owner, index)
        found = answers_mistakes(entry, lambda part: _source_mistakes(part, surveys))
        lines += [f"{label}: {line}" for line in found]
        lines += [f"{label}: {line}" for line in _identity_mistakes(entry, raw.get("segments"))]
        key = (str(entry.get("name")), str(entry.get("entity")))
        if "name" in entry and "entity" in entry and key in seen:
            lines.append(
                f"{label}: the same name and entity as sources[{seen[key]}]; rename one"
                + ", or declare several scores of a row as answers of one entry"
                * (key[1] == "survey_responses")
            )
        seen.setdefault(key, index)
    lines += _rates_mistakes(entries)
    metric = _mapping(raw.get("headline")).get("metric")
    if isinstance(metric, str) and metric and (line := metric_mistake(metric)):
        lines.append(f"headline.metric: {line}")
    attributes = sorted({key for entry in entries for key in _mapping(entry.get("attributes"))})
    segments = raw.get("segments")
    several = {name for entry in entries for name in _mapping(entry.get("split"))}
    lines += [
        f"segments: '{segment}' has several values (split), and segments add up to the total; "
        "remove it here: fct_nps_by_value_period has its scores"
        for segment in (segments if isinstance(segments, list) else ())
        if isinstance(segment, str) and segment in several
    ]
    lines += [
        f"split.{name}: {line}" for name in sorted(several) if (line := name_mistake(name, ()))
    ]
    lines += [
        f"segments: '{segment}' is an attribute of no source"
        + (
            did_you_mean(segment, attributes)
            or "; add it to the attributes of a customers entry, or remove it"
        )
        for segment in (segments if isinstance(segments, list) else ())
        if isinstance(segment, str) and segment not in attributes
    ]
    parts = [part for entry in entries for part in raw_parts(entry)]
    return lines + event_mistakes(raw) + _survey_type_mistakes(raw, parts)


_KEYS: dict[tuple[str, ...], type[BaseModel]] = {
    (): Settings,
    ("sources",): Source,
    ("format",): Format,
    ("answers",): Answer,
    ("survey_rules",): SurveyRules,
    ("headline",): Headline,
    ("events",): Event,
    ("actions",): Actions,
    ("actions", "send"): SendActions,
    ("publish",): Publish,
    ("churned",): Churned,
}
_EXPECTED = {
    "string_type": "is not text; write it in quotes",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "dict_type": "must be a mapping of keys to values",
    "model_type": "must be a mapping of keys to values",
    "model_attributes_type": "must be a mapping of keys to values",
    "tuple_type": "must be a list",
    "string_too_short": "is empty; write a value or remove the key",
}


def _mistake(error: Mapping[str, Any], path: tuple[str, ...], place: str) -> str:
    """One error of pydantic's as a sentence; ``path`` is relative to the entry that is named."""
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    where = ".".join(path)
    if kind == "extra_forbidden":
        *parents, key = path
        within = tuple(part for part in parents if not part.isdigit())
        model = _KEYS.get(within or (("sources",) if place else ()))
        inside = f" in {'.'.join(parents)}" if parents else ""
        hint = key_hint(key, model) if model else ""
        return f"unknown key '{key}'{inside}{hint or '; remove it'}"
    if kind == "missing":
        *parents, key = path
        inside = f" in {'.'.join(parents)}" if parents else ""
        return f"the key '{key}'{inside} is missing; add it"
    if kind == "value_error":
        return f"{where}: {context['error']}"
    if kind == "literal_error":
        choices = [str(choice) for choice in re.findall(r"\w+", context["expected"])]
        known = [choice for choice in choices if choice != "or"]
        return f"{where}: {shown(value)} is not one of {', '.join(known)}" + (
            did_you_mean(value, known)
        )
    if kind in ("greater_than_equal", "less_than_equal"):
        bound = context.get("ge", context.get("le"))
        side = "at least" if kind == "greater_than_equal" else "at most"
        return f"{where}: {shown(value)} must be {side} {bound:,}"
    return f"{where}: {shown(value)} {_EXPECTED.get(kind) or 'is not valid: ' + error['msg']}"


def _pydantic_mistakes(error: ValidationError, raw: Mapping[str, Any]) -> list[str]:
    lines = []
    for each in error.errors(include_url=False):
        path = tuple(str(part) for part in each["loc"])
        place = ""
        if path[0] == "sources" and len(path) > 1:
            index = int(path[1])
            place = _label(index, raw["sources"][index]) + ": "
            path = path[2:]
        if path == ("preset",):  # said better with the list of presets
            continue
        if not path:
            lines.append(f"{place}must be a mapping of keys to values")
            continue
        head, *more = _mistake(each, path, place).split("\n")
        lines.append(place + head)
        lines += [f"{place}{path[0]}: {line}" for line in more]
    return lines


class _Loader(yaml.SafeLoader):
    """YAML whose keys are texts and unique; PyYAML alone keeps the last of two equal keys."""


def _construct_mapping(loader: _Loader, node: yaml.MappingNode) -> dict[str, Any]:
    seen = set()
    for key_node, _ in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":
            continue
        key = loader.construct_object(key_node)
        problem = None
        if not isinstance(key, str):
            problem = "a key is not text; write it in quotes"
        elif key in seen:
            problem = f"the key {shown(key)} appears twice; remove one"
        if problem:
            raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
        seen.add(key)
    loader.flatten_mapping(node)
    return {str(key): value for key, value in loader.construct_mapping(node, deep=True).items()}


def _construct_timestamp(loader: _Loader, node: yaml.ScalarNode) -> Any:
    try:
        return loader.construct_yaml_timestamp(node)
    except ValueError as error:
        problem = f"{shown(node.value)} is no date of the calendar"
        raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from error


_Loader.add_constructor("tag:yaml.org,2002:map", _construct_mapping)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _construct_timestamp)


def _read(path: Path) -> Any:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise UserError(
            f"{FILE_NAME}: not found in {path.parent}; name the workspace's folder in NPS_WORKSPACE"
        ) from None
    except UnicodeDecodeError:
        raise UserError(f"{FILE_NAME}: is not UTF-8; save it as UTF-8") from None
    except OSError as error:
        raise UserError(
            f"{FILE_NAME}: cannot be read ({error.strerror}) in {path.parent}"
        ) from None
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark else ""
        raise UserError(f"{FILE_NAME}: {line}{error.problem or 'not valid YAML'}") from None
    except yaml.YAMLError:
        raise UserError(f"{FILE_NAME}: holds a character that YAML does not allow") from None
    except RecursionError:
        raise UserError(f"{FILE_NAME}: {_TOO_DEEP}") from None
    except (ValueError, OverflowError):
        raise UserError(
            f"{FILE_NAME}: holds a number that is out of all bounds; correct or remove it"
        ) from None


def load_workspace(root: Path, file: Path | None = None) -> Workspace:
    """Read and validate the settings of a workspace.

    Args:
        root: the workspace's folder.
        file: the settings; None: ``root/workspace.yml``.

    Returns:
        The workspace; its ``root`` is absolute.

    Raises:
        UserError: with one line for each mistake.
    """
    root = Path(root).absolute()
    raw = _read(file or root / FILE_NAME)
    if not isinstance(raw, dict):
        raise UserError(f"{FILE_NAME}: must be a mapping of keys to values, beginning 'version: 1'")
    lines, settings = [], None
    try:
        try:
            settings = Settings.model_validate(raw)
        except ValidationError as error:
            lines = _pydantic_mistakes(error, raw)
        lines += _cross_mistakes(raw)
    except RecursionError:  # a few hundred levels can be read, but not shown
        lines = [_TOO_DEEP]
    if settings is not None:
        for index, source in enumerate(settings.sources):
            label = _label(index, raw["sources"][index])
            lines += [f"{label}: {line}" for line in list_mistakes(root, source)]
            lines += [f"{label}: {line}" for line in _ambiguous_formats(source)]
    if lines or settings is None:
        raise UserError("\n".join(f"{FILE_NAME}: {line}" for line in dict.fromkeys(lines)))
    values = {name: getattr(settings, name) for name in Settings.model_fields}
    return Workspace(**values, root=root)
