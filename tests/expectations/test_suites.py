"""Every check holds on a good warehouse, and for each there is a mistake that it alone finds."""

from __future__ import annotations

import re
import shutil
import string
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa
import pytest

from expectations import NO_ROWS, Check, query_on
from expectations.suites.foundation import FOUNDATION as FACTS
from expectations.suites.marts import MARTS, RESTRICTED
from expectations.suites.raw import raw_suites
from expectations.suites.reconciliation import QUARANTINED, RECONCILIATION
from expectations.validate import validate
from orchestration.workspace.entities import ENTITIES

FOUNDATION = FACTS | RECONCILIATION
RAW = raw_suites(ENTITIES)
ALL = [
    (schema, table, check)
    for schema, suites in (("raw", RAW), ("marts", FOUNDATION), ("restricted", QUARANTINED))
    for table, checks in suites.items()
    for check in checks
]
RAW_CHECKS = [each for each in ALL if each[0] == "raw"]
MARTS_CHECKS = [each for each in ALL if each[0] != "raw"]

# (table, check): statements that make this check fail and no other. Several entries of one check
# differ by a word after the check's name.
RAW_MISTAKES = {
    ("files", "accounted"): "update raw.files set rows_rejected = 1 where source = 'crm'",
    ("files", "accounted twice"): ("insert into raw.files from raw.files where source = 'crm'"),
    ("files", "accounted reason"): "update raw.files set reason = 'x' where source = 'crm'",
    # 4 of 13 where a quarter is allowed
    ("files", "quarantine_rate"): (
        "update raw.files set rows_rejected = 4, rows_delivered = 13 "
        "where source = 'ask' and status = 'loaded'"
    ),
    # 1 of 10, which the source does not allow itself
    ("files", "quarantine_rate of the source"): (
        "insert into raw.source_limits values ('ask', 'survey_responses', 0.05)"
    ),
    # unlike the other one, which was fixed
    ("files", "quarantined_files"): (
        "insert into raw.files by name select * replace ('other.csv' as file_name, "
        "0 as rows_delivered, 0 as rows_rejected, 'x' as file_sha256) "
        "from raw.files where status = 'quarantined'"
    ),
    ("files", "drift"): (
        "insert into raw.files by name select * replace ('e' as file_sha256, 0 as rows_delivered, "
        "0 as rows_loaded, ingested_at + interval 1 day as ingested_at, "
        '\'["id", "email", "x"]\' as columns) '
        "from raw.files where source = 'crm'"
    ),
    ("files", "delivered"): (
        "insert into raw.mapped_columns values ('crm', 'surveys', 'crm', 'survey_id')"
    ),
    ("survey_responses", "provenance"): "update raw.survey_responses set _row_hash = null",
    ("survey_responses", "provenance place"): (
        "update raw.survey_responses set _row_number = 1 where response_id in ('r1', 'r2')"
    ),
    ("survey_responses", "provenance lost"): (
        "delete from raw.survey_responses where response_id = 'r1'"
    ),
    ("survey_responses", "provenance all lost"): "delete from raw.survey_responses",
    ("survey_responses", "provenance loaded twice"): (
        "insert into raw.survey_responses select * from raw.survey_responses"
    ),
    ("survey_responses", "provenance unknown file"): (
        "insert into raw.survey_responses by name "
        "select * replace ('x' as _file_sha256) from raw.survey_responses limit 1"
    ),
    ("survey_responses", "filled"): "update raw.survey_responses set comment = null",
    # 3 of 9 where a quarter is allowed
    ("survey_responses", "filled required"): (
        "update raw.survey_responses set score = null where response_id in ('r1', 'r2', 'r3')"
    ),
    ("customers", "filled"): "update raw.customers set email = null",
    ("survey_responses", "readable score"): "update raw.survey_responses set score = '9.5'",
    # of nine scores two are missing, and none of the others can be read
    ("survey_responses", "readable score where given"): (
        "update raw.survey_responses set "
        "score = case response_id when 'r1' then 'NaN' when 'r2' then ' ' else '10/10' end"
    ),
}

