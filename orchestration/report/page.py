"""The report: one self-contained HTML page, rendered from the published file.

The page loads nothing: its charts are SVG in the page, its style is in the page, and it has no
script. Every chart is drawn twice, wide and narrow, and the page shows the one that fits: a wide
chart shrunk to a phone could not be read.

Templates escape every value. Texts of users (names of segments, surveys, sources and files) go
through `display_text` first, which removes what is invisible. No value of the restricted file
is read here.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from orchestration.core.atomic_write import write_if_changed
from orchestration.core.duckdb_session import open_published
from orchestration.core.errors import UserError
from orchestration.core.files import reason_of
from orchestration.publish.generation import MARTS
from orchestration.report import formatting
from orchestration.report.charts import (
    COLOURS,
    NARROW,
    WIDE,
    churn_spec,
    curves_spec,
    domain_of,
    dots_spec,
    titled_trend_spec,
    trend_spec,
)
from orchestration.report.drawing import png, svg
from orchestration.report.figures import CLASSES, Curve, Outcome, PageFigures, Score
from orchestration.report.queries import MONEY, TREND_MONTHS, monthly_scores, read_page_figures

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

    from orchestration.workspace.model import Workspace

TEMPLATES = Path(__file__).parent / "templates"
MOST_SEGMENTS = 14  # drawn of one dimension: those with the most answers
MONEY_NAMES = dict(zip(MONEY, ("Active MRR", "Realised LTV", "Projected LTV"), strict=True))
MONEY_WORDS = {
    "Active MRR": "what the customers who have not left pay a month",
    "Realised LTV": "what all of them have paid so far",
    "Projected LTV": "the margin that those who have not left are expected to bring from now on, "
    "in today's money, if they leave as fast as their class did",
}


# --- the public functions -----------------------------------------------------------------------


def write_report(
    workspace: Workspace, *, database: Path | None = None, folder: Path | None = None
) -> Path:
    """Write the report of a generation, replacing the previous page in one step.

    Args:
        workspace: its settings say what the headline is; drawings are kept in its `runs`.
        database: the DuckDB file to read; by default the published one.
        folder: where `index.html` is written; by default `published/report`.

    Returns:
        The page, `index.html` in the folder.

    Raises:
        UserError: nothing is published, the file can't be read, or the page can't be written;
            the previous page stays.
    """
    page = _page(workspace, _read(workspace, database, read_page_figures))
    path = (folder or workspace.published / "report") / "index.html"
    try:
        write_if_changed(path, page.encode())
    except OSError as error:
        raise UserError(
            f"{path}: the report can't be written ({reason_of(error)}); the previous one stays"
        ) from error
    return path


def trend_png(workspace: Workspace, *, database: Path | None = None) -> bytes:
    """Draw the headline's trend by month as a small PNG; without answers it says so.

    Args:
        workspace: its settings say what the headline is; drawings are kept in its `runs`.
        database: the DuckDB file to read; by default the published one.

    Raises:
        UserError: nothing is published, or the file can't be read.
    """
    title = f"{formatting.headline_name(workspace)} by month, with its 95 % interval"
    months = _read(workspace, database, _months)
    return png(_drawings(workspace), "trend", titled_trend_spec, title, months)


def _drawings(workspace: Workspace) -> Path:
    return workspace.runs / "charts"


def _months(marts: duckdb.DuckDBPyConnection, workspace: Workspace) -> list[Score]:
    with suppress(duckdb.CatalogException):
        return monthly_scores(marts, workspace)
    return []


def _read(workspace: Workspace, database: Path | None, query: Callable[..., Any]) -> Any:
    """What the query answers of the file."""
    path = database or workspace.published / MARTS.file_name
    if not path.exists():
        raise UserError(f"{path}: nothing is published yet; run `nps run` first")
    try:
        with open_published(path) as marts:
            return query(marts, workspace)
    except duckdb.Error as error:
        raise UserError(f"{path}: can't be read for the report; run `nps run` again") from error


# --- what the templates show --------------------------------------------------------------------


@dataclass(frozen=True)
class Chart:
    """One chart, drawn for a wide and for a narrow screen."""

    wide: Markup
    narrow: Markup


@dataclass(frozen=True)
class Panel:
    """The scores of one dimension.

    Attributes:
        dimension: its name, not yet safe to print.
        scores: of all segments, those with the most answers first.
        drawn: of the segments in the chart, the best first.
        suppressed: number of segments with too few answers to show.
        chart: None where there is nothing to draw.
    """

    dimension: str
    scores: list[Score]
    drawn: list[Score]
    suppressed: int
    chart: Chart | None


def _page(workspace: Workspace, figures: PageFigures) -> str:
    """The whole page as HTML."""
    rated = [o for o in figures.outcomes if o.churn_rate is not None]
    curves = [curve for curve in figures.curves if len(curve.points) > 1]
    # a class's money is the same in every window
    worth = list({o.nps_class: o for o in figures.outcomes}.values())
    return _environment().get_template("page.html.j2").render(
        workspace=workspace,
        figures=figures,
        name=formatting.headline_name(workspace),
        shown_months=[score for score in figures.months if score.value is not None],
        trend_months=TREND_MONTHS,
        trend_chart=_trend_chart(workspace, figures),
        panels=_panels(workspace, figures),
        real_contrasts=[c for c in figures.contrasts if c.is_significant][:3],
        rated=rated,
        churn_chart=_churn_chart(workspace, rated),
        curves=curves,
        curves_chart=_curves_chart(workspace, curves),
        worth=worth,
        worth_columns=_known_money(worth),
        risks=[risk for risk in figures.risks if risk.assumed_amount is not None],
    )  # fmt: skip


def _known_money(outcomes: list[Outcome]) -> Mapping[str, str]:
    """The money columns of which anything is known, with their names."""
    return {
        column: name
        for column, name in MONEY_NAMES.items()
        if any(getattr(outcome, column) is not None for outcome in outcomes)
    }


def _environment() -> Environment:
    """Jinja's environment: every value is escaped, and an unknown name is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def visible(text: object, most: int = 60) -> str:
        return formatting.display_text(text, most)

    environment.filters |= {
        "visible": visible,
        "number": formatting.number,
        "signed": formatting.signed,
        "amount": formatting.amount,
        "percent": formatting.percent,
        "counted": formatting.counted,
        "p_words": formatting.p_words,
        "day_name": formatting.day_name,
        "month_name": formatting.month_name,
        "metric_name": formatting.metric_name,
    }
    environment.globals |= {
        "CLASSES": CLASSES,
        "MONEY_WORDS": MONEY_WORDS,
        "COLOURS": COLOURS,
        "change_words": formatting.change_words,
        "compared_name": formatting.compared_name,
        "each": formatting.each,
        "interval": formatting.interval,
        "longer_words": formatting.longer_words,
        "percent_interval": formatting.percent_interval,
        "period_name": formatting.period_name,
        "period_names": formatting.period_names,
        "seen_words": formatting.seen_words,
        "untested_words": formatting.untested_words,
        "voices_words": formatting.voices_words,
        "window_name": formatting.window_name,
    }
    return environment


