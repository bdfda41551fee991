"""From delivered batches to one Parquet file of the lake.

Of a row's columns most are cells just as they were delivered, or the same in all rows: these never
pass through the database, only what the mapping computes does.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from orchestration.lake import texts
from orchestration.lake.ahead import ahead
from orchestration.lake.columns import MARK, mapped_columns, valued_columns
from orchestration.lake.projection import (
    Delivery,
    Known,
    Projection,
    build_projection,
    lake_columns,
    shared,
)
from orchestration.lake.rows import Rows
from orchestration.lake.times import times_query
from orchestration.lake.values import (
    customer_columns,
    fold_addresses,
    id_columns,
    null_columns,
    trim_columns,
)
from orchestration.workspace.entities import ENTITIES
from orchestration.workspace.model import Source, Workspace

# zstd's first level: the third takes a third longer for a hundredth less.
COMPRESSION_LEVEL = 1
# As many rows as DuckDB writes itself: one of its threads takes up one group.
GROUP = 122_880
_TYPES = {"VARCHAR": pa.string(), "BIGINT": pa.int64(), "TIMESTAMP": pa.timestamp("us")}
_LOOKED_FOR = ("_source", "_file_sha256", "_mapping_version", "_ingested_at", "_snapshot_at")
_REPEATED = pa.dictionary(pa.int32(), pa.string())


def lake_schema(entity: str) -> pa.Schema:
    """The schema of an entity's files in the lake."""
    return pa.schema([(name, _TYPES[kind]) for name, kind in lake_columns(entity)])


Part = tuple[Delivery, pa.RecordBatch]
"""Some rows of one delivered file."""


@dataclass
class Written:
    """How many rows were written, and for each canonical column how many have a text."""

    rows: int = 0
    filled: Counter[str] = field(default_factory=Counter)

    def add(self, table: pa.Table) -> None:
        """Count some rows."""
        self.rows += len(table)
        for name in table.column_names:
            self.filled[name] += len(table) - table.column(name).null_count


@contextmanager
def registered(
    connection: duckdb.DuckDBPyConnection, name: str, data: Any
) -> Iterator[duckdb.DuckDBPyConnection]:
    """The connection, which knows Arrow's data by a name for a while."""
    connection.register(name, data)
    try:
        yield connection
    finally:
        with suppress(duckdb.Error):  # interrupted
            connection.unregister(name)


def write_raw(
    path: Path,
    rows: Rows,
    chunks: Iterable[Sequence[Part]],
    *,
    workspace: Workspace,
    source: Source,
    has_marks: bool,
    connect: Callable[[], duckdb.DuckDBPyConnection],
    pool: Executor,
) -> Written:
    """Write rows of one file, or of many small ones, as Parquet: a chunk at a time.

    A delivered row that holds several answers is as many rows.

    Args:
        path: the file to write.
        rows: of one of the files, for the columns that all of them have.
        chunks: the rows, in the order they are written.
        workspace: for the zone.
        source: the mapping.
        has_marks: whether a cell may hold ``MARK``.
        connect: the calling thread's connection, which computes what the mapping computes.
        pool: the threads that compute chunks while others are read and written.

    Raises:
        FileFault: when the reading finds one.
        OSError: when writing fails.
    """
    made: dict[tuple[str | None, Known], Projection] = {}

    def projection_of(part: Source, known: Known) -> Projection:
        key = part.answer, known
        if key not in made:
            made[key] = build_projection(workspace, part, rows, "delivered", known)
        return made[key]

    # by name: unmapped cells, and those of rules, stay as they were delivered
    mapped = {rows.cells[rows.at[n]] for n in (*mapped_columns(source), *valued_columns(source))}
    ids = {rows.cells[rows.at[name]] for name in id_columns(source)}
    customers = {rows.cells[rows.at[name]] for name in customer_columns(source)}

    def computed(chunk: Sequence[Part]) -> list[pa.Table]:
        connection, found = connect(), []
        table = pa.Table.from_batches([batch for _, batch in chunk])
        table = trim_columns(null_columns(table, mapped, source).combine_chunks(), ids)
        table = fold_addresses(table, customers)
        for part in source.parts:
            seen, known = _look(connection, table, rows, workspace, part, has_marks=has_marks)
            of_part = projection_of(part, known)
            found.append(_assembled(connection, seen, of_part, chunk, source=part, schema=schema))
        return found

    schema = _schema(source, [projection_of(part, Known()).constants for part in source.parts])
    written = Written()

    def counted() -> Iterator[pa.Table]:
        for table in itertools.chain.from_iterable(ahead(pool, computed, chunks)):
            written.add(table)
            yield table

    write_groups(path, schema, counted())
    return written


