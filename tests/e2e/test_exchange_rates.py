"""Money in other currencies, and counts without answers, from landing to the published figures.

The rates are corrected by a second delivery, after which the build is a full one; a further invoice
is a batch. Both end where one build of everything does.
"""

from __future__ import annotations

import json
import math

import e2e_support as e2e
import pytest

SOURCES = [
    {"name": "crm", "entity": "customers", "files": "customers.csv", "columns": {"customer_id": "id"}},
    {"name": "crm", "entity": "invoices", "files": "invoices*.csv",
     "columns": {"invoice_id": "id", "customer_id": "who", "invoiced_at": "day", "amount": "amount",
                 "currency": "currency"}},
    {"name": "crm", "entity": "subscriptions", "files": "subscriptions.csv",
     "columns": {"subscription_id": "id", "customer_id": "who", "started_at": "since", "mrr": "mrr",
                 "currency": "currency"}},
    {"name": "crm", "entity": "survey_responses", "files": "answers.csv",
     "columns": {"response_id": "id", "customer_id": "who", "score": "score", "submitted_at": "day"},
     "constants": {"metric": "nps", "survey_type": "relational", "scale": "0-10"}},
    {"name": "bank", "entity": "exchange_rates", "files": "rates_*.csv", "snapshot_at": "rates_%Y%m%d.csv",
     "columns": {"currency": "code", "valid_from": "since", "rate": "euros"},
     "timestamps": {"valid_from": "%d/%m/%Y"}},
    {"name": "board", "entity": "score_summaries", "files": "board_*.csv", "snapshot_at": "board_%Y%m%d.csv",
     "columns": {"period_start": "from", "period_end": "to", "segment": "country", "promoters": "p",
                 "passives": "n", "detractors": "d"},
     "constants": {"metric": "nps", "survey_type": "board", "dimension": "country"}},
]  # fmt: skip
SETTINGS = {"version": 1, "as_of": "2025-12-31", "currency": "EUR", "sources": SOURCES}
FILES = {
    "crm/customers.csv": "id\na\nb\nc\n",
    "crm/invoices_1.csv": "id,who,day,amount,currency\n"
    "1,a,2025-03-01,100,USD\n2,a,2025-05-01,50,EUR\n3,b,2025-05-01,100,usd\n4,c,2025-05-01,100,GBP\n",
    "crm/subscriptions.csv": "id,who,since,mrr,currency\n1,b,2025-02-01,10,USD\n2,c,2025-02-01,5,\n",
    "crm/answers.csv": "id,who,score,day\n1,a,10,2025-12-01\n2,b,9,2025-12-01\n3,c,0,2025-12-01\n",
    "bank/rates_20250601.csv": "code,since,euros\nUSD,01/01/2025,0.9\nUSD,01/04/2025,0.8\n",
    "board/board_20250401.csv": "from,to,country,p,n,d\n2025-01-01,2025-03-31,BE,50,30,20\n"
    "2025-01-01,2025-03-31,NL,2,1,1\n2025-01-01,2025-03-31,FR,x,1,1\n",
}  # fmt: skip
CORRECTED = {
    "bank/rates_20250701.csv": "code,since,euros\nUSD,01/04/2025,0.85\nGBP,01/01/2025,1.2\n",
    "board/board_20250501.csv": "from,to,country,p,n,d\n2025-01-01,2025-03-31,BE,60,20,20\n",
}
FURTHER = {"crm/invoices_2.csv": "id,who,day,amount,currency\n5,a,2025-06-01,10,USD\n"}


def deliver(root, files: dict[str, str]) -> None:
    for name, text in files.items():
        e2e.deliver(root, name, text)


def revenues(root) -> dict[str, float | None]:
    rows = e2e.marts(
        root,
        "select customer_id, revenue_before from marts.fct_nps_churn "
        "join marts.dim_customers using (customer_key)",
    )
    return dict(rows)


TABLES = (*e2e.FACTS, "fct_nps_churn", "nps_score_summaries")


def is_batch(root) -> bool:
    record = json.loads((root / "warehouse/built.json").read_text(encoding="utf-8"))
    return record["from"] is not None


def summaries(root) -> dict[str, tuple]:
    rows = e2e.marts(
        root,
        "select segment, responses, nps, ci_low, ci_high, is_suppressed "
        "from marts.nps_score_summaries order by 1",
    )
    return {segment: tuple(row) for segment, *row in rows}


@pytest.fixture(scope="module")
def states(tmp_path_factory):
    """What is published after each delivery, and after one build of all of them."""
    root = e2e.declare(tmp_path_factory.mktemp("rates"), SETTINGS)
    found = []
    for files in (FILES, CORRECTED, FURTHER):
        deliver(root, files)
        e2e.build(root, only=TABLES)
        found.append((revenues(root), is_batch(root), summaries(root)))
    at_once = e2e.declare(tmp_path_factory.mktemp("at-once"), SETTINGS)
    deliver(at_once, {**FILES, **CORRECTED, **FURTHER})
    e2e.build(at_once, only=TABLES)
    return root, at_once, found


def test_money_is_converted_at_the_rate_of_its_day(states):
    root, _, found = states
    # a: 100 x 0.9 + 50; b: 100 x 0.8; c: pounds, of which no rate is known
    assert found[0][0] == {"a": 140, "b": 80, "c": 0}
    ((mrr,),) = e2e.marts(
        root,
        "select mrr_at_answer from marts.fct_nps_churn "
        "join marts.dim_customers using (customer_key) where customer_id = 'b'",
    )
    assert mrr == pytest.approx(9)  # 10 x 0.9, the rate of the day it began


def test_a_corrected_rate_converts_older_money_again(states):
    _, _, found = states
    assert found[1][0] == {"a": 140, "b": 85, "c": 120}
    assert not found[1][1]


def test_a_further_invoice_is_a_batch(states):
    _, _, found = states
    assert found[2][0] == {"a": 148.5, "b": 85, "c": 120}
    assert found[2][1]


def test_deliveries_end_where_one_build_does(states):
    root, at_once, _ = states
    one, other = e2e.tables_of(root), e2e.tables_of(at_once)
    assert {name for name in one if one[name] != other[name]} <= {"marts.nps_restatements"}


def bounds(p: int, n: int, d: int) -> tuple[float, float]:
    """The adjusted Wald interval of Rocks 2016: three answers more."""
    total = p + n + d + 3
    good, bad = (p + 0.75) / total, (d + 0.75) / total
    half = 1.959963984540054 * math.sqrt((good + bad - (good - bad) ** 2) / total)
    return 100 * (good - bad - half), 100 * (good - bad + half)


def test_counts_are_scored_and_corrected(states):
    _, _, found = states
    assert found[0][2]["BE"] == (100, 30, *map(pytest.approx, bounds(50, 30, 20)), False)
    assert found[0][2]["NL"] == (4, None, None, None, True)
    assert set(found[0][2]) == {"BE", "NL"}
    assert found[1][2]["BE"] == (100, 40, *map(pytest.approx, bounds(60, 20, 20)), False)


def test_counts_are_never_mixed_with_answers(states):
    root, _, _ = states
    totals = e2e.marts(
        root,
        "select distinct survey_type, sum(responses) from marts.fct_nps_by_period "
        "where time_grain = 'all' and basis = 'responses' group by 1",
    )
    assert totals == [("relational", 3)]


def test_what_is_refused_has_its_reason(states):
    root, _, _ = states
    reasons = e2e.restricted(
        root, "select entity, reason, count(*) from restricted.quarantined_rows group by all"
    )
    assert reasons == [("score_summaries", "bad_number", 1)]
