"""The journey, voice by voice in plain Python: scores by stage and channel, and who goes on."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from dbt_support import compiled, empty_database, rebuild
from scipy import stats

STAGES = ("trial", "setup", "renewal")
AS_OF, DAYS, STEP = date(2025, 12, 31), 365, 90
CLASSES = {100: "promoter", 0: "passive", -100: "detractor"}
VOICES = 400


@pytest.fixture(scope="module")
def answers() -> list[dict]:
    rng = np.random.default_rng(3)
    rows = []
    for voice in range(VOICES):
        for _ in range(rng.integers(1, 7)):
            day = AS_OF - timedelta(int(rng.integers(0, 450)))
            mark = int(rng.choice([100, 0, -100], p=(0.5, 0.2, 0.3)))
            rows.append({
                "response_key": f"r{len(rows):05d}", "response_id": str(len(rows)), "source": "s",
                "voice_key": f"v{voice}", "metric": "nps",
                "survey_type": str(rng.choice(["a", "b"], p=(0.8, 0.2))),
                "touchpoint": str(rng.choice([*STAGES, "other"])),
                "channel": [None, "web", "app"][rng.integers(3)], "nps_class": CLASSES[mark],
                "contribution": mark, "responded_on": day,
                "responded_at": datetime.combine(day, datetime.min.time())
                + timedelta(seconds=int(rng.integers(0, 80_000))),
            })  # fmt: skip
    return rows


@pytest.fixture(scope="module")
def invitations() -> list[dict]:
    rng = np.random.default_rng(4)
    days = [AS_OF - timedelta(int(rng.integers(0, 400))) for _ in range(VOICES)]
    return [
        {
            "invitation_key": f"i{number}", "customer_key": f"v{rng.integers(2 * VOICES)}",
            "survey_key": str(rng.choice(["setup", "other"])), "sent_on": day,
            "sent_at": datetime.combine(day, datetime.min.time()),
        }
        for number, day in enumerate(days)
    ]  # fmt: skip


def followed(answers: list[dict], invitations: list[dict]) -> list[tuple]:
    """Each voice's first answer at a stage: stage, channel, contribution, is over, went on."""
    reached = defaultdict(list)
    for row in answers:
        if row["touchpoint"] in STAGES:
            at = row["responded_at"], row["responded_on"]
            reached[row["voice_key"]].append((STAGES.index(row["touchpoint"]), *at))
    for row in invitations:
        if row["survey_key"] in STAGES:
            at = row["sent_at"], row["sent_on"]
            reached[row["customer_key"]].append((STAGES.index(row["survey_key"]), *at))
    firsts = {}
    for row in sorted(answers, key=lambda row: row["responded_at"]):
        if row["touchpoint"] in STAGES and row["responded_on"] > AS_OF - timedelta(DAYS):
            firsts.setdefault((row["voice_key"], row["survey_type"], row["touchpoint"]), row)
    found = []
    for (voice, survey_type, touchpoint), row in firsts.items():
        stage = STAGES.index(touchpoint)
        until = row["responded_on"] + timedelta(STEP)
        went_on = any(
            later > stage and at > row["responded_at"] and on <= until
            for later, at, on in reached[voice]
        )
        channel = row["channel"] or "(unknown)"
        found.append((survey_type, stage, channel, row["contribution"], until <= AS_OF, went_on))
    return found


def test_stages_are_scored_and_followed_voice_by_voice(answers, invitations):
    with empty_database() as connection:
        connection.execute(
            "insert into nps.raw.workspace (as_of_on, min_group_size) values (?, 5)", [AS_OF]
        )
        connection.executemany("insert into nps.raw.journey values (?, ?)", enumerate(STAGES, 1))
        connection.executemany(
            "insert into nps.intermediate.int_surveys_known (survey_key, touchpoint) values (?, ?)",
            [("setup", "setup"), ("other", "other")],
        )
        for table, rows in (
            ("marts.fct_nps_responses", answers),
            ("intermediate.int_invitations_identified", invitations),
        ):
            names = ", ".join(rows[0])
            marks = ", ".join("?" * len(rows[0]))
            connection.executemany(
                f"insert into nps.{table} ({names}) values ({marks})", [[*r.values()] for r in rows]
            )
        rebuild(connection, ["int_journey_answers_followed"])
        found = connection.execute(f"from ({compiled('nps_journey')})").df()
    cells = defaultdict(list)
    for survey_type, stage, channel, *rest in followed(answers, invitations):
        for cut in (("all", "all"), ("channel", channel)):
            for nps_class in ("all", CLASSES[rest[0]]):
                cells[survey_type, stage + 1, *cut, nps_class].append(rest)
    key = ["survey_type", "stage_number", "dimension", "segment", "nps_class"]
    assert {*found[key].itertuples(index=False, name=None)} == set(cells)
    for row in found.to_dict("records"):
        rows = cells[tuple(row[name] for name in key)]
        marks = [mark for mark, *_ in rows]
        assert row["responses"] == len(rows)
        assert row["is_suppressed"] == (len(rows) < 5)
        if not row["is_suppressed"]:
            assert row["nps"] == pytest.approx(np.mean(marks))
            assert row["ci_low"] <= row["nps"] <= row["ci_high"]
        assert row["stage"] == STAGES[row["stage_number"] - 1]
        if row["stage_number"] == len(STAGES):
            assert pd.isna(row["observed"]) and pd.isna(row["conversion_rate"])
            continue
        over = [went_on for _, is_over, went_on in rows if is_over]
        assert (row["observed"], row["converted"]) == (len(over), sum(over))
        if len(over) < 5:
            assert pd.isna(row["conversion_rate"])
            continue
        wilson = stats.binomtest(sum(over), len(over)).proportion_ci(method="wilson")
        assert (row["conversion_rate"], row["conversion_ci_low"], row["conversion_ci_high"]) == (
            pytest.approx((np.mean(over), wilson.low, wilson.high), abs=1e-9)
        )
