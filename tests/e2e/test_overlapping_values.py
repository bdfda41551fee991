"""Attributes of several values: each answer counts in each of them, and totals do not add up.

The CRM lists products with semicolons, and changes them; the survey tool lists its own with commas.
"""

from __future__ import annotations

import e2e_support as e2e
import pytest

SOURCES = [
    {"name": "crm", "entity": "customers", "files": "customers_*.csv", "columns": {"customer_id": "id"},
     "attributes": {"products": "owns", "plan": "plan"}, "split": {"products": ";"},
     "snapshot_at": "customers_%Y%m%d.csv"},
    {"name": "crm", "entity": "survey_responses", "files": "answers*.csv",
     "columns": {"response_id": "id", "customer_id": "who", "score": "score", "submitted_at": "day"},
     "attributes": {"products": "asked"}, "split": {"products": ","},
     "constants": {"metric": "nps", "survey_type": "relational", "scale": "0-10"}},
]  # fmt: skip
SETTINGS = {"version": 1, "as_of": "2025-12-31", "segments": ["plan"], "min_group_size": 1,
            "sources": SOURCES}  # fmt: skip
CUSTOMERS = {
    "crm/customers_20250101.csv": "id,owns,plan\na,Mail; Calendar ;Mail,Pro\nb,Mail,Free\nc,,Free\n",
    "crm/customers_20250601.csv": "id,owns,plan\na,Drive|Box,Pro\n",
}
FIRST = (
    "id,who,score,day,asked\n"
    "1,a,10,2025-03-01,\n"  # Calendar and Mail
    "2,b,3,2025-03-02,\n"  # Mail
    "3,c,9,2025-03-03,\n"  # nothing known
    '4,b,8,2025-03-04,"Drive, Calendar"\n'  # what the answer says itself
)
SECOND = "id,who,score,day,asked\n5,a,0,2025-07-01,\n"  # Drive/Box by then


TABLES = (*e2e.FACTS, "fct_nps_by_segment_period", "fct_nps_by_value_period")


def scores(root, grain: str, basis: str) -> dict[str, tuple]:
    rows = e2e.marts(
        root,
        "select segment, responses, shared_responses, parts_overlap, nps "
        f"from marts.fct_nps_by_value_period where time_grain = '{grain}' and basis = '{basis}' "
        "and dimension = 'products'",
    )
    return {segment: tuple(row) for segment, *row in rows}


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    root = e2e.declare(tmp_path_factory.mktemp("values"), SETTINGS)
    for name, text in {**CUSTOMERS, "crm/answers_1.csv": FIRST}.items():
        e2e.deliver(root, name, text)
    e2e.build(root, only=TABLES)
    first = scores(root, "all", "responses"), scores(root, "all", "customers")
    e2e.deliver(root, "crm/answers_2.csv", SECOND)
    e2e.build(root, only=TABLES)
    at_once = e2e.declare(tmp_path_factory.mktemp("at-once"), SETTINGS)
    files = {**CUSTOMERS, "crm/answers_1.csv": FIRST, "crm/answers_2.csv": SECOND}
    for name, text in files.items():
        e2e.deliver(at_once, name, text)
    e2e.build(at_once, only=TABLES)
    return root, at_once, first


def test_an_answer_counts_in_each_of_its_values(roots):
    _, _, (responses, customers) = roots
    assert responses == {
        "Mail": (2, 1, True, 0.0),  # 10 and 3
        "Calendar": (2, 2, True, 50.0),  # 10 and 8
        "Drive": (1, 1, True, 0.0),  # 8
        "(unknown)": (1, 0, True, 100.0),  # 9
    }
    # of b the latest answer alone
    assert customers["Mail"] == (1, 1, True, 100.0)
    assert customers["Calendar"] == (2, 2, True, 50.0)


def test_the_values_are_those_of_then(roots):
    root, _, _ = roots
    # a bar within a value is a slash
    assert scores(root, "all", "responses")["Drive/Box"] == (1, 0, True, -100.0)


def test_segments_add_up_as_before(roots):
    root, _, _ = roots
    dimensions = e2e.marts(
        root, "select distinct dimension from marts.fct_nps_by_segment_period order by 1"
    )
    assert ("products",) not in dimensions and ("plan",) in dimensions


def test_a_batch_ends_where_one_build_does(roots):
    root, at_once, _ = roots
    one, other = e2e.tables_of(root), e2e.tables_of(at_once)
    assert {name for name in one if one[name] != other[name]} <= {"marts.nps_restatements"}
