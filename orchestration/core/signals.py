"""Ctrl-C and SIGTERM end a run within seconds, whatever it is doing at that moment."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from typing import NoReturn

GRACE_SECONDS = 4.0
STOPPED = 130
_SIGNALS = {signal.SIGINT, signal.SIGTERM}


_stopping = threading.Event()


def stop_on_signals(grace_seconds: float = GRACE_SECONDS) -> None:
    """End this process with exit code 130 on Ctrl-C or SIGTERM.

    Both raise KeyboardInterrupt in the main thread. DuckDB, dbt's threads and Dagster may hold it
    back, so that a thread of its own ends the process after the grace period, or at once at the
    second signal. That is safe at any moment: a run that is cut off publishes nothing, and the
    next one sweeps what it left.

    Args:
        grace_seconds: how long the main thread may take to end by itself.
    """
    # SIGINT, too: a shell starts what it does not wait for with that signal ignored
    for number in _SIGNALS:
        signal.signal(number, signal.default_int_handler)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    # the interpreter writes each signal's number here, whoever replaces its handler later
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(reader, grace_seconds), daemon=True).start()


def is_stopping() -> bool:
    """Whether a signal has come: what fails from then on may have failed because of it.

    DuckDB says of an interrupted query that it failed, and so does an interrupted import.
    """
    return _stopping.wait(0.2)


def refuse_to_go_on() -> None:
    """Raise KeyboardInterrupt if a signal has come.

    Whoever runs the code may hold a signal back to its own end, as Dagster does within a step; what
    can't be taken back asks here first.
    """
    if _stopping.is_set():
        raise KeyboardInterrupt


def _watch(reader: int, grace_seconds: float) -> None:
    _next_signal(reader, None)
    _stopping.set()
    _next_signal(reader, grace_seconds)
    leave()


def _next_signal(reader: int, seconds: float | None) -> None:
    """Wait for one of the signals, or until the time is over."""
    while select.select([reader], [], [], seconds)[0]:
        if _SIGNALS & set(os.read(reader, 1)):
            return


def leave() -> NoReturn:
    """End the process at once: an orderly end of Python would abort in dbt's threads."""
    print("stopped; nothing half done is published", file=sys.stderr, flush=True)
    sys.stdout.flush()
    os._exit(STOPPED)
