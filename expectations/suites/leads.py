"""Checks of leads: which attributes they are compared by, and their scores."""

from __future__ import annotations

from expectations import Check, no_rows
from expectations.suites.common import assumed, keys, no_emails

LEADS: dict[str, tuple[Check, ...]] = {
    "lead_score_attributes": (
        keys(
            "keys",
            "attribute",
            also="t.attribute not in (select attribute from raw.lead_attributes)",
            scope="table",
            why="An attribute that a source of leads declares has one row.",
        ),
        no_rows(
            "leaks",
            f"""
            select 1 from {{batch}} as t
            inner join raw.lead_attributes as a using (attribute)
            where t.is_used is distinct from (t.left_out_because is null)
                or (t.left_out_because = 'not_of_customers') is distinct from
                    case when t.left_out_because is not null then not a.is_of_customers end
                or (t.is_used and not coalesce(
                    a.is_of_customers
                    and least(t.customer_coverage, t.comparable_coverage)
                        >= {assumed("min_lead_coverage")}
                    and greatest(
                        t.customer_coverage_now - t.customer_coverage,
                        abs(t.customer_coverage - t.comparable_coverage)
                    ) <= {assumed("max_lead_coverage_gap")}, false
                ))
                or t.comparable_coverage > t.lead_coverage or t.lead_coverage > 1
                or t.customer_coverage > t.customer_coverage_now or t.customer_coverage_now > 1
            """,
            scope="table",
            why="What is filled after the answer, or is known of leads less often than of "
            "customers, may follow from what it would explain: no lead is compared by it.",
        ),
        no_emails(),
    ),
}

SCORED: dict[str, tuple[Check, ...]] = {
    "lead_scores": (
        keys("keys", "lead_key", scope="table", why="A lead has one row."),
        no_rows(
            "reasons",
            """
            select 1 from {batch} as t
            where (t.likeness is null) <> (t.known_attributes = 0)
                or (t.reason_1 is null) <> (t.known_attributes = 0)
                or (t.reason_2 is null) <> (t.known_attributes < 2)
                or (t.reason_3 is null) <> (t.known_attributes < 3)
                or t.probability not between 0 and 1
            union all
            -- who is more like promoters is given no lower probability
            select 1 from (
                select probability, lag(probability) over (order by likeness) as before
                from {batch} where likeness is not null
            ) where probability < before - 1e-9
            """,
            scope="table",
            why="A score has as many reasons as attributes are known, up to three, and orders "
            "leads as their probabilities do.",
        ),
    ),
}
