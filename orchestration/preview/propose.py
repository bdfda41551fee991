"""Propose the entries of workspace.yml for one table; what its file does not say is a choice."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from orchestration.lake.names import printable
from orchestration.preview import roles
from orchestration.preview.profile import Profile, distinct_together
from orchestration.preview.shape import Table
from orchestration.workspace.rules import SAFE_NAME

_MOST_ATTRIBUTES = 5


@dataclass
class Choice:
    """Something that the files don't say.

    Attributes:
        path: the key of the entry that it belongs to: ``columns``, ``timestamps``, ``constants``.
        question: what is asked.
        options: what may be written, each with a remark.
        chosen: the one that was chosen; None: left open.
    """

    path: str
    question: str
    options: list[tuple[dict[str, str], str]]
    chosen: int | None = None


@dataclass
class Entry:
    """One entry of ``sources``, and the table that it is made from."""

    name: str
    entity: str
    table: Table
    profiles: list[Profile]
    files: str = ""
    columns: dict[str, list[str]] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)
    attributes: dict[str, str] = field(default_factory=dict)
    timestamps: dict[str, str] = field(default_factory=dict)
    null_values: list[str] = field(default_factory=list)
    customer_source: str | None = None
    snapshot_at: str | None = None
    normalise: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    choices: list[Choice] = field(default_factory=list)
    answers: list[dict[str, str]] = field(default_factory=list)
    also: list[Table] = field(default_factory=list)

    @property
    def tables(self) -> list[Table]:
        """The tables of all files that the entry reads."""
        return [self.table, *self.also]


def entries_of(table: Table, profiles: list[Profile]) -> list[Entry]:
    """The entries that can be made of a table; none if it has no score and is of no customers."""
    return _answers(table, profiles) or _customers(table, profiles)


def _answers(table: Table, profiles: list[Profile]) -> list[Entry]:
    """The entry of a table of answers; none if it has no score or no time."""
    candidates = roles.score_columns(profiles)
    when = roles.answered_at(profiles)
    if not candidates or when is None:
        return []
    entry = Entry("", "survey_responses", table, profiles)
    _choose_score(entry, candidates)
    used = {c.name for c in candidates}
    customer, email = roles.customer_of(profiles), roles.email_of(profiles)
    answer = roles.answer_id(profiles, {customer.name} if customer else set())
    if customer and email and customer.name == email.name:
        customer = None
    entry.columns["submitted_at"] = [when.name]
    _time(entry, "submitted_at", when)
    changed = roles.changed_at([p for p in profiles if p.name != when.name])
    if changed:
        entry.columns["updated_at"] = [changed.name]
        _time(entry, "updated_at", changed)
    for name, found in (("customer_id", customer), ("email", email)):
        if found:
            entry.columns[name] = [found.name]
    _response_id(entry, answer)
    used |= {name for names in entry.columns.values() for name in names}
    find = roles.named(profiles, used)
    for name, pattern in (
        ("account_id", roles.ACCOUNT.pattern),
        ("survey_id", "survey(_id|_name)?|campaign(_id)?"),
        ("channel", "(distribution_)?channel|medium"),
        ("touchpoint", "touch_?point|moment|trigger"),
        ("language", "(user_)?(language|lang|locale)"),
    ):
        if found := find(pattern):
            entry.columns[name] = [found.name]
            used.add(found.name)
    if status := roles.answer_status(profiles, used):
        entry.columns["is_test"] = [status.name]
        used.add(status.name)
    comment = roles.comment_of(profiles, used)
    if comment:
        entry.columns["comment"] = [comment.name]
        used.add(comment.name)
    _attributes(entry, used)
    score = entry.columns.get("score")
    words = {w for p in profiles if score and p.name in score for w in p.empty_words}
    entry.null_values = sorted(words)
    return [entry]


def _choose_score(entry: Entry, candidates: list[Profile]) -> None:
    """Map the score, or leave it as a choice; with it go its metric and scale."""
    sure = [c for c in candidates if roles.is_sure(c, entry.profiles)]
    likely = [c for c in candidates if roles.is_likely(c)]
    certain = sure if len(sure) == 1 else likely if not sure and len(likely) == 1 else []
    metrics = {c.name: metric for c in candidates if (metric := _named_metric(c))}
    if len(set(metrics.values())) == len(metrics) > 1:
        _several(entry, [c for c in candidates if c.name in metrics])
        return
    if len(certain) == 1:
        score = certain[0]
        entry.columns["score"] = [score.name]
        for other in candidates:
            if other is not score and not roles.ASKS_NPS.search(other.key):
                entry.remarks.append(
                    f"{other.name!r} holds whole numbers too: is it another score?"
                )
        _scale(entry, score)
        return
    options = [({"score": c.name}, _described(c)) for c in candidates[:12]]
    question = "which question is the score, from 0 (not at all likely) to 10?"
    entry.choices.append(Choice("columns", question, options))
    entry.constants |= {"metric": "nps", "survey_type": "relational", "scale": "0-10"}


def _several(entry: Entry, scores: list[Profile]) -> None:
    """Several questions in one row, each of which says what it asks."""
    entry.constants["survey_type"] = "relational"
    for score in scores:
        metric = _named_metric(score) or "nps"
        scales = _scales(metric, score)
        entry.answers.append({"score": score.name, "metric": metric, "scale": scales[0]})
        if len(scales) > 1:
            entry.remarks.append(f"{score.name!r}: is its scale {' or '.join(scales)}?")


def _described(column: Profile) -> str:
    asked = f"{column.question}; " if column.question else ""
    values = f"{column.low}" if column.low == column.high else f"{column.low} to {column.high}"
    return f"{asked}{column.filled:,} answers, values {values}"


def _scale(entry: Entry, score: Profile) -> None:
    """The metric and the scale of a score; a choice where its values allow several."""
    metric = _named_metric(score) or "nps"
    low, high = score.low or 0, score.high or 0
    entry.constants |= {"metric": metric, "survey_type": "relational"}
    if score.scores < score.filled:
        entry.remarks.append(
            f"{score.filled - score.scores:,} of {score.filled:,} values of {score.name!r} are no "
            "whole numbers from 0 to 10: they will be refused"
        )
    if low > 0 and high > 5 and score.filled >= 100 and metric == "nps":
        entry.remarks.append(
            f"no 0 among {score.filled:,} answers: if 0 could not be chosen, write scale: 1-10"
        )
    scales = _scales(metric, score)
    if len(scales) == 1:
        entry.constants["scale"] = scales[0]
        return
    options = [({"scale": each}, f"{metric} from {each.replace('-', ' to ')}") for each in scales]
    question = f"which scale was asked? The values of {score.name!r} run from {low} to {high}."
    entry.choices.append(Choice("constants", question, options))


def _named_metric(score: Profile) -> str | None:
    """The metric that a column's name or its question says; None: neither says one."""
    asked = f"{score.key} {score.question.lower()}"
    for word, pattern in (
        ("enps", "enps"), ("nps", "nps|net_promoter|.*recommend"), ("csat", "csat|.*satisf"),
        ("ces", "ces|.*effort|.*easy"),
    ):  # fmt: skip
        if re.search(rf"(^|[_ ])({pattern})", asked):
            return word
    return None


