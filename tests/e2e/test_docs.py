"""The queries that the documentation shows run on the published sample and find something."""

from __future__ import annotations

import re

import e2e_support as e2e
import pytest

from expectations.suites.foundation import FOUNDATION
from expectations.suites.marts import MARTS
from expectations.suites.reconciliation import RECONCILIATION

PAGES = ("docs/analyst.md", "docs/metrics.md", "docs/scientist.md")
# Nothing in the sample has several values (tests/e2e/test_overlapping_values.py holds this table's rows), and no
# benchmark is shipped (the unit test of the model holds its).
EMPTY = ("marts.fct_nps_by_value_period", "marts.nps_benchmark_gap")


def queries() -> list[tuple[str, str]]:
    """Page and text of every SQL block."""
    found = []
    for page in PAGES:
        text = (e2e.REPOSITORY / page).read_text("utf-8")
        found += [(page, block) for block in re.findall(r"```sql\n(.*?)```", text, re.DOTALL)]
    return found


@pytest.mark.parametrize(("page", "query"), queries())
def test_a_documented_query_finds_something(tables, page, query):
    found = tables.execute(query.rstrip().rstrip(";")).fetchone()
    assert (found is None) == any(table in query for table in EMPTY)


@pytest.mark.parametrize("table", sorted(MARTS.keys() - FOUNDATION.keys() - RECONCILIATION.keys()))
def test_every_table_has_its_paragraph_its_query_and_its_caution(table):
    text = (e2e.REPOSITORY / "docs/metrics.md").read_text("utf-8")
    (section,) = re.findall(rf"^### {table}: (.*?)(?=^##|\Z)", text, re.DOTALL | re.MULTILINE)
    assert f"marts.{table}" in section
    assert "**Caution:**" in section
