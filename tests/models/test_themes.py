"""Themes of comments: the lexicon on sentences of another hand, and what a theme does to a score.

The sentences (``tests/fixtures/theme_sentences``) were written by another hand than the lexicon, which
was not changed after it had been tried on them. Figures are compared with scipy, scikit-learn's formulas
written out, and simulations.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from functools import cache

import duckdb
import numpy as np
import pytest
from dbt_support import PROJECT_DIR, compiled, empty_database, rebuild
from scipy.stats import norm

SENTENCES = PROJECT_DIR / "tests" / "fixtures" / "theme_sentences"
LANGUAGES = ("de", "en", "es", "fi", "fr", "ru", "zh")
THEMES = {
    *("price", "support", "usability", "reliability", "speed"),
    *("features", "onboarding", "delivery", "billing", "staff"),
}
LEAST_F1 = 0.65
Z = norm.ppf(0.975)


# --- the lexicon --------------------------------------------------------------------------------


@cache
def sentences(language: str) -> list[tuple[str, frozenset[str]]]:
    """The sentences of a language, each with the themes that its author sees in it."""
    with (SENTENCES / f"{language}.csv").open(encoding="utf-8", newline="") as file:
        return [
            (row["text"], frozenset(filter(None, row["themes"].split("|"))))
            for row in csv.DictReader(file)
        ]


def themes_found(comments: Iterable[tuple[str, str | None]]) -> list[frozenset[str]]:
    """The themes that the lexicon finds in each comment of a declared or an unknown language."""
    keyed = [(f"{place:06}", *comment) for place, comment in enumerate(comments)]
    with empty_database() as connection:
        connection.executemany(
            "insert into restricted.response_comments by name "
            "select $1 as response_key, $2 as comment",
            [row[:2] for row in keyed],
        )
        connection.executemany(
            "insert into marts.fct_nps_responses by name select $1 as response_key, $2 as language",
            [(row[0], row[2]) for row in keyed],
        )
        rebuild(connection, ["int_theme_terms_read", "int_comment_languages", "int_themes_matched"])
        rows = connection.execute(
            "select response_key, theme from intermediate.int_themes_matched"
        ).fetchall()
    found: dict[str, set[str]] = {key: set() for key, *_ in keyed}
    for key, theme in rows:
        found[key].add(theme)
    return [frozenset(themes) for themes in found.values()]


def micro_f1(found: list[frozenset[str]], named: list[frozenset[str]]) -> float:
    """2 TP / (2 TP + FP + FN), over all themes together."""
    pairs = list(zip(found, named, strict=True))
    right = sum(len(f & n) for f, n in pairs)
    return 2 * right / sum(len(f) + len(n) for f, n in pairs)


@pytest.mark.parametrize("language", LANGUAGES)
def test_there_are_two_hundred_sentences_of_every_theme(language):
    named = [themes for _, themes in sentences(language)]
    assert len(named) >= 200
    assert set().union(*named) == THEMES


@pytest.mark.parametrize("is_declared", [True, False], ids=["declared", "unknown"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_lexicon_finds_what_another_reader_finds(language, is_declared):
    texts, named = zip(*sentences(language), strict=True)
    found = themes_found((text, language if is_declared else None) for text in texts)
    assert micro_f1(found, list(named)) >= LEAST_F1


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_lexicon_has_terms_for_every_theme(language):
    with (PROJECT_DIR / "seeds" / "theme_terms.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["language"] == language]
    terms = {theme: [r for r in rows if r["theme"] == theme] for theme in THEMES}
    assert min(len(of_theme) for of_theme in terms.values()) >= 15


def test_a_comment_of_a_language_without_terms_has_no_theme():
    # Portuguese that Spanish terms would find something in
    assert themes_found([("O preço é muito caro para nós", None), ("precio caro", "pt")]) == [
        frozenset(),
        frozenset(),
    ]


# --- what a theme does to the score -------------------------------------------------------------

COUNTS = ("promoters", "passives", "detractors")


def published(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """What nps_themes_by_period makes of paired counts."""
    with empty_database() as connection:
        connection.execute("update raw.workspace set min_group_size = 1")
        if not connection.execute("select 1 from raw.workspace").fetchall():
            connection.execute(
                "insert into raw.workspace by name select date '2025-12-31' as as_of_on, "
                "1 as min_group_size"
            )
        table = {name: [row[name] for row in rows] for name in rows[0]}
        insert_columns(connection, "intermediate.int_theme_periods_paired", table)
        result = connection.execute(compiled("nps_themes_by_period"))
        names = [column[0] for column in result.description]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def insert_columns(
    connection: duckdb.DuckDBPyConnection, relation: str, table: dict[str, list[object]]
) -> None:
    """Insert rows that are given by column."""
    import pyarrow as pa

    connection.register("given_rows", pa.table(table))
    connection.execute(f"insert into {relation} by name from given_rows")


def paired(
    theme: str, own: np.ndarray, rest: np.ndarray, before: np.ndarray, rest_before: np.ndarray
):
    """A row of int_theme_periods_paired: counts of answers that name the theme, and of the others."""
    row: dict[str, object] = {
        "time_grain": "quarter", "period_start": "2025-10-01", "compared_period_start": "2025-07-01",
        "period_end": "2025-12-31", "basis": "customers", "metric": "nps",
        "survey_type": "relational", "dimension": "all", "segment": "all", "theme": theme,
        "method": "lexicon", "mrr": None,
    }  # fmt: skip
    for prefix, mine, others in (("", own, rest), ("compared_", before, rest_before)):
        for name, count, other in zip(COUNTS, mine, others, strict=True):
            row[f"{prefix}{name}"] = int(count)
            row[f"{prefix}all_{name}"] = int(count + other)
    return row


def score_and_error(counts: np.ndarray) -> tuple[float, float]:
    """The score of three counts with Agresti and Caffo's answers added, and its standard error."""
    added = counts + np.array([0.75, 1.5, 0.75])
    values = np.array([100.0, 0.0, -100.0])
    mean = added @ values / added.sum()
    return mean, np.sqrt(added @ (values - mean) ** 2 / added.sum() / added.sum())


