"""The marts boundary: every suite of what leaves, by the question that its tables answer."""

from __future__ import annotations

from expectations import Check
from expectations.suites.accounts import ACCOUNTS
from expectations.suites.actions import ACTIONS
from expectations.suites.adjusted import ADJUSTED
from expectations.suites.asking import ASKING
from expectations.suites.changes import CHANGES
from expectations.suites.employees import EMPLOYEES
from expectations.suites.events import EVENTS
from expectations.suites.follow_ups import FOLLOW_UPS
from expectations.suites.foundation import FOUNDATION
from expectations.suites.growth import GROWTH
from expectations.suites.headline import HEADLINE
from expectations.suites.histogram import HISTOGRAM
from expectations.suites.history import HISTORY
from expectations.suites.journey import JOURNEY
from expectations.suites.leads import LEADS, SCORED
from expectations.suites.lift import LIFT
from expectations.suites.metrics import METRICS
from expectations.suites.overlapping import OVERLAPPING
from expectations.suites.predictions import LISTED, PREDICTIONS
from expectations.suites.profiles import PROFILES
from expectations.suites.reconciliation import QUARANTINED, RECONCILIATION
from expectations.suites.retention import RETENTION
from expectations.suites.scores import SCORES
from expectations.suites.summaries import SUMMARIES
from expectations.suites.themes import NAMED, THEMES
from expectations.suites.trends import TRENDS
from expectations.suites.value import VALUE
from expectations.suites.voices import VOICES
from expectations.suites.weighting import WEIGHTING

__all__ = ["MARTS", "RESTRICTED"]

MARTS: dict[str, tuple[Check, ...]] = {
    **FOUNDATION,
    **HISTOGRAM,
    **SUMMARIES,
    **OVERLAPPING,
    **RECONCILIATION,
    **HEADLINE,
    **SCORES,
    **CHANGES,
    **TRENDS,
    **ASKING,
    **WEIGHTING,
    **HISTORY,
    **RETENTION,
    **ADJUSTED,
    **VALUE,
    **LIFT,
    **EVENTS,
    **GROWTH,
    **ACCOUNTS,
    **EMPLOYEES,
    **FOLLOW_UPS,
    **THEMES,
    **METRICS,
    **PROFILES,
    **LEADS,
    **PREDICTIONS,
    **JOURNEY,
    **VOICES,
}

RESTRICTED: dict[str, tuple[Check, ...]] = {
    **QUARANTINED,
    **NAMED,
    **SCORED,
    **LISTED,
    **ACTIONS,
}
