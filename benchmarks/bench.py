"""Measure the product beside the hand-written script: ``python -m benchmarks.bench N``.

Both take in the same deliveries of N answers and publish the same tables, each in a process of its
own, on a fresh workspace. Then come a no-op run, and one with one more day; and both builds on a
workspace of a few answers, whose costs are fixed. What was found is printed and written to
``benchmarks/results/latest.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.foundation import PROJECT, copy_project, keep_foundation
from benchmarks.generate import add_day, generate

RESULTS = Path(__file__).with_name("results") / "latest.json"
REFRESH = ("-m", "orchestration.cli", "run")
IMPORTS = "import great_expectations, dagster_dbt, dbt.cli.main"
MOST = 5
# A workspace of so few answers costs what a run costs whatever it reads: imports, parsing, nodes.
FEW = 400
FOLDERS = ("landing", "lake", "warehouse", "published")


@dataclass(frozen=True)
class Measured:
    """What one process took: seconds of wall clock and of processors, and its peak of memory."""

    seconds: float
    user_seconds: float
    system_seconds: float
    peak_mb: float
    stages: dict[str, float] = field(default_factory=dict)

    @property
    def cpu_seconds(self) -> float:
        """Seconds of processors: other programs move them less than the wall clock."""
        return self.user_seconds + self.system_seconds


def measure(command: Sequence[str], folder: Path, workspace: Path) -> tuple[Measured, str]:
    """Run a Python command to its end.

    Args:
        command: Python's arguments.
        folder: where it runs: the project that it imports.
        workspace: what NPS_WORKSPACE names.

    Returns:
        What it took, and what it printed.

    Raises:
        RuntimeError: it failed; its last lines.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8") as out:
        started = time.monotonic()
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, *command],
            cwd=folder,
            env={**os.environ, "NPS_WORKSPACE": str(workspace), "PYTHONUNBUFFERED": "1"},
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        text = out.read()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)}: {process.returncode}\n{text[-3000:]}")
    peak = used.ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)
    return Measured(seconds, used.ru_utime, used.ru_stime, peak, _stages(text)), text


def _stages(text: str) -> dict[str, float]:
    """The seconds of a run's stages, from its summary."""
    found = re.search(r"^Time +(.*(?:\n +.*)*)", text, re.MULTILINE)
    if not found:
        return {}
    seconds = " ".join(found[1].split()).partition(";")[0]
    return {name: float(s) for name, s in re.findall(r"([a-z-]+) ([\d.]+) s", seconds)}


def most_expensive(workspace: Path) -> list[tuple[str, float]]:
    """Seconds of the models that the last build started, and of all tests, longest first."""
    record = json.loads((workspace / "warehouse/built.json").read_text(encoding="utf-8"))
    kept = {table.partition(".")[2] for table in record["kept"]}
    data = [event["data"] for event in record["events"]]
    found = [(each["node_info"]["node_name"], float(each["execution_time"])) for each in data]
    found = [(name, seconds) for name, seconds in found if name not in kept]
    return sorted(found, key=lambda each: -each[1])


def checks(workspace: Path) -> list[tuple[str, float]]:
    """The checks of the gate with their seconds, longest first."""
    documents = [
        json.loads(path.read_text(encoding="utf-8"))
        for path in (workspace / "runs/gx").glob("*.json")
    ]
    found = [
        (f"{document['schema']}.{check['table']}.{check['check']}", float(check["seconds"]))
        for document in documents
        for check in document["checks"]
    ]
    return sorted(found, key=lambda each: -each[1])


def bench(answers: int, folder: Path, *, whole: bool, times: int = 1) -> dict[str, Any]:
    """Generate, run and measure everything.

    Args:
        answers: how many to generate.
        folder: an empty folder that everything is made in.
        whole: whether the whole catalogue is built, too.
        times: how often all of it is run; the last run and the medians of the ratios are reported.
    """
    project, foundation = (copy_project(folder / name) for name in ("project", "foundation"))
    started = time.monotonic()
    generate(folder / "origin", answers)
    generate(folder / "few", FEW)
    print(f"{time.monotonic() - started:8.1f} s  {answers:,} answers generated", flush=True)
    found = []
    for _ in range(times):
        workspaces = folder / "workspaces"
        results = _run_all(answers, workspaces, folder, project, foundation, whole=whole)
        found.append(results["ratios"])
        if len(found) < times:
            shutil.rmtree(workspaces)
    machine = {
        "processors": os.cpu_count(),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        "duckdb": duckdb.__version__,
    }
    results |= {"answers": answers, "times": times, "machine": machine}
    results["at"] = datetime.now(UTC).isoformat(timespec="seconds")
    for name in results["ratios"]:
        each = [ratio[name] for ratio in found]
        results["ratios"][name] = statistics.median(each)
        results.setdefault("spread", {})[name] = [min(each), max(each)]
    return results


