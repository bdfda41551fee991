"""Propose the entries of a workspace.yml for given files; what cannot be known is a choice."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from orchestration.core.errors import UserError
from orchestration.lake.names import printable
from orchestration.preview import roles
from orchestration.preview.profile import (
    Profile,
    distinct_together,
    key_of,
    last_day,
    profiles_of,
    shared_values,
)
from orchestration.preview.shape import Table
from orchestration.workspace.rules import SAFE_NAME

# Names of channels in names of files: such files are one survey asked in several ways.
_CHANNELS = (
    "email", "mobile", "web", "website", "app", "sms", "phone", "kiosk", "tablet", "chat", "store",
    "ios", "android", "qr",
)  # fmt: skip
_MOST_ATTRIBUTES = 5
# An answer older than so many days: nothing would be in the latest window.
_OLD = 90


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
    remarks: list[str] = field(default_factory=list)
    choices: list[Choice] = field(default_factory=list)
    answers: list[dict[str, str]] = field(default_factory=list)
    also: list[Table] = field(default_factory=list)

    @property
    def tables(self) -> list[Table]:
        """The tables of all files that the entry reads."""
        return [self.table, *self.also]


def propose(tables: Sequence[Table]) -> tuple[list[Entry], list[str]]:
    """The entries for some tables, and what is missing in those that give none.

    Raises:
        UserError: nothing can be made of any of them; a line for each says what is missing.
    """
    entries: list[Entry] = []
    missing: list[str] = []
    for table in tables:
        profiles = profiles_of(table)
        part = next((e for e in entries if _is_next_delivery(e, table)), None)
        if part is not None:
            part.also.append(table)
            part.files = _glob([each.path.name for each in part.tables])
            continue
        found = _answers(table, profiles) or _customers(table, profiles)
        if found:
            entries += found
        else:
            missing.append(_what_is_missing(table, profiles))
    if not any(each.entity == "survey_responses" for each in entries):
        lines = missing or ["no file holds a score, and without one there is no NPS"]
        raise UserError("\n".join(lines))
    missing += _without_second_crm(entries)
    _name(entries)
    _connect(entries)
    return entries, missing


# --- one table ----------------------------------------------------------------------------------


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
        name = _safe(found.key)
        if name not in entry.attributes:
            entry.attributes[name] = found.name


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


def _what_is_missing(table: Table, profiles: list[Profile]) -> str:
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


def _without_second_crm(entries: list[Entry]) -> list[str]:
    """Take out orders that name no customer's id where another file says who the customers are.

    Alone, a table of orders may say who the customers are: by its own ids and their addresses.
    """
    paid = {id(e.table) for e in entries if e.entity == "invoices"}
    people = [e for e in entries if e.entity == "customers"]
    if not any(id(e.table) not in paid for e in people):
        return []
    lines = []
    for entry in [e for e in people if id(e.table) in paid]:
        invoices = next(e for e in entries if e.entity == "invoices" and e.table is entry.table)
        entries.remove(entry)
        if roles.customer_of(invoices.profiles) is None:
            entries.remove(invoices)
            lines.append(
                f"{printable(entry.table.path.name)}: no column holds the customer's id, by which "
                "another file knows the customers: add it to the export"
            )
    return lines


# --- all tables ---------------------------------------------------------------------------------


def _stem(name: str) -> str:
    """A file's name without its endings."""
    return re.sub(r"(\.(csv|tsv|txt|xlsx|jsonl?|ndjson|parquet|gz|gzip|zip))+$", "", name.lower())


def _is_next_delivery(entry: Entry, table: Table) -> bool:
    """Whether a file is another export of an entry's kind: the same columns, and another date."""
    same = entry.table.columns.column_names == table.columns.column_names
    names = [re.sub(r"[\d_\-. ()]+", "", _stem(t.path.name)) for t in (entry.table, table)]
    return same and entry.table.form == table.form and names[0] == names[1]


