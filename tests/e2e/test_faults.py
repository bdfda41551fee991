"""Everything crooked in one workspace: each row and file gets what it must, the good ones are there.

Expectations stand beside the delivered rows in `crooked.py`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import crooked
import duckdb
import e2e_support as e2e
import pytest

ROWS = [
    pytest.param(table, number, row, cells, id=f"{row.case} {table.source}/{table.entity}")
    for table in crooked.TABLES
    for number, row, cells in table.placed()
]
REJECTED = [param for param in ROWS if param.values[2].reason]
ANSWERED = [param for param in ROWS if param.values[2].found]
KEPT = [param for param in ROWS if not param.values[2].reason and not param.values[2].found]


@pytest.fixture(scope="module")
def quarantined(crooked_run) -> dict[tuple[str, int], tuple[str, str]]:
    """(reason, raw text) of quarantined rows by file (source/name) and number."""
    rows = e2e.restricted(
        crooked_run.root,
        "select source || '/' || file_name, row_number, reason, raw_text "
        "from restricted.quarantined_rows",
    )
    found = {(name, number): (reason, text) for name, number, reason, text in rows}
    assert len(found) == len(rows)
    return found


@pytest.fixture(scope="module")
def answers(crooked_run) -> dict[tuple[str, str], dict[str, Any]]:
    """Published answers by source and response_id, with their customer's id as `customer`."""
    with e2e.opened(crooked_run.root / "published/nps.duckdb") as connection:
        cursor = connection.execute(
            "select a.*, c.customer_id as customer from marts.fct_nps_responses as a "
            "left join marts.dim_customers as c using (customer_key)"
        )
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    found = {(row["source"], row["response_id"]): row for row in rows}
    assert len(found) == len(rows)
    return found


@pytest.fixture(scope="module")
def files(crooked_run) -> dict[str, dict[str, Any]]:
    """Rows of ingest_reconciliation by source/name."""
    with e2e.opened(crooked_run.root / "published/nps.duckdb") as connection:
        cursor = connection.execute("select * from marts.ingest_reconciliation")
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return {f"{row['source']}/{row['file_name']}": row for row in rows}


@pytest.fixture(scope="module")
def lake(crooked_run) -> dict[tuple[str, int], dict[str, Any]]:
    """Rows of answers as the lake has them, by file (source/name) and number."""
    folder = crooked_run.root / "lake/raw/survey_responses"
    with duckdb.connect() as connection:
        rows = connection.execute(
            f"select * from read_parquet({e2e.literal(str(folder))} || '/*.parquet')"
        ).to_arrow_table()
    return {
        (f"{row['_source']}/{row['_file_name']}", row["_row_number"]): row
        for row in rows.to_pylist()
    }


# --- rows ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("table", "number", "row", "cells"), REJECTED)
def test_a_bad_row_is_quarantined_with_its_reason_and_text(quarantined, table, number, row, cells):
    reason, raw_text = quarantined[table.name, number]
    assert reason == row.reason
    kept = json.loads(raw_text)
    kept.pop("_attributes", None)
    assert kept == table.raw_text(row, cells)


@pytest.mark.parametrize(("table", "number", "row", "cells"), ANSWERED)
def test_an_answer_is_published_as_it_was_meant(
    quarantined, answers, lake, table, number, row, cells
):
    answer = answers[table.source, cells["response_id"]]
    assert {name: answer[name] for name in row.found} == row.found
    assert (table.name, number) not in quarantined
    # what was normalised stays in the lake as it was delivered
    raw = lake[table.name, number]
    kept = [name for name in ("score", "email", "comment") if name in cells]
    assert {name: raw[name] for name in kept} == {name: cells[name] or None for name in kept}


@pytest.mark.parametrize(("table", "number", "row", "cells"), KEPT)
def test_a_good_row_of_another_entity_is_not_quarantined(quarantined, table, number, row, cells):
    assert (table.name, number) not in quarantined


