"""The cases that Juniper's people open after bad answers to the relational survey.

How soon they call, how many cases are still open, were opened again and say why is exactly what the
truths below say; chance decides only which answers are followed up.
"""

from __future__ import annotations

import random

from sample.answers import Answer
from sample.clock import DAY, QUARTER_ENDS, epoch, iso_of_epoch
from sample.tables import Row, table

# --- what is true of it --------------------------------------------------------------------------

CASES = 400
# Minutes from the answer to the first contact: one hour, and 18 minutes more from case to case.
MINUTES_TO_CONTACT = tuple(60 + 18 * number for number in range(CASES))
# Within 48 hours, the target of detractors: 60 + 18 k <= 2880, k up to 156. All targets are over.
WITHIN_SLA = 157
MEDIAN_HOURS = 60.85  # between 60.7 and 61.0, the 200th and the 201st
P90_HOURS = 108.73  # 0.9 x 399 = 359.1 steps of 0.3 hours from 1
OPEN = 80  # every fifth; answered more than two weeks before as_of, so all are overdue
REOPENED_OPEN, REOPENED_CLOSED = 16, 24
# Why, as the closed cases say, and what was done about it. Three use words of their own.
ROOT_CAUSES = {"price": 120, "support": 100, "usability": 57, "own words": 3, "": 40}
ACTIONS = {"price": "discount", "support": "call", "usability": "training", "own words": "call"}
EXPLAINED = 280

# --- its delivery --------------------------------------------------------------------------------

_HOUR = 3600


def pulse_follow_ups(rng: random.Random, answers: list[Answer]) -> bytes:
    """The cases in one file, of detractors who answered a month or more before the end."""
    early = QUARTER_ENDS[-1] - 31
    unhappy = [a for a in answers if a.nps_class == "detractor" and a.day < early]
    minutes = list(MINUTES_TO_CONTACT)
    rng.shuffle(minutes)
    causes = [cause for cause, count in ROOT_CAUSES.items() for _ in range(count)]
    rng.shuffle(causes)
    rows: list[Row] = []
    number_open = number_closed = 0
    for number, answer in enumerate(rng.sample(unhappy, CASES)):
        answered = epoch(answer.stamp)
        contact = answered + 60 * minutes[number]
        opened = answered + rng.randrange(60, 60 * minutes[number])
        closed = contact + rng.randrange(_HOUR, 15 * DAY)
        reopened, cause = 0, ""
        if number % 5 == 0:
            if number_open < REOPENED_OPEN:
                reopened = closed + _HOUR
            else:
                closed = 0
            number_open += 1
        else:
            if number_closed < REOPENED_CLOSED:
                reopened, closed = closed, closed + _HOUR
            cause = causes[number_closed]
            number_closed += 1
        rows.append(
            (
                *(f"case-{number + 1:04d}", answer.response_id),
                *(iso_of_epoch(at) if at else "" for at in (opened, contact, closed, reopened)),
                rng.choice(("Team Blue", "Team Green", "Team Red")),
                rng.choice(("recovered", "explained", "no answer")) if cause else "",
                *(cause, ACTIONS.get(cause, "")),
            )
        )
    header = ("case", "response", "opened", "contacted", "closed", "reopened", "owner", "outcome")
    return table((*header, "cause", "action"), rows)
