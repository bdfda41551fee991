"""The checks of profiles: for each a mistake that it alone finds."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from dbt_support import compiled, empty_database, rebuild
from suites_support import change, failing_after

from expectations.suites.profiles import PROFILES
from expectations.validate import validate

ALL = [(table, check) for table, checks in PROFILES.items() for check in checks]
PROMOTERS, COSTLY = PROFILES
STEPS = (
    "int_driver_answers_chosen",
    "int_driver_classes_known",
    "int_driver_cells_counted",
    "int_driver_levels_counted",
    "int_driver_attributes_named",
    "int_profile_levels_compared",
    "int_detractor_tickets_counted",
)
KNOWN = "p_value is not null and p_adjusted > p_value"
MISTAKES = {
    (PROMOTERS, "keys"): change(PROMOTERS, "kind = 'other'", "attribute = 'touchpoint'"),
    (PROMOTERS, "figures"): change(PROMOTERS, "share = share + 0.01", KNOWN),
    (PROMOTERS, "figures lift"): change(
        PROMOTERS, "lift_ci_high = lift_ci_high * 1.1", "lift_ci_high is not null"
    ),
    (PROMOTERS, "figures odds"): change(
        PROMOTERS, "log_odds = log_odds + 0.01, log_odds_ci_low = log_odds_ci_low + 0.02", KNOWN
    ),
    (PROMOTERS, "figures interval"): change(
        PROMOTERS,
        "log_odds_ci_low = log_odds_ci_low - 1, log_odds_ci_high = log_odds_ci_high + 1",
        "p_value < 0.5",
    ),
    (PROMOTERS, "figures small"): change(PROMOTERS, "promoters = 1", "is_suppressed"),
    (PROMOTERS, "others"): change(
        PROMOTERS, "other_voices = other_voices + 1", "is_suppressed and other_voices > 5"
    ),
    (PROMOTERS, "of_the_facts"): change("fct_nps_responses", "channel = 'web'", "metric = 'csat'"),
    (PROMOTERS, "corrected"): change(PROMOTERS, "p_adjusted = p_value", KNOWN),
    (PROMOTERS, "no_emails"): change(PROMOTERS, "level = 'a@mail.example'", "kind = 'segment'"),
    (COSTLY, "keys"): change(COSTLY, "kind = 'metric'", "attribute = 'touchpoint'"),
    (COSTLY, "figures"): change(COSTLY, "rate_ratio = rate_ratio + 0.1", KNOWN),
    (COSTLY, "figures excess"): change(COSTLY, "excess_tickets = 0.1", KNOWN),
    (COSTLY, "figures interval"): change(
        COSTLY, "ci_low = ci_low / 2, ci_high = ci_high * 2", "p_value < 0.5"
    ),
    (COSTLY, "figures reason"): change(COSTLY, "unknown_because = 'too_few'", KNOWN),
    (COSTLY, "others"): change(
        COSTLY, "other_customers = 1", "unknown_because = 'suppressed' and attribute = 'channel'"
    ),
    (COSTLY, "corrected"): change(COSTLY, "is_significant = not is_significant", KNOWN),
    (COSTLY, "no_emails"): change(COSTLY, "level = 'a@mail.example'", "kind = 'segment'"),
}


def _answers(rng: np.random.Generator) -> pd.DataFrame:
    """400 customers, of whom the north likes us more; two of them on a channel of their own."""
    count = 400
    region = rng.choice(["north", "south", None], count)
    liking = rng.normal(0, 1, count) + 0.5 * (region == "north")
    frame = pd.DataFrame({
        "voice_key": [f"c{number:03}" for number in range(count)], "source": "s", "metric": "nps",
        "survey_type": "relational", "region": region, "survey_id": "one",
        "channel": ["paper"] * 2 + [*rng.choice(["email", "app"], count - 2)],
        "contribution": np.select([liking > 0.4, liking < 0.2], [100, -100], 0),
        "responded_on": pd.Timestamp("2025-11-01"), "responded_at": pd.Timestamp("2025-11-01"),
    })  # fmt: skip
    frame.loc[:1, "contribution"] = -100
    frame["nps_class"] = frame["contribution"].map({100: "promoter", 0: "passive"}.get)
    frame["response_id"] = "r" + frame["voice_key"]
    older = frame.assign(
        responded_on=pd.Timestamp("2025-06-01"), responded_at=pd.Timestamp("2025-06-01"),
        response_id="o" + frame["voice_key"], contribution=100,
    )  # fmt: skip
    csat = frame[::2].assign(metric="csat", survey_type="csat", nps_class="satisfied")
    return pd.concat([frame, older, csat.assign(response_id="c" + csat["voice_key"])])


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("profiles") / "good.duckdb"
    rng = np.random.default_rng(4)
    answers = _answers(rng)
    with empty_database() as connection:
        connection.execute(
            "insert into nps.raw.workspace (as_of_on, min_group_size) values ('2025-12-31', 5)"
        )
        connection.execute(
            "insert into nps.raw.segments values (1, 'region', 'region'), (2, 'plan', 'plan')"
        )
        connection.register("answers", answers)
        connection.execute("insert into nps.marts.fct_nps_responses by name from answers")
        connection.execute(
            "insert into nps.intermediate.int_customer_kpis_listed by name "
            "select distinct voice_key as customer_key, 'tickets' as kpi, "
            "hash(voice_key) % 4 * (hash(voice_key) % 3) as y from answers"
        )
        rebuild(connection, STEPS)
        for model in PROFILES:
            connection.execute(f"insert into marts.{model} by name {compiled(model)}")
        connection.execute(f"attach '{path}' as good")
        connection.execute("copy from database nps to good")
    return path


def test_good_profiles_pass(good):
    results = validate(good, PROFILES, "marts")
    assert [(r.table, r.name, r.error) for r in results if not r.success] == []


@pytest.mark.parametrize("mistake", MISTAKES, ids=" ".join)
def test_a_mistake_is_found_by_its_check_alone(mistake, good, tmp_path):
    table, name = mistake
    with duckdb.connect(shutil.copy(good, tmp_path / "bad.duckdb")) as connection:
        found = failing_after(connection, ALL, MISTAKES[mistake])
    assert found == {(table, name.split()[0])}


def test_every_check_has_its_mistake():
    assert {(table, name.split()[0]) for table, name in MISTAKES} == {
        (table, check.name) for table, check in ALL
    }
