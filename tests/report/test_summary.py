"""The summary: the figures it reads, and its words."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from datetime import date, timedelta

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.core.duckdb_session import open_published
from orchestration.publish.publish import publish
from orchestration.report import summary as module
from orchestration.report.formatting import age_words, display_text, p_words, quarter_name
from orchestration.report.page import write_report
from orchestration.report.queries import (
    change_driver,
    change_splits,
    contrasts,
    headline,
    headline_change,
    read_page_figures,
    recent_changes,
    revenue_at_risk,
)
from orchestration.report.summary import IngestTotals, RunFacts, build_summary
from tests.publish_support import (
    WORKSPACE_YML,
    Answer,
    Facts,
    comparison,
    editing,
    interval,
    make_workspace,
    sample_facts,
    write_build,
)


@pytest.fixture
def workspace(tmp_path):
    return make_workspace(tmp_path / "ws")


def published(workspace, facts: Facts):
    write_build(workspace, facts)
    return publish(workspace, inputs_hash="inputs", versions={})


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    workspace = make_workspace(tmp_path_factory.mktemp("sample") / "ws")
    facts = sample_facts()
    generation = published(workspace, facts)
    write_report(workspace)
    return workspace, facts, generation


def open_marts(workspace):
    return open_published(workspace.published / "nps.duckdb")


def counts_of(answers) -> tuple[int, int, int]:
    names = [a.nps_class for a in answers]
    return tuple(names.count(c) for c in ("promoter", "passive", "detractor"))


def nps_of(answers) -> float:
    promoters, _, detractors = counts_of(answers)
    return 100 * (promoters - detractors) / len(answers)


# --- what is read ---------------------------------------------------------------------------------


def last_days(facts: Facts, days: int = 90, back: int = 0) -> list[Answer]:
    """The answers of so many days that ended so many days before as_of."""
    end = facts.as_of - timedelta(days=back)
    return [a for a in facts.answers if end - timedelta(days=days) < a.day <= end]


def test_the_headline_is_the_arithmetic_of_the_last_90_days(sample):
    workspace, facts, _ = sample
    with open_marts(workspace) as marts:
        found = headline(marts, workspace)
    counts = counts_of(last_days(facts))
    assert (found.promoters, found.passives, found.detractors) == counts
    assert found.responses == sum(counts) >= 100
    assert found.nps == pytest.approx(nps_of(last_days(facts)))
    assert (found.ci_low, found.ci_high) == pytest.approx(interval(*counts))
    assert found.all_time_nps == pytest.approx(nps_of(facts.answers))
    for change, back in zip(found.changes, (90, 365), strict=True):
        other = last_days(facts, back=back)
        points, _, _, p = comparison(last_days(facts), other, 5)
        assert change.responses == len(other)
        assert (change.change, change.p_value) == pytest.approx((points, p))


@pytest.mark.parametrize(
    "as_of, quarters",
    [
        ("2025-12-31", ("2025 Q3", "2025 Q4")),  # the last day of a quarter completes it
        ("2025-12-30", ("2025 Q2", "2025 Q3")),
        ("2025-09-29", ("2025 Q1", "2025 Q2")),
    ],
)
def test_the_change_is_between_the_last_two_complete_quarters(tmp_path, as_of, quarters):
    workspace = make_workspace(tmp_path / "ws", WORKSPACE_YML.replace("2025-12-31", as_of))
    facts = replace(sample_facts(per_month=20), as_of=date.fromisoformat(as_of))
    published(workspace, facts)
    with open_marts(workspace) as marts:
        change = headline_change(marts, workspace)
        splits = change_splits(marts, workspace, change)
    found = [quarter_name(start) for start in (change.compared_start, change.period_start)]
    assert found == list(quarters)

    def answers(name):
        return [a for a in facts.answers if quarter_name(a.day) == name]

    before, now = map(answers, quarters)
    assert (change.compared_responses, change.responses) == (len(before), len(now))
    points, _, _, p = comparison(now, before, 5)
    assert change.change == pytest.approx(points)
    assert change.p_adjusted == pytest.approx(p)  # the total is compared with nothing else
    assert change.is_significant == (p <= 0.05)
    for split in splits:  # whatever it is split by, the parts make the change
        assert split.rate + split.mix == pytest.approx(points)
    assert [abs(s.mix) for s in splits] == sorted((abs(s.mix) for s in splits), reverse=True)


def test_one_quarter_is_no_change(workspace):
    published(workspace, Facts([Answer(date(2025, 11, 3), 9)] * 9))
    with open_marts(workspace) as marts:
        assert headline_change(marts, workspace) is None
    assert "no two complete quarters or months" in build_summary(workspace, RunFacts())


def test_months_are_compared_where_there_are_no_two_quarters(workspace):
    """November against October: 9 promoters of 9, and 5 of 10 with 5 detractors."""
    answers = [Answer(date(2025, 11, 3), 9)] * 9
    answers += [Answer(date(2025, 10, 3), score) for score in (9, 0) * 5]
    published(workspace, Facts(answers))
    with open_marts(workspace) as marts:
        change = headline_change(marts, workspace)
    assert (change.time_grain, change.change) == ("month", pytest.approx(100.0))
    said = plain(build_summary(workspace, RunFacts()))
    assert "+100.0 points from Oct 2025 (0.0, 10 customers) to Nov 2025 (100.0, 9 cust" in said


def test_a_suppressed_quarter_is_not_compared(workspace):
    answers = [Answer(date(2025, 11, 3), 9)] * 9 + [Answer(date(2025, 8, 3), 0)] * 4
    published(workspace, Facts(answers))
    with open_marts(workspace) as marts:
        change = headline_change(marts, workspace)
    assert (change.change, change.p_adjusted, change.is_significant) == (None, None, None)
    text = build_summary(workspace, RunFacts())
    assert "2025 Q3 and 2025 Q4 can't be compared: too few answers in one of them" in text


def test_the_segment_behind_a_real_change_is_named(workspace):
    """Plan basic, 30 of 100 answers, falls by 200 points; email is larger, and is not the cause."""
    plans = [("basic", 9, 0)] * 30 + [("pro", 9, 9)] * 70
    answers = [
        Answer(date(2025, month, 3), score, plan=plan, channel="web" if n % 10 == 0 else "email")
        for n, (plan, before, now) in enumerate(plans)
        for month, score in ((8, before), (11, now))
    ]
    published(workspace, Facts(answers))
    with open_marts(workspace) as marts:
        driver = change_driver(marts, workspace, headline_change(marts, workspace))
    found = (driver.compared_nps, driver.nps, driver.points)
    assert (driver.dimension, driver.segment) == ("plan", "basic")
    assert found == pytest.approx((100.0, -100.0, 0.3 * -200))
    said = plain(build_summary(workspace, RunFacts()))
    assert "-60.0 points from 2025 Q3 (100.0, 100 customers) to 2025 Q4 (40.0" in said
    assert "of it, plan = basic made -60.0: its score went from 100.0 to -100.0" in said
    page = write_report(workspace).read_text(encoding="utf-8")
    assert "Plan <b>basic</b> made −60.0 of it: its score went from 100.0 to −100.0." in page


def test_no_segment_is_named_for_a_change_that_could_be_chance(sample):
    workspace, _, _ = sample
    with open_marts(workspace) as marts:
        change = headline_change(marts, workspace)
        assert change.is_significant is False
        assert change_driver(marts, workspace, change) is None


def test_each_segment_is_compared_with_the_rest_of_its_dimension(sample):
    workspace, facts, _ = sample
    with open_marts(workspace) as marts:
        found = contrasts(marts, workspace)
    sizes = []
    for c in found:
        own = [a for a in facts.answers if getattr(a, c.dimension) == c.segment]
        rest = [a for a in facts.answers if getattr(a, c.dimension) != c.segment]
        assert (c.responses, c.compared_responses) == (len(own), len(rest))
        assert (c.nps, c.compared_nps) == pytest.approx((nps_of(own), nps_of(rest)))
        points, _, z, p = comparison(own, rest, 5)
        assert c.change == pytest.approx(points)
        assert c.p_adjusted >= p  # corrected for the other segments
        sizes.append(abs(z))
    assert sizes == sorted(sizes, reverse=True)
    assert (found[0].dimension, found[0].segment) == ("region", "west")
    assert "antarctica" not in {c.segment for c in found}  # suppressed
    assert {c.dimension for c in found} == {"region", "plan", "channel"}


def test_of_two_segments_one_is_kept(workspace):
    answers = [Answer(date(2025, 11, 3), s, region=r) for r in "ab" for s in (9, 9, 0, 7, 10, 3)]
    published(workspace, Facts(answers))
    with open_marts(workspace) as marts:
        assert [(c.dimension, c.segment) for c in contrasts(marts, workspace)] == [("region", "a")]


def test_a_rest_as_small_as_a_suppressed_cell_is_not_shown(workspace):
    """b has 4 answers: its score would follow from a's difference to the rest."""
    answers = [Answer(date(2025, 11, 3), 9, region="a")] * 9
    answers += [Answer(date(2025, 11, 3), 0, region="b")] * 4
    published(workspace, Facts(answers))
    with open_marts(workspace) as marts:
        assert contrasts(marts, workspace) == []
    text = build_summary(workspace, RunFacts())
    assert "none with enough answers to compare with the rest" in text


