"""What events did to the score, from answers to tests, against numpy: voice by voice."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import duckdb
import numpy as np
import pytest
from comparison_support import MARKS, Answer, compared, latest_of_each
from dbt_support import compiled, empty_database, rebuild
from scipy import stats

CASES = 100
EVENT = date(2025, 6, 15)
WINDOW = 60
MIN_GROUP_SIZE = 3
MODELS = ("int_answers_followed", "int_events_counted")


@pytest.fixture
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    with empty_database() as connection:
        connection.execute(
            "insert into nps.raw.workspace (as_of_on, min_group_size) values ('2025-12-31', ?)",
            [MIN_GROUP_SIZE],
        )
        connection.execute(
            "insert into nps.raw.events values ('rise', ?, 'plan', 'a', ?), ('all', ?, 'all', 'all', ?)",
            [EVENT, WINDOW, EVENT, WINDOW],
        )
        yield connection


def random_answers(seed: int) -> list[Answer]:
    """Voices that answer now and then around the event, on plans that some of them change."""
    rng = np.random.default_rng(seed)
    rows = []
    for case in range(CASES):
        leaning = rng.dirichlet((1, 1, 1))
        for voice in range(rng.choice((1, 4, 12, 60))):
            plan, mark = rng.choice(("a", "b", "")), int(rng.choice(MARKS, p=leaning))
            for _ in range(rng.integers(1, 5)):
                day = EVENT + timedelta(int(rng.integers(-WINDOW - 20, WINDOW + 20)))
                rows.append(
                    {
                        "case": f"case {case}",
                        "voice": str(voice),
                        "at": datetime(day.year, day.month, day.day)
                        + timedelta(seconds=int(rng.integers(0, 86_000))),
                        "mark": mark if rng.random() < 0.6 else int(rng.choice(MARKS, p=leaning)),
                        "plan": str(plan if rng.random() < 0.9 else "b") or None,
                    }
                )
    return sorted(rows, key=lambda row: row["at"])


def fill(connection: duckdb.DuckDBPyConnection, answers: list[Answer]) -> None:
    connection.executemany(
        "insert into nps.marts.fct_nps_responses (source, response_key, response_id, voice_key, "
        "metric, survey_type, contribution, responded_at, responded_on, plan) "
        "values ('s', ?, ?, ?, 'nps', ?, ?, ?, ?, ?)",
        [
            (
                *(f"{a['case']}-{number}", str(number), f"{a['case']}-{a['voice']}", a["case"]),
                *(100 * a["mark"], a["at"], a["at"].date(), a["plan"]),
            )
            for number, a in enumerate(answers)
        ],
    )
    rebuild(connection, MODELS)


def side(answers: list[Answer], *, after: bool) -> list[Answer]:
    """Each voice's latest answer of the days after the event, or of those before it."""
    first = EVENT if after else EVENT - timedelta(WINDOW)
    days = [first + timedelta(n) for n in range(WINDOW)]
    return latest_of_each([a for a in answers if a["at"].date() in days])


def expected(answers: list[Answer], event: str) -> dict[str, Any] | None:
    """The published row of an event; None where nobody affected by it answered."""
    now, then = side(answers, after=True), side(answers, after=False)
    key = ("previous_period", "", None, "customers", "", "")
    affected = [[a for a in group if event == "all" or a["plan"] == "a"] for group in (now, then)]
    if not any(affected):
        return None
    found = compared(key, *affected, MIN_GROUP_SIZE)
    spared = [[a for a in group if a["plan"] == "b"] for group in (now, then)]
    row = {"responses_after": len(affected[0]), "responses_before": len(affected[1])}
    if found["untested_because"] == "suppressed":
        return row | {"change": None, "effect": None, "untested_because": "suppressed"}
    parts = [found]
    if event != "all":
        other = compared(key, *spared, MIN_GROUP_SIZE)
        if other["untested_because"] == "suppressed":
            return row | {
                "change": found["change"], "effect": None, "untested_because": "nobody_spared"
            }  # fmt: skip
        parts.append(other)
    effect = found["change"] - sum(part["change"] for part in parts[1:])
    row |= {"change": found["change"], "effect": effect}
    if any(part["untested_because"] for part in parts):
        return row | {"untested_because": "too_few_to_test"}
    tested = found["tested_change"] - sum(part["tested_change"] for part in parts[1:])
    error = math.sqrt(sum(part["standard_error"] ** 2 for part in parts))
    half = stats.norm.ppf(0.975) * error
    return row | {
        "standard_error": error,
        "ci_low": tested - half,
        "ci_high": tested + half,
        "p_value": 2 * stats.norm.sf(abs(tested / error)),
        "untested_because": None,
    }


def test_effects_agree_with_numpy(warehouse):
    answers = random_answers(seed=1)
    fill(warehouse, answers)
    result = warehouse.execute(compiled("nps_event_effects"))
    names = [column[0] for column in result.description]
    rows = [dict(zip(names, row, strict=True)) for row in result.fetchall()]
    found = {(row["event"], row["survey_type"]): row for row in rows}
    wanted = {
        (event, case): row
        for case in {a["case"] for a in answers}
        for event in ("rise", "all")
        if (row := expected([a for a in answers if a["case"] == case], event))
    }
    assert found.keys() == wanted.keys()
    for key, row in wanted.items():
        for name, value in row.items():
            if value is None or isinstance(value, str):
                assert found[key][name] == value, (key, name)
            else:
                assert found[key][name] == pytest.approx(value, rel=1e-9, abs=1e-9), (key, name)
    reasons = {row["untested_because"] for row in wanted.values()}
    assert reasons == {None, "suppressed", "nobody_spared", "too_few_to_test"}
