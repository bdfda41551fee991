"""Answers and invitations of the sample, and the transactional and satisfaction surveys.

The relational survey, which decides who leaves, is in ``sample.relational``.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from sample import truths, voices
from sample.clock import DAY, QUARTER_ENDS, QUARTER_STARTS, QUARTERS, stamp_of
from sample.people import Customer

CLASSES = ("promoter", "passive", "detractor")
SCORES = {"promoter": (9, 10), "passive": (7, 8), "detractor": (0, 1, 2, 3, 4, 5, 6)}
OBSERVED_QUARTERS = range(truths.QUARTERS_OBSERVED)
CENSORED_QUARTERS = range(truths.QUARTERS_OBSERVED, len(QUARTERS))

Course = Literal["stays", "leaves", "leaves later", "has left", "nobody"]


@dataclass(slots=True)
class Answer:
    """One answer, before it is written in its source's format; times are local stamps."""

    nps_class: str
    quarter: int
    stamp: int
    score: str
    plan: str = ""
    region: str = ""
    fate: Course = "stays"
    customer: Customer | None = None
    response_id: str = ""
    person_id: str = ""
    email: str = ""
    own_region: str = ""
    invitation_id: str = ""
    comment: str = ""
    language: str = "en"
    channel: str = "email"
    touchpoint: str = ""
    updated: int = 0  # stamp of the version; 0: none
    is_deleted: bool = False
    is_test: bool = False

    @property
    def day(self) -> int:
        """The local day of the answer."""
        return self.stamp // DAY


@dataclass(slots=True)
class Invitation:
    """One invitation to the relational survey; times are local stamps, 0: never."""

    invitation_id: str
    customer_id: str
    email: str
    channel: str
    sent: int
    opened: int = 0
    responded: int = 0
    bounced: int = 0
    opted_out: int = 0


def class_counts(score: truths.Score) -> dict[str, int]:
    """How many promoters, passives and detractors a score is made of."""
    return dict(zip(CLASSES, score[:3], strict=True))


def daytime(rng: random.Random, day: int) -> int:
    """A stamp between 8:00 and 20:00 of a day."""
    return day * DAY + 8 * 3600 + rng.randrange(12 * 3600)


def stays(customer: Customer, day: int, quarter: int) -> bool:
    """Whether a customer is with us, and stays for more than 180 days or, late, for good."""
    if not customer.is_with_us(day):
        return False
    if quarter in CENSORED_QUARTERS:
        return customer.left_on is None
    return customer.left_on is None or customer.left_on > day + 190


# --- identity -----------------------------------------------------------------------------------


def known_by_id(answer: Answer, quarter: int) -> None:
    """Let an answer name its customer's id and address."""
    if answer.customer:
        answer.person_id = answer.customer.customer_id
        answer.email = answer.customer.email[quarter]


def known_by_email(rng: random.Random, answers: list[Answer], unknown_ids: int) -> None:
    """Let answers name no id, or one that the CRM doesn't know, and an address ever held.

    Args:
        rng: the source of chance.
        answers: of customers who share their address with nobody.
        unknown_ids: how many of them name an unknown id.
    """
    for number, answer in enumerate(answers):
        if answer.customer:
            answer.person_id = f"OLD{number + 1:03d}" if number < unknown_ids else ""
            answer.email = answer.customer.email[rng.choice((0, answer.quarter, -1))]
            if number % 3 == 0:  # as people type it
                answer.email = f" {answer.email.title()} "


def known_to_nobody(
    rng: random.Random,
    answers: list[Answer],
    source: str,
    unknown_ids: list[str],
    shared: list[str],
) -> None:
    """Let answers name nobody whom the CRM knows, as truths.IDENTITY has it.

    Args:
        rng: the source of chance.
        answers: exactly as many as are inferred, ambiguous or strangers.
        source: the source system.
        unknown_ids: ids of customers known from their answers alone, each used equally often.
        shared: addresses that two customers held.
    """
    quotas = truths.IDENTITY[source]
    kinds = [kind for kind in ("inferred", "ambiguous", "stranger") for _ in range(quotas[kind])]
    rng.shuffle(answers)
    for number, (answer, kind) in enumerate(zip(answers, kinds, strict=True)):
        if kind == "inferred":
            answer.person_id = unknown_ids[number % len(unknown_ids)]
            # an unknown id stays itself even where the address is of two customers
            answer.email = rng.choice(shared) if number % 12 == 0 else ""
        elif kind == "ambiguous":
            answer.email = rng.choice(shared)
        else:
            address = f"guest.{source}{number}@example.net"
            answer.email = "no-address" if number % 6 == 0 else address


