"""An event log with kept connections holds what any other holds."""

from __future__ import annotations

import dagster as dg
import pytest

from orchestration.core.event_log import kept_connections


@dg.asset
def one():
    return 1


@dg.asset_check(asset=one, name="holds")
def holds():
    return dg.AssetCheckResult(passed=True)


def _run(instance: dg.DagsterInstance) -> str:
    definitions = dg.Definitions([one], asset_checks=[holds], jobs=[dg.define_asset_job("all")])
    result = definitions.resolve_job_def("all").execute_in_process(instance=instance)
    return result.run_id


def _kinds(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    return [
        str(entry.dagster_event.event_type_value)
        for entry in instance.all_logs(run_id)
        if entry.dagster_event
    ]


def test_another_instance_reads_the_same_events(tmp_path):
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        plain = _run(instance)
        with kept_connections(instance.event_log_storage):
            kept = _run(instance)
            assert _kinds(instance, kept) == _kinds(instance, plain)
        again = _run(instance)
    with dg.DagsterInstance.local_temp(str(tmp_path)) as other:
        assert _kinds(other, kept) == _kinds(other, plain) == _kinds(other, again)
        materializations = other.fetch_materializations(one.key, limit=10).records
        assert {record.run_id for record in materializations} == {plain, kept, again}
        assert other.get_run_by_id(kept).is_success


def test_connections_are_kept_while_it_lasts_and_no_longer(tmp_path, monkeypatch):
    opened = []
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        storage = instance.event_log_storage
        of_class = storage._connect
        has_table = storage.has_table
        with kept_connections(storage):
            assert storage._connect != of_class
            import sqlite3

            real = sqlite3.connect

            def connect(*arguments, **options):
                opened.append(str(arguments[0]))
                return real(*arguments, **options)

            monkeypatch.setattr(sqlite3.dbapi2, "connect", connect)
            run_id = _run(instance)
        assert storage._connect == of_class
        assert storage.has_table == has_table
    # of the index and of the run's own file, not one for each event
    assert sum(run_id in path for path in opened) <= 2
    # one to store, and one to ask for each of asset_event_tags and asset_check_executions
    assert sum("index.db" in path for path in opened) <= 3


@pytest.mark.parametrize("storage", [None, object()])
def test_another_storage_is_left_alone(storage):
    with kept_connections(storage):
        assert not hasattr(storage, "_connect")
