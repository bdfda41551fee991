"""The fixtures of the ingest tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from ingest_support import Lake


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path)
