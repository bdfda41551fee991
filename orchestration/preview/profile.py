"""What the columns of a table hold: numbers, addresses, times, few or many different texts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from expectations.suites.raw import score_forms
from orchestration.core.sql import literal
from orchestration.lake.times import time_read
from orchestration.preview.formats import fitting_formats
from orchestration.preview.shape import Table

_MOST_TEXTS = 100_000
_FEW = 30
# Of a column that is called a time so many of the texts must be of one format.
_MOST_DATES = 0.8
_EMAIL = r"[^@\s]+@[^@\s]+\.[^@\s]+"
_NUMBER = r"[+-]?[0-9]{1,15}([.][0-9]+)?"
# Texts that stand for an empty cell; those that the lake knows as a missing score need no key.
EMPTY_WORDS = ("N/A", "n/a", "-", "--", "?", ".", "none given", "No answer", "not answered")
# A column of numbers is looked at as a time only if its name says so.
_TIME_NAME = re.compile(r"date|time|_at$|_on$|when|stamp|day|datum|created|submitted|epoch")


@dataclass(frozen=True)
class Profile:
    """One column of a table.

    Attributes:
        name: as delivered, and ``key`` as words in lower case with ``_`` between them.
        question: what was asked, where a second header row says so; else ''.
        rows: of the table; ``filled`` of them have a text, ``distinct`` different ones.
        numbers: how many are numbers.
        addresses: how many are e-mail addresses.
        length: of its texts, on average.
        scores: how many can be read as a score from 0 to 10, or say that there is none.
        low, high: of these scores; None without any.
        empty_words: texts in it that stand for an empty cell.
        first: its first text.
        formats: of dates, one for each way of reading them that fits all of its texts; where none
            does and its name is that of a time, of those that fit most.
        odd: how many different texts the formats do not fit.
        words: its different texts, if they are few.
    """

    name: str
    key: str
    question: str
    rows: int
    filled: int
    distinct: int
    numbers: int
    addresses: int
    length: float
    scores: int
    low: int | None
    high: int | None
    empty_words: tuple[str, ...]
    first: str
    formats: tuple[str, ...]
    odd: int = 0
    words: tuple[str, ...] = ()

    @property
    def is_key(self) -> bool:
        """Whether every row has a text, and each its own."""
        return self.filled == self.rows == self.distinct

    @property
    def is_email(self) -> bool:
        """Whether it holds e-mail addresses."""
        return self.filled > 0 and self.addresses >= 0.8 * self.filled

    @property
    def is_time(self) -> bool:
        """Whether its texts are dates or times of one format."""
        return bool(self.formats)

    @property
    def is_number(self) -> bool:
        """Whether all of its texts are numbers."""
        return self.filled > 0 and self.numbers == self.filled

    @property
    def is_score(self) -> bool:
        """Whether all of its texts are whole numbers from 0 to 10, but for missing ones."""
        if self.low is None or self.high is None or self.is_time:
            return False
        return self.scores == self.filled

    @property
    def is_nearly_score(self) -> bool:
        """Whether most of its texts are whole numbers from 0 to 10."""
        return self.low is not None and not self.is_time and self.scores >= 0.5 * self.filled


def key_of(name: str) -> str:
    """A delivered name as lower-case words with ``_`` between them: ``RecordedDate``."""
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip())
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def profiles_of(table: Table) -> list[Profile]:
    """The profiles of a table's columns, in its order."""
    read, missing = score_forms()
    empty = ", ".join(literal(word) for word in EMPTY_WORDS)
    names = table.columns.column_names
    found = []
    with duckdb.connect() as connection:
        connection.register("t", table.columns.rename_columns([f"c{n}" for n in range(len(names))]))
        for place, name in enumerate(names):
            c = f"c{place}"
            is_empty = f"coalesce({c} in ({empty}), false)"
            is_missing = f"regexp_full_match(lower({c}), {missing})"
            # a number before or after its label, and without one
            number = f"try_cast(regexp_extract({c}, '-?[0-9]+') as integer)"
            is_score = (
                f"(regexp_full_match({c}, {read}) and not {is_missing} "
                f"and coalesce({number} between 0 and 10, false))"
            )
            number = f"case when {is_score} then {number} end"
            row = connection.execute(
                f"select count({c}) filter (not {is_empty}), "
                f"count(distinct {c}) filter (not {is_empty}), "
                f"count(*) filter (regexp_full_match({c}, {literal(_NUMBER)})), "
                f"count(*) filter (regexp_full_match({c}, {literal(_EMAIL)})), "
                f"coalesce(avg(length({c})), 0), "
                f"count(*) filter (({is_score} or {is_missing}) and not {is_empty}), "
                f"min({number}), max({number}), "
                f"list_sort(list(distinct {c}) filter ({is_empty})), first({c}) from t"
            ).fetchone()
            if row is None:
                continue
            filled, distinct, numbers, addresses, length, scores, low, high, empties, first = row
            formats, odd = _formats(connection, c, key_of(name), is_empty, numbers == filled)
            words = connection.execute(
                f"select distinct {c} from t where {c} is not null order by 1 limit {_FEW + 1}"
            ).fetchall()
            found.append(
                Profile(
                    name, key_of(name), table.questions.get(name, ""), table.rows, filled,
                    distinct, numbers, addresses, length, scores, low, high,
                    tuple(empties or ()), first or "", formats, odd,
                    tuple(word for (word,) in words) if len(words) <= _FEW else (),
                )
            )  # fmt: skip
    return found


