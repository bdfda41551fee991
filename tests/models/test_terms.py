"""Terms that detractors write more often: counted as Python's re does, tested as statsmodels does."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from datetime import date, timedelta

import duckdb
import numpy as np
import pandas as pd
import pytest
from dbt_support import compiled, empty_database, rebuild
from scipy import stats
from statsmodels.stats.contingency_tables import Table2x2
from statsmodels.stats.multitest import multipletests

AS_OF = date(2025, 12, 31)
WINDOW = 30
LEAST = 3  # voices of a term
COUNTS = ["responses", "compared_responses", "all_responses", "compared_all_responses"]
CELL = ["metric", "survey_type", "language"]


def emerging(connection: duckdb.DuckDBPyConnection, terms: pd.DataFrame) -> pd.DataFrame:
    """What emerging_terms makes of counted terms; a survey type is a series of its own."""
    series = terms[["metric", "survey_type"]].drop_duplicates()
    series = series.assign(window_days=WINDOW, as_of_on=AS_OF)
    for table, rows in {"int_terms_counted": terms, "int_headline_windows_chosen": series}.items():
        connection.register("rows", rows)
        connection.execute(f"insert into intermediate.{table} by name from rows")
        connection.unregister("rows")
    return connection.execute(f"from ({compiled('emerging_terms')})").df()


def counted(survey_type: object, responses: np.ndarray, answers: np.ndarray) -> pd.DataFrame:
    """Terms of one language: a row of two counts each, of as many comments."""
    return pd.DataFrame(
        {
            "metric": "nps", "survey_type": str(survey_type), "language": "en",
            "term": [f"term {place:04}" for place in range(len(responses))], "kind": "word",
            "voices": responses.sum(axis=1),
            "responses": responses[:, 0], "compared_responses": responses[:, 1],
            "all_responses": answers[0], "compared_all_responses": answers[1],
        }
    )  # fmt: skip


def prior_share(connection: duckdb.DuckDBPyConnection) -> float:
    ((share,),) = connection.execute(
        "select value from seeds.assumptions where name = 'emerging_prior_share'"
    ).fetchall()
    return share


# --- the test -----------------------------------------------------------------------------------


def test_odds_and_p_agree_with_statsmodels():
    """A 2 x 2 table with the prior's comments added to each row, and its Wald test."""
    rng = np.random.default_rng(2025)
    answers = np.array([130, 170])
    responses = rng.binomial(answers, rng.uniform(0, 0.3, (80, 1)))
    responses[:3] = (0, 9), (9, 0), answers  # gone, new, and in every comment
    with empty_database() as connection:
        found = emerging(connection, counted("relational", responses, answers))
        share = prior_share(connection)
    found = found.sort_values("term", ignore_index=True)
    assert list(found["is_emerging"]) == list(
        (found["log_odds"] > 0) & (found["p_adjusted"] <= 0.05)
    )
    assert pd.isna(found.loc[2, ["log_odds", "p_value", "p_adjusted"]]).all()
    tested = found.drop(index=2)
    for row, counts in zip(tested.itertuples(), np.delete(responses, 2, axis=0), strict=True):
        prior = share * np.array([counts.sum(), (answers - counts).sum()])
        table = Table2x2(np.column_stack([counts, answers - counts]) + prior)
        assert (row.log_odds, row.log_odds_ci_low, row.log_odds_ci_high) == pytest.approx(
            (table.log_oddsratio, *table.log_oddsratio_confint()), rel=1e-9, abs=1e-12
        )
        assert row.p_value == pytest.approx(table.log_oddsratio_pvalue(), rel=1e-9)
        assert (row.share, row.compared_share) == pytest.approx(tuple(counts / answers), rel=1e-12)
    adjusted = multipletests(tested["p_value"], method="fdr_bh")[1]
    assert tested["p_adjusted"].to_numpy() == pytest.approx(adjusted, rel=1e-9)
    assert set(found["comparisons"]) == {len(tested)}


