"""Which nodes a batch starts: on a small graph that shows each rule, and on the project's own."""

from __future__ import annotations

from typing import Any

import pytest
from dbt_support import manifest, nodes

from orchestration.warehouse.unaffected import News, nodes_to_start, versioned_entities

# Folder, materialization and parents of each model; `*` behind it: its SQL calls a macro that asks
# which batch it is. int_days_counted adds to its own rows.
MODELS = {
    "stg_orders": ("staging", "view", ["raw.orders", "raw.workspace", "seed.rates"]),
    "stg_people": ("staging", "view", ["raw.people"]),
    "int_orders_versioned": ("versioned", "incremental*", ["stg_orders", "int_people_versioned"]),
    "int_people_versioned": ("versioned", "incremental*", ["stg_people"]),
    "int_orders_affected": ("batches", "table*", ["int_orders_versioned", "raw.last_build"]),
    "int_orders_numbered": ("orders", "table*", ["int_orders_affected", "int_orders_versioned"]),
    "int_orders_ranked": ("orders", "view", ["int_orders_numbered"]),
    "int_orders_summed": ("orders", "table", ["int_orders_ranked"]),
    "int_days_counted": ("orders", "table*", ["int_orders_affected", "int_people_versioned"]),
    "fct_orders": ("marts", "incremental*", ["int_orders_summed", "int_orders_affected"]),
    "dim_people": ("marts", "incremental*", ["int_people_versioned", "int_orders_affected"]),
    "people_by_day": ("marts", "table", ["dim_people", "raw.workspace"]),
    "people_by_segment": ("marts", "table", ["dim_people", "raw.segments"]),
    "deliveries": ("marts", "table", ["raw.files"]),
}
TESTS = {
    "rates_hold": ["seed.rates"],
    "stg_people_holds": ["stg_people"],
    "stg_orders_holds": ["stg_orders"],
    "fct_orders_holds": ["fct_orders"],
    "people_add_up": ["dim_people", "deliveries"],
    "orders_are_numbered": ["int_orders_ranked"],
}
LAKE = {
    "orders": "raw/orders/*.parquet",
    "people": "raw/people/*.parquet",
    "workspace": "settings/workspace.parquet",
    "segments": "settings/segments.parquet",
    "files": "manifest/files.parquet",
    "last_build": "built/last_build.parquet",
}
# started whatever came: what holds a batch's rows alone, and what reads the list of files
ALWAYS = {"int_orders_affected", "int_orders_numbered", "int_orders_summed", "deliveries"}


def _id(name: str) -> str:
    """The unique id of a parent as listed above."""
    kind, _, rest = name.rpartition(".")
    return {"raw": f"source.it.{name}", "seed": f"seed.it.{rest}"}.get(kind, f"model.it.{name}")


@pytest.fixture(scope="module")
def small() -> dict[str, Any]:
    """A manifest of the models and tests above."""
    found: dict[str, Any] = {"nodes": {}, "sources": {}, "macros": {}}
    for name, called in (("is_batch", []), ("is_affected", ["is_batch"]), ("other", ["other"])):
        found["macros"][f"macro.it.{name}"] = {
            "depends_on": {"macros": [f"macro.it.{each}" for each in called]}
        }
    for name, path in LAKE.items():
        found["sources"][f"source.it.raw.{name}"] = {
            "source_name": "raw",
            "name": name,
            "config": {"meta": {"lake_path": path}},
        }

    def add(kind: str, name: str, folder: str, materialized: str, parents: list[str]) -> None:
        found["nodes"][f"{kind}.it.{name}"] = {
            "resource_type": kind,
            "name": name,
            "fqn": ["it", folder, name],
            "config": {"materialized": materialized.rstrip("*")},
            "raw_code": "from {{ this }}" if name == "int_days_counted" else "",
            "depends_on": {
                "nodes": [_id(parent) for parent in parents],
                "macros": ["macro.it.is_affected" if "*" in materialized else "macro.it.other"],
            },
        }

    add("seed", "rates", "seeds", "seed", [])
    for name, (folder, materialized, parents) in MODELS.items():
        add("model", name, folder, materialized, parents)
    for name, parents in TESTS.items():
        add("test", name, "tests", "test", parents)
    return found


