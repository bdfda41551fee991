"""JSON documents: unnest an array, read the objects' cells, reject the rest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from orchestration.lake.ahead import ahead
from orchestration.lake.columns import mapped_columns, wanted_columns
from orchestration.lake.faults import FileFault
from orchestration.lake.json_paths import JsonCells, json_value
from orchestration.lake.limits import check_rows, oversized_field
from orchestration.lake.rawfile import Written, registered
from orchestration.lake.rows import SAMPLE, Reject, Rows, batch_reader
from orchestration.lake.session import Run
from orchestration.lake.values import without_null_values
from orchestration.workspace.entities import ENTITIES

_ROWS_AT_ONCE = 32_768
# How many lists of members are taken from the first documents at most.
_KINDS = 8


def read_cells(run: Run, rows: Rows, reject: Reject) -> None:
    """Replace an opened file's documents by the cells of those that are objects, as a table's.

    Args:
        run: of the source, whose declared paths become the columns.
        rows: the opened file; its names, cells and batches are replaced.
        reject: called with every document that is no object.

    Raises:
        FileFault: when the file is no table.
    """
    documents: Iterable[pa.RecordBatch] = rows.reader
    if run.source.format.type == "json":
        elements = _elements(run, rows).combine_chunks()
        documents, rows.sample = elements.to_batches(_ROWS_AT_ONCE), elements.slice(0, SAMPLE)
    rows.names = wanted_columns(run.source)
    rows.cells = tuple(f"c{place}" for place in range(len(rows.names)))
    rows.at = {name: place for place, name in enumerate(rows.names)}
    paths = JsonCells(rows.names, mapped_columns(run.source))
    cells = {
        cell: f"nullif({without_null_values(run.source, paths.cell(name))}, '')"
        for cell, name in zip(rows.cells, rows.names, strict=True)
    }
    query = paths.query({**cells, "extra": paths.unmapped(_usual(run, rows))}, "documents")

    def read(batch: pa.RecordBatch) -> tuple[pa.RecordBatch, pa.Table]:
        table = pa.Table.from_batches([batch])
        with registered(run.connection, "documents", table) as connection:
            return batch, connection.execute(query).to_arrow_table()

    def batches() -> Iterator[pa.RecordBatch]:
        for batch, found in ahead(run.helpers, read, documents):
            is_object = found.column("is_object").combine_chunks()
            objects = found.drop_columns("is_object").combine_chunks()
            if is_object.true_count < len(is_object):
                bad = batch.filter(pc.invert(is_object))
                rows.rejected += len(bad)
                for text, number in zip(*(each.to_pylist() for each in bad.columns), strict=True):
                    reject(number, "invalid_json", text)
                objects = objects.filter(is_object)
            yield from objects.to_batches()

    fields = [pa.field(name, pa.string()) for name in (*rows.cells, "extra")]
    schema = pa.schema([*fields, pa.field("_row_number", pa.int64())])
    rows.reader = batch_reader(batches(), rows, schema=schema)


def _usual(run: Run, rows: Rows) -> list[list[str]]:
    """The names of the members of the first documents."""
    if rows.sample is None:
        return []
    with registered(run.connection, "sample", rows.sample) as connection:
        query = f"select distinct try(json_keys(doc)) as names from sample limit {_KINDS}"
        return [names for (names,) in connection.execute(query).fetchall() if names]


def _elements(run: Run, rows: Rows) -> pa.Table:
    """The elements of a JSON document's array, in the document's order.

    Raises:
        FileFault: when the document is not valid, holds no array where one is declared, or one
            beyond the limits.
    """
    records = run.source.format.records
    with registered(run.connection, "delivered", rows.reader) as connection:
        connection.execute("create or replace temp table document as select doc from delivered")
    ((is_valid,),) = connection.execute("select json_valid(doc) from document").fetchall()
    if not is_valid:
        raise FileFault("invalid_json", "the document is not valid JSON; export it again")
    array = json_value("doc", records) if records else "json_extract(doc, '')"
    ((kind,),) = connection.execute(f"select json_type({array}) from document").fetchall()
    if kind != "ARRAY":
        where = "at format.records" if records else "at its top; declare format.records"
        raise FileFault("not_a_table", f"the document has no array {where}")
    elements = connection.execute(
        "select unnest(list)::varchar as doc, generate_subscripts(list, 1)::bigint as _row_number "
        f"from (select json_extract({array}, '$[*]') as list from document)"
    ).to_arrow_table()
    connection.execute("drop table document")
    rows.delivered = len(elements)
    check_rows(rows.delivered, run.source.format)
    longest = pc.max(pc.binary_length(elements.column("doc"))).as_py() or 0
    if longest > run.source.format.max_field_kb << 10:
        raise oversized_field("an element", longest, run.source.format.max_field_kb)
    return elements


def check_documents(run: Run, rows: Rows, written: Written, warnings: list[str]) -> None:
    """Check that there are documents and that they have the mapped members, as JSON has no header.

    Raises:
        FileFault: when no row is an object, no document has anything that is mapped, or none has
            the entity's key.
    """
    if rows.delivered and not written.rows:
        what = "element is an object" if run.source.format.type == "json" else "line is valid JSON"
        raise FileFault("invalid_json", f"no {what}; check format", rows.delivered)
    if not written.rows:
        return
    entity = ENTITIES[run.source.entity]
    mapped = {name for part in run.source.parts for name in part.columns}
    names = [name for name in entity.column_names if name in mapped]
    absent = [name for name in names if not written.filled[name]]
    if len(absent) == len(names):
        message = "no document has any member that the mapping names; it may be an error message"
        raise FileFault("not_a_table", message, written.rows)
    key = entity.column_names[0]
    if key in absent:
        message = f"no document has '{key}' where the mapping looks for it; fix the mapping"
        raise FileFault("missing_column", message, written.rows)
    if absent:
        warnings.append(f"never there in this file: {', '.join(absent)}")
