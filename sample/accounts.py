"""A review of key accounts, in which ten contacts of one account speak louder than ten accounts.

Ten users of the account K11 are all detractors; of ten others a single contact promotes each. By
contact the score is 0, by account +82. The owner of K11, who decides, was a promoter a year before
and was not asked again. Two more accounts, one of them the largest of all, were never heard.
"""

from __future__ import annotations

import random

from sample.answers import SCORES, daytime
from sample.clock import day_of, iso_utc
from sample.tables import Row, table
from sample.truths import Fate, Score

# --- what is true of it --------------------------------------------------------------------------

SURVEY_TYPE = "account"
# The CRM's customers who are contacts of these accounts, with their roles there.
_FIRST = 325
LOUD = "K11"
SILENT = ("K12", "K13")
_OWNERS = 6  # of the ten promoters; the others are users
CONTACTS: dict[str, tuple[str, str]] = {
    **{
        f"C{_FIRST + n:05d}": (f"K{n + 1:02d}", "Owner" if n < _OWNERS else "user")
        for n in range(10)
    },
    **{f"C{_FIRST + 10 + n:05d}": (LOUD, "user") for n in range(10)},
    f"C{_FIRST + 20:05d}": (LOUD, "owner"),
    **{f"C{_FIRST + 21 + n:05d}": (account, "owner") for n, account in enumerate(SILENT)},
}
YEARLY_VALUES = {
    **{f"K{n + 1:02d}": 300_000 for n in range(10)},
    LOUD: 1_000_000,
    "K12": 2_000_000,
    "K13": 500_000,
}
BY_CONTACT = Score(10, 0, 10, 0.0)
BY_ACCOUNT = 100 * (10 - 1) / 11  # 81.8: ten voices of +100 and one of -100
BY_REVENUE = 50.0  # (10 x 300,000 - 1,000,000) / 4,000,000
DECISION_MAKERS = _OWNERS
LOUD_A_YEAR_BEFORE = 100.0  # its owner's
FILES: dict[tuple[str, str, str], Fate] = {
    ("review", "survey_responses", "review_2024.csv"): Fate(1, 1),
    ("review", "survey_responses", "review_2025.csv"): Fate(20, 20),
}
ACCEPTED_ANSWERS = 21

# --- its deliveries ------------------------------------------------------------------------------


def review_responses(rng: random.Random) -> dict[str, bytes]:
    """The owner's answer of 2024, and those of 2025: one a contact."""

    def answer(customer: str, nps_class: str, first: int) -> tuple[object, ...]:
        stamp = daytime(rng, first + rng.randrange(28))
        return iso_utc(stamp), customer, rng.choice(SCORES[nps_class])

    contacts = list(CONTACTS)
    owner = answer(contacts[20], "promoter", day_of("2024-11-01"))
    rows: list[Row] = [
        answer(customer, "promoter" if number < 10 else "detractor", day_of("2025-11-01"))
        for number, customer in enumerate(contacts[:20])
    ]
    rng.shuffle(rows)
    header = ("nr", "at", "contact", "points")
    return {
        "review_2024.csv": table(header, [("V-2024-01", *owner)]),
        "review_2025.csv": table(
            header, [(f"V-2025-{nr:02d}", *row) for nr, row in enumerate(rows, start=1)]
        ),
    }
