"""The figures of the summary and the report, as values without any formatting."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any

CLASSES = {
    "promoter": "Promoters",
    "passive": "Passives",
    "detractor": "Detractors",
    "no_response": "No response",
}


@dataclass(frozen=True)
class WindowChange:
    """The headline beside the same window at an earlier time.

    Attributes:
        comparison: `previous_window` or `year_before`.
        ends_on: last day of the window compared with.
        responses: customers that answered in it.
        nps: their score; None where there are too few.
        change: points; None where it can't be compared, like all that follows.
        p_value: None where it is not tested.
        is_significant: at the declared level; None where it is not tested.
        untested_because: why there is no p; None where there is one.
        detectable_change: the change in points that would have been found with the declared power.
    """

    comparison: str
    ends_on: date | None
    responses: int
    nps: float | None
    change: float | None
    p_value: float | None
    is_significant: bool | None
    untested_because: str | None
    detectable_change: float | None


@dataclass(frozen=True)
class Headline:
    """A row of nps_headline: the score of the latest window, each customer once.

    Attributes:
        declared_days: the window of the settings.
        window_days: the window that is shown; None: all of history.
        starts_on: its first day.
        ends_on: its last day.
        responses: customers, by their latest answers.
        nps: None where there are too few, as the interval.
        answers: all answers of the window.
        effective_voices: what they are worth where some customers answer often.
        is_carried_by_few: whether that is little.
        significance_level: below it a change is called real.
        weighted_by: the dimension of weighted_nps; None: there is none.
        weighted_nps: the score as if its segments had answered in proportion to their customers.
        all_time_responses: customers that ever answered.
        changes: against the window before and the same days a year earlier.
    """

    declared_days: int
    window_days: int | None
    starts_on: date
    ends_on: date
    responses: int
    promoters: int
    passives: int
    detractors: int
    nps: float | None
    ci_low: float | None
    ci_high: float | None
    answers: int
    effective_voices: float
    is_carried_by_few: bool
    significance_level: float
    weighted_by: str | None
    weighted_nps: float | None
    all_time_responses: int
    all_time_nps: float | None
    all_time_ci_low: float | None
    all_time_ci_high: float | None
    changes: tuple[WindowChange, ...]


@dataclass(frozen=True)
class Comparison:
    """A row of nps_change_significance: a score beside the one it is compared with.

    Attributes:
        dimension: as published, not yet safe to print; `all` for the headline itself.
        segment: as published, not yet safe to print.
        time_grain: the grain of both periods.
        period_start: first day of the period.
        compared_start: first day of the period compared with.
        responses: customers, by their latest answers.
        nps: None where there are too few.
        compared_responses: customers that it is compared with.
        compared_nps: None where there are too few.
        change: points; None where either side has too few answers, like all that follows.
        p_adjusted: corrected for all comparisons of the family.
        is_significant: at the declared level.
        detectable_change: the change in points that would have been found with the declared power.
    """

    dimension: str
    segment: str
    time_grain: str
    period_start: date
    compared_start: date
    responses: int
    nps: float | None
    compared_responses: int
    compared_nps: float | None
    change: float | None
    p_adjusted: float | None
    is_significant: bool | None
    detectable_change: float | None


@dataclass(frozen=True)
class Driver:
    """The segment behind a change of the headline: its own scores, and the points they made."""

    dimension: str
    segment: str
    compared_nps: float
    nps: float
    points: float


@dataclass(frozen=True)
class RecentChange:
    """A real change of a recent period, and the segment that made most of it, if one did."""

    change: Comparison
    driver: Driver | None


@dataclass(frozen=True)
class Split:
    """The headline's change by a dimension: the part of its scores and the part of its mix."""

    dimension: str
    rate: float
    mix: float


@dataclass(frozen=True)
class Risk:
    """A figure of nps_revenue_at_risk for the whole business; amounts are None where unknown.

    `customers` are those whose revenue is known: the amounts are theirs.
    """

    figure: str
    nps_class: str
    horizon_days: int
    customers: int
    assumed_rate: float
    assumed_amount: float | None
    observed_rate: float | None
    evidence_amount: float | None


@dataclass(frozen=True)
class Score:
    """A value with its interval, as drawn; all three are None where it is suppressed."""

    label: str
    value: float | None
    low: float | None
    high: float | None
    answers: int
    complete: bool = True


@dataclass(frozen=True)
class Outcome:
    """One row of nps_outcomes_by_class, each customer once, over all segments.

    Money is in the workspace's currency and that of all customers of the class; projected_ltv rests
    on the churn within ltv_window_days, and both of its bounds on that rate's interval.
    """

    nps_class: str
    window_days: int
    customers: int
    observed: int
    churned: int
    churn_rate: float | None
    ci_low: float | None
    ci_high: float | None
    active_mrr: float | None
    realised_ltv: float | None
    projected_ltv: float | None
    projected_ltv_low: float | None
    projected_ltv_high: float | None
    ltv_window_days: int | None


