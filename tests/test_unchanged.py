"""A run is skipped only if everything that it reads and left is unchanged."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from orchestration import unchanged
from orchestration.lake.landing import landing_fingerprint
from orchestration.report import queries
from orchestration.workspace.load import load_workspace

ENTRY = """version: 1
as_of: 2025-12-31
sources:
  - name: crm
    entity: customers
    files: "*.csv"
    columns: {customer_id: id}
"""
SUMMARY = """NPS warehouse: /somewhere, as of 2025-12-31
====
This run    1 file found: 1 new
            1 row delivered
Checks      3 passed
Published   generation g1
Headline    NPS 12.0
            from 9 answers
Where       tables for BI  published/nps.duckdb
Time        set-up 1.0 s"""


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    """A workspace that looks like one after a run."""
    for name in (
        "landing/crm/a.csv",
        "lake/manifest/manifest.jsonl",
        "lake/raw/customers/a.parquet",
        "lake/rejected/customers/a.parquet",
        "lake/settings/workspace.parquet",
        "warehouse/nps.duckdb",
        "warehouse/gated.json",
        "published/nps.duckdb",
        "published/generations/g1/parquet/marts/a.parquet",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    (tmp_path / "published/parquet").symlink_to("generations/g1/parquet")
    (tmp_path / "workspace.yml").write_text(ENTRY)
    duckdb.sql("select 'a' as file_sha256").write_parquet(
        str(tmp_path / "lake/manifest/files.parquet")
    )
    monkeypatch.setattr(queries, "published_generation", lambda _: {"generation_id": "g1"})
    return tmp_path


def finish(root: Path) -> None:
    """Record a run of the workspace as it is."""
    workspace = load_workspace(root)
    delivered = landing_fingerprint(workspace)
    unchanged.record_finished_run(
        workspace, unchanged.state_before_run(workspace), delivered, SUMMARY
    )


def report(root: Path) -> str | None:
    return unchanged.unchanged_report(load_workspace(root))


def test_nothing_changed(root):
    assert report(root) is None
    finish(root)
    first, *lines = report(root).splitlines()
    assert first.startswith(
        "nothing changed; generation g1 of 2025-12-31 stands (unchanged since 2"
    )
    assert lines == [
        "Headline    NPS 12.0",
        "            from 9 answers",
        "Where       tables for BI  published/nps.duckdb",
    ]
    assert unchanged.finished_from(load_workspace(root))


CHANGES = {
    "a new file": lambda root: (root / "landing/crm/b.csv").write_text("x"),
    "a file of no source": lambda root: (root / "landing/other.txt").write_text("x"),
    "a file with another time": lambda root: os.utime(root / "landing/crm/a.csv", (1, 1)),
    "a file taken away": lambda root: (root / "landing/crm/a.csv").unlink(),
    "a broken link": lambda root: (root / "landing/crm/l.csv").symlink_to("nowhere"),
    "settings": lambda root: (root / "workspace.yml").write_text(ENTRY + "currency: EUR\n"),
    "the business day": lambda root: (root / "workspace.yml").write_text(
        ENTRY.replace("12-31", "12-30")
    ),
    "the lake": lambda root: (root / "lake/raw/customers/a.parquet").unlink(),
    "the manifest": lambda root: (root / "lake/manifest/manifest.jsonl").write_text("xy"),
    "the build": lambda root: (root / "warehouse/nps.duckdb").write_text("xy"),
    "a write-ahead log": lambda root: (root / "warehouse/nps.duckdb.wal").write_text("x"),
    "the gate": lambda root: (root / "warehouse/gated.json").unlink(),
    "the published file": lambda root: (root / "published/nps.duckdb").unlink(),
    "a published Parquet file": lambda root: shutil.rmtree(root / "published/generations/g1"),
    "where a link leads": lambda root: (
        (root / "published/parquet").unlink(),
        (root / "published/parquet").symlink_to("generations/g0/parquet"),
    ),
    "the record": lambda root: (root / "warehouse/finished.json").write_text("{"),
    "a record of another shape": lambda root: (root / "warehouse/finished.json").write_text(
        json.dumps({"state": []})
    ),
    "a run that began": lambda root: unchanged.forget_finished_run(load_workspace(root)),
}


def test_another_list_of_excluded_values_is_a_run(root):
    (root / "ids.txt").write_text("1\n")
    (root / "workspace.yml").write_text(ENTRY + "    exclude: {customer_id: file:ids.txt}\n")
    finish(root)
    assert report(root) is not None
    (root / "ids.txt").write_text("1\n2\n")
    assert report(root) is None


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_any_change_is_a_run(root, change):
    finish(root)
    assert report(root) is not None
    change(root)
    assert report(root) is None


@pytest.mark.parametrize("name", ["models/it.sql", "orchestration/it.py", "seeds/it.csv"])
def test_changed_code_is_a_run(root, tmp_path, monkeypatch, name):
    project = tmp_path / "project"
    path = project / name
    path.parent.mkdir(parents=True)
    path.write_text("x")
    monkeypatch.setattr(unchanged, "PROJECT_DIR", project)
    finish(root)
    assert report(root) is not None
    path.write_text("xy")
    assert report(root) is None


def test_another_version_is_a_run(root, monkeypatch):
    finish(root)
    monkeypatch.setattr(unchanged, "version", lambda name: "0")
    assert report(root) is None


def test_a_run_that_could_not_read_a_file_is_repeated(root):
    table = root / "lake/manifest/files.parquet"
    duckdb.sql("select 'unread:1' as file_sha256").write_parquet(str(table))
    finish(root)
    assert report(root) is None


def test_it_is_decided_before_anything_heavy_is_imported(root):
    finish(root)
    script = (
        "import sys, orchestration.cli as cli\n"
        "code = cli.main(['run'])\n"
        "heavy = {'dagster', 'dbt', 'great_expectations', 'duckdb', 'pyarrow', 'pandas'}\n"
        "sys.exit(f'{code}: {sorted(heavy & set(sys.modules))}')"
    )
    environment = {**os.environ, "NPS_WORKSPACE": str(root)}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False
    )
    assert done.stderr == "0: []\n", done.stderr
    assert done.stdout.startswith("nothing changed; generation g1 of 2025-12-31 stands")
