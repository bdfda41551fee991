"""The boundaries as asset checks: what they block, what they only report, and what they cost."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import duckdb
import pytest

from expectations import CheckResult, no_rows
from expectations.suites.foundation import FOUNDATION as FACTS
from expectations.suites.reconciliation import QUARANTINED as ROWS
from expectations.suites.reconciliation import RECONCILIATION
from orchestration.core.errors import UserError
from orchestration.core.progress import listening
from orchestration.quality import assets as quality
from orchestration.quality import gate, outcomes
from orchestration.quality.boundaries import MARTS, RAW, RESTRICTED
from orchestration.warehouse.database import SEARCH_PATH
from orchestration.workspace.current import current_workspace
from orchestration.workspace.entities import SETTINGS_TABLES

FOUNDATION = FACTS | RECONCILIATION

_SPEC = importlib.util.spec_from_file_location(
    "small_warehouse", Path(__file__).parents[1] / "expectations" / "conftest.py"
)
SMALL = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(SMALL)

ENTRY = """version: 1
sources:
  - name: crm
    entity: customers
    files: "*.csv"
    columns: {customer_id: id}
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A workspace with a lake and a warehouse in which every check holds."""
    root = tmp_path_factory.mktemp("workspace")
    (root / "workspace.yml").write_text(ENTRY)
    (root / "warehouse").mkdir()
    with duckdb.connect(str(root / "warehouse" / "nps.duckdb")) as connection:
        for statement in SMALL.MARTS:
            connection.execute(statement)
        for schema in ("marts", "restricted"):
            path = root / "warehouse" / f"{schema}.duckdb"
            connection.execute(f"attach '{path}' as {schema}_file")
            connection.execute(f"create schema {schema}_file.{schema}")
            for (table,) in connection.execute(
                "select table_name from duckdb_tables() "
                f"where database_name = 'nps' and schema_name = '{schema}'"
            ).fetchall():
                name = f"{schema}.{table}"
                connection.execute(f"create table {schema}_file.{name} as from nps.{name}")
            connection.execute(f"drop schema nps.{schema} cascade")
    lake = root / "lake"
    with duckdb.connect() as connection:
        for statement in SMALL.RAW:
            connection.execute(statement)
        connection.execute("create table raw.rejected_rows as select 'x' as reason where false")
        for (table,) in connection.sql(
            "select table_name from duckdb_tables() where schema_name = 'raw'"
        ).fetchall():
            path = f"raw/{table}/x.parquet"
            if table in SETTINGS_TABLES:
                path = f"settings/{table}.parquet"
            path = {
                "files": "manifest/files.parquet",
                "rejected_rows": "rejected/_schema.parquet",
                "published_figures": "ledger/published_figures.parquet",
            }.get(table, path)
            (lake / path).parent.mkdir(parents=True, exist_ok=True)
            connection.table(f"raw.{table}").write_parquet(str(lake / path))
    return root


@pytest.fixture
def root(small, tmp_path, monkeypatch):
    """A copy of the small workspace, which is the current one."""
    root = tmp_path / "workspace"
    shutil.copytree(small, root)
    monkeypatch.setenv("NPS_WORKSPACE", str(root))
    return root


def _rewrite(root: Path, table: str, query: str) -> None:
    """Change a Parquet file of the lake."""
    (path,) = [
        path
        for pattern in (f"*/{table}.parquet", f"raw/{table}/x.parquet")
        for path in (root / "lake").glob(pattern)
    ]
    table = duckdb.sql(query.format(f"'{path}'")).to_arrow_table()
    duckdb.from_arrow(table).write_parquet(str(path))


def _alter(root: Path, statement: str) -> None:
    with duckdb.connect() as connection:
        for name, file in (
            ("nps", "nps"),
            ("marts_file", "marts"),
            ("restricted_file", "restricted"),
        ):
            connection.execute(f"attach '{root}/warehouse/{file}.duckdb' as {name}")
        connection.execute(SEARCH_PATH)
        connection.execute(statement)
        connection.execute("use memory")


def _run(selection=None, tags=None):
    """Run a graph shaped like the project's in this process: what ran, in order, and the run."""
    ran: list[str] = []

    def asset(key: list[str], deps: list[list[str]]):
        @dg.asset(key=key, deps=deps)
        def it():
            ran.append("/".join(key))

        return it

    raw = [["raw", table] for table in RAW if table != "leads"]
    # the small warehouse holds the foundation alone
    marts = [["marts", table] for table in FOUNDATION] + [["restricted", table] for table in ROWS]

    @dg.multi_asset(
        specs=[dg.AssetSpec(key, deps=[["raw", "leads"], *raw]) for key in marts], name="dbt"
    )
    def dbt():
        ran.append("dbt")
        for key in marts:
            yield dg.MaterializeResult(asset_key=key)

    definitions = dg.Definitions(
        assets=[*(asset(key, []) for key in raw), dbt, asset(["publish"], marts)],
        asset_checks=[quality.raw_checks, quality.mart_checks],
        jobs=[dg.define_asset_job("refresh", selection=selection or dg.AssetSelection.all())],
        executor=dg.in_process_executor,
    )
    job = definitions.resolve_job_def("refresh")
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(raise_on_error=False, instance=instance, tags=tags)
    outcome = {
        f"{'/'.join(each.asset_key.path)} {each.check_name}": each
        for each in result.get_asset_check_evaluations()
    }
    return SimpleNamespace(
        run_id=result.run_id,
        ran=ran,
        success=result.success,
        failed={name for name, each in outcome.items() if not each.passed},
        outcome=outcome,
        errors=[event.event_specific_data.error for event in result.get_step_failure_events()],
    )