def test_there_is_a_case_of_every_reason_that_a_row_may_have():
    lines = (e2e.REPOSITORY / "seeds/reject_reasons.csv").read_text("utf-8").splitlines()[1:]
    known = {line.split(",")[0] for line in lines if "row" in line.split(",")[1]}
    in_files = {reason for _, reason, _ in crooked.BROKEN_ROWS} | {
        "invalid_json"
    }  # the sample has it
    # excluded rows are counted apart: they are in no quarantine
    assert {param.values[2].reason for param in REJECTED} | in_files == known - {"excluded"}


def test_nothing_else_is_quarantined(quarantined):
    expected = {(param.values[0].name, param.values[1]) for param in REJECTED}
    expected |= {("files/32 rows.csv", number) for number, _, _ in crooked.BROKEN_ROWS}
    expected |= {("crm/customers_20260601.csv", 2)}
    assert set(quarantined) == expected


def test_rows_that_ingest_cannot_read_keep_their_line(quarantined):
    for number, reason, text in crooked.BROKEN_ROWS:
        assert quarantined["files/32 rows.csv", number] == (reason, text)


# (id, score of the answer that counts; None: none does)
CORRECTED = {
    "37 identical duplicate": ("R37", 9),
    "81 newer version": ("R81", 3),
    "82 older version that comes later": ("R81", 3),
    "83 tombstone": ("R83", None),
    "84 tombstone before its insert": ("R84", None),
}


@pytest.mark.parametrize("case", CORRECTED)
def test_a_correction_counts_in_whatever_order_it_comes(answers, case):
    response_id, score = CORRECTED[case]
    found = answers.get(("shop", response_id))
    assert (found and found["score"]) == score


@pytest.mark.parametrize("word", crooked.DELETIONS, ids=lambda word: f"83 {word!r}")
def test_a_tombstone_in_any_known_word(answers, quarantined, word):
    ((number, cells),) = (
        (number, cells)
        for number, _, cells in crooked.SHOP.placed()
        if cells["is_deleted"] == word and cells["response_id"].startswith("shop-")
    )
    assert ("shop", cells["response_id"]) not in answers
    assert (crooked.SHOP.name, number) not in quarantined


def test_37_81_82_83_84_rows_are_counted_as_what_became_of_them(files):
    both = [files["shop/survey_responses.csv"], files["shop/survey_responses_2.csv"]]
    bad = sum(1 for row in crooked.SHOP.rows if row.reason)
    assert {
        what: sum(file[f"rows_{what}"] for file in both)
        for what in ("delivered", "accepted", "quarantined", "duplicate", "superseded", "deleted")
    } == {
        "delivered": len(crooked.SHOP.rows) + 6,
        "accepted": len(crooked.SHOP.rows) - bad - len(crooked.DELETIONS),
        "quarantined": bad,
        "duplicate": 1,  # R37, in one of the two files
        "superseded": 3,  # the older of R81, R83 and R84
        # the tombstones of R83 and R84, and those of what never came
        "deleted": 2 + len(crooked.DELETIONS),
    }


def test_78_an_answer_after_churn_is_in_nps_and_out_of_churn(crooked_run, answers):
    (_number, _, cells) = next(
        placed for placed in crooked.SHOP.placed() if placed[1].case == "78 after churn"
    )
    key = answers["shop", cells["response_id"]]["response_key"]
    ((was_active, days),) = e2e.marts(
        crooked_run.root,
        "select was_active_at_answer, days_to_churn from marts.fct_nps_churn "
        f"where response_key = '{key}'",
    )
    assert (was_active, days) == (False, None)


def test_75_a_shared_address_multiplies_no_answer(crooked_run):
    ((rows, keys),) = e2e.marts(
        crooked_run.root,
        "select count(*), count(distinct response_key) from marts.fct_nps_responses",
    )
    assert rows == keys


def test_a_snapshot_of_the_future_is_not_known_yet(crooked_run, quarantined):
    reason, raw_text = quarantined["crm/customers_20260601.csv", 2]
    assert (reason, json.loads(raw_text)["customer_id"]) == ("future", "C2")
    regions = e2e.marts(
        crooked_run.root, "select region from marts.dim_customers where customer_id = 'C2'"
    )
    assert regions == [("south",)]


