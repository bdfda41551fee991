"""The long runs, each once a session and two at a time, for whoever of the tests asks for one.

A run of the command line costs half a minute, most of it importing dbt, Dagster and Great
Expectations, so that tests share runs. Those that the selected tests need start together with the
first test that asks for one, and each test waits for its own; what needs none is tested first.

With NPS_E2E_FOLDER the workspaces and what the runs printed are kept in that folder, and what is
there already is not run again: for working on these tests, not for trusting them.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import crooked
import duckdb
import e2e_support as e2e
import pytest

HERE = Path(__file__).parent
# one where another process of the tests keeps the second core busy
AT_ONCE = 1 if "PYTEST_XDIST_WORKER" in os.environ else 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder, and let those that need none of the long runs go first."""
    places = [place for place, item in enumerate(items) if HERE in item.path.parents]
    ours = [items[place] for place in places]
    ours.sort(key=_needs_runs)
    for place, item in zip(places, ours, strict=True):
        items[place] = item
        item.add_marker(pytest.mark.e2e)
        # a test may have to wait for all the runs before its own
        item.add_marker(pytest.mark.timeout(4 * e2e.PATIENCE))


def _needs_runs(item: pytest.Item) -> bool:
    return not JOBS.keys().isdisjoint(getattr(item, "fixturenames", ()))


# --- sharing ------------------------------------------------------------------------------------

Job = Callable[["Jobs"], Any]
JOBS: dict[str, Job] = {}


class Jobs:
    """The started jobs; a job may wait for one that is defined before it."""

    def __init__(self, folder: Path, wanted: set[str]) -> None:
        self.folder = folder
        self._pool = ThreadPoolExecutor(AT_ONCE)
        self._futures: dict[str, Future[Any]] = {}
        for name, job in JOBS.items():
            if name in wanted:
                self._futures[name] = self._pool.submit(self._done, name, job)

    def _done(self, name: str, job: Job) -> Any:
        kept = self.folder / f"{name}.pickle"
        if kept.exists():
            return pickle.loads(kept.read_bytes())
        result = job(self)
        if os.environ.get("NPS_E2E_FOLDER"):
            kept.write_bytes(pickle.dumps(result))
        return result

    def __getitem__(self, name: str) -> Any:
        return self._futures[name].result()

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


@pytest.fixture(scope="session", autouse=True)
def ended() -> Iterator[None]:
    """End what still runs when the session is over."""
    yield
    e2e.end_all()


@pytest.fixture(scope="session")
def jobs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Jobs]:
    """All runs that the selected tests need, started."""
    kept = os.environ.get("NPS_E2E_FOLDER")
    folder = Path(kept) if kept else tmp_path_factory.mktemp("e2e")
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {name for item in request.session.items for name in getattr(item, "fixturenames", ())}
    started = Jobs(folder, wanted)
    yield started
    started.close()


def job(function: Job) -> Any:
    """Make a session fixture of a job: its value is what the job returned."""
    name = function.__name__
    JOBS[name] = function

    def value(jobs: Jobs) -> Any:
        return jobs[name]

    value.__doc__ = function.__doc__
    return pytest.fixture(scope="session", name=name)(value)


# --- the runs -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class SampleRun:
    """The sample, refreshed once behind a guard that lets nothing onto the network."""

    root: Path
    run: e2e.Run
    attempts: list[str]
    lake: dict[str, str]


@job
def sample_run(jobs: Jobs) -> SampleRun:
    """The sample's workspace after its first run."""
    from sample.generate import generate

    root, log = jobs.folder / "sample", jobs.folder / "network.log"
    generate(root)
    log.touch()
    done = e2e.run(
        root,
        "run",
        within=e2e.without_network(),
        PYTHONPATH=str(HERE / "guard"),
        NPS_E2E_NETWORK_LOG=str(log),
    )
    return SampleRun(root, done, log.read_text().splitlines(), e2e.lake_of(root))


@pytest.fixture(scope="session")
def sample_root(sample_run) -> Path:
    """The sample's workspace, published."""
    assert sample_run.run.code == 0, sample_run.run.out + sample_run.run.err
    return sample_run.root


@pytest.fixture(scope="session")
def tables(sample_root) -> Iterator[duckdb.DuckDBPyConnection]:
    """The sample's published files, as `published` and `private`."""
    with e2e.opened(sample_root / "published/nps.duckdb") as connection:
        private = e2e.literal(str(sample_root / "published/restricted.duckdb"))
        connection.execute(f"attach {private} as private (read_only)")
        yield connection