# --- words ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, shown",
    [
        ("north", "north"),
        ("a\x1b[31mred\x1b[0m", "ared"),
        ("a\x1b]0;title\x07b", "ab"),
        ("two\nlines\r\tand tabs", "two lines and tabs"),
        ("abc\u202edcba", "abcdcba"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("nbsp\u00a0here", "nbsp here"),
        ("\x9b31mC1", "31mC1"),
        ("line\u2028separator", "line separator"),
        ("Zürich 東京 é", "Zürich 東京 é"),
        ("x" * 41, "x" * 39 + "…"),
        ("x" * 40, "x" * 40),
        ("\x1b", ""),
    ],
)
def test_texts_of_users_are_made_visible(text, shown):
    assert display_text(text) == shown


@given(st.text())
def test_no_text_can_forge_a_line(text):
    shown = display_text(text, 60)
    assert len(shown) <= 60
    assert shown.isprintable()
    assert len(shown.splitlines()) <= 1


@pytest.mark.parametrize(
    "seconds, words",
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (119, "119 seconds"),
        (120, "2 minutes"),
        (7199, "119 minutes"),
        (7200, "2 hours"),
        (172_799, "47 hours"),
        (172_800, "2 days"),
        (86_400 * 40, "40 days"),
    ],
)
def test_an_age_is_given_in_its_largest_fitting_unit(seconds, words):
    assert age_words(seconds) == words