def test_62_a_time_without_a_zone_is_said_so(crooked_run):
    lines = (crooked_run.root / "lake/manifest/manifest.jsonl").read_text("utf-8").splitlines()
    found = [json.loads(line) for line in lines]
    warnings = [
        warning for line in found if line["source"] == "zoneless" for warning in line["warnings"]
    ]
    assert any("without an offset" in text and "Europe/Brussels" in text for text in warnings)
    assumed = e2e.marts(
        crooked_run.root,
        "select distinct assumed_timezone from marts.ingest_reconciliation "
        "where source = 'zoneless'",
    )
    assert assumed == [("Europe/Brussels",)]
    assert "zoneless/survey_responses" in crooked_run.run.shown("Time zone")


# --- files --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", crooked.FILES)
def test_a_file_is_loaded_or_quarantined_and_its_bytes_are_kept(crooked_run, files, name):
    odd = crooked.FILES[name]
    found = files[f"files/{name}"]
    status = "quarantined" if odd.reason else "loaded"
    assert (found["file_status"], found["file_reason"]) == (status, odd.reason)
    assert found["rows_delivered"] == odd.rows
    sha256 = hashlib.sha256(odd.content).hexdigest()
    assert found["file_sha256"] == sha256
    archived = crooked_run.root / "lake/archive" / sha256[:2] / sha256
    assert archived.read_bytes() == odd.content


def test_good_rows_of_the_files_are_published(answers):
    ids = {response_id for source, response_id in answers if source == "files"}
    assert ids == {"22", "23", "25", "251", "252", "26", "27", "28", "29", "32", "321", "323"}


def test_19_a_link_out_of_landing_is_named_and_not_read(crooked_run, files):
    found = files[f"files/{crooked.LINK}"]
    assert (found["file_status"], found["file_reason"]) == ("quarantined", "outside_landing")
    outside = crooked_run.root.parent / "outside.csv"
    sha256 = hashlib.sha256(outside.read_bytes()).hexdigest()
    assert not (crooked_run.root / "lake/archive" / sha256[:2] / sha256).exists()


def test_30_the_same_bytes_under_another_name_are_no_second_file(files):
    assert "files/30 again.csv" not in files


def test_every_file_adds_up_and_every_quarantined_row_is_there(files, quarantined):
    per_file = Counter(name for name, _ in quarantined)
    for name, file in files.items():
        parts = ("accepted", "quarantined", "duplicate", "superseded", "deleted")
        assert file["rows_delivered"] == sum(file[f"rows_{part}"] for part in parts)
        # the rows of a file refused as a whole lie in the archive, as its bytes
        rows = 0 if file["file_status"] == "quarantined" else file["rows_quarantined"]
        assert per_file[name] == rows, name


# --- what the user reads ------------------------------------------------------------------------


def test_a_run_over_bad_input_ends_well(crooked_run):
    assert crooked_run.run.code == 0, crooked_run.run.out + crooked_run.run.err
    assert "Traceback" not in crooked_run.run.out + crooked_run.run.err


def test_the_summary_lists_what_is_quarantined(crooked_run):
    rows = Counter(param.values[2].reason for param in REJECTED)
    rows += Counter(reason for _, reason, _ in crooked.BROKEN_ROWS)
    rows["future"] += 1  # the customer's snapshot
    files = Counter(odd.reason for odd in crooked.FILES.values() if odd.reason)
    files["outside_landing"] = 1
    found = re.findall(r"^ {14}(\w+) +([\d,]+) rows?$", crooked_run.run.summary, re.MULTILINE)
    listed = sorted(rows.items(), key=lambda item: (-item[1], item[0]))[:20]
    assert {reason: int(count) for reason, count in found} == dict(listed)
    found = re.findall(r"^ {14}(\w+) +(\d+) files? with", crooked_run.run.summary, re.MULTILINE)
    assert {reason: int(count) for reason, count in found} == files
    assert crooked_run.run.shown("Quarantine").startswith(
        f"{rows.total()} rows; {files.total()} whole files"
    )


def test_too_many_bad_rows_are_not_published(crooked_run):
    """The same files, with the usual bound: more than half of `shop`'s answers are bad."""
    run = crooked_run.narrow
    assert run.code == 1
    assert "Traceback" not in run.out + run.err
    assert "quarantine_rate" in run.summary
    assert "NOT PUBLISHED" in run.shown("Published")
    assert len(crooked_run.narrow_generations) == 1  # the one of the empty workspace


