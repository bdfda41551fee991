"""Which part of the delivered files a check reads, and that it leaves nothing behind."""

from __future__ import annotations

import csv
import gzip
import io
import os
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from orchestration.preview import excerpt
from orchestration.preview.excerpt import scratch_workspace, take_excerpt
from orchestration.workspace.load import load_workspace


def workspace_of(root: Path, files: str, **form):
    entry = {
        "name": "ask",
        "entity": "survey_responses",
        "files": files,
        "format": form,
        "columns": {"response_id": "id", "score": "score", "submitted_at": "at"},
        "constants": {"metric": "nps", "survey_type": "relational", "scale": "0-10"},
    }
    content = {"version": 1, "sources": [entry]}
    root.mkdir()
    (root / "workspace.yml").write_text(yaml.safe_dump(content), encoding="utf-8")
    (root / "landing/ask").mkdir(parents=True)
    return load_workspace(root)


def rows_of(count: int) -> str:
    """CSV whose comments hold line ends and quotation marks."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["id", "score", "at", "comment"])
    writer.writerows([n, n % 11, "2026-01-05", f'he said\n"{n}"\n'] for n in range(count))
    return out.getvalue()


def taken(workspace, budget: int = 1 << 30):
    (source,) = workspace.sources
    with scratch_workspace(workspace, [source]) as scratch:
        found = take_excerpt(workspace, scratch, source, budget)
        files = {
            path.name: (path.read_bytes(), path.stat().st_mtime_ns)
            for path in sorted((scratch.landing / "ask").iterdir())
        }
    return found, files


def test_small_files_are_read_as_they_are(tmp_path):
    workspace = workspace_of(tmp_path / "ws", "*.csv")
    path = workspace.landing / "ask/a.csv"
    path.write_text(rows_of(3))
    os.utime(path, (1_700_000_000, 1_700_000_000))
    found, files = taken(workspace)
    assert (found.found, found.read, found.cut, found.problems) == (1, 1, [], [])
    assert files == {"a.csv": (path.read_bytes(), 1_700_000_000 * 10**9)}


@pytest.mark.parametrize("ending", ["csv", "csv.gz"])
@pytest.mark.parametrize("size", [4_000, 4_007, 4_013, 4_021])
def test_of_a_large_file_whole_rows_are_read(size, ending, tmp_path, monkeypatch):
    """Wherever it is cut: a comment's own line ends are no ends of rows."""
    monkeypatch.setattr(excerpt, "HEAD", size)
    workspace = workspace_of(tmp_path / "ws", "*")
    text = rows_of(2_000).encode()
    packed = ending == "csv.gz"
    (workspace.landing / f"ask/a.{ending}").write_bytes(gzip.compress(text, 0) if packed else text)
    found, files = taken(workspace)
    ((content, _),) = files.values()
    content = gzip.decompress(content) if packed else content
    assert text.startswith(content)
    assert size - 60 < len(content) <= size
    records = list(csv.reader(io.StringIO(content.decode())))
    assert records == list(csv.reader(io.StringIO(text.decode())))[: len(records)]
    assert {len(record) for record in records} == {4}
    assert [name for name, *_ in found.cut] == [f"a.{ending}"]


def test_of_a_large_parquet_file_the_first_rows_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(excerpt, "HEAD", 100)
    monkeypatch.setattr(excerpt, "_ROWS_OF_PARQUET", 50)
    workspace = workspace_of(tmp_path / "ws", "*.parquet", type="parquet")
    table = pa.table({"id": [str(n) for n in range(999)], "score": [9] * 999})
    pq.write_table(table, workspace.landing / "ask/a.parquet")
    (source,) = workspace.sources
    with scratch_workspace(workspace, [source]) as scratch:
        take_excerpt(workspace, scratch, source, 1 << 30)
        assert pq.read_table(scratch.landing / "ask/a.parquet") == table.slice(0, 50)


def test_when_enough_is_read_the_others_are_counted(tmp_path):
    workspace = workspace_of(tmp_path / "ws", "*.csv")
    for name in "abc":
        (workspace.landing / f"ask/{name}.csv").write_text(rows_of(20))
    found, files = taken(workspace, budget=10)
    assert (found.found, found.read, found.skipped, list(files)) == (3, 1, 2, ["a.csv"])


def test_a_link_out_of_landing_is_a_problem(tmp_path):
    workspace = workspace_of(tmp_path / "ws", "*.csv")
    (tmp_path / "outside.csv").write_text(rows_of(2))
    (workspace.landing / "ask/a.csv").symlink_to(tmp_path / "outside.csv")
    (source,) = workspace.sources
    with scratch_workspace(workspace, [source]) as scratch:
        found = take_excerpt(workspace, scratch, source, 1 << 30)
    assert [(each.file_name, each.reason) for each in found.problems] == [
        ("a.csv", "outside_landing")
    ]


def test_nothing_is_left_behind_and_nothing_of_the_workspace_is_lost(tmp_path):
    workspace = workspace_of(tmp_path / "ws", "*.csv")
    path = workspace.landing / "ask/a.csv"
    path.write_text(rows_of(3))
    (source,) = workspace.sources
    with suppress(RuntimeError), scratch_workspace(workspace, [source]) as scratch:
        take_excerpt(workspace, scratch, source, 1 << 30)
        (scratch.root / "lake").mkdir()
        (scratch.landing / "ask/a.csv").unlink()
        raise RuntimeError("stop")
    assert path.read_text() == rows_of(3)
    assert sorted(p.name for p in (workspace.runs / "check").iterdir()) == [".lock"]
    assert workspace.runs.stat().st_mode & 0o077 == 0
