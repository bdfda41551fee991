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
class Cell:
    """The headline figure over all time; nps and interval are None where suppressed."""

    responses: int
    promoters: int
    passives: int
    detractors: int
    nps: float | None
    ci_low: float | None
    ci_high: float | None


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


@dataclass(frozen=True)
class Split:
    """The headline's change by a dimension: the part of its scores and the part of its mix."""

    dimension: str
    rate: float
    mix: float


@dataclass(frozen=True)
class Driver:
    """The segment behind a change of the headline: its own scores, and the points they made."""

    dimension: str
    segment: str
    compared_nps: float
    nps: float
    points: float


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
    """One row of nps_outcomes_by_class over all segments; money in the workspace's currency."""

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


@dataclass(frozen=True)
class Curve:
    """How many of a class stay: (days since the answer, share, low, high), day 0 first."""

    nps_class: str
    points: tuple[tuple[int, float, float | None, float | None], ...]
    records: int


@dataclass(frozen=True)
class OtherMetric:
    """A metric and survey type beside the headline's, over all time."""

    metric: str
    survey_type: str
    answers: int
    value: float | None
    low: float | None
    high: float | None


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
class PageFigures:
    """Everything the page shows; what the database lacks stays empty.

    Attributes:
        generation: the row of `_generation`, by column.
        descriptions: the database's comments on the money columns of outcomes, by column.
        segments: scores by dimension, both in the order of the page.
    """

    generation: dict[str, Any]
    headline: Cell | None = None
    change: Comparison | None = None
    driver: Driver | None = None
    splits: list[Split] = field(default_factory=list)
    months: list[Score] = field(default_factory=list)
    segments: dict[str, list[Score]] = field(default_factory=dict)
    contrasts: list[Comparison] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    descriptions: dict[str, str] = field(default_factory=dict)
    curves: list[Curve] = field(default_factory=list)
    risks: list[Risk] = field(default_factory=list)
    others: list[OtherMetric] = field(default_factory=list)
    sources: list[SourceRows] = field(default_factory=list)
    quarantined: list[QuarantinedFiles] = field(default_factory=list)
    files: list[QuarantinedFile] = field(default_factory=list)
