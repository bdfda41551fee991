"""The relational survey of the sample: who answers what, who leaves, who was invited.

Quotas are filled first: an answer is planned with its class, plan, region and fate (whether its
customer leaves within 180 days, has left before, stays); then a customer of that plan and region in
that quarter takes it.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from sample import truths, voices
from sample.answers import (
    CENSORED_QUARTERS,
    CLASSES,
    OBSERVED_QUARTERS,
    SCORES,
    Answer,
    Invitation,
    add_comments,
    class_counts,
    daytime,
    known_by_email,
    known_by_id,
    known_to_nobody,
    name_themes_of_the_fall,
    say_what_is_new,
    stays,
)
from sample.clock import AS_OF, DAY, QUARTER_ENDS, QUARTER_STARTS, QUARTERS, stamp_of
from sample.people import REGIONS, Customer


@dataclass(slots=True)
class Relational:
    """What ``plan_relational`` makes: accepted answers and all invitations."""

    answers: list[Answer] = field(default_factory=list)
    invitations: list[Invitation] = field(default_factory=list)


def _survey_day(rng: random.Random, quarter: int) -> int:
    """A day in the survey's weeks: from the quarter's 13th day to the 4th before its end.

    The pause around a quarter's beginning keeps every 180-day window clear of as_of by days,
    whether it runs from the answer or from the invitation up to five days before.
    """
    return rng.randrange(QUARTER_STARTS[quarter] + 12, QUARTER_ENDS[quarter] - 3)


def _silence_day(rng: random.Random, quarter: int) -> int:
    """A day in the survey's weeks to be silent on.

    Silence counts from the day on which it is sure, `truths.RESPONSE_DAYS` after the sending: in
    the observed quarters it is early enough for 180 days from then on to be over at as_of.
    """
    last = QUARTER_ENDS[quarter] - 3
    if quarter in OBSERVED_QUARTERS:
        last = min(last, AS_OF - truths.CHURN_WINDOW - truths.RESPONSE_DAYS - 3)
    return rng.randrange(QUARTER_STARTS[quarter] + 12, last)


# --- relational: the plan ---------------------------------------------------------------------


def _slots(rng: random.Random) -> list[Answer]:
    """Every relational answer with class, quarter, plan and region."""
    slots = []
    for nps_class in CLASSES:
        places = []
        for quarter in range(len(QUARTERS)):
            is_before = quarter < truths.QUARTERS_BEFORE
            plans = truths.QUARTER_BY_PLAN_BEFORE if is_before else truths.QUARTER_BY_PLAN_AFTER
            for plan, score in plans.items():
                places += [(quarter, plan)] * class_counts(score)[nps_class]
        nobody = [place for place in places if place[1] == truths.UNKNOWN]
        somebody = [place for place in places if place[1] != truths.UNKNOWN]
        regions = []
        for region, score in truths.RELATIONAL_BY_REGION.items():
            count = class_counts(score)[nps_class]
            is_unknown = region == truths.UNKNOWN
            regions += ["" if is_unknown else region] * (count - is_unknown * len(nobody))
        rng.shuffle(regions)
        planned = [(q, plan, region) for (q, plan), region in zip(somebody, regions, strict=True)]
        planned += [(quarter, "", "") for quarter, _ in nobody]
        for quarter, plan, region in planned:
            slots.append(
                Answer(
                    nps_class,
                    quarter,
                    daytime(rng, _survey_day(rng, quarter)),
                    str(rng.choice(SCORES[nps_class])),
                    plan,
                    region,
                    fate="stays" if plan else "nobody",
                )
            )
    rng.shuffle(slots)
    return slots


def _plant(slots: list[Answer], by_id: dict[str, Customer]) -> None:
    """Give the planted answers their slots; two slots of a class may exchange their regions."""
    for planted in truths.PLANTED_ANSWERS:
        stamp = stamp_of(planted.answered_at)
        nps_class = next(name for name, scores in SCORES.items() if planted.score in scores)
        quarter = max(q for q, start in enumerate(QUARTER_STARTS) if start <= stamp // DAY)
        same = [s for s in slots if s.nps_class == nps_class and s.plan and not s.response_id]
        slot = next(s for s in same if (s.quarter, s.plan) == (quarter, planted.plan))
        other = next(s for s in same if s.region == planted.region)
        slot.region, other.region = other.region, slot.region
        slot.response_id, slot.stamp, slot.score = planted.response_id, stamp, str(planted.score)
        slot.customer = by_id[planted.customer_id]
        slot.customer.busy.add(quarter)
        if slot.customer.region[quarter] != planted.region:
            slot.own_region = planted.region


def _take(slots: Iterable[Answer], count: int, wanted: Callable[[Answer], bool]) -> list[Answer]:
    taken = []
    for slot in slots:
        if len(taken) == count:
            break
        if slot.fate == "stays" and not slot.response_id and wanted(slot):
            taken.append(slot)
    if len(taken) < count:
        raise RuntimeError(f"{len(taken)} of {count} answers found")
    return taken


def _decide_who_leaves(slots: list[Answer]) -> None:
    for fate, quotas, quarters in (
        ("leaves", truths.CHURNED_BY_PLAN, OBSERVED_QUARTERS),
        ("leaves later", truths.CENSORED_CHURNED_BY_PLAN, CENSORED_QUARTERS),
    ):
        for nps_class, plans in quotas.items():
            for plan, count in plans.items():
                chosen = _take(
                    slots,
                    count,
                    lambda s, c=nps_class, p=plan, q=quarters: (
                        (s.nps_class, s.plan) == (c, p) and s.quarter in q
                    ),
                )
                for slot in chosen:
                    slot.fate = fate


class _Pools:
    """Answering customers by region and plan, as of a quarter."""

    def __init__(self, rng: random.Random, customers: list[Customer]) -> None:
        self.rng = rng
        self.cells: dict[tuple[int, str, str], list[Customer]] = defaultdict(list)
        for customer in customers:
            if not customer.is_silent:
                for quarter in range(len(QUARTERS)):
                    key = (quarter, customer.region[quarter], customer.plan[quarter])
                    self.cells[key].append(customer)

    def find(self, slot: Answer, fits: Callable[[Customer], bool], region: str = "") -> Customer:
        """A customer of the slot's cell for whom ``fits`` holds, free in its quarter."""
        cell = self.cells[slot.quarter, region or slot.region, slot.plan]
        for customer in self.rng.choices(cell, k=40):
            if slot.quarter not in customer.busy and fits(customer):
                break
        else:
            free = [c for c in cell if slot.quarter not in c.busy and fits(c)]
            if not free:
                raise LookupError(f"nobody for {slot.quarter} {slot.region} {slot.plan}")
            customer = self.rng.choice(free)
        customer.busy.add(slot.quarter)
        return customer


