"""The survey tools' deliveries: pulse (JSON lines) and intercept (CSV).

Every accepted answer is delivered, some of them late, corrected or twice; what is not accepted is
added to them as ``truths.BAD_ROWS`` says, row by row.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from dataclasses import replace

from sample import fates, truths
from sample.answers import Answer, Invitation, another_version, daytime, stays
from sample.clock import (
    DAY,
    QUARTER_ENDS,
    QUARTER_STARTS,
    QUARTERS,
    epoch,
    iso_utc,
    slashed,
    stamp_of,
)
from sample.people import Customer
from sample.tables import Row, lines, scatter, table

Files = dict[str, bytes]
_LAST = len(QUARTERS) - 1
_FUTURE = stamp_of("2027-03-01T12:00")
_PAST_MIDNIGHT = stamp_of("2026-01-01T00:30")
_SKIPPED_HOUR = "31/03/2024 02:30"
_NO_SUCH_DAY = "31/02/2025 10:00"


class Strays:
    """Answers that are not among the accepted: rows to delete, to contest or to refuse."""

    def __init__(self, rng: random.Random, customers: list[Customer], prefix: str) -> None:
        self.rng = rng
        self.customers = [c for c in customers if not (c.is_silent or c.is_reserved)]
        self.prefix = prefix
        self.count = 0

    def make(self, quarter: int) -> Answer:
        """An answer of a customer who stays, flawless as yet."""
        self.count += 1
        while True:
            day = self.rng.randrange(QUARTER_STARTS[quarter] + 7, QUARTER_ENDS[quarter] - 10)
            customer = self.rng.choice(self.customers)
            if stays(customer, day, quarter):
                break
        return Answer(
            nps_class="passive",
            quarter=quarter,
            stamp=daytime(self.rng, day),
            score=self.rng.choice(("7", "8")),
            customer=customer,
            response_id=f"{self.prefix}-{self.count:04d}",
            person_id=customer.customer_id,
            email=customer.email[quarter],
            touchpoint="support",
        )


def bad_score(kind: str) -> str | None:
    """The score's text that a kind of bad row has; None: the kind is of something else."""
    if not kind.startswith("score "):
        return None
    text = kind.removeprefix("score ").removesuffix(" of 5")
    return "" if text == "empty" else text


def later(rng: random.Random, answer: Answer) -> Answer:
    """The answer with a newer version, some hours later on the same day."""
    return replace(answer, updated=answer.stamp + rng.randrange(600, 3 * 3600))


def _normalise_some(rng: random.Random, answers: list[Answer], source: str) -> None:
    """Write some nines as people and tools write them."""
    nines = [a for a in answers if a.score == "9" and a.response_id[0] != "R"]
    texts = [text for text, n in truths.NORMALISED_SCORES[source].items() for _ in range(n)]
    for answer, text in zip(rng.sample(nines, len(texts)), texts, strict=True):
        answer.score = text


# --- pulse: JSON lines, quarterly ---------------------------------------------------------------


def _json_score(text: str) -> object:
    try:
        return int(text) if text == str(int(text)) else text
    except ValueError:
        return {"": None, "8.5": 8.5}.get(text, text)


def _pulse(answer: Answer, **changed: object) -> str:
    created = epoch(answer.stamp)
    record = {
        "id": answer.response_id,
        "person": {
            "id": answer.person_id or None,
            "email": answer.email or None,
            "properties": {"region": answer.own_region or None},
        },
        "survey": {
            "id": "rel-2024" if answer.stamp < QUARTER_STARTS[4] * DAY else "rel-2025",
            "channel": answer.channel,
            "language": answer.language,
        },
        "invitation": answer.invitation_id or None,
        "score": _json_score(answer.score),
        "answers": [{"question": "reason", "text": answer.comment}] if answer.comment else [],
        "created_at": created,
        "updated_at": epoch(answer.updated) if answer.updated else created,
        "deleted": answer.is_deleted,
        "test": answer.is_test,
    }
    return json.dumps({**record, **changed}, ensure_ascii=False)


def _pulse_bad(
    rng: random.Random, strays: Strays, kind: str, quarter: int, invitations: list[Invitation]
) -> list[str]:
    """The line (two for a conflict) of one bad row."""
    answer = strays.make(quarter)
    score = bad_score(kind)
    if score is not None:
        made = [_pulse(replace(answer, score=score))]
    elif kind == "invalid json":
        made = [_pulse(answer)[: rng.randrange(30, 60)]]
    elif kind == "conflict":
        made = [_pulse(answer), _pulse(replace(answer, score="2"))]
    elif kind == "before sent":
        made = [_pulse(replace(answer, invitation_id=_askedlater(answer, invitations)))]
    else:
        made = [
            {
                "missing id": lambda: _pulse(answer, id=None),
                "bad time": lambda: _pulse(answer, created_at="yesterday"),
                "missing time": lambda: _pulse(answer, created_at=None),
                "future": lambda: _pulse(replace(answer, stamp=_FUTURE)),
                "past midnight": lambda: _pulse(replace(answer, stamp=_PAST_MIDNIGHT)),
                "too old": lambda: _pulse(answer, created_at=0, updated_at=0),
                "test": lambda: _pulse(replace(answer, is_test=True)),
            }[kind]()
        ]
    return made


