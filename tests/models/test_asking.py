"""Who is asked, who answers and for whom they stand: compiled models against pandas and scipy.

A hundred random cases at a time, kept apart by survey type, dimension or source, so that the SQL
runs once; then every setting and seed that a model reads, changed without touching any code.
"""

from __future__ import annotations

import itertools
import math
import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from dbt_support import compiled, empty_database, rebuild
from scipy import stats

CASES = range(100)
Z = stats.norm.ppf(0.975)
AS_OF = date(2025, 12, 31)
SETTINGS = {
    "as_of_on": AS_OF,
    "as_of_at": datetime(2026, 1, 1),
    "timezone": "UTC",
    "min_group_size": 5,
    "quarantine_days": 90,
}
Rows = list[dict[str, Any]]
PRIORS = {"nps": (0.75, 1.5, 0.75), "csat": (2, 2, 0)}


def near(expected: Any) -> Any:
    """Equal within 1e-9; NULL, texts and dates exactly."""
    return pytest.approx(expected, rel=1e-9, abs=1e-9) if isinstance(expected, float) else expected


# The intermediate models that a model is built from and that no test gives, in the order of the build.
STEPS = {
    "int_customer_base_counted": ("int_customer_stays_dated", "int_customer_moves_counted"),
    "nps_weighted_by_period": ("int_strata_summed",),
    "survey_fatigue": ("int_customer_sources_described",),
    "nps_nonresponse_bias": (
        "int_invitations_followed",
        "int_landmarks_classified",
        "int_first_landmarks_chosen",
        "int_invitations_measured",
        "int_invitation_groups_averaged",
    ),
}


def rows_of(database: duckdb.DuckDBPyConnection, name: str) -> Rows:
    """The model's rows on the tables as they are, after a rebuild of its intermediate models."""
    rebuild(database, STEPS.get(name, ()))
    return database.execute(compiled(name)).to_arrow_table().to_pylist()


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with empty_database() as connection:
        yield connection


@pytest.fixture
def run(database) -> Iterator[Callable[..., Rows]]:
    """Runs a model on the tables given by name; every other table is empty, the seeds are full."""
    database.execute("begin")

    def filled(relation: str, rows: Rows) -> None:
        database.execute(f"delete from {relation}")
        if rows:
            columns = list(dict.fromkeys(column for row in rows for column in row))
            table = pa.table({c: pa.array([row.get(c) for row in rows]) for c in columns})
            database.register("given", table)
            database.execute(f"insert into {relation} by name from given")

    def model(name: str, **tables: Rows) -> Rows:
        filled("raw.workspace", [SETTINGS])
        for table, rows in tables.items():
            schema, relation = table.split("__")
            filled(f"{schema}.{relation}", rows)
        return rows_of(database, name)

    yield model
    database.execute("rollback")


def by(rows: Rows, *keys: str) -> dict[tuple, dict]:
    """Rows by their key, which is unique."""
    found = {tuple(row[key] for key in keys): row for row in rows}
    assert len(found) == len(rows)
    return found


# --- what became of an invitation ---------------------------------------------------------------

EVENTS = ("delivered_at", "opened_at", "responded_at", "bounced_at", "opted_out_at")
FLAGS = ("is_bounced", "is_delivered", "is_opened", "is_responded", "is_scored", "is_opted_out")


def flags_by_rule(noted: dict, mapped: set, answer: str | None) -> tuple:
    """The flags of an invitation by the rules, written again in Python with sets of what is true."""
    linked = "invitation_id" in mapped
    scored = True if answer == "accepted" else (False if linked else None)
    true = {event for event in EVENTS if noted[event]}
    if answer in ("accepted", "mistake"):
        true |= {"responded_at"}
    bounced_noted = "bounced_at" in true
    if "responded_at" in true:
        true |= {"opened_at"}
    if "opened_at" in true or ("delivered_at" in true and not bounced_noted):
        true |= {"arrived"}
    false = {event for event in EVENTS if event in mapped and event not in true}
    if linked and "responded_at" not in true:
        false |= {"responded_at"}
    if "arrived" not in true:
        if bounced_noted or "delivered_at" in mapped:
            false |= {"arrived"}
        elif "bounced_at" in mapped:
            true |= {"arrived"}

    def known(event: str) -> bool | None:
        return True if event in true else (False if event in false else None)

    names = ("bounced_at", "arrived", "opened_at", "responded_at")
    return (*map(known, names), scored, known("opted_out_at"))


def invited(seed: int) -> tuple[Rows, Rows, Rows, dict]:
    """Mapped columns, invitations and answers of a hundred sources, and the flags to expect."""
    rng = random.Random(seed)
    mapped_columns, invitations, answers, expected = [], [], [], {}
    for case in CASES:
        source = f"source {case}"
        mapped = {column for column in (*EVENTS, "invitation_id") if rng.random() < 0.5}
        for column in mapped:
            entity = "survey_responses" if column == "invitation_id" else "survey_invitations"
            mapped_columns.append({"source": source, "entity": entity, "column_name": column})
        for number in range(12):
            key = f"{case} {number}"
            sent_at = datetime(2025, 6, 1) + timedelta(hours=rng.randrange(2000))
            # what a source does not map it cannot note
            noted = {
                event: sent_at + timedelta(hours=1)
                if event in mapped and rng.random() < 0.4
                else None
                for event in EVENTS
            }
            happened = dict(noted)
            # dated at or after the end of as_of: has not happened yet
            for event in EVENTS:
                if event in mapped and noted[event] is None and rng.random() < 0.1:
                    noted[event] = SETTINGS["as_of_at"] + timedelta(hours=rng.randrange(3))
            answer = None
            if "invitation_id" in mapped:
                answer = rng.choice((None, None, "accepted", "mistake", "future"))
            if answer:
                accepted = answer == "accepted"
                reason = {"accepted": None, "mistake": "score_out_of_range"}.get(answer, answer)
                answers.append(
                    {
                        "invitation_key": key,
                        "row_status": "accepted" if accepted else "quarantined",
                        "reject_reason": reason,
                    }
                )
            row = {"invitation_key": key, "source": source, "sent_at": sent_at, **noted}
            invitations.append({**row, "row_status": "accepted"})
            expected[key] = flags_by_rule(happened, mapped, answer)
    return mapped_columns, invitations, answers, expected


