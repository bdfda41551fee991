"""Words and number formats of the summary and the report."""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from typing import TYPE_CHECKING

from orchestration.report.figures import Comparison, Headline, Theme, WindowChange

if TYPE_CHECKING:
    from orchestration.workspace.model import Workspace

MONTHS = [
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
]
METRICS = {"nps": "NPS", "enps": "eNPS", "csat": "CSAT", "ces": "CES"}

_ANSI = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|[@-Z\\-_])")


def display_text(text: object, most: int = 40) -> str:
    """A user's text made safe for a terminal or a page: one line, nothing invisible.

    ANSI sequences and control, bidirectional, zero-width and unassigned characters are removed,
    white space is collapsed, and what is longer than `most` characters ends in an ellipsis.
    (For HTML it still has to be escaped.)
    """
    bare = _ANSI.sub("", str(text))
    spaced = "".join(" " if c.isspace() else c for c in bare)
    shown = "".join(c for c in spaced if c == " " or unicodedata.category(c)[0] not in "CZ")
    line = " ".join(shown.split())
    return line if len(line) <= most else line[: most - 1] + "…"


# --- numbers ------------------------------------------------------------------------------------


def number(value: float | None, digits: int = 1) -> str:
    """A number with a true minus sign; – where there is none."""
    if value is None:
        return "–"
    text = f"{value:,.{digits}f}"
    if float(text.replace(",", "")) == 0:
        text = text.lstrip("-")  # no minus before a zero
    return text.replace("-", "−")


def signed(value: float) -> str:
    """A change with its sign: `+1.7`, `−1.7`."""
    text = number(value)
    return text if text.startswith("−") else f"+{text}"


def signed_plainly(value: float) -> str:
    """The same for a sentence on the terminal, with a hyphen: `+1.7`, `-1.7`, never `-0.0`."""
    return f"{round(value, 1) + 0.0:+.1f}"


def amount(value: float | None) -> str:
    """Money without decimals; – where it is unknown."""
    return number(None if value is None else float(value), 0)


def each(total: float | None, count: int) -> float | None:
    """What of a total falls to each of so many; None where it is unknown."""
    return None if total is None or not count else total / count


def percent(share: float | None) -> str:
    """A share of 1 in percent; – where it is unknown."""
    return "–" if share is None else f"{number(100 * share)} %"


def interval(low: float | None, high: float | None) -> str:
    """The ends of an interval; – without one."""
    return "–" if low is None or high is None else f"{number(low)} to {number(high)}"


def percent_interval(low: float | None, high: float | None) -> str:
    """The ends of an interval of shares in percent; – without one."""
    return "–" if low is None or high is None else f"{percent(low)} to {percent(high)}"


def counted(count: int, noun: str) -> str:
    """A count and its noun: `1 file`, `2,612 files`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def p_words(p_value: float) -> str:
    """A p-value as `p 0.032` or `p < 0.001`."""
    return "p < 0.001" if p_value < 0.001 else f"p {p_value:.3f}"


# --- days and periods ---------------------------------------------------------------------------


def day_name(day: date) -> str:
    """A day in words, whatever the machine's language: `31 December 2025`."""
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def month_name(label: str) -> str:
    """The month of an ISO date: `December 2025`."""
    day = date.fromisoformat(label)
    return f"{MONTHS[day.month - 1]} {day.year}"


def quarter_name(day: date) -> str:
    """The quarter of a day, as `2025 Q4`."""
    return f"{day.year} Q{(day.month + 2) // 3}"


def period_name(grain: str, day: date) -> str:
    """A period by a day of it, as `2025 Q3` or `Aug 2025`."""
    return quarter_name(day) if grain == "quarter" else f"{MONTHS[day.month - 1][:3]} {day.year}"


def period_names(change: Comparison) -> tuple[str, str]:
    """The period compared with and the period itself, as `2025 Q3` or `Aug 2025`."""
    grain = change.time_grain
    return period_name(grain, change.compared_start), period_name(grain, change.period_start)