def _askedlater(answer: Answer, invitations: list[Invitation]) -> str:
    """An invitation sent days after the answer that names it."""
    invitation = Invitation(
        f"inv-{len(invitations) + 1:05d}",
        answer.person_id,
        answer.email,
        "email",
        answer.stamp + 5 * DAY,
    )
    invitations.append(invitation)
    return invitation.invitation_id


def _pulse_quarter(
    rng: random.Random, answers: list[Answer], quarter: int, strays: Strays
) -> tuple[list[str], list[str]]:
    """One quarter's answers: the lines of its own file, and those that come with the next."""
    per_quarter = dict(fates.PULSE_PER_QUARTER)
    if quarter == _LAST:
        for kind in ("late", "corrected next", "old version next", "deleted next"):
            per_quarter[kind] = 0
        per_quarter["deleted before"] = 0
    pending = [a for a in answers if a.response_id[0] != "R"]
    here = [_pulse(a) for a in answers if a.response_id[0] == "R"]
    following: list[str] = []

    def take(kind: str) -> list[Answer]:
        return [pending.pop() for _ in range(per_quarter[kind])]

    following += [_pulse(answer) for answer in take("late")]
    for kind, old_lines, new_lines in (
        ("corrected here", here, here),
        ("corrected next", here, following),
        ("old version next", following, here),
    ):
        for answer in take(kind):
            old_lines.append(_pulse(another_version(rng, answer)))
            new_lines.append(_pulse(later(rng, answer)))
    for kind, old_lines, new_lines in (
        ("deleted next", here, following),
        ("deleted before", following, here),
    ):
        for _ in range(per_quarter[kind]):
            answer = strays.make(quarter)
            old_lines.append(_pulse(replace(answer, updated=answer.stamp)))
            new_lines.append(_pulse(later(rng, replace(answer, is_deleted=True))))
    twice = [_pulse(answer) for answer in take("duplicate")]
    here += twice + twice + [_pulse(answer) for answer in pending]
    return here, following


