"""The report's charts as Vega-Lite specs, made by Altair.

Colours are the light theme's, so that the PNG has them too; in the dark theme the page's style
overrides them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from orchestration.report.figures import CLASSES, Curve, EventEffect, Outcome, Score
from orchestration.report.formatting import number

WIDE, NARROW = 820, 350  # pixels of the drawing, axes included

# role: (light, dark). Each light colour is used for one role only: the page's style finds the
# parts of a chart by it.
COLOURS = {
    "ink": ("#1d2733", "#e8edf3"),
    "muted": ("#5c6875", "#9fadbb"),
    "rule": ("#d9dfe6", "#33404e"),
    "accent": ("#1f5fbf", "#7fb2ff"),
    "band": ("#c9dbf5", "#24466f"),
    "paper": ("#fefefe", "#17202a"),
    "promoter": ("#1b7f5c", "#4cc79a"),
    "passive": ("#8a93a0", "#a9b3c0"),
    "detractor": ("#c0452c", "#ff8f75"),
    "no_response": ("#8b6fb8", "#c3a9ef"),
}


def light(role: str) -> str:
    """A role's colour in the light theme."""
    return COLOURS[role][0]


def _spec(chart: Any, width: int, height: Any, fit: str) -> dict[str, Any]:
    """An Altair chart as a Vega-Lite spec, with what all charts share."""
    chart = chart.properties(
        width=width, height=height, autosize={"type": fit, "contains": "padding"}
    )
    chart = chart.configure(
        aria=False,  # the figure has words of its own; a screen reader should not read every point
        background=light("paper"),
        font="system-ui, -apple-system, Segoe UI, Roboto, Liberation Sans, sans-serif",
        view={"stroke": None},
        axis={
            "labelColor": light("muted"),
            "gridColor": light("rule"),
            "labelFontSize": 12,
            "title": None,
            "domain": False,
            "ticks": False,
            "labelPadding": 6,
        },
    )
    # the tests validate the specs against Vega-Lite's schema: each run would spend a second on it
    return chart.to_dict(validate=False)


def words_spec(text: str, width: int, height: int) -> dict[str, Any]:
    """A picture that only says something."""
    import altair as alt

    chart = alt.Chart(alt.Data(values=[{}])).mark_text(text=text, fontSize=18, color=light("muted"))
    return _spec(chart, width, height, "fit")


def domain_of(figures: Iterable[Score], step: float = 10) -> list[float]:
    """A scale of round numbers around all intervals, within the range a score can have."""
    ends = [end for f in figures for end in (f.low, f.value, f.high) if end is not None]
    if not ends:
        return [-100, 100]
    low, high = step * math.floor(min(ends) / step), step * math.ceil(max(ends) / step)
    return [max(-100.0, low), min(100.0, max(high, low + step))]


