"""A small build database with the marts' columns, for the tests of publish, report and summary.

Aggregates are computed here in plain Python from a list of answers, so that what the code under
test reads was not made by it.
"""

from __future__ import annotations

import calendar
import itertools
import math
import random
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import duckdb
from scipy.stats import false_discovery_control, norm

from orchestration.warehouse.database import build_files
from orchestration.workspace.load import load_workspace
from orchestration.workspace.model import Workspace

AS_OF = date(2025, 12, 31)

WORKSPACE_YML = """\
version: 1
as_of: 2025-12-31
segments: [region, plan]
min_group_size: 5
churn_windows: [90, 365]
sources:
  - name: crm
    entity: customers
    files: "customers*.csv"
    columns: {customer_id: id, signed_up_at: created}
    attributes: {region: region, plan: plan}
"""

SCHEMA = """
create table raw.private as select 'never published' as text;
create table marts.fct_nps_responses (
    response_key varchar, source varchar, metric varchar, survey_type varchar, channel varchar,
    responded_on date, score integer, nps_class varchar, contribution integer,
    has_comment boolean, region varchar, plan varchar);
create table marts.dim_surveys (survey_key varchar, name varchar, metric varchar);
create table marts.fct_nps_by_period (
    time_grain varchar, period_start date, period_end date, basis varchar, metric varchar,
    survey_type varchar, responses bigint, promoters bigint, passives bigint, detractors bigint,
    nps double, standard_error double, ci_low double, ci_high double, is_suppressed boolean);
create table marts.fct_nps_by_segment_period (
    time_grain varchar, period_start date, period_end date, basis varchar, metric varchar,
    survey_type varchar, dimension varchar, segment varchar,
    responses bigint, promoters bigint, passives bigint, detractors bigint,
    nps double, standard_error double, ci_low double, ci_high double, is_suppressed boolean);
create table marts.nps_outcomes_by_class (
    basis varchar, metric varchar, survey_type varchar, nps_class varchar, window_days integer,
    dimension varchar, segment varchar, customers bigint, observed bigint, churned bigint,
    churn_rate double, standard_error double, ci_low double, ci_high double,
    active_mrr double, realised_ltv double, ltv_window_days integer, projected_ltv double,
    projected_ltv_low double, projected_ltv_high double, is_suppressed boolean);
create table marts.nps_change_significance (
    comparison varchar, time_grain varchar, period_start date, compared_period_start date,
    is_complete boolean, basis varchar, metric varchar, survey_type varchar, dimension varchar,
    segment varchar, responses bigint, nps double, compared_responses bigint, compared_nps double,
    change double, standard_error double, z double, p_value double, comparisons bigint,
    p_adjusted double, is_significant boolean, detectable_change double,
    rate_effect double, mix_effect double);
create table marts.nps_headline (
    metric varchar, survey_type varchar, declared_window_days integer, window_days integer,
    starts_on date, ends_on date, responses bigint, promoters bigint, passives bigint,
    detractors bigint, nps double, standard_error double, ci_low double, ci_high double,
    is_suppressed boolean, answers bigint, effective_voices double, is_carried_by_few boolean,
    previous_window_ends_on date, previous_window_responses bigint, previous_window_nps double,
    previous_window_change double, previous_window_p_value double,
    previous_window_is_significant boolean, previous_window_untested_because varchar,
    previous_window_detectable_change double,
    year_before_ends_on date, year_before_responses bigint, year_before_nps double,
    year_before_change double, year_before_p_value double, year_before_is_significant boolean,
    year_before_untested_because varchar, year_before_detectable_change double,
    significance_level double, weighted_by varchar, weighted_nps double,
    all_time_responses bigint, all_time_nps double, all_time_ci_low double, all_time_ci_high double
);
create table marts.nps_revenue_at_risk (
    metric varchar, survey_type varchar, figure varchar, nps_class varchar, horizon_days integer,
    dimension varchar, segment varchar, priced_customers bigint, assumed_rate double,
    assumed_amount double, observed_rate double, evidence_amount double);
create table marts.ingest_reconciliation (
    source varchar, entity varchar, file_sha256 varchar, file_name varchar, file_status varchar,
    file_reason varchar, rows_delivered bigint, rows_accepted bigint, rows_quarantined bigint,
    rows_duplicate bigint, rows_superseded bigint, rows_deleted bigint,
    rows_excluded bigint);
create table restricted.quarantined_rows (
    source varchar, entity varchar, file_sha256 varchar, file_name varchar, row_number bigint,
    reason varchar, raw_text varchar);
create table restricted.response_comments (response_key varchar, comment varchar);
comment on table marts.fct_nps_by_period is 'NPS by period; it''s additive.';
comment on column marts.fct_nps_by_period.nps is '100 (P - D) / n';
comment on column marts.nps_outcomes_by_class.active_mrr is 'MRR of the active customers';
comment on table restricted.response_comments is 'What people wrote';
"""


