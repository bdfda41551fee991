"""How soon customers are contacted after an answer, for the page of those who contact them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestration.report.figures import FollowUp

if TYPE_CHECKING:
    import duckdb

    from orchestration.workspace.model import Workspace


def follow_ups(marts: duckdb.DuckDBPyConnection, workspace: Workspace) -> list[FollowUp]:
    """The headline's latest quarter with cases, by class, the class with most cases first.

    Raises:
        duckdb.CatalogException: the database lacks the table.
    """
    rows = marts.execute(
        "select nps_class, time_grain, period_start, cases, contacted, "
        "median_hours_to_first_contact, within_sla_share, within_sla_ci_low, within_sla_ci_high, "
        "recovered_share, recovered_ci_low, recovered_ci_high, open_cases, overdue "
        "from marts.follow_up_sla "
        f"where time_grain = 'quarter' and dimension = 'all' and {workspace.headline.condition} "
        "qualify dense_rank() over (order by period_start desc) = 1 "
        "order by cases desc, nps_class"
    ).fetchall()
    return [FollowUp(*row) for row in rows]
