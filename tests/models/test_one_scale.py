"""Scales: who defines their classes, and that no two are mixed under one name."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import pytest
from dbt_support import compiled_inline, empty_database

PROJECT = Path(__file__).parents[2]
with open(PROJECT / "seeds/metric_scales.csv", encoding="utf-8", newline="") as seed:
    ROWS = list(csv.DictReader(seed))


def bands(metric: str, scale: str) -> dict[str, list[int]]:
    """The scores of each class."""
    found = defaultdict(list)
    for row in ROWS:
        if (row["metric"], row["scale"]) == (metric, scale):
            found[row["nps_class"]].append(int(row["score"]))
    return dict(found)


def test_nps_on_one_to_ten_has_the_bands_of_the_literature():
    """QuestionPro's table of scales; a widget's 10, 9, 7, 1 and 6 are a score of 0."""
    assert bands("nps", "1-10") == {
        "detractor": [1, 2, 3, 4, 5, 6], "passive": [7, 8], "promoter": [9, 10],
    }  # fmt: skip
    contributions = {
        int(row["score"]): int(row["contribution"])
        for row in ROWS
        if (row["metric"], row["scale"]) == ("nps", "1-10")
    }
    assert sum(contributions[score] for score in (10, 9, 7, 1, 6)) == 0


@pytest.mark.parametrize(
    ("metric", "scale", "best", "rest"),
    [
        ("csat", "1-5", [4, 5], [1, 2, 3]),
        ("csat", "1-7", [6, 7], [1, 2, 3, 4, 5]),
        ("csat", "1-10", [9, 10], [1, 2, 3, 4, 5, 6, 7, 8]),
        ("csat", "0-10", [9, 10], [0, 1, 2, 3, 4, 5, 6, 7, 8]),
        ("csat", "good-bad", [1], [0]),
        ("csat", "stars", [4, 5], [1, 2, 3]),
        ("ces", "1-5", [4, 5], [1, 2, 3]),
        ("ces", "1-7", [5, 6, 7], [1, 2, 3, 4]),
    ],
)
def test_a_share_counts_the_best_answers(metric, scale, best, rest):
    """The bands of the pages that the seed names as each scale's source."""
    good, bad = {"csat": ("satisfied", "dissatisfied"), "ces": ("easy", "hard")}[metric]
    assert bands(metric, scale) == {good: best, bad: rest}


def test_five_points_promote_at_the_top_alone():
    for metric in ("nps", "enps"):
        assert bands(metric, "1-5") == {"detractor": [1, 2, 3], "passive": [4], "promoter": [5]}


def test_every_scale_names_its_source_once():
    sources = defaultdict(set)
    for row in ROWS:
        sources[row["metric"], row["scale"]].add(row["source"])
    assert all(len(named) == 1 and all(named) for named in sources.values())


ENPS = "metric enps, survey type relational has answers on several scales: "
FIX = "; give one of them a survey_type or a metric of its own"


@pytest.mark.parametrize(
    ("answers", "surveys", "messages"),
    [
        ([("hr", None, "enps", "relational", "0-10", 10)], [], []),
        (
            [
                ("hr", None, "enps", "relational", "0-10", 5),
                ("form", None, "enps", "relational", "1-5", 5),
            ],
            [],
            [f"{ENPS}0-10 (5 from hr), 1-5 (5 from form){FIX}"],
        ),
        # what answers do not say, their survey does; the same source may have both
        (
            [
                ("hr", "a", None, None, None, 3),
                ("hr", "b", None, None, None, 4),
                ("form", None, "enps", "relational", "1-5", 1),
            ],
            [("a", "enps", "relational", "0-10"), ("b", "enps", "relational", "1-5")],
            [f"{ENPS}0-10 (3 from hr), 1-5 (1 from form, 4 from hr){FIX}"],
        ),
        # another survey type or metric is another name
        (
            [
                ("hr", None, "enps", "relational", "0-10", 5),
                ("form", None, "enps", "short", "1-5", 5),
                ("hr", None, "csat", "relational", "1-5", 5),
            ],
            [],
            [],
        ),
        # a cell that is no name is not repeated
        (
            [
                ("hr", None, "enps", "ann@mail.example", "0-10", 1),
                ("hr", None, "enps", "ann@mail.example", "1-5", 1),
            ],
            [],
            [
                f"{ENPS.replace('relational', '(no plain name)')}0-10 (1 from hr), 1-5 (1 from hr){FIX}"
            ],
        ),
    ],
    ids=["one", "two", "of surveys", "names", "cells"],
)
def test_a_mixture_is_named_with_its_numbers_and_sources(answers, surveys, messages):
    sql = compiled_inline((PROJECT / "tests/dbt/one_scale_for_a_metric.sql").read_text("utf-8"))
    with empty_database() as connection:
        for source, survey, metric, survey_type, scale, count in answers:
            connection.execute(
                "insert into nps.intermediate.int_survey_responses_versioned "
                "(source, survey_key, metric, survey_type, scale, row_status) "
                f"select ?, ?, ?, ?, ?, 'accepted' from range({count})",
                [source, survey, metric, survey_type, scale],
            )
        # what does not count is not mixed
        connection.execute(
            "insert into nps.intermediate.int_survey_responses_versioned "
            "(source, metric, survey_type, scale, row_status) "
            "values ('old', 'csat', 'relational', '1-7', 'superseded'), "
            "('old', 'enps', 'relational', '1-7', 'quarantined')"
        )
        for survey in surveys:
            connection.execute(
                "insert into nps.intermediate.int_surveys_versioned "
                "(survey_key, metric, survey_type, scale, row_status) "
                "values (?, ?, ?, ?, 'accepted')",
                survey,
            )
        assert [message for (message,) in connection.execute(sql).fetchall()] == messages