def _started(of: dict[str, Any], *entities: str, as_of: bool = False, waiting=()) -> set[str]:
    news = News(frozenset(entities), as_of, frozenset(waiting))
    return {of["nodes"][name]["name"] for name in nodes_to_start(of, news)}


def test_without_news_only_what_holds_the_batch_is_started(small):
    assert _started(small) == ALWAYS | {"people_add_up"}


def test_new_files_start_what_reads_their_entity(small):
    """A view passes them on and is not started itself; its tests are."""
    orders = {"int_orders_versioned", "fct_orders"}
    tests = {"stg_orders_holds", "fct_orders_holds", "orders_are_numbered", "people_add_up"}
    assert _started(small, "orders") == ALWAYS | orders | tests


def test_affected_keys_pass_nothing_on(small):
    """dim_people reads of orders only which of its rows may be others: it holds none of theirs."""
    assert "dim_people" not in _started(small, "orders")
    assert "int_days_counted" not in _started(small, "orders")
    people = {"int_people_versioned", "dim_people", "people_by_day", "people_by_segment"}
    assert people | {"int_days_counted"} <= _started(small, "people")


def test_a_table_that_judges_by_another_is_started_with_it(small):
    assert {"int_orders_versioned", "fct_orders"} <= _started(small, "people")


def test_as_of_starts_what_reads_it(small):
    found = _started(small, as_of=True)
    assert found == ALWAYS | {"people_by_day", "stg_orders_holds", "people_add_up"}


def test_as_of_starts_delivered_rows_only_where_some_wait(small):
    assert "int_orders_versioned" not in _started(small, as_of=True, waiting=["people"])
    found = _started(small, as_of=True, waiting=["orders"])
    assert {"int_orders_versioned", "fct_orders", "fct_orders_holds"} <= found
    assert "int_people_versioned" not in found


# --- the project's own graph --------------------------------------------------------------------


def test_tickets_start_features_and_no_answers():
    found = _started(manifest(), "support_tickets")
    assert {
        "int_support_tickets_versioned",
        "int_feature_days_summed",
        "customer_nps_features",
        "nps_lift_by_class",
        "ingest_reconciliation",
        "quarantined_rows",
    } <= found
    assert not found & {
        "int_survey_responses_versioned",
        "fct_nps_responses",
        "fct_nps_by_period",
        "dim_customers",
        "earned_growth",
        *nodes("seed"),
    }


@pytest.mark.parametrize("entity", ["surveys", "survey_invitations", "survey_responses"])
def test_answers_are_judged_again_with_surveys_and_invitations(entity):
    found = _started(manifest(), entity)
    assert {"int_survey_responses_versioned", "fct_nps_responses", "fct_nps_by_period"} <= found


def test_as_of_starts_every_table_that_reads_it():
    """Those alone that hold delivered rows wait for rows whose date has come."""
    found = _started(manifest(), as_of=True)
    reading = {
        name
        for name, node in nodes("model").items()
        if "source.nps_warehouse.raw.workspace" in node["depends_on"]["nodes"]
        and node["config"]["materialized"] != "view"
    }
    assert len(reading) > 20
    assert reading <= found
    assert not {f"int_{name}_versioned" for name in versioned_entities(manifest())} & found


def test_what_holds_a_batch_is_started_every_time():
    folder = {name for name, node in nodes("model").items() if "batches" in node["fqn"]}
    assert len(folder) == 7
    assert folder | {
        "int_survey_responses_classified",
        "int_customers_inferred",
        "int_feature_customers_numbered",
        "int_feature_answers_ranked",
        "int_feature_days_summed",
    } <= _started(manifest())


def test_each_entity_starts_its_own_delivered_rows():
    for entity in versioned_entities(manifest()):
        assert f"int_{entity}_versioned" in _started(manifest(), entity)


def test_names_select_one_node_each():
    """A name selects nodes of that name, and all nodes of a folder of that name."""
    names = [
        node["name"]
        for node in manifest()["nodes"].values()
        if node["resource_type"] in ("model", "seed", "test")
    ]
    folders = {part for node in manifest()["nodes"].values() for part in node["fqn"][:-1]}
    assert len(names) == len(set(names))
    assert not folders & set(names)
