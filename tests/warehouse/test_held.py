"""A file of the build that another program holds: one clear line at once."""

from __future__ import annotations

import subprocess
import sys
import time
from types import SimpleNamespace

import duckdb
import pytest

from orchestration.core.errors import UserError
from orchestration.warehouse.held import check_build_files

HOLD = """
import duckdb, sys
held = [duckdb.connect(path, read_only=True) for path in sys.argv[1:]]
print("open", flush=True)
input()
"""


def test_every_held_file_is_named_with_its_process(tmp_path):
    workspace = SimpleNamespace(warehouse_dir=tmp_path / "warehouse")
    workspace.warehouse_dir.mkdir()
    check_build_files(workspace)
    names = ("marts.duckdb", "nps.duckdb", "restricted.duckdb")
    paths = [workspace.warehouse_dir / name for name in names]
    for path in paths:
        duckdb.connect(str(path)).close()
    before = [path.stat().st_mtime_ns for path in paths]
    command = [sys.executable, "-c", HOLD, *map(str, paths[:2])]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "open\n"
        began = time.monotonic()
        with pytest.raises(UserError) as caught:
            check_build_files(workspace)
        assert time.monotonic() - began < 10
        assert str(caught.value).splitlines() == [
            f"warehouse/{name} is open in another program (pid {other.pid}); close it and run again"
            for name in names[:2]
        ]
        other.communicate("\n")
    check_build_files(workspace)
    # reading changes nothing: the record of the build compares its time
    assert [path.stat().st_mtime_ns for path in paths] == before