@pytest.mark.parametrize("p, words", [(0.0004, "p < 0.001"), (0.04451, "p 0.045"), (1, "p 1.000")])
def test_p_values_are_written_plainly(p, words):
    assert p_words(p) == words


@pytest.mark.parametrize(
    "day, name",
    [(date(2025, 1, 1), "2025 Q1"), (date(2025, 3, 31), "2025 Q1"), (date(2025, 12, 1), "2025 Q4")],
)
def test_quarters_have_names(day, name):
    assert quarter_name(day) == name


# --- the page of text -----------------------------------------------------------------------------


@dataclass
class FakeResult:
    files_found: int = 3
    files_new: int = 2
    files_unchanged: int = 0
    files_quarantined: int = 1
    rows_delivered: int = 1000
    rows_loaded: int = 990
    rows_rejected: int = 10
    rows_blank: int = 0


def test_ingest_totals_are_sums():
    totals = IngestTotals.of([FakeResult(), FakeResult(rows_blank=4)])
    assert totals == IngestTotals(6, 4, 0, 2, 2000, 1980, 20, 4)
    assert IngestTotals.of([]) == IngestTotals()


def plain(text: str) -> str:
    return " ".join(text.split())


def test_a_good_run_is_reported_in_full(sample):
    workspace, facts, generation = sample
    run = RunFacts(
        ingest=IngestTotals.of([FakeResult(rows_blank=1)]),
        checks_passed=("a", "b", "c"),
        checks_warned=("files.delivered failed (crm: leads: 1 feed). The rule: It is.",),
        seconds={"ingest": 1.24, "dbt": 10.0},
        generation=generation,
    )
    text = build_summary(workspace, run)
    said = plain(text)
    promoters, passives, detractors = counts_of(last_days(facts))
    for words in (
        "3 files found: 2 new, 0 known already, 1 quarantined",
        "1,000 rows delivered, 990 loaded, 10 rejected; 1 blank line skipped",
        "Checks 3 passed, 0 failed, 1 warning",
        "warning: files.delivered failed (crm: leads: 1 feed). The rule: It is.",
        f"Published generation {generation.generation_id}",
        "3 files, 2,612 rows delivered = 2,572 accepted + 32 quarantined + 5 duplicate "
        "+ 2 superseded + 1 deleted",
        "Quarantine 20 rows; 1 whole file",
        "score_out_of_range 13 rows",
        "missing_id 7 rows",
        "wrong_delimiter 1 file with 12 rows",
        "select * from restricted.restricted.quarantined_rows",
        f"NPS (relational) {nps_of(last_days(facts)):.1f} (95 % interval",
        f"last 90 days, each customer once: {promoters + passives + detractors} customers, "
        f"{promoters} promoters, {passives} passives, {detractors} detractors",
        f"all time {nps_of(facts.answers):.1f} (",
        f"points against the 90 days before ({nps_of(last_days(facts, back=90)):.1f}, ",
        "points against the same days a year before (",
        "could be chance; a change of less than about",
        "to 2025 Q4",
        "because scores changed and",
        "region = west:",
        "a year, in USD, by rule of thumb and as observed",
        "short term revenue at risk, 280 detractors in 90 days: 168,000 by rule (50%), 20,328 "
        "observed (14.0%)",
        "long term revenue at risk, 240 passives in 180 days: 86,400 by rule (30%), nothing observed "
        "yet",
        "published/nps.duckdb",
        "published/restricted.duckdb",
        "published/parquet",
        "published/report/index.html",
        "runs",
        "ingest 1.2 s, dbt 10.0 s; 11.2 s in all",
    ):
        assert words in said, words
    assert "NOT PUBLISHED" not in text


