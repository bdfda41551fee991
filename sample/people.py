"""The customers of the sample: who they are, what they pay for, when they come and go."""

from __future__ import annotations

import random
import unicodedata
from dataclasses import dataclass, field

from sample import truths, voices
from sample.clock import QUARTER_STARTS, SNAPSHOT_DAYS, day_of

REGIONS = ("north", "south", "east", "west")
_QUARTERS = len(QUARTER_STARTS)


@dataclass(slots=True)
class Customer:
    """One customer of the CRM.

    ``region``, ``plan`` and ``email`` hold one value for each quarter, valid from the snapshot at
    its beginning. Days count from 1970; ``left_on`` is the churn, ``pause`` a churn undone.
    """

    customer_id: str
    name: str
    industry: str
    signed_up_on: int
    is_silent: bool
    region: list[str]
    plan: list[str]
    email: list[str]
    account_id: str = ""
    left_on: int | None = None
    pause: tuple[int, int] | None = None
    plan_changed_on: int | None = None
    shares_email: bool = False
    is_reserved: bool = False  # taken by a plan change, a move, a pause, a shared address
    busy: set[int] = field(default_factory=set)  # quarters with an answer or a silence

    def is_with_us(self, day: int) -> bool:
        """Whether the customer had signed up well before the day, and not left by it."""
        has_left = self.left_on is not None and self.left_on <= day
        return self.signed_up_on + 15 < day and not has_left


def _ascii(text: str) -> str:
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()


def make_customers(rng: random.Random) -> list[Customer]:
    """All customers of the CRM, ordered by id; who leaves is decided by the answers.

    Args:
        rng: the source of chance.
    """
    cells = [
        (plan, region)
        for plan, regions in truths.CUSTOMERS.items()
        for region, count in regions.items()
        for _ in range(count)
    ]
    rng.shuffle(cells)
    days = [day_of("2021-01-04") + rng.randrange(1080) for _ in range(truths.SIGNED_UP_BEFORE_2024)]
    for quarter, count in enumerate(truths.SIGN_UPS_BY_QUARTER):
        days += [QUARTER_STARTS[quarter] + rng.randrange(2, 80) for _ in range(count)]
    rng.shuffle(days)
    silent_left = dict(truths.SILENT_BY_PLAN)
    order = list(range(len(cells)))
    rng.shuffle(order)
    silent = set()
    for index in order:
        if silent_left[cells[index][0]]:
            silent_left[cells[index][0]] -= 1
            silent.add(index)
    customers = []
    for index, ((plan, region), day) in enumerate(zip(cells, days, strict=True)):
        first, last = rng.choice(voices.FIRST_NAMES), rng.choice(voices.LAST_NAMES)
        email = (
            f"{_ascii(first)}.{_ascii(last)}{index + 1}@example.{('com', 'org')[index % 3 // 2]}"
        )
        customers.append(
            Customer(
                customer_id=f"C{index + 1:05d}",
                name=f"{first} {last}",
                industry=rng.choice(voices.INDUSTRIES),
                signed_up_on=day,
                is_silent=index in silent,
                region=[region] * _QUARTERS,
                plan=[plan] * _QUARTERS,
                email=[email] * _QUARTERS,
                account_id=f"A{rng.randrange(400) + 1:04d}" if plan == "enterprise" else "",
            )
        )
    _plant(customers)
    _change_plans_and_regions(rng, customers)
    _share_emails(rng, customers)
    _change_emails(rng, customers)
    _pause(rng, customers)
    return customers


