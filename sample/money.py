"""What customers pay: subscriptions, movements of MRR and invoices, consistent with each other."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import NamedTuple

from sample import truths
from sample.clock import AS_OF, day_of, month_days
from sample.people import Customer

_RISE = day_of(truths.PRICE_RISE_ON)
_BILLED_SINCE = day_of("2024-01-01")


@dataclass(frozen=True, slots=True)
class Term:
    """A time in which a customer pays one price a month for one plan; ``until`` is exclusive."""

    customer: Customer
    plan: str
    mrr: int
    since: int
    until: int | None


@dataclass(frozen=True, slots=True)
class Movement:
    """A change of a customer's MRR: positive for new, expansion, reactivation, else negative."""

    customer: Customer
    day: int
    kind: str
    amount: int


class Invoice(NamedTuple):
    """An invoice or refund, in cents."""

    customer: Customer
    day: int
    cents: int
    kind: str


def price(plan: str, is_silent: bool, day: int) -> int:
    """Euros a month."""
    prices = truths.MONTHLY_PRICE[plan]
    if plan == "starter" and day >= _RISE:
        prices = truths.STARTER_PRICE_AFTER
    return prices[is_silent]


def terms(customer: Customer) -> list[Term]:
    """A customer's terms in the order of time."""
    changes = [customer.signed_up_on]
    if customer.plan_changed_on:
        changes.append(customer.plan_changed_on)
    if customer.pause:
        changes.append(customer.pause[1])
    if customer.signed_up_on < _RISE:
        changes.append(_RISE)
    changes.sort()
    made: list[Term] = []
    for since, until in zip(changes, [*changes[1:], None], strict=True):
        if customer.left_on is not None and since >= customer.left_on:
            break
        has_changed = customer.plan_changed_on is not None and since >= customer.plan_changed_on
        plan = customer.plan[-1] if has_changed else customer.plan[0]
        mrr = price(plan, customer.is_silent, since)
        if made and (made[-1].plan, made[-1].mrr) == (plan, mrr) and made[-1].until == since:
            since = made.pop().since  # noqa: PLW2901 - nothing changed: one term
        end = until
        if customer.pause and since < customer.pause[0]:
            end = customer.pause[0]
        if customer.left_on is not None and (end is None or end >= customer.left_on):
            end = customer.left_on
        made.append(Term(customer, plan, mrr, since, end))
    return made


def movements(customer_terms: list[Term]) -> list[Movement]:
    """The movements that follow from one customer's terms."""
    made = []
    before: Term | None = None
    for term in customer_terms:
        if before is None:
            made.append(Movement(term.customer, term.since, "new", term.mrr))
        elif before.until != term.since:
            made.append(Movement(term.customer, before.until or 0, "churn", -before.mrr))
            made.append(Movement(term.customer, term.since, "reactivation", term.mrr))
        elif term.mrr != before.mrr:
            kind = "expansion" if term.mrr > before.mrr else "contraction"
            made.append(Movement(term.customer, term.since, kind, term.mrr - before.mrr))
        before = term
    if before and before.until is not None:
        made.append(Movement(before.customer, before.until, "churn", -before.mrr))
    return made


def _recurring(customer_terms: list[Term], day_of_month: int) -> list[Invoice]:
    """Enterprise pays each month, the others every third month for three."""
    made = []
    for term in customer_terms:
        months = 1 if term.plan == "enterprise" else 3
        cents = term.mrr * 100 * months
        since = max(term.since, _BILLED_SINCE)
        last = AS_OF if term.until is None else term.until - 1
        for day in month_days(since, last, day_of_month, months):
            made.append(Invoice(term.customer, day, cents, "recurring"))
    return made


def invoices(rng: random.Random, by_customer: list[list[Term]]) -> list[Invoice]:
    """All invoices; project invoices bring the sum to truths.REALISED_REVENUE_CENTS.

    Args:
        rng: the source of chance.
        by_customer: the terms of every customer.

    Returns:
        Ordered by day.
    """
    made: list[Invoice] = []
    for customer_terms in by_customer:
        made += _recurring(customer_terms, rng.randrange(1, 29))
    refunded = rng.sample(made, truths.REFUNDS)
    made += [
        Invoice(i.customer, min(i.day + 9, AS_OF), truths.REFUND_CENTS, "refund") for i in refunded
    ]
    left = truths.REALISED_REVENUE_CENTS - sum(invoice.cents for invoice in made)
    clients = [
        customer_terms[-1].customer
        for customer_terms in by_customer
        if customer_terms[-1].plan == "enterprise" and customer_terms[-1].until is None
    ]
    share = left // truths.PROJECT_INVOICES
    for number, client in enumerate(rng.sample(clients, truths.PROJECT_INVOICES)):
        is_last = number == truths.PROJECT_INVOICES - 1
        cents = left - share * number if is_last else share
        day = max(client.signed_up_on, _BILLED_SINCE) + rng.randrange(5, 180)
        made.append(Invoice(client, day, cents, "one_off"))
    made.sort(key=lambda invoice: (invoice.day, invoice.customer.customer_id, invoice.kind))
    return made
