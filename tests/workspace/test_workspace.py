"""workspace.yml: every mistake gets its one line, all at once, and good ones mean what they say."""

from __future__ import annotations

import copy
import zoneinfo
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pytest
import yaml

from orchestration.core.errors import UserError
from orchestration.workspace.entities import ENTITIES
from orchestration.workspace.load import load_workspace
from orchestration.workspace.rules import strptime_pattern, time_format_mistake
from orchestration.workspace.segments import published_name

SURVEY = {
    "name": "telco",
    "entity": "survey_responses",
    "files": "nps*.csv",
    "columns": {"response_id": "id", "score": "nps", "submitted_at": "date"},
    "constants": {"metric": "nps", "survey_type": "relational", "scale": "0-10"},
}
CUSTOMERS = {
    "name": "telco",
    "entity": "customers",
    "files": "customers*.csv",
    "columns": {"customer_id": "id", "email": "mail"},
    "attributes": {"region": "state", "plan": "segment"},
}
MINIMAL = {"version": 1, "sources": [SURVEY, CUSTOMERS]}


def write(root: Path, content: object) -> Path:
    text = content if isinstance(content, str) else yaml.safe_dump(content, allow_unicode=True)
    (root / "workspace.yml").write_text(text, encoding="utf-8")
    return root


def mistakes(root: Path, content: object) -> list[str]:
    with pytest.raises(UserError) as caught:
        load_workspace(write(root, content))
    return str(caught.value).split("\n")


def changed(path: str, value: object) -> dict:
    """MINIMAL with the value at a dotted path set, or removed when the value is ``...``."""
    content = copy.deepcopy(MINIMAL)
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    place = content
    for part in parents:
        place = place[part] if isinstance(part, int) else place.setdefault(part, {})
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return content


def test_defaults(tmp_path):
    workspace = load_workspace(write(tmp_path, MINIMAL))
    assert workspace.timezone == "UTC"
    assert workspace.currency == "USD"
    assert workspace.segments == ()
    assert workspace.min_group_size == 5
    assert workspace.churn_windows == (30, 90, 180, 365)
    assert workspace.rolling_windows == (30, 90, 365)
    assert workspace.feature_months == 12
    assert workspace.fiscal_year_start is None
    assert workspace.survey_rules.quarantine_days == 90
    assert (workspace.headline.metric, workspace.headline.survey_type) == ("nps", "relational")
    assert workspace.webhook_env == "NPS_WEBHOOK_URL"
    assert workspace.memory_limit is None
    assert workspace.max_quarantine_rate == 0.05
    assert workspace.as_of_on == datetime.now(UTC).date()
    source = workspace.sources[0]
    form = source.format
    assert (form.type, form.encoding, form.delimiter, form.quote) == ("csv", "utf-8", ",", '"')
    assert (form.header_rows, form.header, form.allow_empty) == (1, 1, False)
    assert (form.max_file_mb, form.max_field_kb, form.records) == (20000, 1024, None)
    assert source.snapshot_at == "file_modified"
    assert source.columns["score"] == ("nps",)
    assert source.customers_of == "telco"
    assert workspace.timezone_of(source) == "UTC"


def test_fiscal_periods_begin_with_the_fiscal_year(tmp_path):
    workspace = load_workspace(write(tmp_path, {**MINIMAL, "fiscal_year_start": 4}))
    starts = [date(2025, month, 1) for month in range(1, 13)]
    quarters = [day.month for day in starts if workspace.has_period("fiscal_quarter", day)]
    assert quarters == [1, 4, 7, 10]
    assert [d.month for d in starts if workspace.has_period("fiscal_year", d)] == [4]
    assert all(workspace.has_period("quarter", day) for day in starts)
    calendar = load_workspace(write(tmp_path, MINIMAL))
    assert not any(calendar.has_period("fiscal_year", day) for day in starts)


def test_paths_lie_below_the_root(tmp_path):
    workspace = load_workspace(write(tmp_path, MINIMAL))
    expected = {
        "landing": "landing",
        "lake": "lake",
        "archive": "lake/archive",
        "raw": "lake/raw",
        "rejected": "lake/rejected",
        "manifest_dir": "lake/manifest",
        "manifest_file": "lake/manifest/manifest.jsonl",
        "settings_dir": "lake/settings",
        "warehouse_dir": "warehouse",
        "warehouse_file": "warehouse/nps.duckdb",
        "marts_file": "warehouse/marts.duckdb",
        "restricted_file": "warehouse/restricted.duckdb",
        "published": "published",
        "runs": "runs",
    }
    assert {name: getattr(workspace, name) for name in expected} == {
        name: tmp_path / path for name, path in expected.items()
    }


