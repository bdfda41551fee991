"""What a person sees while a run works, and what the run records for its summary.

Modules announce lines and record facts; the command line decides whether anybody listens and
gathers them. Lines and facts hold names and counts, never a cell's text.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

_listeners: list[Callable[[str, str], None]] = []


def announce(stage: str, text: str) -> None:
    """Pass a line about a stage to the listeners, from any thread."""
    for listener in _listeners:
        listener(stage, text)


@contextmanager
def listening(listener: Callable[[str, str], None]) -> Iterator[None]:
    """Call `listener(stage, text)` for every announcement inside the block."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


@dataclass
class RunRecord:
    """The facts of one run.

    Attributes:
        seconds: wall-clock seconds of each stage, in the order in which the stages first ended.
        facts: facts by their kind, in the order in which they were recorded.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    facts: dict[str, list[Any]] = field(default_factory=dict)

    def of(self, kind: str) -> list[Any]:
        """The facts of a kind."""
        return list(self.facts.get(kind, ()))


_record: ContextVar[RunRecord | None] = ContextVar("run_record", default=None)


@contextmanager
def recording() -> Iterator[RunRecord]:
    """Gather what the block times and records in this thread."""
    record = RunRecord()
    token = _record.set(record)
    try:
        yield record
    finally:
        _record.reset(token)


@contextmanager
def timed(stage: str) -> Iterator[None]:
    """Add the block's wall-clock seconds to the stage's; ignored without a recording."""
    started = time.monotonic()
    try:
        yield
    finally:
        current = _record.get()
        if current is not None:
            spent = time.monotonic() - started
            current.seconds[stage] = current.seconds.get(stage, 0.0) + spent


def record(kind: str, fact: Any) -> None:
    """Record a fact of the run, such as a source's ingest result; ignored without a recording."""
    current = _record.get()
    if current is not None:
        current.facts.setdefault(kind, []).append(fact)