def test_an_invitation_is_followed_as_far_as_its_source_tells(run):
    mapped_columns, invitations, answers, expected = invited(1)
    rows = run(
        "int_invitations_identified",
        raw__mapped_columns=mapped_columns,
        intermediate__int_survey_invitations_versioned=invitations,
        intermediate__int_survey_responses_versioned=answers,
    )
    assert {row["invitation_key"]: tuple(row[flag] for flag in FLAGS) for row in rows} == expected
    # the law that the rules stand for
    order = {None: None, False: 0, True: 1}
    for row in rows:
        chain = [order[row[flag]] for flag in ("is_scored", "is_responded", "is_opened")]
        chain.append(order[row["is_delivered"]])
        for narrow, wide in itertools.pairwise(chain):
            assert narrow != 1 or wide == 1, row


# --- response rates -----------------------------------------------------------------------------

PERIODS = {"day": "D", "week": "W-SUN", "month": "M", "quarter": "Q", "year": "Y"}
NARROWING = ("delivered", "opened", "responded", "scored")


def sendings(seed: int) -> Rows:
    """Invitations of a hundred survey types, whose flags narrow down; some sources are mute."""
    rng = random.Random(seed)
    rows = []
    for case in CASES:
        reports = {flag: rng.random() < 0.8 for flag in ("bounced", "opted_out", *NARROWING)}
        start = date(2024, 12, 1) + timedelta(days=rng.randrange(300))
        for _ in range(rng.randrange(1, 40)):
            reached = rng.randrange(len(NARROWING) + 1)
            flags = {name: place < reached for place, name in enumerate(NARROWING)}
            flags |= {"bounced": reached == 0, "opted_out": rng.random() < 0.1}
            rows.append(
                {
                    "source": f"source {case}",
                    "survey_key": f"k{case}",
                    "survey_id": f"s{case}",
                    "metric": "nps",
                    "survey_type": f"type {case}",
                    "channel": rng.choice(("email", "sms", None)),
                    "sent_on": start + timedelta(days=rng.choice((0, 0, 1, 5, 31, 90))),
                    **{f"is_{n}": value if reports[n] else None for n, value in flags.items()},
                }
            )
    return rows


def test_response_rates_agree_with_pandas_and_scipy(run):
    frame = pd.DataFrame(sendings(2))
    frame["channel"] = frame["channel"].fillna("(unknown)")
    days = pd.to_datetime(frame["sent_on"])
    grains = []
    for grain, rule in PERIODS.items():
        periods = days.dt.to_period(rule)
        starts, ends = periods.dt.start_time.dt.date, periods.dt.end_time.dt.date
        grains.append(frame.assign(grain=grain, start=starts, end=ends))
    spans = frame.groupby("survey_type")["sent_on"]
    starts, ends = spans.transform("min"), spans.transform("max")
    grains.append(frame.assign(grain="all", start=starts, end=ends))
    every = pd.concat(grains)
    rows = run("fct_response_rates", intermediate__int_invitations_identified=sendings(2))
    found = by(rows, "time_grain", "cohort_start", "survey_id", "channel")
    cells = every.groupby(["grain", "start", "survey_id", "channel"])
    assert found.keys() == set(cells.groups)
    few = waiting = 0
    for key, cell in cells:
        row, end = found[key], cell["end"].iloc[0]
        sent = len(cell)
        assert (row["sent"], row["cohort_end"]) == (sent, end)
        counts = {}
        for name in ("bounced", "opted_out", *NARROWING):
            flags = cell[f"is_{name}"]
            counts[name] = None if flags.isna().any() else int(flags.astype(bool).sum())
            assert row[name] == counts[name]
        delivered, opened, scored = (counts[n] for n in ("delivered", "opened", "scored"))
        shown = sent >= SETTINGS["min_group_size"]
        assert row["is_suppressed"] == (not shown)
        assert row["is_settled"] == (cell["sent_on"].max() + timedelta(days=30) < AS_OF)
        rated = shown and delivered is not None
        assert row["delivery_rate"] == (near(delivered / sent) if rated else None)
        known = rated and delivered >= SETTINGS["min_group_size"]
        few += rated and not known
        waiting += row["is_settled"] != (end + timedelta(days=30) < AS_OF)
        opens = known and opened is not None
        assert row["open_rate"] == (near(opened / delivered) if opens else None)
        figures = [row[n] for n in ("response_rate", "standard_error", "ci_low", "ci_high")]
        if not (known and scored is not None):
            assert figures == [None] * 4
            continue
        interval = stats.binomtest(scored, delivered).proportion_ci(0.95, method="wilson")
        rate = scored / delivered
        # of none and of all, Agresti and Coull 1998: half of z^2 more on either side
        extra = Z**2 if rate in (0, 1) else 0
        adjusted = (scored + extra / 2) / (delivered + extra)
        error = math.sqrt(adjusted * (1 - adjusted) / (delivered + extra))
        assert figures == pytest.approx([rate, error, *interval], abs=1e-9)
    shown = [row for row in rows if row["response_rate"] is not None]
    assert len(shown) > 100
    assert few > 10
    assert waiting > 10


