"""docs/sources.md names every key of workspace.yml and every reason code."""

from __future__ import annotations

import csv
import re

import pytest
from pydantic import BaseModel

from orchestration.workspace import model, sections
from orchestration.workspace.current import PROJECT_DIR

PAGE = (PROJECT_DIR / "docs/sources.md").read_text(encoding="utf-8")
MODELS = (
    model.Settings, model.Source, model.Format, model.Answer, sections.Headline, sections.Actions, sections.SurveyRules,
    sections.Publish, sections.Retain, model.Churned, sections.Event, sections.SendActions,
)  # fmt: skip


def keys() -> list[str]:
    return sorted(
        {field.alias or name for each in MODELS for name, field in each.model_fields.items()}
    )


def reasons() -> list[str]:
    with (PROJECT_DIR / "seeds/reject_reasons.csv").open(encoding="utf-8") as stream:
        return [row["reason"] for row in csv.DictReader(stream)]


@pytest.mark.parametrize("key", keys())
def test_every_key_is_described(key):
    tables = [line for line in PAGE.splitlines() if line.startswith("| `") or line.startswith("| ")]
    assert any(f"`{key}`" in line for line in tables), f"docs/sources.md does not describe {key}"


@pytest.mark.parametrize("reason", reasons())
def test_every_reason_has_something_to_do(reason):
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{reason}` |")]
    *_, todo, _ = row.split("|")
    assert todo.strip()


def test_no_model_of_the_settings_is_forgotten():
    models = {
        each
        for each in (vars(model) | vars(sections)).values()
        if isinstance(each, type) and issubclass(each, BaseModel) and each.__name__[0] != "_"
    }
    assert models - {BaseModel, model.Workspace} == set(MODELS)


def test_the_page_names_no_reason_that_there_is_not():
    named = re.findall(r"^\| `([a-z_0-9]+)` \|(?=[^|]*\|[^|]*\|$)", PAGE[PAGE.index("## What is refused") :], re.MULTILINE)  # fmt: skip
    assert set(named) == set(reasons())
