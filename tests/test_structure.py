"""The size and shape of the dbt project and of publishing: every limit is declared here."""

from __future__ import annotations

import re
from functools import cache
from statistics import median

import yaml
from dbt_support import PROJECT_DIR, manifest, nodes, ours

LIMITS = {
    "lines of a model": 130,
    "median lines of a model": 35,
    "macros": 60,
    "models on the longest path": 15,
    "relations written as text in a config": 0,
    "lines of orchestration/publish": 700,
    "lines of a Python file": 500,
}
# A relation in a config is a ref, not a text: a text goes wrong when a model or a schema is renamed.
WRITTEN_RELATION = re.compile(r"\b(?:staging|intermediate|marts|restricted)\.[a-z_]+")


def _lines(code: str) -> int:
    return len(code.strip().splitlines())


def test_no_model_is_too_long():
    lines = {name: _lines(node["raw_code"]) for name, node in nodes("model").items()}
    limit = LIMITS["lines of a model"]
    assert not {name: count for name, count in lines.items() if count > limit}


def test_half_of_the_models_are_short():
    lines = [_lines(node["raw_code"]) for node in nodes("model").values()]
    assert median(lines) <= LIMITS["median lines of a model"]


def test_macros_are_few():
    """By name: what a macro is in one engine's words is no other one, nor is an override of dbt's own.

    Macros of generic tests count as well.
    """
    macros = ours("macros")
    named = {name.removeprefix("duckdb__") for name in macros}
    overrides = {
        "generate_schema_name", "get_incremental_replace_sql", "get_where_subquery", "safe_cast",
        "materialization_table_duckdb", "materialization_view_duckdb",
    }  # fmt: skip
    assert overrides <= named
    assert len(named - overrides) <= LIMITS["macros"]


def test_no_path_through_the_models_is_too_long():
    @cache
    def longest(unique_id: str) -> tuple[str, ...]:
        parents = manifest()["nodes"][unique_id]["depends_on"]["nodes"]
        paths = [longest(parent) for parent in parents if parent.startswith("model.")]
        return (*max(paths, key=len, default=()), unique_id.rsplit(".", maxsplit=1)[-1])

    path = max((longest(node["unique_id"]) for node in nodes("model").values()), key=len)
    assert len(path) <= LIMITS["models on the longest path"], " -> ".join(path)


def test_configs_name_relations_by_ref():
    texts = {
        name: yaml.safe_dump([node["config"], node["unrendered_config"]])
        for name, node in nodes("model").items()
    }
    texts["dbt_project.yml"] = (PROJECT_DIR / "dbt_project.yml").read_text(encoding="utf-8")
    found = {name: WRITTEN_RELATION.findall(text) for name, text in texts.items()}
    found = {name: relations for name, relations in found.items() if relations}
    assert len(found) <= LIMITS["relations written as text in a config"], found


def test_no_python_file_is_too_long():
    lines = {
        str(path): len(path.read_text(encoding="utf-8").splitlines())
        for folder in ("orchestration", "expectations", "sample", "models", "benchmarks")
        for path in (PROJECT_DIR / folder).rglob("*.py")
    }
    limit = LIMITS["lines of a Python file"]
    assert {path: n for path, n in lines.items() if n > limit} == {}


def test_publishing_is_small():
    files = (PROJECT_DIR / "orchestration" / "publish").glob("*.py")
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in files)
    assert lines <= LIMITS["lines of orchestration/publish"]