# --- non-response -------------------------------------------------------------------------------

WINDOWS = (14, 30, 180)
RESPONSE_DAYS = 30


def asked(seed: int) -> dict[str, Rows]:
    """Invitations of a hundred survey types to customers of their own, with money and churn."""
    rng = random.Random(seed)
    invitations, lifecycles, money = [], [], []
    for case in CASES:
        dated, paying, leaving = (rng.random() < 0.85 for _ in range(3))
        for number in range(rng.randrange(2, 40)):
            key = f"{case} {number}"
            signed_up_at = datetime(2024, 1, 1) + timedelta(hours=rng.randrange(8000))
            churned_at = signed_up_at + timedelta(hours=rng.randrange(24 * 700))
            lifecycles.append(
                {
                    "customer_key": key,
                    "signed_up_at": signed_up_at if dated and rng.random() < 0.9 else None,
                    "churned_at": churned_at if leaving and rng.random() < 0.6 else None,
                    "has_churn_information": leaving,
                    "has_mrr_information": paying,
                }
            )
            for _ in range(rng.randrange(4)):
                moved_at = signed_up_at + timedelta(hours=rng.randrange(10_000))
                change = round(rng.uniform(-50, 200), 2)
                money.append({"customer_key": key, "moved_at": moved_at, "mrr_change": change})
            for turn in range(rng.randrange(1, 4)):
                # some of them before they signed up: one of the two dates is wrong
                sent_at = signed_up_at + timedelta(hours=rng.randrange(-1000, 15_000))
                sent_at = min(sent_at, datetime(2025, 12, 31))
                late = sent_at + timedelta(hours=rng.randrange(24 * 45))
                invitations.append(
                    {
                        "invitation_key": f"{key} {turn}",
                        "customer_key": rng.choice((key, key, key, key, None)),
                        "metric": "nps",
                        "survey_type": f"type {case}",
                        "sent_at": sent_at,
                        "sent_on": sent_at.date(),
                        "is_bounced": rng.choice((False, False, False, None, True)),
                        "is_responded": rng.choice((True, True, False, False, None)),
                        # in time, after the landmark, or nobody knows when
                        "answered_at": rng.choice((late, late, None)),
                    }
                )
    return {
        "intermediate__int_invitations_identified": invitations,
        "intermediate__int_customer_lifecycles_dated": lifecycles,
        "intermediate__int_customer_money_moved": money,
        "raw__churn_windows": [{"window_days": window} for window in WINDOWS],
    }


def first_invitations(tables: dict[str, Rows]) -> dict[tuple[str, str], tuple[dict, bool]]:
    """Each customer's first invitation, and whether it can be compared, by survey type and customer."""
    lifecycles = {
        r["customer_key"]: r for r in tables["intermediate__int_customer_lifecycles_dated"]
    }
    found: dict[tuple[str, str], tuple[dict, bool]] = {}
    for row in sorted(
        tables["intermediate__int_invitations_identified"],
        key=lambda row: (row["sent_at"], row["invitation_key"]),
    ):
        life = lifecycles.get(row["customer_key"])
        if life is None or row["is_responded"] is None:
            continue
        if row["is_bounced"] and not row["is_responded"]:
            continue
        landmark = row["sent_at"] + timedelta(days=RESPONSE_DAYS)
        left = life["churned_at"]
        is_compared = left is None or left > landmark
        is_compared &= (AS_OF - row["sent_on"]).days >= RESPONSE_DAYS
        place = row["survey_type"], row["customer_key"]
        if place not in found or (is_compared and not found[place][1]):
            found[place] = row | life, is_compared
    return found


def samples(tables: dict[str, Rows]) -> pd.DataFrame:
    """One row for each customer and measure it has: survey type, measure, window, group, value."""
    money = defaultdict(list)
    for row in tables["intermediate__int_customer_money_moved"]:
        money[row["customer_key"]].append(row)
    found = []
    for row, is_compared in first_invitations(tables).values():
        in_time = (row["answered_at"] or row["sent_at"]) - row["sent_at"]
        answered = bool(row["is_responded"]) and in_time <= timedelta(days=RESPONSE_DAYS)
        group = row["survey_type"], answered
        found.append(("asked", None, *group, 0.0))
        if not is_compared:
            continue
        if row["signed_up_at"]:
            tenure = (row["sent_on"] - row["signed_up_at"].date()).days
            found.append(("excluded" if tenure < 0 else "tenure_days", None, *group, float(tenure)))
        if row["has_mrr_information"]:
            mine = money[row["customer_key"]]
            mrr = sum(m["mrr_change"] for m in mine if m["moved_at"] <= row["sent_at"])
            found.append(("mrr", None, *group, round(float(mrr), 6)))
        if row["has_churn_information"]:
            landmark_on = row["sent_on"] + timedelta(days=RESPONSE_DAYS)
            left = row["churned_at"]
            for window in WINDOWS:
                if landmark_on + timedelta(days=window) <= AS_OF:
                    gone = left is not None and (left.date() - landmark_on).days <= window
                    found.append(("churn_rate", window, *group, float(gone)))
    names = ["measure", "window_days", "survey_type", "is_responded", "value"]
    return pd.DataFrame(found, columns=names)