def _days_until_leaving(rng: random.Random) -> int:
    """10 to 170 days, sooner more often."""
    return 10 + int(160 * rng.random() ** 1.5)


def _let_leave(rng: random.Random, slots: list[Answer], pools: _Pools) -> list[Customer]:
    """Find the customers who leave after an answer, and set when."""
    left = []
    for slot in [s for s in slots if s.fate in ("leaves", "leaves later")]:
        day = slot.day
        if slot.fate == "leaves later":
            day = min(day, AS_OF - 20)
            slot.stamp = day * DAY + slot.stamp % DAY
        slot.customer = pools.find(
            slot,
            lambda c, d=day: not c.is_reserved and c.left_on is None and c.is_with_us(d),
        )
        slot.customer.left_on = min(day + _days_until_leaving(rng), AS_OF - 3)
        left.append(slot.customer)
    return left


def _answer_after_leaving(slots: list[Answer], pools: _Pools) -> None:
    for quarter, counts in truths.AFTER_CHURN_BY_QUARTER.items():
        for nps_class, count in zip(CLASSES, counts, strict=True):
            missing = count
            for slot in slots:
                if not missing:
                    break
                if (slot.quarter, slot.nps_class, slot.fate) != (quarter, nps_class, "stays"):
                    continue
                if slot.customer:
                    continue
                try:
                    slot.customer = pools.find(
                        slot, lambda c, d=slot.day: c.left_on is not None and c.left_on + 4 < d
                    )
                except LookupError:
                    continue
                slot.fate = "has left"
                missing -= 1
            if missing:
                raise RuntimeError(f"no {nps_class} left to answer after leaving in {quarter}")