def pulse_responses(
    rng: random.Random,
    answers: list[Answer],
    customers: list[Customer],
    invitations: list[Invitation],
) -> Files:
    """The relational answers; adds the invitations that bad rows refer to."""
    _normalise_some(rng, answers, "pulse")
    strays = Strays(rng, customers, "px")
    by_quarter: dict[int, list[Answer]] = defaultdict(list)
    for answer in answers:
        by_quarter[answer.quarter].append(answer)
    files, left_over = {}, []
    for quarter, label in enumerate(QUARTERS):
        name = f"responses_{label}.jsonl"
        here, following = _pulse_quarter(rng, by_quarter[quarter], quarter, strays)
        here += left_over
        left_over = following
        for kind, count in truths.BAD_ROWS["pulse", "survey_responses", name].items():
            for _ in range(count // 2 if kind == "conflict" else count):
                here += _pulse_bad(rng, strays, kind, quarter, invitations)
        rng.shuffle(here)
        files[name] = lines(here)
    files[truths.REPLAYED_FILE[2]] = files[truths.REPLAYED_FILE_ORIGINAL]
    return files


_INVITATION_HEADER = (
    *("invitation_id", "survey", "customer", "email", "channel"),
    *("sent", "delivered", "opened", "responded", "bounced", "opted_out"),
)


def pulse_invitations(rng: random.Random, invitations: list[Invitation]) -> Files:
    """The invitations, a file for each year of sending (local)."""
    rows: dict[str, list[Row]] = {"2024": [], "2025": []}
    for one in sorted(invitations, key=lambda i: (i.sent, i.invitation_id)):
        year = "2024" if one.sent < QUARTER_STARTS[4] * DAY else "2025"
        later = (
            0 if one.bounced else one.sent + 60,
            *(one.opened, one.responded, one.bounced, one.opted_out),
        )
        rows[year].append(
            (
                *(one.invitation_id, f"rel-{year}", one.customer_id, one.email, one.channel),
                iso_utc(one.sent),
                *(iso_utc(stamp) if stamp else "" for stamp in later),
            )
        )
    for year, filled in rows.items():
        sent = f"{year}-06-03T06:00:00Z"
        nobody = ("stray@example.net", "email")
        rest = ("",) * 5
        bad: dict[str, Row] = {
            "missing id": ("", f"rel-{year}", "", *nobody, sent, *rest),
            "bad time": (f"inv-x{year}", f"rel-{year}", "", *nobody, "tomorrow", *rest),
        }
        name = ("pulse", "survey_invitations", f"invitations_{year}.csv")
        scatter(rng, filled, [bad[kind] for kind in truths.BAD_ROWS[name]])
    return {
        f"invitations_{year}.csv": table(_INVITATION_HEADER, filled)
        for year, filled in rows.items()
    }


def pulse_surveys() -> bytes:
    """The two relational surveys, as one JSON document."""
    surveys = [
        {
            "id": f"rel-{year}",
            "title": f"How are we doing? {year}",
            "metric": "nps",
            "kind": "relational",
            "scale": "0-10",
            "question": "How likely are you to recommend us to a friend or colleague?",
        }
        for year in (2024, 2025)
    ]
    document = {"exported_at": "2025-12-31T18:00:00Z", "surveys": surveys}
    return json.dumps(document, indent=2).encode() + b"\n"


# --- intercept: CSV, quarterly ------------------------------------------------------------------

_INTERCEPT_HEADER = (
    *("ref", "rating", "answered", "customer_no", "e-mail", "moment", "channel", "lang"),
    *("verbatim", "changed", "removed"),
)


def _intercept(answer: Answer, **changed: str) -> dict[str, str]:
    row = {
        "ref": answer.response_id,
        "rating": answer.score,
        "answered": slashed(answer.stamp),
        "customer_no": answer.person_id,
        "e-mail": answer.email,
        "moment": answer.touchpoint,
        "channel": answer.channel,
        "lang": answer.language,
        "verbatim": answer.comment,
        "changed": slashed(answer.updated) if answer.updated else "",
        "removed": "true" if answer.is_deleted else "",
        "device": "phone" if answer.channel == "in_app" else "desktop",
    }
    return {**row, **changed}


def _intercept_bad(
    kind: str, quarter: int, strays: Strays, header: tuple[str, ...]
) -> list[dict[str, str] | str]:
    answer = strays.make(quarter)
    score = bad_score(kind)
    if score is not None:
        return [_intercept(replace(answer, score=score))]
    if kind == "conflict":
        return [_intercept(answer), _intercept(replace(answer, score="2"))]
    if kind == "repeated header":
        return [";".join(header)]
    if kind == "wrong width":  # a semicolon that somebody forgot to quote
        row = _intercept(replace(answer, comment="good; but slow"))
        return [";".join(row[column] for column in header)]
    return [
        {
            "missing id": lambda: _intercept(answer, ref=""),
            "bad time": lambda: _intercept(answer, answered=_NO_SUCH_DAY),
            "missing time": lambda: _intercept(answer, answered=""),
            "skipped hour": lambda: _intercept(answer, answered=_SKIPPED_HOUR),
            "future": lambda: _intercept(replace(answer, stamp=_FUTURE)),
        }[kind]()
    ]


def _intercept_quarter(
    rng: random.Random, answers: list[Answer], quarter: int, strays: Strays
) -> tuple[list[dict[str, str] | str], list[dict[str, str] | str]]:
    per_quarter = fates.INTERCEPT_PER_QUARTER
    pending = list(answers)
    here: list[dict[str, str] | str] = []
    following: list[dict[str, str] | str] = []
    if quarter < _LAST:
        following += [_intercept(pending.pop()) for _ in range(per_quarter["late"])]
    for _ in range(per_quarter["corrected here"]):
        answer = pending.pop()
        here += [
            _intercept(replace(another_version(rng, answer), updated=0)),
            _intercept(later(rng, answer)),
        ]
    for _ in range(per_quarter["deleted here"]):
        answer = strays.make(quarter)
        here += [_intercept(answer), _intercept(later(rng, replace(answer, is_deleted=True)))]
    for _ in range(per_quarter["duplicate"]):
        here += [_intercept(pending.pop())] * 2
    return here + [_intercept(answer) for answer in pending], following


def intercept_responses(
    rng: random.Random, answers: list[Answer], customers: list[Customer]
) -> Files:
    """The transactional answers, and an error page where a table should be."""
    _normalise_some(rng, answers, "intercept")
    strays = Strays(rng, customers, "tz")
    by_quarter: dict[int, list[Answer]] = defaultdict(list)
    for answer in answers:
        by_quarter[answer.quarter].append(answer)
    files, left_over = {}, []
    for quarter, label in enumerate(QUARTERS):
        name = f"transactional_{label}.csv"
        key = ("intercept", "survey_responses", name)
        header = _INTERCEPT_HEADER
        if name in truths.DRIFTED_FILES:
            header = (*reversed(_INTERCEPT_HEADER[1:]), "ref", "device")
        here, following = _intercept_quarter(rng, by_quarter[quarter], quarter, strays)
        here += left_over
        left_over = following
        for kind, count in truths.BAD_ROWS[key].items():
            for _ in range(count // 2 if kind == "conflict" else count):
                here += _intercept_bad(kind, quarter, strays, header)
        here += [""] * truths.BLANK_LINES.get(key, 0)
        rng.shuffle(here)
        rows: list[Row] = [
            row if isinstance(row, str) else [row[column] for column in header] for row in here
        ]
        files[name] = table(
            header,
            rows,
            delimiter=";",
            encoding="utf-8-sig" if label == "2025q1" else "utf-8",
            newline="\r\n" if label == "2025q2" else "\n",
        )
    files[truths.QUARANTINED_FILE[2]] = (
        b"<!DOCTYPE html><html><head><title>504 Gateway Time-out</title></head>"
        b"<body><h1>504 Gateway Time-out</h1><p>Please try again later.</p></body></html>"
    )
    return files
