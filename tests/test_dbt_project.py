"""The dbt project keeps its own rules: all is described, every layer reads what it may, numbers
that people edit stand in seeds. From the manifest alone: nothing is built."""

from __future__ import annotations

import ast
import csv
import re
from collections import defaultdict
from typing import Any

import duckdb
import pytest
import yaml
from dbt_support import (
    PROJECT_DIR,
    bare_sql,
    empty_workspace,
    layer,
    manifest,
    nodes,
    ours,
)

from orchestration.lake.projection import lake_columns
from orchestration.workspace.entities import ENTITIES

# --- descriptions -----------------------------------------------------------------------------


def _described(kind: str, entries: dict[str, dict[str, Any]], parts: str) -> dict[str, str]:
    found = {}
    for name, entry in entries.items():
        found[f"{kind} {name}"] = entry["description"]
        members = entry[parts].values() if isinstance(entry[parts], dict) else entry[parts]
        for member in members:
            found[f"{kind} {name}: {member['name']}"] = member.get("description", "")
    return found


def test_everything_is_described():
    singular = {name: node for name, node in nodes("test").items() if not node.get("test_metadata")}
    descriptions = {
        **_described("model", nodes("model"), "columns"),
        **_described("seed", nodes("seed"), "columns"),
        **_described("source", ours("sources"), "columns"),
        **_described("macro", ours("macros"), "arguments"),
        **_described("test", singular, "columns"),
    }
    assert len(descriptions) > 800, "the manifest was not read"
    missing = [name for name, description in descriptions.items() if not description.strip()]
    assert not missing, "\n".join(missing)


def test_macros_describe_the_arguments_they_take():
    for name, macro in ours("macros").items():
        if name.startswith("materialization_"):
            continue  # dbt calls these, without arguments
        code = re.sub(r"'[^']*'", "''", macro["macro_sql"])  # a default may hold commas
        signature = re.search(r"\{%-?\s*(?:macro|test)\s+\w+\((.*?)\)", code)
        taken = re.findall(r"(\w+)\s*(?:=[^,]+)?(?:,|$)", signature[1])
        assert [argument["name"] for argument in macro["arguments"]] == taken, name
        assert all(argument["type"] for argument in macro["arguments"]), name


def test_seeds_describe_the_columns_they_have():
    for name, node in nodes("seed").items():
        with (PROJECT_DIR / node["original_file_path"]).open(encoding="utf-8") as file:
            header = next(csv.reader(file))
        assert list(node["columns"]) == header, name


# --- the raw contract -------------------------------------------------------------------------


def test_entities_of_the_project_are_the_canonical_ones():
    project = yaml.safe_load((PROJECT_DIR / "dbt_project.yml").read_text(encoding="utf-8"))
    assert project["vars"]["entities"] == list(ENTITIES)


@pytest.mark.parametrize("entity", ENTITIES)
def test_sources_of_entities_have_the_canonical_columns(entity: str):
    columns = list(ours("sources")[entity]["columns"])
    assert columns[: len(ENTITIES[entity].columns)] == list(ENTITIES[entity].column_names)
    assert columns == [name for name, _ in lake_columns(entity)]


def test_every_source_describes_what_the_lake_holds():
    """The columns of the Parquet that ingest writes, whichever table it is."""
    lake = empty_workspace().lake
    with duckdb.connect(":memory:") as connection:
        for name, source in ours("sources").items():
            if source["source_name"] != "raw":
                continue
            files = str(lake / source["meta"]["lake_path"])
            columns = connection.execute(f"from read_parquet('{files}') limit 0").description
            assert list(source["columns"]) == [column[0] for column in columns], name


def test_every_entity_has_its_models():
    models = nodes("model")
    for entity in ENTITIES:
        assert _sources(models[f"stg_{entity}"]) & {*ENTITIES} == {entity}
        assert f"int_{entity}_versioned" in models


# --- layers -----------------------------------------------------------------------------------