@dataclass(frozen=True)
class Reading:
    """A curve at the end of a window; all but its days and counts are None where few are left."""

    window_days: int
    at_risk: int
    retention: float | None
    low: float | None
    high: float | None
    restricted_mean_days: float | None


@dataclass(frozen=True)
class Curve:
    """How many of a class stay: (days since the start, share, low, high), day 0 first."""

    nps_class: str
    points: tuple[tuple[int, float, float | None, float | None], ...]
    records: int
    readings: tuple[Reading, ...] = ()


@dataclass(frozen=True)
class OtherMetric:
    """A metric and survey type beside the headline's, in the window that nps_headline chose."""

    metric: str
    survey_type: str
    window_days: int | None
    customers: int
    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class MatchRate:
    """How many different ids of one column of an entry are known; None: to nobody's customers."""

    source: str
    entity: str
    column: str
    customer_source: str
    delivered: int
    known: int | None


@dataclass(frozen=True)
class SourceRows:
    """Files and rows of one source's entity: delivered is the sum of the six after it."""

    source: str
    entity: str
    files: int
    delivered: int
    accepted: int
    quarantined: int
    duplicate: int
    superseded: int
    deleted: int
    excluded: int


@dataclass(frozen=True)
class QuarantinedFiles:
    """Whole files in quarantine for one reason, and the rows in them."""

    reason: str
    files: int
    rows: int


@dataclass(frozen=True)
class QuarantinedFile:
    """One whole file in quarantine; texts as published, not yet safe to print."""

    source: str
    entity: str
    name: str
    reason: str


@dataclass(frozen=True)
class Theme:
    """A row of nps_themes_by_period: a theme of the headline's latest complete period.

    Attributes:
        name: as the lexicon has it, not yet safe to print.
        time_grain: the grain of the period.
        period_start: first day of the period.
        compared_start: first day of the period before; None: there is none.
        responses: customers whose latest answer names it.
        nps: their score; None where there are too few.
        impact: points by which they move the score.
        low: lower end of its 95 % interval.
        high: upper end of its 95 % interval.
        change: of the impact against the period before; None where it can't be compared.
        is_significant: whether the change is real; None where it is not tested.
    """

    name: str
    time_grain: str
    period_start: date
    compared_start: date | None
    responses: int
    nps: float | None
    impact: float
    low: float
    high: float
    change: float | None
    is_significant: bool | None


@dataclass(frozen=True)
class EventEffect:
    """What an event did to the headline's score, in points.

    Attributes:
        day: the event's day.
        segment: the segment that it affected; None: everybody.
        effect: the change of the score, less that of the customers who were spared; None where
            too few answered.
        low: lower end of its 95 % interval; None where it is not tested.
        high: upper end.
    """

    name: str
    day: date
    segment: str | None
    effect: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class FollowUp:
    """A row of follow_up_sla: the cases of one class in the latest quarter.

    Attributes:
        nps_class: the class of the answers.
        time_grain: the grain of the period.
        period_start: first day of the period.
        cases: of answers of the period.
        contacted: of cases, those whose customer was reached.
        median_hours: to the first contact; None where too few were contacted.
        in_time: share of the cases that are due; None where too few are.
        in_time_low: lower end of its 95 % interval.
        in_time_high: upper end of its 95 % interval.
        recovered: share of those who answered again; None where too few did.
        recovered_low: lower end of its 95 % interval.
        recovered_high: upper end of its 95 % interval.
        open_cases: of cases, those that are open.
        overdue: of open_cases, those of which a target has passed.
    """

    nps_class: str
    time_grain: str
    period_start: date
    cases: int
    contacted: int
    median_hours: float | None
    in_time: float | None
    in_time_low: float | None
    in_time_high: float | None
    recovered: float | None
    recovered_low: float | None
    recovered_high: float | None
    open_cases: int
    overdue: int


@dataclass(frozen=True)
class PageFigures:
    """Everything the page shows; what the database lacks stays empty.

    Attributes:
        generation: the row of `_generation`, by column.
        recent: the real changes among the latest complete periods, the newest first.
        segments: scores by dimension, both in the order of the page.
    """

    generation: dict[str, Any]
    headline: Headline | None = None
    change: Comparison | None = None
    recent: list[RecentChange] = field(default_factory=list)
    splits: list[Split] = field(default_factory=list)
    months: list[Score] = field(default_factory=list)
    events: list[EventEffect] = field(default_factory=list)
    segments: dict[str, list[Score]] = field(default_factory=dict)
    contrasts: list[Comparison] = field(default_factory=list)
    themes: list[Theme] = field(default_factory=list)
    terms: str | None = None
    follow_ups: list[FollowUp] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)
    risks: list[Risk] = field(default_factory=list)
    others: list[OtherMetric] = field(default_factory=list)
    sources: list[SourceRows] = field(default_factory=list)
    quarantined: list[QuarantinedFiles] = field(default_factory=list)
    files: list[QuarantinedFile] = field(default_factory=list)