def _scales(metric: str, score: Profile) -> list[str]:
    """The scales of a metric that its values may be of, the likeliest first."""
    low, high = score.low or 0, score.high or 0
    if high > 5 and metric in ("nps", "enps"):
        return ["0-10"]
    scales = {
        "csat": ["1-5", "1-7", "1-10", "0-10"], "ces": ["1-5", "1-7"],
        "nps": ["0-10", "1-5", "1-10"], "enps": ["0-10", "1-5"],
    }[metric]  # fmt: skip
    fitting = [s for s in scales if int(s.split("-")[0]) <= low and high <= int(s.split("-")[1])]
    return fitting or scales[:1]


def _time(entry: Entry, column: str, found: Profile) -> None:
    """The format of a mapped time; a choice where several read all of its values."""
    if len(found.formats) > 1:
        options = [
            ({column: pattern}, f"{found.first} is {_as_day(found.first, pattern)}")
            for pattern in found.formats
        ]
        question = (
            f"how are the dates of {found.name!r} to be read? Every value fits each of these."
        )
        entry.choices.append(Choice("timestamps", question, options))
    elif found.formats[0] != "iso":
        entry.timestamps[column] = found.formats[0]
    if found.odd:
        entry.remarks.append(
            f"{found.odd:,} of the {found.distinct:,} different texts of {found.name!r} are dates "
            "of another format, or none: they will be refused"
        )