def _swap(customers: list[Customer], index: int, plan: str, region: str) -> Customer:
    """Make the customer at an index an early, answering one of a cell, by swapping with another.

    Swapping keeps every quota; ids stay where they are.
    """
    wanted = customers[index]

    def fits(customer: Customer) -> bool:
        return (
            (customer.plan[0], customer.region[0]) == (plan, region)
            and not customer.is_silent
            and not customer.is_reserved
            and customer.signed_up_on < day_of("2024-01-01")
        )

    other = next(customer for customer in customers if fits(customer))
    for name in ("region", "plan", "is_silent", "signed_up_on", "account_id"):
        mine, theirs = getattr(wanted, name), getattr(other, name)
        setattr(wanted, name, theirs)
        setattr(other, name, mine)
    wanted.is_reserved = True
    return wanted


def _change_plan(customer: Customer, quarter: int, plan: str, days_before: int) -> None:
    customer.plan[quarter:] = [plan] * (_QUARTERS - quarter)
    customer.plan_changed_on = SNAPSHOT_DAYS[quarter] - days_before
    customer.is_reserved = True


def _plant(customers: list[Customer]) -> None:
    """The three customers whose answers are planted by name (truths.PLANTED_ANSWERS)."""
    _change_plan(_swap(customers, 41, "starter", "north"), 2, "growth", 4)
    mover = _swap(customers, 42, "growth", "south")
    mover.region[4:] = ["west"] * (_QUARTERS - 4)
    _swap(customers, 43, "enterprise", "east")


def _change_plans_and_regions(rng: random.Random, customers: list[Customer]) -> None:
    free = [
        customer
        for customer in customers
        if not (customer.is_silent or customer.is_reserved)
        and customer.signed_up_on < day_of("2024-01-01")
    ]
    rng.shuffle(free)
    quotas = dict(truths.PLAN_CHANGES)
    quotas["starter", "growth"] -= 1  # the planted one
    for (before, after), count in quotas.items():
        for customer in [c for c in free if not c.is_reserved and c.plan[0] == before][:count]:
            _change_plan(customer, rng.randrange(1, _QUARTERS), after, rng.randrange(1, 10))
    movers = [c for c in free if not c.is_reserved and c.region[0]][: truths.REGION_MOVES - 1]
    for customer in movers:
        quarter = rng.randrange(1, _QUARTERS)
        region = rng.choice([each for each in REGIONS if each != customer.region[0]])
        customer.region[quarter:] = [region] * (_QUARTERS - quarter)
        customer.is_reserved = True


def _share_emails(rng: random.Random, customers: list[Customer]) -> None:
    """Addresses that two customers hold at once, or one after the other."""
    early = day_of("2024-01-01")
    free = [c for c in customers if c.is_silent and c.signed_up_on < early]
    chosen = rng.sample(free, 2 * truths.SHARED_EMAILS)
    for number, (one, two) in enumerate(zip(chosen[::2], chosen[1::2], strict=True)):
        address = f"office{number + 1}@example.net"
        handover = 4 if number >= 15 else _QUARTERS
        one.email[:handover] = [address] * handover
        start = 0 if number < 15 else handover
        two.email[start:] = [address] * (_QUARTERS - start)
        for customer in (one, two):
            customer.shares_email = customer.is_reserved = True


def _change_emails(rng: random.Random, customers: list[Customer]) -> None:
    early = day_of("2024-01-01")
    free = [c for c in customers if not (c.is_silent or c.is_reserved) and c.signed_up_on < early]
    for customer in rng.sample(free, 100):
        quarter = rng.randrange(1, _QUARTERS)
        local, _ = customer.email[0].split("@")
        customer.email[quarter:] = [f"{local}@example.net"] * (_QUARTERS - quarter)


def _pause(rng: random.Random, customers: list[Customer]) -> None:
    """Silent starters who left in 2024 and came back some months later."""
    free = [
        c
        for c in customers
        if c.is_silent
        and not c.is_reserved
        and c.plan[0] == "starter"
        and c.signed_up_on < day_of("2024-01-01")
    ]
    for customer in rng.sample(free, truths.RETURNED):
        away_from = day_of("2024-04-10") + rng.randrange(200)
        customer.pause = (away_from, away_from + rng.randrange(90, 150))
        customer.is_reserved = True
