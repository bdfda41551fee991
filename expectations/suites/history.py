"""Checks of restatements: the first published figures beside the current ones."""

from __future__ import annotations

from expectations import Check, no_rows
from expectations.suites.common import TOLERANCE, grains, keys

HISTORY: dict[str, tuple[Check, ...]] = {
    "nps_restatements": (
        keys(
            "keys",
            "time_grain, period_start, basis, metric, survey_type",
            tables="cross join raw.workspace as w",
            also=f"""
                t.first_as_of_on is null or t.period_end < t.period_start
                or t.period_end > w.as_of_on
                or t.time_grain not in ({grains("week", "month", "quarter", "year")})""",
            why="An ended period has one row per basis, with the as_of of its first publication.",
        ),
        no_rows(
            "first",
            """
            select 1
            from raw.published_figures as f
            inner join raw.workspace as w on f.period_end <= w.as_of_on
            left join {batch} as t
                on f.time_grain = t.time_grain and f.period_start = t.period_start
                and f.basis = t.basis and f.metric = t.metric and f.survey_type = t.survey_type
            where (
                    -- a fiscal period that no longer begins where it began is not shown
                    f.time_grain not like 'fiscal_%'
                    or (month(f.period_start) - w.fiscal_year_start)
                    % (case f.time_grain when 'fiscal_quarter' then 3 else 12 end) = 0
                )
                and (
                    t.first_as_of_on is distinct from f.as_of_on
                    or t.first_responses is distinct from f.promoters + f.passives + f.detractors
                )
            """,
            why="The first published figures are those of the ledger.",
        ),
        no_rows(
            "now",
            f"""
            select 1
            from {{batch}} as t
            left join marts.fct_nps_by_period as p
                on t.time_grain = p.time_grain and t.period_start = p.period_start
                and t.basis = p.basis and t.metric = p.metric and t.survey_type = p.survey_type
            where t.responses is distinct from coalesce(p.responses, 0)
                or t.nps is distinct from p.nps
                or abs(t.change - (p.nps - t.first_nps)) > {TOLERANCE}
                or (t.change is null) <> (p.nps is null or t.first_nps is null)
                or (not t.is_restated and t.responses <> t.first_responses)
            """,
            why="The current figures are those of fct_nps_by_period, and a difference is marked "
            "as a restatement.",
        ),
    ),
}
