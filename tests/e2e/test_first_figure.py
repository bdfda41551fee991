"""The headline of the published sample, and what the summary says of it."""

from __future__ import annotations

from datetime import date, timedelta

import pandas as pd
import pytest
from sample_support import RELATIONAL, rows

from sample import counter

WINDOW = 90


def test_one_customer_does_not_decide_the_score(tables):
    """1,000 of 1,024 answers are one customer's: -58.1 by answers, 25.0 by customers."""
    (found,) = rows(
        tables,
        "select window_days, responses, promoters, passives, detractors, nps, ci_low, ci_high, "
        "answers, effective_voices, is_carried_by_few, previous_window_untested_because "
        "from marts.nps_headline where survey_type = 'counter'",
    )
    # 13 promoters and 7 detractors of 24: (13.75 - 7.75) / 27 -+ 1.96 sqrt(0.7469 / 27)
    assert found == (
        None, 24, *counter.CUSTOMERS[:3], 25.0, pytest.approx(-10.4, abs=0.05),
        pytest.approx(54.8, abs=0.05), 1024, pytest.approx(counter.EFFECTIVE_VOICES), True,
        "no_window",
    )  # fmt: skip
    ((by_answers,),) = rows(
        tables,
        "select nps from marts.fct_nps_by_period where time_grain = 'all' "
        "and basis = 'responses' and survey_type = 'counter'",
    )
    assert by_answers == pytest.approx(counter.ANSWERS.nps, abs=0.05)


def latest_of(answers: pd.DataFrame, ends_on: date) -> pd.Series:
    """What each voice said last in the window that ends on a day."""
    first = ends_on - timedelta(days=WINDOW - 1)
    inside = answers[answers["responded_on"].between(first, ends_on)]
    return inside.groupby("voice_key")["contribution"].last()


def test_the_headline_is_the_last_90_days_by_customer(tables):
    answers = pd.DataFrame(
        rows(
            tables,
            "select voice_key, responded_on, contribution from marts.fct_nps_responses "
            f"where {RELATIONAL} order by responded_at, version_at nulls first, "
            "length(response_id), response_id, source",
        ),
        columns=["voice_key", "responded_on", "contribution"],
    )
    as_of = date(2025, 12, 31)
    (found,) = rows(
        tables,
        "select window_days, responses, nps, previous_window_responses, previous_window_change, "
        "previous_window_shared_voices, year_before_responses, year_before_change, "
        f"year_before_shared_voices from marts.nps_headline where {RELATIONAL}",
    )
    now = latest_of(answers, as_of)
    expected = [WINDOW, len(now), now.mean()]
    for back in (WINDOW, 365):
        then = latest_of(answers, as_of - timedelta(days=back))
        shared = now.index.intersection(then.index)
        expected += [len(then), now.mean() - then.mean(), len(shared)]
    assert list(found) == pytest.approx(expected)


def test_the_rolling_window_and_the_headline_agree(tables):
    """One is counted by entries and exits of days, the other by each voice's latest answer."""
    pairs = rows(
        tables,
        "select h.responses, h.promoters, h.passives, h.nps, r.responses, r.promoters, r.passives, "
        "r.nps from marts.nps_headline as h join marts.fct_nps_rolling as r "
        "on r.as_of_on = h.ends_on and r.window_days = h.window_days and r.metric = h.metric "
        "and r.survey_type = h.survey_type and r.dimension = 'all'",
    )
    assert len(pairs) >= 3
    for pair in pairs:
        assert pair[:4] == pytest.approx(pair[4:])