def age_words(seconds: float) -> str:
    """An age in its largest fitting unit: `40 seconds`, `3 hours`, `12 days`."""
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")):
        count = int(seconds // size)
        if count >= (2 if size > 1 else 0):
            return counted(count, unit)
    raise ValueError(f"an age is not negative: {seconds}")


# --- names and sentences ------------------------------------------------------------------------


def metric_name(metric: str) -> str:
    """A metric as people write it: `NPS` for nps."""
    return METRICS.get(metric, display_text(metric))


def headline_name(workspace: Workspace) -> str:
    """What the headline is called: `NPS (relational)`."""
    headline = workspace.headline
    return f"{metric_name(headline.metric)} ({display_text(headline.survey_type)})"


def verdict(is_significant: bool | None) -> str:
    """`real` or `could be chance`, as the table judged it."""
    return "real" if is_significant else "could be chance"


def window_name(days: int | None) -> str:
    """A headline's window: `last 90 days`, or `all time`."""
    return "all time" if days is None else f"last {counted(days, 'day')}"


def compared_name(change: WindowChange, days: int | None) -> str:
    """What the headline is compared with: `the 90 days before`, `the same days a year before`."""
    if change.comparison == "year_before":
        return "the same days a year before"
    return f"the {counted(days or 0, 'day')} before"


def voices_words(headline: Headline) -> str:
    """How little the answers are worth where a few customers gave most of them."""
    worth = max(1, round(headline.effective_voices))
    return (
        f"few voices carry the answers: {counted(headline.answers, 'answer')} of "
        f"{counted(headline.responses, 'customer')} weigh as much as {worth:,}; the score counts "
        "each customer once"
    )


def longer_words(headline: Headline) -> str:
    """Why the window is longer than the declared one; empty where it is not."""
    if headline.window_days == headline.declared_days:
        return ""
    return f"the last {counted(headline.declared_days, 'day')} hold too few customers"


def seen_words(detectable: float | None, customers: int) -> str:
    """What a test of so many customers could not have shown; empty where that is not known."""
    if detectable is None:
        return ""
    points = counted(max(1, round(detectable)), "point")
    return (
        f"a change of less than about {points} would not show with {counted(customers, 'customer')}"
    )


_UNTESTED = {
    "no_answers": "nobody answered then",
    "suppressed": "too few customers answered then to show a score",
    "too_few_to_test": "too few customers to tell a change from chance",
}


def untested_words(change: WindowChange) -> str:
    """Why a change of the headline is not tested."""
    return _UNTESTED[str(change.untested_because)]


def window_change_words(change: WindowChange, headline: Headline) -> str:
    """A change of the headline in one sentence, with its verdict; empty without a window."""
    against = compared_name(change, headline.window_days)
    if change.untested_because == "no_window":
        return ""
    if change.change is None:
        return f"can't be compared with {against}: {untested_words(change)}"
    score = (
        f"{signed_plainly(change.change)} points against {against} ({change.nps:.1f}, "
        f"{counted(change.responses, 'customer')})"
    )
    if change.p_value is None:
        return f"{score}; {untested_words(change)}"
    tested = f"{score}; {p_words(change.p_value)}: {verdict(change.is_significant)}"
    seen = seen_words(change.detectable_change, headline.responses)
    return tested if change.is_significant or not seen else f"{tested}; {seen}"


def change_words(change: Comparison) -> str:
    """A change of two periods in one sentence, with its verdict."""
    before, now = period_names(change)
    if change.change is None or change.p_adjusted is None:
        return f"{before} and {now} can't be compared: too few answers in one of them"
    text = (
        f"{signed_plainly(change.change)} points from {before} ({change.compared_nps:.1f}, "
        f"{counted(change.compared_responses, 'customer')}) to {now} ({change.nps:.1f}, "
        f"{counted(change.responses, 'customer')}); {p_words(change.p_adjusted)}: "
        f"{verdict(change.is_significant)}"
    )
    seen = seen_words(change.detectable_change, change.responses)
    return text if change.is_significant or not seen else f"{text}; {seen}"


def theme_words(theme: Theme) -> str:
    """What a theme does to the score, in one sentence, with its change since the period before."""
    score = f", who score {theme.nps:.1f}" if theme.nps is not None else ""
    text = (
        f"{display_text(theme.name)}: {signed_plainly(theme.impact)} points "
        f"({theme.low:.1f} to {theme.high:.1f}), named by {counted(theme.responses, 'customer')}"
        f"{score}"
    )
    if theme.change is None or theme.compared_start is None:
        return text
    before = period_name(theme.time_grain, theme.compared_start)
    return f"{text}; {signed_plainly(theme.change)} since {before}: {verdict(theme.is_significant)}"