# An entity that nobody delivers: one row without a file, and one of a file that has no cell.
for _name, _entity in ENTITIES.items():
    _row = f"""
        insert into raw.{_name} by name
        select 'new' as _source, 'crm' as _customer_source, 'n' as _file_sha256, 'n' as _file_name,
        1 as _row_number, now()::timestamp as _ingested_at, 'v1' as _mapping_version,
        'h' as _row_hash"""
    _file = f"""
        insert into raw.files by name
        select 'new' as source, '{_name}' as entity, 'n' as file_sha256, 'n' as file_name,
        'v1' as mapping_version, 'loaded' as status, 1 as rows_delivered, 1 as rows_loaded,
        0 as rows_rejected, 0 as rows_blank, now()::timestamp as ingested_at, '[]' as warnings"""
    _mapped = f"insert into raw.mapped_columns values ('new', '{_name}', 'crm', '%s')"
    RAW_MISTAKES.setdefault((_name, "provenance"), _row)
    RAW_MISTAKES.setdefault((_name, "filled"), f"{_row};{_file};{_mapped % _entity.required[0]}")
    # the one row of a new source, in which every time cannot be read
    for _time in _entity.times:
        _bad = f"update raw.{_name} set {_time} = 'soon', _flags = '{_time}:bad_timestamp' "
        _mistake = "readable" if _time == _entity.times[0] else f"readable {_time}"
        RAW_MISTAKES[_name, _mistake] = f"{_row};{_file};{_bad} where _source = 'new'"

