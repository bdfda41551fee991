"""The workspace's lock: one run at a time, from the command line, a schedule or the UI."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from filelock import FileLock, Timeout

from orchestration.core.errors import UserError
from orchestration.core.progress import announce


def hold_workspace(runs: Path, wait_seconds: float = 600) -> None:
    """Acquire the workspace's lock for the rest of this process; a second call does nothing.

    A run is one process, so that the lock is released when the run ends, however it ends.

    Args:
        runs: the workspace's folder `runs`, created if missing.
        wait_seconds: how long to wait for another run to end.

    Raises:
        UserError: another run still holds the workspace after the wait.
    """
    lock = _lock(runs.resolve())
    if lock.is_locked:
        return
    try:
        lock.acquire(timeout=0)
    except Timeout:
        announce("wait", f"another run works on {runs.parent}; waiting for it to end")
        try:
            lock.acquire(timeout=wait_seconds)
        except Timeout:
            raise UserError(
                f"{runs.parent}: another run has held this workspace for {wait_seconds:.0f} "
                "seconds; let it end, or end it, and start again"
            ) from None


@lru_cache
def _lock(runs: Path) -> FileLock:
    runs.mkdir(parents=True, exist_ok=True)
    return FileLock(runs / ".lock", thread_local=False)
