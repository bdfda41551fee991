"""Follow-ups and transitions of the published sample: against its truths and pandas."""

from __future__ import annotations

from collections import Counter

import pandas as pd
import pytest
from sample_support import CLASSES, RELATIONAL, rows
from statsmodels.stats.proportion import proportion_confint

from sample import follow_ups, panel

RANK = {"detractor": 0, "passive": 1, "promoter": 2}


def test_hours_to_first_contact_are_those_of_the_plan(tables):
    found = rows(tables, "select hours_to_first_contact from marts.fct_follow_ups order by 1")
    expected = [minutes / 60 for minutes in follow_ups.MINUTES_TO_CONTACT]
    assert [hours for (hours,) in found] == pytest.approx(expected)


def test_the_service_level_is_the_planted_one(tables):
    low, high = proportion_confint(follow_ups.WITHIN_SLA, follow_ups.CASES, method="wilson")
    (found,) = rows(
        tables,
        "select cases, contacted, median_hours_to_first_contact, p90_hours_to_first_contact, due, "
        "within_sla, within_sla_share, within_sla_ci_low, within_sla_ci_high, open_cases, overdue, "
        "reopened, explained from marts.follow_up_sla "
        f"where {RELATIONAL} and time_grain = 'all' and dimension = 'all'",
    )
    everybody = follow_ups.CASES
    assert found == pytest.approx(
        (
            *(everybody, everybody, follow_ups.MEDIAN_HOURS, follow_ups.P90_HOURS, everybody),
            *(follow_ups.WITHIN_SLA, follow_ups.WITHIN_SLA / everybody, low, high),
            *(follow_ups.OPEN, follow_ups.OPEN),
            *(follow_ups.REOPENED_OPEN + follow_ups.REOPENED_CLOSED, follow_ups.EXPLAINED),
        ),
        abs=1e-9,
    )


def test_tiers_are_those_of_the_crm(tables):
    found = rows(
        tables,
        "select segment, cases from marts.follow_up_sla "
        "where time_grain = 'all' and dimension = 'account_tier'",
    )
    assert {segment for segment, _ in found} == {"gold", "silver", "bronze", "(unknown)"}
    assert sum(cases for _, cases in found) == follow_ups.CASES


def test_what_few_cases_say_is_not_published(tables):
    found = dict(rows(tables, "select root_cause, count(*) from marts.fct_follow_ups group by 1"))
    told = {cause: n for cause, n in follow_ups.ROOT_CAUSES.items() if n >= 5 and cause}
    silent = follow_ups.OPEN + follow_ups.ROOT_CAUSES[""]
    assert found == told | {"(other)": follow_ups.ROOT_CAUSES["own words"], None: silent}


def test_recovery_is_the_first_answer_after_the_closing(tables, sample_root):
    """From the delivered cases and the published answers."""
    cases = pd.read_csv(sample_root / "landing/pulse/follow_ups.csv", dtype=str)
    times = cases[["closed", "reopened"]].apply(pd.to_datetime, utc=True)
    is_open = times["closed"].isna() | (times["reopened"] > times["closed"])
    answers = tables.execute(
        "select response_id, voice_key, nps_class, responded_at, responded_on "
        f"from marts.fct_nps_responses where source = 'pulse' and {RELATIONAL}"
    ).df()
    answers["at"] = answers["responded_at"].dt.tz_localize("UTC")
    closed = cases.assign(closed=times["closed"])[~is_open].merge(
        answers, left_on="response", right_on="response_id"
    )
    later = closed.merge(answers, on="voice_key", suffixes=("", "_next"))
    later = later[later["at_next"] > later["closed"]].sort_values("at_next")
    first = later.groupby("case").first()
    days = (
        first["responded_on_next"]
        - first["closed"].dt.tz_convert("Europe/Brussels").dt.tz_localize(None).dt.normalize()
    )
    first = first[days <= pd.Timedelta(days=365)]
    expected = (first["nps_class_next"].map(RANK) > first["nps_class"].map(RANK)).value_counts()
    found = Counter(
        dict(rows(tables, "select is_recovered, count(*) from marts.fct_follow_ups group by 1"))
    )
    assert len(first) > 100
    assert {key: found[key] for key in (True, False)} == expected.to_dict()


def test_the_panel_moves_as_planned(tables):
    """Of 50 promoters ten became detractors, and nobody else moved."""
    found = rows(
        tables,
        "select from_class, to_class, transitions, from_transitions, share, ci_low, ci_high "
        "from marts.nps_transition_matrix where metric = 'nps' and survey_type = 'panel' "
        "and time_grain = 'all' and dimension = 'all' and follow_up = 'any'",
    )
    assert len(found) == 9
    of_class = {
        name: sum(n for (before, _), n in panel.MOVES.items() if before == name) for name in CLASSES
    }
    for before, after, moved, total, share, low, high in found:
        count = panel.MOVES.get((before, after), 0)
        assert (moved, total) == (count, of_class[before])
        bounds = proportion_confint(count, total, method="wilson")
        assert (share, low, high) == pytest.approx((count / total, *bounds), abs=1e-9)


def test_pairs_with_and_without_a_follow_up(tables):
    """A pair is followed up if the answer's case reached the customer before the next answer."""
    ((found,),) = rows(
        tables, "select count(*) from marts.fct_nps_transitions where was_followed_up"
    )
    ((expected,),) = rows(
        tables,
        """
        select count(*) from marts.fct_follow_ups as f
        inner join marts.fct_nps_responses as a using (response_key)
        where exists (
            select 1 from marts.fct_nps_responses as b
            where a.voice_key = b.voice_key and a.survey_type = b.survey_type
                and a.metric = b.metric and b.responded_at > a.responded_at
        ) and f.first_contact_at <= (
            select min(b.responded_at) from marts.fct_nps_responses as b
            where a.voice_key = b.voice_key and a.survey_type = b.survey_type
                and a.metric = b.metric and b.responded_at > a.responded_at
        )
        """,
    )
    assert found == expected > 100