@pytest.mark.simulation
def test_hardly_any_term_emerges_where_nothing_changed():
    """300 pairs of windows, each of 200 terms of unchanged frequency: one emerges in 5 % at most."""
    rng = np.random.default_rng(11)
    terms = []
    for place in range(300):
        answers = rng.integers(40, 400, 2)
        likely = np.minimum(0.4, 0.5 / np.arange(1, 201))[:, np.newaxis]
        responses = rng.binomial(answers, likely)
        terms.append(counted(place, responses[responses.sum(axis=1) >= LEAST], answers))
    with empty_database() as connection:
        found = emerging(connection, pd.concat(terms))
    wrong = found.groupby("survey_type")["is_emerging"].any()
    assert len(wrong) == 300
    assert wrong.mean() <= 0.05 + stats.norm.ppf(0.999) * np.sqrt(0.05 * 0.95 / 300)


@pytest.mark.simulation
def test_a_term_that_a_tenth_begin_to_write_is_found():
    """Of 300 comments a window, beside 200 terms of unchanged frequency: nine times in ten."""
    rng = np.random.default_rng(12)
    terms = []
    for place in range(200):
        answers = np.array([300, 300])
        likely = np.minimum(0.4, 0.5 / np.arange(1, 202))[:, np.newaxis].repeat(2, axis=1)
        likely[0] = 0.1, 0.0
        responses = rng.binomial(answers, likely)
        terms.append(counted(place, responses[responses.sum(axis=1) >= LEAST], answers))
    with empty_database() as connection:
        found = emerging(connection, pd.concat(terms))
    assert found.loc[found["term"] == "term 0000", "is_emerging"].mean() >= 0.9


# --- the counts ---------------------------------------------------------------------------------

WORDS = [
    *("price", "Café", "x", "the", "The", "was", "24h", "2024", "late,", "late.", "(box)", "don't"),
    *(
        "ann@mail.example",
        "@team",
        "https://shop",
        "shop.example/a?b",
        "easy-to-use",
        "价格",
        "太贵。",
    ),
    *("app闪退", "größe", "цена", "высокая", "I", "¡qué!", "https", "v2.x", "2.5"),
]
COMMON = {"en": {"the", "was"}, "ru": {"высокая"}, "zh": set()}
HAN = re.compile(r"[\u4e00-\u9fff]")


def terms_of(comment: str, language: str) -> set[str]:
    """A comment's terms, by Python: chunks between blanks, then runs of letters and digits."""
    found: set[str] = set()
    chunks = [
        "" if re.search(r"[@＠]|://|[^\W_]\.[^\W\d_]", chunk) else chunk
        for chunk in re.split(r"(?<=\s)|(?=\s)", comment)
    ]
    text = unicodedata.normalize("NFD", "".join(chunks).lower())
    text = "".join(letter for letter in text if not unicodedata.combining(letter))
    parts = re.findall(r"[\u4e00-\u9fff]|[^\W_\u4e00-\u9fff]+|[\W_]", text)
    for place, part in enumerate(parts):
        after = parts[place + 1] if place + 1 < len(parts) else ""
        if HAN.match(part):
            found |= {part + after} if HAN.match(after) else set()
        elif is_word(part, language):
            found.add(part)
            # one character between them, or none where a Chinese one would part them
            following = parts[place + 2] if place + 2 < len(parts) else ""
            if re.fullmatch(r"[\W_]", after) and is_word(following, language):
                found.add(f"{part} {following}")
    return found


def is_word(part: str, language: str) -> bool:
    return bool(re.fullmatch(r"[^\W\d_]{2,}", part)) and not (
        HAN.match(part) or part in COMMON[language]
    )


