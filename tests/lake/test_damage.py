"""Damaged Parquet files of the lake are named, with the way to restore them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ingest_support import HEADER, Lake

from orchestration.core.errors import UserError
from orchestration.lake import load_file, packs, prepare_lake
from orchestration.lake.damage import find_damage


def deliver(lake: Lake, number: int) -> None:
    rows = "".join(f"{number}-{row},9,2025-01-02,word {row}\n" for row in range(2000))
    lake.deliver(HEADER + rows.encode(), f"{number}.csv")


def raw_file(lake: Lake) -> Path:
    (path,) = (lake.root / "lake/raw/survey_responses").glob("telco-*.parquet")
    return path


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def overwrite_middle(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[200:2000] = bytes(1800)
    path.write_bytes(content)


def test_a_truncated_file_is_named_before_anything_reads_it(lake: Lake):
    deliver(lake, 1)
    lake.ingest()
    path = raw_file(lake)
    truncate(path)
    with pytest.raises(UserError) as caught:
        prepare_lake(lake.workspace)
    assert str(caught.value) == (
        f"{path}: the file is damaged; remove it, and the next run reads its rows again from "
        "the archive"
    )


def test_following_the_advice_restores_the_rows(lake: Lake):
    deliver(lake, 1)
    lake.ingest()
    before = lake.raw()
    truncate(raw_file(lake))
    raw_file(lake).unlink()
    assert lake.ingest().files_rederived == 1
    assert lake.raw() == before


def test_a_damaged_page_is_found_by_reading_the_files(lake: Lake):
    deliver(lake, 1)
    lake.ingest()
    assert find_damage(lake.workspace) is None
    overwrite_middle(raw_file(lake))
    prepare_lake(lake.workspace)  # the footer alone looks sound
    assert (find_damage(lake.workspace) or "").startswith(f"{raw_file(lake)}: the file is damaged;")


def test_a_damaged_page_is_named_when_files_are_packed(lake: Lake, monkeypatch):
    monkeypatch.setattr(load_file, "MANY", 10**6)
    monkeypatch.setattr(packs, "MANY", 2)
    for number in (1, 2):
        deliver(lake, number)
    lake.ingest()
    first, second = sorted((lake.root / "lake/raw/survey_responses").glob("telco-*.parquet"))
    overwrite_middle(second)
    with pytest.raises(UserError, match=rf"^{re.escape(str(second))}: the file is damaged; "):
        prepare_lake(lake.workspace)
    assert first.exists()
    assert second.exists()