@dataclass(frozen=True)
class CrookedRun:
    """The crooked workspace: without any row, behind a narrow gate, and through a wide one.

    Attributes:
        root: the workspace as the last run left it.
        empty: the run without a row: of a source that is there for it alone, with a header alone.
        empty_rows: rows by table as that run published them.
        empty_report: the report's page by then.
        narrow: the run with all files and the usual max_quarantine_rate.
        narrow_generations: the ledger's ids after it.
        run: the run with max_quarantine_rate 1.
    """

    root: Path
    empty: e2e.Run
    empty_rows: dict[str, int]
    empty_report: str
    narrow: e2e.Run
    narrow_generations: list[str]
    run: e2e.Run


@job
def crooked_run(jobs: Jobs) -> CrookedRun:
    """The crooked workspace and its three runs."""
    root = jobs.folder / crooked.FOLDER
    e2e.declare(root, crooked.settings_of_no_row())
    header = e2e.deliver(root, f"{crooked.NOBODY}/none.csv", "id,nps,date\n")
    empty = e2e.run(root, "run")
    empty_rows = {name: len(rows) for name, rows in e2e.tables_of(root).items()}
    empty_report = (root / "published/report/index.html").read_text("utf-8")
    shutil.rmtree(header.parent)
    e2e.declare(root, crooked.settings() | {"max_quarantine_rate": 0.05})
    crooked.deliver(root)
    narrow = e2e.run(root, "run")
    narrow_generations = [line["generation_id"] for line in e2e.ledger(root)]
    e2e.redeclare(root, max_quarantine_rate=1)
    done = e2e.run(root, "run")
    return CrookedRun(root, empty, empty_rows, empty_report, narrow, narrow_generations, done)


@dataclass(frozen=True)
class Together:
    """`run --force` and `full-refresh` of the sample, started at once after its first run.

    Attributes:
        runs: both by their command.
        lake: hashes of the lake's files afterwards.
        ledger: the generations by then.
        unchanged: one more run, of which nothing changed, with its seconds.
    """

    runs: dict[str, e2e.Run]
    lake: dict[str, str]
    ledger: list[dict[str, Any]]
    unchanged: tuple[e2e.Run, float]
    tables_before: dict[str, list[tuple]]
    tables: dict[str, list[tuple]]


@job
def sample_again(jobs: Jobs) -> Together:
    """The sample refreshed twice more, at once."""
    root = jobs["sample_run"].root
    before = e2e.tables_of(root)
    commands = ("run --force", "full-refresh")
    started = {command: e2e.start(root, *command.split()) for command in commands}
    with ThreadPoolExecutor(len(started)) as pool:
        waiting = {name: pool.submit(e2e.finish, process) for name, process in started.items()}
        runs = {name: future.result() for name, future in waiting.items()}
    ledger = e2e.ledger(root)
    begun = time.monotonic()
    unchanged = e2e.run(root, "run")
    seconds = time.monotonic() - begun
    tables = e2e.tables_of(root)
    return Together(runs, e2e.lake_of(root), ledger, (unchanged, seconds), before, tables)


@dataclass(frozen=True)
class Restated:
    """The sample published again, after answers of a period that was long over."""

    root: Path
    late: int


@job
def sample_restated(jobs: Jobs) -> Restated:
    """The sample with 100 detractors of May 2025 who were delivered late; without the checks."""
    # not while it is being refreshed
    assert jobs["sample_again"].ledger
    root = shutil.copytree(jobs["sample_run"].root, jobs.folder / "restated", symlinks=True)
    lines = [
        {
            "id": f"late-{number}",
            "person": {"id": f"C{number + 1:05d}"},
            "survey": {"id": "rel-2025", "channel": "email", "language": "en"},
            "score": 3,
            "answers": [],
            "created_at": 1747735200,  # 2025-05-20
            "updated_at": 1747735200,
            "deleted": False,
            "test": False,
        }
        for number in range(100)
    ]
    text = "\n".join(json.dumps(line) for line in lines)
    e2e.deliver(root, "pulse/responses_late.jsonl", text)
    e2e.build(root)
    return Restated(root, len(lines))


@dataclass(frozen=True)
class Blocked:
    """A run whose result may not be published, and what it sent to the webhook."""

    root: Path
    run: e2e.Run
    posted: list[str]


