"""The helpdesk's deliveries: satisfaction scores (TSV, yearly) and tickets."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import replace

from sample import fates, truths
from sample.answers import Answer, daytime
from sample.clock import (
    AS_OF,
    DAY,
    QUARTER_ENDS,
    QUARTER_STARTS,
    QUARTERS,
    day_of,
    iso_offset,
    slashed,
)
from sample.people import Customer
from sample.surveys import Files, Strays, bad_score
from sample.tables import Row, scatter, table

_LAST = len(QUARTERS) - 1


def helpdesk_csat(rng: random.Random, answers: list[Answer], customers: list[Customer]) -> Files:
    """Satisfaction on 1-5; the tool's upgrade of 2025 changed how it writes times."""
    strays = Strays(rng, customers, "cz")
    header = ("id", "rating", "given", "customer", "mail", "lang", "remark")
    files = {}
    for year, write in (("2024", iso_offset), ("2025", slashed)):

        def row(answer: Answer, rating: str = "", write=write) -> tuple[str, ...]:
            return (
                *(answer.response_id, rating or answer.score, write(answer.stamp)),
                *(answer.person_id, answer.email, answer.language, answer.comment),
            )

        first = 0 if year == "2024" else 4
        rows: list[Row] = [row(a) for a in answers if a.quarter // 4 == first // 4]
        rows += rows[: fates.CSAT_DUPLICATES]
        name = f"csat_{year}.tsv"
        for kind, count in truths.BAD_ROWS["helpdesk", "survey_responses", name].items():
            for number in range(count):
                stray = strays.make(first + number)
                score = bad_score(kind)
                if score is None:  # missing id
                    rows.append(row(replace(stray, response_id="", score="4")))
                else:
                    rows.append(row(replace(stray, score=score)))
        rng.shuffle(rows)
        files[name] = table(header, rows, delimiter="\t", encoding="cp1252")
    return files


def _ticket(rng: random.Random, number: int, customer: Customer, day: int) -> Row:
    opened = daytime(rng, day)
    closed = opened + rng.randrange(1800, 12 * DAY)
    is_closed = closed // DAY < QUARTER_ENDS[_LAST] - 1
    return (
        f"T{number:05d}",
        customer.customer_id,
        iso_offset(opened),
        iso_offset(closed) if is_closed else "",
        rng.choice(("low", "normal", "normal", "high")),
        rng.choice(("billing", "bug", "delivery", "question")),
        rng.choice(("", "", "good", "bad")) if is_closed else "",
    )


def costly_tickets(rng: random.Random, relational: list[Answer]) -> list[Row]:
    """Tickets that detractors of one plan open beside all others, in the year before as_of."""
    costly = [
        (answer.customer, answer.day)
        for answer in relational
        if answer.nps_class == "detractor" and answer.quarter > _LAST - 4 and answer.customer
        if answer.plan == truths.COSTLY_PLAN
        if answer.customer.is_with_us(answer.day - 1)
    ]
    return [
        _ticket(rng, 7001 + number, *rng.choice(costly)) for number in range(truths.COSTLY_TICKETS)
    ]


def _rising_tickets(rng: random.Random, customers: list[Customer], others: list[Row]) -> list[Row]:
    """Tickets of customers who open many at the end of a month, having opened hardly any before.

    As many of them leave in the month after as truths.RISING says.
    """
    opened: dict[object, list[int]] = defaultdict(list)
    for row in others:
        opened[row[1]].append(day_of(str(row[2])[:10]))
    rows: list[Row] = []
    chosen: set[str] = set()
    for begins, ends in ((day_of(first), day_of(last)) for first, last in truths.RISING_MONTHS):

        def is_quiet(customer: Customer, begins: int = begins) -> bool:
            ages = [begins - day for day in opened[customer.customer_id] if day < begins]
            return min(ages, default=200) > 100 and sum(age < 200 for age in ages) < 2

        quiet = [
            c
            for c in customers
            if c.customer_id not in chosen
            and not (c.is_reserved or c.pause)
            and c.signed_up_on < begins - 200
            and is_quiet(c)
        ]
        leaving = [c for c in quiet if c.left_on and begins < c.left_on < ends]
        staying = [c for c in quiet if c.left_on is None]
        stayed, left = truths.RISING
        if begins > AS_OF:  # nobody knows yet who leaves
            stayed, left = stayed + left, 0
        for customer in rng.sample(leaving, left) + rng.sample(staying, stayed):
            chosen.add(customer.customer_id)
            first = 8001 + len(rows)
            days = [begins - rng.randrange(2, 25) for _ in range(truths.RISING_TICKETS)]
            rows += [_ticket(rng, first + n, customer, day) for n, day in enumerate(days)]
    return rows


def helpdesk_tickets(
    rng: random.Random,
    customers: list[Customer],
    relational: list[Answer],
    costly: list[Row],
    rising: random.Random,
) -> bytes:
    """6,000 tickets, a third by people who gave a bad answer soon after, and what is planted.

    Args:
        rng: the source of chance of the 6,000.
        customers: all of the CRM.
        relational: the answers to the relational survey.
        costly: what costly_tickets made.
        rising: the source of chance of those who open many at once.
    """
    unhappy = [a for a in relational if a.nps_class == "detractor" and a.customer]
    rows: list[Row] = []
    while len(rows) < 6000:
        if len(rows) % 3 == 0:
            answer = rng.choice(unhappy)
            customer, day = answer.customer, answer.day - rng.randrange(1, 40)
        else:
            customer = rng.choice(customers)
            day = rng.randrange(QUARTER_STARTS[0], QUARTER_ENDS[_LAST] - 1)
        if customer is None or day < QUARTER_STARTS[0] or not customer.is_with_us(day):
            continue
        rows.append(_ticket(rng, len(rows) + 1, customer, day))
    at = "2025-05-05T10:00:00+02:00"
    more = costly + _rising_tickets(rising, customers, rows + costly)
    bad: dict[str, Row] = {
        "missing id": ("", "C00100", at, "", "low", "bug", ""),
        "missing customer": ("T9999", "", at, "", "low", "bug", ""),
    }
    kinds = truths.BAD_ROWS["helpdesk", "support_tickets", "tickets.csv"]
    for kind, count in kinds.items():
        for number in range(count):
            stray = list(bad[kind])
            stray[0] = f"{stray[0]}{number}" if stray[0] else ""
            stray[5] = ("bug", "question")[number]
            scatter(rng, rows, [stray])
    return table(
        ("ticket", "customer", "opened", "closed", "priority", "category", "satisfaction"),
        rows + more,
    )
