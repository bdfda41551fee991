"""Entries whose rows hold several answers: each answer as an entry of its own, and its mistakes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from orchestration.workspace.model import ANSWER_COLUMNS, ANSWER_CONSTANTS

Raw = Mapping[str, Any]


def raw_parts(raw: Raw) -> list[Raw]:
    """An entry as written, once for each of its answers; the entry itself if it has none.

    What is no mapping is reported elsewhere, and taken for an empty one here.
    """
    answers = raw.get("answers")
    if not isinstance(answers, list) or not answers:
        return [raw]
    return [_part(raw, answer if isinstance(answer, dict) else {}) for answer in answers]


def _part(raw: Raw, answer: Raw) -> Raw:
    columns, constants, values = (
        raw[key] if isinstance(raw.get(key), dict) else {}
        for key in ("columns", "constants", "values")
    )
    own = {name for name in (*ANSWER_COLUMNS, *ANSWER_CONSTANTS) if answer.get(name) is not None}
    common = {name: each for name, each in columns.items() if name not in own}
    rest = {name: text for name, text in constants.items() if name not in own}
    part = {
        **raw,
        "columns": {**common, **{name: answer[name] for name in ANSWER_COLUMNS if name in own}},
        "constants": {**rest, **{name: answer[name] for name in ANSWER_CONSTANTS if name in own}},
    }
    if answer.get("values") is not None:
        part["values"] = {**values, "score": answer["values"]}
    return part


def answers_mistakes(raw: Raw, mistakes: Callable[[Raw], list[str]]) -> list[str]:
    """What is wrong with an entry, answer by answer; what all of them share is said once.

    Args:
        raw: the entry as written.
        mistakes: finds the mistakes of an entry of one answer.
    """
    parts = raw_parts(raw)
    if parts != [raw] and raw.get("entity") != "survey_responses":
        return [*mistakes(raw), "answers: only survey_responses have them; remove the key"]
    found = [list(dict.fromkeys(mistakes(part))) for part in parts]
    if parts == [raw]:
        return found[0]
    counts = Counter(line for lines in found for line in lines)
    common = [line for line in counts if counts[line] == len(parts)]
    own = [
        f"answers[{place}]: {line}"
        for place, lines in enumerate(found)
        for line in lines
        if line not in common
    ]
    return [*common, *own, *_names_mistakes(raw)]


def _names_mistakes(raw: Raw) -> list[str]:
    """Answers without a name of their own, and a score beside them."""
    lines = []
    if isinstance(columns := raw.get("columns"), dict) and "score" in columns:
        lines.append("columns.score: each of answers has its own; remove one of the two")
    names = [
        str(answer.get("name") or answer.get("metric") or "").strip().lower()
        for answer in raw["answers"]
        if isinstance(answer, dict)
    ]
    if not all(names):
        lines.append("answers: one has neither a name nor a metric; give it a name")
    twice = sorted(name for name, count in Counter(names).items() if name and count > 1)
    lines += [f"answers: two are called '{name}'; give each a name of its own" for name in twice]
    return lines
