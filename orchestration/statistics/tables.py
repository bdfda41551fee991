"""Between dbt's relations and rows of Python: what every Python model needs, and nothing more.

pyarrow is imported already wherever a build runs; pandas would cost a second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc


def seed_values(relation: Any) -> Callable[[str], float]:
    """The seed `assumptions`, as a function from a name to its value."""
    table = _table(relation)
    values = dict(zip(table["name"].to_pylist(), table["value"].to_pylist(), strict=True))
    return values.__getitem__


def ordered_rows(relation: Any, *columns: str) -> pa.Table:
    """A relation's rows sorted by a key: sums of doubles must not depend on a table's order."""
    return _table(relation).sort_by([(name, "ascending") for name in columns])


def segment_names(relation: Any) -> dict[str, str]:
    """The workspace's segments: the columns inside the build, each with its published name."""
    table = ordered_rows(relation, "position")
    names = zip(table["segment"].to_pylist(), table["published_name"].to_pylist(), strict=True)
    return {f"seg_{segment}": name for segment, name in names}


def groups(table: pa.Table, columns: tuple[str, ...]) -> Iterator[tuple[tuple[Any, ...], pa.Table]]:
    """The rows of each combination of some columns' values, sorted by it, in the table's order."""
    for values in sorted(set(zip(*(table[name].to_pylist() for name in columns), strict=True))):
        mask = None
        for name, value in zip(columns, values, strict=True):
            here = pc.equal(table[name], value)
            mask = here if mask is None else pc.and_(mask, here)
        yield values, table.filter(mask)


def encoded(column: Any) -> tuple[npt.NDArray[np.int64], list[str]]:
    """A text column as codes and the distinct texts that they stand for, in order."""
    combined = column.combine_chunks().dictionary_encode()
    labels = combined.dictionary.to_pylist()
    order = sorted(range(len(labels)), key=labels.__getitem__)
    places = np.empty(len(labels), dtype=np.int64)
    places[order] = np.arange(len(labels))
    codes = combined.indices.to_numpy(zero_copy_only=False)
    return places[codes] if len(labels) else codes.astype(np.int64), sorted(labels)


def table_of(rows: Iterable[Mapping[str, Any]], schema: Mapping[str, Any]) -> pa.Table:
    """Rows as a table with the types of a schema; a missing key and a NaN are NULL."""
    found = list(rows)
    return pa.table(
        {
            name: pa.array([row.get(name) for row in found], kind, from_pandas=True)
            for name, kind in schema.items()
        }
    )


def _table(relation: Any) -> pa.Table:
    """All rows of a relation: of DuckDB's, or of another engine that dbt hands over."""
    return relation.to_arrow_table() if hasattr(relation, "to_arrow_table") else relation.toArrow()
