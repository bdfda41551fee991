"""Order of the suite, and how two processes share it (`make test`)."""

import os
from pathlib import Path

import pytest

# Tests compare keys of different workspaces, and with keys that are computed beside.
os.environ["NPS_HASH_KEY"] = "of the tests"

E2E = Path(__file__).parent / "e2e"
# What these make is made once a process.
OF_DBT = ("dbt_support", "trend_support", "value_support")


def _group(item: pytest.Item) -> str:
    """What shares its fixtures with the test, and therefore runs in one process."""
    mark = item.get_closest_marker("xdist_group")
    if mark:
        return str(mark.args[0])
    values = vars(item.getparent(pytest.Module).obj).values()
    made_by = {
        getattr(value, "__module__", None) or getattr(value, "__name__", None) for value in values
    }
    return "dbt" if made_by.intersection(OF_DBT) else item.path.name


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the end-to-end tests behind all others; otherwise the order stays.

    Of several processes one begins with the runs that end-to-end tests share, the longest piece.
    """
    shared = os.environ.get("PYTEST_XDIST_WORKER") is not None
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item)))
    items.sort(
        key=lambda item: E2E in item.path.parents and not (shared and _group(item) == "runs")
    )
