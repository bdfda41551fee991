"""The CRM's deliveries, all CSV: customers by snapshot, contracts, money, usage, people."""

from __future__ import annotations

import random

from sample import fates, truths, voices
from sample.accounts import CONTACTS, YEARLY_VALUES
from sample.answers import Answer
from sample.clock import (
    AS_OF,
    QUARTER_STARTS,
    SNAPSHOT_DAYS,
    SNAPSHOTS,
    day_of,
    iso_day,
    month_days,
    slashed_day,
)
from sample.money import Invoice, Movement, Term
from sample.people import REGIONS, Customer
from sample.tables import Row, scatter, table

Files = dict[str, bytes]


def customers(rng: random.Random, everybody: list[Customer]) -> Files:
    """The customers as the CRM knew them on each snapshot's day."""
    header = (
        *("customer_no", "e_mail", "account_no", "full_name", "customer_since", "left_on"),
        *("region", "plan", "industry", "role"),
    )
    files = {}
    for index, (label, day) in enumerate(zip(SNAPSHOTS, SNAPSHOT_DAYS, strict=True)):
        quarter = min(index, len(QUARTER_STARTS) - 1)
        rows: list[Row] = []
        for customer in everybody:
            if customer.signed_up_on >= day:
                continue
            left_on = customer.left_on
            account, role = CONTACTS.get(customer.customer_id, (customer.account_id, ""))
            if customer.pause and customer.pause[0] < day <= customer.pause[1]:
                left_on = customer.pause[0]
            rows.append(
                (
                    *(customer.customer_id, customer.email[quarter], account),
                    customer.name,
                    slashed_day(customer.signed_up_on),
                    slashed_day(left_on) if left_on is not None and left_on < day else "",
                    *(customer.region[quarter], customer.plan[quarter], customer.industry, role),
                )
            )
        name = f"customers_{label}.csv"
        for kind, count in truths.BAD_ROWS.get(("crm", "customers", name), {}).items():
            for number in range(count):
                person = (
                    f"stray{number}@example.net,,Stray {number},02/01/2024,,north,starter,retail,"
                )
                if kind == "missing id":
                    scatter(rng, rows, ["," + person])
                else:  # wrong width: a comma that somebody forgot to quote
                    scatter(rng, rows, [f"C9{number:04d}," + person.replace("Stray ", "Stray, ")])
        files[name] = table(header, rows)
    return files


def accounts(rng: random.Random) -> bytes:
    """400 companies, some of them without a customer, and the key accounts."""
    rows: list[Row] = [
        (
            f"A{number + 1:04d}",
            f"{voices.COMPANY_WORDS[number // 20]} {voices.COMPANY_KINDS[number % 20]}",
            rng.randrange(10, 400) * 1000,
            rng.choice(("Ilse Haas", "Omar Weber", "Tess Rossi")),
            rng.choice(("gold", "silver", "bronze")),
        )
        for number in range(400)
    ]
    rows += [
        (account, f"Key account {account}", value, "Ilse Haas", "gold")
        for account, value in YEARLY_VALUES.items()
    ]
    return table(("account_no", "company", "yearly_value", "owner", "tier"), rows)


