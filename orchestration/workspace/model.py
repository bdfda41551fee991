"""The model of a workspace: the user's folder and its ``workspace.yml``.

``workspace.load`` makes it from the file.
"""

from __future__ import annotations

import zoneinfo
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    PlainValidator,
    PrivateAttr,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    model_validator,
)

from orchestration.workspace import rules
from orchestration.workspace.sections import (
    STRICT,
    Actions,
    Event,
    Headline,
    Publish,
    Retain,
    SurveyRules,
)

FILE_NAME = "workspace.yml"
# Begins a value of ``exclude`` that is a file of values.
LIST_FILE = "file:"
# What each of several answers in a row may have of its own: from columns, and the same in all rows.
ANSWER_COLUMNS = ("score", "comment", "submitted_at")
ANSWER_CONSTANTS = ("metric", "survey_type", "scale", "survey_id", "touchpoint", "channel")
OneOrMore = str | list[str]
Name = Annotated[StrictStr, AfterValidator(rules.safe_name)]
Texts = Annotated[
    tuple[StrictStr, ...], BeforeValidator(rules.texts, json_schema_input_type=OneOrMore)
]
TimeFormats = Annotated[
    tuple[Annotated[StrictStr, AfterValidator(rules.time_format)], ...],
    BeforeValidator(rules.texts, json_schema_input_type=OneOrMore),
]
IdForm = Annotated[StrictStr, AfterValidator(rules.id_form)]
ValueMap = Annotated[dict[str, str | None] | str, PlainValidator(rules.value_map)]
Zone = Annotated[StrictStr, AfterValidator(rules.zone)]
Constant = Annotated[StrictStr, BeforeValidator(rules.constant, json_schema_input_type=str)]
Delimiter = Annotated[
    StrictStr,
    BeforeValidator(lambda v: rules.one_character(v, "delimiter"), json_schema_input_type=str),
]
Quote = Annotated[
    StrictStr,
    BeforeValidator(lambda v: rules.one_character(v, "quote"), json_schema_input_type=str),
]


class _Model(BaseModel):
    model_config = STRICT


class Format(_Model):
    """How the bytes of a source's files are read.

    ``sheet`` is the name of an Excel workbook's sheet; None: its only visible one. ``header_rows``
    and ``header`` count from 1; ``records`` is the dotted path of the array inside
    a JSON document; sizes are in MiB (a file) and KiB (a field). Without ``max_rows`` a file may
    have a hundred million rows, and more than a million only if it has a byte for every ten.
    """

    type: Literal["csv", "tsv", "jsonl", "json", "parquet", "xlsx"] = "csv"
    encoding: Annotated[StrictStr, AfterValidator(rules.encoding)] = "utf-8"
    delimiter: Delimiter = ","
    quote: Quote | None = '"'
    header_rows: Annotated[StrictInt, Field(ge=1, le=10_000)] = 1
    header: Annotated[StrictInt, Field(ge=1, le=10_000)] = 1
    sheet: Annotated[StrictStr, Field(min_length=1)] | None = None
    records: StrictStr | None = None
    allow_empty: StrictBool = False
    max_file_mb: Annotated[StrictInt, Field(ge=1, le=1_000_000_000)] = 20_000
    max_field_kb: Annotated[StrictInt, Field(ge=1, le=262_144)] = 1024
    max_rows: Annotated[StrictInt, Field(ge=1, le=10**12)] | None = None
    max_columns: Annotated[StrictInt, Field(ge=1, le=100_000)] = 2000

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


class Answer(_Model):
    """One of several questions that a row of answers holds.

    ``score``, ``comment`` and ``submitted_at`` are delivered columns, ``values`` says what the
    score's texts mean; the others are the same in all rows. Each goes before the entry's own. The
    name is part of the answers' ids; without one it is the metric.
    """

    name: Name | None = None
    score: Texts
    comment: Texts | None = None
    submitted_at: Texts | None = None
    values: ValueMap | None = None
    metric: Constant | None = None
    survey_type: Constant | None = None
    scale: Constant | None = None
    survey_id: Constant | None = None
    touchpoint: Constant | None = None
    channel: Constant | None = None

    @property
    def label(self) -> str:
        """The name: its own, or the metric."""
        return self.name or (self.metric or "").strip().lower()

    @property
    def columns(self) -> dict[str, tuple[str, ...]]:
        """The delivered columns of each canonical one that the answer maps itself."""
        own = {name: getattr(self, name) for name in ANSWER_COLUMNS}
        return {name: columns for name, columns in own.items() if columns is not None}

    @property
    def constants(self) -> dict[str, str]:
        """The canonical columns whose text is the same in all of these answers."""
        own = {name: getattr(self, name) for name in ANSWER_CONSTANTS}
        return {name: text for name, text in own.items() if text is not None}


