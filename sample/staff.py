"""HR's own survey: employees by department, one department too small to be shown.

In the third quarter of 2025 Legal gave three answers. Its figures would follow from the total and
the other departments', so that the next larger one, Finance, is withheld as well. In the fourth
quarter nobody of Legal answered, and nothing is withheld.
"""

from __future__ import annotations

import random
from collections.abc import Iterable

from sample.answers import CLASSES, SCORES, class_counts, daytime
from sample.clock import day_of, iso_utc, slashed_day
from sample.tables import Row, table
from sample.truths import Fate, Score

# --- what is true of it --------------------------------------------------------------------------

SURVEY_TYPE = "staff"
# By quarter and department; of 15 employees each, of Legal 3.
ANSWERS: dict[str, dict[str, Score]] = {
    "2025-07-01": {
        "Support": Score(4, 3, 5, -8.3),
        "Sales": Score(6, 3, 2, 36.4),
        "Product": Score(5, 3, 2, 30.0),
        "Finance": Score(2, 2, 2, 0.0),
        "Legal": Score(0, 1, 2, -66.7),
    },
    "2025-10-01": {
        "Support": Score(6, 3, 3, 25.0),
        "Sales": Score(4, 3, 3, 10.0),
        "Product": Score(5, 2, 2, 33.3),
        "Finance": Score(3, 2, 2, 14.3),
    },
}
SUPPRESSED = {"2025-07-01": {"Finance", "Legal", "(unknown)"}, "2025-10-01": set[str]()}
EMPLOYEES = 63
FILES: dict[tuple[str, str, str], Fate] = {
    ("hr", "employees", "employees.csv"): Fate(63, 63),
    ("hr", "survey_responses", "staff_2025q3.csv"): Fate(42, 42),
    ("hr", "survey_responses", "staff_2025q4.csv"): Fate(38, 38),
}
ACCEPTED_ANSWERS = 80

# --- its deliveries ------------------------------------------------------------------------------


def _departments() -> list[str]:
    """Each employee's department, by number."""
    large: Iterable[str] = ("Support", "Sales", "Product", "Finance")
    return [*large] * 15 + ["Legal"] * 3


def employees(rng: random.Random) -> bytes:
    """63 colleagues in five departments."""
    rows = []
    for number, department in enumerate(_departments()):
        is_legal = department == "Legal"
        hired = day_of("2019-03-01") + (0 if is_legal else rng.randrange(1800))
        has_left = number % 12 == 11 and not is_legal
        rows.append(
            (
                f"E{number + 1:03d}",
                f"colleague{number + 1}@example.com",
                department,
                f"E{number % 4 + 1:03d}" if number > 3 else "",
                slashed_day(hired),
                slashed_day(hired + 400) if has_left else "",
            )
        )
    return table(("employee", "mail", "department", "manager", "hired", "left"), rows)


def staff_responses(rng: random.Random) -> dict[str, bytes]:
    """A file of answers each quarter; every employee answers at most once in it."""
    files = {}
    for quarter, departments in ANSWERS.items():
        rows: list[Row] = []
        for name, score in departments.items():
            staff = [n for n, department in enumerate(_departments(), 1) if department == name]
            classes = [c for c in CLASSES for _ in range(class_counts(score)[c])]
            for number, nps_class in zip(rng.sample(staff, len(classes)), classes, strict=True):
                stamp = daytime(rng, day_of(quarter) + rng.randrange(20, 50))
                rows.append((iso_utc(stamp), f"E{number:03d}", rng.choice(SCORES[nps_class])))
        label = f"{quarter[:4]}q{(int(quarter[5:7]) + 2) // 3}"
        rng.shuffle(rows)
        files[f"staff_{label}.csv"] = table(
            ("nr", "at", "employee", "points"),
            [(f"{label}-{nr:03d}", *row) for nr, row in enumerate(rows, start=1)],
        )
    return files
