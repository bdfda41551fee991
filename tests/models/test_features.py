"""customer_nps_features hold nothing from the future: what comes after a day changes none of its rows.

Two hundred customers have histories of their own and each a cut-off of its own. Whatever a customer
does after its cut-off is then changed, removed, moved or added to; the rows up to the cut-off must stay
as they are, byte by byte.
"""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from dbt_support import compiled, empty_database, rebuild

CUSTOMERS = 200
AS_OF = date(2025, 12, 31)
FIRST = date(2024, 1, 1)
CHAIN = (
    "int_feature_customers_numbered",
    "int_feature_answers_ranked",
    "int_feature_events_dated",
    "int_feature_days_listed",
    "int_feature_days_summed",
)
# What leaks, by model: a text of its SQL, and what would stand there.
LEAKS = {
    "an event counts a month too early": (
        "int_feature_days_summed",
        "event_days.happened_on <= days.as_of_on",
        "event_days.happened_on <= days.as_of_on + 31",
    ),
    "the mean is that of the answers to come": (
        "int_feature_answers_ranked",
        "rows between current row and unbounded following",
        "rows between unbounded preceding and current row",
    ),
    "whoever will leave has left": (
        "customer_nps_features",
        "customers.churned_on > sums.as_of_on",
        "customers.churned_on > sums.as_of_on + 365",
    ),
}
Event = tuple[str, str, date, float]  # kind, customer, day, amount


def _days(draw: random.Random, first: date, last: date) -> date:
    return first + timedelta(days=draw.randint(0, (last - first).days))


def _event(draw: random.Random, customer: str, first: date) -> Event:
    kind = draw.choice(["answer", "answer", "money", "ticket", "usage", "churn"])
    return kind, customer, _days(draw, first, AS_OF), draw.choice([0, 3, 7, 9, 10])


def histories(draw: random.Random) -> dict[str, list[Event]]:
    """Some events of each customer; of several churns the first counts."""
    names = [f"c{number}" for number in range(CUSTOMERS)]
    return {name: [_event(draw, name, FIRST) for _ in range(draw.randint(1, 12))] for name in names}


def perturbed(
    draw: random.Random, events: dict[str, list[Event]], cut_offs: dict[str, date]
) -> dict[str, list[Event]]:
    """The same histories with another future: what is after a customer's cut-off, drawn again."""
    return {
        name: [event for event in own if event[2] <= cut_offs[name]]
        + [
            _event(draw, name, cut_offs[name] + timedelta(days=1))
            for _ in range(draw.randint(0, 6))
            if cut_offs[name] < AS_OF
        ]
        for name, own in events.items()
    }


def _noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 11, tzinfo=UTC).replace(tzinfo=None)


def _tables(events: dict[str, list[Event]]) -> dict[str, list[dict[str, Any]]]:
    """The rows that the models of features read."""
    tables: dict[str, list[dict[str, Any]]] = {
        "marts.dim_customers": [],
        "intermediate.int_customer_lifecycles_dated": [],
        "marts.fct_nps_responses": [],
        "intermediate.int_customer_money_moved": [],
        "intermediate.int_support_tickets_versioned": [],
        "intermediate.int_product_usage_versioned": [],
    }
    responses, money, tickets, usage = list(tables.values())[2:]
    for number, (customer, own) in enumerate(events.items()):
        left = [day for kind, _, day, _ in own if kind == "churn"]
        is_inferred = number % 3 == 0
        if is_inferred and not any(kind == "answer" for kind, *_ in own):
            continue  # nothing names it
        tables["marts.dim_customers"].append(
            {
                "customer_key": customer, "source": "crm", "has_churn_information": True,
                "is_inferred": is_inferred,
                "churned_at": _noon(min(left)) if left else None,
            }
        )  # fmt: skip
        tables["intermediate.int_customer_lifecycles_dated"].append(
            {"customer_key": customer, "has_revenue_information": True}
        )
        for place, (kind, _, day, amount) in enumerate(own):
            if kind == "answer":
                responses.append(
                    {
                        "response_id": f"{customer}-{place}", "customer_key": customer,
                        "source": "pulse", "metric": "nps", "survey_type": "relational",
                        "score": int(amount), "nps_class": "promoter" if amount > 8 else "detractor",
                        "contribution": 100 if amount > 8 else -100,
                        "responded_at": _noon(day), "responded_on": day,
                    }
                )  # fmt: skip
            elif kind == "money":
                money.append(
                    {"customer_key": customer, "moved_at": _noon(day), "revenue": amount + 0.1}
                )
            elif kind == "ticket":
                tickets.append(
                    {"customer_key": customer, "opened_at": _noon(day), "row_status": "accepted"}
                )
            elif kind == "usage":
                usage.append(
                    {
                        "customer_key": customer, "used_on": day, "quantity": amount + 0.2,
                        "row_status": "accepted",
                    }
                )  # fmt: skip
    return tables


def features(events: dict[str, list[Event]], leak: tuple[str, str, str] | None = None) -> list:
    """The rows of customer_nps_features, sorted; with a leak, those of a model that was changed."""
    with empty_database() as connection:
        connection.execute(
            "insert into nps.raw.workspace by name select ? as as_of_on, 18 as feature_months, "
            "'Europe/Brussels' as timezone, 'nps' as headline_metric, "
            "'relational' as headline_survey_type",
            [AS_OF],
        )
        connection.execute(
            "insert into nps.intermediate.int_customer_sources_described by name "
            "select 'crm' as customer_source, true as has_tickets, true as has_usage"
        )
        for name, rows in _tables(events).items():
            given = pd.DataFrame(rows)  # noqa: F841 - DuckDB finds it by its name
            connection.execute(f"insert into nps.{name} by name from given")
        for model in CHAIN:
            rebuild(connection, [model])
            if leak and leak[0] == model:
                sql = compiled(model)
                assert leak[1] in sql
                connection.execute(f"delete from nps.intermediate.{model}")
                connection.execute(
                    f"insert into nps.intermediate.{model} by name {sql.replace(leak[1], leak[2])}"
                )
        sql = compiled("customer_nps_features")
        if leak and leak[0] == "customer_nps_features":
            assert leak[1] in sql
            sql = sql.replace(leak[1], leak[2])
        return connection.execute(f"select * from ({sql}) order by all").fetchall()


def _until(rows: list, cut_offs: dict[str, date]) -> list[str]:
    """The rows that are not later than their customer's cut-off, with every digit."""
    return [repr(row) for row in rows if row[1] <= cut_offs[row[0]]]


@pytest.fixture(scope="module")
def futures():
    """Histories, each customer's cut-off, and the same histories with other futures."""
    draw = random.Random(5)
    events = histories(draw)
    cut_offs = {name: _days(draw, date(2024, 9, 1), AS_OF) for name in events}
    return events, cut_offs, perturbed(draw, events, cut_offs)


def test_no_row_knows_what_comes_after_it(futures):
    events, cut_offs, others = futures
    one, other = features(events), features(others)
    assert one != other
    kept = _until(one, cut_offs)
    assert len(kept) > 5 * CUSTOMERS
    assert kept == _until(other, cut_offs)


@pytest.mark.parametrize("leak", LEAKS)
def test_a_leak_would_be_seen(futures, leak: str):
    events, cut_offs, others = futures
    one, other = (_until(features(each, LEAKS[leak]), cut_offs) for each in (events, others))
    assert one != other