class Churned(_Model):
    """A delivered column that says who has left, and by which of its values."""

    column: Annotated[StrictStr, Field(min_length=1)]
    values: Texts


class Source(_Model):
    """One entry of ``sources``: how one source system's files become one canonical entity.

    ``columns`` and ``attributes`` map a canonical name to the delivered columns it is joined from;
    ``timestamps`` maps a canonical column to the formats it may have, ``values`` a canonical column
    or an attribute to what its texts mean; ``null_values`` are texts that mean an empty cell.
    ``answers`` are the questions of a row that holds several. ``split`` maps an attribute of
    several values to what separates them.
    ``only`` and ``except`` map a delivered column to values, ``exclude`` a canonical one: they say
    which rows are excluded. ``normalise`` maps a column of ids to the form in which they are
    compared; ``min_match_rate`` is the share of ids that should be known to the CRM. ``churned``
    says of customers which have left, where no date does. ``max_quarantine_rate`` goes before the
    workspace's.
    """

    name: Name
    entity: StrictStr
    files: Annotated[StrictStr, AfterValidator(rules.glob)]
    preset: None = None
    format: Format = Format()
    columns: dict[StrictStr, Texts]
    constants: dict[StrictStr, Constant] = {}
    attributes: dict[StrictStr, Texts] = {}
    timestamps: dict[StrictStr, TimeFormats] = {}
    timezone: Zone | None = None
    customer_source: Name | None = None
    snapshot_at: Annotated[StrictStr, Field(min_length=1)] = "file_modified"
    values: dict[StrictStr, ValueMap] = {}
    null_values: Texts = ()
    only: dict[StrictStr, Texts] = {}
    except_: Annotated[dict[StrictStr, Texts], Field(alias="except")] = {}
    exclude: dict[StrictStr, Texts] = {}
    normalise: dict[StrictStr, IdForm] = {}
    min_match_rate: Annotated[StrictFloat, Field(ge=0, le=1)] | None = None
    churned: Churned | None = None
    max_quarantine_rate: Annotated[StrictFloat, Field(ge=0, le=1)] | None = None
    answers: tuple[Answer, ...] = ()
    split: dict[StrictStr, Annotated[StrictStr, Field(min_length=1, max_length=10)]] = {}
    _whole: Source | None = PrivateAttr(None)
    _answer: str | None = PrivateAttr(None)

    @cached_property
    def parts(self) -> tuple[Source, ...]:
        """The mappings of a delivered row: one, or that of each of its answers."""
        return tuple(map(self._part, self.answers)) or (self,)

    def _part(self, answer: Answer) -> Source:
        own = {*answer.columns, *answer.constants}
        common = {name: each for name, each in self.columns.items() if name not in own}
        constants = {name: text for name, text in self.constants.items() if name not in own}
        values = {} if answer.values is None else {"score": answer.values}
        part = self.model_copy(
            update={
                "columns": {**common, **answer.columns},
                "constants": {**constants, **answer.constants},
                "values": {**self.values, **values},
            }
        )
        part._whole, part._answer = self, answer.label
        return part

    @property
    def whole(self) -> Source:
        """The entry that this is a part of, or itself."""
        return self._whole or self

    @property
    def answer(self) -> str | None:
        """The name of the answer that this is the mapping of; None: the row holds one."""
        return self._answer

    @property
    def mapped(self) -> frozenset[str]:
        """The canonical columns that this mapping gives."""
        stated = ("is_churned",) if self.churned else ()
        return frozenset((*self.columns, *self.constants, *stated))

    @property
    def given(self) -> frozenset[str]:
        """The canonical columns that are mapped or constant, in any part."""
        return frozenset(name for part in self.parts for name in part.mapped)

    @property
    def read_otherwise(self) -> frozenset[str]:
        """The canonical columns and attributes that are other texts than the delivered ones."""
        return frozenset((*self.values, *self.normalise))

    @property
    def excludes_rows(self) -> bool:
        """Whether rows may be excluded."""
        return bool(self.only or self.except_ or self.exclude)

    @property
    def listed_files(self) -> tuple[str, ...]:
        """The files that ``exclude`` names, relative to the workspace's folder."""
        values = [value for values in self.exclude.values() for value in values]
        return tuple(v.removeprefix(LIST_FILE) for v in values if v.startswith(LIST_FILE))

    @property
    def label(self) -> str:
        """``name/entity``, as messages name the entry."""
        return f"{self.name}/{self.entity}"

    @property
    def customers_of(self) -> str:
        """The source whose customer ids these are."""
        return self.customer_source or self.name

    def formats_of(self, column: str) -> tuple[str, ...]:
        """The formats of a time column: the declared ones, then those that Excel itself keeps."""
        declared = self.timestamps.get(column, ())
        kept = ("iso", "excel") if self.format.type == "xlsx" else () if declared else ("iso",)
        return (*declared, *(each for each in kept if each not in declared))