def test_a_full_workspace(tmp_path):
    content = copy.deepcopy(MINIMAL)
    content |= {
        "as_of": date(2025, 12, 31),
        "timezone": "Europe/Brussels",
        "currency": "EUR",
        "segments": ["region", "plan"],
        "churn_windows": [90, 30],
        "headline": {"metric": "csat"},
        "memory_limit": "8GB",
        "max_quarantine_rate": 0,
    }
    content["sources"][0] |= {
        "format": {"type": "tsv", "header_rows": 3, "header": 2, "quote": None},
        "timestamps": {"submitted_at": ["%d/%m/%Y", "epoch_s", "iso"]},
        "timezone": "America/New_York",
        "customer_source": "crm",
        "snapshot_at": "nps_%Y%m%d.csv",
    }
    content["sources"][0]["columns"]["response_id"] = ["wave", "id"]
    workspace = load_workspace(write(tmp_path, content))
    source = workspace.sources[0]
    assert source.format.delimiter == "\t"
    assert source.format.quote is None
    assert source.columns["response_id"] == ("wave", "id")
    assert source.timestamps["submitted_at"] == ("%d/%m/%Y", "epoch_s", "iso")
    assert source.customers_of == "crm"
    assert workspace.timezone_of(source) == "America/New_York"
    assert workspace.timezone_of(workspace.sources[1]) == "Europe/Brussels"
    assert workspace.churn_windows == (30, 90)
    assert workspace.headline.survey_type == "relational"