def test_the_sql_it_names_works(sample):
    workspace, facts, _ = sample
    with duckdb.connect(str(workspace.published / "restricted.duckdb"), read_only=True) as c:
        rows = c.execute("select * from restricted.restricted.quarantined_rows").fetchall()
        assert len(rows) == len(facts.quarantined)
    with duckdb.connect(str(workspace.published / "nps.duckdb"), read_only=True) as c:
        sql = "select * from marts.ingest_reconciliation where file_status = 'quarantined'"
        assert len(c.execute(sql).fetchall()) == 1


def test_three_segments_are_listed_the_most_different_first(sample):
    workspace, _, generation = sample
    with open_marts(workspace) as marts:
        found = contrasts(marts, workspace)
    text = build_summary(workspace, RunFacts(generation=generation))
    listed = re.findall(r"^ {14}(\w+) = (\w+): ", text, re.MULTILINE)
    assert listed == [(c.dimension, c.segment) for c in found[:3]]
    assert f"of {len(found)} compared" in plain(text)


def test_the_table_decides_what_is_called_real(workspace):
    answers = [Answer(date(2025, 8, 1), s) for s in (9, 9, 0, 0) * 10]
    answers += [Answer(date(2025, 11, 1), s) for s in (9, 9, 9, 0) * 10]

    def change(level):
        published(workspace, Facts(answers, level=level))
        return re.search(r"Periods (.*?) Segments", plain(build_summary(workspace, RunFacts())))[1]

    assert re.search(r"p 0\.0\d\d: real$", change(0.05))
    assert re.search(r"p 0\.0\d\d: could be chance; a change of less than about", change(0.01))