PREFIXES = {
    "staging": ("stg_",),
    "intermediate": ("int_",),
    "marts": (
        "dim_",
        "fct_",
        "nps_",
        "customer_",
        "survey_",
        "earned_",
        "ingest_",
        "account_",
        "enps_",
        "follow_up_",
        "metric_",
        "theme_",
        "emerging_",
        "promoter_",
        "costly_",
        "lead_",
        "proactive_",
    ),
    "restricted": (
        *("quarantined_rows", "response_comments", "response_themes"),
        *("customer_identities", "nps_actions", "lead_scores", "proactive_support"),
    ),
}
# Written once, as a mart, and read there by intermediate models that several marts share.
READ_BY_ALL = {"fct_nps_responses", "fct_nps_churn", "fct_nps_transitions", "dim_customers"}
# What a comment is about is public in sums; these read the text where it lies, and keep none of it.
READS_COMMENTS = {
    *("int_comment_languages", "int_themes_matched"),
    *("int_theme_labels", "int_themes_learned", "int_terms_counted"),
}
# What a layer's models may be made of.
MAY_READ = {
    "staging": set(),
    "intermediate": {"staging", "intermediate"},
    "marts": {"intermediate", "marts"},
    "restricted": {"intermediate", "marts", "restricted"},
}
# Names, e-mails, comments and cells don't pass staging: these take them from the lake themselves.
READS_PERSONAL_CELLS = {"quarantined_rows", "response_comments", "customer_identities"}


def _sources(node: dict[str, Any]) -> set[str]:
    return {name.split(".")[-1] for name in node["depends_on"]["nodes"] if name[:6] == "source"}


def _models(node: dict[str, Any]) -> list[dict[str, Any]]:
    names = [name for name in node["depends_on"]["nodes"] if name.startswith("model.")]
    return [manifest()["nodes"][name] for name in names]


def test_a_models_name_says_its_layer():
    for name, node in nodes("model").items():
        assert name.startswith(PREFIXES[layer(node)]), name
        assert node["schema"] == layer(node), name


def test_data_moves_one_way():
    wrong = [
        f"{name} ({layer(node)}) reads {parent['name']} ({layer(parent)})"
        for name, node in nodes("model").items()
        for parent in _models(node)
        if layer(parent) not in MAY_READ[layer(node)] and parent["name"] not in READ_BY_ALL
        if (parent["name"], name in READS_COMMENTS) != ("response_comments", True)
    ]
    assert not wrong, "\n".join(wrong)


def test_only_staging_reads_what_was_delivered():
    readers = {
        name
        for name, node in nodes("model").items()
        if _sources(node) & {*ENTITIES} and layer(node) != "staging"
    }
    assert readers == READS_PERSONAL_CELLS


def test_personal_columns_stay_in_the_restricted_zone():
    personal = {"email", "email_key", "name", "comment", "raw_text", "question"}
    published = {
        f"{name}.{column}"
        for name, node in nodes("model").items()
        if layer(node) == "marts"
        for column in node["columns"]
        if column in personal
    }
    assert published == {"dim_surveys.name"}  # a survey's name is nobody's


def test_every_model_is_tested_for_its_grain():
    """Marts and restricted tables: a key that is unique, or a combination that is."""
    tested = {
        test["attached_node"].split(".")[-1]
        for test in nodes("test").values()
        if test.get("test_metadata") and test["test_metadata"]["kwargs"].get("key")
    }
    without = {
        name
        for name, node in nodes("model").items()
        if layer(node) in ("marts", "restricted") and name not in tested
    }
    # the first is held where it is built, by int_customer_history_built; a row of a file may be
    # quarantined by its file and by itself
    assert without == {"dim_customer_history", "quarantined_rows"}


# --- batches ------------------------------------------------------------------------------------


def _changed(node: dict[str, Any]) -> list[dict[str, str]]:
    """The keys of the rows that a batch replaces in a model, and the models that hold them."""
    changed = node["config"]["meta"].get("changed", [])
    return changed if isinstance(changed, list) else [changed]


def test_a_model_is_built_after_the_affected_keys_of_its_rows():
    """What `meta.changed` names is a parent with that column, and the model has the column, too."""
    found = 0
    for name, node in nodes("model").items():
        parents = {parent["name"]: parent for parent in _models(node)}
        for rows in _changed(node):
            assert rows["key"] in parents[rows["model"]]["columns"], name
            assert rows["key"] in node["columns"], name
            found += 1
    assert found >= 10


