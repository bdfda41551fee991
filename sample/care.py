"""A team that calls unhappy customers, but for those who are held out: what its calls are worth.

400 people who are known to the team's tool alone answer badly, and once more some months later.
Whom nobody is asked to contact follows from the workspace's key, so the people are numbered until
both groups are as large as the truths below say.
"""

from __future__ import annotations

import hashlib
import random
import uuid
from collections.abc import Iterator

from sample.answers import SCORES, daytime
from sample.clock import day_of, epoch, iso_of_epoch
from sample.tables import Row, table
from sample.truths import Fate, Score

# --- what is true of it --------------------------------------------------------------------------

HOLDOUT_SHARE = 0.05  # workspace.yml, actions
# Their next answers: of 360 listed 216 recovered, of 40 held out 12: 60 % against 30 %.
LISTED = Score(120, 96, 144, -20 / 3)
HELD_OUT = Score(4, 8, 28, -60.0)
CONTACTED = 340  # of those listed; of those held out nobody
EFFECT = 0.3
PEOPLE = 400
ACCEPTED_ANSWERS = 2 * PEOPLE
FILES: dict[tuple[str, str, str], Fate] = {
    ("care", "survey_responses", "care_2025.csv"): Fate(800, 800),
    ("care", "follow_ups", "calls_2025.csv"): Fate(340, 340),
}

# --- its deliveries ------------------------------------------------------------------------------

_FIRST, _SECOND = day_of("2025-02-03"), day_of("2025-07-07")
_HOUR = 3600


def is_held_out(person: str, key: str) -> bool:
    """Whether nobody is asked to contact a person: as the models draw it, with the key's hash."""
    customer = uuid.UUID(hashlib.md5(f"care|{person}".encode(), usedforsecurity=False).hexdigest())
    inner = _hash(f"{key[:32]}{customer}")
    keyed = uuid.UUID(_hash(f"{key[32:]}{inner}"))
    return int(_hash(f"{keyed}|hold-out")[:8], 16) / 2**32 < HOLDOUT_SHARE


def _hash(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _people(key: str) -> Iterator[tuple[str, bool]]:
    """People and whether they are held out, as many of each kind as the truths say."""
    missing = {False: LISTED.responses, True: HELD_OUT.responses}
    number = 0
    while any(missing.values()):
        number += 1
        person = f"P{number:05d}"
        is_out = is_held_out(person, key)
        if missing[is_out]:
            missing[is_out] -= 1
            yield person, is_out


def care_deliveries(rng: random.Random, key: str) -> dict[str, bytes]:
    """The answers and the calls, a file each.

    Args:
        rng: the source of chance.
        key: the workspace's key, 64 hexadecimal digits.
    """
    following = {}
    for is_out, score in ((False, LISTED), (True, HELD_OUT)):
        counts = zip(("promoter", "passive", "detractor"), score[:3], strict=True)
        classes = [name for name, count in counts for _ in range(count)]
        rng.shuffle(classes)
        following[is_out] = classes
    answers: list[tuple[str, str, int, int]] = []
    calls: list[Row] = []
    for number, (person, is_out) in enumerate(_people(key), start=1):
        first = epoch(daytime(rng, _FIRST + rng.randrange(60)))
        second = epoch(daytime(rng, _SECOND + rng.randrange(60)))
        later = rng.choice(SCORES[following[is_out].pop()])
        answers.append((f"A{number:04d}", person, rng.choice(SCORES["detractor"]), first))
        answers.append((f"B{number:04d}", person, later, second))
        if not is_out and len(calls) < CONTACTED:
            contact = first + rng.randrange(_HOUR, 40 * _HOUR)
            closed = contact + rng.randrange(_HOUR, 90 * _HOUR)
            times = (iso_of_epoch(at) for at in (first + 60, contact, closed))
            calls.append((f"call-{number:04d}", f"A{number:04d}", *times))
    rng.shuffle(answers)
    rows = [(*cells, iso_of_epoch(at)) for *cells, at in answers]
    return {
        "care_2025.csv": table(("nr", "person", "points", "at"), rows),
        "calls_2025.csv": table(("call", "answer", "opened", "reached", "closed"), calls),
    }
