"""Laws that hold for any rows: compiled models run on random tables in memory.

One law or reference at a time; the minimal examples stand beside the models as unit tests.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections import Counter, defaultdict
from datetime import date, datetime, timedelta

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from dbt_support import compiled, empty_database, nodes, rebuild
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestration.workspace.entities import ENTITIES

# Random rows for a database that is made once: what an example leaves, the next replaces.
QUIET = settings(
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

# --- what becomes of delivered rows -------------------------------------------------------------

JUDGED = '"nps"."intermediate"."int_survey_responses_classified"'
DELIVERED = pa.schema(
    [
        ("source", pa.string()),
        ("response_id", pa.string()),
        ("updated_at", pa.timestamp("us")),
        ("is_deleted", pa.bool_()),
        ("row_hash", pa.string()),
        ("file_sha256", pa.string()),
        ("row_number", pa.int64()),
        ("reject_reason", pa.string()),
    ]
)
VERSIONS = [None, *(datetime(2025, 1, day) for day in (1, 2, 3))]


def _hash(content: str) -> str:
    return hashlib.md5(content.encode(), usedforsecurity=False).hexdigest()


@st.composite
def deliveries(draw: st.DrawFn) -> list[dict]:
    """Rows of few keys, versions and contents in three files, so that they meet often."""
    rows = []
    for number in range(draw(st.integers(1, 12))):
        content = draw(st.sampled_from("abc"))
        deleted = draw(st.integers(0, 4)) == 0
        refused = draw(st.sampled_from((*[None] * 12, "score_missing", "excluded")))
        # a tombstone needs no score, and no rule excludes it
        refused = None if deleted else refused
        rows.append(
            {
                "source": "telco",
                "response_id": draw(st.sampled_from("xyz")),
                "updated_at": draw(st.sampled_from(VERSIONS)),
                "is_deleted": deleted,
                # equal content, equal hash; a tombstone is never an answer's equal
                "row_hash": _hash(f"{content} {deleted} {refused}"),
                "file_sha256": draw(st.sampled_from(("file 1", "file 2", "file 3"))),
                "row_number": number,
                "reject_reason": refused,
            }
        )
    return rows


@pytest.fixture(scope="module")
def judging():
    query = compiled("int_survey_responses_versioned")
    described = nodes("model")["int_survey_responses_versioned"]["columns"]
    others = "".join(f", null as {name}" for name in described if name not in DELIVERED.names)
    with duckdb.connect(":memory:") as connection:
        connection.execute("attach ':memory:' as nps")
        connection.execute("create schema nps.intermediate")
        # for a few rows, plans and threads cost more than they bring
        connection.execute("set threads = 1")
        connection.execute("pragma disable_optimizer")

        connection.register("no_rows", DELIVERED.empty_table())
        connection.execute(f"create table {JUDGED} as select *{others} from no_rows")
        # planned once
        connection.execute(f"prepare empty as delete from {JUDGED}")
        connection.execute(f"prepare judged as {query}")

        def judge(**deliveries: list[dict]) -> dict[str, list[dict]]:
            """Judge several deliveries at once; sources keep them apart."""
            rows = [{**row, "source": name} for name, part in deliveries.items() for row in part]
            connection.register("delivered", pa.Table.from_pylist(rows, schema=DELIVERED))
            connection.execute("execute empty")
            connection.execute(f"insert into {JUDGED} by name from delivered")
            judged = {name: [] for name in deliveries}
            for row in connection.execute("execute judged").to_arrow_table().to_pylist():
                judged[row.pop("source")].append(row)
            return judged

        yield judge


def _content(row: dict) -> tuple:
    return row["response_id"], row["updated_at"], row["is_deleted"], row["row_hash"]


def _fates(rows: list[dict], *statuses: str) -> Counter:
    """How often which content met with which fate, whatever the file."""
    return Counter(
        (*_content(row), row["row_status"], row["reject_reason"])
        for row in rows
        if not statuses or row["row_status"] in statuses
    )


STATUSES = ("accepted", "quarantined", "duplicate", "superseded", "deleted", "excluded")


@settings(QUIET, max_examples=1000)
@given(rows=deliveries(), data=st.data())
def test_any_order_split_or_repetition_gives_the_same_tables(judging, rows, data):
    places = data.draw(st.permutations(range(len(rows))))
    files = data.draw(
        st.lists(st.sampled_from("pqrstu"), min_size=len(rows), max_size=len(rows)), "files"
    )
    replayed = data.draw(st.sampled_from(("file 1", "file 2", "file 3")))
    judged = judging(
        as_delivered=rows,
        # the rows come in another order, and in other files than their neighbours
        otherwise=[
            {**rows[place], "file_sha256": file, "row_number": number}
            for number, (place, file) in enumerate(zip(places, files, strict=True))
        ],
        replayed=rows
        + [{**row, "file_sha256": "replay"} for row in rows if row["file_sha256"] == replayed],
    )
    first = judged["as_delivered"]

    # every row is somewhere, once, and refused rows stay refused for their reason
    assert {(row["file_sha256"], row["row_number"]) for row in first} == {
        (row["file_sha256"], row["row_number"]) for row in rows
    }
    assert len(first) == len(rows)
    delivered = {row["row_number"]: row for row in rows}
    for row in first:
        assert row["row_status"] in STATUSES
        is_out = row["row_status"] in ("quarantined", "excluded")
        assert is_out == (row["reject_reason"] is not None)
        assert (row["row_status"] == "excluded") == (row["reject_reason"] == "excluded")
        given_reason = delivered[row["row_number"]]["reject_reason"]
        assert row["reject_reason"] in (
            (given_reason,) if given_reason else (None, "conflicting_duplicate")
        )
    # a key has one truth at most
    truths = Counter(
        row["response_id"] for row in first if row["row_status"] in ("accepted", "deleted")
    )
    assert all(count == 1 for count in truths.values())

    # the order of rows and the files they come in mean nothing
    assert _fates(judged["otherwise"]) == _fates(first)

    # a file that comes again changes no truth and adds none
    again = _fates(judged["replayed"], "accepted", "deleted")
    assert again == _fates(first, "accepted", "deleted")
    # and disputes no more than before
    disputed = set(_fates(first, "quarantined"))
    assert set(_fates(judged["replayed"], "quarantined")) == disputed


@settings(QUIET, max_examples=1000)
@given(rows=deliveries(), data=st.data())
def test_a_tombstone_wins_from_any_position(judging, rows, data):
    """One without a version is a standing order; another removes what is no newer than it."""
    key = data.draw(st.sampled_from("xyz"))
    newest = max((row["updated_at"] for row in rows if row["updated_at"]), default=VERSIONS[1])
    tombstone = {
        "response_id": key,
        "updated_at": data.draw(st.sampled_from((None, newest, newest + timedelta(1)))),
        "is_deleted": True,
        "row_hash": _hash("the tombstone"),
        "file_sha256": data.draw(st.sampled_from(("0", "file 1", "file 2", "z"))),
        "reject_reason": None,
    }
    place = data.draw(st.integers(0, len(rows)), "position")
    together = [*rows[:place], tombstone, *rows[place:]]
    judged = judging(
        as_delivered=rows,
        removed=[{**row, "row_number": number} for number, row in enumerate(together)],
    )
    of_the_key = [row for row in judged["removed"] if row["response_id"] == key]
    assert Counter(row["row_status"] for row in of_the_key)["deleted"] == 1
    assert not [row for row in of_the_key if row["row_status"] == "accepted"]
    # and nothing else is removed
    others = [
        [row for row in judged[name] if row["response_id"] != key]
        for name in ("as_delivered", "removed")
    ]
    assert _fates(others[0]) == _fates(others[1])


@settings(QUIET, max_examples=30)
@given(rows=deliveries())
def test_the_newest_undisputed_version_is_accepted(judging, rows: list[dict]):
    """Against the rule written again in Python."""
    expected = {}
    for key in "xyz":
        # a newer version that takes an answer back is refused itself, and leaves no older one
        valid = [
            row
            for row in rows
            if row["response_id"] == key
            and (
                not row["reject_reason"]
                or (
                    row["reject_reason"] in ("test_answer", "score_missing", "excluded")
                    and row["updated_at"]
                )
            )
        ]
        if not valid:
            continue
        if any(row["is_deleted"] and row["updated_at"] is None for row in valid):
            continue
        newest = max(row["updated_at"] or datetime.min for row in valid)
        candidates = [row for row in valid if (row["updated_at"] or datetime.min) == newest]
        hashes = {row["row_hash"] for row in candidates}
        gone = any(row["is_deleted"] or row["reject_reason"] for row in candidates)
        if not gone and len(hashes) == 1:
            expected[key] = hashes.pop()
    accepted = {
        row["response_id"]: row["row_hash"]
        for row in judging(telco=rows)["telco"]
        if row["row_status"] == "accepted"
    }
    assert accepted == expected


# --- scores of periods and segments -------------------------------------------------------------

GRAINS = {"day": "D", "week": "W-SUN", "month": "M", "quarter": "Q", "year": "Y"}
# Days around the ends of weeks, months, quarters, years and a February of 29 days.
DAYS = [
    date(2023, 12, 31),
    date(2024, 1, 1),
    date(2024, 2, 29),
    date(2024, 3, 1),
    date(2024, 3, 31),
    date(2024, 12, 29),
    date(2024, 12, 30),
    date(2024, 12, 31),
    date(2025, 1, 1),
    date(2025, 1, 5),
    date(2025, 1, 6),
]
ANSWERED = pa.schema(
    [
        ("voice_key", pa.string()),
        ("metric", pa.string()),
        ("survey_type", pa.string()),
        ("score", pa.int32()),
        ("contribution", pa.int32()),
        ("region", pa.string()),
        ("responded_at", pa.timestamp("us")),
        ("responded_on", pa.date32()),
        ("version_at", pa.timestamp("us")),
        ("response_id", pa.string()),
        ("source", pa.string()),
    ]
)


@st.composite
def answers(draw: st.DrawFn) -> list[dict]:
    rows = []
    for number in range(draw(st.integers(1, 25))):
        day = draw(st.sampled_from(DAYS))
        hour = draw(st.sampled_from((0, 12, 23)))
        # what a score contributes is not looked up: two scores of each contribution
        score = draw(st.integers(0, 5))
        rows.append(
            {
                "voice_key": draw(st.sampled_from("abc")),
                "metric": draw(st.sampled_from(("nps", "nps", "csat"))),
                "survey_type": draw(st.sampled_from(("relational", "relational", "transactional"))),
                "score": score,
                "contribution": (-100, 0, 100)[score % 3],
                "region": draw(st.sampled_from(("north", "south", None))),
                "responded_at": datetime(day.year, day.month, day.day, hour),
                "responded_on": day,
                "version_at": draw(st.sampled_from(VERSIONS)),
                "response_id": str(number),
                "source": "telco",
            }
        )
    return rows


MIN_GROUP_SIZE = 3
PRIORS = {"nps": (0.75, 1.5, 0.75), "csat": (2, 2, 0)}
Z = 1.959963984540054


def reference(rows: list[dict]) -> dict[tuple, tuple]:
    """Counts by (grain, start, end, basis, metric, survey type, region), by pandas' own periods."""
    frame = pd.DataFrame(rows)
    frame["region"] = frame["region"].fillna("(unknown)")
    version = pd.to_datetime(frame["version_at"]).astype("datetime64[us]")
    frame["version_at"] = version.fillna(pd.Timestamp(1900, 1, 1))
    frame["length"] = frame["response_id"].str.len()  # numbers count as numbers: 9 before 10
    frame = frame.sort_values(["responded_at", "version_at", "length", "response_id"])
    series = ["metric", "survey_type"]
    days = pd.to_datetime(frame["responded_on"])
    grains = []
    for grain, rule in GRAINS.items():
        periods = days.dt.to_period(rule)
        starts, ends = periods.dt.start_time.dt.date, periods.dt.end_time.dt.date
        grains.append(frame.assign(grain=grain, start=starts, end=ends))
    spans = frame.groupby(series)["responded_on"]
    starts, ends = spans.transform("min"), spans.transform("max")
    grains.append(frame.assign(grain="all", start=starts, end=ends))
    every = pd.concat(grains)
    last = every.groupby(["grain", "start", *series, "voice_key"]).tail(1)
    voices = pd.concat([every.assign(basis="responses"), last.assign(basis="customers")])
    cells = ["grain", "start", "end", "basis", *series, "region"]
    sizes = voices.groupby([*cells, "contribution"]).size().unstack(fill_value=0)
    sizes = sizes.reindex(columns=[100, 0, -100], fill_value=0)
    return {cell: tuple(map(int, counts)) for cell, *counts in sizes.itertuples(name=None)}


