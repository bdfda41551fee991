"""The fingerprint of landing: what the sensor looks at each minute."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ingest_support import HEADER, Lake

from orchestration.lake.landing import landing_fingerprint

ROW = HEADER + b"1,9,2025-01-02,x\n"


def fingerprint(lake: Lake) -> str | None:
    return landing_fingerprint(lake.workspace)


def test_without_a_declared_file_there_is_none(lake: Lake):
    assert fingerprint(lake) is None
    lake.declare(files="*.csv")
    lake.deliver(ROW, "notes.txt")
    lake.deliver(ROW, "a.csv.tmp")
    assert fingerprint(lake) is None


@pytest.mark.parametrize("change", ["new", "grows", "newer", "renamed", "removed"])
def test_every_change_gives_another_one(lake: Lake, change: str):
    first, second = lake.deliver(ROW, "a.csv"), lake.deliver(ROW, "b.csv")
    before = fingerprint(lake)
    assert fingerprint(lake) == before
    if change == "new":
        lake.deliver(ROW, "c.csv")
    elif change == "grows":
        status = first.stat()
        first.write_bytes(ROW + b"2,9,2025-01-02,x\n")
        os.utime(first, ns=(status.st_atime_ns, status.st_mtime_ns))
    elif change == "newer":
        os.utime(first)
    elif change == "renamed":
        first.rename(first.with_name("z.csv"))
    else:
        second.unlink()
    assert fingerprint(lake) not in (None, before)


def test_a_change_that_is_undone_gives_the_first_one_again(lake: Lake):
    lake.deliver(ROW, "a.csv")
    before = fingerprint(lake)
    lake.deliver(ROW, "b.csv").unlink()
    assert fingerprint(lake) == before


def test_no_file_is_opened(lake: Lake, monkeypatch):
    lake.deliver(ROW, "a.csv")
    os.symlink(lake.landing / "nowhere", lake.landing / "b.csv")
    workspace = lake.workspace
    monkeypatch.setattr(Path, "open", lambda *a, **k: pytest.fail("it was opened"))
    assert landing_fingerprint(workspace) is not None
