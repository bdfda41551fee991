"""Words that detractors write more often than before, in one sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestration.report.formatting import display_text

if TYPE_CHECKING:
    import duckdb

    from orchestration.workspace.model import Workspace

MOST = 3


def emerging_words(marts: duckdb.DuckDBPyConnection, workspace: Workspace) -> str | None:
    """The surest terms of emerging_terms, of the headline's detractors; None: nothing emerges.

    Raises:
        duckdb.CatalogException: the database lacks the table.
    """
    rows = marts.execute(
        "select term, responses, all_responses, compared_responses, compared_all_responses, "
        "window_days from marts.emerging_terms "
        f"where is_emerging and {workspace.headline.condition} "
        f"order by p_value, term, language limit {MOST}"
    ).fetchall()
    if not rows:
        return None
    listed = ", ".join(
        f"{display_text(term)} in {now:,} of {of:,} comments ({before:,} of {of_before:,} before)"
        for term, now, of, before, of_before, _ in rows
    )
    return f"detractors write more often than in the {rows[0][-1]:,} days before: {listed}"