# --- the charts ---------------------------------------------------------------------------------


def _chart(
    workspace: Workspace,
    name: str,
    spec_of: Callable[..., dict[str, Any]],
    wide: tuple[Any, ...],
    narrow: tuple[Any, ...],
) -> Chart:
    """Draw a chart in both widths; `wide` and `narrow` are the arguments of `spec_of`."""
    from markupsafe import Markup

    folder = _drawings(workspace)
    # drawn by our own code from names that the SVG library escapes
    return Chart(
        Markup(svg(folder, f"{name}-wide", spec_of, *wide)),  # noqa: S704
        Markup(svg(folder, f"{name}-narrow", spec_of, *narrow)),  # noqa: S704
    )


def _trend_chart(workspace: Workspace, figures: PageFigures) -> Chart | None:
    months, events = figures.months, figures.events
    if all(score.value is None for score in months):
        return None
    wide, narrow = (months, WIDE, 300, events), (months, NARROW, 240, events)
    return _chart(workspace, "trend", trend_spec, wide, narrow)


def _churn_chart(workspace: Workspace, rated: list[Outcome]) -> Chart | None:
    if not rated:
        return None
    return _chart(workspace, "churn", churn_spec, (rated, WIDE), (rated, NARROW))


def _curves_chart(workspace: Workspace, curves: list[Curve]) -> Chart | None:
    if not curves:
        return None
    return _chart(workspace, "curves", curves_spec, (curves, WIDE, 320), (curves, NARROW, 260))


def _panels(workspace: Workspace, figures: PageFigures) -> list[Panel]:
    """One panel for each dimension; all charts share one scale."""
    drawn = {
        dimension: sorted(
            [score for score in scores if score.value is not None][:MOST_SEGMENTS],
            key=lambda score: -(score.value or 0),
        )
        for dimension, scores in figures.segments.items()
    }
    domain = domain_of(itertools.chain.from_iterable(drawn.values()))
    total = figures.headline.all_time_nps if figures.headline else None
    panels = []
    for place, (dimension, scores) in enumerate(figures.segments.items()):
        rows = drawn[dimension]
        chart = (
            _chart(
                workspace,
                f"s{place}",
                dots_spec,
                (rows, WIDE, domain, total),
                (rows, NARROW, domain, total),
            )
            if rows
            else None
        )
        suppressed = sum(score.value is None for score in scores)
        panels.append(Panel(dimension, scores, rows, suppressed, chart))
    return panels
