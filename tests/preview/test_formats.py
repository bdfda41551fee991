"""Formats of dates: those that read every text, and one for each way of reading them."""

from __future__ import annotations

from datetime import datetime, timedelta

import duckdb
import pytest

from orchestration.preview.formats import FORMATS, fitting_formats
from orchestration.workspace.rules import time_format_mistake

_connection = duckdb.connect(config={"threads": 1})


def fits(*texts: str, numbers: bool = False) -> list[str]:
    return fitting_formats(_connection, texts, numbers=numbers)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["2026-03-04", "2026-12-31T10:00:00Z"], ["iso"]),
        (["03/04/2026", "13/04/2026"], ["%d/%m/%Y"]),
        (["03/04/2026", "04/13/2026"], ["%m/%d/%Y"]),
        (["03/04/2026"], ["%d/%m/%Y", "%m/%d/%Y"]),
        (["04/04/2026"], ["%d/%m/%Y"]),  # the same day either way
        (["03/04/2026", "13/04/2026", "04/13/2026"], []),
        (["3.4.2026 9:05", "31.12.2026 23:59"], ["%d.%m.%Y %H:%M"]),
        (["1/13/26 3:04 PM"], ["%m/%d/%y %I:%M %p"]),
        (["5 März 2026", "6 décembre 2026"], ["%d %b %Y"]),
        (["soon"], []),
        (["2026-03-04", "2026-02-30"], []),
        ([], []),
    ],
)
def test_formats_that_fit_every_text(texts, expected):
    assert fits(*texts) == expected


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["1767225600", "1767312000"], ["epoch_s"]),
        (["1767225600000"], ["epoch_ms"]),
        (["46023", "46023.5"], ["excel"]),
        (["20260103"], ["%Y%m%d"]),
        (["7", "12"], []),
    ],
)
def test_numbers_are_times_only_of_our_days(texts, expected):
    assert fits(*texts, numbers=True) == expected


def test_every_format_may_be_declared():
    assert [each for each in FORMATS if time_format_mistake(each)] == []


def test_every_format_is_found_by_what_it_writes():
    """Three days of which one has a day after the 12th, written by Python in each format."""
    days = [datetime(2026, 1, 31, 14, 5, 9) + timedelta(days=n) for n in range(3)]
    missed = []
    for pattern in FORMATS[1:]:
        texts = [day.strftime(pattern).removesuffix(" ") for day in days]
        found = fits(*(f"{text} +0000" if "%z" in pattern else text for text in texts))
        if not found:
            missed.append(pattern)
    assert missed == []