@job
def blocked_run(jobs: Jobs) -> Blocked:
    """The crooked workspace after a delivery with an e-mail address where a region belongs."""
    root = shutil.copytree(jobs["crooked_run"].root, jobs.folder / "blocked", symlinks=True)
    e2e.deliver(root, "crm/customers_20250701.csv", crooked.LEAKING)
    posted: list[str] = []
    with e2e.listening(posted) as address:
        done = e2e.run(root, "run", NPS_WEBHOOK_URL=address)
    return Blocked(root, done, posted)


@dataclass(frozen=True)
class Killed:
    """A workspace whose run was killed, once between models and once in the gate, then run."""

    root: Path
    published_before: dict[str, str]
    seen: dict[str, str]
    published_after: dict[str, dict[str, str]]
    run: e2e.Run


KILLS: dict[str, Callable[[str], bool]] = {
    "between models": partial(e2e.is_line, "transform", r"\d+/\d+ fct_nps_responses:"),
    "in the gate": partial(e2e.is_line, "checks", "marts"),
}


@job
def killed_run(jobs: Jobs) -> Killed:
    """The crooked workspace, with a further delivery and a bad day."""
    root = shutil.copytree(jobs["crooked_run"].root, jobs.folder / "killed", symlinks=True)
    before = e2e.published_files(root)
    e2e.deliver(root, "shop/survey_responses_3.csv", crooked.MORE)
    seen, after = {}, {}
    for name, is_time in KILLS.items():
        seen[name] = e2e.kill_at(e2e.start(root, "run"), is_time)
        after[name] = e2e.published_files(root)
    return Killed(root, before, seen, after, e2e.run(root, "run"))


@dataclass(frozen=True)
class Interrupted:
    """Runs that were stopped, each at another stage; nothing of them was published.

    Attributes:
        published_before: the published files before the first of them.
        stopped: by stage how the run ended, after how many seconds, and what was published then.
    """

    published_before: dict[str, str]
    stopped: dict[str, tuple[e2e.Run, float, dict[str, str]]]


STOPS: dict[str, tuple[Callable[[str], bool], int]] = {
    "ingest": (partial(e2e.is_line, "start", "refresh begins"), signal.SIGINT),
    "models": (partial(e2e.is_line, "transform", r"\d+/\d+ int_"), signal.SIGTERM),
    "checks": (partial(e2e.is_line, "checks", "marts"), signal.SIGINT),
    "publish": (partial(e2e.is_line, "publish", "copying the build"), signal.SIGTERM),
}


@job
def interrupted_run(jobs: Jobs) -> Interrupted:
    """The crooked workspace with a further delivery, interrupted at each stage."""
    root = shutil.copytree(jobs["crooked_run"].root, jobs.folder / "interrupted", symlinks=True)
    before = e2e.published_files(root)
    e2e.deliver(root, "shop/survey_responses_3.csv", crooked.MORE)
    stopped = {}
    for stage, (is_time, number) in STOPS.items():
        run, seconds = e2e.stop_at(e2e.start(root, "run"), is_time, number)
        stopped[stage] = (run, seconds, e2e.published_files(root))
    return Interrupted(before, stopped)


@dataclass(frozen=True)
class Graph:
    """What Dagster makes of the sample's workspace, and what it says of the definitions."""

    root: Path
    found: dict[str, Any]
    validation: e2e.Run
    written: set[str]


# Where dbt would write if it were called without folders of its own; the SQL linter does.
DBT_FOLDERS = ("target", "logs")


def _written_by_dbt() -> dict[str, int]:
    folders = (e2e.REPOSITORY / name for name in DBT_FOLDERS)
    return {
        str(path): path.stat().st_mtime_ns
        for each in folders
        for path in [each, *each.rglob("*")]
        if path.exists()
    }


@job
def sample_graph(jobs: Jobs) -> Graph:
    """The graph of the sample's workspace: loading the definitions takes a process of its own."""
    from sample.generate import generate

    root = jobs.folder / "graph"
    generate(root)
    before = _written_by_dbt()
    dumped = e2e.run(root, str(HERE / "graph_of.py"))
    assert dumped.code == 0, dumped.err
    home = jobs.folder / "graph_home"
    home.mkdir()
    validation = e2e.run(root, "-m", "dagster", "definitions", "validate", DAGSTER_HOME=str(home))
    written = {path for path, time in _written_by_dbt().items() if before.get(path) != time}
    return Graph(root, json.loads(dumped.out.partition("GRAPH")[2]), validation, written)