def impact_and_error(own: np.ndarray, rest: np.ndarray) -> tuple[float, float]:
    """share x (score on the theme - score of the others), and its error by the delta method.

    The share is Agresti and Coull's: z^2 answers are added, half of which name the theme.
    """
    n = own.sum() + rest.sum() + Z**2
    share = (own.sum() + Z**2 / 2) / n
    (mine, my_error), (others, others_error) = score_and_error(own), score_and_error(rest)
    gradient = np.array([share, -share, mine - others])
    errors = np.array([my_error, others_error, np.sqrt(share * (1 - share) / n)])
    return share * (mine - others), float(np.sqrt(gradient**2 @ errors**2))


def test_impact_and_its_change_are_those_of_the_delta_method():
    rng = np.random.default_rng(2025)
    draws = [[rng.integers(1, high, 3) for high in (60, 300, 60, 300)] for _ in range(40)]
    rows = published([paired(f"t{place:02}", *draw) for place, draw in enumerate(draws)])
    p_values = []
    for row in sorted(rows, key=lambda r: str(r["theme"])):
        own, rest, before, rest_before = draws[int(str(row["theme"])[1:])]
        impact, error = impact_and_error(own, rest)
        compared, compared_error = impact_and_error(before, rest_before)
        assert row["impact_ci_low"] == pytest.approx(impact - Z * error, rel=1e-9)
        assert row["impact_ci_high"] == pytest.approx(impact + Z * error, rel=1e-9)
        z = (impact - compared) / np.hypot(error, compared_error)
        assert row["p_value"] == pytest.approx(2 * norm.sf(abs(z)), rel=1e-9)
        n = own.sum() + rest.sum()
        assert row["additive_impact"] == pytest.approx(100 * (own[0] - own[2]) / n, rel=1e-9)
        p_values.append(row["p_value"])
        assert row["comparisons"] == len(draws)
    assert len(p_values) == len(draws)


def test_nineteen_of_twenty_intervals_hold_the_impact():
    """Answers drawn from known shares: the interval of the impact covers it 95 % of the time."""
    rng = np.random.default_rng(7)
    for share, mine, others, n in (
        (0.1, (0.2, 0.2, 0.6), (0.5, 0.3, 0.2), 300),
        (0.4, (0.3, 0.4, 0.3), (0.6, 0.2, 0.2), 100),
        (0.02, (0.1, 0.1, 0.8), (0.5, 0.3, 0.2), 500),
    ):
        true = share * 100 * ((mine[0] - mine[2]) - (others[0] - others[2]))
        draws = []
        for _ in range(1000):
            named = rng.binomial(n, share)
            draws.append((rng.multinomial(named, mine), rng.multinomial(n - named, others)))
        rows = published([paired(f"t{place:04}", *draw, *draw) for place, draw in enumerate(draws)])
        covered = np.mean([r["impact_ci_low"] <= true <= r["impact_ci_high"] for r in rows])
        assert 0.92 <= covered <= 0.98, (share, covered)


# --- how well themes are found --------------------------------------------------------------------


def test_quality_is_that_of_scikit_learn():
    """On random labels, of five themes and a comment that has none, by both methods."""
    from sklearn.metrics import precision_recall_fscore_support

    rng = np.random.default_rng(11)
    themes, keys = ["a", "b", "c", "d", "e"], [f"k{n:03}" for n in range(200)]
    named, found = (rng.random((200, 5)) < 0.3 for _ in range(2))
    listed = {
        "int_theme_labels": [(k, t) for k, row in zip(keys, named, strict=True) for t, x in zip(themes, row, strict=True) if x]
        + [(k, "") for k, row in zip(keys, named, strict=True) if not row.any()],
        "int_themes_matched": [(k, t) for k, row in zip(keys, found, strict=True) for t, x in zip(themes, row, strict=True) if x],
    }  # fmt: skip
    with empty_database() as connection:
        for table, pairs in listed.items():
            columns = {
                "response_key": [key for key, _ in pairs],
                "theme": [theme for _, theme in pairs],
            }
            insert_columns(connection, f"intermediate.{table}", columns)
        rebuild(connection, ["int_theme_quality_measured", "int_theme_methods_chosen"])
        rows = connection.execute(compiled("theme_quality")).fetchall()
    by_row = {(row[0], row[1], row[2]): row for row in rows}
    for average in (None, "micro", "macro"):
        expected = precision_recall_fscore_support(named, found, average=average, zero_division=0)
        for place, theme in enumerate(themes if average is None else ["all"]):
            row = by_row[average or "none", "lexicon", theme]
            assert row[3] == 200
            figures = [x[place] if average is None else x for x in expected[:3]]
            assert row[7:10] == pytest.approx(figures, rel=1e-9)