def _glob(names: Sequence[str]) -> str:
    """A pattern of files' names: what they begin with, and their ending."""
    ending = re.search(r"(\.[A-Za-z0-9]+){1,2}$", names[0])
    tail = ending[0] if ending else ""
    first = names[0].removesuffix(tail)
    head = re.sub(r"[\d\-_. ()]*$", "", first) if len(names) > 1 else first
    is_plain = re.fullmatch(r"[A-Za-z0-9_\-. ]*", head) is not None
    return f"{head if is_plain else ''}*{tail}"


def _safe(key: str) -> str:
    name = re.sub(r"[^a-z0-9_]+", "_", key)[:60].strip("_")
    return name if SAFE_NAME.fullmatch(name) else f"c_{name}"[:60]


def _name(entries: list[Entry]) -> None:
    """Name the entries by their files; those of one file share a name."""
    taken: dict[str, str] = {}
    for entry in entries:
        path = str(entry.table.path)
        stem = re.sub(r"[\d\-_. ()]+$", "", _stem(entry.table.path.name)) or "survey"
        name = _safe(key_of(stem))
        while taken.get(name, path) != path:
            name = f"{name}_2"
        taken[name] = path
        entry.name = name
        entry.files = entry.files or _glob([entry.table.path.name])
        channel = next((c for c in _CHANNELS if c in key_of(stem).split("_")), None)
        asked = entry.entity == "survey_responses" and "channel" not in entry.columns
        if channel and asked:
            entry.constants["channel"] = channel


def _connect(entries: list[Entry]) -> None:
    """Say whose customer ids entries carry, where their values are those of others."""
    people = [each for each in entries if each.entity == "customers"]
    asking = [each for each in entries if each.entity == "survey_responses"]
    for entry in [e for e in entries if e.entity in ("survey_responses", "invoices")]:
        for crm in people:
            if crm.name == entry.name:
                continue
            for column in ("customer_id", "email"):
                ids = _shared(entry, crm, column)
                if ids and ids[1] >= 0.05 * ids[0] and ids[1] > 0:
                    what = "customer ids" if column == "customer_id" else "e-mail addresses"
                    entry.customer_source = crm.name
                    entry.remarks.append(f"{ids[1]:,} of {ids[0]:,} {what} are known to {crm.name}")
                    break
    loose = [each for each in asking if each.customer_source is None]
    for place, entry in enumerate(loose):
        for other in loose[place + 1 :]:
            ids = _shared(entry, other, "customer_id")
            if ids and ids[1]:
                shared = entry.customer_source or _common_name([entry.name, other.name])
                entry.customer_source = other.customer_source = shared


def _shared(entry: Entry, other: Entry, column: str) -> tuple[int, int] | None:
    one, two = entry.columns.get(column, []), other.columns.get(column, [])
    if len(one) != 1 or len(two) != 1:
        return None
    return shared_values(entry.table, one[0], other.table, two[0])


def _common_name(names: Sequence[str]) -> str:
    """What names begin with, if that is a name, else ``customers``."""
    parts = [name.split("_") for name in names]
    common = []
    for words in zip(*parts, strict=False):
        if len(set(words)) > 1:
            break
        common.append(words[0])
    name = "_".join(common)
    return name if SAFE_NAME.fullmatch(name) else "customers"


def proposed_as_of(entries: Sequence[Entry], today: date) -> str | None:
    """The day of the last answer, if it is so long ago that the latest window would be empty."""
    days = []
    for entry in entries:
        if entry.entity != "survey_responses":
            continue
        column = entry.columns["submitted_at"][0]
        profile = next(p for p in entry.profiles if p.name == column)
        days += [last_day(table, column, profile.formats[0]) for table in entry.tables]
    last = max((day for day in days if day), default=None)
    if last is None or date.fromisoformat(last) >= today - timedelta(days=_OLD):
        return None
    return last


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
