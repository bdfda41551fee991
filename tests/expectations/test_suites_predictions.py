"""The checks of predictions: for each a mistake that it alone finds."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest
from suites_support import broken_by

from expectations.suites.predictions import LISTED, PREDICTIONS
from expectations.validate import validate

CHECKS = [(f"marts.{table}", check) for table, checks in PREDICTIONS.items() for check in checks]
CHECKS += [(f"restricted.{table}", check) for table, checks in LISTED.items() for check in checks]
LEADS, QUALITY = "marts.lead_score_quality", "marts.proactive_support_quality"
LIST = "restricted.proactive_support"
FIGURES = """customers, is_suppressed, {}, mean_probability, share, ci_low, ci_high, brier_score, auc,
    auc_ci_low, auc_ci_high"""
# Of 20 customers who were held back 10 are promoters: in the lower band 3 of 10, in the upper 7 of 10.
# Of 12 customers of two months 3 left: 2 of 4 whose tickets rose, 1 of 6 others, and 2 are too few.
# c1 is a detractor who used 1 where 90 x 31 / 90 = 31 would be usual; (2 + 20 x 0.1) / (4 + 20) leave.
ROWS = f"""
create table {LEADS} as
select * from (values
    ('all', 20, false, 10, 0.5, 0.5, 0.3, 0.7, 0.22, 0.7, 0.5, 0.9),
    ('1', 10, false, 3, 0.25, 0.3, 0.1, 0.6, 0.21, null, null, null),
    ('2', 10, false, 7, 0.75, 0.7, 0.4, 0.9, 0.23, null, null, null)
) as t (band, {FIGURES.format("promoters")});
create table {QUALITY} as
select * from (values
    ('all', 'all', 12, false, 3, 0.25, 0.25, 0.1, 0.5, 0.2, 0.7, 0.5, 0.9),
    ('detractor', 'tickets_rose', 4, false, 2, 0.4, 0.5, 0.15, 0.85, 0.25, null, null, null),
    ('promoter', 'none', 6, false, 1, 0.1, 1 / 6, 0.03, 0.56, 0.1, null, null, null),
    ('passive', 'both', 2, true, null, null, null, null, null, null, null, null, null)
) as t (nps_class, signal, {FIGURES.format("churned")});
create table {LIST} as
select
    customer_key, 'usage_fell' as signal, 1::double as usage_recent, 90::double as usage_before,
    1 / 31 as usage_level, 1 as tickets_recent, 0 as tickets_before, last_class as nps_class, 4 as similar_customers, 2 as similar_left,
    4 / 24 as chance_to_leave, 0.05 as ci_low, 0.4 as ci_high, 0.1 as overall_share, 60.0 as mrr,
    10.0 as mrr_at_risk, 1 as call_rank
from marts.customer_nps_features
where as_of_on = date '2025-12-31' and last_score = 3
"""
MISTAKES = {
    f"{LEADS} keys": f"update {LEADS} set band = '2' where band = '1'",
    f"{LEADS} figures": f"update {LEADS} set share = 0.35 where band = '1'",
    f"{LEADS} figures auc": f"update {LEADS} set auc = 0.95 where band = 'all'",
    f"{LEADS} figures suppressed": f"update {LEADS} set is_suppressed = true, promoters = null, "
    "share = null, mean_probability = null, ci_low = null, ci_high = null where band = '1'",
    f"{LEADS} groups": f"delete from {LEADS} where band = '1'",
    f"{LEADS} groups mean": f"update {LEADS} set mean_probability = 0.3 where band = '1'",
    f"{LEADS} bands": "update seeds.assumptions set value = 1 where name = 'lead_calibration_bands'",
    f"{QUALITY} keys": f"insert into {QUALITY} by name select 'passive' as nps_class, 'both' as signal, "
    "0 as customers, true as is_suppressed",
    f"{QUALITY} figures": f"update {QUALITY} set churned = 1 where nps_class = 'passive'",
    f"{QUALITY} groups": f"update {QUALITY} set customers = 3 where nps_class = 'passive'",
    f"{LIST} keys": f"insert into {LIST} by name select * replace (2 as call_rank) from {LIST}",
    f"{LIST} signals": f"update {LIST} set signal = 'both'",
    f"{LIST} signals level": f"update {LIST} set usage_level = 0.5",
    f"{LIST} signals usage": f"update {LIST} set usage_recent = 15.6, usage_level = 15.6 / 31",
    f"{LIST} signals tickets": f"update {LIST} set tickets_recent = 2",
    f"{LIST} signals class": f"update {LIST} set nps_class = 'promoter'",
    f"{LIST} chances": f"update {LIST} set chance_to_leave = 0.2, mrr_at_risk = 12",
    f"{LIST} chances order": f"update {LIST} set call_rank = 2",
}


@pytest.fixture(scope="module")
def good(good_marts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = Path(shutil.copy(good_marts, tmp_path_factory.mktemp("predictions") / "good.duckdb"))
    with duckdb.connect(str(path)) as connection:
        connection.execute(ROWS)
    return path


@pytest.mark.parametrize(("suites", "schema"), [(PREDICTIONS, "marts"), (LISTED, "restricted")])
def test_good_predictions_pass(suites, schema, good):
    results = validate(good, suites, schema)
    assert [(r.table, r.name, r.error) for r in results if not r.success] == []


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_found_by_its_check_alone(mistake, good, tmp_path):
    found = broken_by(MISTAKES[mistake], good, tmp_path, CHECKS)
    assert found == {" ".join(mistake.split()[:2])}
