"""Checks of earned growth."""

from __future__ import annotations

from expectations import Check, no_rows
from expectations.suites.common import TOLERANCE, grains, keys

GROWTH: dict[str, tuple[Check, ...]] = {
    "earned_growth": (
        keys(
            "keys",
            "time_grain, period_start",
            also=f"""
                t.period_end < t.period_start or t.is_complete is null
                or t.time_grain not in ({grains("month", "quarter", "year")})""",
            why="A period has one row.",
        ),
        no_rows(
            "movements",
            f"""
            with movements as (
                select
                    m.customer_key,
                    m.kind,
                    cast(timezone(w.timezone, timezone('UTC', m.moved_at)) as date) as moved_on,
                    case
                        when m.kind not in ('contraction', 'churn') or min(m.amount) filter (
                            m.kind in ('contraction', 'churn')
                        ) over (partition by m.customer_source) < 0 then m.amount
                        else -m.amount
                    end as change
                from intermediate.int_mrr_movements_versioned as m
                cross join raw.workspace as w
                where m.row_status = 'accepted'
            ),

            moved as (
                select moved_on, sum(change) as change
                from movements
                -- who paid before the first movement stands aside
                where customer_key in (
                    select customer_key from movements group by customer_key
                    having min(moved_on) filter (kind = 'new') = min(moved_on)
                )
                group by moved_on
            ),

            states as (select moved_on, sum(change) over (order by moved_on) as mrr from moved)

            select 1 from {{batch}} as t
            where abs(t.closing_mrr - coalesce(
                    (select arg_max(s.mrr, s.moved_on) from states as s
                    where s.moved_on <= t.period_end), 0
                )) > {TOLERANCE} * greatest(1, abs(t.closing_mrr))
                or abs(t.opening_mrr - coalesce(
                    (select arg_max(s.mrr, s.moved_on) from states as s
                    where s.moved_on < t.period_start), 0
                )) > {TOLERANCE} * greatest(1, abs(t.opening_mrr))
            """,
            why="MRR at the start and end of a period is the sum of all movements until then.",
        ),
        no_rows(
            "growth",
            f"""
            select 1 from {{batch}} as t
            where (t.opening_mrr > 0) <> (t.nrr is not null)
                or (t.opening_mrr > 0) <> (t.growth is not null)
                or abs(t.growth - (t.closing_mrr / nullif(t.opening_mrr, 0) - 1)) > {TOLERANCE}
                or abs(t.nrr + t.earned_new_mrr / nullif(t.opening_mrr, 0) - 1
                    - t.earned_growth_rate) > {TOLERANCE}
                or abs(t.nrr - 1 + (t.new_mrr + t.returned_mrr) / nullif(t.opening_mrr, 0)
                    - t.growth) > {TOLERANCE}
                or (t.earned_growth_rate is null) <> (t.unknown_because is not null)
                or (t.earned_new_mrr is null and t.earned_growth_rate is not null)
                or t.earned_customers > t.new_customers
            """,
            why="Growth is retained, new and returned revenue, earned growth retained and earned "
            "new revenue; an unknown figure is NULL with a reason.",
        ),
    ),
}
