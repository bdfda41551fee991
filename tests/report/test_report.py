"""The report: what it says, that it stands alone, and that no text of a user acts in it."""

from __future__ import annotations

import json
import re
import shutil
import struct
from dataclasses import replace
from datetime import date, timedelta
from html.parser import HTMLParser

import altair as alt
import pytest
import vl_convert
from jsonschema.exceptions import ValidationError

from orchestration.core import atomic_write
from orchestration.core.duckdb_session import open_published
from orchestration.core.errors import UserError
from orchestration.publish.publish import publish
from orchestration.report import charts, drawing, formatting
from orchestration.report.figures import Curve, EventEffect, Outcome, Score
from orchestration.report.page import trend_png, write_report
from orchestration.report.queries import monthly_scores, published_generation
from orchestration.workspace.load import load_workspace
from tests.publish_support import (
    WORKSPACE_YML,
    Answer,
    Facts,
    editing,
    interval,
    make_workspace,
    sample_facts,
    write_build,
)

VOID = {"meta", "br", "hr", "img", "input", "link"}


class Page(HTMLParser):
    """Collects tags, attributes and visible text, and checks that tags are balanced."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def reported(workspace, facts: Facts) -> tuple[str, Page]:
    write_build(workspace, facts)
    publish(workspace, inputs_hash="inputs", versions={})
    path = write_report(workspace)
    assert path == workspace.published / "report" / "index.html"
    text = path.read_text(encoding="utf-8")
    return text, Page(text)


@pytest.fixture
def workspace(tmp_path):
    return make_workspace(tmp_path / "ws")


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    workspace = make_workspace(tmp_path_factory.mktemp("sample") / "ws")
    facts = sample_facts()
    text, page = reported(workspace, facts)
    return workspace, facts, text, page


# --- it stands alone ------------------------------------------------------------------------------


def test_the_page_asks_nothing_of_any_other_address(sample):
    _, _, text, page = sample
    assert "http:" not in text
    assert "https:" not in text
    assert "@import" not in text
    assert not {"script", "link", "img", "iframe", "object", "embed", "base", "image", "use"} & set(
        page.tags
    )
    assert not {name for _, name, _ in page.attributes} & {"src", "xlink:href", "srcset"}
    assert all(value[0] == "#" for _, name, value in page.attributes if name == "href")
    assert all(name[:2] != "on" for _, name, _ in page.attributes)
    assert set(re.findall(r"url\((.)", text)) <= {"#"}
    policy = [value for _, name, value in page.attributes if name == "content"]
    assert "default-src 'none'; style-src 'unsafe-inline'" in policy


def test_ids_are_unique_and_references_lead_somewhere(sample):
    _, _, text, page = sample
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"url\(#([^)]+)\)", text)) <= set(ids)
    links = [value[1:] for _, name, value in page.attributes if name == "href"]
    assert len(links) == len(set(links)) == 7
    assert set(links) <= set(ids)


def test_every_chart_is_drawn_wide_and_narrow_and_said_in_words(sample):
    _, _, _, page = sample
    classes = [value for tag, name, value in page.attributes if name == "class" and tag == "div"]
    # trend, three dimensions, churn
    assert classes.count("chart wide") == classes.count("chart narrow") == 5
    labels = [v for tag, name, v in page.attributes if tag == "div" and name == "aria-label"]
    assert len(labels) == 5
    assert all(len(label) > 20 for label in labels)
    hidden = [v for tag, name, v in page.attributes if tag == "svg" and name == "aria-hidden"]
    assert hidden == ["true"] * 10


def test_both_themes_reach_into_the_charts(sample):
    _, _, text, _ = sample
    assert "prefers-color-scheme:dark" in text
    for role in ("ink", "muted", "rule", "accent", "band", "paper"):
        light = charts.COLOURS[role][0]
        assert f'"{light}"' in text, f"no chart uses {role}"
        assert f'[fill="{light}"]{{fill:var(--{role})}}' in text
    drawn = set(re.findall(r'(?:fill|stroke)="(#[0-9a-fA-F]+|white|black)"', text))
    known = {light for light, _ in charts.COLOURS.values()}
    assert drawn <= known, "a colour that the dark theme would not change"


def test_each_role_has_a_light_colour_of_its_own():
    lights = [light for light, _ in charts.COLOURS.values()]
    assert len(lights) == len(set(lights))


@pytest.mark.parametrize("theme", [0, 1])
@pytest.mark.parametrize("role", ["ink", "muted", "accent", "promoter", "detractor", "no_response"])
def test_text_and_marks_have_contrast_on_paper(theme, role):
    """WCAG 2.1: relative luminances at 4.5:1 for text."""

    def luminance(colour: str) -> float:
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    pair = sorted((luminance(charts.COLOURS[r][theme]) for r in (role, "paper")), reverse=True)
    assert (pair[0] + 0.05) / (pair[1] + 0.05) >= (4.5 if role in {"ink", "muted"} else 3)


def test_the_page_is_the_same_when_written_again_and_nothing_is_redrawn(sample, monkeypatch):
    workspace, _, text, _ = sample
    monkeypatch.setattr(vl_convert, "vegalite_to_svg", lambda *_, **__: pytest.fail("redrawn"))
    assert write_report(workspace).read_text(encoding="utf-8") == text


# --- what it says ---------------------------------------------------------------------------------


def plain(value: float) -> str:
    return f"{value:.1f}".replace("-", "−")


def last_days(facts: Facts, back: int = 0) -> list[Answer]:
    """The answers of the 90 days that ended so many days before as_of."""
    end = facts.as_of - timedelta(days=back)
    return [a for a in facts.answers if end - timedelta(days=90) < a.day <= end]


def counts_of(answers: list[Answer]) -> tuple[int, int, int]:
    names = [a.nps_class for a in answers]
    return tuple(names.count(c) for c in ("promoter", "passive", "detractor"))


def nps_of(answers: list[Answer]) -> float:
    p, _, d = counts_of(answers)
    return 100 * (p - d) / len(answers)


def test_the_headline_is_the_arithmetic_of_the_last_90_days(sample):
    _, facts, _, page = sample
    answers = last_days(facts)
    p, a, d = counts_of(answers)
    low, high = interval(p, a, d)
    assert f"last 90 days as of 31 December 2025 {plain(nps_of(answers))} 95 %" in page.text
    assert f"{plain(low)} to {plain(high)} , from {len(answers)} customers, each" in page.text
    assert f"All time: {plain(nps_of(facts.answers))} (" in page.text
    assert f"{plain(100 * p / len(answers))} % promoters ({p})" in page.text
    assert f"{plain(100 * d / len(answers))} % detractors ({d})" in page.text
    assert "Warning" not in page.text


def test_the_change_is_against_the_window_before_and_a_year_before(sample):
    _, facts, _, page = sample
    now = nps_of(last_days(facts))
    for back, name in ((90, "the 90 days before"), (365, "the same days a year before")):
        other = last_days(facts, back)
        change = now - nps_of(other)
        assert f"{'+' if change > 0 else ''}{plain(change)} points against {name}" in page.text
        assert f"From {plain(nps_of(other))} ({len(other)} customers)." in page.text
    assert "Could be chance" in page.text
    assert re.search(
        rf"A change of less than about \d+ points? would not show with {len(last_days(facts))} cust",
        page.text,
    )


def test_few_voices_and_a_longer_window_are_said(workspace):
    answers = [Answer(date(2025, month, 3), 9) for month in range(1, 13) for _ in range(9)]
    facts = Facts(answers, answers_each=5, weighted=("plan", 4.5))
    _, page = reported(workspace, facts)
    assert "NPS (relational) · last 365 days" in page.text
    assert "the last 90 days hold too few customers" in page.text
    assert "Warning: few voices carry the answers: 540 answers of 108 customers" in page.text
    assert "4.5 if every plan had answered in proportion to its customers." in page.text


def test_a_real_change_of_an_earlier_quarter_is_listed(workspace):
    answers = [
        Answer(date(2025, month, 3), 10 if month < 6 or n % 2 else 0)
        for month in (2, 5, 8, 11)
        for n in range(100)
    ]
    _, page = reported(workspace, Facts(answers))
    assert "Recent changes −100.0 points from 2025 Q2 (100.0) to 2025 Q3 (0.0), p < 0.001" in (
        page.text
    )
    assert page.text.count("p < 0.001") == 1


def test_the_segment_that_differs_stands_out(sample):
    _, _, _, page = sample
    assert re.search(r"west \(region\) scores [\d.]+ points below the rest", page.text)


def test_months_segments_churn_quality_and_generation_are_there(sample):
    workspace, _, _, page = sample
    for words in (
        "Trend by month", "December 2025", "November 2024", "By region", "By plan", "By channel",
        "1 segment with fewer than 5 customers not drawn.", "Churn after the answer",
        "No response", "Worth of a customer by class", "Active MRR, USD",
        "Active MRR: what the customers who have not left pay a month.", "Worth of all customers of a class",
        # 310 promoters with 21,500 a month: 69.35 each, and 31 times as much projected
        "Promoters 310 69 971 2,150", "Promoters 310 21,500 301,000 666,500",
        "Projected LTV of promoters rests on their churn within 365 days; by the interval of that "
        "rate a customer's is 1,075 to 4,300.",
        "3 files with 2,612 rows delivered; 32 rows (1.2 %) set aside in quarantine",
        "survey_responses", "broken.csv", "wrong_delimiter (1 file)", "the end of 31 December 2025",
    ):  # fmt: skip
        assert words in page.text, words
    assert published_generation(workspace)["generation_id"] in page.text


def test_the_workspaces_own_segments_come_first(sample):
    _, _, _, page = sample
    places = [page.text.index(f"By {name}") for name in ("region", "plan", "channel")]
    assert places == sorted(places)


def test_a_real_change_of_the_window_is_called_so(workspace):
    answers = [Answer(date(2025, 8, 1), 0)] * 90 + [Answer(date(2025, 8, 1), 9)] * 20
    answers += [Answer(date(2025, 11, 1), 9)] * 90 + [Answer(date(2025, 11, 1), 0)] * 20
    _, page = reported(workspace, Facts(answers))
    # 90 and 20 of 110 are 63.6 points, the other way round before
    assert "+127.3 points against the 90 days before" in page.text
    assert "A real change (p < 0.001)" in page.text
    assert ("div", "class", "card up") in page.attributes


def test_a_real_change_is_listed_where_the_window_has_none(workspace):
    answers = [Answer(date(2025, 8, 1), 0)] * 60 + [Answer(date(2025, 8, 1), 9)] * 20
    answers += [Answer(date(2025, 11, 1), 9)] * 60 + [Answer(date(2025, 11, 1), 0)] * 20
    _, page = reported(workspace, Facts(answers))
    assert "+100.0 points from 2025 Q3 (−50.0) to 2025 Q4 (50.0), p < 0.001" in page.text


def test_follow_ups_of_the_latest_quarter_are_shown_by_class(workspace):
    """Those of the quarter before, of a segment and of another metric are not."""
    write_build(workspace, Facts([Answer(date(2025, 11, 3), 10)] * 6))
    row = "({}, date '{}', {}, {}, 40, 30, 26.5, 0.75, 0.6, 0.86, {}, 0.1, 0.5, 7, 3)"
    rows = (
        ("'quarter'", "2025-10-01", "'nps'", "'all', 'detractor'", "0.25"),
        ("'quarter'", "2025-10-01", "'nps'", "'all', 'passive'", "null"),
        ("'quarter'", "2025-10-01", "'nps'", "'region', 'promoter'", "0.99"),
        ("'quarter'", "2025-07-01", "'nps'", "'all', 'promoter'", "0.99"),
        ("'month'", "2025-12-01", "'nps'", "'all', 'promoter'", "0.99"),
        ("'quarter'", "2026-01-01", "'csat'", "'all', 'satisfied'", "0.99"),
    )
    with editing(workspace) as connection:
        connection.execute(
            "create table marts.follow_up_sla as select *, 'relational' as survey_type "
            f"from (values {', '.join(row.format(*cells) for cells in rows)}) as t (time_grain, "
            "period_start, metric, dimension, nps_class, cases, contacted, "
            "median_hours_to_first_contact, within_sla_share, within_sla_ci_low, "
            "within_sla_ci_high, recovered_share, recovered_ci_low, recovered_ci_high, "
            "open_cases, overdue)"
        )
    publish(workspace, inputs_hash="inputs", versions={})
    page = Page(write_report(workspace).read_text(encoding="utf-8"))
    assert "Follow-up of answers, 2025 Q4" in page.text
    shown = "40 30 26.5 h 75.0 % (60.0 % to 86.0 %) {} 7 3"
    recovered = shown.format("25.0 % (10.0 % to 50.0 %)")
    assert f"Detractors {recovered} Passives {shown.format('–')}" in page.text
    assert "99.0 %" not in page.text


# --- suppressed, censored, empty ------------------------------------------------------------------


def test_an_empty_workspace_has_a_page(workspace):
    text, page = reported(workspace, Facts())
    assert "No answers yet" in page.text
    assert "No segments yet." in page.text
    assert "No customers with answers yet." in page.text
    assert "No files delivered yet." in page.text
    assert "<svg" not in text
    assert "nan" not in page.text.lower().split()
    assert "None" not in page.text


def test_a_build_that_lacks_tables_has_a_page(workspace):
    with editing(workspace) as connection:
        connection.execute("create table marts.dim_other as select 1 as a")
    publish(workspace, inputs_hash="inputs", versions={})
    page = Page(write_report(workspace).read_text(encoding="utf-8"))
    assert "No answers yet" in page.text
    assert trend_png(workspace).startswith(b"\x89PNG")


def test_too_few_answers_show_no_score_anywhere(workspace):
    text, page = reported(workspace, Facts([Answer(date(2025, 11, 3), 10)] * 4))
    assert "Too few answers for a score" in page.text
    assert "4 customers so far; a score is shown from 5 on." in page.text
    assert "Every month has too few answers to show a score." in page.text
    assert "100.0" not in page.text
    assert "<svg" not in text


def test_suppressed_cells_are_gaps_not_zeros(workspace):
    answers = [Answer(date(2025, 3, 5), 9)] * 6 + [Answer(date(2025, 5, 5), 0)] * 2
    answers += [Answer(date(2025, 6, 5), 9)] * 3 + [Answer(date(2025, 6, 6), 0)] * 3
    text, page = reported(workspace, Facts(answers))
    assert "Gaps are months with no or too few answers." in page.text
    assert "April 2025 – – 0" in page.text  # no answers
    assert "May 2025 – – 2" in page.text  # too few
    assert "June 2025 0.0" in page.text
    assert "<svg" in text


def test_a_single_month_and_segment_are_drawn(workspace):
    text, page = reported(workspace, Facts([Answer(date(2025, 12, 1), 9)] * 7))
    assert "100.0 95 % interval" in page.text
    assert text.count("<svg") == 8  # the trend and three dimensions, twice


def test_a_dimension_nothing_is_known_of_is_left_out(workspace):
    answers = [Answer(date(2025, 12, 1), 9, region="(unknown)", plan="pro")] * 7
    _, page = reported(workspace, Facts(answers))
    assert "By region" not in page.text
    assert "By plan" in page.text


def test_other_metrics_are_told_apart_from_the_headline(workspace):
    write_build(workspace, Facts())
    with editing(workspace) as connection:
        connection.execute(
            "insert into marts.nps_headline by name (select 'csat' as metric, "
            "'transactional' as survey_type, 365 as window_days, 2000 as responses, 78.0 as nps, "
            "76.1 as ci_low, 79.8 as ci_high)"
        )
    publish(workspace, inputs_hash="inputs", versions={})
    page = Page(write_report(workspace).read_text(encoding="utf-8"))
    assert "CSAT transactional last 365 days 78.0 76.1 to 79.8 2,000" in page.text


def test_a_month_still_running_is_marked(tmp_path):
    text = WORKSPACE_YML.replace("2025-12-31", "2025-12-15")
    workspace = make_workspace(tmp_path / "ws", text)
    answers = [Answer(date(2025, month, 3), 9) for month in (11, 12) for _ in range(6)]
    _, page = reported(workspace, Facts(answers, as_of=date(2025, 12, 15)))
    assert "A hollow point is a month still running." in page.text
    assert "Recent changes" not in page.text


def test_unknown_churn_is_stated_not_drawn(workspace):
    facts = sample_facts(months=2)
    outcomes = [(o[0], o[1], o[2], 0, 0, None, None, None, None, None) for o in facts.outcomes]
    _, page = reported(workspace, replace(facts, outcomes=outcomes))
    assert "Not known yet: no source delivers when customers leave" in page.text
    assert "Worth of" not in page.text


def test_only_the_last_months_are_drawn(workspace):
    answers = [
        Answer(date(year, month, 3), score)
        for year in range(2020, 2026)
        for month in range(1, 13)
        for score in (9, 9, 9, 9, 0)
    ]
    _, page = reported(workspace, Facts(answers))
    assert "The last 36 months." in page.text
    assert "January 2023" in page.text
    assert "December 2022" not in page.text


def test_of_many_segments_the_largest_are_drawn(workspace):
    answers = [
        Answer(date(2025, 11, 3), 9, region=f"r{n:02}") for n in range(20) for _ in range(5 + n)
    ]
    text, page = reported(workspace, Facts(answers))
    assert "6 segments with fewer customers only in the numbers." in page.text
    drawn = set(re.findall(r">(r\d\d)</text>", text))
    assert drawn == {f"r{n:02}" for n in range(6, 20)}
    assert "r00" in page.text


# --- users' texts ---------------------------------------------------------------------------------

NASTY = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style><script>x</script>",
    "&lt;b&gt; & 'quotes'",
    "{{ 7 * 7 }}",
    "a\x1b[31mred\x1b[0m",
    "abc\u202edcba",
    "zero\u200bwidth",
    "line\nbreak",
    "datum.value",
]


def test_texts_of_users_are_shown_and_never_act(workspace):
    facts = sample_facts(months=2)
    answers = facts.answers + [
        Answer(date(2025, 11, 3), 9, region=name) for name in NASTY for _ in range(6)
    ]
    files = [
        ("crm", "customers", f"{n:064}", f"{name}.csv", "quarantined", "empty_file",
         0, 0, 0, 0, 0, 0, 0)
        for n, name in enumerate(NASTY)
    ]  # fmt: skip
    text, page = reported(workspace, replace(facts, answers=answers, files=files))
    assert not {"script", "img", "b&gt;"} & set(page.tags)
    assert all(name[:2] != "on" for _, name, _ in page.attributes)
    assert "<script>alert(1)</script>" in page.text
    assert "</style><script>x</script>" in page.text
    assert "&lt;b&gt; & 'quotes'" in page.text
    assert "{{ 7 * 7 }}" in page.text
    assert "ared" in page.text
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069]", text)


def test_two_names_that_look_alike_stay_two_rows():
    figures = [Score("north", v, v - 5, v + 5, 9) for v in (10.0, 20.0)]
    spec = charts.dots_spec(figures, charts.WIDE, [0, 30], None)
    (rows,) = spec["datasets"].values() if "datasets" in spec else [spec["data"]["values"]]
    assert [row["name"] for row in rows] == ["north", "north (2)"]


FIGURES = [Score(f"2025-{month:02}-01", 10.0, 5.0, 15.0, 9) for month in (1, 2, 3)]
EVENT = EventEffect("price rise", date(2025, 2, 15), "starter", -20.0, -30.0, -10.0)
OUTCOME = Outcome("promoter", 90, 9, 8, 1, 12.5, 2.2, 47.1, *[None] * 6)
CURVE = Curve("promoter", ((0, 1.0, None, None), (30, 0.9, 0.8, 0.95)), 9)


@pytest.mark.parametrize(
    "spec",
    [
        charts.words_spec("No answers yet", 560, 80),
        charts.trend_spec(FIGURES, charts.WIDE, 300),
        charts.trend_spec(FIGURES, charts.WIDE, 300, [EVENT]),
        charts.dots_spec(FIGURES, charts.WIDE, [0, 30], 12.0),
        charts.churn_spec([OUTCOME], charts.WIDE),
        charts.curves_spec([CURVE], charts.WIDE, 320),
    ],
    ids=["words", "trend", "events", "dots", "churn", "curves"],
)
def test_what_is_drawn_keeps_to_the_schema_of_vega_lite(spec):
    alt.Chart.from_dict(spec, validate=True)
    with pytest.raises(ValidationError):
        alt.Chart.from_dict({**spec, "width": "wide"}, validate=True)


def test_a_chart_of_the_same_figures_is_not_drawn_again(tmp_path):
    asked = []

    def spec(text):
        asked.append(text)
        return charts.words_spec(text, 100, 40)

    first = drawing.svg(tmp_path, "words", spec, "one")
    assert drawing.svg(tmp_path, "words", spec, "one") == first
    assert drawing.svg(tmp_path, "words", spec, "two") != first
    assert asked == ["one", "two"]
    # the new one took the old one's place
    assert [path.name for path in tmp_path.iterdir()] == ["words.svg"]
    assert drawing.svg(tmp_path, "words", spec, "one") == first
    assert asked == ["one", "two", "one"]


def test_a_drawing_that_was_cut_short_is_redrawn(tmp_path):
    picture = drawing.png(tmp_path, "words", charts.words_spec, "one", 100, 40)
    path = tmp_path / "words.png"
    kept = path.read_bytes()
    assert kept.endswith(picture)
    path.write_bytes(kept[:-1])
    assert drawing.png(tmp_path, "words", charts.words_spec, "one", 100, 40) == picture
    assert path.read_bytes() == kept


def test_a_chart_is_drawn_where_it_cannot_be_kept(tmp_path):
    folder = tmp_path / "a file"
    folder.touch()
    assert drawing.svg(folder, "words", charts.words_spec, "one", 100, 40).startswith("<svg")


@pytest.mark.parametrize(
    "value, shown",
    [(-0.04, "0.0"), (-0.06, "−0.1"), (1234.56, "1,234.6"), (0.0, "0.0"), (None, "–")],
)
def test_numbers_are_written_plainly(value, shown):
    assert formatting.number(value) == shown


@pytest.mark.parametrize("value, shown", [(1.74, "+1.7"), (-1.74, "−1.7"), (-0.01, "+0.0")])
def test_changes_carry_their_sign(value, shown):
    assert formatting.signed(value) == shown
    assert formatting.signed_plainly(value) == shown.replace("−", "-")


@pytest.mark.parametrize(
    "detectable, shown", [(0.3, "1 point"), (1.4, "1 point"), (10.6, "11 points")]
)
def test_what_could_have_been_seen_is_a_whole_number_of_points(detectable, shown):
    assert f" about {shown} would " in formatting.seen_words(detectable, 750)


@pytest.mark.parametrize(
    "ends, domain",
    [
        ([(-21.8, -9.4)], [-30, 0]),
        ([(95.0, 100.0)], [90, 100]),
        ([(-100.0, -99.0)], [-100, -90]),
        ([(50.0, 50.0)], [50, 60]),
        ([], [-100, 100]),
    ],
)
def test_scales_hold_every_interval(ends, domain):
    figures = [Score("x", low, low, high, 9) for low, high in ends]
    assert charts.domain_of(figures) == domain


# --- writing --------------------------------------------------------------------------------------


def test_nothing_published_is_one_clear_line(workspace):
    for build in (write_report, trend_png):
        with pytest.raises(
            UserError, match=r"nps\.duckdb: nothing is published yet; run `nps run`"
        ):
            build(workspace)


def test_a_report_that_can_not_be_written_leaves_the_one_before(sample, monkeypatch):
    workspace, _, text, _ = sample

    def full(*_):
        raise OSError(28, "No space left on device")

    (workspace.published / "report" / "index.html").write_text("the previous page")
    monkeypatch.setattr(atomic_write.os, "replace", full)
    with pytest.raises(UserError, match="the report can't be written"):
        write_report(workspace)
    monkeypatch.undo()
    folder = workspace.published / "report"
    assert (folder / "index.html").read_text(encoding="utf-8") == "the previous page"
    write_report(workspace)
    assert (folder / "index.html").read_text(encoding="utf-8") == text
    assert [path.name for path in folder.iterdir()] == ["index.html"]


def test_the_report_of_a_file_elsewhere_is_written_elsewhere(sample, tmp_path):
    """A generation that is not published yet has its report beside it."""
    workspace, _, text, _ = sample
    database = tmp_path / "hidden" / "marts.duckdb"
    database.parent.mkdir()
    shutil.copyfile(workspace.published / "nps.duckdb", database)
    empty = make_workspace(tmp_path / "ws")
    path = write_report(empty, database=database, folder=tmp_path / "hidden" / "report")
    assert path == tmp_path / "hidden" / "report" / "index.html"
    assert path.read_text(encoding="utf-8") == text
    assert trend_png(empty, database=database) == trend_png(workspace)
    assert not (empty.published / "report").exists()


def test_the_trend_is_a_small_png(sample):
    workspace, _, _, _ = sample
    png = trend_png(workspace)
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    assert 800 < width < 1400
    assert 300 < height < 700
    assert len(png) < 120_000


def test_the_trend_of_no_answers_is_a_png_too(workspace):
    write_build(workspace, Facts())
    publish(workspace, inputs_hash="inputs", versions={})
    assert trend_png(load_workspace(workspace.root)).startswith(b"\x89PNG")


def test_the_trend_holds_every_month_and_its_interval(sample):
    workspace, facts, _, _ = sample
    with open_published(workspace.published / "nps.duckdb") as marts:
        months = monthly_scores(marts, workspace)
    assert [f.label for f in months] == [
        f"{2024 if m > 12 else 2025}-{m - 12 if m > 12 else m:02}-01"
        for m in [23, 24, *range(1, 13)]
    ]
    december = [a.nps_class for a in facts.answers if (a.day.year, a.day.month) == (2025, 12)]
    p, a, d = (december.count(c) for c in ("promoter", "passive", "detractor"))
    assert months[-1].value == pytest.approx(100 * (p - d) / len(december))
    assert (months[-1].low, months[-1].high) == pytest.approx(interval(p, a, d))
    spec = json.dumps(charts.trend_spec(months, charts.WIDE, 300))
    assert spec.count('"month": "2025-12-01"') >= 1
