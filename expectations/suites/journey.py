"""Checks of the journey: its stages, their scores, and who goes on."""

from __future__ import annotations

from expectations import Check, no_rows
from expectations.suites.common import SCORES_WITH_COUNTS, keys, no_emails, unequal

_RATE = "case when t.observed >= w.min_group_size then 1.0 * t.converted / t.observed end"
JOURNEY: dict[str, tuple[Check, ...]] = {
    "nps_journey": (
        keys(
            "keys",
            "metric, survey_type, stage_number, dimension, segment, nps_class",
            also="""
                j.position is null or n.stage is distinct from t.next_stage
                or t.dimension not in ('all', 'channel')
                or (t.dimension = 'all' and t.segment <> 'all')""",
            tables="""
                left join raw.journey as j on t.stage_number = j.position and t.stage = j.stage
                left join raw.journey as n on t.stage_number + 1 = n.position""",
            scope="table",
            why="Stages are those of workspace.yml, in their order.",
        ),
        SCORES_WITH_COUNTS,
        no_rows(
            "conversion",
            f"""
            select 1 from {{batch}} as t cross join raw.workspace as w
            where (t.next_stage is null) <> (t.observed is null)
                or (t.next_stage is null) <> (t.converted is null)
                or not (0 <= t.converted and t.converted <= t.observed
                    and t.observed <= t.responses)
                or {unequal("t.conversion_rate", _RATE)}
                or (t.conversion_rate is null) <> (t.conversion_ci_low is null)
                or not (t.conversion_ci_low <= t.conversion_rate + 1e-9
                    and t.conversion_rate <= t.conversion_ci_high + 1e-9)
            """,
            why="Nobody goes on who was not followed, and rates follow from counts.",
        ),
        no_rows(
            "totals",
            """
            select 1 from {batch}
            group by metric, survey_type, stage_number
            having max(responses) filter (dimension = 'all' and nps_class = 'all')
                    is distinct from
                    sum(responses) filter (dimension = 'all' and nps_class <> 'all')
                or max(responses) filter (dimension = 'all' and nps_class = 'all')
                    is distinct from
                    sum(responses) filter (dimension = 'channel' and nps_class = 'all')
                or max(converted) filter (dimension = 'all' and nps_class = 'all')
                    is distinct from
                    sum(converted) filter (dimension = 'channel' and nps_class <> 'all')
            """,
            scope="table",
            why="Channels and classes add up to the stage.",
        ),
        no_emails(),
    ),
}