FIGURES = (
    *("responder_mean", "silent_mean", "difference", "standard_error", "z"),
    *("degrees_of_freedom", "p_value", "ci_low", "ci_high"),
)


def _difference(measure: str, groups: tuple[pd.Series, pd.Series]) -> tuple[float, float, Any]:
    """What is tested, its error and distribution: Welch for means, Agresti and Caffo for shares."""
    if measure != "churn_rate":
        means = [group.mean() for group in groups]
        error = math.sqrt(sum(g.var(ddof=1) / len(g) for g in groups))
        degrees = stats.ttest_ind(*groups, equal_var=False).df if error else 1
        return means[0] - means[1], error, stats.t(degrees)
    # one success and one failure more in each group
    first, second = (pd.concat([g, pd.Series([0.0, 1.0])]) for g in groups)
    error = math.sqrt(sum(g.mean() * (1 - g.mean()) / len(g) for g in (first, second)))
    return first.mean() - second.mean(), error, stats.norm()


@pytest.mark.filterwarnings("ignore:Precision loss")
def test_bias_agrees_with_pandas_and_scipy(run):
    tables = asked(3)
    rows = by(run("nps_nonresponse_bias", **tables), "survey_type", "measure", "window_days")
    frame = samples(tables)
    kinds = [("mrr", None), ("tenure_days", None), *(("churn_rate", w) for w in WINDOWS)]
    assert rows.keys() == {(t, *kind) for t in frame["survey_type"].unique() for kind in kinds}
    reasons, families, extremes, excluded = set(), defaultdict(list), 0, 0
    for (survey_type, measure, window), row in rows.items():
        mine = frame[(frame["survey_type"] == survey_type) & (frame["measure"] == measure)]
        if window:
            mine = mine[mine["window_days"] == window]
        first = mine.loc[mine["is_responded"], "value"]
        second = mine.loc[~mine["is_responded"], "value"]
        assert (row["responders"], row["silent"]) == (len(first), len(second))
        impossible = (frame["survey_type"] == survey_type) & (frame["measure"] == "excluded")
        assert row["excluded"] == (impossible.sum() if measure == "tenure_days" else 0)
        excluded += row["excluded"]
        small = min(len(first), len(second)) < SETTINGS["min_group_size"]
        assert row["is_suppressed"] == small
        figures = [row[name] for name in FIGURES]
        reasons.add(row["unknown_because"])
        families[survey_type].append(row)
        if small:
            assert row["unknown_because"] is not None
            assert figures == [None] * len(FIGURES)
            continue
        assert row["unknown_because"] is None
        difference, error, distribution = _difference(measure, (first, second))
        expected = [first.mean(), second.mean(), first.mean() - second.mean(), error]
        if error == 0:
            assert figures == [*map(near, expected), *[None] * 5]
            continue
        z = difference / error
        degrees = distribution.args[0] if distribution.args else None
        assert figures[:5] == pytest.approx([*expected, z], rel=1e-9, abs=1e-9)
        assert row["degrees_of_freedom"] == near(degrees)
        # approximations of Student's t, from 4 degrees of freedom on
        assert figures[6] == pytest.approx(2 * distribution.sf(abs(z)), rel=1e-3, abs=1e-6)
        bounds = difference + np.array(distribution.interval(0.95)) * error
        if measure == "churn_rate":
            bounds = bounds.clip(-1, 1)
        assert figures[7:] == pytest.approx(list(bounds), abs=4e-4 * (bounds[1] - bounds[0]))
        extremes += measure == "churn_rate" and {first.mean(), second.mean()} <= {0.0, 1.0}
    assert excluded > 50
    corrected = 0
    for family in families.values():
        known = [row for row in family if row["p_value"] is not None]
        adjusted = stats.false_discovery_control([row["p_value"] for row in known]) if known else []
        for row, p in zip(known, adjusted, strict=True):
            assert row["p_adjusted"] == near(float(p))
            assert row["is_significant"] == (p <= 0.05)
            corrected += p > row["p_value"] + 1e-9
        for row in family:
            assert row["comparisons"] == len(known)
            if row["p_value"] is None:
                assert (row["p_adjusted"], row["is_significant"]) == (None, None)
    assert corrected > 100
    assert extremes > 0
    assert reasons >= {None, "no_mrr", "no_sign_up_dates", "no_churn_information", "too_few"}


