"""The smallest workspace, one file of answers: what it cannot know is empty or says why.

Nothing here may be 0 that is only unknown: no invitation was delivered, no customer, no movement,
no invoice.
"""

from __future__ import annotations

import e2e_support as e2e
import pytest

ANSWERS = [  # 6 promoters, 2 passives, 4 detractors in June; 5, 3, 4 in July: 16.67 and 8.33
    (month, person, score)
    for month, scores in (("06", [9] * 6 + [7] * 2 + [3] * 4), ("07", [10] * 5 + [8] * 3 + [0] * 4))
    for person, score in enumerate(scores)
]
SETTINGS = {
    "version": 1,
    "as_of": "2025-12-31",
    "sources": [
        {
            "name": "ask",
            "entity": "survey_responses",
            "files": "answers.csv",
            "columns": {
                "response_id": "id", "customer_id": "person", "score": "score",
                "submitted_at": "at",
            },
            "constants": {"metric": "nps", "survey_type": "relational", "scale": "0-10"},
        }
    ],
}  # fmt: skip
# What hangs on an entity that is not there has nothing to say.
EMPTY = (
    "fct_response_rates",
    "nps_nonresponse_bias",
    "survey_fatigue",
    "nps_weighted_by_period",
    "nps_retention_curves",
    "nps_retention_by_window",
    "nps_retention_tests",
    "nps_retention_stratified",
    "nps_retention_adjusted",
    "earned_growth",
    "fct_follow_ups",
    "follow_up_sla",
)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = e2e.declare(tmp_path_factory.mktemp("smallest"), SETTINGS)
    rows = [
        (f"{month}-{person}", f"P{person}", str(score), f"2025-{month}-15T10:00:00")
        for month, person, score in ANSWERS
    ]
    e2e.deliver(root, "ask/answers.csv", e2e.csv_text(("id", "person", "score", "at"), rows))
    e2e.build(root)
    return root


@pytest.mark.parametrize("table", EMPTY)
def test_what_nothing_was_delivered_for_is_empty(root, table):
    assert e2e.marts(root, f"select * from marts.{table}") == []


def test_the_change_is_told(root):
    """July against June: 100 (5 - 4) / 12 - 100 (6 - 4) / 12 = -8.33, of one segment: all rate."""
    condition = "comparison = 'previous_period' and time_grain = 'month' and basis = 'responses'"
    ((change, significant, rate, mix),) = e2e.marts(
        root,
        "select change, is_significant, rate_effect, mix_effect from marts.nps_change_significance "
        f"where {condition} and dimension = 'all'",
    )
    assert change == pytest.approx(-100 / 12)
    assert significant is False
    assert (rate, mix) == pytest.approx((-100 / 12, 0))


def test_the_rolling_score_forgets(root):
    """On 1 July June's 12 answers stand; on 20 July each person's of July; in December none."""
    days = ("2025-07-01", "2025-07-20", "2025-12-30")
    found = e2e.marts(
        root,
        "select strftime(as_of_on, '%Y-%m-%d'), responses, nps from marts.fct_nps_rolling "
        "where window_days = 30 and dimension = 'all'",
    )
    by_day = {day: (responses, nps) for day, responses, nps in found}
    assert by_day[days[0]] == (12, pytest.approx(200 / 12))
    assert by_day[days[1]] == (12, pytest.approx(100 / 12))
    assert days[2] not in by_day


def test_goals_need_nothing_but_answers(root):
    """To 50 from 5 and 4 of 12: (50 x 12 - 100) / 50 = 10 promoters, 1000 / 2 / 100 = 2.5 -> 3."""
    found = e2e.marts(
        root,
        "select promoters_needed, detractors_to_convert, promoters_to_offset from marts.nps_goal "
        "where time_grain = 'month' and basis = 'responses' and dimension = 'all' and target = 50",
    )
    assert found == [(10, 3, 15)]


def test_money_is_unknown_and_says_why(root):
    rows = e2e.marts(
        root,
        "select revenue_per_customer, assumed_amount, annual_revenue, observed_rate, "
        "evidence_amount, difference, unknown_because from marts.nps_revenue_at_risk",
    )
    assert rows
    for *figures, because in rows:
        assert figures == [None] * 6
        assert because


def test_lift_is_unknown_and_says_why(root):
    rows = e2e.marts(
        root,
        "select total, mean, passive_mean, difference, lift, p_value, is_significant, "
        "unknown_because from marts.nps_lift_by_class",
    )
    assert rows
    for *figures, because in rows:
        assert figures == [None] * 7
        assert because


def test_nothing_is_restated_yet(root):
    rows = e2e.marts(
        root, "select first_nps, nps, is_restated from marts.nps_restatements order by period_start"
    )
    assert rows
    assert all(first == now and not restated for first, now, restated in rows)