@pytest.mark.parametrize(
    ("zone", "as_of", "end"),
    [
        ("UTC", date(2025, 12, 31), datetime(2026, 1, 1, tzinfo=UTC)),
        ("Europe/Brussels", date(2025, 12, 31), datetime(2025, 12, 31, 23, tzinfo=UTC)),
        ("Europe/Brussels", date(2025, 3, 30), datetime(2025, 3, 30, 22, tzinfo=UTC)),
        ("America/New_York", date(2025, 7, 4), datetime(2025, 7, 5, 4, tzinfo=UTC)),
        # In Cairo the clocks of 25 April 2025 jumped from 0:00 to 1:00, at 22:00 UTC.
        ("Africa/Cairo", date(2025, 4, 24), datetime(2025, 4, 24, 22, tzinfo=UTC)),
    ],
)
def test_as_of_is_the_end_of_the_local_day(tmp_path, zone, as_of, end):
    workspace = load_workspace(write(tmp_path, {**MINIMAL, "as_of": as_of, "timezone": zone}))
    assert workspace.as_of_on == as_of
    assert workspace.as_of_at == end
    assert workspace.as_of_at.tzinfo is UTC


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        ("version", 2, "version: 2 is not one of 1"),
        ("version", ..., "the key 'version' is missing; add it"),
        ("sources", ..., "the key 'sources' is missing; add it"),
        ("sources", [], "sources: the list is empty; declare at least one source"),
        ("sources", {}, "sources: {} must be a list"),
        ("segmets", [], "unknown key 'segmets'; did you mean 'segments'?"),
        ("root", "/tmp", "unknown key 'root'; remove it"),
        ("as_of", "31/12/2025", "as_of: '31/12/2025' is not a day; write it as 2025-12-31"),
        ("as_of", 20251231, "as_of: 20251231 is not a day"),
        ("as_of", date(9999, 12, 31), "as_of: 9999-12-31 must be a day from 1900-01-01 to"),
        ("as_of", "0001-01-01", "as_of: 0001-01-01 must be a day from 1900-01-01 to 2199-12-31"),
        ("churn_windows", [99999999999], "churn_windows: must be a list of whole numbers of days,"
         " each from 1 to 36,500"),
        ("rolling_windows", [36_501], "rolling_windows: must be a list of whole numbers of days"),
        ("survey_rules.quarantine_days", 99999999999, "survey_rules.quarantine_days: 99999999999"
         " must be at most 36,500"),
        ("min_group_size", 99999999999, "min_group_size: 99999999999 must be at most 1,000,000"),
        ("headline.metric", "nsp", "headline.metric: 'nsp' is no metric of the seed metric_scales; did"
         " you mean 'nps'?"),
        ("headline.survey_type", "relatoinal", "headline.survey_type: no source delivers"
         " 'relatoinal'; did you mean 'relational'?"),
        ("headline.survey_type", "yearly", "headline.survey_type: no source delivers 'yearly';"
         " there are: relational"),
        (
            "timezone",
            "Europe/Brussel",
            "timezone: 'Europe/Brussel' is not a time zone of the IANA"
            " database; did you mean 'Europe/Brussels'?",
        ),
        ("timezone", "localtime", "timezone: 'localtime' is not a time zone"),
        ("currency", "usd", "currency: 'usd' is not a currency code"),
        ("min_group_size", 0, "min_group_size: 0 must be at least 1"),
        ("min_group_size", "5", "min_group_size: '5' must be a whole number"),
        ("min_group_size", True, "min_group_size: True must be a whole number"),
        ("churn_windows", [30, 0], "churn_windows: must be a list of whole numbers of days"),
        ("churn_windows", [], "churn_windows: must be a list of whole numbers of days"),
        ("churn_windows", [30, 30], "churn_windows: names a window twice; remove one"),
        ("churn_windows", [30, 4.5], "churn_windows.1: 4.5 must be a whole number"),
        ("rolling_windows", [7, 7], "rolling_windows: names a window twice; remove one"),
        ("journey", ["trial", "renewal", "trial"], "journey: names 'trial' twice; a stage has one place"),
        ("journey", ["trial", " "], "journey.1: ' ' is not text; write it in quotes"),
        ("journey", "trial", "journey: 'trial' must be a list"),
        ("feature_months", -1, "feature_months: -1 must be at least 0"),
        ("fiscal_year_start", 13, "fiscal_year_start: 13 must be at most 12"),
        ("fiscal_year_start", "April", "fiscal_year_start: 'April' must be a whole number"),
        (
            "survey_rules.quarantine_day",
            9,
            "unknown key 'quarantine_day' in survey_rules; did you mean 'quarantine_days'?",
        ),
        ("headline.metrc", "nps", "unknown key 'metrc' in headline; did you mean 'metric'?"),
        (
            "webhook_env",
            "https://hooks.example/x",
            "webhook_env: must be the name of an environment variable, never the address itself",
        ),
        ("memory_limit", "lots", "memory_limit: 'lots' is not an amount of memory"),
        ("max_quarantine_rate", 5, "max_quarantine_rate: 5 must be at most 1"),
        ("segments", ["region", "Plan"], "segments: 'Plan' is not a safe name"),
        ("segments", ["email"], "segments: 'email' is a name of personal data"),
        ("segments", ["name"], "segments: 'name' is a name of personal data"),
        ("segments", ["comment"], "segments: 'comment' is a name of personal data"),
        (
            "segments",
            ["score", "segment_score"],
            "segments: 'score' is published as 'segment_score', which is another segment;"
            " give one of the two attributes another name",
        ),
        ("segments", ["region", "region"], "segments: 'region' is named twice"),
        (
            "segments",
            ["regoin"],
            "segments: 'regoin' is an attribute of no source; did you mean 'region'?",
        ),
        (
            "segments",
            ["shoe_size"],
            "segments: 'shoe_size' is an attribute of no source; add it to"
            " the attributes of a customers entry, or remove it",
        ),
    ],
)  # fmt: skip
def test_a_mistake_at_the_top_is_one_line(tmp_path, path, value, line):
    (only, *more) = [each for each in mistakes(tmp_path, changed(path, value)) if line in each]
    assert only.startswith("workspace.yml: " + line)
    assert not more


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        ("colums", {}, "unknown key 'colums'; did you mean 'columns'?"),
        ("columns", ..., "the key 'columns' is missing; add it"),
        ("name", "Telco 1", "name: 'Telco 1' is not a safe name"),
        ("name", "../x", "name: '../x' is not a safe name"),
        ("entity", "survey_response", "unknown entity 'survey_response'; did you mean"
         " 'survey_responses'?"),
        ("entity", "xyz", "unknown entity 'xyz'; there are: survey_responses, "),
        ("preset", "qualtrics", "there is no preset 'qualtrics'; there are: none"),
        ("files", "/etc/*.csv", "files: '/etc/*.csv' must be relative to landing/<name>/"),
        ("files", "../*.csv", "files: '../*.csv' leaves landing/<name>/; remove '..'"),
        ("files", "a/../../*.csv", "files: 'a/../../*.csv' leaves landing/<name>/"),
        ("files", "a**.csv", "files: 'a**.csv' is not a glob"),
        ("files", "", "files: is empty"),
        ("files", "a\\b", "files: 'a\\\\b' must be relative"),
        ("format.delimeter", ";", "unknown key 'delimeter' in format; did you mean 'delimiter'?"),
        ("format.type", "xls", "format.type: 'xls' is not one of csv, tsv, jsonl, json, parquet,"
         " xlsx; did you mean 'xlsx'?"),
        ("format.sheet", "Answers", "format.sheet has no meaning for type csv; remove it"),
        ("format.encoding", "utf-9", "format.encoding: 'utf-9' is not a known encoding"),
        ("format.encoding", "base64", "format.encoding: 'base64' is not an encoding of text files"),
        ("format.encoding", "idna", "format.encoding: 'idna' is not an encoding of text files"),
        ("format.delimiter", "::", "format.delimiter: '::' is not a delimiter: one ASCII"),
        ("format.delimiter", "\n", "format.delimiter: '\\n' is not a delimiter"),
        ("format.delimiter", "a", "format.delimiter: 'a' is not a delimiter"),
        ("format.delimiter", '"', "format.delimiter and format.quote are the same character"),
        ("format.header_rows", 0, "format.header_rows: 0 must be at least 1"),
        ("format.header", 3, "format.header 3 is greater than header_rows 1"),
        ("format.skip_rows", 2, "unknown key 'skip_rows' in format; did you mean 'header_rows'?"),
        ("skip_rows", 2, "unknown key 'skip_rows'; did you mean 'format.header_rows'?"),
        ("delimiter", ";", "unknown key 'delimiter'; did you mean 'format.delimiter'?"),
        ("format.max_file_mb", 0, "format.max_file_mb: 0 must be at least 1"),
        ("format.max_field_kb", 10**9, "format.max_field_kb: 1000000000 must be at most 262,144"),
        ("format.records", "data", "format.records has no meaning for type csv; remove it"),
        ("max_quarantine_rate", 5, "max_quarantine_rate: 5 must be at most 1"),
        ("format.allow_empty", 1, "format.allow_empty: 1 must be true or false"),
        ("format", "csv", "format: 'csv' must be a mapping of keys to values"),
        ("columns.scor", "x", "unknown column 'scor' of survey_responses in columns; did you mean"
         " 'score'?"),
        ("columns.zzz", "x", "unknown column 'zzz' of survey_responses in columns; put what is not"
         " canonical under attributes"),
        ("columns.metric", "x", "'metric' is named by both columns and constants; remove one"),
        ("columns.response_id", ..., "required column 'response_id' is missing; add it to columns"),
        ("columns.comment", [], "columns.comment: is an empty list; name at least one"),
        ("columns.comment", 7, "columns.comment: 7 is not text; write it in quotes"),
        ("columns.comment", ["a", 7], "columns.comment: 7 is not text; write it in quotes"),
        ("columns.comment", " ", "columns.comment: is empty; write a name or remove the key"),
        ("constants.langage", "en", "unknown column 'langage' of survey_responses in constants; did"
         " you mean 'language'?"),
        ("constants.language", False, "constants.language: False is not text; write it in quotes"),
        ("constants.metric", ..., "'metric' of the answers is unknown; add it to columns or"
         " constants, or declare a surveys entry of the same name that maps it, and map survey_id"
         " here"),
        ("constants.survey_type", ..., "'survey_type' of the answers is unknown"),
        ("constants.scale", ..., "'scale' of the answers is unknown"),
        ("attributes.Plan", "p", "attribute 'Plan' is not a safe name"),
        ("timestamps.submitted_at", "%Y-%Q", "timestamps.submitted_at.0: '%Y-%Q' has the unknown"
         " directive '%Q'"),
        ("timestamps.submitted_at", "%H:%M", "timestamps.submitted_at.0: '%H:%M' names no year"),
        ("timestamps.submitted_at", "%d.%Y", "timestamps.submitted_at.0: '%d.%Y' names no month"),
        ("timestamps.submitted_at", "%Y-%m-%d %I", "timestamps.submitted_at.0: '%Y-%m-%d %I' has %I"
         " (12 hours) without %p"),
        ("timestamps.submitted_at", "epoch", "timestamps.submitted_at.0: 'epoch' is neither a"),
        ("timestamps.submitted_at", "dd/mm/yyyy", "timestamps.submitted_at.0: 'dd/mm/yyyy' is"
         " neither a strptime pattern such as '%Y-%m-%d' nor iso, epoch_s, epoch_ms or excel; did you mean"
         " '%d/%m/%Y'?"),
        ("timestamps.submitted_at", "%-d%-m%Y", "timestamps.submitted_at.0: '%-d%-m%Y' has"
         " two numbers side by side of which one may have any width"),
        ("timestamps.submited_at", "iso", "timestamps.submited_at formats no mapped timestamp; did"
         " you mean 'submitted_at'?"),
        ("timestamps.score", "iso", "timestamps.score formats no mapped timestamp; there are:"
         " submitted_at"),
        ("timestamps.updated_at", "iso", "timestamps.updated_at formats no mapped timestamp"),
        ("timezone", "Mars/Base", "timezone: 'Mars/Base' is not a time zone"),
        ("customer_source", "C R M", "customer_source: 'C R M' is not a safe name"),
        ("constants.metric", "nsp", "constants.metric: 'nsp' is no metric of the seed metric_scales;"
         " did you mean 'nps'?"),
        ("constants.metric", "loyalty", "constants.metric: 'loyalty' is no metric of the seed"
         " metric_scales; there are: nps, enps, csat, ces"),
        ("constants.scale", "0-11", "constants.scale: '0-11' is not in the seed metric_scales; nps"
         " has: 0-10"),
        ("constants.scale", "0–10", "constants.scale: '0–10' is not in the seed metric_scales; nps"),
        ("constants", {"scale": "1-6"}, "constants.scale: '1-6' is not in the seed metric_scales;"
         " there are: 0-10"),
        ("only.status", [], "only.status: is an empty list; name at least one"),
        ("only.status", 1, "only.status: 1 is not text; write it in quotes"),
        ("only", ["status"], "only: ['status'] must be a mapping of keys to values"),
        ("except.status", [True], "except.status: True is not text; write it in quotes"),
        ("exept", {"status": "x"}, "unknown key 'exept'; did you mean 'except'?"),
        ("except_", {"status": "x"}, "unknown key 'except_'; did you mean 'except'?"),
        ("values.scor", {"good": 1}, "values.scor is no mapped column of text; did you mean"
         " 'score'?"),
        ("values.submitted_at", {"never": None}, "values.submitted_at is no mapped column of text;"),
        ("values.metric", {"NPS": "nps"}, "values.metric is no mapped column of text;"),
        ("values.score", "first_number", "values.score: 'first_number' is neither a mapping nor"
         " leading_number"),
        ("values.score", [], "values.score: [] must be a mapping of delivered texts to values"),
        ("values.score", {"good": 1.5}, "values.score: 1.5 is neither text, a whole number nor"),
        ("values.score", {" ": 1}, "values.score: holds a blank text"),
        ("values.score", {"Good": 1, "good ": 2}, "values.score: 'good ' has two meanings"),
        ("null_values", [-99], "null_values: -99 is not text; write it in quotes"),
        ("null_values", [], "null_values: is an empty list; name at least one"),
        ("exclude.customer_id", "C1", "exclude.customer_id is no mapped column of text"),
        ("exclude.email_domain", "example.com", "exclude.email_domain is no mapped column of text; "
         "there are: response_id, score, metric, survey_type, scale"),
        ("exclude.submitted_at", "2025-01-01", "exclude.submitted_at is no mapped column of text"),
        ("exclude.scor", "9", "exclude.scor is no mapped column of text; did you mean 'score'?"),
        ("exclude.response_id", "file:no.txt", "exclude: 'no.txt' cannot be read (No such file"),
        ("exclude.response_id", "file:../no.txt", "exclude: '../no.txt' must be a path within"),
        ("exclude.response_id", "file:/no.txt", "exclude: '/no.txt' must be a path within"),
        ("exclude.response_id", "file:.", "exclude: '.' cannot be read (Is a directory)"),
        ("snapshot_at", "file_modified", "snapshot_at: file_modified has no effect on"
         " survey_responses, as copying a file changes its time; name a date in"),
        ("snapshot_at", "x_%Q.csv", "snapshot_at 'x_%Q.csv' has the unknown directive '%Q'"),
        ("snapshot_at", "", "snapshot_at: '' is empty"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_source_is_one_line(tmp_path, path, value, line):
    found = mistakes(tmp_path, changed(f"sources.0.{path}", value))
    (only, *more) = [each for each in found if line in each]
    name, entity = (str(value) if path == key else SURVEY[key] for key in ("name", "entity"))
    assert only.startswith(f"workspace.yml: sources[0] ({name}/{entity}): {line}")
    assert not more


@pytest.mark.parametrize(
    ("segment", "published"),
    [
        ("region", "region"),
        ("segment", "segment"),
        ("dimension", "dimension"),
        ("order", "order"),
        ("select", "select"),
        ("customer_key", "segment_customer_key"),
        ("score", "segment_score"),
        ("channel", "segment_channel"),
        ("survey", "segment_survey"),
        ("all", "segment_all"),
    ],
)
def test_a_segment_is_published_under_its_name_unless_that_is_taken(tmp_path, segment, published):
    content = changed("segments", [segment])
    content["sources"][1]["attributes"] = {segment: "state"}
    assert load_workspace(write(tmp_path, content)).segments == (segment,)
    assert published_name(segment) == published


def test_attributes_only_where_an_entity_has_them(tmp_path):
    content = copy.deepcopy(MINIMAL)
    content["sources"].append(
        {
            "name": "telco",
            "entity": "surveys",
            "files": "*",
            "columns": {"survey_id": "id"},
            "attributes": {"region": "r"},
        }
    )
    (line,) = mistakes(tmp_path, content)
    assert line.startswith("workspace.yml: sources[2] (telco/surveys): surveys takes no attributes")


def test_a_duplicate_source_is_one_line(tmp_path):
    content = copy.deepcopy(MINIMAL)
    content["sources"].append(copy.deepcopy(SURVEY))
    (line,) = mistakes(tmp_path, content)
    assert line == (
        "workspace.yml: sources[2] (telco/survey_responses): the same name and entity as "
        "sources[0]; rename one, or declare several scores of a row as answers of one entry"
    )


@pytest.mark.parametrize(
    ("maps_survey_id", "surveys_name", "missing"),
    [(True, "telco", []), (False, "telco", ["metric", "survey_type", "scale"]),
     (True, "other", ["metric", "survey_type", "scale"])],
)  # fmt: skip
def test_the_scale_may_come_from_the_surveys(tmp_path, maps_survey_id, surveys_name, missing):
    content = copy.deepcopy(MINIMAL)
    del content["sources"][0]["constants"]
    if maps_survey_id:
        content["sources"][0]["columns"]["survey_id"] = "survey"
    content["sources"].append(
        {
            "name": surveys_name,
            "entity": "surveys",
            "files": "*.csv",
            "columns": {"survey_id": "id", "metric": "m", "scale": "s"},
            "constants": {"survey_type": "relational"},
        }
    )
    if not missing:
        assert len(load_workspace(write(tmp_path, content)).sources) == 3
    else:
        lines = mistakes(tmp_path, content)
        assert [line.split("'")[1] for line in lines] == missing


def test_all_mistakes_are_reported_at_once(tmp_path):
    content = copy.deepcopy(MINIMAL)
    content["timezone"] = "Nowhere"
    content["segments"] = ["region", "ghost", "email"]
    content["sources"][0]["format"] = {"delimeter": ";", "header": 3}
    content["sources"][0]["columns"]["scor"] = "x"
    content["sources"][1]["entity"] = "custmers"
    content["sources"].append("not a mapping")
    lines = mistakes(tmp_path, content)
    assert all(line.startswith("workspace.yml: ") for line in lines)
    for piece in (
        "timezone: 'Nowhere'",
        "segments: 'email' is a name of personal data",
        "segments: 'ghost' is an attribute of no source",
        "unknown key 'delimeter'",
        "format.header 3 is greater",
        "unknown column 'scor'",
        "unknown entity 'custmers'; did you mean 'customers'?",
        "sources[2] (?/?): must be a mapping",
    ):
        assert sum(piece in line for line in lines) == 1, piece


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("version: 1\nsources: [\n", "line 3: "),
        ("version: 1\n\tsources: 1\n", "line 2: "),
        ("version: 1\nsources: []\nversion: 1\n", "line 3: the key 'version' appears twice"),
        ("version: 1\nno: 1\n", "line 2: a key is not text; write it in quotes"),
        ("version: 1\nas_of: 2025-02-30\n", "line 2: '2025-02-30' is no date of the calendar"),
        ("- 1\n", "must be a mapping of keys to values"),
        ("", "must be a mapping of keys to values"),
        ("version: \x01\n", "holds a character that YAML does not allow"),
        ("a: !!python/object/apply:os.system ['x']\n", "line 1: could not determine"),
    ],
)
def test_yaml_mistakes_name_the_line(tmp_path, text, line):
    (only,) = mistakes(tmp_path, text)
    assert only.startswith("workspace.yml: " + line)


