"""What the suites of the marts share: keys, e-mail addresses, scores, corrected p-values."""

from __future__ import annotations

from expectations import Check, Scope, Severity, no_rows

# Figures are compared up to what the order of floating-point additions may change.
TOLERANCE = 1e-6
# Which answer is a customer's latest, and which its first.
MOMENT = """
    row(responded_at, version_at is not null, version_at, length(response_id), response_id, source)
"""
# What looks like an e-mail anywhere in a text.
EMAIL = r"[^@\s]@[^@\s]+[.][A-Za-z]"


def grains(*calendar: str) -> str:
    """A query of time grains: the given ones, and the fiscal ones if the workspace has them."""
    listed = ", ".join(f"'{grain}'" for grain in calendar)
    return (
        f"select unnest([{listed}]) as time_grain union all "
        "select unnest(['fiscal_quarter', 'fiscal_year']) as time_grain from raw.workspace "
        "where fiscal_year_start is not null"
    )


def assumed(name: str) -> str:
    """A value of the seed assumptions, as a scalar."""
    return f"(select value from seeds.assumptions where name = '{name}')"


EVERY_GRAIN = grains("day", "week", "month", "quarter", "year", "all")


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
        also: a condition of rows that break one more rule; the table is ``t`` there.
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
        -- hashes show whether any keys are equal, in less time and memory than the keys
        select 1 from {{batch}}
        where hash({key}) in (
            select hash({key}) from {{batch}} group by hash({key}) having count(*) > 1
        )
        group by {key} having count(*) > 1
        {others}
        """,
        scope=scope,
        why=why,
    )


def no_emails(*free_of_text: str, severity: Severity = "critical") -> Check:
    """No cell looks like an e-mail address; columns that cannot hold one are skipped for speed.

    A condition on ``columns(*)`` holds for a row if it holds for every column: so the clean rows
    are counted, and the rest break the rule.
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
                        then not regexp_matches({cell}, '{EMAIL}')
                    else true
                end
            )
        ))
        """,
        severity=severity,
        scope="rows",
        explain=f"""
        select column_name, count(*) as rows
        from (select {cell} from {{batch}}) unpivot (cell for column_name in (columns(*)))
        where regexp_matches(cell, '{EMAIL}')
        group by column_name
        """,
        why="Published tables hold no personal data: no text in them looks like an e-mail address.",
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
        or t.standard_error <= 0
        or not (t.ci_low >= -100 and t.ci_low <= t.ci_high and t.ci_high <= 100)
        -- the adjusted interval of a single answer does not reach the score
        or (t.responses > 1 and t.nps < t.ci_low - {TOLERANCE})
        or (t.responses > 1 and t.nps > t.ci_high + {TOLERANCE})
    """,
    scope="rows",
    why="Promoters, passives and detractors add up to the responses; the score follows from them,"
    " is within -100..100 and within its interval, and is NULL exactly where there is no "
    "answer or the cell is smaller than min_group_size.",
)


def p_value_is_wrong(root: str) -> str:
    """A condition of rows whose p_value is not the normal distribution's for a |z|.

    Birnbaum 1942 and Sampford 1953 bound the tail to a few percent, whatever computed it.
    """
    density = f"exp(-({root}) * ({root}) / 2) / sqrt(2 * pi())"
    low = f"4 * {density} / (({root}) + sqrt(({root}) * ({root}) + 4))"
    high = f"8 * {density} / (3 * ({root}) + sqrt(({root}) * ({root}) + 8))"
    return f"""
        t.p_value < {low} - {TOLERANCE} or t.p_value > {high} + {TOLERANCE}
        or t.p_value < 0 or t.p_value > 1 + {TOLERANCE}"""