# --- an empty workspace -------------------------------------------------------------------------


def test_without_any_row_the_tables_are_there_and_empty(crooked_run):
    run = crooked_run.empty
    assert run.code == 0, run.out + run.err
    assert "1 file found" in run.shown("This run")
    assert "no answers yet" in run.shown("Headline")
    # of the file itself there is an account, and of every mapped column of ids that none came
    found = {name: count for name, count in crooked_run.empty_rows.items() if count}
    assert found.keys() == {"marts.ingest_reconciliation", "marts.ingest_match_rates"}
    assert found["marts.ingest_reconciliation"] == 1
    contract = {
        "dim_customers", "dim_customer_history", "dim_surveys", "fct_nps_responses",
        "fct_nps_by_period", "fct_nps_by_segment_period", "fct_nps_churn",
        "nps_outcomes_by_class", "customer_nps_features", "ingest_reconciliation",
    }  # fmt: skip
    private = {"quarantined_rows", "response_comments", "customer_identities", "nps_actions"}
    assert set(crooked_run.empty_rows) >= {f"marts.{name}" for name in contract}
    assert set(crooked_run.empty_rows) >= {f"restricted.{name}" for name in private}
    assert "No answers yet" in crooked_run.empty_report


# --- payloads -----------------------------------------------------------------------------------


@pytest.mark.parametrize("payload", crooked.PAYLOADS.values(), ids=crooked.PAYLOADS.keys())
def test_a_payload_is_text_and_nothing_else(crooked_run, answers, payload):
    (answer,) = (
        answer
        for (source, _), answer in answers.items()
        if source == "odd"
        and answer["touchpoint"] == payload.strip()
        and answer["region"] == payload
    )
    # an id with an at sign might be an address: the row's key stands for it
    if "@" in payload:
        assert payload not in (answer["response_id"], answer["customer"])
    else:
        assert (answer["response_id"], answer["customer"]) == (payload, payload)
    segments = {
        segment
        for (segment,) in e2e.marts(
            crooked_run.root,
            "select segment from marts.fct_nps_by_segment_period "
            "where dimension = 'region' and survey_type = 'relational' and time_grain = 'all'",
        )
    }
    assert payload in segments
    key = answer["response_key"]
    comments = e2e.restricted(
        crooked_run.root,
        f"select comment from restricted.response_comments where response_key = '{key}'",
    )
    assert comments == [(payload,)]


def test_parquet_holds_the_same_text(crooked_run):
    folder = crooked_run.root / "published/parquet/fct_nps_responses"
    with duckdb.connect() as connection:
        rows = connection.execute(
            f"select region from read_parquet({e2e.literal(str(folder))} || '/*.parquet') "
            "where source = 'odd'"
        ).fetchall()
    assert {region for (region,) in rows} == set(crooked.PAYLOADS.values())


def test_93_no_delivered_text_reaches_dbts_arguments_or_sql(crooked_run):
    for path in (e2e.REPOSITORY / "orchestration").rglob("*.py"):
        assert "--vars" not in path.read_text("utf-8"), path
    texts = (b"198.51.100.7", b"drop table marts", b"a\xe2\x80\x8bb", b"first\\n2026")
    written = [path for path in (crooked_run.root / "runs/dbt").rglob("*") if path.is_file()]
    assert "manifest.json" in {path.name for path in written}
    for path in written:
        content = path.read_bytes()
        assert not [text for text in texts if text in content], path


def test_96_personal_data_in_a_comment_stays_restricted(crooked_run, answers):
    (cells,) = (cells for _, row, cells in crooked.SHOP.placed() if row.case.startswith("96"))
    key = answers["shop", cells["response_id"]]["response_key"]
    assert e2e.restricted(
        crooked_run.root,
        f"select comment from restricted.response_comments where response_key = '{key}'",
    ) == [(crooked.PERSONAL,)]
    with e2e.opened(crooked_run.root / "published/nps.duckdb") as connection:
        tables = connection.execute(
            "select schema_name || '.' || table_name from duckdb_tables()"
        ).fetchall()
        assert ("marts.fct_nps_responses",) in tables
        for (table,) in tables:
            found = connection.execute(
                f"select count(*) from {table} as t where t::varchar like '%Jane Roe%'"
            ).fetchone()
            assert found == (0,), table