def trend_spec(
    months: Sequence[Score], width: int, height: int, events: Sequence[EventEffect] = ()
) -> dict[str, Any]:
    """The score by month with its interval as a band; the month still running is hollow.

    Events are dashed lines with their numbers, from 1.
    """
    import altair as alt

    rows: list[dict[str, Any]] = [
        {"month": f.label, "nps": f.value, "low": f.low, "high": f.high, "running": not f.complete}
        for f in months
    ]
    wide = width > 500
    every = next(
        step for step in (1, 2, 3, 6, 12) if len(rows) / step <= (12 if wide else 5) or step == 12
    )
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X(
            "month:T",
            scale=alt.Scale(type="utc"),
            axis=alt.Axis(
                grid=False,
                format="%b %Y" if every > 1 and wide else "%b %y",
                tickCount={"interval": "month", "step": every},
                labelOverlap=True,
                labelFlush=True,
            ),
        )
    )

    def at(name: str) -> Any:
        scale = alt.Scale(domain=domain_of(months), nice=False)
        return alt.Y(f"{name}:Q", scale=scale, axis=alt.Axis(tickCount=6))

    band, accent, paper = light("band"), light("accent"), light("paper")
    last = [row for row in rows if row["nps"] is not None][-1:]
    latest = alt.Chart(alt.Data(values=[r | {"text": number(r["nps"], 0)} for r in last])).encode(
        x=alt.X("month:T", scale=alt.Scale(type="utc")), y=at("nps"), text="text:N"
    )
    low, high = domain_of(months)
    zero = alt.Chart(alt.Data(values=[{"nps": 0}] if low < 0 < high else []))
    happened = alt.Chart(alt.Data(values=[
        {"month": event.day.isoformat(), "number": str(place)}
        for place, event in enumerate(events, start=1)
    ])).encode(x=alt.X("month:T", scale=alt.Scale(type="utc")))  # fmt: skip
    chart = alt.layer(
        base.mark_area(color=band, opacity=1).encode(y=at("low"), y2="high:Q"),
        happened.mark_rule(color=light("muted"), strokeWidth=1, strokeDash=[3, 3]),
        happened.mark_text(y=0, dx=7, dy=6, fontSize=12, color=light("muted")).encode(
            text="number:N"
        ),
        # A month alone between two gaps has no area: its interval is this short line.
        base.mark_rule(color=band, strokeWidth=3).encode(y=at("low"), y2="high:Q"),
        zero.mark_rule(color=light("muted"), strokeWidth=1).encode(y=at("nps")),
        base.mark_line(color=accent, strokeWidth=2.5).encode(y=at("nps")),
        base.mark_point(filled=True, opacity=1, size=42, fill=accent).encode(y=at("nps")),
        base.transform_filter("datum.running && isValid(datum.nps)")
        .mark_point(filled=True, opacity=1, size=60, fill=paper, stroke=accent, strokeWidth=2)
        .encode(y=at("nps")),
        latest.mark_text(dy=-14, dx=-8, fontSize=14, fontWeight=700, color=light("ink")),
    )
    return _spec(chart, width, height, "fit")


def dots_spec(
    figures: Sequence[Score], width: int, domain: list[float], total: float | None
) -> dict[str, Any]:
    """Dots and whiskers, one row for each figure shown, and a dashed line at the total."""
    import altair as alt

    rows: list[dict[str, Any]] = [
        {
            "name": name,
            "value": f.value,
            "low": f.low,
            "high": f.high,
            "text": number(f.value, 0),
        }
        for name, f in zip(distinct(f.label for f in figures), figures, strict=True)
    ]
    base = alt.Chart(alt.Data(values=rows)).encode(
        y=alt.Y(
            "name:N",
            sort=[row["name"] for row in rows],
            axis=alt.Axis(
                labelColor=light("ink"),
                labelFontSize=13,
                # The same room for names in every chart, so that their scales line up.
                minExtent=170 if width > 500 else 96,
                maxExtent=170 if width > 500 else 96,
                labelLimit=160 if width > 500 else 90,
            ),
        )
    )

    def at(name: str) -> Any:
        scale = alt.Scale(domain=domain, nice=False)
        return alt.X(f"{name}:Q", scale=scale, axis=alt.Axis(tickCount=6 if width > 500 else 4))

    accent, ink = light("accent"), light("ink")
    layers = [
        base.mark_rule(color=accent, strokeWidth=2).encode(x=at("low"), x2="high:Q"),
        base.mark_point(filled=True, opacity=1, size=90, fill=accent).encode(x=at("value")),
        base.mark_text(dy=-12, color=ink, fontSize=12, fontWeight=600).encode(
            x=at("value"), text="text:N"
        ),
    ]
    if total is not None:
        line = alt.Chart(alt.Data(values=[{"total": total}])).mark_rule(
            color=light("muted"), strokeDash=[3, 4], strokeWidth=1.5
        )
        layers.insert(0, line.encode(x=at("total")))
    return _spec(alt.layer(*layers), width, alt.Step(36), "fit-x")


