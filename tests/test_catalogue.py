"""The list of bad inputs that the project promises to bear: a test is called by each number.

The numbers begin the names of tests (`test_80_a_late_answer…`) or the ids of their cases
(`39 no id`), so that `pytest -k` finds them and a missing one is seen.
"""

from __future__ import annotations

import importlib
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType

import pytest

TESTS = Path(__file__).parent
MODULES = (
    "lake/test_files.py",
    "lake/test_packed.py",
    "lake/test_limits.py",
    "lake/test_rows.py",
    "lake/test_times.py",
    "lake/test_values.py",
    "publish/test_publish.py",
    "e2e/test_faults.py",
    "e2e/test_order.py",
    "test_export.py",
)
# The kinds of input, each with its first number and its last.
CATALOGUE = {
    "files": (1, 31),
    "rows": (32, 39),
    "scores": (40, 60),
    "times": (61, 71),
    "identity": (72, 79),
    "corrections": (80, 84),
    "payloads": (85, 97),
}


def _case_ids(test: FunctionType) -> Iterator[str]:
    """The ids of a test's cases, where they are texts."""
    for mark in getattr(test, "pytestmark", ()):
        if mark.name != "parametrize":
            continue
        names = mark.kwargs.get("ids")
        for place, value in enumerate(mark.args[1]):
            if callable(names):
                yield str(names(value))
            elif names is not None:
                yield str(list(names)[place])
            else:
                yield str(getattr(value, "id", value))


def _numbers(module: ModuleType) -> Iterator[tuple[int, str]]:
    """Numbers of the list that tests of a module are called by, each with the test's name."""
    for name, test in vars(module).items():
        if not name.startswith("test_") or not isinstance(test, FunctionType):
            continue
        for number in re.findall(r"(?<=_)\d+(?=_)", re.match(r"test(_\d+)*_", name)[0]):
            yield int(number), name
        for case in _case_ids(test):
            if found := re.match(r"(\d+) \S", case):
                yield int(found[1]), f"{name}[{case}]"


@pytest.fixture(scope="module")
def found() -> dict[int, list[str]]:
    """The tests by number."""
    tests = defaultdict(list)
    with pytest.MonkeyPatch.context() as patch:
        for path in MODULES:
            patch.syspath_prepend(TESTS / Path(path).parent)
            for number, name in _numbers(importlib.import_module(Path(path).stem)):
                tests[number].append(name)
    return tests


def test_no_number_is_of_another_list(found):
    assert set(found) <= set(range(1, 98))


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(number, id=f"{number} of {kind}")
        for kind, (first, last) in CATALOGUE.items()
        for number in range(first, last + 1)
    ],
)
def test_a_test_is_called_by_the_number(found, number):
    assert found[number]