def test_all_is_well(root):
    run = _run()
    assert run.success, run.errors
    assert run.ran[-2:] == ["dbt", "publish"]
    assert run.failed == set()
    # an entity that is no asset of the graph is not checked
    expected = sum(len(c) for s in (RAW, FOUNDATION, ROWS) for c in s.values())
    assert len(run.outcome) == expected - len(RAW["leads"])
    assert {path.name.split("-")[-1] for path in (root / "runs" / "gx").iterdir()} == {
        "raw.json",
        "marts.json",
        "restricted.json",
    }


def test_a_critical_failure_of_raw_stops_the_build(root):
    _rewrite(root, "files", "select * replace (9 as rows_blank, 1 as rows_rejected) from {}")
    run = _run()
    assert not run.success
    assert "raw/files accounted" in run.failed
    assert "dbt" not in run.ran
    assert "publish" not in run.ran


def test_a_critical_failure_of_marts_stops_publishing(root):
    _alter(root, "update marts.fct_nps_by_period set nps = nps + 1")
    run = _run()
    assert not run.success
    assert run.failed == {"marts/fct_nps_by_period scores"}
    assert run.ran[-1] == "dbt"


def test_a_critical_failure_of_restricted_stops_publishing(root):
    _alter(root, "update restricted.quarantined_rows set reason = 'x' where row_number = 2")
    run = _run()
    assert not run.success
    assert run.failed == {"restricted/quarantined_rows reasons"}
    assert run.ran[-1] == "dbt"


def test_a_warning_stops_nothing(root):
    _rewrite(root, "mapped_columns", "select * replace ('leads' as entity) from {}")
    _alter(root, "update marts.ingest_reconciliation set file_reason = 'ann@mail.example'")
    run = _run()
    assert run.success
    assert run.failed == {"raw/files delivered", "marts/ingest_reconciliation no_emails"}
    assert run.ran[-2:] == ["dbt", "publish"]
    severities = {run.outcome[name].severity for name in run.failed}
    assert severities == {dg.AssetCheckSeverity.WARN}


def test_a_check_that_cannot_be_evaluated_stops_publishing(root):
    _alter(root, "alter table marts.dim_surveys drop column metric")
    run = _run()
    assert not run.success
    assert run.failed == {"marts/dim_surveys keys"}
    error = run.outcome["marts/dim_surveys keys"].metadata["error"].value
    assert error.startswith("could not be evaluated (Binder Error: ")


