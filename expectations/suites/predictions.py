"""Checks of predictions: how good they are, whom proactive support lists, and why."""

from __future__ import annotations

from expectations import Check, no_rows
from expectations.suites.common import TOLERANCE, assumed, keys, unequal


def quality(key: str, total: str, hits: str, suppressed: str) -> tuple[Check, ...]:
    """Checks of a table that holds probabilities against what came true, in groups and in total.

    Args:
        key: its key columns, separated by commas.
        total: a condition of the row of all people.
        hits: the column that counts of whom it came true.
        suppressed: a condition of rows whose is_suppressed is wrong.
    """
    return (
        keys("keys", key, scope="table", why="A group has one row."),
        no_rows(
            "figures",
            f"""
            select 1 from {{batch}} as t cross join raw.workspace as w
            where ({suppressed}) or t.is_suppressed is null
                or (t.{hits} is null) <> t.is_suppressed
                or {unequal("t.share", f"1.0 * t.{hits} / t.customers")}
                or (t.mean_probability is null) <> t.is_suppressed
                or t.mean_probability not between 0 and 1 or t.brier_score not between 0 and 1
                or not (t.ci_low <= t.share + {TOLERANCE} and t.share <= t.ci_high + {TOLERANCE})
                or (t.auc is not null and not ({total}))
                or t.auc not between 0 and 1
                or not (t.auc_ci_low <= t.auc and t.auc <= t.auc_ci_high)
            """,
            why="Shares follow from the counts and lie within their intervals; groups have no AUC.",
        ),
        no_rows(
            "groups",
            f"""
            select 1 from {{batch}}
            having sum(customers) filter (not ({total})) <> sum(customers) filter ({total})
                or abs(
                    sum(customers * mean_probability) filter (not ({total}))
                    - sum(customers * mean_probability) filter ({total})
                ) > {TOLERANCE} * sum(customers) and not bool_or(is_suppressed)
            """,
            scope="table",
            why="Everybody who was held back is in one group.",
        ),
    )


PREDICTIONS: dict[str, tuple[Check, ...]] = {
    "lead_score_quality": (
        *quality(
            "band",
            "band = 'all'",
            "promoters",
            "t.is_suppressed is distinct from (t.customers < w.min_group_size)",
        ),
        no_rows(
            "bands",
            f"""
            select 1 from {{batch}}
            having count(*) filter (band <> 'all') > {assumed("lead_calibration_bands")}
            """,
            scope="table",
            why="There are as many bands as the seed assumptions say, or fewer.",
        ),
    ),
    # a customer counts once a month, so that fewer customers may be many
    "proactive_support_quality": quality(
        "nps_class, signal",
        "nps_class = 'all'",
        "churned",
        "not t.is_suppressed and t.customers < w.min_group_size",
    ),
}

_ADDED = assumed("proactive_prior_customers")
_CHANCE = f"(t.similar_left + {_ADDED} * t.overall_share) / (t.similar_customers + {_ADDED})"
_SCALE = f"{assumed('proactive_days')} / {assumed('proactive_days_before')}"
_LEAST = f"(1 - {assumed('min_usage_fall')})"
_USUAL_USAGE = f"(t.usage_before * ({_SCALE}))"
_ROSE = f"t.tickets_recent - t.tickets_before * ({_SCALE}) >= {assumed('min_ticket_rise')}"
LISTED: dict[str, tuple[Check, ...]] = {
    "proactive_support": (
        keys("keys", "customer_key", scope="table", why="A customer has one row."),
        no_rows(
            "signals",
            f"""
            select 1 from {{batch}} as t
            cross join raw.workspace as w
            left join marts.customer_nps_features as f
                on t.customer_key = f.customer_key and f.as_of_on = w.as_of_on
            where t.nps_class is distinct from coalesce(f.last_class, 'no_answer')
                or {unequal("t.usage_level", f"t.usage_recent / nullif({_USUAL_USAGE}, 0)")}
                or t.signal is distinct from case
                    when t.usage_recent <= {_LEAST} * ({_SCALE}) * nullif(t.usage_before, 0)
                    then if({_ROSE}, 'both', 'usage_fell')
                    when {_ROSE} then 'tickets_rose'
                end
            """,
            scope="table",
            why="Listed are customers whose usage fell or whose tickets rose, as their "
            "features say.",
        ),
        no_rows(
            "chances",
            f"""
            select 1 from {{batch}} as t
            where {unequal("t.chance_to_leave", _CHANCE)}
                or not (0 <= t.ci_low and t.ci_low <= t.chance_to_leave + {TOLERANCE}
                    and t.chance_to_leave <= t.ci_high + {TOLERANCE} and t.ci_high <= 1)
                or {unequal("t.mrr_at_risk", "t.mrr * t.chance_to_leave")}
            union all
            select 1 from {{batch}}
            having count(*) <> count(distinct call_rank) or count(*) <> coalesce(max(call_rank), 0)
            """,
            scope="table",
            why="Chances follow from the counts of similar customers, and everybody has a place in "
            "the order of calling.",
        ),
    ),
}
