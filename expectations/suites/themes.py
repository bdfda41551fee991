"""Checks of what comments are about, and what that does to the score."""

from __future__ import annotations

from expectations import Check, no_rows
from expectations.suites.common import TOLERANCE, assumed, grains, keys, no_emails

_CELL = "time_grain, period_start, basis, metric, survey_type"
_SMALLEST = "(select min_group_size from raw.workspace)"

THEMES: dict[str, tuple[Check, ...]] = {
    "nps_themes_by_period": (
        keys(
            "keys",
            f"{_CELL}, dimension, segment, theme",
            also=f"""
                t.time_grain not in ({grains("month", "quarter", "year", "all")})
                or t.basis not in ('responses', 'customers')
                or not coalesce(t.period_end >= t.period_start, false)
                or least(t.promoters, t.passives, t.detractors, t.compared_responses) < 0
                or t.responses is distinct from t.promoters + t.passives + t.detractors
                or not coalesce(t.responses <= t.all_responses, false)
                or not coalesce(t.responses + t.compared_responses > 0, false)
                or t.is_suppressed is distinct from (t.responses < {_SMALLEST})
                or (t.is_suppressed and coalesce(t.nps, t.mrr) is not null)
                or (not t.is_suppressed and t.nps is null)
                or (t.basis = 'responses' and t.mrr is not null)""",
            scope="table",
            why="A theme has one row in a segment and period: its classes add up, and neither the "
            "score nor the MRR of fewer than min_group_size answers is shown.",
        ),
        no_rows(
            "of_the_total",
            f"""
            select 1
            from {{batch}} as t
            left join (
                select {_CELL}, 'all' as dimension, 'all' as segment,
                    promoters, passives, detractors, responses
                from marts.fct_nps_by_period
                union all
                select {_CELL}, dimension, segment, promoters, passives, detractors, responses
                from marts.fct_nps_by_segment_period
            ) as total using ({_CELL}, dimension, segment)
            where total.responses is distinct from t.all_responses
                or t.promoters > total.promoters or t.passives > total.passives
                or t.detractors > total.detractors
                or abs(t.driver_share - t.detractors / total.detractors) > {TOLERANCE}
                or abs(t.additive_impact
                    - 100 * (t.promoters - t.detractors) / total.responses) > {TOLERANCE}
                or abs(t.impact - 100 * (total.promoters - total.detractors) / total.responses
                    + 100 * (total.promoters - t.promoters - total.detractors + t.detractors)
                        / (total.responses - t.responses)) > {TOLERANCE}
                or (t.impact is null) <> (total.responses - t.responses < {_SMALLEST})
            """,
            why="A theme is named by answers that the segment's score counts, and its impact is "
            "that score less the score without them.",
        ),
        no_rows(
            "changes",
            f"""
            select 1 from {{batch}}
            where not coalesce(impact_ci_low <= impact_ci_high, true)
                or (impact is null) <> (impact_ci_low is null)
                or (impact_change is null) <> (impact is null or compared_impact is null)
                or abs(impact_change - impact + compared_impact) > {TOLERANCE}
                or (impact_change is null) <> (p_value is null)
                or (p_value is null) <> (p_adjusted is null)
                or not coalesce(p_value between 0 and p_adjusted + {TOLERANCE}, true)
                or p_adjusted > 1
                or is_significant is distinct from (p_adjusted <= {assumed("significance_level")})
            """,
            why="A change of impact is the difference of two impacts, and significant where its "
            "corrected p says so.",
        ),
        no_emails(),
    ),
    "theme_quality": (
        keys(
            "keys",
            "average, method, theme",
            also=f"""
                t.average not in ('none', 'micro', 'macro') or t.method not in ('lexicon', 'model')
                or (t.theme = 'all' and t.average = 'none')
                or least(t.true_positives, t.false_positives, t.false_negatives) < 0
                or t.true_positives + t.false_negatives > t.labelled_responses
                    and t.average = 'none'
                or abs(t.precision_share
                    - t.true_positives / (t.true_positives + t.false_positives)) > {TOLERANCE}
                or abs(t.recall_share
                    - t.true_positives / (t.true_positives + t.false_negatives)) > {TOLERANCE}
                or abs(t.f1 - 2 * t.true_positives / (2 * t.true_positives + t.false_positives
                    + t.false_negatives)) > {TOLERANCE}
                or (t.is_used and t.is_measured
                    and t.f1 < {assumed("min_theme_f1")})""",
            scope="table",
            why="A method has one row for each theme, whose shares are those of its counts; a "
            "theme that is found with an F1 below min_theme_f1 enters no figure.",
        ),
        no_emails(),
    ),
    "emerging_terms": (
        keys(
            "keys",
            "metric, survey_type, language, term",
            also=f"""
                not coalesce(t.voices >= {_SMALLEST}, false)
                or not coalesce(regexp_full_match(t.term, '\\pL+( \\pL+)?'), false)
                or t.kind not in ('word', 'pair')
                or least(t.responses, t.compared_responses) < 0
                or not coalesce(t.responses <= t.all_responses, false)
                or not coalesce(t.compared_responses <= t.compared_all_responses, false)
                or t.voices > t.responses + t.compared_responses
                or t.ends_on - t.starts_on + 1 <> t.window_days""",
            scope="table",
            why="A term is a word or two, of letters alone, that at least min_group_size voices "
            "wrote: what fewer wrote may be a name, and digits may be a number of somebody's.",
        ),
        no_rows(
            "odds",
            f"""
            select 1 from {{batch}}
            where not coalesce(log_odds_ci_low <= log_odds and log_odds <= log_odds_ci_high, true)
                or (log_odds is null) <> (p_value is null)
                or (p_value is null) <> (p_adjusted is null)
                or not coalesce(p_value between 0 and p_adjusted + {TOLERANCE}, true)
                or p_adjusted > 1
                or log_odds * (responses * compared_all_responses
                    - compared_responses * all_responses) < -{TOLERANCE}
                or is_emerging is distinct from
                    coalesce(log_odds > 0 and p_adjusted <= {assumed("significance_level")}, false)
            """,
            why="A term emerges where detractors write it more often than before and its corrected "
            "p says so.",
        ),
        no_emails(),
    ),
}

NAMED: dict[str, tuple[Check, ...]] = {
    "response_themes": (
        no_rows(
            "of_a_comment",
            """
            select 1
            from {batch} as t
            left join restricted.response_comments as comments using (response_key)
            where comments.comment is null
                or not coalesce(t.match_start >= 1 and t.match_length >= 1, t.term is null)
                or t.match_start + t.match_length - 1 > length(comments.comment)
                or not coalesce(t.confidence between 0 and 1, true)
            """,
            scope="rows",
            by="theme",
            why="A theme is of a comment, and the term that shows it lies within the comment.",
        ),
    ),
}
