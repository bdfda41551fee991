"""A tablet on a partner's counter, which one customer uses every day.

24 customers answer in the last quarter: one of them 1,000 times, mostly badly, one twice, the rest
once. The score of the answers is that one customer's; the score of the customers is another.
"""

from __future__ import annotations

import random

from sample.answers import SCORES, daytime
from sample.clock import day_of, iso_utc
from sample.tables import Row, table
from sample.truths import Fate, Score

# --- what is true of it --------------------------------------------------------------------------

OF_THE_ONE = {"promoter": 199, "detractor": 801}  # its answers; the latest is a detractor's
ANSWERS = Score(212, 5, 807, -58.1)  # 199 + 13, 4 + 1 and 801 + 6 of 1,024
CUSTOMERS = Score(13, 4, 7, 25.0)  # by their latest answers
EFFECTIVE_VOICES = 1024**2 / (1000**2 + 2**2 + 22)
FILES: dict[tuple[str, str, str], Fate] = {
    ("counter", "survey_responses", "counter_2025_q4.csv"): Fate(1024, 1024),
}
ACCEPTED_ANSWERS = 1024

# --- its deliveries ------------------------------------------------------------------------------

_FIRST, _LAST = day_of("2025-10-06"), day_of("2025-12-22")
_FILLS = (("promoter", 13), ("passive", 4), ("detractor", 6))


def counter_responses(rng: random.Random) -> dict[str, bytes]:
    """One file of answers; the customers are the CRM's."""
    names = [f"C{number:05d}" for number in range(301, 325)]
    rows: list[Row] = []

    def answer(customer: str, nps_class: str, day: int) -> None:
        rows.append((iso_utc(daytime(rng, day)), customer, rng.choice(SCORES[nps_class])))

    classes = [name for name, count in OF_THE_ONE.items() for _ in range(count)]
    rng.shuffle(classes)
    classes.append(classes.pop(classes.index("detractor")))
    days = sorted(rng.randrange(_FIRST, _LAST) for _ in classes[1:])
    for nps_class, day in zip(classes, [*days, _LAST], strict=True):
        answer(names[0], nps_class, day)
    others = [name for name, count in _FILLS for _ in range(count)]
    for customer, nps_class in zip(names[1:], others, strict=True):
        answer(customer, nps_class, rng.randrange(_FIRST + 1, _LAST))
    answer(names[1], "passive", _FIRST)  # before the customer's other answer
    cells = [(f"K-{nr:05d}", *row) for nr, row in enumerate(sorted(rows), start=1)]
    return {"counter_2025_q4.csv": table(("nr", "at", "customer_no", "points"), cells)}
