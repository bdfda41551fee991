"""The sample's leads: what they are compared by, and that the planted leak does not win."""

from __future__ import annotations

from sample_support import rows


def test_the_plan_leaks_and_is_left_out(tables):
    """One lead in ten has a plan already, and the plan of customers goes with their answers."""
    found = {
        attribute: (coverage, because)
        for attribute, coverage, because in rows(
            tables,
            "select attribute, comparable_coverage, left_out_because "
            "from marts.lead_score_attributes",
        )
    }
    assert found == {
        "region": (1, None),
        "industry": (1, None),
        "plan": (0.1, "seldom_known_of_leads"),
    }


def test_the_region_orders_customers_a_little(tables):
    """Regions score 60, 40, 20 and 10: better than chance, far from certain."""
    ((area, low, high),) = rows(
        tables,
        "select auc, auc_ci_low, auc_ci_high from marts.lead_score_quality where band = 'all'",
    )
    assert 0.5 < low < area < high < 0.8
    bands = rows(
        tables,
        "select mean_probability, ci_low, ci_high, customers from marts.lead_score_quality "
        "where band <> 'all' order by band",
    )
    assert [mean for mean, *_ in bands] == sorted(mean for mean, *_ in bands)
    # of five intervals of 95 % one may miss by a little
    assert all(low - 0.08 < mean < high + 0.08 for mean, low, high, _ in bands)


def test_every_lead_has_its_reasons(tables):
    scored = rows(
        tables,
        "select likeness, reason_1, reason_2, reason_3 from private.restricted.lead_scores "
        "order by likeness desc",
    )
    assert len(scored) == 300
    assert all(first and second and third is None for _, first, second, third in scored)
    assert all("plan" not in first + second for _, first, second, _ in scored)
    assert "region east" in scored[0][1] and scored[0][0] > 0 > scored[-1][0]
    assert "region south" in scored[-1][1]
