"""Who promoters are and which detractors cost support, against scipy, statsmodels and numpy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from dbt_support import compiled, empty_database
from scipy import stats
from statsmodels.stats.contingency_tables import Table2x2
from statsmodels.stats.multitest import multipletests

CASES = 60
MIN_GROUP_SIZE = 5
Z = stats.norm.ppf(0.975)


def found_rows(model: str, table: str, frame: pd.DataFrame) -> pd.DataFrame:
    """A model's rows, given those of one intermediate model."""
    with empty_database() as connection:
        connection.execute(
            "insert into nps.raw.workspace (as_of_on, min_group_size) values ('2025-12-31', ?)",
            [MIN_GROUP_SIZE],
        )
        connection.execute(
            "insert into nps.intermediate.int_driver_attributes_named "
            "values ('seg_region', 'segment', 'region')"
        )
        connection.register("frame", frame)
        connection.execute(f"insert into nps.intermediate.{table} by name from frame")
        return connection.execute(f"from ({compiled(model)})").df()


def agrees(row, names: str, expected: tuple[float, ...]) -> bool:
    found = tuple(getattr(row, name) for name in names.split())
    return found == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_lifts_and_odds_agree_with_scipy_and_statsmodels():
    rng = np.random.default_rng(1)
    voices = rng.integers(MIN_GROUP_SIZE, 80, (CASES, 2))
    promoters = rng.binomial(voices, rng.uniform(0.05, 0.95, (CASES, 2)))
    promoters[0], promoters[1] = voices[0], (0, voices[1, 1])
    frame = pd.DataFrame({
        "metric": "nps", "survey_type": "relational", "attribute": "seg_region",
        "level": [f"level {case:02}" for case in range(CASES)], "is_suppressed": False,
        "voices": voices[:, 0], "other_voices": voices[:, 1],
        "promoters": promoters[:, 0], "other_promoters": promoters[:, 1],
    })  # fmt: skip
    found = found_rows("promoter_profile", "int_profile_levels_compared", frame)
    found = found.sort_values("level", ignore_index=True)
    without_interval = 0
    for row, n, k in zip(found.itertuples(), voices, promoters, strict=True):
        table = Table2x2(np.column_stack([k, n - k]) + 0.5)
        assert agrees(
            row,
            "log_odds log_odds_ci_low log_odds_ci_high p_value",
            (
                *(table.log_oddsratio, *table.log_oddsratio_confint()),
                table.log_oddsratio_pvalue(),
            ),
        )
        if k.min() == 0 or (k == n).all():
            assert pd.isna(row.lift_ci_low) and pd.isna(row.lift_ci_high)
            without_interval += 1
            continue
        ratio = stats.contingency.relative_risk(k[0], n[0], k[1], n[1])
        assert agrees(
            row,
            "lift lift_ci_low lift_ci_high",
            (ratio.relative_risk, *ratio.confidence_interval(0.95)),
        )
    assert 2 <= without_interval < CASES / 2
    adjusted = multipletests(found["p_value"], method="fdr_bh")[1]
    assert found["p_adjusted"].to_numpy() == pytest.approx(adjusted, rel=1e-9)


def test_ratios_of_tickets_have_the_error_of_two_means():
    """The delta method on each group's mean: var(ln m) = s² / (n m²)."""
    rng = np.random.default_rng(2)
    rows, expected = [], {}
    for case in range(CASES):
        groups = [
            rng.negative_binomial(0.7, 0.7 / (0.7 + rng.uniform(0.5, 6)), rng.integers(20, 90))
            for _ in "ab"
        ]
        for level, tickets in zip(("one", "other"), groups, strict=True):
            rows.append((f"type {case:02}", "seg_region", level, tickets))
        rows.append((f"type {case:02}", "all", "all", np.concatenate(groups)))
        means = [tickets.mean() for tickets in groups]
        error = np.sqrt(
            sum(t.var(ddof=1) / len(t) / m**2 for t, m in zip(groups, means, strict=True))
        )
        ratio = means[0] / means[1]
        bounds = ratio * np.exp(np.array([-Z, Z]) * error)
        p = 2 * stats.norm.sf(abs(np.log(ratio)) / error)
        excess = groups[0].sum() - len(groups[0]) * means[1]
        expected[f"type {case:02}"] = (*means, ratio, *bounds, p, excess)
    frame = pd.DataFrame(rows, columns=["survey_type", "attribute", "level", "each"])
    frame["metric"], frame["customers"] = "nps", frame["each"].map(len)
    frame["tickets"] = frame["each"].map(np.sum)
    frame["squares"] = frame["each"].map(lambda tickets: (tickets**2).sum())
    found = found_rows(
        "costly_profile", "int_detractor_tickets_counted", frame.drop(columns="each")
    )
    assert found["unknown_because"].isna().all()
    names = "mean_tickets other_mean_tickets rate_ratio ci_low ci_high p_value excess_tickets"
    for row in found[found["level"] == "one"].itertuples():
        assert agrees(row, names, expected[row.survey_type])


@pytest.mark.simulation
@pytest.mark.parametrize("size", [20, 60, 300])
def test_intervals_of_ratios_of_tickets_hold_the_truth(size):
    """Of tickets that a few customers open most of: negative binomial, variance m + m² / 0.7."""
    rng = np.random.default_rng(3)
    draws, truth = 2000, 1.5
    each = [
        rng.negative_binomial(0.7, 0.7 / (0.7 + mean), (draws, size)) for mean in (2 * truth, 2)
    ]
    each.append(np.concatenate(each, axis=1))
    frame = pd.concat(
        pd.DataFrame({
            "metric": "nps", "survey_type": [f"{draw}" for draw in range(draws)],
            "attribute": attribute, "level": level, "customers": tickets.shape[1],
            "tickets": tickets.sum(axis=1), "squares": (tickets**2).sum(axis=1),
        })
        for tickets, attribute, level in zip(
            each, ("seg_region", "seg_region", "all"), ("one", "other", "all"), strict=True
        )
    )  # fmt: skip
    found = found_rows("costly_profile", "int_detractor_tickets_counted", frame)
    found = found[(found["level"] == "one") & found["unknown_because"].isna()]
    held = ((found["ci_low"] <= truth) & (truth <= found["ci_high"])).mean()
    assert 0.92 <= held <= 0.97
