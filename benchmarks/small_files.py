"""What many small files cost beside one of the same rows: ``python -m benchmarks.small_files``.

A year of hourly deliveries, and the same rows as one file: each is taken in, read as the build
reads it, and read once more after a further run has packed what it could; in seconds of processors,
imports left out. Then each goes through a whole refresh, from the files to what is published, and
through another one with nothing new: in seconds of the clock.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import duckdb

from benchmarks import bench
from orchestration.lake import ingest_source, prepare_lake, write_files_table
from orchestration.workspace.load import load_workspace
from orchestration.workspace.model import Workspace

WORKSPACE = """
version: 1
as_of: 2025-12-31
timezone: Europe/Brussels
sources:
- name: pulse
  entity: survey_responses
  files: "*.csv"
  timezone: UTC
  columns: {response_id: id, customer_id: customer, email: email, score: score,
            submitted_at: submitted, comment: comment}
  constants: {metric: nps, survey_type: relational, scale: 0-10}
"""
HEADER = "id,customer,email,score,submitted,comment\n"


def answers(hour: int, size: int) -> str:
    """The rows of one hour of 2025: so many, each from its number."""
    day = hour // 24 % 365
    month, date = 1 + day // 31, 1 + day % 28
    return "".join(
        f"R{n:08},C{n % 5000:06},c{n % 5000}@mail.example,{n % 11},"
        f"2025-{month:02}-{date:02}T{hour % 24:02}:{n % 60:02}:00Z,{'it works' if n % 3 else ''}\n"
        for n in range(hour * size, (hour + 1) * size)
    )


def deliver(root: Path, files: int, rows: int, *, alone: bool) -> None:
    """Write a workspace whose landing folder has the rows of all hours, in a file each or in one.

    Args:
        root: the workspace's folder, which is made.
        files: how many hours.
        rows: how many rows an hour.
        alone: whether each hour is a file.
    """
    folder = root / "landing/pulse"
    folder.mkdir(parents=True)
    (root / "workspace.yml").write_text(WORKSPACE, encoding="utf-8")
    texts = [answers(hour, rows) for hour in range(files)]
    for place, text in enumerate(texts if alone else ["".join(texts)]):
        (folder / f"answers_{place:06}.csv").write_text(HEADER + text, encoding="utf-8")


def measure(root: Path, runs: int) -> dict[str, float]:
    """Take in a workspace's files and read its lake, in this process.

    Args:
        root: the workspace's folder.
        runs: in how many runs the files arrive, in equal shares.

    Returns:
        Seconds of processors of each step, and how many Parquet files there are.
    """
    workspace = load_workspace(root)
    waiting = sorted((root / "landing/pulse").iterdir())
    hidden = root / "later"
    hidden.mkdir()
    for path in waiting:
        path.rename(hidden / path.name)
    found: dict[str, float] = {"ingest": 0.0, "no-op": 0.0}
    share = -(-len(waiting) // runs)
    for start in range(0, len(waiting), share):
        for path in waiting[start : start + share]:
            (hidden / path.name).rename(path)
        found["ingest"] += _seconds(lambda: _ingest(workspace))
    found["read"] = _seconds(lambda: _read(workspace))
    found["no-op"] = _seconds(lambda: _ingest(workspace))
    found["read later"] = _seconds(lambda: _read(workspace))
    files = list(workspace.raw.glob("survey_responses/pulse-*"))
    return found | {"parquet files": len(files)}


def _seconds(step: Callable[[], None]) -> float:
    before = resource.getrusage(resource.RUSAGE_SELF)
    step()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _ingest(workspace: Workspace) -> None:
    prepare_lake(workspace)
    for source in workspace.sources:
        ingest_source(workspace, source)
    write_files_table(workspace)


def _read(workspace: Workspace) -> None:
    with duckdb.connect() as connection:
        connection.execute(
            "create table rows as select * from "
            f"read_parquet('{workspace.raw / 'survey_responses'}/*.parquet')"
        )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.small_files", description=__doc__)
    parser.add_argument("files", type=int, nargs="?", default=9_000)
    parser.add_argument("rows", type=int, nargs="?", default=10, help="rows a file")
    parser.add_argument("--runs", type=int, default=1, help="runs that the files arrive in")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        warm = given.measure / "warm"  # imports and first calls are not measured
        deliver(warm, 20, 2, alone=True)
        measure(warm, 1)
        print(json.dumps(measure(given.measure / "files", given.runs)))
        return
    results = {}
    with tempfile.TemporaryDirectory(prefix="nps-small-") as folder:
        for name, alone in (("many", True), ("one", False)):
            root = Path(folder) / name
            deliver(root / "files", given.files, given.rows, alone=alone)
            command = [sys.executable, "-m", "benchmarks.small_files", "--measure", str(root)]
            command += ["--runs", str(given.runs if alone else 1)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
            results[name] = json.loads(done.stdout)
            deliver(root / "whole", given.files, given.rows, alone=alone)
            for step in ("whole run", "nothing new"):
                measured, _ = bench.measure(bench.REFRESH, bench.PROJECT, root / "whole")
                results[name][step] = measured.seconds
    print(f"{'':<16}{given.files:>7,} files{'one file':>12}{'ratio':>9}")
    for name, many in results["many"].items():
        one = results["one"][name]
        ratio = f"{many / one:9.1f}" if name != "parquet files" else ""
        print(f"{name:<16}{many:>13.2f}{one:>12.2f}{ratio}")


if __name__ == "__main__":
    main()
