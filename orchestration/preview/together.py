"""Propose the entries of workspace.yml for some files: which belong together, and how."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

from orchestration.core.errors import UserError
from orchestration.lake.names import printable
from orchestration.preview import roles
from orchestration.preview.profile import Profile, key_of, last_day, profiles_of, shared_values
from orchestration.preview.propose import Entry, entries_of, safe_name, what_is_missing
from orchestration.preview.shape import Table
from orchestration.workspace.rules import SAFE_NAME

# Names of channels in names of files: such files are one survey asked in several ways.
_CHANNELS = (
    "email", "mobile", "web", "website", "app", "sms", "phone", "kiosk", "tablet", "chat", "store",
    "ios", "android", "qr",
)  # fmt: skip
# An answer older than so many days: nothing would be in the latest window.
_OLD = 90


def propose(tables: Sequence[Table]) -> tuple[list[Entry], list[str]]:
    """The entries for some tables, and what is missing in those that give none.

    Raises:
        UserError: nothing can be made of any of them; a line for each says what is missing.
    """
    kinds: list[list[Table]] = []
    for table in tables:
        kind = next((each for each in kinds if _is_next_delivery(each[0], table)), None)
        if kind is None:
            kinds.append([table])
        else:
            kind.append(table)
    entries: list[Entry] = []
    missing: list[str] = []
    for kind in kinds:
        profiles = _of_all([profiles_of(table) for table in kind])
        found = entries_of(kind[0], profiles)
        if not found:
            missing.append(what_is_missing(kind[0], profiles))
        for entry in found:
            entry.also = kind[1:]
            entry.files = _glob([each.path.name for each in kind])
            if entry.entity in ("survey_responses", "customers"):
                entry.snapshot_at = _snapshot(entry)
        entries += found
    if not any(each.entity == "survey_responses" for each in entries):
        others = {id(entry.table): entry for entry in entries}
        missing += [what_is_missing(e.table, e.profiles) for e in others.values()]
        raise UserError("\n".join(missing))
    missing += _without_second_crm(entries)
    _name(entries)
    _connect(entries)
    return entries, missing


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


def _stem(name: str) -> str:
    """A file's name without its endings."""
    return re.sub(r"(\.(csv|tsv|txt|xlsx|jsonl?|ndjson|parquet|gz|gzip|zip))+$", "", name.lower())


def _is_next_delivery(first: Table, table: Table) -> bool:
    """Whether a file is another export of one kind: the same columns, and another date."""
    same = first.columns.column_names == table.columns.column_names and first.form == table.form
    names = [re.sub(r"[\d_\-. ()]+", "", _stem(each.path.name)) for each in (first, table)]
    return same and names[0] == names[1]


def _of_all(parts: Sequence[list[Profile]]) -> list[Profile]:
    """The profiles of the first of some files, with what the others say of formats and values."""
    merged = parts[0]
    for other in parts[1:]:
        merged = [_with(one, two) for one, two in zip(merged, other, strict=True)]
    return merged


def _with(one: Profile, two: Profile) -> Profile:
    if not two.filled:
        return one
    if not one.filled:
        return two
    numbers = [[n for n in (one.low, two.low) if n is not None],
               [n for n in (one.high, two.high) if n is not None]]  # fmt: skip
    return replace(
        one,
        formats=tuple(each for each in one.formats if each in two.formats),
        low=min(numbers[0], default=None),
        high=max(numbers[1], default=None),
        empty_words=tuple(sorted({*one.empty_words, *two.empty_words})),
        scores=one.scores if two.scores == two.filled else 0,
    )


def _snapshot(entry: Entry) -> str | None:
    """The date in the names of full exports, by which the newer one's rows count; else None."""
    key = entry.columns["response_id" if entry.entity == "survey_responses" else "customer_id"]
    names = [each.path.name for each in entry.tables]
    patterns = {
        re.sub(r"(?<!\d)20\d{2}-\d{2}-\d{2}(?!\d)", "%Y-%m-%d",
               re.sub(r"(?<!\d)20\d{6}(?!\d)", "%Y%m%d", name))
        for name in names
    }  # fmt: skip
    if len(names) < 2 or len(patterns) > 1 or "%" in names[0] or len(key) > 1:
        return None
    (pattern,) = patterns
    _, again = shared_values(entry.tables[0], key[0], entry.tables[1], key[0])
    return pattern if again and "%" in pattern else None


def _glob(names: Sequence[str]) -> str:
    """A pattern of files' names: what they begin with, and their ending."""
    ending = re.search(r"(\.[A-Za-z0-9]+){1,2}$", names[0])
    tail = ending[0] if ending else ""
    first = names[0].removesuffix(tail)
    head = re.sub(r"[\d\-_. ()]*$", "", first) if len(names) > 1 else first
    is_plain = re.fullmatch(r"[A-Za-z0-9_\-. ]*", head) is not None
    return f"{head if is_plain else ''}*{tail}"


def _name(entries: list[Entry]) -> None:
    """Name the entries by their files; those of one file share a name."""
    taken: dict[str, str] = {}
    for entry in entries:
        path = str(entry.table.path)
        stem = re.sub(r"[\d\-_. ()]+$", "", _stem(entry.table.path.name)) or "survey"
        name = safe_name(key_of(stem))
        while taken.get(name, path) != path:
            name = f"{name}_2"
        taken[name] = path
        entry.name = name
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
    for entry in asking:
        if entry.customer_source is None and len(people) == 1 and "customer_id" in entry.columns:
            _join_unmatched(entry, people[0])
    loose = [each for each in asking if each.customer_source is None]
    for place, entry in enumerate(loose):
        for other in loose[place + 1 :]:
            ids = _shared(entry, other, "customer_id")
            if ids and ids[1]:
                shared = entry.customer_source or _common_name([entry.name, other.name])
                entry.customer_source = other.customer_source = shared


def _join_unmatched(entry: Entry, crm: Entry) -> None:
    """Join answers to the only customers that there are, though no id of them is the same."""
    ids = _shared(entry, crm, "customer_id")
    if ids is None:
        return
    entry.customer_source = crm.name
    (one,), (two,) = entry.columns["customer_id"], crm.columns["customer_id"]
    sides = [(e, name) for e, name in ((entry, one), (crm, two)) if _has_floats(e, name)]
    if sides and shared_values(entry.table, one, crm.table, two, as_integers=True)[1]:
        for each, _ in sides:
            each.normalise["customer_id"] = "integer"
        return
    entry.remarks.append(
        f"none of {ids[0]:,} customer ids is known to {crm.name}: compare how both are written"
    )


def _has_floats(entry: Entry, name: str) -> bool:
    """Whether the ids of a column are whole numbers written as floats, as pandas does."""
    profile = next(p for p in entry.profiles if p.name == name)
    return profile.is_number and re.fullmatch(r"\d+\.0+", profile.first) is not None


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
