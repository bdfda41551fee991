"""Mistakes in the events of ``workspace.yml`` that no single key shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestration.workspace.rules import did_you_mean, shown
from orchestration.workspace.segments import BUILT_IN_DIMENSIONS, published_name


def event_mistakes(raw: Mapping[str, Any]) -> list[str]:
    """Names that come twice, and dimensions that scores are not cut by.

    Args:
        raw: ``workspace.yml`` as it was written.

    Returns:
        One line for each mistake.
    """
    events, segments = raw.get("events"), raw.get("segments")
    named = segments if isinstance(segments, list) else []
    known = {published_name(each) for each in named if isinstance(each, str)}
    known |= BUILT_IN_DIMENSIONS - {"all"}
    lines: list[str] = []
    seen: dict[object, int] = {}
    for place, event in enumerate(events if isinstance(events, list) else ()):
        if not isinstance(event, Mapping):
            continue
        name, dimension, segment = (event.get(key) for key in ("name", "dimension", "segment"))
        if isinstance(name, str) and seen.setdefault(name, place) != place:
            lines.append(f"events.{place}: events.{seen[name]} has the same name; rename one")
        if (dimension is None) != (segment is None):
            lines.append(
                f"events.{place}: dimension and segment belong together; write both where one "
                "segment was affected, or neither"
            )
        elif isinstance(dimension, str) and dimension not in known:
            hint = did_you_mean(dimension, known) or f"; these are {', '.join(sorted(known))}"
            lines.append(
                f"events.{place}.dimension: {shown(dimension)} is nothing that scores are cut by"
                + hint
            )
    return lines
