"""What the suites of the marts have in common: keys, e-mail addresses, scores with their counts."""

from __future__ import annotations

from expectations import Check, Scope, Severity, no_rows

# Figures are compared up to what the order of floating-point additions may change.
TOLERANCE = 1e-6


def keys(
    name: str,
    key: str,
    *,
    also: str = "false",
    tables: str = "",
    scope: Scope = "rows",
    why: str,
) -> Check:
    """Key columns never NULL and unique together, and a condition on single rows beside it.

    Of a table of which few rows are new, no key of a new row is another's, old or new.

    Args:
        name: the check's name.
        key: the key's columns, separated by commas.
        also: a condition of rows that break a further rule; the table is ``t`` there.
        tables: joins that the condition needs.
        scope: ``table`` where the condition may come to fail of rows that did not change.
        why: the check's reason.
    """
    is_null = " or ".join(f"t.{column.strip()} is null" for column in key.split(","))
    others = f"union all select 1 from {{rest}} inner join {{batch}} using ({key})"
    others = others if scope == "rows" else ""
    return no_rows(
        name,
        f"""
        select 1 from {{batch}} as t {tables} where {is_null} or ({also})
        union all
        -- hashes tell whether any keys are the same, in less time and memory than the keys
        select 1 from {{batch}}
        where hash({key}) in (
            select hash({key}) as key_hash from {{batch}} group by key_hash having count(*) > 1
        )
        group by {key} having count(*) > 1
        {others}
        """,
        scope=scope,
        why=why,
    )


def no_emails(*free_of_text: str, severity: Severity = "critical") -> Check:
    """No cell looks like an e-mail; columns that cannot hold one are left out for speed.

    A condition on ``columns(*)`` holds for a row if it holds for every column: so the clean rows
    are counted, and the others are what is left.
    """
    exclude = f"exclude ({', '.join(free_of_text)})" if free_of_text else ""
    cell = f"columns(* {exclude})::varchar"
    return no_rows(
        "no_emails",
        # most cells hold no @: a plain search is quicker than a pattern
        f"""
        select unnest(range(
            (select count(*) from {{batch}}) - (
                select count(*) from {{batch}}
                where case
                    when contains({cell}, '@')
                        then not regexp_matches({cell}, '[^@\\s]@[^@\\s]+[.][A-Za-z]')
                    else true
                end
            )
        ))
        """,
        severity=severity,
        scope="rows",
        why="Published tables hold no personal data: no text in them looks like an e-mail.",
    )


SCORES_WITH_COUNTS = no_rows(
    "scores",
    f"""
    select 1 from {{batch}} as t cross join raw.workspace as w
    where t.responses is distinct from t.promoters + t.passives + t.detractors
        or least(t.promoters, t.passives, t.detractors) < 0
        or t.is_suppressed is distinct from (t.responses < w.min_group_size)
        or (t.nps is null) <> (t.is_suppressed or t.responses = 0)
        or (t.nps is null) <> (t.standard_error is null)
        or (t.nps is null) <> (t.ci_low is null)
        or (t.nps is null) <> (t.ci_high is null)
        or abs(t.nps - 100.0 * (t.promoters - t.detractors) / nullif(t.responses, 0)) > {TOLERANCE}
        or t.standard_error < 0
        or not (t.ci_low >= -100 and t.ci_low <= t.ci_high and t.ci_high <= 100)
        -- the adjusted interval of a single answer does not reach the score
        or (t.responses > 1 and t.nps < t.ci_low - {TOLERANCE})
        or (t.responses > 1 and t.nps > t.ci_high + {TOLERANCE})
    """,
    scope="rows",
    why="Promoters, passives and detractors are all responses; the score follows from them, lies "
    "within -100..100 and within its interval, and is NULL exactly where there is no answer or "
    "the cell is smaller than min_group_size.",
)