def figures(metric: str, top: int, middle: int, bottom: int) -> list[float | None]:
    """Score, standard error and interval, NULL for a cell that is too small."""
    if top + middle + bottom < MIN_GROUP_SIZE:
        return [None] * 4

    def wald(p: float, m: float, d: float) -> tuple[float, float]:
        n = p + m + d
        score = (p - d) / n
        return 100 * score, 100 * math.sqrt(max(0, (p + d) / n - score**2) / n)

    prior = PRIORS[metric]
    score, error = wald(top, middle, bottom)
    centre, adjusted = wald(top + prior[0], middle + prior[1], bottom + prior[2])
    low, high = centre - Z * adjusted, centre + Z * adjusted
    # answers of one class alone have no spread: the adjusted error stands in
    is_one_class = top + middle + bottom == max(top, middle, bottom)
    return [score, adjusted if is_one_class else error, max(-100, low), min(100, high)]


@pytest.fixture(scope="module")
def counting():
    tables = ("int_nps_scores_counted", "int_nps_days_counted", "int_periods_scored")
    identified = '"nps"."marts"."fct_nps_responses"'
    with empty_database() as connection:
        # for a few rows, thinking about a plan takes longer than a bad plan
        connection.execute("pragma disable_optimizer")
        connection.execute(
            f"insert into nps.raw.workspace (min_group_size) values ({MIN_GROUP_SIZE})"
        )

        def count(rows: list[dict]) -> tuple[list[dict], list[dict]]:
            connection.register("answered", pa.Table.from_pylist(rows, schema=ANSWERED))
            connection.execute(f"delete from {identified}")
            connection.execute(f"insert into {identified} by name from answered")
            rebuild(connection, tables)
            return tuple(
                connection.execute(compiled(model)).to_arrow_table().to_pylist()
                for model in ("fct_nps_by_period", "fct_nps_by_segment_period")
            )

        yield count


