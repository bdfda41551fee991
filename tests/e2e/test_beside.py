"""The sample's other metrics beside NPS, computed again by scipy from the published answers."""

from __future__ import annotations

import pytest
from sample_support import rows
from scipy import stats

LATEST = """
    select customer_key, metric, survey_type,
        arg_max(score, (responded_at, version_at, response_id)) as score
    from marts.fct_nps_responses where customer_key is not null group by all
"""


def test_what_goes_with_the_score_is_what_scipy_finds(tables):
    pairs = rows(
        tables,
        f"""
        select n.score, c.score from ({LATEST}) as n inner join ({LATEST}) as c using (customer_key)
        where n.metric = 'nps' and n.survey_type = 'relational' and c.metric = 'csat'
        """,
    )
    found = {
        method: values
        for method, *values in rows(
            tables,
            """
            select method, n, coefficient, ci_low, ci_high from marts.metric_correlations
            where level = 'customer' and metric = 'nps' and survey_type = 'relational'
                and kpi = 'csat' and untested_because is null
            """,
        )
    }
    pearson = stats.pearsonr(*zip(*pairs, strict=True))
    assert found["pearson"] == pytest.approx(
        (len(pairs), pearson.statistic, *pearson.confidence_interval(0.95))
    )
    spearman = stats.spearmanr(*zip(*pairs, strict=True))
    assert found["spearman"][:2] == pytest.approx((len(pairs), spearman.statistic))


def test_every_metric_stands_beside_the_headline(tables):
    found = rows(
        tables,
        """
        select metric, count(*), count(headline_value) from marts.fct_survey_metrics_by_period
        where time_grain = 'quarter' and basis = 'customers' group by metric
        """,
    )
    assert {"nps", "csat"} <= {metric for metric, *_ in found}
    # the headline's question was asked in every quarter
    assert all(count == beside for _, count, beside in found)


def test_no_benchmark_is_shipped(tables):
    assert rows(tables, "select count(*) from marts.nps_benchmark_gap") == [(0,)]


def test_the_report_draws_events_and_says_what_they_did(sample_root):
    page = (sample_root / "published/report/index.html").read_text(encoding="utf-8")
    assert "1 October 2025: price rise (starter): −100.0 points beyond the others" in page
    assert "1 April 2025: new mobile app" in page