ANN = "ann@mail.example"
MARTS_MISTAKES = {
    ("dim_customers", "keys"): (
        "insert into marts.dim_customers by name select md5('c9')::uuid as customer_key, "
        "'crm' as source, true as is_inferred, false as has_churn_information"
    ),
    ("dim_customers", "keys twice"): (
        "insert into marts.dim_customers from marts.dim_customers where customer_id = 'c3'"
    ),
    ("dim_customers", "activity"): (
        "update marts.dim_customers set is_active = false where customer_id = 'c3'"
    ),
    ("dim_customers", "activity unknown"): (
        "update marts.dim_customers set is_active = true where customer_id = 'c4'"
    ),
    ("dim_customers", "no_emails"): (
        f"update marts.dim_customers set customer_id = '{ANN}' where customer_id = 'c3'"
    ),
    ("dim_customer_history", "intervals"): (
        "update marts.dim_customer_history set valid_to = '2025-05-01' where region = 'east'"
    ),
    ("dim_customer_history", "intervals overlap"): (
        "update marts.dim_customer_history set valid_to = '2025-07-01' where region = 'east'"
    ),
    ("dim_customer_history", "intervals ended"): (
        "update marts.dim_customer_history set valid_to = '2025-07-01' where region = 'south'"
    ),
    ("dim_customer_history", "intervals unknown"): (
        "update marts.dim_customer_history set customer_key = md5('c9')::uuid where region = 'south'"
    ),
    ("dim_customer_history", "no_emails"): (
        f"update marts.dim_customer_history set region = '{ANN}' where region = 'south'"
    ),
    ("dim_surveys", "keys"): "update marts.dim_surveys set metric = null",
    ("dim_surveys", "no_emails"): f"update marts.dim_surveys set name = 'ask {ANN}'",
    ("fct_nps_responses", "keys"): (
        "update marts.fct_nps_responses set response_id = null where response_id = 'r3'"
    ),
    ("fct_nps_responses", "keys survey"): "delete from marts.dim_surveys",
    ("fct_nps_responses", "classes"): (
        "update marts.fct_nps_responses set scale = '1-5' where response_id = 'r3'"
    ),
    ("fct_nps_responses", "classes score"): (
        "update marts.fct_nps_responses set score = 9 where response_id = 'r3'"
    ),
    ("fct_nps_responses", "times"): (
        "update marts.fct_nps_responses set responded_at = '2025-12-31 23:00:00', "
        "responded_on = '2026-01-01' where response_id = 'r5'"
    ),
    ("fct_nps_responses", "times null"): (
        "update marts.fct_nps_responses set responded_on = null where response_id = 'r5'"
    ),
    # the business zone's day has begun already
    ("fct_nps_responses", "times zone"): (
        "update marts.fct_nps_responses set responded_at = '2025-12-09 23:00:00', "
        "responded_on = '2025-12-09' where response_id = 'r5'"
    ),
    ("fct_nps_responses", "arrived"): "; ".join(
        f"delete from marts.{table}"
        for table in FOUNDATION
        if table.startswith("fct_") or table == "customer_nps_features"
    ),
    ("fct_nps_responses", "fresh"): (
        "update marts.fct_nps_responses set source = 'old' where response_id in ('r1', 'r2')"
    ),
    ("fct_nps_responses", "no_emails"): (
        f"update marts.fct_nps_responses set touchpoint = 'to {ANN}!' where response_id = 'r3'"
    ),
    ("fct_nps_by_period", "keys"): (
        "update marts.fct_nps_by_period set period_end = period_start - 1 where time_grain = 'week'"
    ),
    ("fct_nps_by_period", "scores"): "update marts.fct_nps_by_period set nps = nps + 0.001",
    ("fct_nps_by_period", "scores interval"): (
        "update marts.fct_nps_by_period set ci_high = ci_low"
    ),
    ("fct_nps_by_period", "scores suppressed"): (
        "update marts.fct_nps_by_period set is_suppressed = false"
    ),
    ("fct_nps_by_period", "scores not suppressed"): (
        "update marts.fct_nps_by_period set nps = 100.0 * (promoters - detractors), "
        "standard_error = 0, ci_low = -100, ci_high = 100 where responses = 1"
    ),
    ("fct_nps_by_period", "scores null"): (
        "update marts.fct_nps_by_period set nps = null, standard_error = null, ci_low = null, "
        "ci_high = null where time_grain = 'all'"
    ),
    ("fct_nps_by_period", "adds_up"): (
        "insert into marts.fct_nps_responses by name "
        "select * exclude (response_key, survey_type, voice_key), 'other' as survey_type, "
        "md5('r7')::uuid as response_key, md5('r7')::uuid as voice_key "
        "from marts.fct_nps_responses where response_id = 'r5'"
    ),
    ("fct_nps_by_period", "adds_up voices"): (
        "update marts.fct_nps_responses set voice_key = md5('c9')::uuid where response_id = 'r4'"
    ),
    ("fct_nps_by_segment_period", "keys"): (
        "update marts.fct_nps_by_segment_period set segment = null where segment = 'north'"
    ),
    ("fct_nps_by_segment_period", "scores"): (
        "update marts.fct_nps_by_segment_period set standard_error = -1 where nps is not null"
    ),
    # taken from one segment and given to another: the sums hold
    ("fct_nps_by_segment_period", "scores below zero"): (
        "update marts.fct_nps_by_segment_period set promoters = promoters + n, "
        "passives = passives - n, nps = nps + 100.0 * n / responses, ci_low = -100, ci_high = 100 "
        "from (values ('north', 2), ('south', -2)) as t (region, n) "
        "where dimension = 'region' and segment = region and time_grain = 'all' "
        "and basis = 'responses'"
    ),
    ("fct_nps_by_segment_period", "adds_up"): (
        "delete from marts.fct_nps_by_segment_period where segment = '(unknown)' "
        "and dimension = 'region' and basis = 'customers'"
    ),
    ("fct_nps_by_segment_period", "adds_up dimension"): (
        "insert into raw.segments values (2, 'plan', 'plan'); "
        "insert into marts.nps_outcomes_by_class by name select * exclude (dimension), "
        "'plan' as dimension from marts.nps_outcomes_by_class where dimension = 'region'"
    ),
    ("fct_nps_by_segment_period", "no_emails"): (
        f"update marts.fct_nps_by_segment_period set segment = '{ANN}' where segment = 'south'"
    ),
    ("fct_nps_churn", "keys"): (
        "update marts.fct_nps_churn set customer_key = md5('c3')::uuid where nps_class = 'promoter'"
    ),
    ("fct_nps_churn", "keys day"): (
        "update marts.fct_nps_churn set responded_on = responded_on + 1 "
        "where customer_key = md5('c1')::uuid"
    ),
    ("fct_nps_churn", "survival"): (
        "update marts.fct_nps_churn set days_to_churn = days_to_churn + 1"
    ),
    ("fct_nps_churn", "survival unknown"): (
        "update marts.fct_nps_churn set was_active_at_answer = true"
    ),
    ("fct_nps_churn", "survival left before"): (
        "update marts.fct_nps_churn set was_active_at_answer = false where customer_key = md5('c2')::uuid"
    ),
    ("fct_nps_churn", "no_emails"): f"update marts.fct_nps_churn set region = '{ANN}'",
    ("nps_outcomes_by_class", "keys"): (
        "update marts.nps_outcomes_by_class set window_days = 31 where nps_class <> 'detractor'"
    ),
    ("nps_outcomes_by_class", "rates"): (
        "update marts.nps_outcomes_by_class set churn_rate = 0.6 "
        "where churn_rate = 0.5 and nps_class = 'promoter'"
    ),
    ("nps_outcomes_by_class", "rates interval"): (
        "update marts.nps_outcomes_by_class set ci_low = 0.6 where churn_rate = 0.5"
    ),
    ("nps_outcomes_by_class", "rates point"): (
        "update marts.nps_outcomes_by_class set ci_high = 0 where churn_rate = 0"
    ),
    ("nps_outcomes_by_class", "rates error"): (
        "update marts.nps_outcomes_by_class set standard_error = 0 where churn_rate = 0"
    ),
    ("nps_outcomes_by_class", "lifetime_value"): (
        "update marts.nps_outcomes_by_class set projected_ltv = projected_ltv + 1"
    ),
    ("nps_outcomes_by_class", "lifetime_value interval"): (
        "update marts.nps_outcomes_by_class set projected_ltv_low = projected_ltv_high"
    ),
    ("nps_outcomes_by_class", "lifetime_value few"): (
        "update seeds.assumptions set value = 6 where name = 'min_churned'"
    ),
    ("nps_outcomes_by_class", "lifetime_value reason"): (
        "update marts.nps_outcomes_by_class set unknown_because = null"
    ),
    ("nps_outcomes_by_class", "rates suppressed"): (
        "update marts.nps_outcomes_by_class set is_suppressed = false, churn_rate = 1, "
        "standard_error = 0.3, ci_low = 0, ci_high = 1 "
        "where segment = 'south' and nps_class = 'promoter'"
    ),
    ("nps_outcomes_by_class", "adds_up"): (
        "delete from marts.nps_outcomes_by_class where segment = 'north'"
    ),
    ("nps_outcomes_by_class", "adds_up dimension"): (
        "delete from marts.nps_outcomes_by_class where dimension = 'region'"
    ),
    ("nps_outcomes_by_class", "no_emails"): (
        f"update marts.nps_outcomes_by_class set segment = '{ANN}' where segment = 'south'"
    ),
    ("customer_nps_features", "keys"): (
        "insert into marts.customer_nps_features by name select md5('c9')::uuid as customer_key, "
        "date '2025-12-15' as as_of_on, 0 as responses_90d, 0 as responses_365d"
    ),
    ("customer_nps_features", "consistent"): (
        "update marts.customer_nps_features set tickets_90d = tickets_365d + 1"
    ),
    # at the end of November nobody knew of December's answer
    ("customer_nps_features", "no_future"): (
        "update marts.customer_nps_features set last_score = 0, last_class = 'detractor', "
        "days_since_last_response = -30, mean_contribution = -100 where last_score is null"
    ),
    ("customer_nps_features", "no_future day"): (
        "insert into marts.customer_nps_features by name select * exclude (as_of_on, "
        "days_since_last_response), date '2026-01-31' as as_of_on, 31 as days_since_last_response "
        "from marts.customer_nps_features where customer_key = md5('c4')::uuid and last_score = 0"
    ),
    ("ingest_reconciliation", "balance"): (
        "update marts.ingest_reconciliation set rows_accepted = 5 where source = 'crm'"
    ),
    ("ingest_reconciliation", "balance file"): (
        "delete from marts.ingest_reconciliation where source = 'crm'"
    ),
    # 3 mistakes of 9 rows (one of the future is none) where a quarter is allowed
    ("ingest_reconciliation", "quarantine_rate"): (
        "update restricted.quarantined_rows set reason = 'wrong_width' where row_number = 4"
    ),
    ("ingest_match_rates", "rates"): (
        "update marts.ingest_match_rates set match_rate = 0.8 where match_rate = 0.75"
    ),
    ("ingest_match_rates", "rates twice"): (
        "insert into marts.ingest_match_rates from marts.ingest_match_rates where source = 'web'"
    ),
    # 3 of 4 where four fifths are wanted, though no address is known
    ("ingest_match_rates", "match_rate"): (
        "update marts.ingest_match_rates set min_match_rate = 0.8 where source = 'ask'"
    ),
    ("ingest_match_rates", "match_rate none"): (
        "update marts.ingest_match_rates set ids_delivered = 5, match_rate = 0 where source = 'app'"
    ),
    ("ingest_match_rates", "no_emails"): (
        f"update marts.ingest_match_rates set source = '{ANN}' where source = 'web'"
    ),
    # 2 of 9, which the source does not allow itself
    ("ingest_reconciliation", "quarantine_rate of the source"): (
        "insert into raw.source_limits values ('ask', 'survey_responses', 0.2)"
    ),
    ("ingest_reconciliation", "no_emails"): (
        f"update marts.ingest_reconciliation set file_name = '{ANN}.csv' where source = 'crm'"
    ),
    ("quarantined_rows", "accounted"): (
        "delete from restricted.quarantined_rows where row_number = 2"
    ),
    ("quarantined_rows", "accounted place"): (
        "update restricted.quarantined_rows set row_number = 3 where row_number = 2"
    ),
    ("quarantined_rows", "reasons"): (
        "update restricted.quarantined_rows set reason = 'because' where row_number = 2"
    ),
}


