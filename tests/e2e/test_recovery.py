"""Follow-ups and transitions of the published sample: against its truths and pandas."""

from __future__ import annotations

from collections import Counter

import pandas as pd
import pytest
from sample_support import CLASSES, RELATIONAL, is_held_out, rows
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from sample import care, follow_ups, panel

RANK = {"detractor": 0, "passive": 1, "promoter": 2}


def test_hours_to_first_contact_are_those_of_the_plan(tables):
    found = rows(
        tables,
        f"select hours_to_first_contact from marts.fct_follow_ups where {RELATIONAL} order by 1",
    )
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
        f"where {RELATIONAL} and time_grain = 'all' and dimension = 'account_tier'",
    )
    assert {segment for segment, _ in found} == {"gold", "silver", "bronze", "(unknown)"}
    assert sum(cases for _, cases in found) == follow_ups.CASES


def test_what_few_cases_say_is_not_published(tables):
    found = dict(
        rows(
            tables,
            f"select root_cause, count(*) from marts.fct_follow_ups where {RELATIONAL} group by 1",
        )
    )
    listed = {cause: n for cause, n in follow_ups.ROOT_CAUSES.items() if n >= 5 and cause}
    silent = follow_ups.OPEN + follow_ups.ROOT_CAUSES[""]
    assert found == listed | {"(other)": follow_ups.ROOT_CAUSES["own words"], None: silent}


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
        dict(
            rows(
                tables,
                f"select is_recovered, count(*) from marts.fct_follow_ups where {RELATIONAL} group by 1",
            )
        )
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


# --- what to do, and what it is worth -----------------------------------------------------------


def test_following_up_is_worth_what_was_planted(tables):
    """Of 360 listed 216 recovered, of 40 held out 12: 30 points of a hundred, with Newcombe's bounds."""
    listed, held_out = care.LISTED, care.HELD_OUT
    k, n = listed.promoters + listed.passives, listed.responses
    j, m = held_out.promoters + held_out.passives, held_out.responses
    low, high = confint_proportions_2indep(k, n, j, m, method="newcomb", compare="diff")
    found = {
        measure: tuple(figures)
        for measure, *figures in rows(
            tables,
            "select measure, listed_customers, listed_contacted, held_out_customers, "
            "held_out_contacted, listed_value, held_out_value, difference, ci_low, ci_high "
            "from marts.follow_up_effect where survey_type = 'care' and nps_class = 'detractor'",
        )
    }
    counts = (n, care.CONTACTED, m, 0)
    assert found["recovered"][:4] == counts
    assert found["recovered"][4:] == pytest.approx((k / n, j / m, care.EFFECT, low, high))
    assert low > 0
    assert found["next_nps"][4:7] == pytest.approx(
        (listed.nps, held_out.nps, listed.nps - held_out.nps)
    )
    # everybody answers again, and nobody's churn is known
    assert found["answered_again"][4:7] == (1, 1, 0)
    assert found["retained"][4:] == (None,) * 5


def test_nobody_is_listed_who_is_to_be_left_alone(tables):
    """Neither opted out, nor invited again since the answer, nor contacted, nor gone."""
    listed = "from private.restricted.nps_actions as a"
    assert (
        rows(
            tables,
            f"select 1 {listed} inner join marts.survey_fatigue as f using (customer_key) "
            "where f.opted_out_on is not null or f.is_active = false "
            "or (f.last_asked_on > a.responded_at::date and f.quarantined_until > f.as_of_on)",
        )
        == []
    )
    assert (
        rows(
            tables,
            f"select 1 {listed} inner join marts.fct_follow_ups as f using (response_key) "
            "where f.first_contact_at is not null and not f.is_reopened",
        )
        == []
    )


def test_every_class_has_its_actions(tables):
    found = rows(
        tables,
        "select nps_class, action, count(*), min(call_rank), max(call_rank), "
        "count(distinct action_key) from private.restricted.nps_actions group by all order by 4",
    )
    assert [(nps_class, action) for nps_class, action, *_ in found] == [
        ("detractor", "recover"), ("passive", "ask_why"), ("promoter", "ask_case_study"),
        ("promoter", "ask_referral"), ("promoter", "ask_review"),
    ]  # fmt: skip
    for _, _, count, first, last, keys in found:
        assert count == keys == last - first + 1


def test_those_held_out_are_on_no_list(tables):
    """Of the customers with a recent answer 5 % are missing; who, follows from the tests' key."""
    listed = [c for (c,) in rows(tables, "select customer_key from private.restricted.nps_actions")]
    assert len(listed) > 500
    assert not [customer for customer in listed if is_held_out(customer)]


def test_the_summary_says_how_many_to_call(tables, sample_run):
    ((people, overdue),) = rows(
        tables,
        "select count(*), count(*) filter (contact_due_at < timestamp '2025-12-31 23:00:00') "
        "from private.restricted.nps_actions where nps_class = 'detractor'",
    )
    said = sample_run.run.shown("Today")
    assert f"{people:,} people to call (nps_actions), {overdue:,} of them overdue" in said
