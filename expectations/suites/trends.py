"""Checks of trends, control charts and change points: recomputed from the published periods.

Thresholds are read from ``seeds.assumptions``. Where the level of a series changes is found by
random permutations, which no check repeats: what follows from a change point is checked.
"""

from __future__ import annotations

from expectations import Check, no_rows
from expectations.suites.common import TOLERANCE, corrected, keys, no_emails

_FAMILY = "time_grain, basis, metric, survey_type, dimension"
_SERIES = f"{_FAMILY}, segment"
_COUNTS = ("promoters", "passives", "detractors")
_COUNTED = ", ".join(_COUNTS)


def _assumed(name: str) -> str:
    return f"(select value from seeds.assumptions where name = '{name}')"


# The published periods that belong to a series, with the figures that all of a series share.
_PERIODS = f"""
    with cells as (
        select *, 'all' as dimension, 'all' as segment from marts.fct_nps_by_period
        union all by name
        select * from marts.fct_nps_by_segment_period
    ),

    counted as (
        select
            {_SERIES}, period_start, period_end, {_COUNTED},
            promoters + passives + detractors as n,
            100.0 * (promoters - detractors) / n as score
        from cells cross join raw.workspace as w
        where basis = 'customers' and time_grain not in ('day', 'all') and period_end <= w.as_of_on
            and promoters + passives + detractors
                >= greatest(w.min_group_size, {_assumed("trend_min_responses")})
    ),

    pooled as (
        select
            {_SERIES}, count(*) as length, sum(n) as total,
            sum(promoters) / sum(n) as p, sum(detractors) / sum(n) as d,
            min(period_start) as first_start, max(period_end) as last_end
        from counted group by all
    )

    select
        counted.*, length, total, first_start, last_end,
        p - d as c,
        greatest(p + d - power(p - d, 2), 0) as v,
        (period_start - first_start) / 365.25 as years,
        100 * sqrt(v / n) as error
    from counted inner join pooled using ({_SERIES})"""
_SHARED = {"periods": _PERIODS}

# The periods of the series that are judged, with the limits of their chart.
_LIMITS = f"""
    ranged as (
        select
            p.*,
            (score - 100 * c) / error as z,
            abs(z - lag(z) over (partition by {_SERIES} order by period_start)) as moving_range
        from {{periods}} as p
        where length >= {_assumed("trend_min_periods")} and v > {TOLERANCE} * {TOLERANCE}
    ),

    limited as (
        select
            *,
            greatest(1, avg(moving_range) over (partition by {_SERIES}) / 1.128) as width,
            c * (1 - c * c - 3 * v) / power(v, 1.5) / 6 / sqrt(n) as skew
        from ranged
    )"""

# A normal tail is between two simple functions (Birnbaum 1942, Sampford 1953): DuckDB has no erf.
_DENSITY = "exp(-limit_sigmas * limit_sigmas / 2) / sqrt(2 * pi())"
_TAIL_OVER = f"2 * {_DENSITY} / (limit_sigmas + sqrt(limit_sigmas * limit_sigmas + 4))"
_TAIL_UNDER = f"4 * {_DENSITY} / (3 * limit_sigmas + sqrt(limit_sigmas * limit_sigmas + 8))"

