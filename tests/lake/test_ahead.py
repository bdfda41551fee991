"""Work that other threads do ahead of its use."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from orchestration.lake.ahead import THREADS, ahead


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(THREADS) as executor:
        yield executor


def test_results_come_in_the_items_order(pool):
    def slow_at_first(number: int) -> int:
        time.sleep(0.002 * (10 - number))
        return number * number

    assert list(ahead(pool, slow_at_first, range(10))) == [n * n for n in range(10)]


def test_few_items_are_taken_before_their_results_are_used(pool):
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(50):
            taken.append(number)
            yield number

    for used, _ in enumerate(ahead(pool, str, items()), start=1):
        assert len(taken) <= used + THREADS


@pytest.mark.parametrize("where", ["work", "items"])
def test_an_error_is_raised_where_the_results_are_used(pool, where):
    def work(number: int) -> int:
        if where == "work" and number == 3:
            raise ValueError("three")
        return number

    def items() -> Iterator[int]:
        yield from range(3)
        if where == "items":
            raise ValueError("three")
        yield 3

    found: list[int] = []
    with pytest.raises(ValueError, match="three"):
        found.extend(ahead(pool, work, items()))
    assert found == list(range(len(found)))