def test_who_is_asked_a_hundred_times_counts_once(run):
    """Asked a hundred times, one customer of long standing would decide what the silent are like.

    Thirty answered, thirty did not; one more was silent a hundred times. By invitation tenure differs
    beyond doubt, by customer not at all: as Welch's test of the 30 and the 31 says.
    """
    rng = random.Random(62)
    lifecycles, invitations = [], []
    for number in range(61):
        key = f"c{number:02}"
        signed_up_at = datetime(2024, 1, 1) + timedelta(days=rng.randrange(300))
        if number == 60:
            signed_up_at = datetime(2015, 1, 1)
        lifecycles.append({"customer_key": key, "signed_up_at": signed_up_at})
        for turn in range(100 if number == 60 else 1):
            sent_at = datetime(2025, 3, 1) + timedelta(days=turn)
            invitations.append(
                {
                    "invitation_key": f"{key} {turn:03}", "customer_key": key, "metric": "nps",
                    "survey_type": "relational", "sent_at": sent_at, "sent_on": sent_at.date(),
                    "is_responded": number < 30, "answered_at": sent_at,
                }
            )  # fmt: skip
    tables = {
        "intermediate__int_invitations_identified": invitations,
        "intermediate__int_customer_lifecycles_dated": lifecycles,
        "raw__churn_windows": [{"window_days": 30}],
    }
    row = by(run("nps_nonresponse_bias", **tables), "measure")[("tenure_days",)]
    signed_up = {life["customer_key"]: life["signed_up_at"].date() for life in lifecycles}
    tenures: dict[bool, dict[str, list[int]]] = {True: defaultdict(list), False: defaultdict(list)}
    for sent in invitations:
        days = (sent["sent_on"] - signed_up[sent["customer_key"]]).days
        tenures[sent["is_responded"]][sent["customer_key"]].append(days)
    first, second = ([days[0] for days in tenures[group].values()] for group in (True, False))
    assert (row["responders"], row["silent"]) == (30, 31) == (len(first), len(second))
    test = stats.ttest_ind(first, second, equal_var=False)
    assert (row["z"], row["p_value"]) == pytest.approx((test.statistic, test.pvalue))
    assert test.pvalue > 0.1 and not row["is_significant"]
    by_invitation = [day for days in tenures[False].values() for day in days]
    assert stats.ttest_ind(first, by_invitation, equal_var=False).pvalue < 1e-20


# --- the customer base --------------------------------------------------------------------------


def lives(seed: int) -> dict[str, Rows]:
    """Customers with histories of segments, each region a case of its own."""
    rng = random.Random(seed)

    def instant() -> datetime:
        return datetime(2024, 12, 25) + timedelta(hours=rng.randrange(24 * 40))

    customers, lifecycles, history = [], [], []
    for case in CASES:
        for number in range(rng.randrange(1, 6)):
            key = f"{case} {number}"
            signed_up_at = instant() if rng.random() < 0.8 else None
            churned_at = instant() if rng.random() < 0.5 else None
            customers.append({"customer_key": key})
            lifecycles.append(
                {"customer_key": key, "signed_up_at": signed_up_at, "churned_at": churned_at}
            )
            changes = sorted({instant() for _ in range(rng.randrange(3))})
            starts = [datetime(1900, 1, 1), *changes]
            for start, end in zip(starts, [*changes, None], strict=True):
                region = rng.choice((f"{case} north", f"{case} south", None))
                version = {"seg_region": region, "seg_plan": "gold"}
                valid = {"valid_from": start, "valid_to": end}
                history.append({"customer_key": key, **version, **valid})
    days = [date(2025, 1, 1) + timedelta(days=n) for n in range(31)]
    return {
        "intermediate__int_days_listed": [{"as_of_on": day} for day in days],
        "intermediate__int_customers_known": customers,
        "intermediate__int_customer_lifecycles_dated": lifecycles,
        "intermediate__int_customer_history_built": history,
    }


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Auckland", "America/New_York"])
def test_the_base_is_counted_as_if_every_customer_were_looked_at_every_day(run, zone):
    tables = lives(4)
    tables["raw__workspace"] = [SETTINGS | {"timezone": zone}]
    found = {
        (row["as_of_on"], row["dimension"], row["segment"]): row["customers"]
        for row in run("int_customer_base_counted", **tables)
    }
    lifecycles = {
        r["customer_key"]: r for r in tables["intermediate__int_customer_lifecycles_dated"]
    }
    expected: dict[tuple, int] = {}
    for day in tables["intermediate__int_days_listed"]:
        on = day["as_of_on"]
        end = pd.Timestamp(on + timedelta(days=1), tz=zone).tz_convert("UTC").tz_localize(None)
        for version in tables["intermediate__int_customer_history_built"]:
            life = lifecycles[version["customer_key"]]
            there = life["signed_up_at"] is None or life["signed_up_at"] < end
            left = life["churned_at"] is not None and life["churned_at"] < end
            over = version["valid_to"] is not None and version["valid_to"] < end
            if there and not left and version["valid_from"] < end and not over:
                for dimension in ("region", "plan"):
                    key = (on, dimension, version[f"seg_{dimension}"] or "(unknown)")
                    expected[key] = expected.get(key, 0) + 1
    assert found == expected


# --- weighting ----------------------------------------------------------------------------------