def test_a_missing_file_and_a_wrong_encoding(tmp_path):
    with pytest.raises(UserError, match=r"^workspace\.yml: not found in "):
        load_workspace(tmp_path)
    (tmp_path / "workspace.yml").write_bytes("currency: €".encode("cp1252"))
    with pytest.raises(UserError, match=r"^workspace\.yml: is not UTF-8"):
        load_workspace(tmp_path)
    (tmp_path / "workspace.yml").unlink()
    (tmp_path / "workspace.yml").mkdir()
    with pytest.raises(UserError, match=r"^workspace\.yml: cannot be read"):
        load_workspace(tmp_path)


@pytest.mark.parametrize("column", ["changed", ["changed"]])
def test_a_snapshot_that_decides_nothing_is_one_line(tmp_path, column):
    source = {**SURVEY, "columns": {**SURVEY["columns"], "updated_at": column}}
    assert load_workspace(write(tmp_path, {"version": 1, "sources": [source]}))
    dated = {"version": 1, "sources": [{**source, "snapshot_at": "changed"}]}
    (line,) = mistakes(tmp_path, dated)
    assert "snapshot_at: changed has no effect on survey_responses, as updated_at is" in line


@pytest.mark.parametrize(
    ("formats", "pair"),
    [
        (["%d/%m/%Y", "%m/%d/%Y"], "'%d/%m/%Y' and '%m/%d/%Y' both read '03/01/2026'"),
        (["iso", "%-d.%-m.%y", "%m.%d.%y"], "'%-d.%-m.%y' and '%m.%d.%y' both read '3.1.26'"),
        (["%y/%m/%d", "%d/%m/%y"], "'%y/%m/%d' and '%d/%m/%y' both read '26/01/03'"),
        (["iso", "%Y-%d-%m"], "'iso' and '%Y-%d-%m' both read '2026-01-03'"),
        (["%Y%m%d", "%Y%j"], "'%Y%j' and '%Y%m%d' both read '2026123'"),
        (["%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M"], "both read '03/01/2026 04:05'"),
        (["%Y-%m-%d %H:%M", "%Y-%m-%d %M:%H"], "both read '2026-01-03 04:05'"),
        (["iso", "%d/%m/%Y", "%d-%b-%Y", "%B %d, %Y"], None),
        (["%d/%m/%Y", "%m-%d-%Y"], None),
        (["%d/%m/%Y", "%d/%m/%Y %H:%M", "%d/%m/%Y %H:%M:%S"], None),
        (["%d/%m/%Y", "%d/%m/%y"], None),
        (["%d %b %Y", "%d %B %Y"], None),  # both read 3 May 2026, as one day
        (["%Y/%m/%d %I:%M:%S %p GMT+1", "%Y/%m/%d %I:%M:%S %p GMT+2"], None),
        (["epoch_s", "epoch_ms", "iso", "%Y%m%d"], None),
        (["%Y-%m-%dT%H:%M:%SZ", "iso", "%Y-%m-%dT%H:%M:%S%z"], None),
    ],
)
def test_formats_that_read_one_text_as_two_times_are_one_line(tmp_path, formats, pair):
    content = changed("sources.0.timestamps", {"submitted_at": formats})
    if pair is None:
        assert load_workspace(write(tmp_path, content)).sources[0].timestamps
        return
    (line,) = mistakes(tmp_path, content)
    assert "sources[0] (telco/survey_responses): timestamps.submitted_at: " in line
    assert pair in line
    assert line.endswith("keep one, and deliver files with the other through an entry of their own")


