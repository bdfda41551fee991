"""An interrupt ends ingest within seconds, also while threads read big files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from ingest_support import HEADER, Lake

ROWS = 40_000
# Reads as big files are read, a small block every 50 ms: fifteen seconds, were it not interrupted.
SCRIPT = """
import signal, sys, time
from pathlib import Path
from orchestration.lake import delimited, ingest_source, load_file, prepare_lake, reader
from orchestration.workspace.load import load_workspace

# a shell starts background jobs, this test among them perhaps, with SIGINT ignored
signal.signal(signal.SIGINT, signal.default_int_handler)
original = reader.delimited_batches

def slow(*arguments):
    for batch in original(*arguments):
        sys.stdout.write("reading\\n")
        sys.stdout.flush()
        time.sleep(0.05)
        yield batch

load_file._SMALL, delimited._MIN_BLOCK, reader.delimited_batches = 0, 1 << 12, slow
workspace = load_workspace(Path(sys.argv[1]))
prepare_lake(workspace)
if len(sys.argv) == 2:
    ingest_source(workspace, workspace.sources[0])
else:
    import dagster as dg
    from orchestration.lake.assets import ingest_assets
    dg.materialize(ingest_assets(workspace, lambda workspace: None))
print("done", flush=True)
"""


@pytest.mark.parametrize(
    ("kind", "name", "runner"),
    [
        ("csv", "SIGINT", []),
        ("jsonl", "SIGINT", []),
        ("csv", "SIGINT", ["dagster"]),
        ("csv", "SIGTERM", ["dagster"]),
    ],
)
def test_an_interrupt_ends_the_threads_and_leaves_nothing_half_done(
    lake: Lake, kind: str, name: str, runner: list[str]
):
    lake.declare(format={"type": kind, "max_field_kb": 1})
    for file in ("a", "b", "c"):
        if kind == "csv":
            rows = "".join(f"{file}{n},9,2025-01-02,\n" for n in range(ROWS))
            lake.deliver(HEADER + rows.encode(), f"{file}.csv")
        else:
            rows = "".join(
                f'{{"id": "{file}{n}", "nps": 9, "date": "2025-01-02"}}\n' for n in range(ROWS)
            )
            lake.deliver(rows, f"{file}.jsonl")
    assert lake.workspace.sources
    command = [sys.executable, "-c", SCRIPT, str(lake.root), *runner]
    settings = {**os.environ, "NPS_WORKSPACE": str(lake.root)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=settings
    ) as run:
        for _ in range(10):
            assert run.stdout.readline() == "reading\n"
        run.send_signal(getattr(signal, name))
        out, err = run.communicate(timeout=120)
    assert "done" not in out
    assert err.rstrip().endswith(
        "DagsterExecutionInterruptedError" if runner else "KeyboardInterrupt"
    )
    assert run.returncode == (1 if runner else -signal.SIGINT)
    assert out.count("reading") < 100  # of some 900: a busy machine makes seconds a poor measure
    assert not lake.workspace.manifest_file.exists() or lake.events() == []
    assert lake.ingest().rows_loaded == 3 * ROWS
    assert list((lake.root / "lake").rglob(".tmp-*")) == []