def churn_spec(outcomes: Sequence[Outcome], width: int) -> dict[str, Any]:
    """Churn in percent by window and class, with intervals."""
    import altair as alt

    rows: list[dict[str, Any]] = [
        {
            "window": f"{o.window_days} days",
            "class": o.nps_class,
            "rate": 100 * o.churn_rate,
            "low": 100 * (o.churn_rate if o.ci_low is None else o.ci_low),
            "high": 100 * (o.churn_rate if o.ci_high is None else o.ci_high),
        }
        for o in outcomes
        if o.churn_rate is not None
    ]
    classes = [name for name in CLASSES if any(row["class"] == name for row in rows)]
    windows = sorted({o.window_days for o in outcomes if o.churn_rate is not None})
    colours = alt.Scale(domain=classes, range=[light(name) for name in classes])
    base = alt.Chart(alt.Data(values=rows)).encode(
        y=alt.Y(
            "window:N",
            sort=[f"{days} days" for days in windows],
            scale=alt.Scale(paddingInner=0.25),
            axis=alt.Axis(labelColor=light("ink"), labelFontSize=13),
        ),
        yOffset=alt.YOffset("class:N", sort=classes, scale=alt.Scale(paddingOuter=0.2)),
        color=alt.Color("class:N", scale=colours, legend=None),
    )

    def at(name: str) -> Any:
        high = max(row["high"] for row in rows)
        scale = alt.Scale(domain=[0, min(100, max(5, 5 * math.ceil(high / 5)))], nice=False)
        axis = alt.Axis(tickCount=6 if width > 500 else 4, labelExpr="datum.label + ' %'")
        return alt.X(f"{name}:Q", scale=scale, axis=axis)

    chart = alt.layer(
        base.mark_rule(strokeWidth=2).encode(x=at("low"), x2="high:Q"),
        base.mark_point(filled=True, opacity=1, size=90).encode(x=at("rate")),
    )
    return _spec(chart, width, (24 * len(classes) + 16) * len(windows) + 30, "fit")


def curves_spec(curves: Sequence[Curve], width: int, height: int) -> dict[str, Any]:
    """Retention in percent by days since the answer, one stair a class, with its interval."""
    import altair as alt

    classes = [name for name in CLASSES if any(c.nps_class == name for c in curves)]
    rows: list[dict[str, Any]] = [
        {
            "class": c.nps_class,
            "days": days,
            "kept": 100 * kept,
            "low": 100 * (kept if low is None else low),
            "high": 100 * (kept if high is None else high),
        }
        for c in curves
        for days, kept, low, high in c.points
    ]
    colours = alt.Scale(domain=classes, range=[light(name) for name in classes])
    bottom = min(row["low"] for row in rows)
    scale = alt.Scale(domain=[max(0, 10 * math.floor(bottom / 10)), 100], nice=False)
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X(
            "days:Q",
            scale=alt.Scale(nice=False),
            axis=alt.Axis(grid=False, tickCount=8 if width > 500 else 4, title="days"),
        ),
        color=alt.Color("class:N", scale=colours, legend=None),
    )
    axis = alt.Axis(tickCount=6, labelExpr="datum.label + ' %'")
    chart = alt.layer(
        base.mark_area(interpolate="step-after", opacity=0.18)
        .encode(y=alt.Y("low:Q", scale=scale, axis=axis), y2="high:Q")
        .encode(color=alt.Color("class:N", scale=colours, legend=None)),
        base.mark_line(interpolate="step-after", strokeWidth=2.2).encode(
            y=alt.Y("kept:Q", scale=scale, axis=axis)
        ),
    )
    return _spec(chart, width, height, "fit")


def titled_trend_spec(title: str, months: Sequence[Score]) -> dict[str, Any]:
    """The trend under a title, on white: a picture that stands alone; without months, words."""
    if months:
        spec = trend_spec(months, 640, 260)
        ink = light("ink")
        spec["title"] = {"text": title, "anchor": "start", "color": ink, "fontSize": 14}
    else:
        spec = words_spec("No answers yet", 560, 80)
    return spec | {"background": "#ffffff"}


def distinct(names: Iterable[str]) -> list[str]:
    """Names as rows of a chart: two that look the same once made visible stay two rows."""
    seen: dict[str, int] = {}
    found = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found