def test_the_previous_state_of_a_table_is_read_before_the_table_is_replaced():
    """Whoever reads it as a source is an ancestor of the table's own model."""
    models = nodes("model")

    def ancestors(name: str) -> set[str]:
        parents = {parent["name"] for parent in _models(models[name])}
        return parents.union(*(ancestors(parent) for parent in parents))

    previous = {
        unique_id: source
        for unique_id, source in manifest()["sources"].items()
        if source["source_name"].startswith("previous_")
    }
    assert previous
    for unique_id, source in previous.items():
        table = models[source["name"]]
        assert (source["database"], source["schema"]) == (table["database"], table["schema"])
        readers = {name for name, n in models.items() if unique_id in n["depends_on"]["nodes"]}
        assert readers, source["name"]
        assert readers <= ancestors(source["name"]), source["name"]


def test_what_a_batch_builds_in_part_replaces_rows_and_no_table():
    """A table of affected rows has no others in a batch: only an incremental model keeps the rest."""
    models = nodes("model")
    incremental = {
        n for n, node in models.items() if node["config"]["materialized"] == "incremental"
    }
    partial = {
        name
        for name, node in models.items()
        if "is_affected(" in node["raw_code"] and not name.endswith(("_affected", "_changed"))
    } - incremental
    assert "int_customers_inferred" in partial
    while readers := {
        name
        for name in models.keys() - incremental - partial
        if partial & {parent["name"] for parent in _models(models[name])}
        and not name.endswith("_affected")
    }:
        partial |= readers
    published = {name for name in partial if layer(models[name]) in ("marts", "restricted")}
    assert not published, sorted(published)


# --- numbers ----------------------------------------------------------------------------------

