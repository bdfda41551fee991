"""Run the script by hand: ``python -m benchmarks.baseline WORKSPACE``.

Reads the landing files of a workspace that ``benchmarks.generate`` wrote, writes the lake as
Parquet and the foundation's tables as ``baseline/nps.duckdb``, swapped in whole.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir
from pathlib import Path

import duckdb
import yaml

from orchestration.lake.hash_key import VARIABLE

SCRIPT = Path(__file__).with_name("baseline.sql")
# What the product makes besides: nobody delivers what two of these tables are made of, and who
# knows just these files knows how many of their ids fit together.
LEFT_OUT = {"fct_nps_by_value_period", "ingest_match_rates", "nps_score_summaries"}


def statements() -> list[tuple[str, str]]:
    """The script's parts: name and SQL."""
    _, *parts = re.split(r"^-- name: (.*)$", SCRIPT.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return list(zip(parts[::2], parts[1::2], strict=True))


def run(root: Path) -> dict[str, float]:
    """Build and publish the tables of a workspace.

    Returns:
        Wall-clock seconds of each part of the script, by its name.
    """
    root = Path(root).absolute()
    folder = root / "baseline"
    (folder / "lake").mkdir(parents=True, exist_ok=True)
    candidate = folder / ".nps.duckdb.tmp"
    candidate.unlink(missing_ok=True)
    settings = yaml.safe_load((root / "workspace.yml").read_text(encoding="utf-8"))
    seconds: dict[str, float] = {}
    config = {"temp_directory": str(folder / ".spill")}
    # the script's paths are relative to the workspace
    with chdir(root), duckdb.connect(config=config) as connection:
        name = str(candidate).replace("'", "''")
        connection.execute(f"attach '{name}' as published (storage_version 'v1.4.0')")
        connection.execute("set variable as_of_on = $day", {"day": settings["as_of"]})
        connection.execute("set variable headline = 'relational'")
        key = hashlib.sha256(os.environ.get(VARIABLE, "").encode()).hexdigest()
        connection.execute("set variable hash_key = $key", {"key": key})
        started = time.monotonic()
        connection.execute("create temp table hashed (path varchar, file_sha256 varchar)")
        connection.executemany("insert into hashed values (?, ?)", _hashes(root))
        seconds["hashes"] = time.monotonic() - started
        for name, sql in statements():
            started = time.monotonic()
            connection.execute(sql)
            seconds[name] = time.monotonic() - started
        started = time.monotonic()
        connection.execute("checkpoint published; detach published")
    os.replace(candidate, folder / "nps.duckdb")
    seconds["publish"] = time.monotonic() - started
    return seconds


def _hashes(root: Path) -> list[tuple[str, str]]:
    """Path and SHA-256 of every delivered file."""

    def hashed(path: Path) -> tuple[str, str]:
        with path.open("rb") as stream:
            return str(path), hashlib.file_digest(stream, "sha256").hexdigest()

    with ThreadPoolExecutor() as pool:
        return list(pool.map(hashed, sorted(root.glob("landing/*/*"))))


def main() -> None:
    """The command line: the seconds of each part as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.baseline", description=__doc__)
    parser.add_argument("workspace", type=Path)
    given = parser.parse_args()
    print(json.dumps(run(given.workspace)))


if __name__ == "__main__":
    main()