def _failures(database: Path, suites, schema):
    """The failed checks; one that fails because it cannot be evaluated finds nothing."""
    results = validate(database, suites, schema)
    assert [(r.table, r.name, r.error) for r in results if r.error] == []
    return {(r.table, r.name) for r in results if not r.success}


def _corrupt(good: Path, folder: Path, statements: str) -> Path:
    bad = Path(shutil.copy(good, folder / "bad.duckdb"))
    with duckdb.connect(str(bad)) as connection:
        connection.execute(statements)
    return bad


def _found(database: Path, checks) -> set[tuple[str, str, str]]:
    """The failed checks by DuckDB alone: quicker, where a hundred mistakes are tried."""
    with duckdb.connect(str(database), read_only=True) as connection:
        return {
            (schema, table, check.name)
            for schema, table, check in checks
            if connection.sql(query_on(check, f"{schema}.{table}")).fetchone()
        }


def test_a_good_lake_passes(good_raw):
    assert _failures(good_raw, RAW, "raw") == set()


def test_a_good_warehouse_passes(good_marts):
    assert _failures(good_marts, FOUNDATION, "marts") == set()
    assert _failures(good_marts, QUARANTINED, "restricted") == set()


@pytest.mark.parametrize("mistake", RAW_MISTAKES, ids=" ".join)
def test_a_mistake_in_raw_is_found_by_its_check_alone(mistake, good_raw, tmp_path):
    table, name = mistake[0], mistake[1].split()[0]
    bad = _corrupt(good_raw, tmp_path, RAW_MISTAKES[mistake])
    near = [each for each in RAW_CHECKS if each[1] in (table, "files")]
    assert _found(bad, near) == {("raw", table, name)}
    if mistake[1] == name:
        checks = [check for check in RAW[table] if check.name == name]
        _assert_explained(bad, checks[0], "raw", table)