def _fill(rng: random.Random, slots: list[Answer], pools: _Pools) -> None:
    """Customers for all other answers; some answers name a region of their own."""
    open_slots = [slot for slot in slots if slot.fate == "stays" and not slot.customer]
    named, differing = truths.PULSE_OWN_REGION
    differing -= sum(bool(slot.own_region) for slot in slots)
    # Answers in the hours that are already the new year here and still the old one in UTC.
    midnight = [slot for slot in open_slots if slot.quarter == 4]
    for slot in midnight[: truths.RELATIONAL_AFTER_MIDNIGHT]:
        slot.stamp = QUARTER_STARTS[4] * DAY + 1800
    for slot in open_slots:
        region, is_midnight = "", slot.stamp % DAY == 1800
        if differing and slot.region and not is_midnight:
            differing -= 1
            slot.own_region = slot.region
            region = rng.choice([each for each in REGIONS if each != slot.region])
        slot.customer = pools.find(
            slot,
            lambda c, s=slot, m=is_midnight: (
                stays(c, s.day, s.quarter) and not (m and c.is_reserved)
            ),
            region,
        )
    agreeing = named - sum(bool(slot.own_region) for slot in slots)
    for slot in rng.sample(
        [s for s in open_slots if s.region and not s.own_region and s.customer], agreeing
    ):
        slot.own_region = slot.region


# --- relational: invitations --------------------------------------------------------------------


def _invite(rng: random.Random, relational: Relational) -> None:
    """An invitation for every answer of a customer who was there to be invited."""
    for answer in relational.answers:
        customer = answer.customer
        if customer is None or answer.fate == "has left":
            continue
        answer.invitation_id = f"inv-{len(relational.invitations) + 1:05d}"
        sent = (answer.day - rng.randrange(1, 6)) * DAY + 7 * 3600 + rng.randrange(3600)
        relational.invitations.append(
            Invitation(
                answer.invitation_id,
                customer.customer_id,
                customer.email[answer.quarter],
                answer.channel,
                sent,
                opened=answer.stamp - rng.randrange(60, 900),
                responded=answer.stamp,
            )
        )


def _silence(rng: random.Random, relational: Relational, customer: Customer, day: int) -> None:
    sent = day * DAY + 7 * 3600 + rng.randrange(3600)
    chance = rng.random()
    relational.invitations.append(
        Invitation(
            f"inv-{len(relational.invitations) + 1:05d}",
            customer.customer_id,
            customer.email[0],
            "email" if chance < 0.8 else "sms",
            sent,
            opened=sent + rng.randrange(600, 2 * DAY) if chance < 0.35 else 0,
            opted_out=sent + 3 * DAY if chance < 0.02 else 0,
        )
    )


def _silent_leavers(
    rng: random.Random, relational: Relational, customers: list[Customer]
) -> list[int]:
    """Customers who ignore two invitations, and leave after their silence is sure, within 180 days.

    Returns:
        How many such silences lie in each quarter.
    """
    plans = [plan for plan, n in truths.SILENT_CHURNED_BY_PLAN.items() for _ in range(n)]
    rng.shuffle(plans)
    free = [c for c in customers if c.is_silent and not c.is_reserved]
    rng.shuffle(free)
    silences = [0] * len(QUARTERS)
    for number, plan in enumerate(plans):
        quarter = number % (truths.QUARTERS_OBSERVED - 1)
        first = QUARTER_STARTS[quarter] + rng.randrange(60, 80)
        second = QUARTER_STARTS[quarter + 1] + rng.randrange(7, 25)
        customer = next(
            c for c in free if c.left_on is None and c.plan[0] == plan and c.is_with_us(first)
        )
        customer.left_on = second + truths.RESPONSE_DAYS + rng.randrange(3, 105)
        for at, day in ((quarter, first), (quarter + 1, second)):
            _silence(rng, relational, customer, day)
            silences[at] += 1
            customer.busy.add(at)
    return silences


