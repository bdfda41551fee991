"""The website's own survey: one question after a search and after the checkout, without a name.

Anybody may answer, and nobody is known: an answer is its own voice and touches no customer. Every
month has the same number of answers, so that one of the two places drifts and the other one steps
by exactly what the truths below say.
"""

from __future__ import annotations

import random

from sample.answers import CLASSES, SCORES, class_counts, daytime
from sample.clock import day_of, iso_utc
from sample.tables import Row, table
from sample.truths import Fate, Score

# --- what is true of it --------------------------------------------------------------------------

MONTHS = tuple(f"{year}-{month:02d}-01" for year in (2024, 2025) for month in range(1, 13))
DRIFT = -1  # points a month, after a search
RELEASED_ON = "2025-04-01"  # the new checkout: 25 points fewer from this month on
CHECKOUT_BEFORE = Score(60, 20, 20, 40.0)
CHECKOUT_AFTER = Score(45, 25, 30, 15.0)
FILES: dict[tuple[str, str, str], Fate] = {
    ("website", "survey_responses", "website_2024.csv"): Fate(2400, 2400),  # 12 x 2 x 100
    ("website", "survey_responses", "website_2025.csv"): Fate(2400, 2400),
}
ACCEPTED_ANSWERS = 4800


def search_score(number: int) -> Score:
    """The score after a search, by the number of the month from 0: 100 answers, 50 - number."""
    promoters, detractors = 65 - (number + 1) // 2, 15 + number // 2
    return Score(promoters, 100 - promoters - detractors, detractors, 50.0 + DRIFT * number)


def checkout_score(number: int) -> Score:
    """The score after the checkout, by the number of the month."""
    return CHECKOUT_BEFORE if MONTHS[number] < RELEASED_ON else CHECKOUT_AFTER


SCORES_BY_TOUCHPOINT = {
    "search": tuple(search_score(number) for number in range(len(MONTHS))),
    "checkout": tuple(checkout_score(number) for number in range(len(MONTHS))),
}

# --- its deliveries ------------------------------------------------------------------------------


def website_responses(rng: random.Random) -> dict[str, bytes]:
    """Two files of answers, one a year."""
    rows: dict[str, list[Row]] = {"2024": [], "2025": []}
    for touchpoint, scores in SCORES_BY_TOUCHPOINT.items():
        for number, score in enumerate(scores):
            first = day_of(MONTHS[number])
            for nps_class in CLASSES:
                for _ in range(class_counts(score)[nps_class]):
                    stamp = daytime(rng, first + rng.randrange(28))
                    points = rng.choice(SCORES[nps_class])
                    rows[MONTHS[number][:4]].append((iso_utc(stamp), touchpoint, points))
    return {
        f"website_{year}.csv": table(
            ("nr", "at", "page", "points"),
            [(f"{year}-{nr:05d}", *row) for nr, row in enumerate(sorted(answers), start=1)],
        )
        for year, answers in rows.items()
    }