TRENDS: dict[str, tuple[Check, ...]] = {
    "nps_trend": (
        keys(
            "keys",
            _SERIES,
            also="t.basis <> 'customers' or t.unknown_because not in "
            "('too_few_periods', 'no_variation')",
            why="A series has one row, in which each customer of a period counts once.",
        ),
        no_rows(
            "series",
            f"""
            with expected as (
                select
                    {_SERIES}, any_value(length) as length, any_value(total) as total,
                    any_value(100 * c) as score, any_value(first_start) as first_start,
                    any_value(last_end) as last_end,
                    case
                        when any_value(length) < {_assumed("trend_min_periods")}
                            then 'too_few_periods'
                        when any_value(v) < {TOLERANCE} * {TOLERANCE} then 'no_variation'
                    end as reason
                from {{periods}} group by all
            )

            select 1
            from expected as e full join {{batch}} as t using ({_SERIES})
            where t.periods is distinct from e.length or t.responses is distinct from e.total
                or e.score is null or t.nps is null or abs(t.nps - e.score) > {TOLERANCE}
                or t.first_period_start is distinct from e.first_start
                or t.last_period_end is distinct from e.last_end
                or t.unknown_because is distinct from e.reason
            """,
            shared=_SHARED,
            why="A series is all complete published periods with enough answers; without figures "
            "it says why.",
        ),
        no_rows(
            "fitted",
            f"""
            with sums as (
                select
                    {_SERIES}, any_value(length) as length, any_value(v) as v,
                    sum(n * (score - 100 * c) * years) as products,
                    sum(n * years * years) - power(sum(n * years), 2) / sum(n) as squares,
                    sum(n * power(score - 100 * c, 2)) as deviations
                from {{periods}} group by all
            ),

            fits as (
                select
                    *,
                    products / nullif(squares, 0) as slope,
                    (deviations - slope * products) / nullif(10000 * v, 0) / nullif(length - 2, 0)
                        as scatter,
                    100 * sqrt(v * greatest(1, scatter) / nullif(squares, 0)) as error
                from sums
            )

            select 1
            from {{batch}} as t inner join fits as f using ({_SERIES})
            where (t.slope_per_year is null) <> (t.unknown_because is not null)
                or (t.standard_error is null) <> (t.unknown_because is not null)
                or (t.dispersion is null) <> (t.unknown_because is not null)
                or abs(t.slope_per_year - f.slope) > {TOLERANCE} * greatest(1, abs(f.slope))
                or abs(t.standard_error - f.error) > {TOLERANCE} * greatest(1, f.error)
                or abs(t.dispersion - f.scatter) > {TOLERANCE} * greatest(1, f.scatter)
            """,
            shared=_SHARED,
            why="Slope, error and dispersion are those of weighted least squares on the published "
            "scores, weighted by 1 / SE^2.",
        ),
        no_rows(
            "tested",
            f"""
            select 1
            from {{batch}} as t
            where (t.p_value is null) <> (t.slope_per_year is null)
                or (t.ci_low is null) <> (t.slope_per_year is null)
                or (t.ci_high is null) <> (t.slope_per_year is null)
                or t.p_value < 0 or t.p_value > 1
                or abs(t.ci_low + t.ci_high - 2 * t.slope_per_year) > {TOLERANCE}
                -- Student's interval is wider than the normal distribution's
                or t.ci_high - t.slope_per_year
                    <= {_assumed("confidence_z")} * t.standard_error - {TOLERANCE}
                -- at 95 % interval and p say the same, but for the quantile's last digits
                or ({_assumed("confidence_z")} between 1.9599 and 1.96 and (
                    (t.p_value < 0.0499 and t.ci_low < 0 and t.ci_high > 0)
                    or (t.p_value > 0.0501 and (t.ci_low > 0 or t.ci_high < 0))
                ))
            """,
            scope="rows",
            why="p and interval are the same t test's, two-sided and around the slope.",
        ),
        corrected(_FAMILY),
        no_rows(
            "marks",
            f"""
            with marks as (
                select
                    {_SERIES}, count_if(is_signal) as signals, count_if(is_change_point) as changes,
                    max(period_start) filter (is_signal) as signal_start,
                    max(period_start) filter (is_change_point) as change_start
                from marts.nps_control_chart group by all
            )

            select 1
            from {{batch}} as t full join marks as m using ({_SERIES})
            where t.signals is distinct from m.signals
                or t.change_points is distinct from m.changes
                or t.latest_signal_start is distinct from m.signal_start
                or t.latest_change_start is distinct from m.change_start
            """,
            why="Signals and change points are those of the control chart.",
        ),
        no_emails(
            "time_grain, basis, first_period_start, last_period_end, periods, responses, nps",
            "slope_per_year, standard_error, ci_low, ci_high, dispersion, p_value, comparisons",
            "p_adjusted, is_significant, signals, latest_signal_start, change_points",
            "latest_change_start, unknown_because",
        ),
    ),
    "nps_control_chart": (
        keys("keys", f"{_SERIES}, period_start", why="A period of a series has one row."),
        no_rows(
            "limits",
            f"""
            with {_LIMITS}

            select 1
            from limited as l
            full join {{batch}} as t using ({_SERIES}, period_start)
            where t.nps is null or l.score is null
                or t.period_end is distinct from l.period_end or t.responses is distinct from l.n
                or abs(t.nps - l.score) > {TOLERANCE} or abs(t.centre - 100 * l.c) > {TOLERANCE}
                or abs(t.standard_error - l.error) > {TOLERANCE}
                or t.sigma_z is null or abs(t.sigma_z - l.width) > {TOLERANCE}
                or abs(t.lower_limit - greatest(-100, 100 * l.c - l.error * (
                    limit_sigmas * l.width - least(0, (power(limit_sigmas, 2) - 1) * l.skew)
                ))) > {TOLERANCE}
                or abs(t.upper_limit - least(100, 100 * l.c + l.error * (
                    limit_sigmas * l.width + greatest(0, (power(limit_sigmas, 2) - 1) * l.skew)
                ))) > {TOLERANCE}
                or t.is_signal is distinct from (t.nps < t.lower_limit or t.nps > t.upper_limit)
            """,
            shared=_SHARED,
            why="Every period of a judged series has limits around the series' own score, from "
            "its answers' variance and its periods' moving range (Laney 2002); a score outside "
            "is a signal.",
        ),
        no_rows(
            "sigmas",
            f"""
            select 1
            from {{batch}} as t
            inner join (
                select {_SERIES}, count(distinct period_start) as length
                from {{batch}} group by all
            ) using ({_SERIES})
            where limit_sigmas is null or limit_sigmas < {_assumed("chart_sigmas")}
                -- the tails of all periods are the level, or less at the least distance
                or 0.99 * {_TAIL_OVER} > {_assumed("significance_level")} / (2 * length)
                or (
                    limit_sigmas > {_assumed("chart_sigmas")}
                    and 1.01 * {_TAIL_UNDER} < {_assumed("significance_level")} / (2 * length)
                )
            """,
            why="The limits of a whole series keep its false alarms at the level of the seed.",
        ),
        no_rows(
            "levels",
            f"""
            with numbered as (
                select
                    *,
                    1 + count_if(is_change_point) over (
                        partition by {_SERIES} order by period_start
                    ) as number
                from {{batch}}
            ),

            levels as (
                select {_SERIES}, number, sum(p.score * p.n) / sum(p.n) as score
                from numbered inner join {{periods}} as p using ({_SERIES}, period_start)
                group by all
            )

            select 1
            from numbered as t inner join levels as l using ({_SERIES}, number)
            where t.level_number is distinct from number
                or t.level_nps is null or abs(t.level_nps - l.score) > {TOLERANCE}
                or t.is_change_point is null
                or t.change_p_value <= 0 or t.change_p_value > 1
                or t.is_change_point <> coalesce(
                    t.change_p_value <= {_assumed("significance_level")}, false
                )
            """,
            shared=_SHARED,
            why="A level begins where its change point is, one whose p is at most the level of "
            "the seed, and its score is that of its answers.",
        ),
        no_emails(
            "time_grain, period_start, period_end, basis, responses, nps, standard_error, centre",
            "sigma_z, limit_sigmas, lower_limit, upper_limit, is_signal, is_change_point",
            "change_p_value, level_number, level_nps",
        ),
    ),
}