@pytest.mark.parametrize("mistake", MARTS_MISTAKES, ids=" ".join)
def test_a_mistake_in_marts_is_found_by_its_check_alone(mistake, good_marts, tmp_path):
    table, name = mistake[0], mistake[1].split()[0]
    bad = _corrupt(good_marts, tmp_path, MARTS_MISTAKES[mistake])
    schema, suites = ("marts", FOUNDATION) if table in FOUNDATION else ("restricted", QUARANTINED)
    assert _found(bad, MARTS_CHECKS) == {(schema, table, name)}
    if mistake[1] == name:
        checks = [check for check in suites[table] if check.name == name]
        _assert_explained(bad, checks[0], schema, table)


def _assert_explained(database: Path, check: Check, schema: str, table: str) -> None:
    """The check fails; one with an explanation names places and numbers, another names none."""
    (result,) = validate(database, {table: [check]}, schema)
    assert (result.success, result.error) == (False, None)
    assert bool(result.where) == bool(check.explain)
    for line in result.where:
        assert re.fullmatch(
            r"[^:]+(: [^:]+)?(: [^:]+)?: [\d,]+ (row|file|feed|column|unknown id)s?", line
        )
        assert "@" not in line


def test_drift_names_the_source_and_the_columns(good_raw, tmp_path):
    """Against the file before, not the first: x came with the second file and stays."""
    files = [("e", 1, '["Id","email","x"]'), ("f", 2, '["Id","x","ann@mail.example","Größe"]')]
    bad = _corrupt(
        good_raw,
        tmp_path,
        "; ".join(
            "insert into raw.files by name select * replace "
            f"('{sha}' as file_sha256, 0 as rows_delivered, 0 as rows_loaded, "
            f"ingested_at + interval {days} day as ingested_at, '{names}' as columns) "
            f"from raw.files where source = 'crm' and file_sha256 = '{'c' * 64}'"
            for sha, days, names in files
        ),
    )
    check = next(check for check in RAW["files"] if check.name == "drift")
    (result,) = validate(bad, {"files": [check]}, "raw")
    assert {*result.where} == {
        "crm/customers: a new column (its name is not shown): 1 column",
        "crm/customers: a new column 'Größe': 1 column",
        "crm/customers: no longer a column 'email': 1 column",
    }


def test_every_check_can_fail():
    tried = {(t, c.split()[0]) for t, c in (*RAW_MISTAKES, *MARTS_MISTAKES)}
    assert {(table, check.name) for _, table, check in ALL} == tried


