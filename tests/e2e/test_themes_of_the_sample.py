"""What comments are about, in the published sample: the themes that drive the fall of plan starter."""

from __future__ import annotations

import math
import re
import unicodedata

import pytest
from sample_support import RELATIONAL, rows

from sample import truths, voices

CELL = (
    f"{RELATIONAL} and time_grain = 'quarter' and dimension = 'plan' and segment = 'starter' "
    "and basis = 'responses'"
)
FALL, BEFORE = "2025-10-01", "2025-07-01"
QUARTER = {FALL: 7, BEFORE: 6}
ALL = {
    FALL: truths.QUARTER_BY_PLAN_AFTER["starter"],
    BEFORE: truths.QUARTER_BY_PLAN_BEFORE["starter"],
}


@pytest.mark.parametrize("theme", ["price", "support"])
@pytest.mark.parametrize("start", [FALL, BEFORE])
def test_the_planted_themes_are_read_back(tables, start, theme):
    (found,) = rows(
        tables,
        "select promoters, passives, detractors, all_responses, impact, additive_impact, "
        f"driver_share, method from marts.nps_themes_by_period where {CELL} "
        f"and period_start = date '{start}' and theme = '{theme}'",
    )
    counts = truths.STARTER_THEMES[QUARTER[start]][theme]
    answers = ALL[start]
    before, after = truths.STARTER_IMPACT[theme]
    assert found == (
        *counts,
        answers.responses,
        pytest.approx(after if start == FALL else before, rel=1e-9),
        pytest.approx(100 * (counts[0] - counts[2]) / answers.responses, rel=1e-9),
        pytest.approx(counts[2] / answers.detractors, rel=1e-9),
        "lexicon",
    )


def test_price_and_support_drive_the_fall(tables):
    found = rows(
        tables,
        "select theme, impact_change, compared_period_start "
        f"from marts.nps_themes_by_period where {CELL} and period_start = date '{FALL}' "
        "order by impact_change limit 2",
    )
    assert [theme for theme, *_ in found] == ["price", "support"]
    for theme, change, compared in found:
        before, after = truths.STARTER_IMPACT[theme]
        assert change == pytest.approx(after - before, rel=1e-9)
        assert str(compared) == BEFORE
    # of all plans, each customer once, both are more than chance
    real = rows(
        tables,
        f"select theme from marts.nps_themes_by_period where {RELATIONAL} and dimension = 'all' "
        "and time_grain = 'quarter' and basis = 'customers' and is_significant "
        f"and period_start = date '{FALL}' and impact_change < 0 order by impact_change",
    )
    assert real == [("price",), ("support",)]


def test_a_theme_is_found_where_the_comment_has_its_term(tables):
    """The term's letters are in the comment, at the place that is published; case and accents apart."""
    ((wrong, named),) = rows(
        tables,
        """
        select
            count(*) filter (
                strip_accents(lower(substr(comment, match_start, match_length)))
                <> strip_accents(replace(term, '*', ''))
            ),
            count(*)
        from private.restricted.response_themes
        inner join private.restricted.response_comments using (response_key)
        where method = 'lexicon'
        """,
    )
    assert wrong == 0
    assert named > truths.RELATIONAL_COMMENTS


def test_the_summary_ends_with_the_themes_that_move_the_score(sample_run):
    last = sample_run.run.out.rstrip().splitlines()[-12:]
    (label,) = [line for line in last if line.startswith("Themes")]
    assert "2025 Q4" in label
    after = " ".join(last[last.index(label) + 1 :])
    # of all plans together as well: the others' comments speak of every theme alike
    assert "price: -" in after and "since 2025 Q3: real" in after


