"""Ids in one form, addresses as ids, states without a date, and what a file's header says."""

from __future__ import annotations

import json

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ingest_support import RESPONSES, Lake

from orchestration.lake import projection
from orchestration.lake.values import as_compared, normalised
from orchestration.workspace.model import Source

COLUMNS = {"response_id": "id", "score": "nps", "submitted_at": "date", "customer_id": "who"}
CUSTOMERS = {"name": "crm", "entity": "customers", "files": "*", "columns": {"customer_id": "no"}}


def deliver(lake: Lake, cells: list[str]) -> None:
    rows = [f'{place},"{cell}",9,2025-01-02T10:00:00Z\n' for place, cell in enumerate(cells)]
    lake.deliver("id,who,nps,date\n" + "".join(rows))
    assert lake.ingest().problems == []


def ids(lake: Lake) -> list[str | None]:
    return [row["customer_id"] for row in lake.raw()]


# --- normalise ----------------------------------------------------------------------------------

WRITTEN = [
    "1001.0",
    "1001",
    "01001",
    "1001.00",
    "1001.000",
    "1,001",
    "A-1.0",
    "0",
    "000.0",
    "",
    " 7 ",
]


@pytest.mark.parametrize(
    ("form", "read"),
    [
        ("integer", ["1001", "1001", "1001", "1001", "1001.000", "1,001", "A-1.0", "0", "0", None, "7"]),
        (
            "zero_padded_6",
            ["001001", "001001", "001001", "001001", "1001.000", "1,001", "A-1.0", "000000", "000000",
             None, "000007"],
        ),
        ("zero_padded_3", ["1001", "1001", "1001", "1001", "1001.000", "1,001", "A-1.0", "000", "000",
                           None, "007"]),
        ("lower", ["1001.0", "1001", "01001", "1001.00", "1001.000", "1,001", "a-1.0", "0", "000.0",
                   None, "7"]),
    ],
)  # fmt: skip
def test_ids_are_read_in_one_form(lake: Lake, form, read):
    lake.declare(columns=COLUMNS, normalise={"customer_id": form})
    deliver(lake, WRITTEN)
    assert ids(lake) == read
    kept = [json.loads(row["_extra"])["who"] for row in lake.raw()]
    assert [text or "" for text in kept] == [text.strip() for text in WRITTEN]


def test_json_and_parquet_are_read_alike(lake: Lake):
    import pyarrow as pa
    import pyarrow.parquet as pq

    lake.declare(columns=COLUMNS, normalise={"customer_id": "integer"}, format={"type": "jsonl"})
    line = {"id": "1", "who": 1001.0, "nps": 9, "date": "2025-01-02T10:00:00Z"}
    lake.deliver(json.dumps(line) + "\n", "a.jsonl")
    lake.ingest()
    assert ids(lake) == ["1001"]
    lake.declare(format={"type": "parquet"}, files="*.parquet")
    cells = {"id": ["1", "2"], "who": [1001.0, None], "nps": [9, 9], "date": [line["date"]] * 2}
    pq.write_table(pa.table(cells), lake.landing / "b.parquet")
    lake.ingest()
    assert ids(lake)[-2:] == ["1001", None]


def read_by(form: str, cell: str) -> str | None:
    source = Source.model_validate(
        {**RESPONSES, "columns": COLUMNS, "normalise": {"customer_id": form}}
    )
    query = f"select {normalised(source, 'customer_id', 'cell')} from (select $1::varchar as cell)"
    ((text,),) = duckdb.execute(query, [cell]).fetchall()
    return text


@given(
    number=st.integers(0, 10**20),
    zeros=st.integers(0, 5),
    ending=st.sampled_from(["", ".0", ".00"]),
)
def test_every_way_to_write_a_number_is_one_id(number, zeros, ending):
    text = "0" * zeros + str(number) + ending
    assert read_by("integer", text) == str(number)
    assert read_by("zero_padded_8", text) == str(number).zfill(8)


@given(st.text(max_size=12), st.sampled_from(["integer", "zero_padded_8", "lower"]))
def test_reading_an_id_again_changes_nothing(text, form):
    once = read_by(form, text.replace("\0", ""))
    assert read_by(form, once) == once


@given(
    st.text(st.sampled_from("0123456789.,aAßé-"), max_size=12),
    st.sampled_from(["integer", "zero_padded_8", "lower"]),
)
def test_listed_ids_are_read_as_delivered_ones(text, form):
    source = Source.model_validate(
        {**RESPONSES, "columns": COLUMNS, "normalise": {"customer_id": form}}
    )
    assert as_compared(source, "customer_id", text) == read_by(form, text)


def test_ids_are_excluded_in_any_form(lake: Lake):
    listed = ["0007", "Ann@Example.com"]
    lake.declare(
        columns=COLUMNS, normalise={"customer_id": "integer"}, exclude={"customer_id": listed}
    )
    deliver(lake, ["7.0", "ann@example.com", "8"])
    flags = [row["_flags"] for row in lake.raw()]
    assert flags == ["_row:excluded", "_row:excluded", None]


def test_a_change_of_form_reads_the_files_again(lake: Lake):
    lake.declare(columns=COLUMNS)
    before = projection.mapping_version(lake.workspace, lake.source)
    deliver(lake, ["7.0"])
    lake.declare(normalise={"customer_id": "integer"})
    assert projection.mapping_version(lake.workspace, lake.source) != before
    lake.ingest()
    assert ids(lake) == ["7"]


