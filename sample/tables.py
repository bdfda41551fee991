"""Bytes of the delivered tables: delimited text and JSON lines."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Iterable, Sequence

Row = Sequence[object] | str  # a string is written as it is: a broken line


def table(
    header: Sequence[str],
    rows: Iterable[Row],
    *,
    delimiter: str = ",",
    encoding: str = "utf-8",
    newline: str = "\n",
) -> bytes:
    """A delimited file.

    Args:
        header: the columns' names.
        rows: cells, or a whole line as text.
        delimiter: between cells.
        encoding: of the bytes.
        newline: between rows.

    Returns:
        The file's bytes.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=newline)
    writer.writerow(header)
    for row in rows:
        if isinstance(row, str):
            text.write(row + newline)
        else:
            writer.writerow(row)
    return text.getvalue().encode(encoding)


def lines(rows: Iterable[str]) -> bytes:
    """A file of lines, UTF-8."""
    return "".join(row + "\n" for row in rows).encode()


def scatter(rng: random.Random, rows: list[Row], extra: Iterable[Row]) -> None:
    """Insert rows at random places of a list."""
    for row in extra:
        rows.insert(rng.randrange(len(rows) + 1), row)
