"""eNPS by department in the published sample: what is withheld follows from nothing published."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from sample_support import interval, rows

from sample import staff

CLASSES = ("promoters", "passives", "detractors")
SHOWN = "select period_start, department, responses, promoters, passives, detractors, nps, "


@pytest.mark.parametrize("quarter", staff.ANSWERS)
def test_departments(tables, quarter):
    found = rows(
        tables,
        f"{SHOWN} standard_error, ci_low, ci_high, is_suppressed from marts.enps_by_department "
        f"where period_start = date '{quarter}'",
    )
    assert {name for _, name, *_, hidden in found if hidden} == staff.SUPPRESSED[quarter]
    assert all(not any(row[2:-1]) for row in found if row[-1])
    assert {name: tuple(row) for _, name, *row, hidden in found if not hidden} == {
        name: (
            score.responses, *score[:3], pytest.approx(100 * (score[0] - score[2]) / sum(score[:3])),
            *(pytest.approx(figure) for figure in interval(*score[:3])),
        )
        for name, score in staff.ANSWERS[quarter].items()
        if name not in staff.SUPPRESSED[quarter]
    }  # fmt: skip


def test_no_sum_or_difference_of_margins_gives_a_withheld_count(tables):
    """Every published count of eNPS is an equation in the counts by quarter, department and class.

    A count is known exactly if its unit vector is a combination of the equations: of all sums and
    differences of margins, not only of those that one would think of.
    """
    departments = [
        name for (name,) in rows(tables, "select distinct department from marts.enps_by_department")
    ] + sorted(staff.ANSWERS["2025-07-01"].keys() - {"Support", "Sales", "Product", "Finance"})
    departments = sorted(set(departments))
    quarters = [date.fromisoformat(quarter) for quarter in staff.ANSWERS]
    cells = [(q, d) for q in quarters for d in departments]
    place = {cell: number for number, cell in enumerate(cells)}

    totals = rows(
        tables,
        "select period_start, period_end from marts.fct_nps_by_period where metric = 'enps' and "
        "time_grain in ('quarter', 'year', 'all') union "
        "select period_start, period_end from marts.fct_nps_by_segment_period "
        "where metric = 'enps' and time_grain in ('quarter', 'year', 'all')",
    )
    equations = []
    for start, end in totals:
        # the first answers are some days after the quarter's beginning
        inside = [q for q in quarters if start <= date(q.year, q.month + 2, 1) <= end]
        equations.append([1.0 if q in inside else 0.0 for q, _ in cells])
    shown = rows(
        tables,
        "select period_start, department from marts.enps_by_department where not is_suppressed",
    )
    listed = {
        (start, name)
        for start, name in rows(
            tables, "select period_start, department from marts.enps_by_department"
        )
    }
    # a department that is not listed gave no answer
    for cell in [*shown, *(cell for cell in cells if cell not in listed)]:
        equations.append([1.0 if place[cell] == n else 0.0 for n in range(len(cells))])
    matrix = np.array(equations)
    rank = np.linalg.matrix_rank(matrix)
    hidden = [cell for cell in listed if cell not in {*shown}]
    assert {name for _, name in hidden} == staff.SUPPRESSED["2025-07-01"]
    for cell in hidden:
        unit = np.eye(len(cells))[place[cell]]
        assert np.linalg.matrix_rank(np.vstack([matrix, unit])) == rank + 1
    # what was shown alone of a pair would give the other one away
    legal = np.eye(len(cells))[place[quarters[0], "Legal"]]
    naive = [np.eye(len(cells))[place[cell]] for cell in hidden if cell[1] != "Legal"]
    known = np.vstack([matrix, *naive])
    assert np.linalg.matrix_rank(np.vstack([known, legal])) == np.linalg.matrix_rank(known)


def test_no_table_says_who_answered(tables):
    (found,) = rows(
        tables,
        "select count(*), count(customer_key), count(account_key), count(distinct voice_key) "
        "from marts.fct_nps_responses where metric = 'enps'",
    )
    assert found[:3] == (staff.ACCEPTED_ANSWERS, 0, 0)
    # 42 answers in one quarter and 38 in the next one, of at most 63 employees
    assert 42 <= found[3] <= staff.EMPLOYEES
    ((employees,),) = rows(
        tables,
        "select count(*) from marts.dim_customers where source = 'hr' or customer_id like 'E0%'",
    )
    assert employees == 0