@settings(QUIET, max_examples=50)
@given(rows=answers())
def test_scores_of_all_periods_agree_with_pandas(counting, rows: list[dict]):
    periods, segments = counting(rows)
    by_region = reference(rows)
    totals = defaultdict(lambda: (0, 0, 0))
    for (*cell, _), counts in by_region.items():
        totals[tuple(cell)] = tuple(map(sum, zip(totals[tuple(cell)], counts, strict=True)))
    regions = [row for row in segments if row["dimension"] == "region"]
    assert _counts(periods) == totals
    assert _counts(regions, "segment") == by_region
    for row in itertools.chain(periods, segments):
        counts = row["promoters"], row["passives"], row["detractors"]
        assert row["responses"] == sum(counts)
        assert row["is_suppressed"] == (sum(counts) < MIN_GROUP_SIZE)
        got = [row[name] for name in ("nps", "standard_error", "ci_low", "ci_high")]
        assert got == pytest.approx(figures(row["metric"], *counts), abs=1e-9)

    # every dimension adds up to the total, in both bases
    names = ("time_grain", "period_start", "basis", "metric", "survey_type")
    responses = Counter({tuple(row[name] for name in names): row["responses"] for row in periods})
    for dimension in {row["dimension"] for row in segments}:
        added = Counter()
        for row in segments:
            if row["dimension"] == dimension:
                added[tuple(row[name] for name in names)] += row["responses"]
        assert added == responses, dimension