def test_a_list_of_values_is_text(tmp_path):
    (tmp_path / "ids.txt").write_bytes("Zoë".encode("latin-1"))
    (line,) = mistakes(tmp_path, changed("sources.0.exclude.response_id", "file:ids.txt"))
    assert line.endswith("exclude: 'ids.txt' is not UTF-8; save it as UTF-8")
    (tmp_path / "ids.txt").write_text("\n".join(map(str, range(100_001))))
    (line,) = mistakes(tmp_path, changed("sources.0.exclude.response_id", "file:ids.txt"))
    assert line.endswith("exclude: 'ids.txt' has more than 100,000 values")


def test_a_workspace_does_not_change(tmp_path):
    workspace = load_workspace(write(tmp_path, MINIMAL))
    with pytest.raises(ValueError, match="frozen"):
        workspace.timezone = "Europe/Brussels"


@pytest.mark.parametrize("letter", "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ%")
@pytest.mark.parametrize("dash", ["", "-"])
def test_patterns_allow_just_the_directives_of_duckdb(dash, letter):
    pattern = f"%Y %m %p %{dash}{letter}"
    try:
        duckdb.execute("select try_strptime('', ?)", [pattern]).fetchall()
        known = True
    except duckdb.Error:
        known = False
    assert (time_format_mistake(pattern) is None) == known