@pytest.fixture
def evaluated(monkeypatch) -> list[str]:
    """The schemas whose checks were evaluated, in order."""
    found: list[str] = []
    raw, warehouse = gate.check_raw, gate.check_warehouse

    def check_raw(*arguments):
        found.append("raw")
        return raw(*arguments)

    def check_warehouse(workspace, schema, *arguments):
        found.append(schema)
        return warehouse(workspace, schema, *arguments)

    monkeypatch.setattr(gate, "check_raw", check_raw)
    monkeypatch.setattr(gate, "check_warehouse", check_warehouse)
    return found


def test_what_did_not_change_is_not_checked_again(root, evaluated):
    first = _run()
    assert evaluated == ["raw", "marts", "restricted"]
    again = _run()
    assert evaluated == ["raw", "marts", "restricted"]
    assert again.success
    evaluations = [
        {name: (each.passed, each.severity, each.metadata) for name, each in run.outcome.items()}
        for run in (first, again)
    ]
    assert evaluations[0] == evaluations[1]


def test_a_full_refresh_checks_everything_again(root, evaluated):
    _run()
    _run(tags={quality.FULL_REFRESH_TAG: "true"})
    assert evaluated == ["raw", "marts", "restricted"] * 2


def test_a_changed_build_is_checked_and_the_lake_is_not(root, evaluated):
    _run()
    _alter(root, "update marts.fct_nps_by_period set nps = nps + 1")
    assert _run().failed == {"marts/fct_nps_by_period scores"}
    assert evaluated == ["raw", "marts", "restricted", "marts", "restricted"]


def test_a_changed_lake_is_checked(root, evaluated):
    _run()
    _rewrite(root, "files", "select * replace (9 as rows_blank, 1 as rows_rejected) from {}")
    assert "raw/files accounted" in _run().failed
    assert evaluated == ["raw", "marts", "restricted", "raw"]


def test_a_changed_setting_or_ledger_is_checked_against_the_build(root, evaluated):
    _run()
    _rewrite(root, "workspace", "select * replace (3 as min_group_size) from {}")
    _run()
    assert evaluated == ["raw", "marts", "restricted"] * 2
    _rewrite(root, "published_figures", "select * from {} where false union all select 'nps', "
             "'relational', 'month', date '2025-01-01', date '2025-01-31', 'responses', 1, 1, 1, "
             "date '2025-02-01'")  # fmt: skip
    _run()
    assert evaluated == ["raw", "marts", "restricted"] * 3


@pytest.mark.parametrize("rubbish", ["[]", "null", "{", '{"state": 1}'])
def test_rubbish_in_place_of_the_last_results_is_no_pass(root, evaluated, rubbish):
    _run()
    for path in (root / "warehouse").glob("checked-*.json"):
        path.write_text(rubbish)
    assert _run().success
    assert evaluated == ["raw", "marts", "restricted"] * 2


def test_what_failed_is_checked_again(root, evaluated):
    """A failure may have been of the moment; what it blocks is evaluated again."""
    _alter(root, "update marts.fct_nps_by_period set nps = nps + 1")
    for _ in range(2):
        assert _run().failed == {"marts/fct_nps_by_period scores"}
    assert evaluated.count("marts") == 2


def test_a_changed_check_is_evaluated(root, evaluated, monkeypatch):
    _run()
    monkeypatch.setattr(gate, "code_of_checks", lambda: "other code")
    _run()
    assert evaluated == ["raw", "marts", "restricted"] * 2


def test_a_warehouse_that_is_not_there(root):
    (root / "warehouse" / "nps.duckdb").unlink()
    run = _run()
    assert not run.success
    assert run.ran[-1] == "dbt"
    assert "run the workspace first" in run.errors[0].cause.message