def _counts(rows: list[dict], *by: str) -> dict[tuple, tuple]:
    names = ("time_grain", "period_start", "period_end", "basis", "metric", "survey_type", *by)
    counts = {
        tuple(row[name] for name in names): (row["promoters"], row["passives"], row["detractors"])
        for row in rows
    }
    assert len(counts) == len(rows)
    return counts


# --- what is set aside --------------------------------------------------------------------------


EXTRA = '{"unmapped": "cell"}'


def test_a_quarantined_row_is_kept_as_it_was_delivered():
    """Of every entity: the cells that were filled, mapped or not, whatever is in them."""
    text = 'said "no", then\nleft; 1 < 2 \\ '
    cells = {}
    with empty_database() as connection:
        for number, (name, entity) in enumerate(ENTITIES.items()):
            cells[name] = dict.fromkeys(entity.column_names[::2], text)
            raw = {
                **cells[name],
                "_extra": EXTRA,
                "_source": "telco",
                "_file_sha256": "f",
                "_file_name": "f.csv",
                "_row_number": number,
                "_row_hash": _hash(name),
            }
            columns = ", ".join(f'"{column}"' for column in raw)
            marks = ", ".join("?" for _ in raw)
            connection.execute(
                f"insert into nps.raw.{name} ({columns}) values ({marks})", [*raw.values()]
            )
            connection.executemany(
                f"insert into nps.intermediate.int_{name}_versioned "
                "(source, file_sha256, row_number, row_hash, row_status, reject_reason) "
                "values (?, ?, ?, ?, ?, ?)",
                [
                    ("telco", "f", number, _hash(name), "quarantined", "missing_id"),
                    # another answer of the same row
                    ("telco", "f", number, _hash("other"), "quarantined", "missing_id"),
                    ("other", "f", number, _hash(name), "quarantined", "missing_id"),
                    ("telco", "g", number, _hash(name), "accepted", None),
                ],
            )
        connection.execute(
            """
            insert into nps.raw.rejected_rows by name
            select 'telco' as _source, 'leads' as _entity, 'h' as _file_sha256,
                'h.csv' as _file_name, 7 as _row_number, 'wrong_width' as reason, '1;2' as raw_text
            """
        )
        kept = connection.execute(compiled("quarantined_rows")).to_arrow_table().to_pylist()
    unread = [row for row in kept if row["file_sha256"] == "h"]
    assert unread == [
        {
            "source": "telco",
            "entity": "leads",
            "file_sha256": "h",
            "file_name": "h.csv",
            "row_number": 7,
            "reason": "wrong_width",
            "raw_text": "1;2",
        }
    ]
    refused = {row["entity"]: row for row in kept if row["file_sha256"] == "f"}
    assert len(kept) == len(refused) + 1
    for number, name in enumerate(ENTITIES):
        row = refused[name]
        assert json.loads(row["raw_text"]) == {**cells[name], "_extra": EXTRA}, name
        assert (row["row_number"], row["reason"]) == (number, "missing_id")
