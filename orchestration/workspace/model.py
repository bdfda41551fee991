"""A workspace: the folder of the user's own, and ``workspace.yml``, which says how to read it.

``load_workspace`` is the only door: it validates everything before anything runs, and reports all
mistakes at once, one line each.
"""

from __future__ import annotations

import codecs
import difflib
import re
import zoneinfo
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    ValidationError,
    model_validator,
)

from orchestration.core.errors import UserError
from orchestration.workspace.entities import ENTITIES

FILE_NAME = "workspace.yml"
PRESETS = Path(__file__).parents[1] / "lake" / "presets"

_SAFE_NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")
_NAME_RULE = "use a-z, 0-9 and _, beginning with a letter, at most 60 characters"
# Codecs of Python's that are no encodings of files, or that no strict reading can check.
_NO_FILE_ENCODINGS = {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "utf-7", "mbcs"}
_STRPTIME_DIRECTIVES = set("aAwdbBhmyYHIpMSfgnzZjUWcxXGuVT%")
_STRPTIME_UNPADDED = set("dmyHIMSj")
_TIME_FORMATS = ("iso", "epoch_s", "epoch_ms")
# What DuckDB or Spark reserve: a segment becomes a column, and models write it without quotes.
_SQL_RESERVED = frozenset(
    """all analyse analyze and anti any array as asc asymmetric authorization between both by case
    cast check collate column constraint create cross current_date current_time current_timestamp
    current_user default deferrable desc describe distinct do drop else end escape except exists
    false fetch filter for foreign from full grant group having in initially inner insert intersect
    interval into is join lambda lateral leading left like limit minus natural not null of offset on
    only or order outer overlaps pivot pivot_longer pivot_wider placing primary qualify references
    returning right select semi session_user show some sql summarize symmetric table tablesample
    then time to trailing true union unique unknown unpivot user using values variadic when where
    window with within""".split()  # noqa: SIM905
)
# Dimensions of fct_nps_by_segment_period, and the fixed columns of the tables that carry segments;
# e-mails, names and comments are never published, so nothing may be called so.
_SEGMENT_RESERVED = frozenset(
    """channel touchpoint survey all
    response_key source response_id survey_key survey_id customer_key account_key voice_key metric
    survey_type scale language responded_at responded_on score nps_class contribution has_comment
    customer_id signed_up_at churned_at is_active is_inferred has_churn_information
    valid_from valid_to churned_on days_to_churn was_active_at_answer mrr_at_answer revenue_before
    dimension segment email name comment version_at
    nps_class window_days customers observed churned active_mrr realised_ltv""".split()  # noqa: SIM905
)


# --- checks of single values ------------------------------------------------------------------