def _silences(rng: random.Random, relational: Relational, customers: list[Customer]) -> None:
    """Unanswered invitations, equally many in every quarter, most of them of the silent."""
    wanted = truths.CHURN_180["no_response"].observed // truths.QUARTERS_OBSERVED
    leavers = _silent_leavers(rng, relational, customers)
    invited = [c for c in customers if c.pause is None]
    for quarter in range(len(QUARTERS)):
        rng.shuffle(invited)
        missing = wanted - leavers[quarter]
        for is_silent in (True, False):
            goal = missing * 7 // 10 if is_silent else missing
            for customer in invited:
                if not goal:
                    break
                if customer.is_silent != is_silent or quarter in customer.busy:
                    continue
                day = _silence_day(rng, quarter)
                sure = day + truths.RESPONSE_DAYS
                if stays(customer, day, quarter) and stays(customer, sure, quarter):
                    customer.busy.add(quarter)
                    _silence(rng, relational, customer, day)
                    missing, goal = missing - 1, goal - 1
        if missing:
            raise RuntimeError(f"{missing} unanswered invitations too few in {QUARTERS[quarter]}")


def _bounces(rng: random.Random, relational: Relational) -> None:
    """Invitations to addresses that nobody holds any more."""
    for year, quarters in ((2024, range(4)), (2025, range(4, 8))):
        count = truths.INVITATIONS[year][1] // 4
        for quarter in quarters:
            for _ in range(count):
                sent = _survey_day(rng, quarter) * DAY + 7 * 3600 + rng.randrange(3600)
                number = len(relational.invitations) + 1
                relational.invitations.append(
                    Invitation(
                        f"inv-{number:05d}",
                        "",
                        f"moved.away{number}@example.org",
                        "email",
                        sent,
                        bounced=sent + rng.randrange(5, 600),
                    )
                )


# --- the survey ---------------------------------------------------------------------------------


def plan_relational(rng: random.Random, customers: list[Customer]) -> Relational:
    """The relational survey: 6,000 accepted answers, and who was invited.

    Sets when customers leave, so it comes before everything that depends on it.
    """
    slots = _slots(rng)
    _plant(slots, {customer.customer_id: customer for customer in customers})
    _decide_who_leaves(slots)
    pools = _Pools(rng, customers)
    _let_leave(rng, slots, pools)
    _answer_after_leaving(slots, pools)
    _fill(rng, slots, pools)
    relational = Relational(answers=slots)
    for slot in slots:
        slot.channel = "email" if rng.random() < 0.8 else "sms"
        known_by_id(slot, slot.quarter)
    quotas = truths.IDENTITY["pulse"]
    private = [s for s in slots if s.customer and not s.response_id]
    known_by_email(
        rng,
        rng.sample(private, quotas["by_email"]),
        truths.BY_EMAIL_DESPITE_UNKNOWN_ID["pulse"],
    )
    shared = sorted({e for c in customers if c.shares_email for e in c.email if "office" in e})
    nobody = [s for s in slots if s.fate == "nobody"]
    known_to_nobody(rng, nobody, "pulse", [f"X{n:04d}" for n in range(1, 25)], shared)
    _invite(rng, relational)
    _silences(rng, relational, customers)
    _bounces(rng, relational)
    add_comments(rng, slots, truths.RELATIONAL_COMMENTS, voices.THEMES)
    name_themes_of_the_fall(random.Random("themes of the fall"), slots)
    say_what_is_new(random.Random("what is new"), slots)
    for number, slot in enumerate(slots):
        slot.response_id = slot.response_id or f"pr-{number + 1:05d}"
        slot.updated = slot.stamp
    return relational
