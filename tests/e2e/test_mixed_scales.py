"""Two scales under one name are refused with one line; each under a name of its own is scored."""

from __future__ import annotations

import re

import e2e_support as e2e
import pytest

# Five promoters on 0-10; on 1-5 two promoters, a passive and two detractors: 100 and 0, and never 50.
SCORES = {"tool": (10, 10, 9, 9, 10), "form": (5, 5, 4, 3, 1)}
SCALES = {"tool": "0-10", "form": "1-5"}
# METRICS of a widget on 1-10: 10 and 9, 7, 1 and 6 are two promoters and two detractors.
WIDGET = (10, 9, 7, 1, 6)


def settings(**types: str) -> dict:
    """The workspace, with the survey types of both tools that ask for eNPS."""
    constants = {
        name: {"metric": "enps", "survey_type": survey_type, "scale": SCALES[name]}
        for name, survey_type in types.items()
    }
    constants["widget"] = {"metric": "nps", "survey_type": "relational", "scale": "1-10"}
    return {
        "version": 1,
        "as_of": "2025-12-31",
        "min_group_size": 1,
        "sources": [
            {
                "name": name,
                "entity": "survey_responses",
                "files": "answers.csv",
                "columns": {
                    "response_id": "id", "customer_id": "who", "score": "score",
                    "submitted_at": "at",
                },
                "constants": values,
            }
            for name, values in constants.items()
        ],
    }  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = e2e.declare(
        tmp_path_factory.mktemp("scales"), settings(tool="relational", form="relational")
    )
    for name, scores in {**SCORES, "widget": WIDGET}.items():
        rows = [
            (f"{name}-{number}", f"{name} {number}", str(score), "2025-06-15T10:00:00")
            for number, score in enumerate(scores)
        ]
        e2e.deliver(root, f"{name}/answers.csv", e2e.csv_text(("id", "who", "score", "at"), rows))
    return root


@pytest.fixture(scope="module")
def refused(root):
    return e2e.run(root, "run")


def test_a_mixture_is_refused_with_one_line(refused):
    assert refused.code == 1
    assert "Traceback" not in refused.out + refused.err
    said = (
        "metric enps, survey type relational has answers on several scales: 0-10 (5 from tool), "
        "1-5 (5 from form); give one of them a survey_type or a metric of its own"
    )
    lines = [line for line in refused.out.splitlines() if said in line]
    assert re.search(r" failed +one_scale_for_a_metric: metric enps", lines[0])
    # and as the reason why the models' step failed
    assert len(lines) <= 2


def test_nothing_is_published_of_a_mixture(root, refused):
    assert refused.code == 1
    assert not (root / "published" / "nps.duckdb").exists()


def test_each_scale_under_a_name_of_its_own_is_scored(root, refused):
    assert refused.code == 1
    e2e.declare(root, settings(tool="relational", form="short"))
    e2e.build(root, only=["fct_nps_by_period"])
    sql = (
        "select metric, survey_type, nps, responses from marts.fct_nps_by_period "
        "where time_grain = 'all' and basis = 'responses' order by all"
    )
    assert e2e.marts(root, sql) == [
        ("enps", "relational", 100, 5), ("enps", "short", 0, 5), ("nps", "relational", 0, 5),
    ]  # fmt: skip