# --- comments -----------------------------------------------------------------------------------


def _sentence(answer: Answer, theme: str) -> str:
    place = voices.THEMES.index(theme)
    return voices.SENTENCES[answer.language][answer.nps_class][place]


def add_comments(
    rng: random.Random, answers: list[Answer], count: int, themes: tuple[str, ...]
) -> None:
    """Comments on exactly ``count`` answers, each hostile text once.

    Args:
        rng: the source of chance.
        answers: all answers of one survey.
        count: how many of them carry a comment.
        themes: the themes a comment may speak of.
    """
    # a source of their own: what they say changes nothing that happens
    rng = random.Random(rng.random())
    for answer in answers:
        answer.language = rng.choice(("en", "en", "fr", "nl", "nl", "de"))
    hostile = iter(voices.HOSTILE_COMMENTS)
    for answer in rng.sample(answers, count):
        sentence = _sentence(answer, rng.choice(themes))
        answer.comment = next(hostile, sentence)


def name_themes_of_the_fall(rng: random.Random, answers: list[Answer]) -> None:
    """Let plan starter say what truths.STARTER_THEMES counts; as many comments as before.

    Args:
        rng: the source of chance.
        answers: of the relational survey, with comments.
    """
    themes = truths.STARTER_THEMES
    planned_for = [a for a in answers if a.plan == "starter" and a.quarter in themes]
    plain = [a for a in answers if a.comment and a.comment not in voices.HOSTILE_COMMENTS]
    before = sum(a.plan == "starter" and a.quarter in themes for a in plain)
    for answer in planned_for:
        if answer.comment not in voices.HOSTILE_COMMENTS:
            answer.comment = ""
    for quarter, planned in themes.items():
        for theme, counts in planned.items():
            for nps_class, count in zip(CLASSES, counts, strict=True):
                silent = [
                    a
                    for a in planned_for
                    if (a.quarter, a.nps_class, a.comment) == (quarter, nps_class, "")
                ]
                for answer in rng.sample(silent, count):
                    answer.comment = _sentence(answer, theme)
    more = sum(sum(counts) for planned in themes.values() for counts in planned.values()) - before
    others = [a for a in answers if not (a.plan == "starter" and a.quarter in themes)]
    saying = [a for a in others if a.comment and a.comment not in voices.HOSTILE_COMMENTS]
    for answer in rng.sample(saying, max(more, 0)):
        answer.comment = ""
    for answer in rng.sample([a for a in others if not a.comment], max(-more, 0)):
        answer.comment = _sentence(answer, rng.choice(voices.THEMES))


def say_what_is_new(rng: random.Random, answers: list[Answer]) -> None:
    """Let some of the last quarter's detractors who write in English add truths.EMERGING_SENTENCE.

    Args:
        rng: the source of chance.
        answers: of the relational survey, with comments.
    """
    writing = [
        answer
        for answer in answers
        if (answer.nps_class, answer.language) == ("detractor", "en")
        and answer.quarter == len(QUARTERS) - 1
        and answer.customer
        and answer.comment
        and answer.comment not in voices.HOSTILE_COMMENTS
    ]
    for answer in rng.sample(writing, truths.EMERGING):
        answer.comment = f"{answer.comment} {truths.EMERGING_SENTENCE}"


# --- transactional and satisfaction surveys -----------------------------------------------------


def _spread(rng: random.Random, labels: list[tuple[str, str]], year: int) -> Iterator[Answer]:
    """One answer per (touchpoint, class) label, equally many in each quarter of a year."""
    rng.shuffle(labels)
    for number, (touchpoint, nps_class) in enumerate(labels):
        quarter = (year - 2024) * 4 + number % 4
        day = rng.randrange(QUARTER_STARTS[quarter], QUARTER_ENDS[quarter] - 1)
        score = str(rng.choice(SCORES[nps_class]))
        yield Answer(nps_class, quarter, daytime(rng, day), score, touchpoint=touchpoint)