def subscriptions(rng: random.Random, by_customer: list[list[Term]]) -> bytes:
    """Contracts: a line for each term. The id is made of two columns."""
    rows: list[Row] = []
    for number, terms in enumerate(by_customer):
        for line, term in enumerate(terms):
            renewal = term.since + ((AS_OF - term.since) // 365 + 1) * 365
            rows.append(
                (
                    f"K{number + 1:05d}",
                    line + 1,
                    term.customer.customer_id,
                    iso_day(term.since),
                    "" if term.until is None else iso_day(term.until),
                    iso_day(renewal) if term.until is None else "",
                    *(term.plan, f"{term.mrr}.00", "EUR"),
                )
            )
    scatter(rng, rows, [("K99999", 1, "C00100", "soon", "", "", "starter", "29.00", "EUR")])
    header = (
        "contract",
        "line",
        "customer_no",
        "start",
        "end",
        "renewal",
        "plan",
        "fee",
        "currency",
    )
    return table(header, rows)


def movements(rng: random.Random, moves: list[Movement]) -> bytes:
    """Changes of MRR, ordered by day."""
    moves = sorted(moves, key=lambda move: (move.day, move.customer.customer_id, move.kind))
    rows: list[Row] = [
        (m.customer.customer_id, iso_day(m.day), m.kind, f"{m.amount}.00", "EUR") for m in moves
    ]
    day = "2025-02-03"
    bad: list[Row] = [("C00100", day, "upsell", f"{n + 1}.00", "EUR") for n in range(2)]
    scatter(rng, rows, [*bad, ("C00101", day, "expansion", "1O.00", "EUR")])
    return table(("customer_no", "day", "kind", "amount", "currency"), rows)


def invoices(rng: random.Random, made: list[Invoice]) -> Files:
    """Invoices by year; every tenth names no currency, which means the workspace's."""
    header = ("invoice_no", "customer_no", "day", "amount", "currency", "kind")
    rows: dict[str, list[Row]] = {"2024": [], "2025": []}
    for number, one in enumerate(made, start=1):
        day = iso_day(one.day)
        amount = f"{one.cents / 100:.2f}"
        currency = "EUR" if number % 10 else ""
        rows[day[:4]].append(  # nothing to quote: a line is made faster than cells
            f"F{number:06d},{one.customer.customer_id},{day},{amount},{currency},{one.kind}"
        )
    for year, filled in rows.items():
        name = f"invoices_{year}.csv"
        extra: list[Row] = rng.sample(filled, fates.INVOICE_DUPLICATES[name])
        day = f"{year}-06-15"
        bad = {
            "foreign currency": ("C00100", day, "250.00", "USD", "recurring"),
            "bad number": ("C00101", day, "1.250,00 €", "EUR", "recurring"),
            "missing id": ("C00102", day, "99.00", "EUR", "recurring"),
            "future": ("C00103", "2027-01-15", "99.00", "EUR", "recurring"),
        }
        for kind, count in truths.BAD_ROWS["crm", "invoices", name].items():
            for number in range(count):
                invoice_no = "" if kind == "missing id" else f"FX{year}{len(extra):02d}"
                customer_no, *rest = bad[kind]
                extra.append((invoice_no, customer_no[:-1] + str(number), *rest))
        scatter(rng, filled, extra)
    return {f"invoices_{year}.csv": table(header, filled) for year, filled in rows.items()}


def usage(rng: random.Random, everybody: list[Customer]) -> Files:
    """How often customers used a feature: each quarter, from 2025 on each month.

    Who is about to leave uses it less.
    """
    periods = (
        ("usage_2024.csv", "2024-01-01", "2024-12-31", 3),
        ("usage_2025h1.csv", "2025-01-01", "2025-06-30", 1),
        ("usage_2025h2.csv", "2025-07-01", iso_day(AS_OF), 1),
    )
    rows: dict[str, list[Row]] = {name: [] for name, *_ in periods}
    between = random.Random("usage")  # of its own: the files after this one do not depend on it
    for customer in everybody:
        day_of_month = rng.randrange(1, 29)
        feature = rng.choice(("reports", "exports", "dashboards"))
        level = rng.randrange(5, 60)
        gone = AS_OF if customer.left_on is None else customer.left_on - 1
        for name, begins, ends, every in periods:
            first, last = max(customer.signed_up_on, day_of(begins)), min(gone, day_of(ends))
            quarterly = month_days(first, last, day_of_month, 3)
            for day in month_days(first, last, day_of_month, every):
                is_leaving = customer.left_on is not None and customer.left_on < day + 90
                noise = between if begins == "2025-01-01" and day not in quarterly else rng
                quantity = level // 3 if is_leaving else level + noise.randrange(5)
                rows[name].append(f"{customer.customer_id},{iso_day(day)},{feature},{quantity}")
    bad = [(f"C0010{n}", "2025-09-09", "exports", "many") for n in range(3)]
    scatter(rng, rows["usage_2025h2.csv"], bad)
    header = ("customer_no", "day", "feature", "times")
    return {name: table(header, filled) for name, filled in rows.items()}


def referrals(rng: random.Random, everybody: list[Customer], relational: list[Answer]) -> bytes:
    """Who recommended us to whom; 300 of them became customers."""
    promoters = [a.customer for a in relational if a.customer and a.nps_class == "promoter"]
    pairs: list[tuple[int, Customer | None]] = []
    for year, count in truths.REFERRED_SIGN_UPS.items():
        first, last = day_of(f"{year}-01-01"), day_of(f"{year}-12-31")
        new = [c for c in everybody if first <= c.signed_up_on <= last]
        pairs += [(c.signed_up_on - rng.randrange(2, 40), c) for c in rng.sample(new, count)]
    while len(pairs) < truths.REFERRALS:
        pairs.append((QUARTER_STARTS[0] + rng.randrange(700), None))
    rows = []
    for number, (day, referred) in enumerate(sorted(pairs, key=lambda pair: pair[0])):
        referrer = rng.choice(promoters)
        while not referrer.is_with_us(day) or referrer is referred:
            referrer = rng.choice(promoters)
        rows.append(
            (
                f"R{number + 1:04d}",
                referrer.customer_id,
                iso_day(day),
                referred.customer_id if referred else "",
                iso_day(referred.signed_up_on) if referred else "",
            )
        )
    return table(("referral", "by_customer", "day", "new_customer", "converted"), rows)


def leads(rng: random.Random) -> bytes:
    """300 people who may become customers; one in ten has bought and has a plan."""
    rows = [
        (
            f"L{number + 1:04d}",
            iso_day(AS_OF - rng.randrange(1, 200)),
            f"lead{number + 1}@example.org",
            rng.choice(REGIONS),
            rng.choice(voices.INDUSTRIES),
            "enterprise" if number % 10 == 0 else "",
        )
        for number in range(300)
    ]
    return table(("lead", "created", "mail", "region", "industry", "plan"), rows)
