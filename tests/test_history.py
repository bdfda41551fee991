"""Runs of the command line in Dagster's history: listed under their job, closed, pruned."""

from __future__ import annotations

import tomllib
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest

from orchestration import history


@pytest.fixture
def instance(tmp_path):
    (tmp_path / "dagster").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "dagster")) as instance:
        yield instance


def _job() -> dg.JobDefinition:
    @dg.asset
    def table() -> None:
        pass

    @dg.asset_check(asset=table)
    def it() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=True)

    job = dg.define_asset_job("refresh", tags={"dagster/max_retries": "1"})
    definitions = dg.Definitions(
        assets=[table], asset_checks=[it], jobs=[job], executor=dg.in_process_executor
    )
    return definitions.resolve_job_def("refresh")


def _workspace(tmp_path: Path, runs: int) -> SimpleNamespace:
    return SimpleNamespace(runs=tmp_path / "runs", retain=SimpleNamespace(runs=runs))


def test_a_run_is_listed_under_its_job(instance):
    result = history.execute(instance, _job(), {"nps/force": "true"})
    assert result.success
    # what the page of a job asks for
    label = {".dagster/repository": "__repository__@nps_warehouse"}
    (run,) = instance.get_runs(dg.RunsFilter(job_name="refresh", tags=label))
    assert run.run_id == result.run_id
    assert run.tags["nps/force"] == "true"
    assert run.status == dg.DagsterRunStatus.SUCCESS
    origin = run.remote_job_origin
    assert (origin.location_name, origin.job_name) == ("nps_warehouse", "refresh")
    # a daemon that is started later does not repeat it
    assert run.tags["dagster/max_retries"] == "0"


def test_the_names_are_those_of_the_code_location():
    text = (Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8")
    declared = tomllib.loads(text)["tool"]["dagster"]
    assert declared["module_name"] == history.MODULE
    assert declared["code_location_name"] == history.CODE_LOCATION


def test_a_killed_run_is_closed_at_the_next_start(instance):
    killed, elsewhere = (
        instance.create_run_for_job(_job(), status=dg.DagsterRunStatus.STARTED, tags=tags)
        for tags in ({history.COMMAND_LINE: "true"}, {})
    )
    assert history.close_killed_runs(instance) == 1
    assert instance.get_run_by_id(killed.run_id).status == dg.DagsterRunStatus.FAILURE
    # a run that Dagster's own processes started is theirs to watch
    assert instance.get_run_by_id(elsewhere.run_id).status == dg.DagsterRunStatus.STARTED
    assert history.close_killed_runs(instance) == 0


def test_runs_beyond_the_retention_are_deleted_with_all_that_is_theirs(instance, tmp_path):
    results = tmp_path / "runs" / "gx"
    results.mkdir(parents=True)
    run_ids = []
    for _ in range(4):
        run_ids.append(history.execute(instance, _job()).run_id)
        (results / f"{run_ids[-1]}-raw.json").write_text("{}")
    assert history.prune(instance, _workspace(tmp_path, runs=2)) == 2
    assert [run.run_id for run in instance.get_runs()] == run_ids[:1:-1]
    assert {path.name for path in results.iterdir()} == {f"{each}-raw.json" for each in run_ids[2:]}
    shards = {path.name for path in (tmp_path / "dagster").rglob("*.db")}
    assert not {f"{each}.db" for each in run_ids[:2]} & shards
    assert {f"{each}.db" for each in run_ids[2:]} <= shards
    check = dg.AssetCheckKey(dg.AssetKey("table"), "it")
    kept = instance.event_log_storage.get_asset_check_execution_history(check, limit=10)
    assert {each.run_id for each in kept} == set(run_ids[2:])
    assert history.prune(instance, _workspace(tmp_path, runs=2)) == 0


def test_an_unfinished_run_is_not_pruned(instance, tmp_path):
    running = instance.create_run_for_job(_job(), status=dg.DagsterRunStatus.STARTED)
    for _ in range(2):
        history.execute(instance, _job())
    history.prune(instance, _workspace(tmp_path, runs=1))
    assert instance.get_run_by_id(running.run_id) is not None