def t_tail(t: str, degrees: str) -> str:
    """The two-sided tail of Student's t, integrated over the angle atan(t / sqrt(degrees)).

    The density is a power of the cosine there. Of many degrees nothing is left beyond 12
    standard deviations.
    """
    start, end = f"atan(abs({t}) / sqrt({degrees}))", f"least(pi() / 2, 12 / sqrt({degrees}))"

    def area(start: str) -> str:
        return f"""greatest(0, {end} - {start}) * list_sum(list_transform(
            range(1000),
            lambda k: pow(cos({start} + ({end} - {start}) * (k + 0.5) / 1000), ({degrees}) - 1)
        ))"""

    return f"(({area(start)}) / ({area('0.0')}))"


def t_test_is_wrong(error: str, z: str) -> str:
    """A condition of rows whose p_value or interval is not Student's.

    The model's approximations are good from 4 degrees of freedom on.

    Args:
        error: the standard error of t.difference.
        z: the column with the interval's standard deviations of the normal distribution.
    """
    level = t_tail(z, "1e8")  # so many are as good as normal
    p, outside = t_tail("t.z", "t.degrees_of_freedom"), f"(t.ci_high - t.difference) / ({error})"
    allowed = "case when t.degrees_of_freedom >= 4 then 0.001 * {} + 1e-6 else 0.03 end"
    return f"""
        (t.z is null) <> (t.p_value is null) or (t.z is null) <> (t.ci_low is null)
        or (t.z is null) <> (t.ci_high is null) or t.ci_low >= t.ci_high
        or abs(t.ci_low + t.ci_high - 2 * t.difference)
            > {TOLERANCE} * (1 + abs(t.ci_low) + abs(t.ci_high))
        or abs(t.p_value - {p}) > {allowed.format(p)}
        or abs({t_tail(outside, "t.degrees_of_freedom")} - {level}) > {allowed.format(level)}"""


def corrected(family: str) -> Check:
    """p_adjusted recomputed by the definition of Benjamini and Hochberg, one family at a time."""
    return no_rows(
        "corrected",
        f"""
        with ranked as (
            select
                a.p_value,
                {", ".join(f"a.{column}" for column in family.split(", "))},
                count(*) as tests,
                count(*) filter (b.p_value <= a.p_value) as place
            from (select distinct p_value, {family} from {{batch}}) as a
            inner join {{batch}} as b using ({family})
            where a.p_value is not null and b.p_value is not null
            group by a.p_value, {family}
        )

        select 1
        from {{batch}} as t
        cross join (
            select value as significance_level from seeds.assumptions
            where name = 'significance_level'
        )
        left join (
            select
                {family},
                p_value,
                tests,
                min(p_value * tests / place) over (
                    partition by {family} order by p_value desc
                ) as p_adjusted
            from ranked
        ) as e using ({family}, p_value)
        where (t.p_value is null) <> (t.p_adjusted is null)
            or abs(t.p_adjusted - least(e.p_adjusted, 1)) > {TOLERANCE}
            or (e.tests is not null and t.comparisons is distinct from e.tests)
            or t.is_significant is distinct from (t.p_adjusted <= significance_level)
        """,
        why="Every p-value is corrected for its family (Benjamini and Hochberg), and a difference"
        " is called significant at the level of the seed assumptions.",
    )


PERIOD = "time_grain, period_start, basis, metric, survey_type"
CELL = f"{PERIOD}, dimension, segment"
COUNTS = ("promoters", "passives", "detractors")

# Every published cell, the total among them.
CELLS = f"""
    published as (
        select {PERIOD}, period_end, 'all' as dimension, 'all' as segment, {", ".join(COUNTS)}
        from marts.fct_nps_by_period
        union all
        select {CELL.replace("dimension", "period_end, dimension")}, {", ".join(COUNTS)}
        from marts.fct_nps_by_segment_period
    )"""


def unequal(found: str, expected: str) -> str:
    """Whether two figures differ by more than rounding, or one of them is NULL alone."""
    found, expected = f"({found})", f"({expected})"
    return f"({found} is null) <> ({expected} is null) or abs({found} - {expected}) > {TOLERANCE}"
