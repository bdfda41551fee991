"""The checks of themes: for each a mistake that it alone finds."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest
from suites_support import failing

from expectations import query_on
from expectations.suites.themes import NAMED, THEMES
from expectations.validate import validate

TABLE = "marts.nps_themes_by_period"
NAMES = "restricted.response_themes"
QUALITY = "marts.theme_quality"
TERMS = "marts.emerging_terms"
CHECKS = [(table, check) for table, checks in THEMES.items() for check in checks]
# Of every period with a detractor: one of them names price; in the period before nobody did.
GOOD = f"""
create table {TABLE} as
with named as (
    select
        *, 100e0 * (promoters - detractors) / responses
            - 100e0 * (promoters - detractors + 1) / nullif(responses - 1, 0) as moved,
        responses - 1 >= 2 as shows
    from marts.fct_nps_by_period
    where detractors > 0 and time_grain in ('year', 'all')
)

select
    time_grain, period_start, period_end, true as is_complete, basis, metric, survey_type,
    'all' as dimension, 'all' as segment, 'price' as theme, 'lexicon' as method,
    1::bigint as responses, 0::bigint as promoters, 0::bigint as passives, 1::bigint as detractors,
    responses as all_responses, 1e0 / responses as share, null::double as nps,
    case when shows then moved end as impact, case when shows then moved - 1 end as impact_ci_low,
    case when shows then moved + 1 end as impact_ci_high, -100e0 / responses as additive_impact,
    1e0 / detractors as driver_share, null::double as mrr, period_start - 365 as compared_period_start,
    0::bigint as compared_responses, 10::bigint as compared_all_responses, 0e0 as compared_impact,
    case when shows then moved end as impact_change, case when shows then 0.01 end as p_value,
    1::bigint as comparisons, case when shows then 0.02 end as p_adjusted,
    case when shows then true end as is_significant, true as is_suppressed
from named;
create table restricted.response_comments as
select response_key, 'Price' as comment from marts.fct_nps_responses where has_comment;
create table {QUALITY} as
select * from (values
    ('none', 'lexicon', 'price', 20, 4::bigint, 1::bigint, 1::bigint, 0.8e0, 0.8e0, 0.8e0, true, true),
    ('none', 'model', 'price', 20, 0, 2, 5, 0e0, 0e0, 0e0, true, false),
    ('micro', 'lexicon', 'all', 20, 4, 1, 1, 0.8e0, 0.8e0, 0.8e0, null, null),
    ('macro', 'lexicon', 'all', 20, null, null, null, 0.8e0, 0.8e0, 0.8e0, null, null)
) as t (average, method, theme, labelled_responses, true_positives, false_positives,
    false_negatives, precision_share, recall_share, f1, is_measured, is_used);
create table {TERMS} as
select * from (values
    ('nps', 'relational', 'en', 'kiosk', 'word', 90, date '2025-10-03', date '2025-12-31',
        8::bigint, 8::bigint, 10::bigint, 0.8e0, 0::bigint, 10::bigint, 0e0,
        1.79e0, 0.35e0, 3.23e0, 0.013e0, 2::bigint, 0.026e0, true),
    ('nps', 'relational', 'en', 'kiosk dark', 'pair', 90, date '2025-10-03', date '2025-12-31',
        20, 10, 10, 1e0, 10, 10, 1e0, null, null, null, null, 2, null, false),
    ('nps', 'relational', 'zh', '价格', 'pair', 90, date '2025-10-03', date '2025-12-31',
        5, 0, 10, 0e0, 5, 10, 0.5e0, -1.2e0, -2.9e0, 0.5e0, 0.16e0, 2, 0.16e0, false)
) as t (metric, survey_type, language, term, kind, window_days, starts_on, ends_on,
    voices, responses, all_responses, share, compared_responses, compared_all_responses, compared_share,
    log_odds, log_odds_ci_low, log_odds_ci_high, p_value, comparisons, p_adjusted, is_emerging);
create table {NAMES} as
select
    response_key, 'price' as theme, 'lexicon' as method, 'en' as language, 'pric*' as term,
    1 as match_start, 1 as match_length, null::double as confidence
from restricted.response_comments;
"""
MISTAKES = {
    "keys": f"update {TABLE} set theme = null",
    "keys period": f"update {TABLE} set period_end = null",
    "keys shown": f"update {TABLE} set mrr = 5",
    "of_the_total": f"update {TABLE} set impact = impact + 1, impact_change = impact_change + 1",
    "of_the_total additive": f"update {TABLE} set additive_impact = 0",
    "of_the_total share": f"update {TABLE} set driver_share = 2",
    "of_the_total of nobody": f"update {TABLE} set segment = 'north', dimension = 'nowhere'",
    "changes": f"update {TABLE} set impact_change = impact_change + 1",
    "changes order": f"update {TABLE} set impact_ci_high = impact_ci_low - 1",
    "changes p": f"update {TABLE} set p_adjusted = 0.001",
    "changes level": f"update {TABLE} set is_significant = false",
    "no_emails": f"update {TABLE} set theme = 'ann@mail.example'",
    "keys average": f"update {QUALITY} set average = 'mean'",
    "keys precision": f"update {QUALITY} set precision_share = 0.5",
    "keys f1": f"update {QUALITY} set f1 = 0.5",
    "keys name": f"update {TERMS} set voices = 1",
    "keys number": f"update {TERMS} set term = 'order 1234'",
    "keys three": f"update {TERMS} set term = 'kiosk is dark'",
    "keys count": f"update {TERMS} set responses = 11, voices = 11 where term = 'kiosk'",
    "keys language": f"update {TERMS} set language = null",
    "odds sign": f"update {TERMS} set log_odds = -1, log_odds_ci_low = -2, is_emerging = false",
    "odds level": f"update {TERMS} set is_emerging = true",
    "odds p": f"update {TERMS} set p_adjusted = 0.001 where term = 'kiosk'",
    "odds order": f"update {TERMS} set log_odds_ci_low = log_odds_ci_high + 1",
    "keys used": f"update {QUALITY} set is_used = true",
}


@pytest.fixture(scope="module")
def good(good_marts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = Path(shutil.copy(good_marts, tmp_path_factory.mktemp("themes") / "good.duckdb"))
    with duckdb.connect(str(path)) as connection:
        connection.execute(GOOD)
        ((count, shown),) = connection.execute(
            f"select count(*), count(impact) from {TABLE}"
        ).fetchall()
    assert count >= 2 and shown >= 1
    return path


def test_good_themes_pass(good):
    for suites, schema in ((THEMES, "marts"), (NAMED, "restricted")):
        results = validate(good, suites, schema)
        assert [(r.table, r.name, r.error) for r in results if not r.success] == []


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_found_by_its_check_alone(mistake, good):
    with duckdb.connect(str(good)) as connection:
        connection.execute("begin")
        connection.execute(MISTAKES[mistake])
        assert {name for _, name in failing(connection, CHECKS)} == {mistake.split()[0]}
        connection.execute("rollback")


@pytest.mark.parametrize(
    "mistake",
    [
        "match_start = 0",
        "match_length = 1000",
        "match_start = null",
        "confidence = 1.5",
        "response_key = null",
    ],
)
def test_a_theme_outside_its_comment_is_found(mistake, good):
    (check,) = NAMED["response_themes"]
    with duckdb.connect(str(good)) as connection:
        connection.execute("begin")
        connection.execute(f"update {NAMES} set {mistake}")
        assert connection.sql(query_on(check, NAMES)).fetchone()
        connection.execute("rollback")
