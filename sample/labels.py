"""Comments of the relational survey that somebody has read: the theme of each.

The lexicon knows all of these themes but ``product``, which is this business's own.
"""

from __future__ import annotations

import random

from sample import truths, voices
from sample.answers import Answer
from sample.tables import Row, table


def pulse_labels(rng: random.Random, answers: list[Answer]) -> bytes:
    """As many comments of each theme as truths.LABELLED says, some of delivery read as product."""
    theme_of = {
        (language, sentence): theme
        for language, by_class in voices.SENTENCES.items()
        for sentences in by_class.values()
        for theme, sentence in zip(voices.THEMES, sentences, strict=True)
    }
    rows: list[Row] = []
    for theme, count in truths.LABELLED.items():
        about = [a for a in answers if theme_of.get((a.language, a.comment)) == theme]
        chosen = rng.sample(about, count)
        misread = truths.MISREAD_DELIVERIES if theme == "delivery" else 0
        rows += [(answer.response_id, "product") for answer in chosen[:misread]]
        rows += [(answer.response_id, theme.title()) for answer in chosen[misread:]]
    return table(("response", "theme"), rows)