def test_a_warehouse_that_is_open_elsewhere(root):
    script = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); input()"
    )
    command = [sys.executable, "-c", script, str(root / "warehouse" / "nps.duckdb")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "open\n"
        with pytest.raises(
            UserError, match=rf"nps.duckdb is open in another program \(pid {other.pid}\); close it"
        ):
            gate.check_warehouse(current_workspace(), "marts", FOUNDATION)
        other.communicate("\n")


def test_a_part_of_the_graph_runs_its_own_checks(root):
    run = _run(dg.AssetSelection.assets(["raw", "customers"]))
    assert run.success
    assert run.ran == ["raw/customers"]
    names = ("provenance", "filled", "readable")
    assert set(run.outcome) == {f"raw/customers {name}" for name in names}


def test_every_check_is_an_asset_check():
    for checks, layers in (
        (quality.raw_checks, {"raw": RAW}),
        (quality.mart_checks, {"marts": MARTS, "restricted": RESTRICTED}),
    ):
        expected = {
            ((schema, table), check.name): (check.severity == "critical", check.why)
            for schema, suites in layers.items()
            for table, table_checks in suites.items()
            for check in table_checks
        }
        assert {
            (tuple(spec.asset_key.path), spec.name): (spec.blocking, spec.description)
            for spec in checks.check_specs
        } == expected


@pytest.mark.parametrize(
    "severity, expected",
    [("critical", dg.AssetCheckSeverity.ERROR), ("warning", dg.AssetCheckSeverity.WARN)],
)
def test_what_dagster_is_told(severity, expected):
    check = no_rows("it", "select 1 from {batch}", why="Because.", severity=severity)
    result = CheckResult("people", check, False, {"unexpected_rows": 3}, 0.5, "could not")
    reported = quality.as_asset_check_result("marts", result)
    assert (reported.asset_key.path, reported.check_name) == (["marts", "people"], "it")
    assert (reported.passed, reported.severity) == (False, expected)
    assert {name: value.value for name, value in reported.metadata.items()} == {
        "why": "Because.",
        "seconds": 0.5,
        "unexpected_rows": 3,
        "error": "could not",
        "explanation": "people.it could not. The rule: Because.",
    }


# --- a failure explains itself ------------------------------------------------------------------


@pytest.fixture
def screen():
    """The lines that a person sees, as (stage, text)."""
    lines: list[tuple[str, str]] = []
    with listening(lambda stage, text: lines.append((stage, text))):
        yield lines


QUARANTINED = "update restricted.quarantined_rows set reason = 'wrong_width' where row_number = 4"


def test_a_blocked_quarantine_rate_says_how_many_of_which_source_and_why(root, screen):
    """3 mistakes of 9 rows where a quarter is allowed."""
    _alter(root, QUARANTINED)
    run = _run()
    assert run.failed == {"marts/ingest_reconciliation quarantine_rate"}
    # what passed is reported as passed, whatever an explanation has to do
    expected = sum(len(c) for s in (RAW, FOUNDATION, ROWS) for c in s.values())
    assert len(run.outcome) == expected - len(RAW["leads"])
    blocked = [text for stage, text in screen if stage == "blocked"]
    assert blocked[0].startswith(
        "ingest_reconciliation.quarantine_rate failed (unexpected rows 1, worst rate 0.3333). "
        "The rule: The share of a source's rows"
    )
    assert all(line.startswith("ask/survey_responses: ") for line in blocked[1:])
    # file and schema share a name
    with duckdb.connect(str(root / "warehouse/restricted.duckdb"), read_only=True) as build:
        expected_lines = build.execute(
            "select 'ask/survey_responses: ' || reason, count(*) "
            "from restricted.restricted.quarantined_rows where reason <> 'future' group by 1"
        ).fetchall()
    assert {line.rpartition(": ")[::2] for line in blocked[1:]} == {
        (name, f"{count} row{'s' * (count > 1)}") for name, count in expected_lines
    }
    metadata = run.outcome["marts/ingest_reconciliation quarantine_rate"].metadata
    assert metadata["explanation"].value == blocked[0]
    assert metadata["where"].value == "\n".join(f"- {line}" for line in blocked[1:])
    # Dagster's reason of the step is the check, not an error of ours
    assert {error.cls_name for error in run.errors} == {"DagsterAssetCheckFailedError"}


def test_a_failed_check_reaches_the_webhook_with_names_and_counts(root):
    _alter(root, QUARANTINED)
    run = _run()
    (text,) = outcomes.blocking_failures(current_workspace(), run.run_id)
    assert text.startswith("ingest_reconciliation.quarantine_rate failed (unexpected rows 1,")
    assert "ask/survey_responses: wrong_width: " in text
    assert "@" not in text


def test_a_failed_check_of_the_lake_says_which_source(root, screen):
    _rewrite(root, "files", "select * replace (9 as rows_blank, 1 as rows_rejected) from {}")
    assert "raw/files accounted" in _run().failed
    blocked = [text for stage, text in screen if stage == "blocked"]
    assert any(line.startswith("files.accounted failed (unexpected rows ") for line in blocked)
    assert "crm: customers: 1 file" in blocked


def test_a_warning_is_a_sentence(root, screen):
    _rewrite(root, "mapped_columns", "select * replace ('leads' as entity) from {}")
    _run()
    warnings = [text for stage, text in screen if stage == "warning"]
    assert warnings[0] == (
        "files.delivered failed (unexpected rows 2). The rule: Every declared source has "
        "delivered something that could be read."
    )
    assert set(warnings[1:]) == {"crm: leads: 1 feed", "ask: leads: 1 feed"}


def test_results_that_cannot_be_read_are_no_failures(root):
    """The webhook's text is made beside the run: it must not add an error of its own."""
    folder = root / "runs" / "gx"
    folder.mkdir(parents=True)
    (folder / "r-raw.json").write_text("{")
    assert outcomes.blocking_failures(current_workspace(), "r") == []


def test_importing_it_imports_nothing_heavy():
    script = (
        "import sys, orchestration.quality.assets\n"
        "heavy = {'great_expectations', 'dbt', 'dagster_dbt', 'pandas', 'altair', 'scipy'}\n"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or None)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_current_workspace(root):
    workspace = current_workspace()
    assert workspace.root == root
    assert current_workspace() is workspace
    path = root / "workspace.yml"
    path.write_text(ENTRY + "currency: EUR\n")
    os.utime(path, ns=(1, 1))
    assert current_workspace().currency == "EUR"
    path.unlink()
    with pytest.raises(UserError, match="not found"):
        current_workspace()


# --- where only some rows are new -------------------------------------------------------------

OLD = "select * replace (null::varchar as _row_hash) from {}"


def test_of_the_lake_new_files_alone_are_looked_at_but_in_a_full_refresh(root):
    assert _run().success
    _rewrite(root, "survey_responses", OLD)
    # existing rows were checked when they came: a later change is found by a full refresh
    assert _run().failed == set()
    assert _run(tags={quality.FULL_REFRESH_TAG: "true"}).failed == {
        "raw/survey_responses provenance"
    }
    # nothing is known to have passed: all rows are checked
    assert _run().failed == {"raw/survey_responses provenance"}


def test_a_new_file_of_the_lake_is_looked_at(root):
    assert _run().success
    _rewrite(
        root,
        "files",
        "select * from {0} union all select * replace ('n' as file_sha256, 1 as rows_delivered, "
        "1 as rows_loaded, 0 as rows_rejected) from {0} where source = 'crm'",
    )
    _rewrite(
        root,
        "customers",
        "select * from {0} union all select * from (select * replace ('n' as _file_sha256, "
        "null::varchar as _row_hash) from {0} limit 1)",
    )
    assert "raw/customers provenance" in _run().failed


def test_a_file_that_was_read_anew_is_a_new_one(root):
    assert _run().success
    _rewrite(root, "survey_responses", OLD)
    _rewrite(root, "files", "select * replace ('v2' as mapping_version) from {}")
    assert "raw/survey_responses provenance" in _run().failed


def test_what_is_lost_is_missed_whichever_file_it_is_of(root):
    assert _run().success
    _rewrite(root, "survey_responses", "select * from {} where response_id <> 'r1'")
    assert _run().failed == {"raw/survey_responses provenance"}


def test_a_warning_stays_until_it_is_over(root):
    """Of no new rows it would seem to be over."""
    _rewrite(root, "survey_responses", "select * replace (null::varchar as comment) from {}")
    assert _run().failed == {"raw/survey_responses filled"}
    _rewrite(root, "survey_responses", "select * replace (' ' as language) from {}")
    assert _run().failed == {"raw/survey_responses filled"}
    _rewrite(root, "survey_responses", "select * replace ('x' as comment) from {}")
    assert _run().failed == set()


AFFECTED = "int_customers_affected"


@pytest.fixture
def incremental(root, monkeypatch):
    """A batch that replaced the answers of one customer."""
    by_customer = {"key": "customer_key", "model": AFFECTED}
    nodes = {
        f"model.it.{table}": {
            "name": table,
            "schema": schema,
            "database": "nps",
            "alias": table,
            "resource_type": "model",
            "config": {"meta": meta},
        }
        for schema, table, meta in (
            ("intermediate", AFFECTED, {}),
            ("marts", "fct_nps_responses", {"changed": by_customer}),
            ("marts", "fct_nps_churn", {"changed": [by_customer]}),
        )
    }
    _alter(
        root,
        "create schema if not exists intermediate; create or replace table "
        f"intermediate.{AFFECTED} as select md5('c1')::uuid as customer_key",
    )
    manifest = root / "runs" / "dbt" / "manifest.json"
    manifest.parent.mkdir(parents=True, exist_ok=True)
    manifest.write_text(json.dumps({"nodes": nodes}))
    monkeypatch.setattr(quality, "inputs_of_build", lambda workspace: "the build before")
    monkeypatch.setattr(quality, "built_from", lambda workspace: "the build before")
    return root


WRONG = "update marts.fct_nps_responses set score = 9 where customer_key {} md5('c1')::uuid"


def test_of_a_build_new_rows_alone_are_looked_at_but_in_a_full_refresh(incremental):
    assert _run().success  # nothing was checked before: everything is
    _alter(incremental, WRONG.format("<>"))
    assert _run().failed == set()
    assert _run(tags={quality.FULL_REFRESH_TAG: "true"}).failed == {
        "marts/fct_nps_responses classes"
    }


def test_a_batch_on_a_build_that_was_never_checked_is_checked_whole(incremental, monkeypatch):
    assert _run().success
    _alter(incremental, WRONG.format("<>"))
    monkeypatch.setattr(quality, "built_from", lambda workspace: "a build that was killed")
    assert _run().failed == {"marts/fct_nps_responses classes"}


def test_a_mistake_in_new_rows_of_a_build_is_found(incremental):
    assert _run().success
    _alter(incremental, WRONG.format("="))
    assert _run().failed == {"marts/fct_nps_responses classes"}
    # results of the others are reused only if their build passed
    _alter(incremental, WRONG.format("<>"))
    assert _run().failed == {"marts/fct_nps_responses classes"}


def test_sums_are_told_of_all_rows_of_a_build(incremental):
    assert _run().success
    _alter(incremental, "delete from marts.fct_nps_responses where response_id = 'r4'")
    assert "marts/fct_nps_by_period adds_up" in _run().failed


def test_other_checks_than_before_look_at_everything(incremental, monkeypatch):
    assert _run().success
    _alter(incremental, WRONG.format("<>"))
    monkeypatch.setattr(gate, "code_of_checks", lambda: "other code")
    assert _run().failed == {"marts/fct_nps_responses classes"}


def test_checks_keep_within_the_workspaces_memory(root):
    """900 MB are 900 000 000 / 1024 / 1024 = 858.3 MiB, as DuckDB writes them."""
    (root / "workspace.yml").write_text(ENTRY + "memory_limit: 900MB\n")
    query = f"""
        select 1 where current_setting('memory_limit') <> '858.3 MiB'
            or current_setting('temp_directory') <> '{root}/warehouse/.spill'"""
    limit = {"dim_customers": [no_rows("limit", query, why="It is the workspace's.")]}
    entry = {"customers": limit["dim_customers"]}
    workspace = current_workspace()
    found = gate.check_warehouse(workspace, "marts", limit) + gate.check_raw(workspace, entry)
    assert [result.success for result in found] == [True, True]
