"""What taking in a big file costs beside DuckDB alone: ``python -m benchmarks.ingest 2000000``.

N answers as CSV and as JSON lines, the same rows: the product's ingest (archived by their bytes,
checked, normalised, written to the lake, accounted for) against one statement of DuckDB that reads
the file with ``read_csv`` or ``read_json`` and writes Parquet. Each is a process of its own;
imports are not timed, but count as memory. The bounds: twice the time and one GiB, and for five
times the rows no more memory.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import duckdb

from benchmarks import bench
from orchestration.core.sql import literal

WORKSPACE = """
version: 1
as_of: 2025-12-31
timezone: Europe/Brussels
sources:
- name: pulse
  entity: survey_responses
  files: "*"
  format: {{type: {kind}}}
  timezone: UTC
  columns: {{response_id: id, customer_id: customer, email: email, score: score,
             submitted_at: submitted, comment: comment}}
  constants: {{metric: nps, survey_type: relational, scale: 0-10}}
"""
# Of a row everything follows from its number; the times of neighbours are far apart.
ROWS = """
select
    printf('R%09d', n) as id,
    printf('C%07d', n % 400000) as customer,
    printf('c%d@mail.example', n % 400000) as email,
    n % 11 as score,
    strftime(
        timestamp '2024-01-01' + to_seconds((n * 7919) % 63072000), '%Y-%m-%dT%H:%M:%SZ'
    ) as submitted,
    case when n % 3 > 0 then printf('it works, "mostly"; order %d took %d days', n, n % 9) end
        as comment
from range({rows}) as numbers (n)
"""
WRITE = {"csv": "format csv, header", "jsonl": "format json"}
READ = {"csv": "read_csv({file})", "jsonl": "read_json({file}, format = 'newline_delimited')"}
MAX_RATIO = 2.0
MAX_MB = 1024
BESIDE = 5


def deliver(root: Path, kind: str, rows: int) -> Path:
    """Write a workspace with one file in its landing folder.

    Args:
        root: the workspace's folder, which is made.
        kind: csv or jsonl.
        rows: how many.

    Returns:
        The file.
    """
    folder = root / "landing/pulse"
    folder.mkdir(parents=True)
    (root / "workspace.yml").write_text(WORKSPACE.format(kind=kind), encoding="utf-8")
    file = folder / f"answers.{kind}"
    with duckdb.connect() as connection:
        connection.execute(
            f"copy ({ROWS.format(rows=rows)}) to {literal(str(file))} ({WRITE[kind]})"
        )
    return file


def by_product(root: Path) -> int:
    """Take in the workspace's file; the number of rows in the lake."""
    from orchestration.lake import ingest_source, prepare_lake, write_files_table
    from orchestration.workspace.load import load_workspace

    workspace = load_workspace(root)
    prepare_lake(workspace)
    result = ingest_source(workspace, workspace.sources[0])
    write_files_table(workspace)
    return result.rows_loaded


def by_duckdb(root: Path, kind: str) -> int:
    """Read the workspace's file and write it as Parquet, as DuckDB does; the number of rows."""
    (file,) = (root / "landing/pulse").iterdir()
    with duckdb.connect() as connection:
        (count,) = connection.execute(
            f"copy (from {READ[kind].format(file=literal(str(file)))}) "
            f"to {literal(str(root / 'duckdb.parquet'))} (format parquet)"
        ).fetchone() or (0,)
    return int(count)


def step(name: str, root: Path, kind: str, rows: int) -> None:
    """One step in a process of its own; prints its seconds and its rows as JSON."""
    import orchestration.lake
    import orchestration.workspace.load  # noqa: F401  (imports are not timed)

    before, started = os.times(), time.monotonic()
    if name == "deliver":
        deliver(root, kind, rows)
        count = rows
    else:
        count = by_product(root) if name == "product" else by_duckdb(root, kind)
    seconds, after = time.monotonic() - started, os.times()
    cpu = after.user + after.system - before.user - before.system
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu, "rows": count}))