class Settings(_Model):
    """The keys of ``workspace.yml``."""

    version: Literal[1]
    as_of: Annotated[
        date | None, BeforeValidator(rules.day, json_schema_input_type=date | None)
    ] = None
    timezone: Zone = "UTC"
    currency: Annotated[StrictStr, AfterValidator(rules.currency)] = "USD"
    segments: Annotated[tuple[StrictStr, ...], AfterValidator(rules.segments)] = ()
    min_group_size: Annotated[StrictInt, Field(ge=1, le=1_000_000)] = 5
    churn_windows: Annotated[tuple[StrictInt, ...], AfterValidator(rules.windows)] = (
        30,
        90,
        180,
        365,
    )
    rolling_windows: Annotated[tuple[StrictInt, ...], AfterValidator(rules.windows)] = (30, 90, 365)
    feature_months: Annotated[StrictInt, Field(ge=0, le=240)] = 12
    fiscal_year_start: Annotated[StrictInt, Field(ge=1, le=12)] | None = None
    survey_rules: SurveyRules = SurveyRules()
    headline: Headline = Headline()
    events: tuple[Event, ...] = ()
    journey: Annotated[tuple[Constant, ...], AfterValidator(rules.stages)] = ()
    actions: Actions = Actions()
    publish: Publish = Publish()
    webhook_env: Annotated[StrictStr, AfterValidator(rules.environment_name)] = "NPS_WEBHOOK_URL"
    memory_limit: Annotated[StrictStr, AfterValidator(rules.memory)] | None = None
    max_quarantine_rate: Annotated[StrictFloat, Field(ge=0, le=1)] = 0.05
    retain: Retain = Retain()
    sources: tuple[Source, ...]


class Workspace(Settings):
    """A validated workspace: its settings, its sources and the paths below ``root``."""

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
    def scored_windows(self) -> tuple[int, ...]:
        """The lengths in days of rolling windows: the declared ones and the headline's."""
        return tuple(sorted({*self.rolling_windows, self.headline.window_days}))

    def attributes_of(self, entity: str) -> tuple[str, ...]:
        """The attributes that sources of an entity declare, sorted."""
        named = (source.attributes for source in self.sources if source.entity == entity)
        return tuple(sorted({name for attributes in named for name in attributes}))

    @property
    def split_attributes(self) -> tuple[str, ...]:
        """The attributes that may have several values, sorted."""
        return tuple(sorted({name for source in self.sources for name in source.split}))

    @property
    def business_zone(self) -> zoneinfo.ZoneInfo:
        """The zone in which days, weeks and months begin."""
        return zoneinfo.ZoneInfo(self.timezone)

    def has_period(self, grain: str, first_day: date) -> bool:
        """Whether a period of a time grain begins on a day, which fiscal grains decide.

        A published figure of another fiscal year is of no period any more.
        """
        if not grain.startswith("fiscal_"):
            return True
        months = 3 if grain == "fiscal_quarter" else 12
        start = self.fiscal_year_start
        return start is not None and (first_day.month - start) % months == 0

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
    def hash_key_file(self) -> Path:
        """The key of the hashes that stand for e-mail addresses."""
        return self.lake / "hash_key"

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
    def marts_file(self) -> Path:
        """The build's tables that everybody may read; a generation is copied from it."""
        return self.warehouse_dir / "marts.duckdb"

    @property
    def restricted_file(self) -> Path:
        """The build's comments, identities and quarantined rows."""
        return self.warehouse_dir / "restricted.duckdb"

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
