"""Order of the suite: quick tests first, whole workspaces last."""

import os
from pathlib import Path

import pytest

# Tests compare keys of different workspaces, and with keys that are computed beside.
os.environ["NPS_HASH_KEY"] = "of the tests"

E2E = Path(__file__).parent / "e2e"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the end-to-end tests behind all others; otherwise the order stays."""
    items.sort(key=lambda item: E2E in item.path.parents)