def _did_you_mean(word: object, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(str(word).lower(), list(known), n=1, cutoff=0.6)
    return f"; did you mean '{near[0]}'?" if near else ""


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _safe_name(value: str) -> str:
    if not _SAFE_NAME.fullmatch(value):
        raise ValueError(f"{_shown(value)} is not a safe name; {_NAME_RULE}")
    return value


def _glob(value: str) -> str:
    parts = value.split("/")
    if not value.strip():
        raise ValueError("is empty; write a glob below landing/<name>/, such as '*.csv'")
    if value.startswith(("/", "~")) or re.match(r"[A-Za-z]:", value) or "\\" in value:
        raise ValueError(f"{_shown(value)} must be relative to landing/<name>/, with / between")
    if ".." in parts or "\0" in value:
        raise ValueError(f"{_shown(value)} leaves landing/<name>/; remove '..'")
    if any(part in ("", ".") for part in parts) or any("**" in p and p != "**" for p in parts):
        raise ValueError(f"{_shown(value)} is not a glob; '**' stands alone between slashes")
    if parts[-1] == "**":
        raise ValueError(f"{_shown(value)} names folders only; end it with a file, '**/*.csv'")
    return value


def _zone(value: str) -> str:
    # Not every file below a zoneinfo folder is a zone, and 'localtime' differs between machines.
    known = zoneinfo.available_timezones() - {"localtime", "Factory", "posixrules"}
    if value not in known:
        by_lower = {name.lower(): name for name in known}
        near = difflib.get_close_matches(value.lower(), by_lower, n=1, cutoff=0.6)
        hint = f"did you mean '{by_lower[near[0]]}'?" if near else "such as 'Europe/Brussels'"
        raise ValueError(f"{_shown(value)} is not a time zone of the IANA database; {hint}")
    return value


def _encoding(value: str) -> str:
    try:
        info = codecs.lookup(value)
    except (LookupError, ValueError):
        raise ValueError(
            f"{_shown(value)} is not a known encoding; write utf-8, utf-16, latin-1, cp1252, …"
        ) from None
    if not getattr(info, "_is_text_encoding", True) or info.name in _NO_FILE_ENCODINGS:
        raise ValueError(f"{_shown(value)} is not an encoding of text files; write utf-8, …")
    return value


def _one_character(value: object, what: str) -> object:
    if value != "\t" and not (isinstance(value, str) and re.fullmatch(r"[ -~]", value)):
        raise ValueError(
            f'{_shown(value)} is not a {what}: one ASCII character, a tab being written "\\t"'
        )
    if str(value).isalnum():
        raise ValueError(f"{_shown(value)} is not a {what}: a letter or digit would cut words")
    return value


def time_format_mistake(pattern: str) -> str | None:
    """What is wrong with a timestamp format, or None.

    Args:
        pattern: ``iso``, ``epoch_s``, ``epoch_ms``, or a strptime pattern of DuckDB's.
    """
    if pattern in _TIME_FORMATS:
        return None
    if "%" not in pattern:
        return "is neither a strptime pattern such as '%Y-%m-%d' nor iso, epoch_s or epoch_ms" + (
            _did_you_mean(pattern, _TIME_FORMATS)
        )
    found = re.findall(r"%(-?)(.?)", pattern, re.DOTALL)
    letters = {letter for _, letter in found}
    unknown = [
        f"has the unknown directive '%{dash}{letter}'"
        for dash, letter in found
        if not letter or letter not in (_STRPTIME_UNPADDED if dash else _STRPTIME_DIRECTIVES)
    ]
    lacking = [
        (not letters & set("yYGcx"), "names no year (%Y)"),
        (not (letters & set("mbBhjUWcx") or {"G", "V"} <= letters), "names no month (%m)"),
        ("I" in letters and "p" not in letters, "has %I (12 hours) without %p (AM or PM)"),
    ]
    return next(iter(unknown + [sentence for is_so, sentence in lacking if is_so]), None)


def _time_format(pattern: str) -> str:
    if mistake := time_format_mistake(pattern):
        raise ValueError(f"{_shown(pattern)} {mistake}")
    return pattern


def _texts(value: object) -> tuple[str, ...]:
    """One text or a list of texts, as a tuple."""
    values = value if isinstance(value, list | tuple) else (value,)
    if not values:
        raise ValueError("is an empty list; name at least one")
    for each in values:
        if not isinstance(each, str):
            raise ValueError(f"{_shown(each)} is not text; write it in quotes")
        if not each.strip():
            raise ValueError("is empty; write a name or remove the key")
    return tuple(values)


def _day(value: object) -> object:
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    if isinstance(value, datetime) or not isinstance(value, date | None):
        raise ValueError(f"{_shown(value)} is not a day; write it as 2025-12-31, or leave it out")
    return value


def _constant(value: object) -> object:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{_shown(value)} is not text; write it in quotes")
    return value


def _windows(value: tuple[int, ...]) -> tuple[int, ...]:
    if not value or any(days < 1 for days in value):
        raise ValueError("must be a list of whole numbers of days, each 1 or more")
    if len(set(value)) < len(value):
        raise ValueError("names a window twice; remove one")
    return tuple(sorted(value))


def _segments(value: tuple[str, ...]) -> tuple[str, ...]:
    lines = []
    for name in value:
        if not _SAFE_NAME.fullmatch(name):
            lines.append(f"{_shown(name)} is not a safe name; {_NAME_RULE}")
        elif name in _SEGMENT_RESERVED or name in _SQL_RESERVED:
            lines.append(f"'{name}' is a reserved name; give the attribute another name")
    lines += [
        f"'{name}' is named twice" for name in sorted({n for n in value if value.count(n) > 1})
    ]
    if lines:
        raise ValueError("\n".join(lines))
    return value


def _environment_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value):
        raise ValueError("must be the name of an environment variable, never the address itself")
    return value


def _memory(value: str) -> str:
    if not re.fullmatch(r"\d+(\.\d+)? ?([KMGT]i?B)", value):
        raise ValueError(f'{_shown(value)} is not an amount of memory; write it as "8GB"')
    return value


def _currency(value: str) -> str:
    if not re.fullmatch(r"[A-Z]{3}", value):
        raise ValueError(f"{_shown(value)} is not a currency code; write three capitals, as USD")
    return value


# --- the model of workspace.yml ---------------------------------------------------------------