def test_every_allowed_zone_is_known_to_duckdb(tmp_path):
    names = duckdb.execute("select name from pg_timezone_names()").fetchall()
    zones = zoneinfo.available_timezones() - {"localtime", "Factory", "posixrules"}
    assert zones <= {name for (name,) in names}


def test_entities_are_those_of_the_contract():
    assert len(ENTITIES) == 17
    assert all(entity.name == name for name, entity in ENTITIES.items())
    assert ENTITIES["survey_responses"].required == ("response_id", "score", "submitted_at")
    assert ENTITIES["customers"].column_names == (
        "customer_id", "email", "account_id", "name", "signed_up_at", "churned_at", "is_churned",
        "is_deleted",
    )  # fmt: skip
    assert ENTITIES["product_usage"].times == ("used_on",)
    assert {name for name, entity in ENTITIES.items() if entity.has_attributes} == {
        "survey_responses", "customers", "accounts", "employees", "leads",
    }  # fmt: skip
    dates = [c.name for e in ENTITIES.values() for c in e.columns if c.kind == "date"]
    assert dates == ["used_on", "valid_from", "period_start", "period_end"]
    times = [c for e in ENTITIES.values() for c in e.columns if c.kind == "timestamp"]
    assert all(column.name.endswith("_at") for column in times)
    assert len(times) == 26