def test_terms_are_those_that_python_finds():
    """Random comments of random voices on random days, in languages that are known or not."""
    rng = np.random.default_rng(5)
    size = 1200
    languages = rng.choice(["en", "ru", "zh"], size, p=[0.5, 0.3, 0.2])
    rows = pd.DataFrame(
        {
            "response_key": [f"k{place:05}" for place in range(size)],
            "response_id": [f"r{place:05}" for place in range(size)],
            "source": "shop", "metric": "nps",
            "survey_type": rng.choice(["relational", "transactional"], size),
            "voice_key": rng.integers(0, 300, size).astype(str),
            "contribution": rng.choice([-100, 0, 100], size, p=[0.7, 0.15, 0.15]),
            "has_comment": rng.random(size) < 0.9,
            "responded_on": [AS_OF - timedelta(days=int(d)) for d in rng.integers(0, 70, size)],
            "language": languages,
            "comment": [" ".join(rng.choice(WORDS, rng.integers(1, 8))) for _ in range(size)],
        }
    )  # fmt: skip
    rows["responded_at"] = pd.to_datetime(rows["responded_on"])
    with empty_database() as connection:
        connection.execute(
            "insert into raw.workspace by name select $1 as as_of_on, $2 as min_group_size",
            [AS_OF, LEAST],
        )
        series = rows[["metric", "survey_type"]].drop_duplicates()
        common = [(language, word) for language, words in COMMON.items() for word in words]
        tables = {
            "intermediate.int_headline_windows_chosen": series.assign(
                window_days=WINDOW, as_of_on=AS_OF
            ),
            "marts.fct_nps_responses": rows.drop(columns=["comment", "language"]),
            "restricted.response_comments": rows[["response_key", "comment"]],
            # every tenth comment may be of two languages: it is of English, which most are of
            "intermediate.int_comment_languages": pd.concat(
                [rows[["response_key", "language"]], second_languages(rows)]
            ),
            "seeds.language_words": pd.DataFrame(common, columns=["language", "word"]),
        }
        connection.execute("delete from seeds.language_words")
        for table, given in tables.items():
            connection.register("given", given)
            connection.execute(f"insert into {table} by name from given")
            connection.unregister("given")
        rebuild(connection, ["int_terms_counted"])
        found = connection.execute("from intermediate.int_terms_counted").df()
    rows.loc[rows.index % 10 == 0, "language"] = "en"
    expected = expected_counts(rows)
    assert len(expected) > 50
    names = [*CELL, "term", "voices", *COUNTS]
    pd.testing.assert_frame_equal(
        found[names].sort_values([*CELL, "term"], ignore_index=True),
        expected[names].sort_values([*CELL, "term"], ignore_index=True),
        check_dtype=False,
    )
    is_pair = found["term"].str.contains(" ") | found["term"].str.contains(HAN)
    assert (is_pair == (found["kind"] == "pair")).all()


def second_languages(rows: pd.DataFrame) -> pd.DataFrame:
    """Every tenth comment once more: as English, or where it is English as Russian."""
    some = rows.loc[rows.index % 10 == 0, ["response_key", "language"]]
    return some.assign(language=np.where(some["language"] == "en", "ru", "en"))


def expected_counts(rows: pd.DataFrame) -> pd.DataFrame:
    """The counts of terms by a loop over comments."""
    rows = rows[(rows["contribution"] == -100) & rows["has_comment"]]
    days = np.array([(AS_OF - day).days for day in rows["responded_on"]])
    rows = rows.assign(window=days // WINDOW)[days < 2 * WINDOW]
    rows = rows.sort_values(["responded_at", "response_id"])
    rows = rows.groupby(["metric", "survey_type", "voice_key", "window"]).tail(1)
    totals: Counter[tuple] = Counter()
    named: defaultdict[tuple, list[set[str]]] = defaultdict(lambda: [set(), set()])
    for row in rows.itertuples():
        cell = (row.metric, row.survey_type, row.language)
        totals[*cell, row.window] += 1
        for term in terms_of(row.comment, row.language):
            named[*cell, term][row.window].add(row.voice_key)
    found = [
        (*key, len(new | old), len(new), len(old), totals[*key[:3], 0], totals[*key[:3], 1])
        for key, (new, old) in named.items()
        if len(new | old) >= LEAST
    ]
    return pd.DataFrame(found, columns=[*CELL, "term", "voices", *COUNTS])
