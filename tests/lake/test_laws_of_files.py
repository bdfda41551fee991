"""Laws that hold for any delivered file: none of its rows is lost, none is counted twice."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from dbt_support import compiled, empty_database, nodes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ingest_support import Lake

from orchestration.lake import ingest_source, prepare_lake, write_files_table

# What a cell may hold: what is right, what is normalised, what is refused for each reason.
CELLS = {
    "id": ("x", "y", "z", " x", "x\u00a0", ""),
    "nps": ("9", "0", "10", " 9 ", "11", "8.5", "N/A", "ten", ""),
    "date": ("2025-01-02", "2025-01-02T10:00:00Z", "2025-02-30", "2026-05-01", "1999-01-01", ""),
    "changed": ("", "2025-01-03", "2025-01-04", "soon"),
    "gone": ("", "", "", "yes", "ja", "no", "perhaps"),
    "test": ("", "", "", "yes", "Partial", "perhaps"),
    "scale": ("0-10", "0-10", "0-10", "1-5", "1-7", ""),
    "who": ("c1", "c2", "tester", ""),
}
COLUMNS = {
    "response_id": "id", "score": "nps", "submitted_at": "date", "updated_at": "changed",
    "is_deleted": "gone", "is_test": "test", "scale": "scale", "customer_id": "who",
}  # fmt: skip
HEADER = ",".join(CELLS)
PARTS = ("accepted", "quarantined", "duplicate", "superseded", "deleted", "excluded")
# What becomes of raw rows, in the order in which the models read one another.
MODELS = (
    "stg_survey_responses",
    "int_survey_responses_classified",
    "int_survey_responses_versioned",
    "int_delivered_rows_counted",
)

# an open quotation mark may swallow what follows
OPEN = 'x,"9'
ROW = st.tuples(*map(st.sampled_from, CELLS.values())).map(",".join)
ODD = st.sampled_from(("x,9", "x" + "," * 9, HEADER, "Total: 3", "", "  ", "," * 7, OPEN))
LINES = st.lists(st.one_of(ROW, ROW, ROW, ODD), min_size=1, max_size=12)


@st.composite
def tables(draw: st.DrawFn) -> tuple[bytes, int | None]:
    """A table as it should be, but for some of its rows; and how many rows, if that is plain."""
    lines, end = draw(LINES), draw(st.sampled_from(("\n", "\r\n")))
    rows = sum(bool(line.strip(", ")) for line in lines)
    content = end.join([HEADER, *lines, ""]).encode()
    return content, None if OPEN in lines else rows


@st.composite
def damaged(draw: st.DrawFn) -> tuple[bytes, None]:
    """A table of which a piece was cut out, or replaced by any bytes."""
    content, _ = draw(tables())
    first, last = sorted(draw(st.tuples(*[st.integers(0, len(content))] * 2)))
    return content[:first] + draw(st.binary(max_size=6)) + content[last:], None


ANYTHING = st.tuples(st.binary(max_size=60), st.none())
FILES = st.one_of(tables(), tables(), tables(), damaged(), ANYTHING)


@pytest.fixture(scope="module")
def account_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[bytes], dict]]:
    """Takes in the only file of a lake, and returns its row of ingest_reconciliation."""
    lake = Lake(tmp_path_factory.mktemp("laws")).declare(
        columns=COLUMNS,
        constants={"metric": "nps", "survey_type": "relational"},
        exclude={"customer_id": ["tester"]},
    )
    workspace, landing = lake.workspace, lake.landing
    prepare_lake(workspace)
    raw, rejected = (top / "survey_responses" for top in (workspace.raw, workspace.rejected))
    with empty_database() as connection, pytest.MonkeyPatch.context() as patch:
        # nobody pulls the plug here
        patch.setattr(os, "fsync", lambda _: None)
        # for a few rows, thinking about a plan takes longer than a bad plan
        connection.execute("pragma disable_optimizer")
        # a file of the same name is another one in the next example
        connection.execute("set enable_external_file_cache = false")
        connection.execute(
            "insert into nps.raw.workspace by name from read_parquet(?)",
            [str(workspace.settings_dir / "workspace.parquet")],
        )
        delivered = {
            "files": f"{workspace.manifest_dir}/files.parquet",
            "survey_responses": f"{raw}/*.parquet",
        }
        # planned once
        for model in MODELS:
            table = f'nps."{nodes("model")[model]["schema"]}"."{model}"'
            connection.execute(f"prepare empty_{model} as delete from {table}")
            query = f"insert into {table} by name {compiled(model)}"
            connection.execute(f"prepare fill_{model} as {query}")
        connection.execute(f"prepare account as {compiled('ingest_reconciliation')}")

        def take_in(content: bytes) -> dict[str, Any]:
            for folder in (workspace.archive, rejected, landing):
                shutil.rmtree(folder, ignore_errors=True)
            for path in (workspace.manifest_file, *raw.glob("telco-*")):
                path.unlink(missing_ok=True)
            lake.deliver(content)
            ingest_source(workspace, workspace.sources[0])
            write_files_table(workspace)
            for table, files in delivered.items():
                connection.execute(f"delete from nps.raw.{table}")
                connection.execute(
                    f"insert into nps.raw.{table} by name from read_parquet('{files}')"
                )
            for model in MODELS:
                connection.execute(f"execute empty_{model}")
                connection.execute(f"execute fill_{model}")
            (account,) = connection.execute("execute account").to_arrow_table().to_pylist()
            return account

        yield take_in


@settings(
    max_examples=1000,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(file=FILES)
def test_of_any_file_every_row_is_accounted_for(account_of, file: tuple[bytes, int | None]):
    """delivered = accepted + quarantined + duplicate + superseded + deleted + excluded."""
    content, rows = file
    account = account_of(content)
    parts = [account[f"rows_{part}"] for part in PARTS]
    assert min(parts) >= 0
    assert account["rows_delivered"] == sum(parts), account
    assert rows in (None, account["rows_delivered"])
    if account["file_status"] == "quarantined":
        assert account["rows_quarantined"] == account["rows_delivered"]