# Numbers that no business would set otherwise, and why they stand where they stand.
NUMBERS = {
    "account_nps": {"100": "points of a score"},
    "account_nps_by_period": {
        "2": "a square, and a half",
        "6": "digits that a sum of doubles is good for",
        "100": "points of a score",
    },
    "int_account_periods_summed": {
        "100": "points of a score",
    },
    "int_accounts_described": {
        "6": "digits that a sum of doubles is good for",
        "12": "months a year",
    },
    "customer_nps_features": {"6": "digits that a sum of doubles is good for"},
    "customer_voice_features": {"365": "days, as the columns' names say"},
    "int_account_voices_dated": {"365": "days, as customer_voice_features' columns say"},
    "int_voice_answers_followed": {"365": "days, as customer_voice_features' columns say"},
    "int_feature_days_summed": {
        "90": "days, as the column's name says",
        "365": "days, as the column's name says",
    },
    "int_feature_customers_affected": {
        "90": "days, as the features' columns say",
        "365": "days, as the features' columns say",
        "2": "days after whose beginning in UTC the one before is over everywhere",
    },
    "proactive_support": {
        "6": "digits that a sum of doubles is good for",
        "100": "points of a share of 1",
    },
    "fct_nps_churn": {"6": "digits that a sum of doubles is good for"},
    "int_follow_ups_judged": {
        "100": "what the best class contributes",
        "3600": "seconds an hour",
    },
    "follow_up_sla": {
        "0.5": "the median, as the column's name says",
        "0.9": "nine of ten, as the column's name says",
    },
    "nps_event_effects": {"2": "square"},
    "costly_profile": {"2": "square"},
    "int_predictions_judged": {
        "2": "a square, the mean of ranks, and Hanley and McNeil's error",
        "10": "digits that a mean of doubles is good for",
    },
    "lead_scores": {"2": "the second reason", "3": "the third reason"},
    "metric_correlations": {
        "2": "of Fisher's transformation and of mean ranks",
        "3": "what Fisher's standard error takes off n",
        "10": "digits that a correlation of doubles is good for",
        "1e-12": "what rounding may leave of a perfect correlation",
    },
    "nps_benchmark_gap": {
        "2": "square",
        "100": "percent",
        "10000": "the largest variance of a score, in points squared",
    },
    "nps_actions": {
        "6": "digits that a sum of doubles is good for",
        "100": "points of a share of 1",
        "3600": "seconds an hour",
    },
    "int_effect_customers_summed": {"100": "what the best class contributes"},
    "follow_up_effect": {"2": "a square"},
    "nps_outcomes_by_class": {
        "365": "days a year",
        "12": "months a year",
        "6": "digits that a sum of doubles is good for",
    },
    "int_feature_days_listed": {
        "242": "month ends to choose from: 20 years, this month's and the one before"
    },
    "int_exchange_rates_dated": {"32768": "days between two rates to choose from: 89 years"},
    "int_days_listed": {"32768": "days to choose from: 89 years"},
    "int_mrr_periods_classified": {"6": "digits that a sum of doubles is good for"},
    "int_customer_values_averaged": {"12": "months a year"},
    "int_growth_periods_listed": {"1200": "months to choose from: a century"},
    "int_strata_summed": {"2": "a square", "100": "points of a score"},
    "nps_weighted_by_period": {"2": "a square", "100": "points of a score"},
    "nps_control_chart": {
        "2": "two tails, and a square",
        "3": "a third moment",
        "6": "of Cornish and Fisher's expansion",
        "100": "points of a score",
        "1.128": "mean range of two standard normal values",
    },
    "int_comment_languages": {"2": "letters of a language's code"},
    "int_theme_quality_measured": {"2": "F1 is a harmonic mean"},
    "theme_quality": {
        "2": "F1 is a harmonic mean",
        "10": "digits that a mean of doubles is good for",
    },
    "int_theme_terms_read": {
        "2": "the first character between bars",
        "3": "letters that words and terms are brought together by",
    },
    "int_terms_counted": {"2": "two windows, and the second of two words"},
    "int_themes_matched": {"3": "letters that words and terms are brought together by"},
    "nps_themes_by_period": {
        "2": "half of a square, in Agresti and Coull's share",
        "6": "digits that a sum of doubles is good for",
        "100": "points of a score",
    },
    "nps_trend": {"2": "parameters of a line, and a square", "365.25": "days a year"},
    "nps_change_significance": {"2": "the mean of two periods"},
    "nps_sample_size": {
        "2": "two groups, and a square",
        "4": "the largest variance of a share",
        "6": "digits that a quotient of doubles is good for",
        "100": "points of a share of 1",
    },
    "survey_fatigue": {"365": "days, as the column's name says"},
    "int_invitations_measured": {
        "6": "digits that a sum of doubles is good for",
        "1e18": "more than an exact sum holds",
    },
    "nps_goal": {
        "6": "digits that a product of doubles is good for",
        "100": "points of a score",
        "200": "points from a detractor to a promoter",
    },
    "int_retention_customers_drawn": {
        "2": "times the sample: so many are left to be sorted, and so many are always enough",
        "365": "days a year",
    },
    "nps_lift_by_class": {
        "2": "a square, in Welch's error and its degrees of freedom",
        "6": "digits that a sum of doubles is good for",
    },
    "nps_nonresponse_bias": {"2": "a square, in Welch's degrees of freedom"},
    "nps_retention_adjusted": {"9": "digits that a fit is good for"},
    "nps_retention_by_window": {"12": "digits that a sum of doubles is good for"},
    "nps_retention_curves": {"12": "digits that a running sum of doubles is good for"},
    "nps_revenue_at_risk": {
        "12": "months a year",
        "6": "digits that a sum of doubles is good for",
    },
    "earned_growth": {"6": "digits that a sum of doubles is good for"},
}
# The formulas' own: 100 points, two tails, four in Wilson's root, twelve months; and the 6 digits
# that a sum of doubles is good for, 9 where only equal numbers are to be told apart.
NUMBERS_OF_MACROS = {"0", "1", "2", "4", "6", "12", "100", "1e-9"}
# Coefficients of an approximation, held to scipy by tests/models/test_metrics.py; and the
# digits of a key.
COEFFICIENTS_OF = {
    *("two_sided_p", "t_as_normal", "t_quantile", "normal_quantile"),
    *("duckdb__safe_cast", "duckdb__random_share"),
}
NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w.])")


def _numbers(code: str) -> set[str]:
    """The numbers in SQL, 1.0 and 1e0 as 1."""
    return {re.sub(r"(?:\.0)?(?:e0)?$", "", number) for number in NUMBER.findall(bare_sql(code))}


def _python_numbers(code: str) -> set[str]:
    """The numbers in Python, 1.0 as 1."""
    values = {n.value for n in ast.walk(ast.parse(code)) if isinstance(n, ast.Constant)}
    return {f"{value:g}" for value in values if type(value) in (int, float)}


def test_no_threshold_stands_in_a_model():
    for name, node in nodes("model").items():
        numbers = _python_numbers if node["language"] == "python" else _numbers
        found = numbers(node["raw_code"]) - {"0", "1"}
        assert found == NUMBERS.get(name, {}).keys(), name


def test_no_assumption_stands_in_a_macro():
    for name, macro in ours("macros").items():
        if name in COEFFICIENTS_OF:
            continue
        found = _numbers(macro["macro_sql"])
        assert found <= NUMBERS_OF_MACROS, name