def strata(seed: int) -> dict[str, Rows]:
    """A hundred dimensions with a base and answers, of which some segments have but one."""
    rng = random.Random(seed)
    segments, base, periods = [], [], []
    for case in CASES:
        dimension = f"d{case}"
        segments.append({"position": case, "segment": case, "published_name": dimension})
        scale = rng.choice((3, 50, 5000))
        for number in range(rng.randrange(1, 7)):
            segment = f"{dimension} {number}"
            role = rng.random()
            if role < 0.85:
                customers = rng.randrange(1, 1000)
                row = {"as_of_on": AS_OF, "dimension": dimension, "segment": segment}
                base.append({**row, "customers": customers})
            if role > 0.15:
                counts = [rng.randrange(scale) for _ in range(3)]
                counts[rng.randrange(3)] += 1
                names = ("promoters", "passives", "detractors")
                periods.append(
                    {
                        "time_grain": "year",
                        "period_start": date(2025, 1, 1),
                        "period_end": AS_OF,
                        "basis": "customers" if case % 2 else "responses",
                        "metric": rng.choice(("nps", "csat")) if not number else None,
                        "survey_type": "relational",
                        "dimension": dimension,
                        "segment": segment,
                        "responses": sum(counts),
                        **dict(zip(names, counts, strict=True)),
                    }
                )
    metrics: dict[str, str] = {}
    for row in periods:
        metric = metrics.setdefault(row["dimension"], row["metric"] or "nps")
        row["metric"] = metric
        if metric == "csat":  # satisfied or not
            row["passives"] += row["detractors"]
            row["detractors"] = 0
    return {
        "raw__segments": segments,
        "intermediate__int_customer_base_counted": base,
        "intermediate__int_periods_scored": periods,
    }


def test_weighted_scores_agree_with_weights_given_to_every_answer(run):
    """Each answer gets its weight, and everything is a weighted mean over answers."""
    tables = strata(5)
    found = by(run("nps_weighted_by_period", **tables), "dimension")
    base = pd.DataFrame(tables["intermediate__int_customer_base_counted"])
    cells = pd.DataFrame(tables["intermediate__int_periods_scored"])
    both = cells.merge(base, on=["dimension", "segment"], how="left").fillna({"customers": 0})
    dimensions = set(cells["dimension"]) & set(base["dimension"])
    assert {key for (key,) in found} == dimensions
    weighted = samples = 0
    for dimension in dimensions:
        row, mine = found[(dimension,)], both[both["dimension"] == dimension]
        total = base.loc[base["dimension"] == dimension, "customers"].sum()
        n = int(mine["responses"].sum())
        covered = mine["customers"].sum()
        assert (row["base_customers"], row["responses"]) == (total, n)
        assert row["covered_share"] == near(covered / total)
        assert row["is_suppressed"] == (n < SETTINGS["min_group_size"])
        names = ("weighted_nps", "effective_responses", "efficiency", "standard_error")
        figures = [row[name] for name in (*names, "ci_low", "ci_high")]
        if n < SETTINGS["min_group_size"]:
            assert [row["nps"], *figures] == [None] * 7
            continue
        raw = (mine["promoters"].sum() - mine["detractors"].sum()) / n
        assert row["nps"] == near(float(100 * raw))
        if not covered:
            assert [row["is_inefficient"], *figures] == [None] * 7
            continue
        # w of one answer: the segment's share of the base over its share of the answers
        weight = (mine["customers"] / total) / (mine["responses"] / n)
        sums = [(weight * mine[part]).sum() for part in ("promoters", "passives", "detractors")]
        p, m, d = (part / sum(sums) for part in sums)
        effective = sum(sums) ** 2 / (weight**2 * mine["responses"]).sum()
        error = 100 * math.sqrt(max(0.0, p + d - (p - d) ** 2) / effective)
        top, middle, bottom = (
            share * effective + prior
            for share, prior in zip((p, m, d), PRIORS[mine["metric"].iloc[0]], strict=True)
        )
        size = top + middle + bottom
        centre = (top - bottom) / size
        half = Z * math.sqrt(((top + bottom) / size - centre**2) / size)
        bounds = [max(-100, 100 * (centre - half)), min(100, 100 * (centre + half))]
        # answers of one class alone have no spread: the adjusted error stands in
        published = 100 * half / Z if sum(part > 0 for part in sums) == 1 else error
        expected = [100 * (p - d), effective, effective / n, published, *bounds]
        assert figures == pytest.approx(expected, rel=1e-9, abs=1e-9)
        assert row["is_inefficient"] == (effective / n < 0.4)
        # strata: W^2 v / n, by numpy's variance of each segment's answers one by one
        shares, prior = (p, m, d), sum(PRIORS[mine["metric"].iloc[0]])
        variance = adjusted = left = squares = 0.0
        for _, stratum in mine[mine["customers"] > 0].iterrows():
            counts = [stratum[part] for part in ("promoters", "passives", "detractors")]
            size, customers = sum(counts), stratum["customers"]
            share = customers / covered
            variance += share**2 * np.var(np.repeat((1, 0, -1), counts)) / size
            filled = [c + prior * s for c, s in zip(counts, shares, strict=True)]
            # one degree of freedom is the segment's own mean
            adjusted += (
                share**2 * weighted_variance(*filled) * sum(filled) / (sum(filled) - 1) / size
            )
            squares += share**2 / size
            # of N customers n answered: what is left to chance
            left += share**2 / size * max(0, customers - size) / max(1, customers - 1)
        by_strata = 100 * math.sqrt(variance)
        if variance > 1e-12:
            assert row["standard_error_stratified"] == pytest.approx(by_strata, rel=1e-9, abs=1e-9)
            as_many = weighted_variance(*shares) / adjusted
            expected = wald([share * as_many for share in shares], mine["metric"].iloc[0], Z)
            found_bounds = [row["ci_low_stratified"], row["ci_high_stratified"]]
            assert found_bounds == pytest.approx(expected, rel=1e-9, abs=1e-7)
        else:
            assert row["standard_error_stratified"] == row["standard_error"]
        is_sample = row["basis"] == "customers" and left > 0
        finite = [None, None]
        if is_sample:
            # as many answers as would have the smaller error
            as_many = [s * effective * squares / left for s in shares]
            finite = pytest.approx(wald(as_many, mine["metric"].iloc[0], Z), rel=1e-9, abs=1e-7)
        assert [row["ci_low_finite"], row["ci_high_finite"]] == finite
        samples += is_sample
        weights = (mine["customers"] / mine["responses"]).max() * n_weighed(mine) / covered
        assert row["largest_weight"] == near(float(weights))
        weighted += 1
    assert weighted > 50
    assert samples > 20