@pytest.mark.parametrize(
    "statement",
    [
        # 2 of 9 required cells, where a quarter may be missing
        "update raw.survey_responses set score = null where response_id in ('r1', 'r2')",
        # a tombstone needs no more than its id
        "update raw.survey_responses set is_deleted = ' Yes', score = null, submitted_at = null "
        "where response_id in ('r1', 'r2', 'r3', 'r4')",
        # a file with a header only, where that is allowed
        "insert into raw.files by name select * replace ('e' as file_sha256, 0 as rows_delivered, "
        "0 as rows_loaded) from raw.files where source = 'crm'",
        # the columns of before, however they are spelt, and a file of which none is known
        "insert into raw.files by name select files.* replace (sha as file_sha256, "
        "0 as rows_delivered, 0 as rows_loaded, ingested_at + days * interval 1 day as "
        "ingested_at, names as columns) from raw.files as files cross join (values ('e', 1, '[]'), ('f', 2, '[\"email \", \"ID\"]')) "
        "as t (sha, days, names) where source = 'crm'",
        # 3 of 12 rows, the share that is allowed
        "update raw.files set rows_delivered = 12, rows_rejected = 3 "
        "where source = 'ask' and status = 'loaded'",
        # 4 of 13 rows, which the source allows itself
        "update raw.files set rows_delivered = 13, rows_rejected = 4 "
        "where source = 'ask' and status = 'loaded'; "
        "insert into raw.source_limits values ('ask', 'survey_responses', 0.5)",
        # one score and one time can be read; a time that may be missing can be read in no row
        "update raw.survey_responses set score = case response_id when 'r1' then '0 - Never' "
        "else '9.5' end, _flags = case response_id when 'r1' then 'updated_at:bad_timestamp' "
        "else 'submitted_at:bad_timestamp' end",
        # nobody answered
        "update raw.survey_responses set score = 'NA' where response_id in ('r1', 'r2')",
    ],
    ids=[
        "few missing",
        "tombstones",
        "empty file",
        "known columns",
        "at the bound",
        "above the bound of others",
        "some can be read",
        "no score",
    ],
)
def test_what_is_allowed_in_raw(statement, good_raw, tmp_path):
    bad = _corrupt(good_raw, tmp_path, statement)
    assert _found(bad, RAW_CHECKS) == set()


@pytest.mark.parametrize(
    "statement",
    [
        # a single answer published alone: its adjusted interval does not reach it
        "update raw.workspace set min_group_size = 1; "
        + "; ".join(
            f"update marts.{table} set is_suppressed = false, standard_error = 40, "
            "nps = 100.0 * (promoters - detractors), ci_low = -48.5, ci_high = 48.5 "
            "where responses = 1"
            for table in ("fct_nps_by_period", "fct_nps_by_segment_period")
        )
        + "; update marts.nps_outcomes_by_class set is_suppressed = false, standard_error = 0.3, "
        "churn_rate = churned / observed, ci_low = 0, ci_high = 1 where observed = 1",
        # an empty warehouse says nothing, and nothing wrong
        "; ".join(f"delete from marts.{table}" for table in FOUNDATION if "reconc" not in table),
    ],
    ids=["groups of one", "empty"],
)
def test_what_is_allowed_in_marts(statement, good_marts, tmp_path):
    bad = _corrupt(good_marts, tmp_path, statement)
    assert _found(bad, MARTS_CHECKS) <= {("marts", "fct_nps_responses", "arrived")}


@pytest.mark.parametrize(
    "zone, year",
    [
        ("Europe/Brussels", 2025),
        ("America/Havana", 2025),  # the clocks go back to midnight: an hour of the day comes twice
        ("Asia/Beirut", 2025),  # they go forward at midnight: the day begins at one
        ("America/Sao_Paulo", 2018),
        ("Pacific/Apia", 2011),  # the 30th of December never was
        ("Australia/Lord_Howe", 2025),  # half an hour
        ("UTC", 2025),
    ],
)
def test_days_of_every_zone(zone, year):
    """Every quarter of an hour is in the day that Python's zoneinfo says, and in no other."""
    start = datetime(year, 1, 1, tzinfo=UTC)
    instants = [start + timedelta(minutes=15 * i) for i in range(366 * 96)]
    table = pa.table(
        {
            "responded_at": pa.array([each.replace(tzinfo=None) for each in instants]),
            "responded_on": pa.array([each.astimezone(ZoneInfo(zone)).date() for each in instants]),
            "source": pa.array(["ask"] * len(instants)),
        }
    )
    (check,) = [check for check in FOUNDATION["fct_nps_responses"] if check.name == "times"]
    query = check.kwargs["unexpected_rows_query"]
    with duckdb.connect() as connection:
        connection.register("answers", table)
        connection.execute(
            "create schema raw; create table raw.workspace as "
            f"select timestamp '2100-01-01' as as_of_at, '{zone}' as timezone"
        )
        assert connection.sql(query.replace("{batch}", "answers")).fetchall() == []
        shifted = "(select * replace (responded_on + 1 as responded_on) from answers)"
        assert len(connection.sql(query.replace("{batch}", shifted)).fetchall()) == len(instants)


