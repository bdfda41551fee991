"""How classes stay, adjusted for who is in them: the rows of int_retention_hazards_fitted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from orchestration.statistics.cox import CoxFit, Floats, concordance, fit_cox, proportionality
from orchestration.statistics.tables import encoded, groups
from orchestration.statistics.tails import chi_squared_tail

Mask = npt.NDArray[np.bool_]

CLASS = "nps_class"
NUMBERS = ("tenure_years", "log_mrr")
# The class that the others are compared with, here as in nps_lift_by_class.
REFERENCE = "passive"
OTHER = "(other)"
ONE_MORE = "one more"
# Digits that the iteration is good for; further ones may differ from machine to machine.
_DIGITS = 10
# A column of which less than this share is not explained by those before it says nothing new.
_DETERMINED = 1e-8

HAZARDS: dict[str, pa.DataType] = {
    "metric": pa.string(),
    "survey_type": pa.string(),
    "kind": pa.string(),
    "covariate": pa.string(),
    "level": pa.string(),
    "reference": pa.string(),
    "customers": pa.int64(),
    "churned": pa.int64(),
    "coefficient": pa.float64(),
    "standard_error": pa.float64(),
    "unadjusted_coefficient": pa.float64(),
    "unadjusted_standard_error": pa.float64(),
    "proportionality_z": pa.float64(),
    "adjusted_for": pa.string(),
    "known_customers": pa.int64(),
    "drawn_customers": pa.int64(),
    "model_customers": pa.int64(),
    "model_churned": pa.int64(),
    "concordance": pa.float64(),
    "model_proportionality_p_value": pa.float64(),
    "unknown_because": pa.string(),
}


@dataclass(frozen=True)
class Limits:
    """What a model must have.

    Attributes:
        least: churned customers that a level, and each term of a model, needs.
        known_share: of the customers for whom a number must be known, to be adjusted for.
        inflation: how many times the terms before a number may inflate its variance.
    """

    least: float
    known_share: float
    inflation: float


@dataclass
class Term:
    """A column of the model: a level of a covariate compared with another, or a number.

    Attributes:
        kind: class, segment or number.
        covariate: whose term it is.
        level: the level; of a number ONE_MORE.
        reference: the level that it is compared with; None: a number.
        members: the customers of the level; of a number all.
        values: the column, one value a customer.
        unknown_because: why it is not in the model.
    """

    kind: str
    covariate: str
    level: str
    reference: str | None
    members: Mask
    values: Floats
    unknown_because: str | None = None


def fitted_hazards(
    customers: pa.Table, segments: Mapping[str, str], limits: Limits
) -> Iterator[dict[str, Any]]:
    """Rows of HAZARDS: one for each term of each metric's and survey type's model.

    Args:
        customers: the rows of int_retention_customers_drawn, in an order of their own.
        segments: its columns of segments, each with the segment's name.
        limits: what a model must have.
    """
    for (metric, survey_type), drawn in groups(customers, ("metric", "survey_type")):
        about = {
            "metric": metric,
            "survey_type": survey_type,
            "known_customers": drawn["known_customers"][0].as_py(),
            "drawn_customers": drawn.num_rows,
        }
        for row in _model_rows(drawn, segments, limits):
            yield about | row


def _model_rows(
    drawn: pa.Table, segments: Mapping[str, str], limits: Limits
) -> Iterator[dict[str, Any]]:
    """The rows of one model, without what identifies it."""
    numbers = {}
    for name in NUMBERS:
        values = drawn[name].to_numpy(zero_copy_only=False).astype(float)
        if np.isfinite(values).mean() >= limits.known_share:
            numbers[name] = values
    days = drawn["days"].to_numpy().astype(float)
    churned = drawn["is_churned"].to_numpy(zero_copy_only=False).astype(bool)
    used = np.logical_and.reduce([np.ones(len(days), bool), *map(np.isfinite, numbers.values())])
    codes, labels = encoded(drawn[CLASS])
    lost = np.bincount(codes[used & churned], minlength=len(labels))
    rare = [label for label, count in zip(labels, lost, strict=True) if count < limits.least]
    used &= ~np.isin(codes, [labels.index(label) for label in rare])

    terms = _class_terms(codes, labels, rare)
    if REFERENCE in labels and REFERENCE not in rare:
        for column, name in segments.items():
            terms += _level_terms(name, drawn[column], used, churned, limits.least)
        everybody = np.ones(len(days), bool)
        terms += [
            Term("number", name, ONE_MORE, None, everybody, values)
            for name, values in numbers.items()
        ]
    else:
        for term in terms:
            term.unknown_because = "too_few_churned"
    yield from _estimated(terms, days, churned, used, limits)


def _class_terms(codes: npt.NDArray[np.int64], labels: list[str], rare: list[str]) -> list[Term]:
    """A term for every class but the one that it is compared with."""
    return [
        Term(
            "class",
            CLASS,
            label,
            REFERENCE,
            codes == code,
            (codes == code).astype(float),
            "too_few_churned" if label in rare else None,
        )
        for code, label in enumerate(labels)
        if label != REFERENCE
    ]


def _level_terms(
    name: str, column: pa.ChunkedArray, used: Mask, churned: Mask, least: float
) -> list[Term]:
    """A segment's terms: its most frequent level is compared with; rare ones count together.

    Levels of which too few churned are one level, (other); if too few churned of that as well, its
    customers count with those compared with.
    """
    codes, labels = encoded(column)
    customers = np.bincount(codes[used], minlength=len(labels))
    lost = np.bincount(codes[used & churned], minlength=len(labels))
    kept = [code for code in range(len(labels)) if lost[code] >= least]
    if not kept:
        return []
    reference = max(kept, key=lambda code: (customers[code], -code))
    levels = {labels[code]: codes == code for code in kept if code != reference}
    pooled = ~np.isin(codes, kept)
    if (pooled & used & churned).sum() >= least:
        levels[OTHER] = pooled
    return [
        Term("segment", name, level, labels[reference], members, members.astype(float))
        for level, members in levels.items()
    ]


def _estimated(
    terms: list[Term], days: Floats, churned: Mask, used: Mask, limits: Limits
) -> Iterator[dict[str, Any]]:
    """The terms with their estimates, or why there are none."""
    model = [term for term in terms if term.unknown_because is None]
    for term in _collinear(model, used, limits.inflation):
        term.unknown_because = "collinear"
    model = [term for term in model if term.unknown_because is None]
    events = int((churned & used).sum())
    fit = alone = None
    if model and events < limits.least * len(model):
        because = "too_few_churned"
    else:
        because = "not_converged"
        fit = _fit(model, days, churned, used)
        classes = [term for term in model if term.kind == "class"]
        alone = _fit(classes, days, churned, used)
    shared: dict[str, Any] = {
        "model_customers": int(used.sum()),
        "model_churned": events,
        "adjusted_for": ", ".join(dict.fromkeys(t.covariate for t in model if t.kind != "class")),
    }
    figures: dict[int, dict[str, float]] = {}
    if fit is not None:
        z, together = proportionality(fit)
        shared["concordance"] = concordance(fit.scores, days[used], churned[used])
        if np.isfinite(together):
            shared["model_proportionality_p_value"] = round(
                chi_squared_tail(together, len(model)), _DIGITS
            )
        errors = np.sqrt(np.diag(fit.covariance))
        for place, term in enumerate(model):
            figures[id(term)] = {
                "coefficient": fit.coefficients[place],
                "standard_error": errors[place],
                "proportionality_z": z[place],
            }
    if alone is not None:
        errors = np.sqrt(np.diag(alone.covariance))
        for place, term in enumerate(classes):
            figures.setdefault(id(term), {})["unadjusted_coefficient"] = alone.coefficients[place]
            figures[id(term)]["unadjusted_standard_error"] = errors[place]
    for term in terms:
        found = figures.get(id(term), {})
        yield {
            "kind": term.kind,
            "covariate": term.covariate,
            "level": term.level,
            "reference": term.reference,
            "customers": int((term.members & used).sum()),
            "churned": int((term.members & used & churned).sum()),
            "unknown_because": term.unknown_because or (because if fit is None else None),
            **shared,
            **{name: round(float(value), _DIGITS) for name, value in found.items()},
        }


def _fit(terms: list[Term], days: Floats, churned: Mask, used: Mask) -> CoxFit | None:
    if not terms:
        return None
    design = np.column_stack([term.values[used] for term in terms])
    return fit_cox(days[used], churned[used], design)


def _collinear(terms: list[Term], used: Mask, inflation: float) -> Iterator[Term]:
    """The terms that those before them determine, and numbers that they nearly do.

    A price that follows from the plan has no effect of its own that could be told from the plan's.
    """
    kept: list[Floats] = []
    for term in terms:
        column = term.values[used] - term.values[used].mean()
        left = column
        for _ in range(2):  # once more: what rounding left of the first time
            for direction in kept:
                left = left - (direction @ left) * direction
        least = 1 / inflation if term.kind == "number" else _DETERMINED
        if left @ left <= least * (column @ column):
            yield term
        else:
            kept.append(left / np.sqrt(left @ left))