@pytest.mark.parametrize("levels", [300, 3000])
def test_deep_nesting_is_one_line(tmp_path, levels):
    text = "version: 1\nsources: " + "[" * levels + "]" * levels
    (line,) = {each[:40] for each in mistakes(tmp_path, text)}
    assert line.startswith("workspace.yml: ")
    assert len(mistakes(tmp_path, text)) == 1


@pytest.mark.parametrize("number", ["9" * 5000, "0x" + "f" * 5000])
def test_a_number_of_thousands_of_digits_is_one_line(tmp_path, number):
    (line,) = mistakes(tmp_path, f"version: 1\nsources: []\nmin_group_size: {number}\n")[:1]
    assert line.startswith("workspace.yml: ")


@pytest.mark.parametrize(
    ("pattern", "meant"),
    [("dd/mm/yyyy", "%d/%m/%Y"), ("DD/MM/YYYY", "%d/%m/%Y"), ("MM/dd/yy", "%m/%d/%y"),
     ("yyyy-MM-dd HH:mm:ss", "%Y-%m-%d %H:%M:%S"), ("DD/MM/YYYY HH:MM:SS", "%d/%m/%Y %H:%M:%S"),
     ("YYYY-MM-DDTHH:mm:ss", "%Y-%m-%dT%H:%M:%S"), ("yyyymmdd", "%Y%m%d"),
     ("M/d/yyyy h:mm a", "%m/%d/%Y %I:%M %p"), ("dd-MMM-yyyy", "%d-%b-%Y"),
     ("dd/mm", None), ("epoch", None), ("day/month/year", None), ("%d/%m/%Y", None), ("", None)],
)  # fmt: skip
def test_the_pattern_that_other_letters_stand_for(pattern, meant):
    assert strptime_pattern(pattern) == meant


# --- ids, addresses, states ---------------------------------------------------------------------