def n_weighed(cells: pd.DataFrame) -> int:
    """Answers of segments with customers."""
    return int(cells.loc[cells["customers"] > 0, "responses"].sum())


def weighted_variance(top: float, middle: float, bottom: float) -> float:
    """Variance of one answer on the scale -1..1."""
    p, d = (part / (top + middle + bottom) for part in (top, bottom))
    return p + d - (p - d) ** 2


def wald(counts: list[float], metric: str, z: float) -> list[float]:
    """Adjusted Wald bounds of counts, which need not be whole."""
    top, middle, bottom = (c + prior for c, prior in zip(counts, PRIORS[metric], strict=True))
    size = top + middle + bottom
    centre = (top - bottom) / size
    half = z * math.sqrt(weighted_variance(top, middle, bottom) / size)
    return [max(-100, 100 * (centre - half)), min(100, 100 * (centre + half))]


def test_a_quarter_of_the_customers_makes_the_interval_13_percent_narrower(run):
    """750 of 3,000: the root of (3000 - 750) / (3000 - 1) is 0.866, as of 750 / 0.866^2 answers."""
    period = {
        "time_grain": "year", "period_start": date(2025, 1, 1), "period_end": AS_OF,
        "basis": "customers", "metric": "nps", "survey_type": "relational",
        "dimension": "region", "segment": "north", "responses": 750, "promoters": 450,
        "passives": 150, "detractors": 150,
    }  # fmt: skip
    base = {"as_of_on": AS_OF, "dimension": "region", "segment": "north", "customers": 3000}
    segment = {"position": 1, "segment": "region", "published_name": "region"}
    (row,) = run(
        "nps_weighted_by_period",
        raw__segments=[segment],
        intermediate__int_customer_base_counted=[base],
        intermediate__int_periods_scored=[period],
    )
    width, finite = (row[f"ci_high{s}"] - row[f"ci_low{s}"] for s in ("", "_finite"))
    widths = [
        high - low
        for low, high in (
            wald([part * f for part in (450, 150, 150)], "nps", Z) for f in (1, 2999 / 2250)
        )
    ]
    assert [width, finite] == pytest.approx(widths, abs=1e-9)
    assert 1 - finite / width == pytest.approx(1 - math.sqrt(2250 / 2999), abs=1e-3)
    assert round(100 * (1 - finite / width)) == 13


# --- fatigue ------------------------------------------------------------------------------------


def customers_asked(seed: int) -> dict[str, Rows]:
    rng = random.Random(seed)
    customers, invitations = [], []
    for number in range(300):
        key = str(number)
        active = rng.choice((True, True, False, None))
        source = rng.choice(("crm", "crm", "crm", "erp"))
        customers.append({"customer_key": key, "source": source, "is_active": active})
        for _ in range(rng.randrange(5)):
            sent_on = AS_OF - timedelta(days=rng.choice((0, 1, 89, 90, 91, 364, 365, 366, 500)))
            wish = sent_on + timedelta(days=rng.randrange(20)) if rng.random() < 0.1 else None
            invitations.append(
                {
                    "asked_key": rng.choice((key, key, None)),
                    "sent_on": sent_on,
                    "opted_out_on": wish,
                    "is_bounced": rng.choice((False, None, True)),
                    "is_opened": rng.choice((False, None, True)),
                }
            )
    mapped = [
        {"source": "ask", "entity": "survey_invitations", "customer_source": "crm"},
        {"source": "erp", "entity": "customers", "customer_source": "erp"},
    ]
    return {
        "marts__dim_customers": customers,
        "intermediate__int_invitations_identified": invitations,
        "raw__mapped_columns": mapped,
    }


def test_fatigue_agrees_with_a_look_at_each_customer(run):
    tables = customers_asked(6)
    found = by(run("survey_fatigue", **tables), "customer_key")
    invitations = tables["intermediate__int_invitations_identified"]
    expected = {}
    for customer in tables["marts__dim_customers"]:
        if customer["source"] != "crm":
            continue
        key = customer["customer_key"]
        mine = [row for row in invitations if row["asked_key"] == key]
        days = [row["sent_on"] for row in mine if not row["is_bounced"] or row["is_opened"]]
        wishes = [
            r["opted_out_on"] for r in mine if r["opted_out_on"] and r["opted_out_on"] <= AS_OF
        ]
        last = max(days, default=None)
        rested = last is None or (AS_OF - last).days >= SETTINGS["quarantine_days"]
        expected[(key,)] = {
            **{"customer_key": key, "as_of_on": AS_OF, "is_active": customer["is_active"]},
            "last_asked_on": last,
            "days_since_last_asked": (AS_OF - last).days if last else None,
            "asks_365d": sum((AS_OF - day).days < 365 for day in days),
            "asks": len(days),
            "opted_out_on": min(wishes, default=None),
            "quarantined_until": last + timedelta(days=90) if last else None,
            "may_be_asked": not wishes and customer["is_active"] is not False and rested,
        }
    assert found == expected