@pytest.mark.parametrize(
    "text, is_email",
    [
        ("ann@mail.example", True),
        ("<ann.b+c@mail.co.uk>", True),
        ("Ann ann@mail.example, home", True),
        ("é@ü.example", True),
        ("@home", False),
        ("5 @ 3.50", False),
        ("user@host", False),
        ("banner@2.5", False),
    ],
)
def test_what_looks_like_an_email(text, is_email, good_marts, tmp_path):
    bad = _corrupt(good_marts, tmp_path, f"update marts.dim_surveys set name = '{text}'")
    checks = [check for check in FOUNDATION["dim_surveys"] if check.name == "no_emails"]
    assert bool(_failures(bad, {"dim_surveys": checks}, "marts")) == is_email


@pytest.mark.parametrize("schema, table, check", ALL, ids=lambda v: getattr(v, "name", v))
def test_checks_are_well_made(schema, table, check):
    assert check.severity in ("critical", "warning")
    assert check.scope in ("rows", "table")
    assert check.why.endswith(".")
    assert check.name == check.name.lower().replace(" ", "_")
    if check.type == NO_ROWS:
        query = check.kwargs["unexpected_rows_query"]
        assert "{batch}" in query
        assert check.scope == "rows" or "{rest}" not in query
        # bounds are the business's: they come from the settings and the seeds; a year has 12 months
        # and 365 days
        digits = {
            word
            for word in query.translate(str.maketrans("(),", "   ")).split()
            if word[:1] in string.digits
        }
        assert digits <= {"0", "1", "12", "365", "100", "100.0", "1.0", "1e-06"}  # fmt: skip


def test_names_are_unique():
    names = [(schema, table, check.name) for schema, table, check in ALL]
    assert len(set(names)) == len(names)


def test_raw_covers_the_entities():
    assert set(RAW) == {"files", *ENTITIES}


def test_the_suites_import_nothing_heavy():
    script = (
        "import sys, orchestration.quality.boundaries, expectations.validate\n"
        "heavy = {'great_expectations', 'sqlalchemy', 'duckdb', 'pandas', 'dagster', 'dbt'}\n"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or None)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


# --- where only some rows are new -------------------------------------------------------------

# Checks of rows that look at as_of, which moves on: what was not later than it stays so.
HELD_BY_THE_PAST = {
    ("fct_nps_responses", "times"),
    ("fct_nps_rolling", "keys"),
    ("nps_restatements", "keys"),
    ("customer_nps_features", "no_future"),
}


def test_what_a_day_may_change_is_looked_at_whole():
    """An unchanged row may break a rule that depends on the day: as_of moves on."""
    speaking = {
        (table, check.name)
        for suites in (RAW, MARTS, RESTRICTED)
        for table, checks in suites.items()
        for check in checks
        if check.scope == "rows" and re.search(r"\bw\.as_of|select as_of", query_on(check, "t"))
    }
    assert speaking == HELD_BY_THE_PAST


FOUND_BY_ROWS = {
    mistake
    for mistake in MARTS_MISTAKES
    for table, name in [(mistake[0], mistake[1].split()[0])]
    for check in (FOUNDATION | QUARANTINED)[table]
    if check.name == name and check.scope == "rows"
}


def _looked_at(mistake, good_marts, folder, condition: str) -> bool:
    """Whether a mistake is found by its check, where the rows of a condition are new."""
    table, name = mistake[0], mistake[1].split()[0]
    schema, suites = ("marts", FOUNDATION) if table in FOUNDATION else ("restricted", QUARANTINED)
    (check,) = [check for check in suites[table] if check.name == name]
    bad = _corrupt(good_marts, folder, MARTS_MISTAKES[mistake])
    if check.scope == "table":
        query = query_on(check, f"{schema}.{table}")
    else:
        rows = f"(select * from {schema}.{table} where {{}})"
        query = query_on(check, rows.format(condition), rows.format(f"not ({condition})"))
    with duckdb.connect(str(bad), read_only=True) as connection:
        return connection.sql(query).fetchone() is not None


@pytest.mark.parametrize("mistake", MARTS_MISTAKES, ids=" ".join)
def test_a_mistake_is_found_where_every_row_is_new(mistake, good_marts, tmp_path):
    assert _looked_at(mistake, good_marts, tmp_path, "true")


