"""Do the next work in other threads while the last result is being used."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
# One for each processor of a small machine; more would only take more memory.
THREADS = 2


def ahead(
    pool: Executor, work: Callable[[_Item], _Result], items: Iterable[_Item]
) -> Iterator[_Result]:
    """The results of some work on each item, in the items' order.

    Args:
        pool: of ``THREADS`` threads.
        work: mostly releases Python's lock.
        items: iterated in the calling thread.

    Raises:
        Exception: what the work or the iteration raised.
    """
    jobs: deque[Future[_Result]] = deque()
    try:
        for item in items:
            jobs.append(pool.submit(work, item))
            if len(jobs) > THREADS:
                yield jobs.popleft().result()
        while jobs:
            yield jobs.popleft().result()
    finally:
        for job in jobs:
            job.cancel()