@dataclass(frozen=True)
class Answer:
    day: date
    score: int
    region: str = "north"
    plan: str = "basic"
    channel: str = "email"

    @property
    def nps_class(self) -> str:
        return "promoter" if self.score >= 9 else "passive" if self.score >= 7 else "detractor"


@dataclass
class Facts:
    """What a build is made of; everything else follows."""

    answers: list[Answer] = field(default_factory=list)
    outcomes: list[tuple] = field(default_factory=list)
    files: list[tuple] = field(default_factory=list)
    quarantined: list[tuple[str, str]] = field(default_factory=list)  # (reason, raw text)
    min_group_size: int = 5
    as_of: date = AS_OF
    level: float = 0.05  # of significance
    answers_each: int = 1  # of every customer in the headline's window
    weighted: tuple[str, float] | None = None  # dimension and score of the headline
    risks: list[tuple] = field(default_factory=list)  # figure, class, days, n, rate, …


def make_workspace(root: Path, text: str = WORKSPACE_YML) -> Workspace:
    root.mkdir(parents=True, exist_ok=True)
    (root / "workspace.yml").write_text(text, encoding="utf-8")
    workspace = load_workspace(root)
    for folder in (workspace.warehouse_dir, workspace.published, workspace.lake, workspace.runs):
        folder.mkdir(parents=True, exist_ok=True)
    return workspace


