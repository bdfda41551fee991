"""The website's survey, recomputed from the delivered files with pandas alone."""

from __future__ import annotations

import pandas as pd
import pytest

from sample import website
from sample.generate import generate


@pytest.fixture(scope="module")
def answers(tmp_path_factory) -> pd.DataFrame:
    target = tmp_path_factory.mktemp("website")
    generate(target)
    files = sorted((target / "landing/website").glob("*.csv"))
    assert {("website", "survey_responses", file.name) for file in files} == website.FILES.keys()
    frames = {file.name: pd.read_csv(file) for file in files}
    for (*_, name), fate in website.FILES.items():
        assert (len(frames[name]), fate.delivered) == (fate.accepted, fate.accepted)
    frame = pd.concat(frames.values())
    assert frame["nr"].is_unique and len(frame) == website.ACCEPTED_ANSWERS
    local = pd.to_datetime(frame["at"], utc=True).dt.tz_convert("Europe/Brussels")
    return frame.assign(month=local.dt.strftime("%Y-%m-01"))


@pytest.mark.parametrize("page", website.SCORES_BY_TOUCHPOINT)
def test_every_month_has_its_score(answers, page):
    months = answers[answers["page"] == page].groupby("month")["points"]
    assert list(months.groups) == list(website.MONTHS)
    for (_, points), score in zip(months, website.SCORES_BY_TOUCHPOINT[page], strict=True):
        counts = ((points >= 9).sum(), points.between(7, 8).sum(), (points <= 6).sum())
        assert (*counts, score.responses) == (*score[:3], 100)
        assert score.nps == score.promoters - score.detractors


def test_one_page_drifts_and_the_other_one_steps(answers):
    """One point a month from 50 on; 40, and from the release on 15."""
    search, checkout = (website.SCORES_BY_TOUCHPOINT[page] for page in ("search", "checkout"))
    assert [score.nps for score in search] == [50 - number for number in range(24)]
    assert [score.nps for score in checkout] == [40] * 15 + [15] * 9
    assert website.MONTHS[15] == website.RELEASED_ON