def test_94_names_lead_nowhere(crooked_run):
    """No payload has made a file outside, nor one of its name inside."""
    names = {path.name for path in (crooked_run.root / "published").rglob("*")}
    assert not {name for name in names if "passwd" in name or "<" in name or "{{" in name}
    beside = {path.name for path in crooked_run.root.parent.iterdir()}
    assert "etc" not in beside
    assert "passwd" not in beside


def screens(crooked_run) -> Iterator[str]:
    for run in (crooked_run.empty, crooked_run.narrow, crooked_run.run):
        yield from (run.out, run.err)


def test_95_97_no_payload_writes_on_the_screen_or_forges_a_line(crooked_run):
    for screen in screens(crooked_run):
        assert "\x1b" not in screen
        assert "\u202e" not in screen
        assert "forged" not in screen.replace("forged…", "")
        assert "\r" not in screen


def test_no_address_nor_comment_is_on_the_screen_or_in_the_logs(crooked_run):
    # three addresses, and what the comment of the first payload leads to
    secrets = ("joe+nps@example.com", "mover@example.com", "gone@example.com", "198.51.100.7")
    for screen in screens(crooked_run):
        assert not [secret for secret in secrets if secret in screen.casefold()]
    found = [path for path in (crooked_run.root / "runs").rglob("*") if path.is_file()]
    assert {"manifest.json", "dagster.yaml"} <= {path.name for path in found}
    for path in [*found, crooked_run.root / "lake/manifest/manifest.jsonl"]:
        content = path.read_bytes().lower()
        assert not [secret for secret in secrets if secret.encode() in content], path


def test_90_the_report_shows_payloads_as_text(crooked_run):
    page = (crooked_run.root / "published/report/index.html").read_text("utf-8")
    tags, attributes, links, text = set(), set(), set(), []

    class Parser(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            tags.add(tag)
            attributes.update(name for name, _ in attrs)
            links.update(value or "" for name, value in attrs if name == "href")

        def handle_data(self, data: str) -> None:
            text.append(data)

    Parser().feed(page)
    assert not tags & {"script", "img", "iframe", "object", "link", "base", "form"}
    assert not {name for name in attributes if name.startswith("on") or name == "src"}
    # to the report's own pages
    assert all(re.fullmatch("#[a-z-]+", link) for link in links)
    assert crooked.SCRIPT in text  # the name of a region, in the table of regions
    assert "\u202e" not in page
    assert "\x1b" not in page
    assert "jane@example.com" not in page


# --- mistakes in workspace.yml ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"curency": "EUR"}, "workspace.yml: unknown key 'curency'; did you mean 'currency'?"),
        ({"timezone": "Mars/Base"}, "workspace.yml: timezone: 'Mars/Base' is not a time zone"),
        ({"segments": ["plan"]}, "workspace.yml: segments: 'plan' is an attribute of no source"),
        ({"min_group_size": 0}, "workspace.yml: min_group_size: 0 must be at least 1"),
    ],
)
def test_a_mistake_in_the_workspace_is_one_clear_line(tmp_path, changes, found):
    e2e.declare(tmp_path, crooked.settings())
    e2e.redeclare(tmp_path, **changes)
    run = e2e.run(tmp_path, "run")
    assert run.code == 2
    (line,) = run.err.splitlines()
    assert line.startswith(found)
    assert "Traceback" not in run.out


def test_a_missing_workspace_is_one_clear_line(tmp_path):
    run = e2e.run(tmp_path / "nowhere", "run")
    assert run.code == 2
    (line,) = run.err.splitlines()
    assert line.startswith("workspace.yml: not found in ")
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("name", ["a[b]", "a*", "what?"])
def test_a_folder_that_programs_take_for_a_pattern_is_one_clear_line(tmp_path, name):
    e2e.declare(tmp_path / name, crooked.settings())
    run = e2e.run(tmp_path / name, "run")
    assert run.code == 2
    (line,) = run.err.splitlines()
    assert "rename the folder" in line
    assert sorted(path.name for path in (tmp_path / name).iterdir()) == ["workspace.yml"]
