"""The graph: one committed picture of every asset, what it waits for, its group and its checks.

`NPS_UPDATE_GRAPH=1 python -m pytest tests/e2e/test_graph.py` writes the picture again after a change
that was meant. The failure hook is also tested by a whole run, in test_gate.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import crooked
import e2e_support as e2e
import pytest
import yaml

from orchestration.workspace.entities import SETTINGS_TABLES

PICTURE = Path(__file__).parent / "graph.json"
LAYERS = ("ingest", "raw", "seeds", "staging", "intermediate", "marts", "restricted", "published")


@pytest.fixture(scope="module")
def graph(sample_graph) -> dict[str, Any]:
    return sample_graph.found


def test_the_graph_is_the_one_in_the_picture(graph):
    if os.environ.get("NPS_UPDATE_GRAPH"):
        text = json.dumps(graph["assets"], indent=1, sort_keys=True)
        PICTURE.write_text(text + "\n", encoding="utf-8")
    assert graph["assets"] == json.loads(PICTURE.read_text("utf-8"))


def test_every_asset_is_described(graph):
    assert graph["assets without description"] == []


def test_every_check_of_the_boundaries_is_described(graph):
    """The suites' checks are all described; dbt's own tests carry their words in dbt."""
    from orchestration.quality.boundaries import MARTS, RAW, RESTRICTED

    suites = {"raw": RAW, "marts": MARTS, "restricted": RESTRICTED}
    ours = {
        f"{schema}/{table}: {check.name}"
        for schema, suite in suites.items()
        for table, checks in suite.items()
        for check in checks
    }
    assert len(ours) > 60
    assert ours <= set(graph["checks"])
    assert {name for name in ours if not graph["checks"][name]} == set()


# Written once, as a mart, and read there by intermediate models that several marts share.
READ_BY_ALL = {
    f"marts/{name}"
    for name in ("fct_nps_responses", "fct_nps_churn", "fct_nps_transitions", "dim_customers")
}
READS_COMMENTS = {
    *("int_comment_languages", "int_themes_matched"),
    *("int_theme_labels", "int_themes_learned", "int_terms_counted"),
}


def test_data_moves_one_way(graph):
    place = {key: LAYERS.index(node["group"]) for key, node in graph["assets"].items()}
    backwards = [
        (parent, key)
        for key, node in graph["assets"].items()
        for parent in node["after"]
        if place[parent] > place[key]
        and parent not in READ_BY_ALL
        # what a comment is about is public in sums: the text is read where it lies, and not kept
        and (parent, key.rsplit("/")[-1] in READS_COMMENTS)
        != ("restricted/response_comments", True)
    ]
    assert backwards == []


def test_only_staging_reads_what_was_delivered(graph):
    """But for the settings, and for comments and raw texts, which go to the restricted zone."""
    settings = {"files", "rejected_rows", "published_figures", "last_build", *SETTINGS_TABLES}
    readers = {
        node["group"]
        for node in graph["assets"].values()
        if {key for key in node["after"] if key.startswith("raw/")} - {f"raw/{s}" for s in settings}
    }
    assert readers == {"staging", "restricted"}


def test_nothing_is_published_before_all_that_may_leave_is_built_and_guarded(graph):
    leaving = {
        key for key, node in graph["assets"].items() if node["group"] in ("marts", "restricted")
    }
    assert set(graph["assets"]["published/generation"]["after"]) == leaving
    for key in leaving:
        if key.startswith("marts/"):
            checks = graph["assets"][key]["checks"]
            assert any(check.endswith(" (blocks)") for check in checks), key
    assert "quarantine_rate (blocks)" in graph["assets"]["raw/files"]["checks"]


def test_every_declared_source_is_an_asset(graph, sample_graph):
    declared = yaml.safe_load((sample_graph.root / "workspace.yml").read_text("utf-8"))
    names = {f"ingest/{each['name']}/{each['entity']}" for each in declared["sources"]}
    assert {key for key, node in graph["assets"].items() if node["group"] == "ingest"} == names


def test_jobs_schedule_sensor_and_freshness(graph):
    assert set(graph["jobs"]) == {"refresh", "full_refresh"}
    for job in graph["jobs"].values():
        # one process a run; a run that hangs is marked failed; failures are notified
        assert job["executor"] == "in_process"
        assert job["hooks"] == ["report_failure"]
        assert int(job["tags"]["dagster/max_runtime"]) > 0
    assert graph["schedules"] == {"daily": ["0 5 * * *", "Europe/Brussels", "refresh"]}
    assert graph["sensors"] == {"landing": "refresh"}
    assert set(graph["fresh"]) >= {"marts/fct_nps_responses", "published/generation"}


def test_loading_the_definitions_writes_nothing(sample_graph):
    """Neither the workspace nor the repository gets a file: dbt is parsed somewhere else."""
    assert {path.name for path in sample_graph.root.iterdir()} == {"landing", "workspace.yml"}
    assert not sample_graph.written


def test_dagster_accepts_the_definitions(sample_graph):
    run = sample_graph.validation
    assert run.code == 0, run.err
    assert "All code locations passed validation" in run.out + run.err


# --- when runs begin ----------------------------------------------------------------------------


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """A workspace with two deliveries, which this process works on."""
    e2e.declare(tmp_path, crooked.settings())
    e2e.deliver(tmp_path, "files/a.csv", "id,nps,date,text\n1,9,2025-01-02,x\n")
    e2e.deliver(tmp_path, "files/b.csv", "id,nps,date,text\n2,9,2025-01-02,x\n")
    monkeypatch.setenv("NPS_WORKSPACE", str(tmp_path))
    return tmp_path


def evaluate(cursor: str | None) -> tuple[str | None, str | None]:
    """(run key or None where the sensor skips, cursor) of one look at landing."""
    import dagster as dg

    from orchestration.schedules import landing

    with dg.build_sensor_context(cursor=cursor) as context:
        answer = landing(context)
        return getattr(answer, "run_key", None), context.cursor


def test_the_sensor_asks_for_one_run_per_change(workspace):
    keys = set()
    first, cursor = evaluate(None)
    keys.add(first)
    assert evaluate(cursor) == (None, cursor)
    added = e2e.deliver(workspace, "files/c.csv", "id,nps,date,text\n3,9,2025-01-02,x\n")
    content = added.read_bytes()
    # added, taken away, put back as it was, changed in place: Dagster runs each key once
    for change in (
        lambda: None,
        added.unlink,
        lambda: e2e.deliver(workspace, "files/c.csv", content),
        lambda: e2e.deliver(workspace, "files/c.csv", content + b"4,9,2025-01-02,x\n"),
        lambda: (workspace / "landing/files/a.csv").rename(workspace / "landing/files/z.csv"),
    ):
        change()
        key, cursor = evaluate(cursor)
        assert key not in (None, *keys)
        keys.add(key)
        assert evaluate(cursor) == (None, cursor)


def test_the_sensor_reads_no_file(workspace):
    path = workspace / "landing/files/a.csv"
    status = path.stat()
    _, cursor = evaluate(None)
    path.write_bytes(b"x" * status.st_size)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert evaluate(cursor) == (None, cursor)


def test_a_sensor_that_is_started_after_a_run_of_these_files_starts_none(workspace):
    """The record is the one that a run of the command line leaves; see tests/test_unchanged.py."""
    from orchestration.lake.landing import landing_fingerprint
    from orchestration.workspace.current import current_workspace

    delivered = landing_fingerprint(current_workspace())
    (workspace / "warehouse").mkdir()
    record = workspace / "warehouse/finished.json"
    record.write_text(json.dumps({"state": {}, "delivered": delivered}))
    key, cursor = evaluate(None)
    assert (key, cursor) == (None, delivered)
    e2e.deliver(workspace, "files/c.csv", "id,nps,date,text\n3,9,2025-01-02,x\n")
    assert evaluate(cursor)[0] is not None


def test_the_sensor_waits_for_files_and_for_their_end(workspace):
    for path in (workspace / "landing/files").iterdir():
        path.unlink()
    assert evaluate(None) == (None, None)
    e2e.deliver(workspace, "files/a.csv.part", "id,nps")
    assert evaluate(None) == (None, None)


# --- who hears of their end ---------------------------------------------------------------------


@pytest.fixture
def failing_job():
    """A job with the failure hook, whose only step fails and quotes a person."""
    import dagster as dg

    from orchestration.schedules import report_failure

    @dg.op
    def ingest() -> None:
        raise ValueError("jane.secret@example.com scored 3")

    @dg.job(hooks={report_failure}, executor_def=dg.in_process_executor)
    def refresh() -> None:
        ingest()

    return refresh


def test_the_failure_hook_names_the_step_and_quotes_nothing(workspace, failing_job, monkeypatch):
    posted: list[str] = []
    with e2e.listening(posted) as address:
        monkeypatch.setenv("NPS_WEBHOOK_URL", address)
        result = failing_job.execute_in_process(raise_on_error=False)
    assert not result.success
    (body,) = posted
    text = json.loads(body)["text"]
    assert all(name in text for name in ("ingest", "refresh", result.run_id))
    assert "jane" not in body
    assert "@" not in body


@pytest.mark.parametrize("address", ["", "http://127.0.0.1:9/nobody", "file:///etc/passwd"])
def test_a_webhook_that_is_missing_or_deaf_does_not_matter(
    workspace, failing_job, monkeypatch, address
):
    monkeypatch.setenv("NPS_WEBHOOK_URL", address)
    result = failing_job.execute_in_process(raise_on_error=False)
    failed = [event.step_key for event in result.all_events if event.is_step_failure]
    assert failed == ["ingest"]