def _run_all(
    answers: int, folder: Path, deliveries: Path, project: Path, foundation: Path, *, whole: bool
) -> dict[str, Any]:
    """One run of everything on fresh workspaces with the deliveries of `origin`, and of `few`."""
    results: dict[str, Any] = {}
    runs: dict[str, Measured] = {}

    def run(name: str, command: Sequence[str], project: Path, workspace: Path) -> str:
        os.sync()  # what the run before wrote is not written while this one is timed
        runs[name], text = measure(command, project, workspace)
        print(f"{runs[name].seconds:8.1f} s  {name}", flush=True)
        return text

    script, product, everything = (folder / name for name in ("script", "product", "everything"))
    # all have the same bytes, once on the disk
    for workspace in (script, product, everything):
        shutil.copytree(deliveries / "origin", workspace, copy_function=os.link)
    few = folder / "few"
    shutil.copytree(deliveries / "few", few)

    text = run("baseline", ["-m", "benchmarks.baseline", str(script)], PROJECT, script)
    results["statements"] = json.loads(text)
    if whole:
        run("everything", REFRESH, project, everything)
        results["everything_models"] = most_expensive(everything)
        results["everything_checks"] = checks(everything)
    empty_others(foundation, project, everything)
    run("full", REFRESH, foundation, product)
    results["models"] = most_expensive(product)
    results["checks"] = checks(product)
    # once untimed: the builds pushed Python's files out of the system's memory, and whoever reads
    # them first would wait for the disk
    measure(["-c", IMPORTS], PROJECT, product)
    run("imports", ["-c", IMPORTS], PROJECT, product)
    run("no-op", REFRESH, foundation, product)
    (product / "workspace.yml").unlink()  # else the day would be declared in all of them
    add_day(product, answers, 1)
    run("increment", REFRESH, foundation, product)
    run("full of few", REFRESH, foundation, few)
    add_day(few, FEW, 1)
    run("increment of few", REFRESH, foundation, few)
    results["increment_models"] = most_expensive(product)
    results["bytes"] = {name: size_of(product / name) for name in FOLDERS}
    results["runs"] = {
        name: asdict(measured) | {"cpu_seconds": measured.cpu_seconds}
        for name, measured in runs.items()
    }
    wall = ratios({name: measured.seconds for name, measured in runs.items()})
    cpu = ratios({name: measured.cpu_seconds for name, measured in runs.items()})
    results["ratios"] = wall | {f"cpu_{name}": ratio for name, ratio in cpu.items()}
    return results


def empty_others(foundation: Path, project: Path, workspace: Path) -> None:
    """Empty the models that the foundation does not need, unless that is done already.

    Args:
        foundation: a copy of the project, whose models are emptied.
        project: a copy of the whole project.
        workspace: where it is parsed; any that declares the sources.
    """
    if (foundation / "kept").exists():
        return
    parse = "from orchestration.workspace.current import current_workspace as w; "
    parse += "from orchestration.warehouse.dbt import prepare_manifest; prepare_manifest(w())"
    measure(["-c", parse], project, workspace)
    keep_foundation(foundation, workspace / "runs/dbt/manifest.json")
    (foundation / "kept").touch()


def size_of(folder: Path) -> int:
    """Bytes of the files below a folder; what has two names there counts once."""
    found = {
        path.stat().st_ino: path.stat().st_size for path in folder.rglob("*") if path.is_file()
    }
    return sum(found.values())


def ratios(seconds: dict[str, float]) -> dict[str, float]:
    """The runs' seconds in relation to one another.

    full_ratio: a full build to the script; work_ratio: the same without the build's fixed costs,
    which the builds of a few answers have as well; increment_ratio: one more day to a full build,
    both without theirs; noop_ratio: a no-op run to imports alone.
    """
    work = seconds["full"] - seconds["full of few"]
    return {
        "full_ratio": seconds["full"] / seconds["baseline"],
        "work_ratio": work / seconds["baseline"],
        "increment_ratio": (seconds["increment"] - seconds["increment of few"]) / work,
        "noop_ratio": seconds["no-op"] / seconds["imports"],
    }


def report(results: dict[str, Any]) -> str:
    """The results as a page of text."""
    stages = list(dict.fromkeys(name for run in results["runs"].values() for name in run["stages"]))
    head = f"{'run':<18}{'wall s':>9}{'cpu s':>9}{'peak MB':>9}"
    lines = [head + "".join(f"{stage:>11}" for stage in stages)]
    for name, run in results["runs"].items():
        cells = [run["stages"].get(stage) for stage in stages]
        lines.append(
            f"{name:<18}{run['seconds']:>9.1f}{run['cpu_seconds']:>9.1f}{run['peak_mb']:>9.0f}"
            + "".join(f"{'' if cell is None else format(cell, '.1f'):>11}" for cell in cells)
        )
    lines.append("")
    for name, ratio in results["ratios"].items():
        low, high = results["spread"][name]
        spread = f"  ({low:.2f} to {high:.2f})" if results["times"] > 1 else ""
        lines.append(f"{name:<20}{ratio:.2f}{spread}")
    sizes = ", ".join(f"{name} {size / 2**30:.1f} GiB" for name, size in results["bytes"].items())
    lines += ["", f"on the disk: {sizes}"]
    statements = sorted(results["statements"].items(), key=lambda each: -each[1])
    for title, rows in (
        ("most expensive models", results["models"]),
        ("most expensive checks", results["checks"]),
        ("most expensive models of the increment", results["increment_models"]),
        ("most expensive models of the whole catalogue", results.get("everything_models", ())),
        ("most expensive statements of the script", statements),
    ):
        if rows:
            lines += ["", title]
            lines += [f"{seconds:9.2f} s  {name}" for name, seconds in rows[:MOST]]
    return "\n".join(lines)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench", description=__doc__)
    parser.add_argument("answers", type=int, nargs="?", default=200_000, help="a multiple of 40")
    parser.add_argument("--foundation", action="store_true", help="not the whole catalogue")
    parser.add_argument("--times", type=int, default=1, help="runs; the medians are reported")
    parser.add_argument("--folder", type=Path, help="kept afterwards; default: a temporary one")
    given = parser.parse_args()
    if given.folder:
        given.folder.mkdir(parents=True)
        results = bench(given.answers, given.folder, whole=not given.foundation, times=given.times)
    else:
        with tempfile.TemporaryDirectory(prefix="nps-bench-") as folder:
            results = bench(
                given.answers, Path(folder), whole=not given.foundation, times=given.times
            )
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1), encoding="utf-8")
    print(f"\n{report(results)}\n\n{RESULTS}")


if __name__ == "__main__":
    main()
