"""What a build costs that may use little memory: ``python -m benchmarks.memory N --limit 8GB``.

N answers, delivered as Parquet, are taken in, built and published with the limit in workspace.yml,
the foundation's tables alone: for sizes that no script gets through in memory. It reports the
seconds by stage, the peak memory of the process, the disk used at the end, and the most that was
seen spilled at once.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks import bench
from benchmarks.foundation import copy_project
from benchmarks.generate import generate
from orchestration.core.atomic_write import TEMPORARY

EVERY = 0.5  # seconds between two looks


def build(
    answers: int, folder: Path, limit: str
) -> tuple[bench.Measured, list[tuple[str, float]], dict[str, int]]:
    """Generate, and build once.

    Args:
        answers: how many, a multiple of 40.
        folder: an empty folder that everything is made in.
        limit: the workspace's memory_limit.

    Returns:
        What the run took; its models and tests with their seconds, longest first; bytes on the disk
        by folder, and, as `spilled`, the most that was seen spilled at once.
    """
    workspace, project, foundation = (folder / name for name in ("all", "project", "foundation"))
    copy_project(project)
    copy_project(foundation)
    generate(workspace, answers, form="parquet")
    with (workspace / "workspace.yml").open("a", encoding="utf-8") as file:
        file.write(f"memory_limit: {limit}\n")
    parsed = folder / "parsed"
    parsed.mkdir()
    shutil.copyfile(workspace / "workspace.yml", parsed / "workspace.yml")
    bench.empty_others(foundation, project, parsed)
    with _largest(lambda: sum(map(bench.size_of, _spills(workspace)))) as spilled:
        measured, _ = bench.measure(bench.REFRESH, foundation, workspace)
    found = {name: bench.size_of(workspace / name) for name in bench.FOLDERS}
    return measured, bench.most_expensive(workspace), {**found, "spilled": spilled[0]}


def _spills(workspace: Path) -> list[Path]:
    """The folders that DuckDB spills to, as they are now."""
    return [
        path
        for pattern in ("warehouse/.spill", "warehouse/*.tmp", f"lake/{TEMPORARY}*")
        for path in workspace.glob(pattern)
    ]


@contextmanager
def _largest(look: Callable[[], int]) -> Iterator[list[int]]:
    """The largest value, in a list, of a function that is called again and again meanwhile."""
    found, is_over = [0], threading.Event()

    def watch() -> None:
        while not is_over.wait(EVERY):
            with suppress(OSError):  # a file vanished meanwhile
                found[0] = max(found[0], look())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield found
    finally:
        is_over.set()
        watcher.join()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("answers", type=int, help="a multiple of 40")
    parser.add_argument("--limit", default="8GB", help="workspace.yml's memory_limit")
    parser.add_argument("--folder", type=Path, help="of the temporary files; on a large disk")
    given = parser.parse_args()
    if given.folder:
        given.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="nps-memory-", dir=given.folder) as folder:
        measured, models, sizes = build(given.answers, Path(folder), given.limit)
    print(f"{given.answers:,} answers, memory_limit {given.limit}: {measured.seconds:.0f} s")
    print(", ".join(f"{stage} {seconds:.0f} s" for stage, seconds in measured.stages.items()))
    print(f"peak of the process: {measured.peak_mb / 1024:.1f} GiB")
    print(", ".join(f"{name} {size / 2**30:.1f} GiB" for name, size in sizes.items()))
    for name, seconds in models[: bench.MOST]:
        print(f"{seconds:9.1f} s  {name}")


if __name__ == "__main__":
    main()