def sample_facts(seed: int = 7, months: int = 14, per_month: int = 60) -> Facts:
    """Answers whose NPS rises over time, with one region far below the others."""
    rng = random.Random(seed)
    answers = []
    for back in range(months):
        month = 12 - back % 12
        year = 2025 - (back // 12)
        for _ in range(per_month):
            region = rng.choice(["north", "south", "east", "west"])
            plan = rng.choice(["basic", "plus", "pro"])
            mood = 0.30 + 0.012 * (months - back) - (0.22 if region == "west" else 0)
            draw = rng.random()
            score = rng.choice([9, 10]) if draw < mood else rng.randint(0, 8)
            answers.append(
                Answer(
                    date(year, month, rng.randint(1, 28)),
                    score,
                    region,
                    plan,
                    rng.choice(["email", "email", "web", "sms"]),
                )
            )
    answers += [Answer(date(2025, 11, 3), 9, region="antarctica")] * 2
    outcomes = []
    for window, factor in ((90, 1.0), (365, 2.6)):
        for nps_class, customers, observed, rate, mrr in (
            ("promoter", 310, 260, 0.03, 21500.0),
            ("passive", 240, 205, 0.06, 13900.0),
            ("detractor", 280, 230, 0.14, 12100.0),
            ("no_response", 900, 820, 0.08, 40200.0),
        ):
            churned = round(observed * rate * factor)
            p = churned / observed
            half = 1.96 * math.sqrt(p * (1 - p) / observed)
            outcomes.append(
                (nps_class, window, customers, observed, churned, p, half, mrr, mrr * 14, mrr * 31)
            )
    files = [
        ("telco", "survey_responses", "a" * 64, "nps_2025.csv", "loaded", None,
         870, 842, 20, 5, 2, 1, 0),
        ("crm", "customers", "b" * 64, "customers.csv", "loaded", None, 1730, 1730, 0, 0, 0, 0, 0),
        ("crm", "customers", "c" * 64, "broken.csv", "quarantined", "wrong_delimiter",
         12, 0, 12, 0, 0, 0, 0),
    ]  # fmt: skip
    quarantined = [("score_out_of_range", "a,11")] * 13 + [("missing_id", ",9")] * 7
    risks = [
        ("short_term_revenue_at_risk", "detractor", 90, 280, 0.5, 168000.0, 0.14, 20328.0),
        ("long_term_revenue_at_risk", "passive", 180, 240, 0.3, 86400.0, None, None),
    ]
    return Facts(answers, outcomes, files, quarantined, risks=risks)


@contextmanager
def editing(workspace: Workspace) -> Iterator[duckdb.DuckDBPyConnection]:
    """The build's three files open for writing, so that `<schema>.<table>` names any table."""
    with duckdb.connect() as connection:
        for name, path in build_files(workspace).items():
            connection.execute(f"attach '{path}' as {name} (storage_version 'v1.4.0')")
        for name in ("marts_file.marts", "restricted_file.restricted", "nps.raw"):
            connection.execute(f"create schema if not exists {name}")
        connection.execute(
            "set search_path = 'marts_file.marts,restricted_file.restricted,nps.main,nps.raw'"
        )
        yield connection
        connection.execute("use memory")
        for name in build_files(workspace):
            connection.execute(f"detach {name}")


def write_build(workspace: Workspace, facts: Facts) -> None:
    """Write the build's files again."""
    for path in build_files(workspace).values():
        path.unlink(missing_ok=True)
    with editing(workspace) as connection:
        connection.execute(SCHEMA)
        _insert(connection, "marts.dim_surveys", [("k1", "Relational survey", "nps")])
        _insert(
            connection,
            "marts.fct_nps_responses",
            [
                (f"{i:032x}", "telco", "nps", "relational", a.channel, a.day, a.score, a.nps_class,
                 {"promoter": 100, "passive": 0, "detractor": -100}[a.nps_class], False,
                 a.region, a.plan)
                for i, a in enumerate(facts.answers)
            ],
        )  # fmt: skip
        _insert(connection, "marts.fct_nps_by_period", _periods(facts))
        _insert(connection, "marts.fct_nps_by_segment_period", _segments(facts))
        _insert(
            connection,
            "marts.nps_outcomes_by_class",
            [
                ("customers", "nps", "relational", name, window, "all", "all", customers, observed,
                 churned, rate, None if half is None else half / 1.96,
                 None if half is None else max(0.0, rate - half),
                 None if half is None else rate + half, mrr, realised, 365, projected,
                 projected and projected / 2, projected and projected * 2, False)
                for name, window, customers, observed, churned, rate, half, mrr, realised,
                    projected in facts.outcomes
            ],
        )  # fmt: skip
        _insert(connection, "marts.nps_change_significance", _comparisons(facts))
        _insert(connection, "marts.nps_headline", _headline(facts))
        _insert(
            connection,
            "marts.nps_revenue_at_risk",
            [("nps", "relational", *risk[:3], "all", "all", *risk[3:]) for risk in facts.risks],
        )
        _insert(connection, "marts.ingest_reconciliation", facts.files)
        _insert(
            connection,
            "restricted.quarantined_rows",
            [
                ("telco", "survey_responses", "a" * 64, "nps_2025.csv", i, reason, text)
                for i, (reason, text) in enumerate(facts.quarantined)
            ],
        )
        _insert(connection, "restricted.response_comments", [("0" * 32, "ask jane@example.org")])


def interval(promoters: int, passives: int, detractors: int) -> tuple[float, float]:
    """The 95 % adjusted Wald interval of METRICS."""
    n = promoters + passives + detractors + 3
    p, d = (promoters + 0.75) / n, (detractors + 0.75) / n
    half = 1.959963984540054 * math.sqrt((p + d - (p - d) ** 2) / n)
    return max(-100.0, 100 * (p - d - half)), min(100.0, 100 * (p - d + half))


def comparison(own: list[Answer], other: list[Answer], least: int) -> tuple[float | None, ...]:
    """Change in points, standard error, z and p of two groups, by the formulas of METRICS."""
    if min(len(own), len(other)) < max(1, least):
        return None, None, None, None
    raw, adjusted, variances = [], [], []
    for group in (own, other):
        names = [a.nps_class for a in group]
        n, p, d = len(group), names.count("promoter"), names.count("detractor")
        raw.append(100 * (p - d) / n)
        p, d = (p + 0.75) / (n + 3), (d + 0.75) / (n + 3)
        adjusted.append(100 * (p - d))
        variances.append(1e4 * (p + d - (p - d) ** 2) / (n + 3))
    error = math.sqrt(sum(variances))
    z = (adjusted[0] - adjusted[1]) / error
    return raw[0] - raw[1], error, z, 2 * norm.sf(abs(z))


def _comparisons(facts: Facts) -> list[tuple]:
    """Rows of nps_change_significance: quarters against those before, segments against the rest."""
    rows = []
    for grain, months in (("month", 1), ("quarter", 3)):
        periods: dict[date, list[Answer]] = defaultdict(list)
        for answer in facts.answers:
            first_month = months * ((answer.day.month - 1) // months) + 1
            periods[date(answer.day.year, first_month, 1)].append(answer)
        for before, now in itertools.pairwise(sorted(periods)):
            end = (now + timedelta(days=31 * months)).replace(day=1) - timedelta(days=1)
            head = ("previous_period", grain, now, before, end <= facts.as_of)
            rows += _family(facts, head, [("all", "all", periods[now], periods[before])])
            for dimension in ("region", "plan", "channel"):
                names = {getattr(a, dimension) for a in periods[now] + periods[before]}
                groups = [
                    (
                        dimension,
                        name,
                        *(
                            [a for a in periods[day] if getattr(a, dimension) == name]
                            for day in (now, before)
                        ),
                    )
                    for name in sorted(names)
                ]
                rows += _family(facts, head, groups)
    if facts.answers:
        first = min(a.day for a in facts.answers)
        for dimension in ("region", "plan", "channel"):
            names = {getattr(a, dimension) for a in facts.answers}
            groups = [
                (dimension, name,
                 [a for a in facts.answers if getattr(a, dimension) == name],
                 [a for a in facts.answers if getattr(a, dimension) != name])
                for name in sorted(names)
            ]  # fmt: skip
            rows += _family(facts, ("rest_of_dimension", "all", first, first, True), groups)
    return rows


def _family(facts: Facts, head: tuple, groups: list[tuple]) -> list[tuple]:
    tested = [comparison(own, other, facts.min_group_size) for *_, own, other in groups]
    p_values = [row[3] for row in tested if row[3] is not None]
    adjusted = iter(false_discovery_control(p_values) if p_values else ())
    sizes = [sum(len(group[place]) for group in groups) for place in (2, 3)]
    rows = []
    for (dimension, segment, own, other), row in zip(groups, tested, strict=True):
        p = None if row[3] is None else float(next(adjusted))
        scores = [
            _nps(group) if len(group) >= facts.min_group_size else None for group in (own, other)
        ]
        effects: tuple[float | None, ...] = (None, None)
        if head[0] == "previous_period":
            now, before = _nps(own), _nps(other)
            now, before = (before if now is None else now), (now if before is None else before)
            shares = [len(group) / size for group, size in zip((own, other), sizes, strict=True)]
            effects = (
                sum(shares) / 2 * (now - before),
                (now + before) / 2 * (shares[0] - shares[1]),
            )
        rows.append(
            (*head[:5], "customers", "nps", "relational", dimension, segment,
             len(own), scores[0], len(other), scores[1], *row, len(p_values), p,
             None if p is None else p <= facts.level, _detectable(row[1]), *effects)
        )  # fmt: skip
    return rows


def _detectable(error: float | None) -> float | None:
    """The change found at the 5 % level with a power of 80 %: the sum of both quantiles."""
    return None if error is None else float(norm.ppf(0.975) + norm.ppf(0.8)) * error


def _headline(facts: Facts) -> list[tuple]:
    """The row of nps_headline: the shortest window of at least 100 customers, else everything."""
    if not facts.answers:
        return []

    def window(end: date, days: int) -> list[Answer]:
        return [a for a in facts.answers if end - timedelta(days=days) < a.day <= end]

    days = next((d for d in (90, 365) if len(window(facts.as_of, d)) >= 100), None)
    own = window(facts.as_of, days) if days else facts.answers
    start = facts.as_of - timedelta(days=days - 1) if days else min(a.day for a in own)
    n, *rest = _measures(own, facts.min_group_size)
    row = ["nps", "relational", 90, days, start, facts.as_of, n, *rest]
    row += [n * facts.answers_each, n, facts.answers_each > 2]
    for back in (days, 365):
        if days is None:
            row += [None, 0, None, None, None, None, "no_window", None]
            continue
        end = facts.as_of - timedelta(days=back)
        other = window(end, days)
        change, error, _, p = comparison(own, other, facts.min_group_size)
        why = "no_answers" if not other else "suppressed" if change is None else None
        row += [end, len(other), _nps(other) if len(other) >= facts.min_group_size else None,
                change, p, None if p is None else p <= facts.level, why, _detectable(error)]  # fmt: skip
    whole = _measures(facts.answers, facts.min_group_size)
    row += [facts.level, *(facts.weighted or (None, None))]
    return [(*row, whole[0], whole[4], whole[6], whole[7])]


def _nps(answers: list[Answer]) -> float | None:
    names = [a.nps_class for a in answers]
    if not names:
        return None
    return 100 * (names.count("promoter") - names.count("detractor")) / len(names)


def _measures(answers: list[Answer], least: int) -> tuple:
    names = [a.nps_class for a in answers]
    p, a, d = (names.count(c) for c in ("promoter", "passive", "detractor"))
    n = len(answers)
    if n < least:
        return (n, p, a, d, None, None, None, None, True)
    share = (p + d) / n - ((p - d) / n) ** 2
    return (n, p, a, d, 100 * (p - d) / n, 100 * math.sqrt(share / n), *interval(p, a, d), False)


def _periods(facts: Facts) -> list[tuple]:
    groups: dict[tuple, list[Answer]] = defaultdict(list)
    for answer in facts.answers:
        day = answer.day
        last = calendar.monthrange(day.year, day.month)[1]
        groups["month", day.replace(day=1), day.replace(day=last)].append(answer)
        first_month = 3 * ((day.month - 1) // 3) + 1
        start = date(day.year, first_month, 1)
        end = (start + timedelta(days=100)).replace(day=1)
        end = date(end.year, end.month, 1) - timedelta(days=1)
        groups["quarter", start, end].append(answer)
    if facts.answers:
        days = [a.day for a in facts.answers]
        groups["all", min(days), max(days)] = facts.answers
    return [
        (*key, basis, "nps", "relational", *_measures(members, facts.min_group_size))
        for key, members in sorted(groups.items())
        for basis in ("responses", "customers")
    ]


def _segments(facts: Facts) -> list[tuple]:
    if not facts.answers:
        return []
    days = [a.day for a in facts.answers]
    groups: dict[tuple, list[Answer]] = defaultdict(list)
    for answer in facts.answers:
        for dimension in ("region", "plan", "channel"):
            groups[dimension, getattr(answer, dimension)].append(answer)
    return [
        ("all", min(days), max(days), basis, "nps", "relational", *key,
         *_measures(members, facts.min_group_size))
        for key, members in sorted(groups.items())
        for basis in ("responses", "customers")
    ]  # fmt: skip


def _insert(connection: duckdb.DuckDBPyConnection, table: str, rows: list[tuple]) -> None:
    """Insert by literals: a bound parameter would import pandas, which costs seconds."""
    if rows:
        values = ", ".join("(" + ", ".join(map(_sql, row)) + ")" for row in rows)
        connection.execute(f"insert into {table} values {values}")


def _sql(value: object) -> str:
    if value is None or isinstance(value, bool | int | float):
        return "null" if value is None else str(value)
    return "'" + str(value).replace("'", "''") + "'"
