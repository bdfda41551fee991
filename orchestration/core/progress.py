"""What a person sees while a run works: one line for each thing done.

Modules announce; the command line decides whether anybody listens. Lines carry names and counts,
never a cell's text.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_listeners: list[Callable[[str, str], None]] = []
_seconds: dict[str, float] = {}
_facts: dict[str, list[Any]] = {}


def announce(stage: str, text: str) -> None:
    """Tell whoever listens that something happened in a stage."""
    for listener in _listeners:
        listener(stage, text)


@contextmanager
def listening(listener: Callable[[str, str], None]) -> Iterator[None]:
    """Have `listener(stage, text)` called for every announcement inside the block."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


@contextmanager
def timed(stage: str) -> Iterator[None]:
    """Add the block's wall-clock seconds to the stage's."""
    started = time.monotonic()
    try:
        yield
    finally:
        _seconds[stage] = _seconds.get(stage, 0.0) + time.monotonic() - started


def seconds_by_stage() -> dict[str, float]:
    """Wall-clock seconds of each stage so far, in the order the stages began to end."""
    return dict(_seconds)


def record(kind: str, fact: Any) -> None:
    """Keep a fact of this process's run for its summary, such as a source's ingest result."""
    _facts.setdefault(kind, []).append(fact)


def recorded(kind: str) -> list[Any]:
    """The facts of a kind, in the order they were recorded."""
    return list(_facts.get(kind, ()))
