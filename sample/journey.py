"""People on their way from a trial to the setup to the renewal, asked at each stage.

They are known by their addresses alone, to the tool that asks them. Promoters of the trial go on
more often than passives, and these more often than detractors, by what the truths below say.
"""

from __future__ import annotations

import random
from typing import NamedTuple

from sample.answers import CLASSES, SCORES, class_counts, daytime
from sample.clock import day_of, iso_utc
from sample.tables import Row, table
from sample.truths import Fate, Score

# --- what is true of it --------------------------------------------------------------------------

STAGES = ("trial", "setup", "renewal")  # workspace.yml, journey


class Step(NamedTuple):
    """Voices whose 90 days are over, and those who went on within them."""

    observed: int
    converted: int


# The trial's 200 of spring, and 20 promoters of December, whose 90 days are not over.
TRIAL = Score(120, 50, 50, 350 / 11)
TRIAL_BY_CHANNEL = {"web": Score(90, 25, 25, 650 / 14), "app": Score(30, 25, 25, 6.25)}
FROM_TRIAL = {"promoter": Step(100, 80), "passive": Step(50, 25), "detractor": Step(50, 10)}
# Five promoters come to the renewal without an answer at the setup; ten others come after 90 days.
SKIPPED, LATE = 5, {"passive": 5, "detractor": 5}
SETUP = Score(72, 24, 24, 40.0)  # 80 - 5 + 25 + 10 + 10
FROM_SETUP = {"promoter": Step(72, 58), "passive": Step(24, 10), "detractor": Step(24, 5)}
RENEWAL = Score(48, 20, 10, 1900 / 39)  # 58 + 10 + 5 + 5
REPEATED = 10  # detractors of the trial who answer there once more, as promoters: the first counts
ACCEPTED_ANSWERS = TRIAL.responses + SETUP.responses + RENEWAL.responses + REPEATED
FILES: dict[tuple[str, str, str], Fate] = {
    ("journey", "survey_responses", "stages_2025.csv"): Fate(ACCEPTED_ANSWERS, ACCEPTED_ANSWERS),
}

# --- its deliveries ------------------------------------------------------------------------------

_SPRING, _DECEMBER = day_of("2025-03-03"), day_of("2025-12-05")


def _classes(rng: random.Random, score: Score) -> list[str]:
    classes = [name for name, count in class_counts(score).items() for _ in range(count)]
    rng.shuffle(classes)
    return classes


def _later(rng: random.Random, day: int, *, is_late: bool = False) -> int:
    """A day within 90 days, or after them."""
    return day + (rng.randrange(95, 120) if is_late else rng.randrange(5, 80))


def journey_responses(rng: random.Random) -> dict[str, bytes]:
    """The answers of all stages in one file."""
    rows: list[tuple[int, str, str, str, int]] = []

    def answer(person: str, stage: str, channel: str, nps_class: str, day: int) -> None:
        stamp = daytime(rng, day)
        rows.append((stamp, person, stage, channel, rng.choice(SCORES[nps_class])))

    setups: list[tuple[str, int]] = []
    renewals: list[tuple[str, int]] = []
    people = 0
    for nps_class in CLASSES:
        step, late = FROM_TRIAL[nps_class], LATE.get(nps_class, 0)
        channels = [
            channel
            for channel, score in TRIAL_BY_CHANNEL.items()
            for _ in range(class_counts(score)[nps_class])
        ]
        for number in range(class_counts(TRIAL)[nps_class]):
            people += 1
            person, is_recent = f"traveller{people}@example.net", number >= step.observed
            # those of December are promoters on the web, as the first of the channels are
            channel = channels[-1 - number] if not is_recent else "web"
            day = (_DECEMBER if is_recent else _SPRING) + rng.randrange(20 if is_recent else 50)
            answer(person, "trial", channel, nps_class, day)
            if nps_class == "promoter" and number < SKIPPED:
                renewals.append((person, _later(rng, day)))
            elif not is_recent and number < step.converted + late:
                setups.append((person, _later(rng, day, is_late=number >= step.converted)))
            elif nps_class == "detractor" and number >= step.observed - REPEATED:
                answer(person, "trial", channel, "promoter", day + 7)
    missing = {nps_class: step.converted for nps_class, step in FROM_SETUP.items()}
    for (person, day), nps_class in zip(setups, _classes(rng, SETUP), strict=True):
        answer(person, "setup", "app", nps_class, day)
        if missing[nps_class]:
            missing[nps_class] -= 1
            renewals.append((person, _later(rng, day)))
    for (person, day), nps_class in zip(renewals, _classes(rng, RENEWAL), strict=True):
        answer(person, "renewal", "email", nps_class, day)
    rng.shuffle(rows)
    table_rows: list[Row] = [
        (f"J{number:04d}", person, iso_utc(stamp), stage, channel, points)
        for number, (stamp, person, stage, channel, points) in enumerate(rows, start=1)
    ]
    header = ("nr", "mail", "at", "step", "by", "points")
    return {"stages_2025.csv": table(header, table_rows)}
