"""The command line: `nps run` and its other commands."""

from __future__ import annotations

import argparse
import gc
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.core.errors import UserError
from orchestration.core.signals import is_stopping, leave, stop_on_signals
from orchestration.unchanged import (
    forget_finished_run,
    record_finished_run,
    state_before_run,
    unchanged_report,
)
from orchestration.warehouse.held import check_build_files

if TYPE_CHECKING:
    from orchestration.workspace.model import Workspace

TELEMETRY_OFF = {
    "DO_NOT_TRACK": "1",
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    "DAGSTER_DISABLE_TELEMETRY": "1",
    "GX_ANALYTICS_ENABLED": "false",
}
DAGSTER_SETTINGS = """\
# Written by the NPS warehouse, kept once it exists: settings of this workspace's Dagster.
telemetry:
  enabled: false
nux:
  enabled: false
run_monitoring:
  enabled: true
run_retries:
  enabled: true
# Capturing each step's output would start two processes a step; the run's own lines are enough.
compute_logs:
  module: dagster._core.storage.noop_compute_log_manager
  class: NoOpComputeLogManager
"""


def main(arguments: list[str] | None = None) -> int:
    """Run one command.

    Returns:
        0: done; 1: the run failed or a check blocked publishing; 2: a mistake of the user's.
    """
    options = _parser().parse_args(arguments)

    os.environ.update(TELEMETRY_OFF)
    # Parts of dbt call logging.basicConfig when imported: the log lines of all libraries would be
    # on the screen. With a handler there it does nothing.
    logging.getLogger().addHandler(logging.NullHandler())
    try:
        return {
            "init": lambda: _init(options.files, ask=not options.yes),
            "check": lambda: _check(options.source),
            "run": lambda: _run(full=False, force=options.force),
            "full-refresh": lambda: _run(full=True, force=True),
            "dev": lambda: _dev(options.port),
            "withdraw": lambda: _withdraw(options.what, undo=options.undo),
            "rollback": _rollback,
            "export": lambda: _export(options),
            "send": _send,
            "schema": _schema,
            "docs": _docs,
            "lint-sql": _lint_sql,
        }[options.command]()
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    except Exception as error:
        if is_stopping():
            leave()
        from orchestration.core.reasons import cause_of

        cause = cause_of(error)
        if cause is None:
            raise
        print(cause, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        leave()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nps", description="Commands of the NPS warehouse.")
    commands = parser.add_subparsers(dest="command", required=True)
    begin = commands.add_parser("init", help="propose a workspace.yml for given files")
    begin.add_argument(
        "files", metavar="FILE", nargs="+", help="exports: CSV, Excel, JSON, Parquet"
    )
    begin.add_argument("--yes", action="store_true", help="ask nothing; leave choices as comments")
    look = commands.add_parser("check", help="read what lies in landing, and publish nothing")
    look.add_argument("source", metavar="SOURCE", nargs="?", help="its name; all of them without")
    run = commands.add_parser("run", help="ingest new files, build, check and publish")
    run.add_argument("--force", action="store_true", help="run and publish even if nothing changed")
    commands.add_parser("full-refresh", help="the same, with the warehouse rebuilt from the lake")
    dev = commands.add_parser("dev", help="Dagster's UI on loopback")
    dev.add_argument("--port", type=int, default=3000)
    out = commands.add_parser("withdraw", help="take a delivered file's rows out again")
    out.add_argument("what", metavar="FILE|SHA", help="its name, or the start of its SHA-256")
    out.add_argument("--undo", action="store_true", help="take a withdrawal back")
    commands.add_parser("rollback", help="go back to the generation published before")
    export = commands.add_parser("export", help="published tables as CSV, JSON or XLSX files")
    export.add_argument("tables", metavar="TABLE", nargs="*", help="without any: all marts")
    export.add_argument("--format", choices=("csv", "json", "xlsx"), default="csv")
    export.add_argument("--to", metavar="FOLDER", type=Path, help="default: exports/")
    export.add_argument("--restricted", action="store_true", help="also what holds personal data")
    commands.add_parser("send", help="send the actions that were not sent before")
    commands.add_parser("schema", help="the JSON Schema of workspace.yml, for editors")
    commands.add_parser("docs", help="dbt's documentation of every model")
    commands.add_parser("lint-sql", help="sqlfluff over models and tests")
    return parser


def _run(*, full: bool, force: bool) -> int:
    from orchestration.core.lock import hold_workspace
    from orchestration.core.progress import announce, listening
    from orchestration.workspace.current import current_workspace

    started = time.monotonic()
    stop_on_signals()
    # dbt's manifest is millions of objects that live to the end: at the usual thresholds a tenth of
    # a small run goes into looking through them for garbage, 4,500 times
    gc.set_threshold(100_000, 50, 100)

    def show(stage: str, text: str) -> None:
        # one write a line: dbt's threads announce at once
        sys.stdout.write(f"{time.monotonic() - started:6.1f} s  {stage:<10} {text}\n")
        sys.stdout.flush()

    with listening(_without_passing_tests(show)):
        if not force and (report := unchanged_report(current_workspace())):
            print(report)
            if current_workspace().actions.send:
                _send()  # what was not taken waits for any run, be there news or not
            return 0
        workspace = _ready_workspace()
        from orchestration.lake.landing import check_anything_delivered, landing_fingerprint
        from orchestration.warehouse.dbt import prepare_manifest
        from orchestration.workspace.writable import check_writable

        check_writable(workspace)
        hold_workspace(workspace.runs)
        check_build_files(workspace)
        check_anything_delivered(workspace)
        state, delivered = state_before_run(workspace), landing_fingerprint(workspace)
        forget_finished_run(workspace)
        # importing the definitions parses nothing where this was done
        prepare_manifest(workspace)
        announce("start", f"{workspace.root}, as of {workspace.as_of_on}")
        _dagster_home(workspace.runs)

        from orchestration.run import run_job

        facts, success = run_job(workspace, "full_refresh" if full else "refresh", force=force)

    if not success and is_stopping():
        leave()
    from orchestration.report.summary import build_summary

    seconds = dict(facts.seconds)
    seconds["other"] = max(0.0, time.monotonic() - started - sum(seconds.values()))
    summary = build_summary(workspace, replace(facts, seconds=seconds))
    print(f"\n{summary}")
    if not facts.ingest.files_found:
        print(
            f"\nNo file was found in {workspace.landing}: what was delivered before stands. Files "
            "belong into a folder named after their source, under the names that files: declares"
        )
    if success:
        record_finished_run(workspace, state, delivered, summary)
    return 0 if success else 1


def _init(files: list[str], *, ask: bool) -> int:
    from orchestration.preview.init import init, new_root

    root = new_root()
    left_open = init(root, files, input if ask else None, print)
    os.environ["NPS_WORKSPACE"] = str(root)
    if left_open:
        print("\nBefore `nps run`, choose in workspace.yml:")
        print("\n".join(f"  {line}" for line in left_open))
    print()
    return max(_check(None), 1 if left_open else 0)


def _check(source: str | None) -> int:
    from orchestration.lake.landing import unclaimed_files
    from orchestration.preview.check import check
    from orchestration.preview.page import check_page

    workspace = _ready_workspace()
    found = check(workspace, source)
    print(check_page(workspace, found, [] if source else unclaimed_files(workspace)))
    return 1 if any(each.is_bad for each in found) else 0


def _ready_workspace() -> Workspace:
    """The current workspace; the sample's is generated where it is missing."""
    from orchestration.workspace.current import current_workspace
    from sample.generate import make_sample

    workspace = current_workspace()
    make_sample(workspace)
    return workspace


def _without_passing_tests(show: Callable[[str, str], None]) -> Callable[[str, str], None]:
    """Show models and failures: the tests that pass are many."""

    def listener(stage: str, text: str) -> None:
        if stage != "transform" or not text.endswith(": pass"):
            show(stage, text)

    return listener


def _dagster_home(runs: Path) -> Path:
    home = runs / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    settings = home / "dagster.yaml"
    if not settings.exists():
        settings.write_text(DAGSTER_SETTINGS, encoding="utf-8")
    os.environ["DAGSTER_HOME"] = str(home)
    return home


def _dev(port: int) -> int:
    from orchestration.warehouse.dbt import prepare_manifest

    workspace = _ready_workspace()
    prepare_manifest(workspace)
    _dagster_home(workspace.runs)
    os.environ["NPS_WORKSPACE"] = str(workspace.root)
    # The web server has no login: it listens on loopback, and nowhere else.
    command = ["-m", "dagster", "dev", "--host", "127.0.0.1", "--port", str(port)]
    return _python(*command)


def _withdraw(what: str, *, undo: bool) -> int:
    from orchestration.core.lock import hold_workspace
    from orchestration.lake.names import printable
    from orchestration.lake.withdraw import withdraw
    from orchestration.workspace.current import current_workspace

    workspace = current_workspace()
    hold_workspace(workspace.runs)
    for state in withdraw(workspace, what, undo=undo):
        done = "counts again" if undo else f"withdrawn, {state.rows_loaded:,} rows"
        print(
            f"{state.source}/{state.entity}: {printable(state.file_name)} "
            f"({state.file_sha256[:12]}): {done}"
        )
    print("the next `nps run` publishes it so; the bytes stay in the archive")
    return 0


def _rollback() -> int:
    from orchestration.core.lock import hold_workspace
    from orchestration.publish.publish import rollback
    from orchestration.workspace.current import current_workspace

    workspace = current_workspace()
    hold_workspace(workspace.runs)
    generation_id = rollback(workspace)
    print(f"generation {generation_id} is published again")
    return 0


def _export(options: argparse.Namespace) -> int:
    from orchestration.export import export_tables
    from orchestration.workspace.current import current_workspace

    notes = export_tables(
        current_workspace(),
        options.tables,
        options.format,
        options.to,
        restricted=options.restricted,
    )
    for note in notes:
        print(note, file=sys.stderr)
    return 1 if notes else 0


def _send() -> int:
    from orchestration.core.lock import hold_workspace
    from orchestration.sending.send import send_actions
    from orchestration.workspace.current import current_workspace

    workspace = current_workspace()
    hold_workspace(workspace.runs)
    sent = send_actions(workspace)
    if sent is None:
        raise UserError("workspace.yml names no place to send actions to: add actions: {send: …}")
    print(sent.line)
    return 1 if sent.problem else 0


def _schema() -> int:
    from orchestration.workspace.schema import schema_text

    print(schema_text())
    return 0


def _docs() -> int:
    from orchestration.core.lock import hold_workspace
    from orchestration.warehouse.dbt import invoke_dbt, target_dir

    workspace = _ready_workspace()
    hold_workspace(workspace.runs)
    if not workspace.warehouse_file.exists():
        raise UserError(f"{workspace.warehouse_file}: nothing is built yet; run `nps run` first")
    invoke_dbt(workspace, "docs", "generate", "--static")
    page = workspace.runs / "docs" / "index.html"
    page.parent.mkdir(exist_ok=True)
    shutil.copyfile(target_dir(workspace) / "static_index.html", page)
    print(page)
    return 0


def _lint_sql() -> int:
    from orchestration.core.lock import hold_workspace
    from orchestration.lake.prepare import prepare_lake, write_files_table
    from orchestration.publish.ledger import write_lake_tables
    from orchestration.warehouse.dbt import invoke_dbt, release_dbt

    workspace = _ready_workspace()
    hold_workspace(workspace.runs)
    prepare_lake(workspace)
    write_files_table(workspace)
    write_lake_tables(workspace)
    # compiling a model asks the lake for the segments: one small model makes the lake's views
    invoke_dbt(workspace, "run", "--select", "stg_surveys")
    release_dbt()
    os.environ["NPS_WORKSPACE"] = str(workspace.root)
    command = ["-m", "sqlfluff", "lint", "--processes", "0", "models", "tests/dbt"]
    return _python(*command)


def _python(*arguments: str) -> int:
    """Run a module of this very Python from the project's folder."""
    from orchestration.workspace.current import PROJECT_DIR

    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=PROJECT_DIR, check=False).returncode  # noqa: S603


def command() -> int:
    """The installed command `nps`."""
    status = main()
    # looking through millions of objects for garbage at the very end would take over a second
    gc.freeze()
    return status


if __name__ == "__main__":
    sys.exit(command())
