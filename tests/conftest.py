"""Order of the suite: quick tests first, whole workspaces last."""

from pathlib import Path

import pytest

E2E = Path(__file__).parent / "e2e"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the end-to-end tests behind all others; otherwise the order stays."""
    items.sort(key=lambda item: E2E in item.path.parents)