def _as_day(text: str, pattern: str) -> str:
    """The day that a format reads in a text, in words."""
    import duckdb

    from orchestration.core.sql import literal
    from orchestration.lake.times import time_read

    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        row = connection.execute(f"select {time_read(literal(text), pattern)}").fetchone()
    day = row[0] if row else None
    return f"{day:%d %B %Y}".lstrip("0") if day else "no day"


def _response_id(entry: Entry, answer: Profile | None) -> None:
    """What names an answer: its id, else the fewest columns that together differ in every row."""
    if answer:
        entry.columns["response_id"] = [answer.name]
        return
    parts: list[str] = []
    for column in ("customer_id", "email", "submitted_at", "score"):
        parts += [name for name in entry.columns.get(column, []) if name not in parts]
        if len(parts) > 1 and distinct_together(entry.table, parts) == entry.table.rows:
            break
    entry.columns["response_id"] = parts
    kinds = distinct_together(entry.table, parts)
    if kinds < entry.table.rows:
        entry.remarks.append(
            f"no column is an id: rows that agree in {', '.join(parts)} are one answer, which "
            f"makes {kinds:,} of {entry.table.rows:,} rows"
        )


def _attributes(entry: Entry, used: set[str]) -> None:
    for found in roles.attributes_of(entry.profiles, used, _MOST_ATTRIBUTES):
        name = safe_name(found.key)
        if name not in entry.attributes:
            entry.attributes[name] = found.name


def safe_name(key: str) -> str:
    """A name that may be part of file and column names, from some words."""
    name = re.sub(r"[^a-z0-9_]+", "_", key)[:60].strip("_")
    return name if SAFE_NAME.fullmatch(name) else f"c_{name}"[:60]


def _customers(table: Table, profiles: list[Profile]) -> list[Entry]:
    """The entries of a table of customers or of what they paid; none if it is neither."""
    entries: list[Entry] = []
    email, customer = roles.email_of(profiles), roles.customer_of(profiles)
    is_person = (customer and customer.is_key) or (email and email.is_key)
    own = roles.answer_id(profiles, {customer.name} if customer else set())
    key = customer if customer and (customer.is_key or not is_person) else own
    if is_person and key and key.is_key:
        people = Entry("", "customers", table, profiles)
        people.columns["customer_id"] = [key.name]
        if email:
            people.columns["email"] = [email.name]
        left = roles.left_at(profiles)
        for column, found in (("signed_up_at", roles.joined_at(profiles)), ("churned_at", left)):
            if found:
                people.columns[column] = [found.name]
                _time(people, column, found)
        used = {name for names in people.columns.values() for name in names}
        _attributes(people, used)
        entries.append(people)
    amount, when = roles.amount_paid(profiles), roles.bought_at(profiles)
    if amount and when and key and (own or key.is_key):
        paid = Entry("", "invoices", table, profiles)
        invoice = own or key
        paid.columns |= {
            "invoice_id": [invoice.name], "customer_id": [key.name],
            "invoiced_at": [when.name], "amount": [amount.name],
        }  # fmt: skip
        currency = roles.named(profiles, set())("currency")
        if currency:
            paid.columns["currency"] = [currency.name]
        paid.constants["kind"] = "one_off"
        _time(paid, "invoiced_at", when)
        entries.append(paid)
    return entries


def what_is_missing(table: Table, profiles: list[Profile]) -> str:
    """Why no entry can be made of a table, in one line."""
    lacks = []
    if not roles.score_columns(profiles):
        lacks.append("no column holds whole numbers from 0 to 10, so there is no score")
    if roles.answered_at(profiles) is None:
        lacks.append("no column holds dates of one format, so nobody knows when it was answered")
    return (
        f"{printable(table.path.name)}: {'; '.join(lacks)}. An answer needs both: export them, or "
        "declare the file by hand (docs/sources.md)"
    )


def with_choice(entry: Entry, choice: Choice, chosen: int) -> None:
    """Write a choice into its entry: the option of a number from 0."""
    answer, _ = choice.options[chosen]
    entry.choices = [replace(c, chosen=chosen) if c is choice else c for c in entry.choices]
    if choice.path == "columns":
        entry.columns |= {key: [value] for key, value in answer.items()}
        score = next(p for p in entry.profiles if p.name == answer.get("score"))
        entry.constants.pop("scale", None)
        _scale(entry, score)
    elif choice.path == "constants":
        entry.constants |= answer
    else:
        entry.timestamps |= answer
    entry.choices = [c for c in entry.choices if c.chosen is None]
