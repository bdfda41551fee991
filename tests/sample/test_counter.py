"""The tablet's answers, recomputed from the delivered file with pandas alone."""

from __future__ import annotations

import pandas as pd
import pytest

from sample import counter
from sample.generate import generate


@pytest.fixture(scope="module")
def answers(tmp_path_factory) -> pd.DataFrame:
    target = tmp_path_factory.mktemp("counter")
    generate(target)
    ((*_, name),) = counter.FILES
    frame = pd.read_csv(target / "landing/counter" / name)
    assert frame["nr"].is_unique and len(frame) == counter.ACCEPTED_ANSWERS
    return frame.sort_values(["at", "nr"])


def counts_of(points: pd.Series) -> tuple[int, int, int]:
    return (points >= 9).sum(), points.between(7, 8).sum(), (points <= 6).sum()


def test_one_customer_gave_nearly_all_answers(answers):
    sizes = answers.groupby("customer_no").size().sort_values()
    assert sizes.tolist() == [1] * 22 + [2, 1000]
    worth = sizes.sum() ** 2 / (sizes**2).sum()
    assert worth == pytest.approx(counter.EFFECTIVE_VOICES)


def test_answers_and_customers_disagree(answers):
    counts = counts_of(answers["points"])
    assert counts == counter.ANSWERS[:3]
    assert 100 * (counts[0] - counts[2]) / 1024 == pytest.approx(counter.ANSWERS.nps, abs=0.05)
    latest = counts_of(answers.groupby("customer_no")["points"].last())
    assert latest == counter.CUSTOMERS[:3]
    assert 100 * (latest[0] - latest[2]) / 24 == counter.CUSTOMERS.nps