def test_a_real_change_is_reported_after_quarters_without_one(workspace):
    """Of seven changes from quarter to quarter one is real: 100 promoters turn to 50 and 50."""
    quarters = [date(2024 + q // 4, 3 * (q % 4) + 2, 3) for q in range(8)]
    answers = [
        Answer(day, 10 if place < 5 or number % 2 else 0)
        for place, day in enumerate(quarters)
        for number in range(100)
    ]
    published(workspace, Facts(answers))
    with open_marts(workspace) as marts:
        (found,) = recent_changes(marts, workspace)
        assert headline_change(marts, workspace).change == 0
    assert quarter_name(found.change.period_start) == "2025 Q2"
    assert found.change.change == -100
    said = plain(build_summary(workspace, RunFacts()))
    assert "Periods -100.0 points from 2025 Q1 (100.0, 100 customers) to 2025 Q2 (0.0" in said


def test_looking_through_many_periods_makes_none_of_them_real(workspace):
    """Seven comparisons: p of each counts seven times."""
    quarters = [date(2024 + q // 4, 3 * (q % 4) + 2, 3) for q in range(8)]
    answers = [
        Answer(day, 10 if number < (70 if place < 5 else 56) else 0)
        for place, day in enumerate(quarters)
        for number in range(100)
    ]
    published(workspace, Facts(answers))
    # 70 and 30 of 100 against 56 and 44: p is below 5 %, seven times p is not
    p = comparison(answers[500:600], answers[400:500], 5)[3]
    assert p < 0.05 < 7 * p
    with open_marts(workspace) as marts:
        assert recent_changes(marts, workspace) == []


def test_a_window_with_too_few_customers_is_lengthened_and_says_so(workspace):
    answers = [Answer(date(2025, month, 3), 9) for month in range(1, 13) for _ in range(9)]
    published(workspace, Facts(answers))
    said = plain(build_summary(workspace, RunFacts()))
    assert "NPS (relational) 100.0 (95 % interval" in said
    assert "last 365 days, each customer once: 108 customers" in said
    assert "the last 90 days hold too few customers" in said
    published(workspace, Facts(answers[:99]))
    said = plain(build_summary(workspace, RunFacts()))
    assert "all time, each customer once: 99 customers" in said
    assert "Change" not in said


def test_few_voices_are_warned_of(workspace):
    facts = sample_facts()
    published(workspace, facts)
    assert "warning:" not in build_summary(workspace, RunFacts())
    published(workspace, replace(facts, answers_each=4))
    voices = len(last_days(facts))
    assert (
        f"warning: few voices carry the answers: {4 * voices:,} answers of {voices:,} customers "
        f"weigh as much as {voices:,}; the score counts each customer once"
    ) in plain(build_summary(workspace, RunFacts()))


def test_the_weighted_score_stands_beside(workspace):
    published(workspace, replace(sample_facts(), weighted=("plan", 12.34)))
    said = plain(build_summary(workspace, RunFacts()))
    assert "12.3 weighted by plan to all customers; all time" in said


def test_nothing_to_compare_with_is_said(workspace):
    answers = [Answer(date(2025, 12, 3), 9 if n % 2 else 0) for n in range(120)]
    published(workspace, Facts([*answers, *[Answer(date(2024, 12, 3), 9)] * 2]))
    said = plain(build_summary(workspace, RunFacts()))
    assert "can't be compared with the 90 days before: nobody answered then" in said
    assert (
        "can't be compared with the same days a year before: too few customers answered then to "
        "show a score"
    ) in said


def test_without_known_revenue_no_line_names_it(workspace):
    unknown = ("upside", "promoter", 365, 7, 0.3, None, None, None)
    published(workspace, replace(sample_facts(months=1), risks=[unknown]))
    with open_marts(workspace) as marts:
        assert [risk.figure for risk in revenue_at_risk(marts, workspace)] == ["upside"]
    assert "Revenue" not in build_summary(workspace, RunFacts())


def test_no_line_is_wider_than_100_columns(sample):
    workspace, _, generation = sample
    run = RunFacts(
        checks_failed=tuple(f"{n} " + "a very long name of a check " * 9 for n in range(30)),
        seconds={f"stage number {n}": 1.0 for n in range(30)},
        generation=generation,
    )
    lines = build_summary(workspace, run).splitlines()
    assert max(len(line) for line in lines[1:]) <= 100
    assert sum("FAILED" in line for line in lines) == 20
    assert "and 10 more" in "\n".join(lines)
    assert all(line == line.rstrip() for line in lines)


def test_a_failed_gate_names_its_checks_and_the_age_of_what_stays(sample):
    workspace, _, generation = sample
    run = RunFacts(checks_passed=("a",) * 9, checks_failed=("fct_nps_responses: unique key",))
    said = plain(build_summary(workspace, run))
    assert "Checks 9 passed, 1 failed FAILED fct_nps_responses: unique key" in said
    assert f"NOT PUBLISHED: the previous generation, {generation.generation_id}, stays" in said
    assert re.search(r"as of 2025-12-31 and \d+ \w+ old; the figures below are from it", said)
    assert "NPS (relational)" in said


def test_nothing_published_yet_still_has_a_summary(workspace):
    run = RunFacts(checks_failed=("x",))
    text = build_summary(workspace, run)
    assert "NOT PUBLISHED, and nothing was published before" in text
    assert "FAILED   x" in text
    assert "Where" in text


def test_an_unreadable_published_file_is_reported(workspace):
    (workspace.published / "nps.duckdb").write_bytes(b"rubbish" * 1000)
    said = plain(build_summary(workspace, RunFacts()))
    assert "NOT PUBLISHED;" in said
    assert "can't be read" in said


def test_an_empty_workspace_says_so(workspace):
    generation = published(workspace, Facts())
    said = plain(build_summary(workspace, RunFacts(generation=generation)))
    assert "0 files, 0 rows delivered = 0 accepted" in said
    assert "Quarantine empty: every file and every row was accepted" in said
    assert "NPS (relational): no answers yet, so no score" in said
    assert "none with enough answers" in said


def test_too_few_answers_show_no_score(workspace):
    generation = published(workspace, Facts([Answer(date(2025, 11, 3), 10)] * 4))
    text = build_summary(workspace, RunFacts(generation=generation))
    assert "too few customers to show a score (4 customers)" in plain(text)
    assert "100.0" not in text


def test_a_restricted_file_of_another_user_is_reported(workspace, monkeypatch):
    generation = published(workspace, sample_facts(months=1))
    (workspace.published / "restricted.duckdb").chmod(0o000)
    is_root = os.geteuid() == 0
    real = module.open_published

    def refuse(path):
        if path.name == "restricted.duckdb":
            raise duckdb.IOException("IO Error: Cannot open file: Permission denied")
        return real(path)

    if is_root:
        monkeypatch.setattr(module, "open_published", refuse)
    text = build_summary(workspace, RunFacts(generation=generation))
    assert "restricted.duckdb can't be read by this user" in text
    assert "Headline" in text


def test_only_what_exists_is_listed(workspace):
    published(workspace, sample_facts(months=1))
    (workspace.published / "restricted.duckdb").unlink()
    for path in (workspace.published / "parquet", workspace.published / "ledger.jsonl"):
        path.rename(path.with_name(f".{path.name}"))
    workspace.runs.mkdir(exist_ok=True)
    text = build_summary(workspace, RunFacts())
    places = re.search(r"^Where +(.*)", text, re.MULTILINE | re.DOTALL)[1].splitlines()
    assert [line.split()[-1] for line in places] == ["published/nps.duckdb", "runs"]
    assert "Quarantine  not counted: restricted.duckdb is missing" in text
    report = workspace.published / "report" / "index.html"
    report.parent.mkdir()
    report.touch()
    assert "report                  published/report/index.html" in build_summary(
        workspace, RunFacts()
    )


def test_the_summary_and_the_report_share_their_figures(sample):
    """The row account of the summary is the sum over the sources that the report lists."""
    workspace, _, _ = sample
    with open_marts(workspace) as marts:
        figures = read_page_figures(marts, workspace)
        assert figures.headline == headline(marts, workspace)
        assert figures.contrasts == contrasts(marts, workspace)
    delivered = sum(source.delivered for source in figures.sources)
    assert delivered == 2612
    assert f"{delivered:,} rows delivered" in build_summary(workspace, RunFacts())


def test_names_of_users_cannot_forge_lines_or_colours(workspace):
    facts = sample_facts(months=2)
    evil = "west\x1b[31m\nChecks      9,999 passed, 0 failed\u202e"
    answers = [replace(a, region=evil) if a.region == "west" else a for a in facts.answers]
    files = [("crm", "customers", "c" * 64, evil, "quarantined", evil, 0, 0, 0, 0, 0, 0, 0)]
    generation = published(workspace, replace(facts, answers=answers, files=files))
    run = RunFacts(checks_failed=(evil,), seconds={evil: 1.0}, generation=generation)
    text = build_summary(workspace, run)
    assert "region = west" in text
    assert all(c == "\n" or c.isprintable() for c in text)
    assert sum(line.startswith("Checks") for line in text.splitlines()) == 1


def test_a_build_without_the_tables_leaves_their_lines_out(workspace):
    with editing(workspace) as connection:
        connection.execute("create table marts.dim_other as select 1 as a")
    generation = publish(workspace, inputs_hash="inputs", versions={})
    text = build_summary(workspace, RunFacts(generation=generation))
    assert "Published" in text
    assert "Headline" not in text
    assert "Where" in text
