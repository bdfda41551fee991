"""The pairs of metric and scale that the seed ``metric_scales`` knows."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestration.workspace.rules import did_you_mean, shown

_SEED = Path(__file__).parents[2] / "seeds" / "metric_scales.csv"


def known_scales() -> dict[str, list[str]]:
    """The scales of each metric, in the seed's order. Read each time: people edit the seed."""
    found: dict[str, list[str]] = {}
    with _SEED.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            scales = found.setdefault(row["metric"], [])
            if row["scale"] not in scales:
                scales.append(row["scale"])
    return found


def scale_mistakes(constants: Mapping[str, Any]) -> list[str]:
    """What is wrong with the metric and scale that an entry declares for all of its rows.

    Args:
        constants: the key as written; a metric or scale that is no text is reported elsewhere.
    """
    known = known_scales()
    metric, scale = constants.get("metric"), constants.get("scale")
    if isinstance(metric, str) and metric.strip():
        if line := metric_mistake(metric, known):
            return [f"constants.metric: {line}"]
        scales = known[metric.strip().lower()]
        belongs = f"{metric.strip().lower()} has"
    else:
        scales = list(dict.fromkeys(scale for each in known.values() for scale in each))
        belongs = "there are"
    if not isinstance(scale, str) or not scale.strip() or scale.strip() in scales:
        return []
    return [
        f"constants.scale: {shown(scale)} is not in the seed metric_scales; "
        f"{belongs}: {', '.join(scales)}"
    ]


def metric_mistake(metric: str, known: Mapping[str, list[str]] | None = None) -> str | None:
    """What is wrong with the name of a metric, or None."""
    known = known_scales() if known is None else known
    if metric.strip().lower() in known:
        return None
    hint = did_you_mean(metric, known) or f"; there are: {', '.join(known)}"
    return f"{shown(metric)} is no metric of the seed metric_scales{hint}"