def write_groups(path: Path, schema: pa.Schema, tables: Iterable[pa.Table]) -> None:
    """Write rows into the lake, in groups of about ``GROUP`` whatever the tables' sizes are."""
    held: list[pa.Table] = []

    def write() -> None:
        whole = pa.concat_tables(held).unify_dictionaries()
        groups = len(whole) // GROUP or 1
        writer.write_table(whole, row_group_size=max(1, -(-len(whole) // groups)))
        held.clear()

    with _parquet_writer(path, schema) as writer:
        for table in tables:
            held.append(table)
            if sum(map(len, held)) >= GROUP:
                write()
        if held:
            write()


def _parquet_writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """A writer of rows into the lake.

    Ids and times hardly repeat: a dictionary of them is given up early. Statistics are kept of
    what rows are looked for by. Both spare a good part of what writing costs.
    """
    return pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        compression_level=COMPRESSION_LEVEL,
        dictionary_pagesize_limit=1 << 16,
        write_statistics=[name for name in _LOOKED_FOR if name in schema.names],
        store_schema=False,  # readers see texts, not how they were handed over
    )


def _schema(source: Source, constants: Sequence[Mapping[str, Any]]) -> pa.Schema:
    """The lake's columns, those dictionaries whose texts all rows share: once in a row group.

    Args:
        source: the mapping.
        constants: what the rows of each part of the mapping have in common.
    """
    return pa.schema(
        [
            pa.field(column.name, _REPEATED if is_shared else column.type)
            for column in lake_schema(source.entity)
            for is_shared in [all(isinstance(each.get(column.name), str) for each in constants)]
        ]
    )


def _look(
    connection: duckdb.DuckDBPyConnection,
    table: pa.Table,
    rows: Rows,
    workspace: Workspace,
    source: Source,
    *,
    has_marks: bool,
) -> tuple[pa.Table, Known]:
    """The table, with the times that are canonical already, and what was seen of its texts."""
    times, flags, has_addresses = set(), set(), False
    zone = workspace.timezone_of(source)
    for column in ENTITIES[source.entity].columns:
        delivered = _cell(column.name, rows, source)
        if delivered is None:
            continue
        cells = table.column(delivered).combine_chunks()
        if column.kind == "text":
            is_email = column.name == "email" and "email" not in source.read_otherwise
            if is_email and (keys := texts.addresses(cells)) is not None:
                has_addresses = True
                table = table.append_column("k_email", keys)
            continue
        is_date = column.kind == "date"
        query = times_query(source, column.name, zone, is_date=is_date)
        found = texts.canonical_times(
            cells,
            is_iso=source.formats_of(column.name)[0] == "iso",
            zone=zone,
            is_date=is_date,
            read=partial(_read, connection, query),
        )
        if found is None:
            continue
        made, wrong = found
        times.add(column.name)
        table = table.append_column(f"t_{column.name}", made)
        if wrong is not None:
            flags.add(column.name)
            table = table.append_column(f"f_{column.name}", wrong)
    # the bytes of a delimited file were searched for marks; in Parquet they are compressed
    has_marks = has_marks and not _is_free_of_marks(table)
    has_marks = has_marks or any(MARK in text for text in source.constants.values())
    return table, Known(frozenset(times), frozenset(flags), has_marks, has_addresses)


def _is_free_of_marks(table: pa.Table) -> bool:
    """Whether all of the columns are numbers or times, or texts without ``MARK``."""
    return all(
        pa.types.is_primitive(column.type)
        or (
            pa.types.is_string(column.type) and not pc.any(pc.match_substring(column, MARK)).as_py()
        )
        for column in table.columns
    )


def _cell(name: str, rows: Rows, source: Source) -> str | None:
    """The batches' column that a canonical column is, if it is one."""
    delivered = source.columns.get(name, ())
    if name in source.constants or len(delivered) != 1:
        return None
    cell = rows.cells[rows.at[delivered[0]]]
    return cell if cell.isalnum() else None


def _read(
    connection: duckdb.DuckDBPyConnection, query: str, distinct: pa.Array
) -> tuple[pa.Array, pa.Array]:
    """The canonical texts of times, and what is wrong with each."""
    with registered(connection, "texts", pa.table({"cell": distinct})):
        found = connection.execute(query).to_arrow_table()
    text, flag = found.columns
    return text.combine_chunks(), flag.combine_chunks()


def _assembled(
    connection: duckdb.DuckDBPyConnection,
    table: pa.Table,
    made: Projection,
    parts: Sequence[Part],
    *,
    source: Source,
    schema: pa.Schema,
) -> pa.Table:
    """The lake's columns of a chunk: kept, repeated or computed, in the chunk's order."""
    columns: dict[str, Any] = {name: table.column(cell) for name, cell in made.kept.items()}
    counts = [len(batch) for _, batch in parts]
    facts = [shared(source, delivery) for delivery, _ in parts]
    for name in made.constants:
        kind = schema.field(name).type
        columns[name] = _repeated([each.get(name) for each in facts], counts, kind)
    if made.computed:
        with registered(connection, "delivered", table):
            found = connection.execute(made.computed).to_arrow_table()
        columns |= dict(zip(found.column_names, found.columns, strict=True))
    return pa.table([columns[name] for name in schema.names], schema=schema)


def _repeated(
    values: list[str | datetime | None], counts: list[int], kind: pa.DataType
) -> pa.Array:
    """Each value as many times as its part has rows."""
    if values[0] is None:
        return pa.nulls(sum(counts), kind)
    places = pa.array(np.repeat(np.arange(len(values), dtype=np.int32), counts))
    if kind == _REPEATED:
        distinct = pa.array(values, pa.string()).dictionary_encode()
        return pa.DictionaryArray.from_arrays(distinct.indices.take(places), distinct.dictionary)
    return pa.array(values, kind).take(places)