def _formats(
    connection: duckdb.DuckDBPyConnection, column: str, key: str, is_empty: str, is_number: bool
) -> tuple[tuple[str, ...], int]:
    """The formats of a column, and how many of its different texts they do not fit."""
    is_named = _TIME_NAME.search(key) is not None
    if is_number and not is_named:
        return (), 0
    texts = connection.execute(
        f"select distinct {column} from t where {column} is not null and not {is_empty} "
        f"limit {_MOST_TEXTS}"
    ).fetchall()
    cells = [text for (text,) in texts]
    with_digits = sum(any(c.isdigit() for c in text) for text in cells[:20])
    if with_digits < (_MOST_DATES if is_named else 1) * len(cells[:20]) or not cells:
        return (), 0
    found = fitting_formats(connection, cells, numbers=is_number)
    if found or not is_named or is_number:
        return tuple(found), 0
    found = fitting_formats(connection, cells, share=_MOST_DATES)
    if not found:
        return (), 0
    time = time_read(column, found[0])
    odd = connection.execute(
        f"select count(distinct {column}) from t where {column} is not null and not {is_empty} "
        f"and {time} is null"
    ).fetchone()
    return tuple(found), odd[0] if odd else 0


def shared_values(
    one: Table, column: str, other: Table, other_column: str, *, as_integers: bool = False
) -> tuple[int, int]:
    """How many distinct values of a column there are, and how many of them another table has.

    Case, and blanks around, don't matter, as in e-mail addresses; and where they are compared as
    integers, no fraction of zeros.
    """
    value = r"regexp_replace(trim(v), '\.0+$', '')" if as_integers else "lower(trim(v))"
    with duckdb.connect() as connection:
        for name, table, picked in (("a", one, column), ("b", other, other_column)):
            connection.register(name, table.columns.select([picked]).rename_columns(["v"]))
        row = connection.execute(
            f"select count(*), count(b.v) from (select distinct {value} as v from a where "
            f"v is not null) as a left join (select distinct {value} as v from b) as b "
            "on a.v = b.v"
        ).fetchone()
    return (row[0], row[1]) if row else (0, 0)


def distinct_together(table: Table, columns: Sequence[str]) -> int:
    """How many different rows some columns make."""
    places = [table.columns.column_names.index(name) for name in columns]
    names = [f"c{n}" for n in range(len(places))]
    with duckdb.connect() as connection:
        connection.register("t", table.columns.select(places).rename_columns(names))
        row = connection.execute(
            f"select count(*) from (select distinct {', '.join(names)} from t)"
        ).fetchone()
    return row[0] if row else 0


def last_day(table: Table, column: str, pattern: str) -> str | None:
    """The latest day of a column of times, in ISO 8601."""
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.register("t", table.columns.select([column]).rename_columns(["v"]))
        row = connection.execute(f"select max({time_read('v', pattern)})::date from t").fetchone()
    return str(row[0]) if row and row[0] else None
