"""The board's delivery: a panel of a hundred clients who are asked twice, on a scale of 1-10.

The same people answer, so that ten of them who change their minds are no chance. They are known to
the board's tool alone, by numbers of its own, and so are nobody whom the CRM knows.
"""

from __future__ import annotations

import random

from sample.answers import daytime
from sample.clock import QUARTER_STARTS, slashed
from sample.tables import Row, table

# Class in the second and in the third quarter of 2025, and of how many members.
MOVES = {
    ("promoter", "promoter"): 40,
    ("promoter", "detractor"): 10,
    ("passive", "passive"): 20,
    ("detractor", "detractor"): 30,
}
MEMBERS = sum(MOVES.values())  # 100: from 50 - 30 = 20 points to 40 - 40 = 0
FILE = ("board", "survey_responses", "panel_2025.csv")
_SCORES = {"promoter": ("9", "10"), "passive": ("7", "8"), "detractor": ("1", "3", "5", "6")}


def panel_responses(rng: random.Random) -> dict[str, bytes]:
    """Both rounds in one file, in no order."""
    members = [classes for classes, count in MOVES.items() for _ in range(count)]
    rng.shuffle(members)
    rows: list[Row] = []
    for number, classes in enumerate(members, start=1):
        for wave, (quarter, nps_class) in enumerate(zip((5, 6), classes, strict=True), start=1):
            stamp = daytime(rng, QUARTER_STARTS[quarter] + rng.randrange(20, 60))
            score = rng.choice(_SCORES[nps_class])
            rows.append((f"W{wave}-{number:03d}", f"M{number:03d}", score, slashed(stamp)))
    rng.shuffle(rows)
    return {FILE[2]: table(("answer", "member", "rating", "given"), rows)}
