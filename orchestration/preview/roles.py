"""Which column of a table is likely which canonical column, by its name and by what it holds."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Collection, Iterable, Sequence

from orchestration.preview.profile import Profile
from orchestration.workspace.current import PROJECT_DIR
from orchestration.workspace.segments import PERSONAL_NAME

_WHO = "customer|client|user|member|contact|person|subscriber|guest|buyer|shopper|patient|kunde"
_ID = "id|no|nr|num|number|key|ref|uuid|code"
CUSTOMER = re.compile(rf"({_WHO})s?(_({_ID}))?|cust_({_ID})|who|external_(data_)?reference")
_ANSWER = re.compile(
    rf"(survey_)?(response|respondent|answer|submission|review|feedback)(_({_ID}))|response|token"
)
_ANY_ID = re.compile(rf"({_ID})|.*_({_ID})|#")
ACCOUNT = re.compile(rf"(account|company|organi[sz]ation|org)(_({_ID}))?")
# What names of columns say of a question; the first is sure.
ASKS_NPS = re.compile(
    r"(^|[_ ])e?nps($|[_ ])|net_promoter|recommend|empfehl|recommand|raccomand|recomend|aanbevel"
)
_ASKS_SCORE = re.compile(r"score|rating|rate|likel|points|stars|grade|satisf|csat|ces|effort|note")
# Numbers that no respondent gave.
_NO_QUESTION = re.compile(
    r"status|progress|finished|duration.*|.*_(id|no|nr|count|index|group|order|seconds)|id|no|nr|#|"
    r"page|month|day|week|.*quarter|.*year|age|children|.*_nps_group|location_.*|version|is_.*|quantity|qty"
)
_NUMBERED = re.compile(r"q(id|uestion)?_?\d")
# Names of times, the likeliest first.
_ANSWERED = (
    "submitted", "recorded", "completed", "responded", "answered", "response", "end", "finish",
    "timestamp", "created", "given", "when", "date", "time",
)  # fmt: skip
_JOINED = ("sign", "since", "joined", "registered", "created", "start", "first", "date", "time")
_LEFT = re.compile(r"churn|left|cancel|(^|_)end(ed)?(_|$)|terminat|closed")
_NO_ANSWER = re.compile(
    r"birth|sent|due|expire|updated|modified|changed|start|deliver|opened|invit"
)
_CHANGED = re.compile(r"updated|modified|changed|last_edit")
_PAID = ("amount", "total", "revenue", "sales", "price", "paid", "value", "betrag")
_BOUGHT = ("invoice", "order", "purchase", "paid", "sold", "billing", "date", "time", "created")
_COMMENT = re.compile(r"comment|feedback|verbatim|reason|why|remark|open|free|text|explain|improve")
_PERSONAL = re.compile(
    rf"{PERSONAL_NAME}|.*(_|^)(name|phone|mobile_no|address|street|ip|ipaddress|zip|zipcode|"
    r"postcode|birth.*|latitude|longitude)"
)
_SEGMENT = re.compile(
    r"plan|region|country|state|segment|tier|product|channel|industry|market|category|size|team|"
    r"city|store|group|type|language|gender|age|department"
)


def first_match(
    columns: Iterable[Profile], pattern: re.Pattern[str], used: Collection[str] = ()
) -> Profile | None:
    """The first column whose name is of a pattern as a whole."""
    return next((p for p in columns if p.name not in used and pattern.fullmatch(p.key)), None)


def score_columns(columns: Sequence[Profile]) -> list[Profile]:
    """The columns that may be a score, the likeliest first."""
    groups = {p.key.removesuffix("_nps_group") for p in columns if p.key.endswith("_nps_group")}

    def rank(column: Profile) -> int:
        asked = f"{column.key} {column.question.lower()}"
        if ASKS_NPS.search(column.key) or ASKS_NPS.search(asked) or column.key in groups:
            return 0
        return 1 if _ASKS_SCORE.search(asked) else 2

    def may_be(column: Profile) -> bool:
        if _NO_QUESTION.fullmatch(column.key):
            return False
        if rank(column) < 2:
            return column.is_score or column.is_nearly_score
        # a number of which nothing says that somebody was asked for it: two values are a yes or no
        return column.is_score and (column.distinct > 2 or bool(_NUMBERED.match(column.key)))

    return sorted((c for c in columns if may_be(c)), key=rank)


def is_sure(column: Profile, columns: Sequence[Profile]) -> bool:
    """Whether a column says itself that it is the score: by its name, or by the question's text."""
    asked = f"{column.key} {column.question.lower()}"
    has_group = any(p.key == f"{column.key}_nps_group" for p in columns)
    return bool(ASKS_NPS.search(asked)) or has_group


def is_likely(column: Profile) -> bool:
    """Whether its name is that of some score, and a value is beyond five points."""
    return bool(_ASKS_SCORE.search(column.key)) and (column.high or 0) > 5