CRM = {"name": "crm", "entity": "customers", "files": "c.csv", "columns": {"customer_id": "id"}}


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"normalise": {"customer_id": "number"}},
         "normalise.customer_id: 'number' is none of integer, lower, zero_padded_8 (any width up to 32)"),
        ({"normalise": {"customer_id": "zero_padded_33"}}, "'zero_padded_33' is none of integer"),
        ({"normalise": {"score": "integer"}},
         "normalise.score is no mapped column of ids; there are: response_id, customer_id"),
        ({"normalise": {"custmer_id": "integer"}}, "did you mean 'customer_id'?"),
        ({"min_match_rate": 1.5}, "min_match_rate: 1.5 must be at most 1"),
        ({"columns": {"response_id": "id", "score": "s", "submitted_at": "t"}, "min_match_rate": 0.5},
         "min_match_rate needs a mapped customer_id or email; map one, or remove it"),
        ({"churned": {"column": "s", "values": ["x"]}},
         "churned has no meaning for survey_responses; declare it of the customers"),
        ({"columns": {"response_id": "id", "score": "s", "submitted_at": "t", "email": "Contact",
                      "channel": "Contact"}},
         "channel is published, and its column 'Contact' holds e-mail addresses"),
        ({"columns": {"response_id": "id", "score": "s", "submitted_at": "t", "touchpoint": "E-mail"}},
         "touchpoint is published, and its column 'E-mail' holds e-mail addresses"),
        ({"attributes": {"region": "Work email address"}},
         "region is published, and its column 'Work email address' holds e-mail addresses"),
    ],
)  # fmt: skip
def test_a_mistake_in_ids_is_told_when_it_is_loaded(tmp_path, changes, line):
    source = {"name": "ask", "entity": "survey_responses", "files": "*.csv",
              "columns": {"response_id": "id", "customer_id": "who", "score": "s", "submitted_at": "t"},
              "constants": {"metric": "nps", "survey_type": "relational", "scale": "0-10"},
              "attributes": {"region": "r"}, **changes}  # fmt: skip
    content = {"version": 1, "segments": ["region"], "sources": [source]}
    with pytest.raises(UserError) as caught:
        load_workspace(write(tmp_path, content))
    (said,) = str(caught.value).splitlines()
    assert said.startswith("workspace.yml: sources[0] (ask/survey_responses): ")
    assert line in said


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"min_match_rate": 0.9}, "min_match_rate has no meaning for customers"),
        ({"columns": {"customer_id": "id", "is_churned": "s"},
          "churned": {"column": "s", "values": ["x"]}},
         "churned and the column is_churned say the same; remove one"),
        ({"churned": {"column": "s"}}, "the key 'values' in churned is missing; add it"),
        ({"churned": {"colum": "s", "column": "s", "values": "x"}},
         "unknown key 'colum' in churned; did you mean 'column'?"),
        ({"churned": "s"}, "churned: 's' must be a mapping of keys to values"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_state_is_told_when_it_is_loaded(tmp_path, changes, line):
    with pytest.raises(UserError) as caught:
        load_workspace(write(tmp_path, {"version": 1, "sources": [{**CRM, **changes}]}))
    (said,) = str(caught.value).splitlines()
    assert line in said


def test_addresses_may_be_ids_and_unpublished_attributes(tmp_path):
    source = {"name": "ask", "entity": "survey_responses", "files": "*.csv",
              "columns": {"response_id": ["t", "Email"], "customer_id": "Email", "email": "Email",
                          "score": "s", "submitted_at": "t", "channel": "Sent by email"},
              "constants": {"metric": "nps", "survey_type": "relational", "scale": "0-10"},
              "attributes": {"contact": "Email"}}  # fmt: skip
    assert load_workspace(write(tmp_path, {"version": 1, "sources": [source]})).sources


def test_only_one_entry_delivers_exchange_rates(tmp_path):
    rates = {
        "name": "bank",
        "entity": "exchange_rates",
        "files": "*.csv",
        "columns": {"currency": "code", "valid_from": "since", "rate": "rate"},
    }
    content = {**MINIMAL, "sources": [SURVEY, rates, {**rates, "name": "other"}]}
    assert mistakes(tmp_path, content) == [
        "workspace.yml: sources[2] (other/exchange_rates): sources[1] already delivers "
        "exchange_rates, and an amount has one rate; deliver them through one entry"
    ]


def test_an_attribute_of_several_values_is_no_segment(tmp_path):
    content = changed("sources.1.split", {"plan": ";"})
    assert load_workspace(write(tmp_path, content)).split_attributes == ("plan",)
    assert mistakes(tmp_path, {**content, "segments": ["region", "plan"]}) == [
        "workspace.yml: segments: 'plan' has several values (split), and segments add up to the "
        "total; remove it here: fct_nps_by_value_period has its scores"
    ]


@pytest.mark.parametrize(
    ("split", "line"),
    [
        ({"plans": ";"}, "split.plans is no attribute of the entry; did you mean 'plan'?"),
        ({"plan": ""}, "split.plan: '' is empty; write a value or remove the key"),
    ],
)
def test_a_mistake_of_split(tmp_path, split, line):
    (found,) = mistakes(tmp_path, changed("sources.1.split", split))
    assert found == f"workspace.yml: sources[1] (telco/customers): {line}"


def test_events_are_read(tmp_path):
    events = [
        {"name": "price rise", "day": "2025-10-01", "dimension": "channel", "segment": "mail"},
        {"name": "outage", "day": "2025-11-01", "window_days": 14},
    ]
    rise, outage = load_workspace(write(tmp_path, {**MINIMAL, "events": events})).events
    assert (rise.day, rise.segment, rise.window_days) == (date(2025, 10, 1), "mail", 90)
    assert (outage.dimension, outage.segment, outage.window_days) == (None, None, 14)


@pytest.mark.parametrize(
    ("event", "line"),
    [
        ({"day": None}, "events.1.day: is empty; write a day such as 2025-12-31"),
        ({"day": "1.10.2025"}, "events.1.day: '1.10.2025' is not a day; write it as 2025-12-31"),
        ({"name": "rise"}, "events.1: events.0 has the same name; rename one"),
        ({"segment": "mail"}, "events.1: dimension and segment belong together"),
        (
            {"dimension": "chanel", "segment": "mail"},
            "events.1.dimension: 'chanel' is nothing that scores are cut by; did you mean 'channel'?",
        ),
        ({"window_days": 0}, "events.1.window_days: "),
    ],
)
def test_a_mistake_of_an_event_is_one_line(tmp_path, event, line):
    events = [
        {"name": "rise", "day": "2025-10-01"},
        {"name": "outage", "day": "2025-11-01", **event},
    ]
    (found,) = mistakes(tmp_path, {**MINIMAL, "events": events})
    assert found.startswith(f"workspace.yml: {line}"), found