def test_a_threshold_in_a_model_would_be_found():
    code = "case when score >= 9e0 then 100 when score > 6.5 -- 7\n then '8' end as nps_90d {# 5 #}"
    assert _numbers(code) == {"9", "100", "6.5"}


# --- seeds ------------------------------------------------------------------------------------


def _seed(name: str) -> list[dict[str, str]]:
    with (PROJECT_DIR / "seeds" / f"{name}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


# Scales that are named otherwise than by their ends.
NAMED_SCALES = {"good-bad": (0, 1), "stars": (1, 5)}


def test_scales_are_covered_completely():
    scores = defaultdict(list)
    for row in _seed("metric_scales"):
        scores[row["metric"], row["scale"]].append(int(row["score"]))
    for (metric, scale), found in scores.items():
        first, last = NAMED_SCALES.get(scale) or map(int, scale.split("-"))
        assert sorted(found) == list(range(first, last + 1)), (metric, scale)


def test_a_better_score_never_contributes_less():
    by_scale = defaultdict(list)
    for row in _seed("metric_scales"):
        by_scale[row["metric"], row["scale"]].append((int(row["score"]), int(row["contribution"])))
    for scale, found in by_scale.items():
        contributions = [contribution for _, contribution in sorted(found)]
        assert contributions == sorted(contributions), scale
        assert {*contributions} <= {-100, 0, 100}, scale


def test_a_class_contributes_one_thing():
    classes = defaultdict(set)
    for row in _seed("metric_scales"):
        classes[row["metric"], row["nps_class"]].add(row["contribution"])
    assert all(len(contributions) == 1 for contributions in classes.values())


def test_nps_classes_are_those_of_the_literature():
    """Rocks 2016: 0-6 detractor, 7-8 passive, 9-10 promoter; the same for employees."""
    expected = ["detractor"] * 7 + ["passive"] * 2 + ["promoter"] * 2
    for metric in ("nps", "enps"):
        rows = [r for r in _seed("metric_scales") if (r["metric"], r["scale"]) == (metric, "0-10")]
        assert [r["nps_class"] for r in sorted(rows, key=lambda r: int(r["score"]))] == expected


def test_every_metric_has_scales_and_its_prior():
    metrics = {row["metric"]: row for row in _seed("metrics")}
    assert metrics.keys() == {row["metric"] for row in _seed("metric_scales")}
    added = {
        name: sum(float(row[f"{part}_prior"]) for part in ("top", "middle", "bottom"))
        for name, row in metrics.items()
    }
    assert added == {"nps": 3, "enps": 3, "csat": 4, "ces": 4}


def test_reasons_given_are_those_of_the_seed():
    """Of rows by SQL, of files by ingest: every code has its line, every line is given."""
    seed = {row["reason"]: row["level"] for row in _seed("reject_reasons")}
    sql = " ".join(node["raw_code"] for node in nodes("model").values())
    sql += " ".join(macro["macro_sql"] for macro in ours("macros").values())
    given_by_sql = set(re.findall(r"then\s+'([a-z_]+)'", sql)) & {*seed}
    staged = "".join(
        node["raw_code"]
        for name, node in nodes("model").items()
        if layer(node) == "staging" or name == "int_survey_responses_classified"
    )
    verdicts = re.findall(r"case\s(.*?)end as reject_reason", staged, re.DOTALL)
    assert {reason for text in verdicts for reason in re.findall(r"then\s+'(\w+)'", text)} <= {
        *seed
    }
    python = "".join(
        path.read_text(encoding="utf-8") for path in (PROJECT_DIR / "orchestration").rglob("*.py")
    )
    given_by_ingest = {reason for reason in seed if f'"{reason}"' in python}
    assert given_by_sql | given_by_ingest == {*seed}
    assert {reason for reason, level in seed.items() if level == "row"} - given_by_sql == {
        "wrong_width",
        "repeated_header",
    }
    assert not {reason for reason in given_by_sql if seed[reason] == "file"}


def test_every_assumption_is_used():
    code = "".join(entry["raw_code"] for entry in nodes("model").values())
    code += "".join(entry["macro_sql"] for entry in ours("macros").values())
    assert {*re.findall(r"assumption\(['\"](\w+)['\"]\)", code)} == {
        row["name"] for row in _seed("assumptions")
    }