def run(name: str, root: Path, kind: str, rows: int) -> dict[str, float]:
    """Run one step; its seconds, its rows and the peak of its process in MB."""
    os.sync()  # what the step before wrote is not written while this one is timed
    command = ["-m", "benchmarks.ingest", str(rows), "--step", name]
    command += ["--kind", kind, "--folder", str(root)]
    measured, text = bench.measure(command, bench.PROJECT, root)
    found = json.loads(text.splitlines()[-1])
    if found["rows"] != rows:
        raise RuntimeError(f"{name}: {found['rows']:,} rows instead of {rows:,}")
    return {**found, "peak_mb": measured.peak_mb}


def compare(folder: Path, kind: str, rows: int, times: int) -> list[dict[str, dict[str, float]]]:
    """Both programs on the same file, one after the other, a few times.

    Args:
        folder: an empty folder that everything is made in.
        kind: csv or jsonl.
        rows: how many.
        times: how often.

    Returns:
        What each took, by program, of each time.
    """
    root = folder / kind
    run("deliver", root, kind, rows)
    found = []
    for _ in range(times):
        found.append({name: run(name, root, kind, rows) for name in ("duckdb", "product")})
        shutil.rmtree(root / "lake")
    return found


def larger(folder: Path, kind: str, rows: int) -> float:
    """The peak of taking in a larger file, in MB."""
    root = folder / f"{kind}-larger"
    run("deliver", root, kind, rows)
    peak = run("product", root, kind, rows)["peak_mb"]
    shutil.rmtree(root)
    return peak


def report(folder: Path, kind: str, rows: int, times: int, *, beside: bool) -> None:
    """Compare, and print a paragraph."""
    found = compare(folder, kind, rows, times)
    size = next((folder / kind / "landing/pulse").iterdir()).stat().st_size
    shutil.rmtree(folder / kind)
    print(f"{kind}: {rows:,} rows, {size / 2**20:,.0f} MiB, median of {times}")
    for name in ("duckdb", "product"):
        seconds, cpu, peak = (
            statistics.median(each[name][what] for each in found)
            for what in ("seconds", "cpu_seconds", "peak_mb")
        )
        print(f"  {name:<9}{seconds:8.2f} s{cpu:8.2f} s of processors{peak:8,.0f} MiB at most")
    for what, title in (("seconds", "ratio"), ("cpu_seconds", "of processors")):
        ratios = [each["product"][what] / each["duckdb"][what] for each in found]
        line = f"  {title:<14}{statistics.median(ratios):5.2f}"
        line += f"  ({min(ratios):.2f} to {max(ratios):.2f})"
        print(line + (f"; bound: {MAX_RATIO}" if what == "seconds" else ""))
    peak = max(each["product"]["peak_mb"] for each in found)
    print(f"  memory       {peak:6,.0f} MiB; bound: {MAX_MB:,}")
    if beside:
        more = larger(folder, kind, BESIDE * rows)
        print(f"  memory       {more:6,.0f} MiB for {BESIDE * rows:,} rows", flush=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ingest", description=__doc__)
    parser.add_argument("rows", type=int, nargs="?", default=2_000_000)
    parser.add_argument("--times", type=int, default=3, help="runs; the medians are reported")
    parser.add_argument("--beside", action="store_true", help="five times the rows, for the memory")
    parser.add_argument("--kind", choices=[*READ], help="one of the two alone")
    parser.add_argument("--folder", type=Path, help="of the temporary files; on a large disk")
    parser.add_argument("--step", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step:
        step(given.step, given.folder, given.kind, given.rows)
        return
    if given.folder:
        given.folder.mkdir(parents=True, exist_ok=True)
    for kind in [given.kind] if given.kind else READ:
        with tempfile.TemporaryDirectory(prefix="nps-ingest-", dir=given.folder) as folder:
            report(Path(folder), kind, given.rows, given.times, beside=given.beside)


if __name__ == "__main__":
    main()
