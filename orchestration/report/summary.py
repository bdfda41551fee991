"""What a run did, in plain text of 100 columns: the last thing `nps run` prints.

Every figure comes from `orchestration.report.queries`: nothing is computed here. Of users' texts
only the names of segments, sources and checks are shown, without control characters, so that no
cell can forge a line.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import duckdb

from orchestration.core.duckdb_session import open_published
from orchestration.core.errors import UserError
from orchestration.publish.generation import MARTS, RESTRICTED
from orchestration.publish.ledger import Generation
from orchestration.report.figures import QuarantinedFiles
from orchestration.report.formatting import (
    age_words,
    change_words,
    counted,
    display_text,
    headline_name,
    longer_words,
    p_words,
    period_name,
    signed_plainly,
    theme_words,
    verdict,
    voices_words,
    window_change_words,
    window_name,
)
from orchestration.report.queries import (
    assumed_zones,
    change_splits,
    contrasts,
    headline,
    headline_change,
    match_rates,
    moving_themes,
    people_to_call,
    published_generation,
    quarantined_files,
    quarantined_rows,
    recent_changes,
    revenue_at_risk,
    source_rows,
    undated_leavers,
)
from orchestration.report.terms import emerging_words

if TYPE_CHECKING:
    from orchestration.workspace.model import Workspace

WIDTH = 100
LABEL = 12  # columns of a line's label
MOST_LISTED = 20


# --- what the run hands over ------------------------------------------------------------------


@dataclass(frozen=True)
class IngestTotals:
    """Files and rows of one run, summed up over its sources."""

    files_found: int = 0
    files_new: int = 0
    files_unchanged: int = 0
    files_quarantined: int = 0
    rows_delivered: int = 0
    rows_loaded: int = 0
    rows_rejected: int = 0
    rows_blank: int = 0

    @classmethod
    def of(cls, results: Iterable[Any]) -> IngestTotals:
        """Sum up ingest results; each has these totals as attributes of the same names."""
        results = list(results)
        return cls(**{f.name: sum(getattr(r, f.name) for r in results) for f in fields(cls)})


@dataclass(frozen=True)
class RunFacts:
    """What only the run itself knows.

    Attributes:
        ingest: files and rows taken in.
        checks_passed: names of the checks that passed.
        checks_failed: names of the failed checks that block publishing.
        checks_warned: of the failed checks that don't, a sentence each.
        seconds: duration of each stage, in order.
        generation: what was published; None when publishing was blocked or failed.
        sent: how many actions were sent, in words; None: sending is not declared.
    """

    ingest: IngestTotals = field(default_factory=IngestTotals)
    checks_passed: tuple[str, ...] = ()
    checks_failed: tuple[str, ...] = ()
    checks_warned: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    generation: Generation | None = None
    sent: str | None = None


# --- the page of text -------------------------------------------------------------------------


def build_summary(workspace: Workspace, run: RunFacts) -> str:
    """Report what a run did, as plain text of at most 100 columns (but for long paths).

    Args:
        workspace: its published files are read; the figures are those of the generation that
            is published, which after a failed gate is the previous one.
        run: what the run itself knows.

    Returns:
        The text, ending without a newline.
    """
    lines = [
        f"NPS warehouse: {workspace.root}, as of {workspace.as_of_on.isoformat()}",
        "=" * WIDTH,
    ]
    lines += _ingest_lines(run.ingest)
    lines += _check_lines(run)
    lines += _publication_lines(workspace, run)
    with suppress(duckdb.Error), open_published(workspace.published / MARTS.file_name) as marts:
        lines += _guarded(_row_lines, marts)
        lines += _guarded(_match_lines, marts)
        lines += _guarded(_zone_lines, marts)
        lines += _guarded(_leaver_lines, marts)
        lines += _quarantine_lines(workspace, marts)
        lines += _guarded(_headline_lines, marts, workspace)
        lines += _guarded(_period_lines, marts, workspace)
        lines += _guarded(_segment_lines, marts, workspace)
        lines += _guarded(_risk_lines, marts, workspace)
    lines += _call_lines(workspace)
    lines += _paragraph("Sent", run.sent) if run.sent else []
    lines += _place_lines(workspace)
    if run.seconds:
        stages = ", ".join(f"{display_text(name)} {s:.1f} s" for name, s in run.seconds.items())
        lines += _paragraph("Time", f"{stages}; {sum(run.seconds.values()):.1f} s in all")
    with suppress(duckdb.Error), open_published(workspace.published / MARTS.file_name) as marts:
        lines += _guarded(_term_lines, marts, workspace)
        lines += _guarded(_theme_lines, marts, workspace)
    return "\n".join(lines)


def _guarded(lines_of: Any, *arguments: Any) -> list[str]:
    """Lines of a section, or none where the published file lacks its table."""
    with suppress(duckdb.CatalogException, duckdb.BinderException):
        return lines_of(*arguments)
    return []


def _paragraph(label: str, text: str) -> list[str]:
    """A labelled paragraph with a hanging indent; long words stay whole."""
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=f"{label:<{LABEL}}",
        subsequent_indent=" " * LABEL,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _listed(items: Sequence[Any], line: Callable[[Any], str]) -> list[str]:
    """One indented line for each item, at most `MOST_LISTED`."""
    lines = [f"{'':{LABEL}}  {line(item)}" for item in items[:MOST_LISTED]]
    if len(items) > MOST_LISTED:
        lines.append(f"{'':{LABEL}}  and {len(items) - MOST_LISTED:,} more")
    return lines


def _ingest_lines(t: IngestTotals) -> list[str]:
    files = (
        f"{counted(t.files_found, 'file')} found: {t.files_new:,} new, {t.files_unchanged:,} "
        f"known already, {t.files_quarantined:,} quarantined"
    )
    rows = (
        f"{counted(t.rows_delivered, 'row')} delivered, {t.rows_loaded:,} loaded, "
        f"{t.rows_rejected:,} rejected"
    )
    blank = f"; {counted(t.rows_blank, 'blank line')} skipped" if t.rows_blank else ""
    return [*_paragraph("This run", files), *_paragraph("", rows + blank)]


def _check_lines(run: RunFacts) -> list[str]:
    text = f"{len(run.checks_passed):,} passed, {len(run.checks_failed):,} failed"
    if run.checks_warned:
        text += f", {counted(len(run.checks_warned), 'warning')}"
    warned = [display_text(sentence, 400) for sentence in run.checks_warned[:MOST_LISTED]]
    return [
        *_paragraph("Checks", text),
        *_listed(run.checks_failed, lambda name: f"FAILED   {display_text(name, 76)}"),
        *(line for each in warned for line in _paragraph("", f"warning: {each}")),
    ]


def _publication_lines(workspace: Workspace, run: RunFacts) -> list[str]:
    if run.generation is not None:
        return _paragraph("Published", f"generation {run.generation.generation_id}")
    try:
        current = published_generation(workspace)
    except UserError as error:
        return _paragraph("Published", f"NOT PUBLISHED; {error}")
    if current is None:
        return _paragraph("Published", "NOT PUBLISHED, and nothing was published before")
    return _paragraph(
        "Published",
        f"NOT PUBLISHED: the previous generation, {current['generation_id']}, stays; it is as of "
        f"{current['as_of_on'].isoformat()} and {age_words(current['age_seconds'])} old; the "
        "figures below are from it",
    )


def _row_lines(marts: duckdb.DuckDBPyConnection) -> list[str]:
    """The account of all rows ever delivered: delivered = accepted + quarantined + … ."""
    sources = source_rows(marts)
    names = ("accepted", "quarantined", "duplicate", "superseded", "deleted", "excluded")

    def total(name: str) -> int:
        return sum(getattr(source, name) for source in sources)

    shown = [name for name in names if name != "excluded" or total(name)]
    account = " + ".join(f"{total(name):,} {name}" for name in shown)
    files = counted(total("files"), "file")
    return _paragraph("All rows", f"{files}, {total('delivered'):,} rows delivered = {account}")


def _match_lines(marts: duckdb.DuckDBPyConnection) -> list[str]:
    """How many of each source's ids are known to the CRM; those of nobody's customers last."""
    rates = match_rates(marts)
    if not any(rate.known is not None for rate in rates):
        return []
    said = []
    for rate in sorted(rates, key=lambda rate: rate.known is None):
        what = "e-mail addresses" if rate.column == "email" else "customer ids"
        whose = "delivered customers" if rate.column == "email" else rate.customer_source
        entry = f"{display_text(rate.source)}/{rate.entity}"
        if rate.known is None:
            said.append(f"{entry}: {rate.delivered:,} {what} of {display_text(whose)}, "
                        "of whom no customers are delivered")  # fmt: skip
        else:
            said.append(
                f"{entry}: {rate.known:,} of {rate.delivered:,} {what} are known to "
                f"{display_text(whose)}"
            )
    first, *others = said
    return [*_paragraph("Customers", first), *(x for s in others for x in _paragraph("", s))]


def _zone_lines(marts: duckdb.DuckDBPyConnection) -> list[str]:
    """The time zone that had to be assumed, and of which sources."""
    by_zone: dict[str, list[str]] = {}
    for zone, entry in assumed_zones(marts):
        by_zone.setdefault(zone, []).append(display_text(entry, 76))
    return [
        line
        for zone, entries in by_zone.items()
        for line in _paragraph(
            "Time zone",
            f"times without an offset are taken for {display_text(zone)}, the workspace's zone, of "
            f"{', '.join(entries)}; declare timezone in the entry",
        )
    ]


def _leaver_lines(marts: duckdb.DuckDBPyConnection) -> list[str]:
    """Customers of whom a status says whether, and nothing when, they have left."""
    left, known = undated_leavers(marts)
    if not known:
        return []
    return _paragraph(
        "Churn",
        f"{left:,} of {counted(known, 'customer')} are known by their status alone to have left, "
        "and nobody knows when: they are in no churn window and no retention curve",
    )


def _quarantine_lines(workspace: Workspace, marts: duckdb.DuckDBPyConnection) -> list[str]:
    files: list[QuarantinedFiles] = []
    rows: list[tuple[str, int]] = []
    with suppress(duckdb.CatalogException):
        files = quarantined_files(marts)
    path = workspace.published / RESTRICTED.file_name
    try:
        with open_published(path) as restricted:
            rows = quarantined_rows(restricted)
    except duckdb.CatalogException:
        pass  # a build without that table has quarantined nothing
    except duckdb.Error:
        problem = "can't be read by this user" if path.exists() else "is missing"
        return _paragraph("Quarantine", f"not counted: {RESTRICTED.file_name} {problem}")
    if not files and not rows:
        return _paragraph("Quarantine", "empty: every file and every row was accepted")
    total = counted(sum(count for _, count in rows), "row")
    lines = _paragraph(
        "Quarantine", f"{total}; {counted(sum(group.files for group in files), 'whole file')}"
    )
    lines += _listed(rows, lambda row: f"{display_text(row[0]):<32}{counted(row[1], 'row')}")
    lines += _listed(
        files,
        lambda group: (
            f"{display_text(group.reason):<32}{counted(group.files, 'file')} with "
            f"{counted(group.rows, 'row')}"
        ),
    )
    if rows:
        lines += _paragraph(
            "",
            f"rows in published/{RESTRICTED.file_name}: "
            "select * from restricted.restricted.quarantined_rows",
        )
    if files:
        lines += _paragraph(
            "",
            f"files in published/{MARTS.file_name}: "
            "select * from marts.ingest_reconciliation where file_status = 'quarantined'",
        )
    return lines


def _headline_lines(marts: duckdb.DuckDBPyConnection, workspace: Workspace) -> list[str]:
    """The score of the latest window, what stands beside it, and its changes."""
    found = headline(marts, workspace)
    what = headline_name(workspace)
    if found is None:
        return _paragraph("Headline", f"{what}: no answers yet, so no score")
    window = window_name(found.window_days)
    customers = counted(found.responses, "customer")
    if found.nps is None:
        return _paragraph("Headline", f"{what}: too few customers to show a score ({customers})")
    lines = _paragraph(
        "Headline",
        f"{what} {found.nps:.1f} (95 % interval {found.ci_low:.1f} to {found.ci_high:.1f}), "
        f"{window}, each customer once: {customers}, {found.promoters:,} promoters, "
        f"{found.passives:,} passives, {found.detractors:,} detractors",
    )
    if longer := longer_words(found):
        lines += _paragraph("", longer)
    beside = []
    if found.weighted_nps is not None:
        by = display_text(found.weighted_by, 24)
        beside.append(f"{found.weighted_nps:.1f} weighted by {by} to all customers")
    if found.window_days is not None:
        beside.append(
            f"all time {found.all_time_nps:.1f} ({found.all_time_ci_low:.1f} to "
            f"{found.all_time_ci_high:.1f}) from {counted(found.all_time_responses, 'customer')}"
        )
    lines += _paragraph("", "; ".join(beside)) if beside else []
    if found.is_carried_by_few:
        lines += _paragraph("", f"warning: {voices_words(found)}")
    sentences = [window_change_words(change, found) for change in found.changes]
    label = "Change"
    for sentence in filter(None, sentences):
        lines += _paragraph(label, sentence)
        label = ""
    return lines


def _period_lines(marts: duckdb.DuckDBPyConnection, workspace: Workspace) -> list[str]:
    """The real changes of recent periods; without one, the last change that could be chance."""
    last = headline_change(marts, workspace)
    if last is None:
        return _paragraph("Periods", "no two complete quarters or months to compare yet")
    found = recent_changes(marts, workspace)
    lines = [] if found else _paragraph("Periods", change_words(last))
    for place, recent in enumerate(found):
        lines += _paragraph("" if place else "Periods", change_words(recent.change))
        if driver := recent.driver:
            segment = f"{display_text(driver.dimension, 24)} = {display_text(driver.segment, 32)}"
            lines += _paragraph(
                "",
                f"of it, {segment} made {signed_plainly(driver.points)}: its score went from "
                f"{driver.compared_nps:.1f} to {driver.nps:.1f}",
            )
    newest = found[0].change if found else last
    splits = change_splits(marts, workspace, newest)
    if splits:
        parts = "; ".join(
            f"by {display_text(split.dimension, 24)} {signed_plainly(split.rate)} because scores "
            f"changed and {signed_plainly(split.mix)} because the mix did"
            for split in splits[:2]
        )
        lines += _paragraph("", f"of {'the first' if len(found) > 1 else 'it'}, {parts}")
    return lines


def _segment_lines(marts: duckdb.DuckDBPyConnection, workspace: Workspace) -> list[str]:
    found = contrasts(marts, workspace)
    if not found:
        return _paragraph("Segments", "none with enough answers to compare with the rest")
    lines = _paragraph(
        "Segments",
        f"the most different from the rest of their dimension, each customer once, of "
        f"{len(found):,} compared:",
    )
    for c in found[:3]:
        name = f"{display_text(c.dimension, 24)} = {display_text(c.segment, 32)}"
        text = (
            f"{name}: {c.nps:.1f} against {c.compared_nps:.1f}, {signed_plainly(c.change)} points, "
            f"{p_words(c.p_adjusted or 0.0)}: {verdict(c.is_significant)}"
        )
        lines += textwrap.wrap(
            text, WIDTH, initial_indent=" " * (LABEL + 2), subsequent_indent=" " * (LABEL + 4)
        )
    return lines


def _call_lines(workspace: Workspace) -> list[str]:
    """How many people to call today, if the restricted file can be read."""
    with suppress(duckdb.Error), open_published(workspace.published / RESTRICTED.file_name) as file:
        people, overdue = people_to_call(file)
        return _paragraph(
            "Today",
            f"{people:,} people to call (nps_actions), {overdue:,} of them overdue",
        )
    return []


def _risk_lines(marts: duckdb.DuckDBPyConnection, workspace: Workspace) -> list[str]:
    """Revenue at risk by rule of thumb and as observed; no lines where no MRR is delivered."""
    found = [r for r in revenue_at_risk(marts, workspace) if r.assumed_amount is not None]
    if not found:
        return []
    lines = _paragraph(
        "Revenue", f"a year, in {workspace.currency}, by rule of thumb and as observed:"
    )
    for risk in found:
        what = display_text(risk.figure).replace("_", " ")
        seen = (
            f"{risk.evidence_amount:,.0f} observed ({risk.observed_rate:.1%})"
            if risk.evidence_amount is not None and risk.observed_rate is not None
            else "nothing observed yet"
        )
        text = (
            f"{what}, {counted(risk.customers, display_text(risk.nps_class))} in "
            f"{risk.horizon_days:,} days: {risk.assumed_amount:,.0f} by rule "
            f"({risk.assumed_rate:.0%}), {seen}"
        )
        lines += textwrap.wrap(
            text, WIDTH, initial_indent=" " * (LABEL + 2), subsequent_indent=" " * (LABEL + 4)
        )
    return lines


def _term_lines(marts: duckdb.DuckDBPyConnection, workspace: Workspace) -> list[str]:
    """What detractors begin to write; nothing where no word emerges."""
    words = emerging_words(marts, workspace)
    return _paragraph("New words", words) if words else []


def _theme_lines(marts: duckdb.DuckDBPyConnection, workspace: Workspace) -> list[str]:
    """The three themes of comments that move the score most; none where nobody wrote of any."""
    found = moving_themes(marts, workspace)
    if not found:
        return []
    period = period_name(found[0].time_grain, found[0].period_start)
    lines = _paragraph(
        "Themes", f"what moves the score most, {period}: the score less the score without them"
    )
    for theme in found:
        lines += textwrap.wrap(
            theme_words(theme),
            WIDTH,
            initial_indent=" " * (LABEL + 2),
            subsequent_indent=" " * (LABEL + 4),
        )
    return lines


def _place_lines(workspace: Workspace) -> list[str]:
    """Where the results are; what does not exist is not listed."""
    places = {
        "tables for BI": workspace.published / MARTS.file_name,
        "comments, identities": workspace.published / RESTRICTED.file_name,
        "tables as Parquet": workspace.published / "parquet",
        "report": workspace.published / "report" / "index.html",
        "history of generations": workspace.published / "ledger.jsonl",
        "logs and check results": workspace.runs,
    }
    lines: list[str] = []
    for what, path in places.items():
        if path.exists():
            inside = path.is_relative_to(workspace.root)
            shown = path.relative_to(workspace.root) if inside else path
            lines.append(f"{'' if lines else 'Where':<{LABEL}}{what:<24}{shown}")
    return lines
