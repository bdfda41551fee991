"""Order of the suite, and how two processes share it (`make test`)."""

import gc
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

# Tests compare keys of different workspaces, and with keys that are computed beside.
os.environ["NPS_HASH_KEY"] = "of the tests"

# As the command line has it: dbt keeps hundreds of thousands of objects that are never garbage.
gc.set_threshold(100_000, 50, 100)

TESTS = Path(__file__).parent
E2E = TESTS / "e2e"
# What these make is made once a process.
OF_DBT = re.compile(r"\b(?:dbt|trend|value)_support\b")


@cache
def _asks_for_runs() -> re.Pattern[str]:
    """A test or fixture of tests/e2e that takes one of the runs which these tests share."""
    jobs = re.findall(r"@job\ndef (\w+)", (E2E / "conftest.py").read_text(encoding="utf-8"))
    return re.compile(rf"def \w+\([^)]*\b(?:{'|'.join([*jobs, 'sample_root', 'tables'])})\b")


@cache
def _group(file: Path) -> str:
    """What shares costly fixtures with the tests of a file, and therefore runs in one process."""
    text = file.read_text(encoding="utf-8")
    if file.parent == E2E and _asks_for_runs().search(text):
        return "runs"
    return "dbt" if OF_DBT.search(text) else file.name


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Deal the tests to the processes by group; each takes the next one when it has done its own."""
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _group(TESTS.parent / nodeid.split("::", maxsplit=1)[0])

    return ByGroup(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the end-to-end tests behind all others; otherwise the order stays.

    Of several processes one begins with the runs that end-to-end tests share, the longest piece.
    """
    is_shared = "PYTEST_XDIST_WORKER" in os.environ
    items.sort(
        key=lambda item: (
            E2E in item.path.parents and not (is_shared and _group(item.path) == "runs")
        )
    )
