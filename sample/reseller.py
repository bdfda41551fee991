"""A reseller that sends no answers, only how many of each class it counted, by quarter and country.

Its second file corrects the third quarter of one country, and with it the total.
"""

from __future__ import annotations

from sample.tables import table
from sample.truths import Fate, Score

# --- what is true of it --------------------------------------------------------------------------

# By quarter of 2025: both countries, and the total that the reseller sends as well.
AUSTRIA = (Score(40, 25, 15, 31.3), Score(44, 22, 14, 37.5), Score(41, 24, 15, 32.5),
           Score(46, 21, 13, 41.3))  # fmt: skip
SWITZERLAND = (Score(30, 20, 10, 33.3), Score(28, 20, 12, 26.7), Score(22, 18, 20, 3.3),
               Score(31, 17, 12, 31.7))  # fmt: skip
TOTAL = (Score(70, 45, 25, 32.1), Score(72, 42, 26, 32.9), Score(63, 42, 35, 20.0),
         Score(77, 38, 25, 37.1))  # fmt: skip
# What the first file said of Switzerland's third quarter.
MISCOUNTED = Score(32, 18, 10, 36.7)
FILES: dict[tuple[str, str, str], Fate] = {
    # of nine rows Austria's third quarter comes again, Switzerland's and the total are corrected
    ("reseller", "score_summaries", "counts_20251005.csv"): Fate(9, 6, 0, 1, 2),
    ("reseller", "score_summaries", "counts_20251229.csv"): Fate(6, 6),
}

# --- its deliveries ------------------------------------------------------------------------------

_HEADER = ("quarter", "until", "cut", "country", "promoters", "passives", "detractors")
_QUARTERS = (("2025-01-01", "2025-03-31"), ("2025-04-01", "2025-06-30"),
             ("2025-07-01", "2025-09-30"), ("2025-10-01", "2025-12-31"))  # fmt: skip


def reseller_summaries() -> dict[str, bytes]:
    """Two files of counts: three quarters, then the third again and the fourth."""

    def rows(quarter: int, swiss: Score) -> list[tuple[object, ...]]:
        austrian = AUSTRIA[quarter]
        both = [one + other for one, other in zip(austrian[:3], swiss[:3], strict=True)]
        parts = (("country", "Austria", austrian[:3]), ("country", "Switzerland", swiss[:3]))
        return [
            (*_QUARTERS[quarter], cut, country, *counts)
            for cut, country, counts in (("", "", both), *parts)
        ]

    first = [*rows(0, SWITZERLAND[0]), *rows(1, SWITZERLAND[1]), *rows(2, MISCOUNTED)]
    second = [*rows(2, SWITZERLAND[2]), *rows(3, SWITZERLAND[3])]
    return {
        "counts_20251005.csv": table(_HEADER, first),
        "counts_20251229.csv": table(_HEADER, second),
    }