Name = Annotated[StrictStr, AfterValidator(_safe_name)]
Texts = Annotated[tuple[StrictStr, ...], BeforeValidator(_texts)]
TimeFormats = Annotated[
    tuple[Annotated[StrictStr, AfterValidator(_time_format)], ...], BeforeValidator(_texts)
]
Zone = Annotated[StrictStr, AfterValidator(_zone)]
Constant = Annotated[StrictStr, BeforeValidator(_constant)]
Delimiter = Annotated[StrictStr, BeforeValidator(lambda v: _one_character(v, "delimiter"))]
Quote = Annotated[StrictStr, BeforeValidator(lambda v: _one_character(v, "quote"))]
Positive = Annotated[StrictInt, Field(ge=1)]
NotNegative = Annotated[StrictInt, Field(ge=0)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Format(_Model):
    """How the bytes of a source's files are read.

    ``header_rows`` and ``header`` count from 1; ``records`` is the dotted path of the array inside
    a JSON document; sizes are in MiB (a file) and KiB (a field).
    """

    type: Literal["csv", "tsv", "jsonl", "json", "parquet"] = "csv"
    encoding: Annotated[StrictStr, AfterValidator(_encoding)] = "utf-8"
    delimiter: Delimiter = ","
    quote: Quote | None = '"'
    header_rows: Positive = 1
    header: Positive = 1
    records: StrictStr | None = None
    allow_empty: StrictBool = False
    max_file_mb: Positive = 20_000
    max_field_kb: Positive = 1024

    @model_validator(mode="before")
    @classmethod
    def _tabs_for_tsv(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("type") == "tsv" and "delimiter" not in data:
            return {**data, "delimiter": "\t"}
        return data

    @property
    def is_delimited(self) -> bool:
        """Whether the file is a table of delimited text."""
        return self.type in ("csv", "tsv")


class Source(_Model):
    """One entry of ``sources``: how one source system's files become one canonical entity.

    ``columns`` and ``attributes`` map a canonical name to the delivered columns it is joined from;
    ``timestamps`` maps a canonical column to the formats it may have.
    """

    name: Name
    entity: StrictStr
    files: Annotated[StrictStr, AfterValidator(_glob)]
    preset: None = None
    format: Format = Format()
    columns: dict[StrictStr, Texts]
    constants: dict[StrictStr, Constant] = {}
    attributes: dict[StrictStr, Texts] = {}
    timestamps: dict[StrictStr, TimeFormats] = {}
    timezone: Zone | None = None
    customer_source: Name | None = None
    snapshot_at: Annotated[StrictStr, Field(min_length=1)] = "file_modified"

    @property
    def label(self) -> str:
        """``name/entity``, as messages name the entry."""
        return f"{self.name}/{self.entity}"

    @property
    def customers_of(self) -> str:
        """The source whose customer ids these are."""
        return self.customer_source or self.name


class SurveyRules(_Model):
    """How often a customer may be asked: at most once in ``quarantine_days`` days."""

    quarantine_days: NotNegative = 90


class Headline(_Model):
    """The metric and survey type that the summary and the features speak of."""

    metric: Annotated[StrictStr, Field(min_length=1)] = "nps"
    survey_type: Annotated[StrictStr, Field(min_length=1)] = "relational"


class _Settings(_Model):
    """The keys of ``workspace.yml``."""

    version: Literal[1]
    as_of: Annotated[date | None, BeforeValidator(_day)] = None
    timezone: Zone = "UTC"
    currency: Annotated[StrictStr, AfterValidator(_currency)] = "USD"
    segments: Annotated[tuple[StrictStr, ...], AfterValidator(_segments)] = ()
    min_group_size: Positive = 5
    churn_windows: Annotated[tuple[StrictInt, ...], AfterValidator(_windows)] = (30, 90, 180, 365)
    rolling_windows: Annotated[tuple[StrictInt, ...], AfterValidator(_windows)] = (30, 90, 365)
    feature_months: Annotated[StrictInt, Field(ge=0, le=240)] = 12
    survey_rules: SurveyRules = SurveyRules()
    headline: Headline = Headline()
    webhook_env: Annotated[StrictStr, AfterValidator(_environment_name)] = "NPS_WEBHOOK_URL"
    memory_limit: Annotated[StrictStr, AfterValidator(_memory)] | None = None
    max_quarantine_rate: Annotated[StrictFloat, Field(ge=0, le=1)] = 0.05
    sources: tuple[Source, ...]


class Workspace(_Settings):
    """A validated workspace: its settings, its sources and where everything lies below ``root``."""

    root: Path

    @cached_property
    def as_of_on(self) -> date:
        """The day at whose end everything is computed: declared, or today in the business zone.

        Read from the clock once, so that one run has one answer.
        """
        return self.as_of or datetime.now(self.business_zone).date()

    @property
    def as_of_at(self) -> datetime:
        """The end of ``as_of_on`` in the business zone, exclusive, as an instant in UTC."""
        midnight = datetime.combine(self.as_of_on + timedelta(days=1), datetime.min.time())
        return midnight.replace(tzinfo=self.business_zone).astimezone(UTC)

    @property
    def business_zone(self) -> zoneinfo.ZoneInfo:
        """The zone in which days, weeks and months begin."""
        return zoneinfo.ZoneInfo(self.timezone)

    def timezone_of(self, source: Source) -> str:
        """The zone of the source's timestamps that name none."""
        return source.timezone or self.timezone

    @property
    def landing(self) -> Path:
        """Where users and extracts drop files, below a folder named after the source."""
        return self.root / "landing"

    @property
    def lake(self) -> Path:
        """The immutable part: what was delivered, and what was read from it."""
        return self.root / "lake"

    @property
    def archive(self) -> Path:
        """The delivered bytes, named by their SHA-256."""
        return self.lake / "archive"

    @property
    def raw(self) -> Path:
        """One Parquet file for each loaded file, below a folder named after the entity."""
        return self.lake / "raw"

    @property
    def rejected(self) -> Path:
        """The rows that could not be read as rows, with their raw text."""
        return self.lake / "rejected"

    @property
    def manifest_dir(self) -> Path:
        """The manifest and the table made from it."""
        return self.lake / "manifest"

    @property
    def manifest_file(self) -> Path:
        """The append-only record of what happened to every file."""
        return self.manifest_dir / "manifest.jsonl"

    @property
    def settings_dir(self) -> Path:
        """The settings as Parquet files, for dbt."""
        return self.lake / "settings"

    @property
    def published_figures(self) -> Path:
        """Each headline figure as it was first published, for dbt."""
        return self.lake / "ledger" / "published_figures.parquet"

    @property
    def warehouse_dir(self) -> Path:
        """The folder of the private build database."""
        return self.root / "warehouse"

    @property
    def warehouse_file(self) -> Path:
        """The private build database."""
        return self.warehouse_dir / "nps.duckdb"

    @property
    def spill(self) -> Path:
        """The folder for what does not fit into memory while checking and publishing.

        dbt's own connection spills beside its database, ingest into the lake.
        """
        return self.warehouse_dir / ".spill"

    @property
    def published(self) -> Path:
        """What others read."""
        return self.root / "published"

    @property
    def runs(self) -> Path:
        """Logs, validation results, dbt's artifacts, Dagster's home."""
        return self.root / "runs"


# --- mistakes that need more than one value ---------------------------------------------------


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
        "jsonl": ("delimiter", "quote", "header_rows", "header", "records"),
        "json": ("delimiter", "quote", "header_rows", "header"),
        "parquet": ("delimiter", "quote", "header_rows", "header", "records", "encoding"),
        "csv": ("records",),
        "tsv": ("records",),
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
        return [f"unknown entity {_shown(name)}{_did_you_mean(name, ENTITIES) or _list(ENTITIES)}"]
    lines = []
    columns, constants = _mapping(raw.get("columns")), _mapping(raw.get("constants"))
    known = entity.column_names
    for key, names in (("columns", columns), ("constants", constants)):
        lines += [
            f"unknown column '{column}' of {entity.name} in {key}"
            + (_did_you_mean(column, known) or "; put what is not canonical under attributes")
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
    attributes = _mapping(raw.get("attributes"))
    if attributes and not entity.has_attributes:
        takers = ", ".join(e.name for e in ENTITIES.values() if e.has_attributes)
        lines.append(f"{entity.name} takes no attributes (only {takers}); remove them")
    lines += [
        f"attribute {_shown(key)} is not a safe name; {_NAME_RULE}"
        for key in attributes
        if not _SAFE_NAME.fullmatch(key)
    ]
    snapshot = raw.get("snapshot_at", "file_modified")
    timed = [column for column in entity.times if column in given]
    if isinstance(snapshot, str) and snapshot != "file_modified" and "%" not in snapshot:
        timed.append("snapshot_at")
    lines += [
        f"timestamps.{column} formats no mapped timestamp"
        + (_did_you_mean(column, timed) or _list(timed))
        for column in _mapping(raw.get("timestamps"))
        if column not in timed
    ]
    return lines


def _list(names: Iterable[str]) -> str:
    return "; there are: " + (", ".join(names) or "none")


def _source_mistakes(raw: Mapping[str, Any], surveys: Mapping[str, set[str]]) -> list[str]:
    lines = []
    if raw.get("preset") is not None:
        presets = sorted(path.stem for path in PRESETS.glob("*.yml"))
        lines.append(f"there is no preset {_shown(raw['preset'])}{_list(presets)}; remove the key")
    lines += _format_mistakes(_mapping(raw.get("format")))
    lines += _columns_mistakes(raw, surveys)
    snapshot = raw.get("snapshot_at")
    if isinstance(snapshot, str) and "%" in snapshot and (bad := time_format_mistake(snapshot)):
        lines.append(f"snapshot_at {_shown(snapshot)} {bad}")
    return lines


def _label(index: int, raw: object) -> str:
    entry = _mapping(raw)
    named = "/".join(str(entry.get(key, "?")) for key in ("name", "entity"))
    return f"sources[{index}] ({named})"


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
        lines += [f"{label}: {line}" for line in _source_mistakes(entry, surveys)]
        key = (str(entry.get("name")), str(entry.get("entity")))
        if "name" in entry and "entity" in entry and key in seen:
            lines.append(f"{label}: the same name and entity as sources[{seen[key]}]; rename one")
        seen.setdefault(key, index)
    attributes = sorted({key for entry in entries for key in _mapping(entry.get("attributes"))})
    segments = raw.get("segments")
    lines += [
        f"segments: '{segment}' is an attribute of no source"
        + (
            _did_you_mean(segment, attributes)
            or "; add it to the attributes of a customers entry, or remove it"
        )
        for segment in (segments if isinstance(segments, list) else ())
        if isinstance(segment, str) and segment not in attributes
    ]
    return lines


# --- from pydantic's errors to lines ----------------------------------------------------------

_KEYS: dict[tuple[str, ...], type[BaseModel]] = {
    (): _Settings,
    ("sources",): Source,
    ("format",): Format,
    ("survey_rules",): SurveyRules,
    ("headline",): Headline,
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
    """One error of pydantic's as a sentence; ``path`` lies inside the entry that is named."""
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    where = ".".join(path)
    if kind == "extra_forbidden":
        *parents, key = path
        model = _KEYS.get(tuple(parents) or (("sources",) if place else ()))
        inside = f" in {'.'.join(parents)}" if parents else ""
        hint = _did_you_mean(key, model.model_fields) if model else ""
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
        return f"{where}: {_shown(value)} is not one of {', '.join(known)}" + (
            _did_you_mean(value, known)
        )
    if kind in ("greater_than_equal", "less_than_equal"):
        bound = context.get("ge", context.get("le"))
        side = "at least" if kind == "greater_than_equal" else "at most"
        return f"{where}: {_shown(value)} must be {side} {bound:g}"
    return f"{where}: {_shown(value)} {_EXPECTED.get(kind) or 'is not valid: ' + error['msg']}"


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


# --- reading ----------------------------------------------------------------------------------


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
            problem = f"the key {_shown(key)} appears twice; remove one"
        if problem:
            raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
        seen.add(key)
    loader.flatten_mapping(node)
    return loader.construct_mapping(node, deep=True)


def _construct_timestamp(loader: _Loader, node: yaml.ScalarNode) -> Any:
    try:
        return loader.construct_yaml_timestamp(node)
    except ValueError as error:
        problem = f"{_shown(node.value)} is no date of the calendar"
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


def load_workspace(root: Path) -> Workspace:
    """Read and validate ``root/workspace.yml``.

    Args:
        root: the workspace's folder.

    Returns:
        The workspace; its ``root`` is absolute.

    Raises:
        UserError: with one line for each mistake.
    """
    root = Path(root).absolute()
    raw = _read(root / FILE_NAME)
    if not isinstance(raw, dict):
        raise UserError(f"{FILE_NAME}: must be a mapping of keys to values, beginning 'version: 1'")
    lines, settings = [], None
    try:
        settings = _Settings.model_validate(raw)
    except ValidationError as error:
        lines = _pydantic_mistakes(error, raw)
    lines += _cross_mistakes(raw)
    if lines or settings is None:
        raise UserError("\n".join(f"{FILE_NAME}: {line}" for line in dict.fromkeys(lines)))
    values = {name: getattr(settings, name) for name in _Settings.model_fields}
    return Workspace(**values, root=root)