def _somebody(rng: random.Random, answers: list[Answer], customers: list[Customer]) -> None:
    for answer in answers:
        while True:
            customer = customers[int(rng.random() * len(customers))]
            if customer.pause is None and customer.is_with_us(answer.day):
                break
        answer.customer = customer
        known_by_id(answer, answer.quarter)


def plan_transactional(rng: random.Random, customers: list[Customer]) -> list[Answer]:
    """The transactional survey: 12,000 accepted answers of customers who are with us."""
    answers: list[Answer] = []
    for year in truths.TRANSACTIONAL_BY_YEAR:
        labels = [
            (touchpoint, nps_class)
            for (at, touchpoint), score in truths.TRANSACTIONAL_BY_TOUCHPOINT.items()
            if at == year
            for nps_class, count in class_counts(score).items()
            for _ in range(count)
        ]
        answers += _spread(rng, labels, year)
    _somebody(rng, answers, customers)
    rng.shuffle(answers)
    quotas = truths.IDENTITY["intercept"]
    shared = sorted({e for c in customers if c.shares_email for e in c.email if "office" in e})
    nobody_count = quotas["inferred"] + quotas["ambiguous"] + quotas["stranger"]
    nobody, somebody = answers[:nobody_count], answers[nobody_count:]
    for answer in nobody:
        answer.customer, answer.person_id, answer.email = None, "", ""
    # 20 unknown ids of its own, 5 of those that pulse knows
    unknown = [f"X{n:04d}" for n in (*range(20, 25), *range(101, 121))]
    known_to_nobody(rng, nobody, "intercept", unknown, shared)
    private = [a for a in somebody if a.customer and not a.customer.shares_email]
    by_email = private[: quotas["by_email"]]
    known_by_email(rng, by_email, truths.BY_EMAIL_DESPITE_UNKNOWN_ID["intercept"])
    for answer in somebody:
        if answer.person_id and not answer.person_id.startswith("OLD") and rng.random() < 0.5:
            answer.email = ""  # the app knows the id alone
    midnight = [a for a in private if a.quarter == 4][: truths.TRANSACTIONAL_AFTER_MIDNIGHT]
    for answer in midnight:
        answer.stamp = QUARTER_STARTS[4] * DAY + 600
    twice = [a for a in private if a.quarter == 7][: truths.AMBIGUOUS_LOCAL_TIMES]
    for answer in twice:
        answer.stamp = stamp_of("2025-10-26T02:30")
    rng.shuffle(answers)
    add_comments(rng, answers, truths.TRANSACTIONAL_COMMENTS, voices.THEMES[1:4])
    for number, answer in enumerate(answers):
        answer.response_id = f"tx-{number + 1:05d}"
        answer.channel = "in_app" if answer.person_id else "email"
    return answers


def plan_csat(rng: random.Random, customers: list[Customer]) -> list[Answer]:
    """Satisfaction with support: 2,000 accepted answers on 1-5, satisfied from 4."""
    answers: list[Answer] = []
    for year, (satisfied, count, _) in truths.CSAT_BY_YEAR.items():
        labels = [("support", "promoter")] * satisfied
        labels += [("support", "detractor")] * (count - satisfied)
        answers += _spread(rng, labels, year)
    _somebody(rng, answers, customers)
    private = [a for a in answers if a.customer and not a.customer.shares_email]
    known_by_email(rng, rng.sample(private, truths.IDENTITY["helpdesk"]["by_email"]), 0)
    for number, answer in enumerate(answers):
        answer.response_id = f"cs-{number + 1:05d}"
        is_satisfied = answer.nps_class == "promoter"
        answer.score = rng.choice(("4", "5") if is_satisfied else ("1", "2", "3"))
        answer.language = rng.choice(voices.LANGUAGES)
        if number % 5 == 0:
            answer.comment = voices.SENTENCES[answer.language][answer.nps_class][1]
    return answers


def another_version(rng: random.Random, answer: Answer) -> Answer:
    """The answer as it was before its correction: another class, no version later than itself."""
    others = [score for name in CLASSES if name != answer.nps_class for score in SCORES[name]]
    return replace(answer, score=str(rng.choice(others)), updated=answer.stamp, comment="")