def test_the_quality_of_themes_is_that_of_the_labels(tables):
    found = {
        (method, theme): tuple(figures)
        for method, theme, *figures in rows(
            tables,
            "select method, theme, true_positives, false_positives, false_negatives, "
            "labelled_responses, is_used from marts.theme_quality where average = 'none'",
        )
    }
    labelled = sum(truths.LABELLED.values())
    right = truths.LABELLED["delivery"] - truths.MISREAD_DELIVERIES
    for theme in ("price", "support"):
        assert found["lexicon", theme] == (truths.LABELLED[theme], 0, 0, labelled, True)
    assert found["lexicon", "delivery"][:3] == (right, truths.MISREAD_DELIVERIES, 0)
    own = truths.LABELLED["product"] + truths.MISREAD_DELIVERIES
    assert found["lexicon", "product"] == (0, 0, own, labelled, False)
    # what the lexicon knows nothing of is learned from the labels
    assert found["model", "product"][0] >= truths.LABELLED["product"] * 0.9
    assert found["model", "product"][4]


def test_a_theme_that_was_learned_enters_the_figures(tables):
    methods = dict(
        rows(
            tables,
            "select distinct theme, method from marts.nps_themes_by_period "
            f"where {RELATIONAL} and theme in ('price', 'support', 'product')",
        )
    )
    assert methods == {"price": "lexicon", "support": "lexicon", "product": "model"}


# --- emerging terms -------------------------------------------------------------------------------


def bare(text: str) -> str:
    """Lower case without accents."""
    parts = unicodedata.normalize("NFD", text.lower())
    return "".join(letter for letter in parts if not unicodedata.combining(letter))


@pytest.mark.parametrize("term", truths.EMERGING_TERMS)
def test_what_detractors_begin_to_write_emerges(tables, term):
    """Odds with a tenth of both windows' comments added to each, the term among them as in both."""
    ((now, before),) = rows(
        tables,
        "select count(distinct voice_key) filter (responded_on >= date '2025-10-03'), "
        "count(distinct voice_key) filter (responded_on < date '2025-10-03') "
        f"from marts.fct_nps_responses where {RELATIONAL} and contribution = -100 and has_comment "
        "and language = 'en' and responded_on between date '2025-07-05' and date '2025-12-31'",
    )
    (found,) = rows(
        tables,
        "select kind, voices, responses, all_responses, compared_responses, compared_all_responses, "
        "log_odds, is_emerging, starts_on::varchar, ends_on::varchar from marts.emerging_terms "
        f"where {RELATIONAL} and language = 'en' and term = '{term}'",
    )
    written, others = truths.EMERGING, now - truths.EMERGING
    odds = (1.1 * written) / (others + 0.1 * (others + before))
    odds_before = (0.1 * written) / (before + 0.1 * (others + before))
    assert found == (
        *("word", written, written, now, 0, before),
        pytest.approx(math.log(odds / odds_before), rel=1e-9),
        *(True, "2025-10-03", "2025-12-31"),
    )


def test_nothing_emerges_but_what_was_planted(tables):
    """The new sentence, and what starter's detractors say of price and support in the fall."""
    planted = " ".join(
        [
            truths.EMERGING_SENTENCE,
            *(s for v in voices.SENTENCES.values() for s in v["detractor"][:2]),
        ]
    )
    known = set(re.findall(r"\w+", bare(planted)))
    emerging = rows(
        tables, f"select term from marts.emerging_terms where {RELATIONAL} and is_emerging"
    )
    assert {word for (term,) in emerging for word in term.split()} <= known
    # what a hostile comment holds belongs to one voice, and is published nowhere
    terms = " ".join(term for (term,) in rows(tables, "select term from marts.emerging_terms"))
    assert not {"someone", "robert", "hyperlink", "alert"} & set(terms.split())
    ((fewest,),) = rows(tables, "select min(voices) from marts.emerging_terms")
    assert fewest >= 5


def test_the_summary_names_the_new_words(sample_run):
    text = " ".join(sample_run.run.out.split())
    assert "New words detractors write more often than in the 90 days before: " in text
    assert f"{truths.EMERGING_TERMS[0]} in {truths.EMERGING} of " in text
