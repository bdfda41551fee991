"""`answers` of an entry: several questions in one row, as workspace.yml says it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestration.core.errors import UserError
from orchestration.workspace.load import load_workspace
from orchestration.workspace.model import Source

ANSWERS = [
    {"score": "nps", "comment": "why", "metric": "nps", "scale": "0-10"},
    {"score": "csat", "submitted_at": "csat_at", "metric": "csat", "scale": "1-5", "name": "care",
     "values": {"great": 5}, "touchpoint": "support"},
]  # fmt: skip
ENTRY = {
    "name": "form",
    "entity": "survey_responses",
    "files": "*.csv",
    "columns": {"response_id": "id", "submitted_at": "at", "touchpoint": "page"},
    "constants": {"survey_type": "relational"},
    "answers": ANSWERS,
}


def write(root: Path, **changes: Any) -> Path:
    entry = {key: value for key, value in {**ENTRY, **changes}.items() if value is not None}
    text = yaml.safe_dump({"version": 1, "sources": [entry]})
    (root / "workspace.yml").write_text(text, encoding="utf-8")
    return root


def mistakes(root: Path, **changes: Any) -> list[str]:
    with pytest.raises(UserError) as caught:
        load_workspace(write(root, **changes))
    start = "workspace.yml: sources[0] (form/survey_responses): "
    return [line.removeprefix(start) for line in str(caught.value).splitlines()]


def test_an_answer_goes_before_its_entry(tmp_path: Path):
    (source,) = load_workspace(write(tmp_path)).sources
    nps, care = source.parts
    assert (nps.answer, care.answer) == ("nps", "care")
    assert nps.columns == {
        "response_id": ("id",), "submitted_at": ("at",), "touchpoint": ("page",),
        "score": ("nps",), "comment": ("why",),
    }  # fmt: skip
    assert care.columns == {
        "response_id": ("id",),
        "score": ("csat",),
        "submitted_at": ("csat_at",),
    }
    assert care.constants == {
        "survey_type": "relational", "metric": "csat", "scale": "1-5", "touchpoint": "support",
    }  # fmt: skip
    assert (nps.values, care.values) == ({}, {"score": {"great": "5"}})
    assert {"score", "metric", "touchpoint", "comment"} <= source.given


def test_an_entry_without_answers_is_its_own_part(tmp_path: Path):
    (source,) = load_workspace(
        write(tmp_path, answers=None, columns={**ENTRY["columns"], "score": "nps"},
              constants={"survey_type": "x", "metric": "nps", "scale": "0-10"})
    ).sources  # fmt: skip
    assert isinstance(source, Source)
    assert source.parts == (source,)
    assert source.answer is None


@pytest.mark.parametrize(
    ("answers", "line"),
    [
        ([{**ANSWERS[0], "scale": "0-5"}, ANSWERS[1]],
         "answers[0]: constants.scale: '0-5' is not in the seed metric_scales; nps has: 0-10, 1-10, 1-5"),
        ([ANSWERS[0], {**ANSWERS[0], "score": "nps_2025"}],
         "answers: two are called 'nps'; give each a name of its own"),
        ([{"score": "nps", "scale": "0-10"}],
         "answers: one has neither a name nor a metric; give it a name"),
        ([{**ANSWERS[0], "scores": "x"}, ANSWERS[1]],
         "unknown key 'scores' in answers.0; did you mean 'score'?"),
        ([{"metric": "nps", "scale": "0-10"}], "the key 'score' in answers.0 is missing; add it"),
        ([{**ANSWERS[0], "name": "N P S"}, ANSWERS[1]],
         "answers.0.name: 'N P S' is not a safe name; use a-z, 0-9 and _, beginning with a letter, "
         "at most 60 characters"),
    ],
)  # fmt: skip
def test_a_mistake_of_one_answer_names_it(tmp_path: Path, answers: list, line: str):
    assert line in mistakes(tmp_path, answers=answers)


def test_what_all_answers_lack_is_said_once(tmp_path: Path):
    assert mistakes(tmp_path, columns={"submitted_at": "at"}) == [
        "required column 'response_id' is missing; add it to columns"
    ]


def test_only_answers_have_answers(tmp_path: Path):
    found = load_and_fail(tmp_path)
    assert found == ["answers: only survey_responses have them; remove the key"]


def load_and_fail(root: Path) -> list[str]:
    entry = {"name": "form", "entity": "customers", "files": "*.csv",
             "columns": {"customer_id": "id"}, "answers": ANSWERS}  # fmt: skip
    text = yaml.safe_dump({"version": 1, "sources": [entry]})
    (root / "workspace.yml").write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        load_workspace(root)
    start = "workspace.yml: sources[0] (form/customers): "
    return [line.removeprefix(start) for line in str(caught.value).splitlines()]


def test_a_score_beside_answers_is_one_too_many(tmp_path: Path):
    columns = {**ENTRY["columns"], "score": "nps"}
    assert mistakes(tmp_path, columns=columns) == [
        "columns.score: each of answers has its own; remove one of the two"
    ]