# --- addresses as ids ---------------------------------------------------------------------------


def test_an_address_as_an_id_is_compared_as_addresses_are(lake: Lake):
    lake.declare(columns={**COLUMNS, "email": "who"})
    deliver(
        lake, ["Ann@Example.com", " ann@example.com ", "ANN＠example.com", "A1", "@Home", "a@b"]
    )
    assert ids(lake) == ["ann@example.com"] * 3 + ["A1", "@Home", "a@b"]
    assert [row["_email_key"] for row in lake.raw()] == ["ann@example.com"] * 3 + [None] * 3


def test_so_it_is_in_json(lake: Lake):
    lake.declare(columns=COLUMNS, format={"type": "jsonl"})
    lines = [
        {"id": str(place), "who": who, "nps": 9, "date": "2025-01-02T10:00:00Z"}
        for place, who in enumerate(["Ann@Example.com", "ANN＠example.com ", "A1", "@Home"])
    ]
    lake.deliver("".join(json.dumps(line) + "\n" for line in lines))
    lake.ingest()
    assert ids(lake) == ["ann@example.com", "ann@example.com", "A1", "@Home"]


def test_other_ids_keep_their_case(lake: Lake):
    lake.declare(columns={**COLUMNS, "response_id": ["id", "date"], "invitation_id": "who"})
    deliver(lake, ["Ab", "aB"])
    assert ids(lake) == ["Ab", "aB"]


# --- a status without a date --------------------------------------------------------------------


def test_a_status_says_who_has_left(lake: Lake):
    lake.content["sources"] = [
        {**CUSTOMERS, "churned": {"column": "Status", "values": ["Churn", "Gone "]}}
    ]
    lake.deliver("no,Status\n1,Churn\n2, gONE\n3,Active\n4,\n5,Churned\n")
    lake.ingest()
    rows = lake.raw("customers")
    assert [row["is_churned"] for row in rows] == ["yes", "yes", "no", None, "no"]
    assert json.loads(rows[1]["_extra"])["Status"] == " gONE"
    assert len({row["_row_hash"] for row in rows}) == 5


def test_a_column_of_yes_and_no_may_be_mapped_as_it_is(lake: Lake):
    lake.content["sources"] = [
        {**CUSTOMERS, "columns": {"customer_id": "no", "is_churned": "Churn"}}
    ]
    lake.deliver("no,Churn\n1,Yes\n2,No\n")
    lake.ingest()
    assert [row["is_churned"] for row in lake.raw("customers")] == ["Yes", "No"]


def test_a_file_without_the_status_is_refused(lake: Lake):
    lake.content["sources"] = [{**CUSTOMERS, "churned": {"column": "Status", "values": ["Churn"]}}]
    lake.deliver("no,State\n1,Churn\n")
    (problem,) = lake.ingest().problems
    assert problem.reason == "missing_column"


# --- what the manifest says of a file -----------------------------------------------------------


def test_the_manifest_keeps_the_header_and_the_assumed_zone(lake: Lake):
    lake.declare(timezone=None)
    lake.deliver("id,nps,date,text,Extra\n1,9,2025-01-02T10:00:00,x,y\n")
    lake.deliver("id,nps,date,text\n2,9,2025-01-02T10:00:00Z,x\n", "b.csv")
    lake.ingest()
    files = sorted(lake.files(), key=lambda file: file["file_name"])
    assert [json.loads(file["columns"]) for file in files] == [
        ["id", "nps", "date", "text", "Extra"],
        ["id", "nps", "date", "text"],
    ]
    assert [file["assumed_timezone"] for file in files] == ["UTC", None]
    lake.declare(timezone="Europe/Brussels")
    lake.ingest()
    assert [file["assumed_timezone"] for file in lake.files()] == [None, None]


def test_lines_of_an_older_manifest_are_read(lake: Lake):
    lake.deliver("id,nps,date,text\n1,9,2025-01-02T10:00:00Z,x\n")
    lake.ingest()
    path = lake.root / "lake/manifest/manifest.jsonl"
    old = [{key: value for key, value in event.items() if key not in ("columns", "assumed_timezone")}
           for event in lake.events()]  # fmt: skip
    path.write_text("".join(json.dumps(event) + "\n" for event in old), encoding="utf-8")
    assert lake.ingest().files_unchanged == 1
    assert [(file["columns"], file["assumed_timezone"]) for file in lake.files()] == [("[]", None)]


# --- the key of hashes --------------------------------------------------------------------------


def test_the_key_is_made_once_and_kept_private(lake: Lake, monkeypatch):
    from orchestration.core.errors import UserError
    from orchestration.lake.hash_key import hash_key

    monkeypatch.delenv("NPS_HASH_KEY")
    lake.ingest()
    path = lake.root / "lake/hash_key"
    assert path.stat().st_mode & 0o777 == 0o600
    key = hash_key(lake.workspace)
    assert len(key) == 64
    lake.ingest()
    assert hash_key(lake.workspace) == key
    path.write_text("oops", encoding="utf-8")
    with pytest.raises(UserError, match="lake/hash_key is damaged"):
        hash_key(lake.workspace)
