"""Runs of the warehouse as its user starts them, and what is in a workspace afterwards.

Nothing here reads the product's own code but where it is named: files are hashed, JSON lines are
parsed and published tables are queried as an outsider would.
"""

from __future__ import annotations

import atexit
import csv
import hashlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from unittest import mock

import duckdb
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
# A whole run on a busy machine; a hanging one is killed.
PATIENCE = 900


# --- starting runs ------------------------------------------------------------------------------

_started: list[subprocess.Popen[str]] = []
# As it was when the session began: tests and dbt change this process's own while runs are started.
_ENVIRONMENT = dict(os.environ)


@dataclass(frozen=True)
class Run:
    """What a finished run of the command line left on the screen."""

    code: int
    out: str
    err: str

    @property
    def summary(self) -> str:
        """What stands below the progress: from the line that names the workspace on."""
        return self.out[self.out.index("\nNPS warehouse:") + 1 :]

    def shown(self, label: str) -> str:
        """One labelled paragraph of the summary, in one line."""
        found = re.search(rf"^{label:<12}(.*(?:\n {{12}}.*)*)", self.summary, re.MULTILINE)
        assert found, f"the summary has no line {label}:\n{self.summary}"
        return " ".join(found[1].split())


def start(
    workspace: Path, *command: str, within: Sequence[str] = (), **environment: str
) -> subprocess.Popen[str]:
    """Start `nps <command>` on a workspace; the caller waits for it.

    Args:
        workspace: the folder that NPS_WORKSPACE names.
        command: such as "run"; or other arguments of Python's: "-m …", or a script.
        within: a program and its options to run it within.
        environment: further variables.
    """
    is_other = command[0].startswith("-") or command[0].endswith(".py")
    arguments = command if is_other else ("-m", "orchestration.cli", *command)
    process = subprocess.Popen(
        [*within, sys.executable, *arguments],
        cwd=REPOSITORY,
        env={
            **_ENVIRONMENT,
            **environment,
            "NPS_WORKSPACE": str(workspace),
            "PYTHONUNBUFFERED": "1",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    _started.append(process)
    return process


def finish(process: subprocess.Popen[str]) -> Run:
    """Wait for a started run to end."""
    try:
        out, err = process.communicate(timeout=PATIENCE)
    except BaseException:
        process.kill()
        raise
    return Run(process.returncode, out, err)


def run(workspace: Path, *command: str, within: Sequence[str] = (), **environment: str) -> Run:
    """Run one command to its end; the arguments are those of `start`."""
    return finish(start(workspace, *command, within=within, **environment))


def end_all() -> None:
    """End what was started and still runs: the session is over."""
    for process in _started:
        if process.poll() is None:
            process.kill()


def without_network() -> tuple[str, ...]:
    """A program within which there is no network at all, where this machine's user may make one."""
    command = ("unshare", "--map-root-user", "--net")
    try:
        tried = subprocess.run([*command, "true"], capture_output=True, check=False, timeout=20)
    except OSError:
        return ()
    return command if tried.returncode == 0 else ()


def is_line(stage: str, pattern: str, line: str) -> bool:
    """Whether a line of progress is of a stage and its text begins with a pattern."""
    return re.match(rf" *[\d.]+ s  {stage} +{pattern}", line) is not None


def kill_at(process: subprocess.Popen[str], is_time: Callable[[str], bool]) -> str:
    """Read a run's lines and SIGKILL it at the first for which `is_time` holds.

    Returns:
        What was on the screen by then.
    """
    ended = threading.Timer(PATIENCE, process.kill)
    ended.start()
    seen = []
    try:
        for line in process.stdout or ():
            seen.append(line)
            if is_time(line):
                process.send_signal(signal.SIGKILL)
                break
        process.stdout.read()  # type: ignore[union-attr]
        process.stderr.read()  # type: ignore[union-attr]
        process.wait()
    finally:
        ended.cancel()
        process.kill()
    return "".join(seen)


def stop_at(
    process: subprocess.Popen[str], is_time: Callable[[str], bool], number: int
) -> tuple[Run, float]:
    """Send a run a signal at the first of its lines for which `is_time` holds.

    Returns:
        How it ended, and how many seconds after the signal.
    """
    ended = threading.Timer(PATIENCE, process.kill)
    ended.start()
    seen, began = [], float("nan")
    try:
        for line in process.stdout or ():
            seen.append(line)
            if is_time(line):
                began = time.monotonic()
                process.send_signal(number)
                break
        out, err = process.communicate()
        seconds = time.monotonic() - began
    finally:
        ended.cancel()
        process.kill()
    return Run(process.returncode, "".join(seen) + out, err), seconds


@contextmanager
def listening(posted: list[str]) -> Iterator[str]:
    """A web server on loopback that keeps the bodies posted to it; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            posted.append(self.rfile.read(length).decode("utf-8"))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/hook"
        server.shutdown()
        thread.join()


def take_in(root: Path) -> Any:
    """Ingest what is in landing, in this process; the workspace."""
    from orchestration.lake import ingest_source, prepare_lake, write_files_table
    from orchestration.publish.ledger import write_lake_tables
    from orchestration.workspace.load import load_workspace

    workspace = load_workspace(root)
    prepare_lake(workspace)
    write_lake_tables(workspace)
    for source in workspace.sources:
        ingest_source(workspace, source)
    write_files_table(workspace)
    return workspace


# What becomes of deliveries; all other tables are made of it.
FACTS = (
    "fct_nps_responses",
    "fct_nps_by_period",
    "nps_restatements",
    "dim_customers",
    "dim_customer_history",
    "ingest_reconciliation",
    "quarantined_rows",
    "customer_identities",
    "response_comments",
)

# dbt keeps the workspace and its own state for the whole process, and some tests run beside the jobs.
_one_at_a_time = threading.Lock()


def build(root: Path, *, full_refresh: bool = False, only: Collection[str] = ()) -> Any:
    """Ingest, build and publish in this process, without Dagster and the checks: much quicker.

    Args:
        root: the workspace's folder.
        full_refresh: whether to build from the lake alone.
        only: the published tables that are looked at; what they read is built with them, and
            nothing else. Empty: every model.

    Returns:
        The published generation.
    """
    with _one_at_a_time, at_one_path(root) as path:
        return _build(path, full_refresh=full_refresh, only=only)


@contextmanager
def at_one_path(root: Path) -> Iterator[Path]:
    """A link to a workspace, always of the same name: dbt need not parse the project for each of them.

    A manifest holds paths of the workspace that it was made for, but nothing else of it. The build's
    views of the lake lead through the link: whoever reads them afterwards needs it again.
    """
    folder = _folder()
    link, parsed, own = folder / "workspace", folder / "dbt", root / "runs" / "dbt"
    if parsed.exists():
        shutil.rmtree(own, ignore_errors=True)
        shutil.copytree(parsed, own)
    link.symlink_to(root)
    try:
        yield link
    finally:
        link.unlink()
        if not parsed.exists() and (own / "partial_parse.msgpack").exists():
            parsed.mkdir()
            for name in ("manifest.json", "partial_parse.msgpack"):
                shutil.copy2(own / name, parsed / name)


@cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="nps-e2e-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _build(root: Path, *, full_refresh: bool, only: Collection[str]) -> Any:
    from orchestration.publish.publish import publish
    from orchestration.warehouse import build as building
    from orchestration.warehouse.build_record import built_from, rows_changed_by_batch
    from orchestration.warehouse.dbt import (
        prepare_manifest,
        published_tables,
        release_dbt,
    )
    from orchestration.warehouse.inputs import inputs_hash

    before = dict(os.environ)
    try:
        workspace = take_in(root)
        workspace.published.mkdir(exist_ok=True)
        manifest = prepare_manifest(workspace)
        release_dbt()
        with mock.patch.object(building, "invoke_dbt", _selecting(manifest, only)):
            events = building.build_models(workspace, full_refresh=full_refresh)
        release_dbt()
        nodes = [event["data"]["node_info"] for event in events]
        bad = [
            f"{node['node_name']}: {node['node_status']}"
            for node in nodes
            if node["node_status"] not in ("success", "pass")
        ]
        assert not bad, bad
        return publish(
            workspace,
            inputs_hash=inputs_hash(workspace),
            versions={},
            tables=None if only else published_tables(manifest),
            changed=rows_changed_by_batch(workspace, manifest),
            built_from=built_from(workspace),
        )
    finally:
        release_dbt()
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


def _selecting(manifest: Path, only: Collection[str]) -> Callable[..., bool]:
    """dbt that starts nothing but these models, what they read, and the tests of all that."""
    from orchestration.warehouse.dbt import invoke_dbt

    if not only:
        return invoke_dbt
    parents = json.loads(manifest.read_text("utf-8"))["parent_map"]
    # without any table of its own the restricted file can't be published
    selected = _with_what_they_read(parents, [*only, "customer_identities"])
    options = ("--indirect-selection", "cautious", "--select", *selected)
    return lambda workspace, *command, **other: invoke_dbt(workspace, *command, *options, **other)


def _with_what_they_read(parents: Mapping[str, list[str]], names: Collection[str]) -> list[str]:
    """Models and seeds upstream of some models, with those whose previous rows a batch reads."""
    found: set[str] = set()
    waiting = [f"model.nps_warehouse.{name}" for name in names]
    while waiting:
        node = waiting.pop()
        kind, _, *path = node.split(".")
        if kind == "source" and path[0].startswith("previous_"):
            waiting.append(f"model.nps_warehouse.{path[1]}")
        elif kind != "source" and path[0] not in found:
            found.add(path[0])
            waiting += parents[node]
    return sorted(found)


# --- looking at a workspace ---------------------------------------------------------------------


@contextmanager
def opened(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB file as a reader of today opens it: a new instance, read-only."""
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"attach {literal(str(path))} as published (read_only)")
        connection.execute("use published")
        yield connection


def literal(text: str) -> str:
    """A SQL string."""
    return "'" + text.replace("'", "''") + "'"


def marts(root: Path, sql: str) -> list[tuple]:
    """Rows of a query on published/nps.duckdb."""
    with opened(root / "published/nps.duckdb") as connection:
        return connection.execute(sql).fetchall()


def restricted(root: Path, sql: str) -> list[tuple]:
    """Rows of a query on published/restricted.duckdb."""
    with opened(root / "published/restricted.duckdb") as connection:
        return connection.execute(sql).fetchall()


def ledger(root: Path) -> list[dict[str, Any]]:
    """The published generations, oldest first."""
    lines = (root / "published/ledger.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def tables_of(root: Path) -> dict[str, list[tuple]]:
    """Every row of every published table but _generation, sorted: to compare two workspaces."""
    found = {}
    for name, schema in (("nps.duckdb", "marts"), ("restricted.duckdb", "restricted")):
        with opened(root / "published" / name) as connection:
            names = connection.execute(
                "select table_name from duckdb_tables() where database_name = 'published' "
                "and table_name <> '_generation' order by 1"
            ).fetchall()
            for (table,) in names:
                rows = connection.execute(f"select * from {schema}.{table}").fetchall()
                found[f"{schema}.{table}"] = sorted(rows, key=repr)
    return found


def published_files(root: Path) -> dict[str, str]:
    """What a reader finds published: SHA-256 of the files, and the generation's folder."""
    published = root / "published"
    found = {
        name: hashlib.sha256((published / name).read_bytes()).hexdigest()
        for name in ("nps.duckdb", "restricted.duckdb", "ledger.jsonl", "report/index.html")
    }
    return found | {"current": os.readlink(published / "current")}


def hashes_below(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder, by its path there."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def lake_of(root: Path) -> dict[str, str]:
    """The lake's files and their hashes, but for its copy of the ledger: what was delivered."""
    found = hashes_below(root / "lake")
    return {name: digest for name, digest in found.items() if not name.startswith("ledger/")}


# --- making a workspace -------------------------------------------------------------------------


def declare(root: Path, content: Mapping[str, Any]) -> Path:
    """Write workspace.yml."""
    root.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(dict(content), allow_unicode=True, sort_keys=False)
    (root / "workspace.yml").write_text(text, encoding="utf-8")
    return root


def redeclare(root: Path, **changes: Any) -> None:
    """Change top-level keys of workspace.yml; None removes one."""
    content = yaml.safe_load((root / "workspace.yml").read_text("utf-8"))
    content |= changes
    declare(root, {key: value for key, value in content.items() if value is not None})


def deliver(root: Path, name: str, content: bytes | str, at: str = "2026-01-02T06:00:00") -> Path:
    """Put a file into landing; its modification time is part of what is delivered.

    Args:
        root: the workspace.
        name: below landing, with the source's folder.
        content: bytes, or text that is written as UTF-8.
        at: UTC.
    """
    path = root / "landing" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    modified = datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp()
    os.utime(path, (modified, modified))
    return path


def csv_text(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """CSV with LF and every cell in quotes: what is within them is the cell."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows([header, *rows])
    return out.getvalue()


def wait_for(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.1)