def _ranked(
    columns: Iterable[Profile], words: Sequence[str], without: re.Pattern[str] | None = None
) -> list[Profile]:
    """Columns by the first of some words in their name; none of them comes last."""

    def rank(column: Profile) -> int:
        is_out = without is not None and without.search(column.key) is not None
        hits = (at for at, word in enumerate(words) if word in column.key)
        return next(hits, len(words)) + 100 * is_out

    return sorted(columns, key=rank)


def answered_at(columns: Sequence[Profile]) -> Profile | None:
    """When an answer was given: the time whose name says so, else any time of every row."""
    times = [c for c in columns if c.is_time and c.filled >= 0.5 * c.rows]
    ranked = _ranked(times, _ANSWERED, _NO_ANSWER)
    return ranked[0] if ranked else None


def joined_at(columns: Sequence[Profile]) -> Profile | None:
    """When somebody became a customer."""
    times = [c for c in columns if c.is_time and not _LEFT.search(c.key)]
    ranked = _ranked(times, _JOINED, re.compile(r"birth|updated|modified|month"))
    return ranked[0] if ranked else None


def left_at(columns: Sequence[Profile]) -> Profile | None:
    """When somebody stopped being one."""
    return next((c for c in columns if c.is_time and _LEFT.search(c.key)), None)


def changed_at(columns: Sequence[Profile]) -> Profile | None:
    """When an answer was changed last."""
    return next((c for c in columns if c.is_time and _CHANGED.search(c.key)), None)


def bought_at(columns: Sequence[Profile]) -> Profile | None:
    """When something was paid or ordered."""
    times = [c for c in columns if c.is_time and c.filled == c.rows]
    ranked = _ranked(times, _BOUGHT, re.compile(r"birth|updated|month|due|deliver"))
    return ranked[0] if ranked else None


def amount_paid(columns: Sequence[Profile]) -> Profile | None:
    """What was paid: a column of numbers whose name says so."""
    return next(
        (c for word in _PAID for c in columns if word in c.key.split("_") and c.is_number), None
    )


def email_of(columns: Iterable[Profile]) -> Profile | None:
    """The column of e-mail addresses, the fullest of several."""
    return max((c for c in columns if c.is_email), key=lambda c: c.filled, default=None)


def customer_of(columns: Sequence[Profile]) -> Profile | None:
    """The column that names the customer, if it is filled."""
    found = [c for c in columns if CUSTOMER.fullmatch(c.key) and c.filled and not c.is_email]
    return found[0] if found else None


def answer_id(columns: Sequence[Profile], used: Collection[str]) -> Profile | None:
    """The column that names the answer: one that is another in every row, and called an id."""
    keys = [c for c in columns if c.is_key and c.name not in used and not c.is_email]
    for is_it in (_ANSWER.fullmatch, _ANY_ID.fullmatch):
        found = [c for c in keys if is_it(c.key) and not c.is_time]
        if found:
            return found[0]
    return None


def comment_of(columns: Sequence[Profile], used: Collection[str]) -> Profile | None:
    """The column of free texts: called a comment, or long and different."""
    texts = [
        c
        for c in columns
        if c.name not in used
        and not (c.is_time or c.is_number or c.is_email)
        and (c.filled or _COMMENT.search(c.key))
        and not _PERSONAL.fullmatch(c.key)
    ]
    named = [c for c in texts if _COMMENT.search(c.key) and (c.distinct > 0.3 * c.filled)]
    free = [c for c in texts if c.length > 25 and c.distinct > 0.6 * c.filled]
    return next(iter([*named, *sorted(free, key=lambda c: -c.length)]), None)


def attributes_of(columns: Sequence[Profile], used: Collection[str], most: int) -> list[Profile]:
    """Columns of few different texts, by which answers can be grouped."""

    def is_group(c: Profile) -> bool:
        few = 2 <= c.distinct <= max(2, min(60, c.filled // 3))
        is_text = not (c.is_time or c.is_number or c.is_email or c.is_score) and c.length <= 40
        return few and is_text and not _PERSONAL.fullmatch(c.key) and c.filled >= 0.3 * c.rows

    found = [c for c in columns if c.name not in used and is_group(c)]
    named = [c for c in found if _SEGMENT.search(c.key)]
    return (named + [c for c in found if c not in named])[:most]


def answer_status(columns: Sequence[Profile], used: Collection[str]) -> Profile | None:
    """A column that says of each answer whether it is complete, in words that a run knows."""
    with (PROJECT_DIR / "seeds" / "boolean_words.csv").open(encoding="utf-8", newline="") as stream:
        known = {
            row["word"]
            for row in csv.DictReader(stream)
            if row["languages"] == "status of an answer"
        }
    return next(
        (
            c
            for c in columns
            if c.name not in used
            and c.words
            and {word.strip().lower() for word in c.words} <= known
        ),
        None,
    )


def named(columns: Sequence[Profile], used: Collection[str]) -> Callable[[str], Profile | None]:
    """A search for a filled column by a pattern of its name."""

    def find(pattern: str) -> Profile | None:
        found = first_match(columns, re.compile(pattern), used)
        return found if found and found.filled else None

    return find