# --- a sum that does not depend on the order of rows --------------------------------------------


def test_tables_are_the_same_to_the_last_bit_in_any_order(run):
    first, second = (), ()
    for shuffled in (False, True):
        tables = asked(3) | strata(5)
        if shuffled:
            for rows in tables.values():
                random.Random(7).shuffle(rows)
        found = tuple(
            sorted(map(repr, run(model, **tables)))
            for model in ("nps_nonresponse_bias", "nps_weighted_by_period")
        )
        first, second = second, found
    assert first == second


def test_an_amount_beyond_reason_gives_no_figure_and_no_failure(run):
    tables = asked(3)
    for row in tables["intermediate__int_customer_money_moved"]:
        row["mrr_change"] *= 1e20
    rows = run("nps_nonresponse_bias", **tables)
    assert {row["difference"] for row in rows if row["measure"] == "mrr"} == {None}
    assert all(row["unknown_because"] for row in rows if row["measure"] == "mrr")


# --- changing one needs no code -----------------------------------------------------------------

# What each model reads of settings and seeds: a statement that changes it.
WORKSPACE = "update raw.workspace set"
PRIOR = "update seeds.metrics set"
ASSUMED = "update seeds.assumptions set value = {} where name = '{}'"
CHANGES = {
    "int_invitations_identified": {
        "timezone": f"{WORKSPACE} timezone = 'Pacific/Auckland'",
        "as_of": f"{WORKSPACE} as_of_at = timestamp '2025-06-30'",
        "is_mistake": "update seeds.reject_reasons set is_mistake = true where reason = 'future'",
        "mapped_columns": "delete from raw.mapped_columns where column_name = 'bounced_at'",
    },
    "int_customer_base_counted": {"timezone": f"{WORKSPACE} timezone = 'Pacific/Auckland'"},
    "int_invitations_followed": {
        "timezone": f"{WORKSPACE} timezone = 'Pacific/Auckland'",
        "response_days": ASSUMED.format(200, "response_days"),
    },
    "fct_response_rates": {
        "as_of": f"{WORKSPACE} as_of_on = date '2025-06-30'",
        "min_group_size": f"{WORKSPACE} min_group_size = 1",
        "response_days": ASSUMED.format(200, "response_days"),
        "confidence_z": ASSUMED.format(1, "confidence_z"),
    },
    "nps_nonresponse_bias": {
        "as_of": f"{WORKSPACE} as_of_on = date '2025-06-30'",
        "timezone": f"{WORKSPACE} timezone = 'Pacific/Auckland'",
        "min_group_size": f"{WORKSPACE} min_group_size = 1",
        "significance_level": ASSUMED.format(0.5, "significance_level"),
        "response_days": ASSUMED.format(200, "response_days"),
        "top_prior_of_two": f"{PRIOR} top_prior_of_two = 2 where metric = 'csat'",
        "middle_prior_of_two": f"{PRIOR} middle_prior_of_two = 2 where metric = 'csat'",
        "churn_windows": "update raw.churn_windows set window_days = 60 where window_days = 30",
    },
    "nps_weighted_by_period": {
        "as_of": f"{WORKSPACE} as_of_on = date '2025-12-30'",
        "min_group_size": f"{WORKSPACE} min_group_size = 100",
        "segments": "delete from raw.segments where position = 0",
        "confidence_z": ASSUMED.format(1, "confidence_z"),
        "min_weighting_efficiency": ASSUMED.format(0.9, "min_weighting_efficiency"),
        "population": "update seeds.metrics set population = 'employees' where metric = 'csat'",
        "top_prior": "update seeds.metrics set top_prior = 5 where metric = 'nps'",
        "middle_prior": "update seeds.metrics set middle_prior = 5 where metric = 'nps'",
        "bottom_prior": "update seeds.metrics set bottom_prior = 5 where metric = 'nps'",
    },
    "survey_fatigue": {
        "as_of": f"{WORKSPACE} as_of_on = date '2026-01-31'",
        "quarantine_days": f"{WORKSPACE} quarantine_days = 30",
        "mapped_columns": "delete from raw.mapped_columns where source = 'ask'",
    },
}


def _given(model: str) -> dict[str, Rows]:
    """Rows for a model to run on."""
    if model == "int_invitations_identified":
        mapped_columns, invitations, answers, _ = invited(1)
        return {
            "raw__mapped_columns": mapped_columns,
            "intermediate__int_survey_invitations_versioned": invitations,
            "intermediate__int_survey_responses_versioned": answers,
        }
    if model == "fct_response_rates":
        return {"intermediate__int_invitations_identified": sendings(2)}
    makers = {
        "int_customer_base_counted": lives,
        "int_invitations_followed": asked,
        "nps_nonresponse_bias": asked,
        "nps_weighted_by_period": strata,
        "survey_fatigue": customers_asked,
    }
    return makers[model](8)


@pytest.mark.parametrize(
    "model, setting",
    [(model, setting) for model, changes in CHANGES.items() for setting in changes],
)
def test_changing_a_setting_needs_no_code(run, database, model, setting):
    given = _given(model)
    before = sorted(map(repr, run(model, **given)))
    database.execute(CHANGES[model][setting])
    after = sorted(map(repr, rows_of(database, model)))
    assert before
    assert before != after
