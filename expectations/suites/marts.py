"""The marts boundary: every suite of what leaves, by the question that its tables answer."""

from __future__ import annotations

from expectations import Check
from expectations.suites.asking import ASKING
from expectations.suites.foundation import FOUNDATION, RESTRICTED
from expectations.suites.growth import GROWTH
from expectations.suites.history import HISTORY
from expectations.suites.scores import SCORES
from expectations.suites.value import VALUE

__all__ = ["MARTS", "RESTRICTED"]

MARTS: dict[str, tuple[Check, ...]] = {
    **FOUNDATION,
    **SCORES,
    **ASKING,
    **HISTORY,
    **VALUE,
    **GROWTH,
}
