"""Themes learned from labels: what is held back, what is not learned, and that it beats the lexicon.

The comments are made of a business's own words (names of its products and plans), which no lexicon
knows, and of words that the lexicon has: half of what each theme is spoken of in either.
"""

from __future__ import annotations

import random
import sys

import numpy as np
import pytest
from sklearn.metrics import f1_score

from orchestration.statistics.themes import LEARNED, Rules, learned_themes

RULES = Rules(least=10, folds=5, confidence=0.5, seed=2025)
# theme: words of the lexicon, words of this business alone
WORDS = {
    "price": (("price", "expensive"), ("goldpack", "quarterly uplift")),
    "support": (("support", "ticket"), ("bluedesk", "the blue team")),
    "speed": (("slow", "loading"), ("treacle", "kettle time")),
    "delivery": (("delivery", "parcel"), ("vanline", "drop slot")),
}
FILLERS = [
    "we",
    "think",
    "that",
    "this",
    "month",
    "our",
    "office",
    "saw",
    "the",
    "usual",
    "thing",
    "again",
    "with",
    "some",
    "of",
    "it",
]


def comments(count: int, seed: int) -> list[tuple[str, str, str, str]]:
    """Key, text, themes that the lexicon finds, themes that a reader finds."""
    rng = random.Random(seed)
    rows = []
    for place in range(count):
        words, found, named = rng.choices(FILLERS, k=rng.randint(4, 9)), [], []
        for theme in rng.sample(sorted(WORDS), rng.choice((0, 1, 1, 2))):
            is_known = rng.random() < 0.5
            words.insert(rng.randrange(len(words)), rng.choice(WORDS[theme][0 if is_known else 1]))
            named.append(theme)
            if is_known:
                found.append(theme)
        rows.append((f"{place:05}", " ".join(words), "|".join(found), "|".join(named)))
    return rows


def more(rows):
    rest = iter([row[:3] for row in rows])
    return lambda most: [row for _, row in zip(range(most), rest, strict=False)]


def table(keys: list[str], pairs: set[tuple[str, str]]) -> np.ndarray:
    return np.array([[(key, theme) in pairs for theme in sorted(WORDS)] for key in keys])


@pytest.fixture(scope="module")
def learned():
    labelled, others = comments(500, 1), comments(2000, 2)
    others = [(f"x{key}", *rest) for key, *rest in others]
    return labelled, others, learned_themes(labelled, more(others), RULES).to_pylist()


def test_five_hundred_labels_beat_the_lexicon(learned):
    """On comments that nobody labelled, and on those that were, by models that had not seen them."""
    labelled, others, rows = learned
    for given, is_labelled in ((others, False), (labelled, True)):
        keys = [key for key, *_ in given]
        named = table(keys, {(key, t) for key, _, _, ts in given for t in ts.split("|")})
        lexicon = table(keys, {(key, t) for key, _, ts, _ in given for t in ts.split("|")})
        pairs = {(r["response_key"], r["theme"]) for r in rows if r["is_labelled"] == is_labelled}
        model = table(keys, pairs)
        by_model = f1_score(named, model, average="micro")
        assert by_model > f1_score(named, lexicon, average="micro") + 0.1
        assert by_model > 0.9


def test_every_row_is_likely_enough_and_found_once(learned):
    _, _, rows = learned
    assert all(0.5 <= row["confidence"] <= 1 for row in rows)
    pairs = [(row["response_key"], row["theme"]) for row in rows]
    assert len(pairs) == len(set(pairs))


def test_labels_of_one_comment_teach_nothing_about_itself():
    """What a comment alone says is not found in it: its own label was held back."""
    labelled = comments(200, 3)
    odd = [("z0001", "xylophone", "", "price"), ("z0002", "quincunx", "", "price")]
    rows = learned_themes([*labelled, *odd], more([]), RULES).to_pylist()
    sure = {r["response_key"]: r["confidence"] for r in rows if r["theme"] == "price"}
    again = learned_themes([*labelled, *odd], more(odd), RULES).to_pylist()
    seen = [r["confidence"] for r in again if not r["is_labelled"] and r["theme"] == "price"]
    assert len(seen) == 2
    assert max(sure.get("z0001", 0), sure.get("z0002", 0)) < min(seen)


def test_a_rare_theme_is_not_learned():
    labelled = [(key, text, found, "") for key, text, found, _ in comments(100, 4)]
    rare = [(f"r{n}", "a rare thing", "", "rare") for n in range(9)]
    assert learned_themes([*labelled, *rare], more(comments(50, 5)), RULES) == LEARNED.empty_table()


def test_the_same_labels_find_the_same_themes(learned):
    labelled, others, rows = learned
    assert learned_themes(labelled, more(others), RULES).to_pylist() == rows


def test_without_labels_nothing_is_imported():
    """scikit-learn costs seconds: the module is imported by every build that has the model."""
    import subprocess

    code = "import orchestration.statistics.themes, sys; sys.exit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
