"""A classifier of comments, trained on comments that a reader has labelled.

Each theme has a logistic regression on tf-idf of words, of characters (which make do without the
rules of any language) and on what the lexicon finds: so it begins where the lexicon ends. Classes
are weighed equally, as few comments name a theme. No text of a comment leaves this module.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

LEARNED = pa.schema(
    {
        "response_key": pa.string(),
        "theme": pa.string(),
        "confidence": pa.float64(),
        "is_labelled": pa.bool_(),
    }
)
AT_ONCE = 20_000  # comments: a few dozen MB of features

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Rules:
    """How themes are learned.

    Attributes:
        least: labelled comments that name a theme, below which it is not learned.
        folds: labelled comments are predicted by models that have not seen them, in so many parts.
        confidence: a theme is found from this probability on.
        seed: decides which comments are in which part.
    """

    least: int
    folds: int
    confidence: float
    seed: int


class _Features:
    """Texts and themes of the lexicon as a sparse matrix, by the words of the texts learned."""

    def __init__(self, texts: Sequence[str], found: Sequence[str]) -> None:
        from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

        self._of_texts = [
            TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\w+"),  # noqa: S106
            TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True),
        ]
        names = sorted({name for each in found for name in _names(each)})
        self._of_themes = CountVectorizer(analyzer=_names, vocabulary=names or ["none"])
        for vectorizer in self._of_texts:
            # a word or two letters of which every text has one, so that no vocabulary is empty
            vectorizer.fit([*texts, "none"])

    def matrix(self, texts: Sequence[str], found: Sequence[str]) -> Any:
        """One row for each text."""
        from scipy.sparse import hstack

        parts = [vectorizer.transform(texts) for vectorizer in self._of_texts]
        return hstack([*parts, self._of_themes.transform(found)]).tocsr()


class _Classifier:
    """One regression for each theme that enough comments name."""

    def __init__(
        self, texts: Sequence[str], found: Sequence[str], named: dict[str, npt.NDArray[np.bool_]]
    ) -> None:
        from sklearn.linear_model import LogisticRegression

        self._features = _Features(texts, found)
        matrix = self._features.matrix(texts, found)
        self._models = {
            theme: LogisticRegression(class_weight="balanced", solver="liblinear").fit(matrix, here)
            for theme, here in named.items()
            if 0 < here.sum() < len(here)
        }

    def probabilities(self, texts: Sequence[str], found: Sequence[str]) -> dict[str, Floats]:
        """How likely each text names each theme that was learned."""
        matrix = self._features.matrix(texts, found)
        return {name: model.predict_proba(matrix)[:, 1] for name, model in self._models.items()}


def learned_themes(
    labelled: Sequence[tuple[str, str, str, str]],
    more: Callable[[int], list[tuple[str, str, str]]],
    rules: Rules,
) -> pa.Table:
    """The themes of all comments, as a model finds them.

    Args:
        labelled: key, text, themes of the lexicon and labels of each labelled comment, the latter
            two separated by bars; in an order that does not change.
        more: returns the next so many of the other comments: key, text, themes of the lexicon.
        rules: how themes are learned.

    Returns:
        A row for each comment and theme found, with its probability. Labelled comments are
        predicted by models that were trained without them.
    """
    keys, texts, found, labels = (list(column) for column in zip(*labelled, strict=True))
    themes = sorted({name for each in labels for name in _names(each)})
    named = {theme: np.array([theme in _names(each) for each in labels]) for theme in themes}
    named = {theme: here for theme, here in named.items() if here.sum() >= rules.least}
    tables = [LEARNED.empty_table()]
    if named and len(keys) >= rules.folds:
        held_back = _held_back(texts, found, named, rules)
        tables.append(_found(keys, held_back, rules.confidence, is_labelled=True))
        classifier = _Classifier(texts, found, named)
        for rows in iter(lambda: more(AT_ONCE), []):
            others, other_texts, other_found = zip(*rows, strict=True)
            likely = classifier.probabilities(other_texts, other_found)
            tables.append(_found(others, likely, rules.confidence, is_labelled=False))
    return pa.concat_tables(tables)


def _held_back(
    texts: list[str], found: list[str], named: dict[str, npt.NDArray[np.bool_]], rules: Rules
) -> dict[str, Floats]:
    """The probabilities of labelled comments, by models trained on the other folds."""
    part = np.random.default_rng(rules.seed).permutation(len(texts)) % rules.folds
    likely = {theme: np.zeros(len(texts)) for theme in named}
    for fold in range(rules.folds):
        train, held = np.flatnonzero(part != fold), np.flatnonzero(part == fold)
        classifier = _Classifier(
            [texts[place] for place in train],
            [found[place] for place in train],
            {theme: here[train] for theme, here in named.items()},
        )
        predicted = classifier.probabilities(
            [texts[place] for place in held], [found[place] for place in held]
        )
        for theme, values in predicted.items():
            likely[theme][held] = values
    return likely


def _found(
    keys: Sequence[str], likely: dict[str, Floats], least: float, *, is_labelled: bool
) -> pa.Table:
    """Rows of the themes that are likely enough."""
    rows = [
        (keys[place], theme, float(values[place]))
        for theme, values in likely.items()
        for place in np.flatnonzero(values >= least).tolist()
    ]
    columns = [list(column) for column in zip(*rows, strict=True)] or [[], [], []]
    return pa.table([*columns, [is_labelled] * len(rows)], schema=LEARNED)


def _names(listed: str) -> list[str]:
    """The themes that bars separate."""
    return [name for name in listed.split("|") if name]