@pytest.mark.parametrize("mistake", MARTS_MISTAKES, ids=" ".join)
def test_a_mistake_in_rows_is_not_looked_for_where_none_is_new(mistake, good_marts, tmp_path):
    assert _looked_at(mistake, good_marts, tmp_path, "false") == (mistake not in FOUND_BY_ROWS)


def test_the_checks_that_cost_look_at_rows():
    """Those of the tables that grow with the answers and the customers."""
    dear = {"keys", "classes", "times", "survival", "consistent", "no_future", "no_emails"}
    for table in ("dim_customers", "fct_nps_responses", "fct_nps_churn", "customer_nps_features"):
        found = {check.name for check in FOUNDATION[table] if check.scope == "rows"}
        assert found == dear & {check.name for check in FOUNDATION[table]}, table


@pytest.mark.parametrize("customer", ["c1", "c3"])
def test_a_new_row_with_an_old_ones_key_is_found(customer, good_marts, tmp_path):
    """Whoever's the old row is: within the new rows alone the key is unique."""
    bad = _corrupt(
        good_marts,
        tmp_path,
        "insert into marts.fct_nps_churn by name select * replace "
        f"(md5('{customer}')::uuid as customer_key) from marts.fct_nps_churn limit 1",
    )
    (check,) = [check for check in FOUNDATION["fct_nps_churn"] if check.name == "keys"]
    rows = "(select * from marts.fct_nps_churn where rowid {} (select max(rowid) from marts.fct_nps_churn))"
    with duckdb.connect(str(bad), read_only=True) as connection:
        unique = f"select 1 from {rows.format('=')} group by response_key having count(*) > 1"
        assert connection.sql(unique).fetchall() == []
        repeated = query_on(check, rows.format("="), rows.format("<>")).split("union all", 1)[1]
        assert len(connection.sql(repeated).fetchall()) == 1


ONE_FILE = f"_file_sha256 = '{'a' * 64}'"


def _raw_found(database: Path, table: str, name: str, condition: str) -> bool:
    (check,) = [check for check in RAW[table] if check.name == name]
    rows = f"(select * from raw.{table} where {{}})"
    query = query_on(check, rows.format(condition), rows.format(f"not ({condition})"))
    with duckdb.connect(str(database), read_only=True) as connection:
        return connection.sql(query).fetchone() is not None


@pytest.mark.parametrize("condition", [ONE_FILE, "true", "false"])
def test_a_good_lake_passes_whichever_files_are_new(condition, good_raw):
    assert not [
        (table, check.name)
        for table in ENTITIES
        for check in RAW[table]
        if _raw_found(good_raw, table, check.name, condition)
    ]


@pytest.mark.parametrize(
    ("mistake", "name", "of_the_new", "of_the_old"),
    [
        ("update raw.survey_responses set _row_hash = null", "provenance", True, False),
        ("delete from raw.survey_responses where response_id = 'r1'", "provenance", True, True),
        ("insert into raw.survey_responses from raw.survey_responses", "provenance", True, True),
        ("update raw.survey_responses set comment = null", "filled", True, False),
        ("update raw.survey_responses set score = null", "filled", True, False),
        ("update raw.survey_responses set score = '9,5'", "readable", True, False),
    ],
    ids=["untraceable", "lost", "twice", "empty", "required", "unreadable"],
)
def test_what_is_found_of_a_file_that_is_new_or_old(
    mistake, name, of_the_new, of_the_old, good_raw, tmp_path
):
    """What is lost or loaded twice shows in the count of all rows, whichever file it is."""
    bad = _corrupt(good_raw, tmp_path, mistake)
    assert _raw_found(bad, "survey_responses", name, "true") == of_the_new
    assert _raw_found(bad, "survey_responses", name, "false") == of_the_old


def test_a_new_file_may_lack_what_its_source_once_delivered(good_raw, tmp_path):
    """Two files of a source, the new one without a comment: no mistake. Of a new source it is."""
    bad = _corrupt(
        good_raw,
        tmp_path,
        "insert into raw.files by name select * replace ('n' as file_sha256, 1 as rows_loaded, "
        "1 as rows_delivered, 0 as rows_rejected) from raw.files "
        "where source = 'ask' and status = 'loaded'; "
        "insert into raw.survey_responses by name select * replace ('n' as _file_sha256, "
        "null as comment) from raw.survey_responses limit 1",
    )
    assert not _raw_found(bad, "survey_responses", "filled", "_file_sha256 = 'n'")
    with duckdb.connect(str(bad)) as connection:
        connection.execute("delete from raw.files where file_sha256 <> 'n'")
    assert _raw_found(bad, "survey_responses", "filled", "_file_sha256 = 'n'")
