"""JSON documents: unnest an array, select the objects, reject the rest."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from orchestration.lake import reader
from orchestration.lake.faults import FileFault
from orchestration.lake.json_paths import json_value
from orchestration.lake.limits import check_rows, oversized_field
from orchestration.lake.rejects import REJECTS_AT_ONCE, Rejects
from orchestration.lake.rows import Rows
from orchestration.lake.scan import Scan
from orchestration.lake.session import Run
from orchestration.workspace.entities import ENTITIES


def select_documents(run: Run, rows: Rows) -> str:
    """Register JSON documents with DuckDB; returns the relation of those that are objects."""
    run.connection.register("delivered", rows.reader)
    if run.source.format.type == "json":
        _unnest(run, rows)
        relation = "elements"
    elif len(run.source.parts) > 1:
        # each answer of a row reads it, and the lines come once
        try:
            run.connection.execute("create or replace temp table elements as from delivered")
        except duckdb.Error:
            if rows.fault:
                raise rows.fault from None
            raise
        relation = "elements"
    else:
        relation = "delivered"
    # DuckDB may evaluate both sides of an AND; a CASE keeps json_type from invalid texts.
    is_object = "case when json_valid(doc) then json_type(doc) = 'OBJECT' else false end"
    return f"(select doc, _row_number from {relation} where {is_object})"


def _unnest(run: Run, rows: Rows) -> None:
    """Create the table ``elements`` of a JSON document's array, in the document's order.

    Raises:
        FileFault: when the document is not valid, holds no array where one is declared, or one
            beyond the limits.
    """
    connection, records = run.connection, run.source.format.records
    connection.execute("create or replace temp table document as select doc from delivered")
    ((is_valid,),) = connection.execute("select json_valid(doc) from document").fetchall()
    if not is_valid:
        raise FileFault("invalid_json", "the document is not valid JSON; export it again")
    array = json_value("doc", records) if records else "json_extract(doc, '')"
    ((kind,),) = connection.execute(f"select json_type({array}) from document").fetchall()
    if kind != "ARRAY":
        where = "at format.records" if records else "at its top; declare format.records"
        raise FileFault("not_a_table", f"the document has no array {where}")
    connection.execute(
        "create or replace temp table elements as select unnest(list)::varchar as doc, "
        "generate_subscripts(list, 1)::bigint as _row_number "
        f"from (select json_extract({array}, '$[*]') as list from document)"
    )
    connection.execute("drop table document")
    ((rows.delivered, longest),) = connection.execute(
        "select count(*), coalesce(max(strlen(doc)), 0) from elements"
    ).fetchall()
    check_rows(rows.delivered, run.source.format)
    if longest > run.source.format.max_field_kb << 10:
        raise oversized_field("an element", longest, run.source.format.max_field_kb)
    rows.sample = connection.execute("select * from elements limit 1000").to_arrow_table()


def reject_documents(run: Run, rows: Rows, found: Scan, rejects: Rejects, loaded: int) -> None:
    """Reject the rows that are no JSON objects, by a second reading if there are any.

    Raises:
        FileFault: when no row is an object.
    """
    bad = rows.delivered - rows.rejected - loaded
    if rows.delivered and not loaded:
        what = "element is an object" if run.source.format.type == "json" else "line is valid JSON"
        raise FileFault("invalid_json", f"no {what}; check format", rows.delivered)
    if not bad:
        return
    relation = "elements"
    if run.source.format.type == "jsonl":
        again = reader.open_rows(
            Path(), found, run.source.format, (), lambda number, reason, text: None
        )
        run.connection.register("delivered", again.reader)
        relation = "delivered"
    is_object = "case when json_valid(doc) then json_type(doc) = 'OBJECT' else false end"
    batches = run.connection.execute(
        f"select _row_number, doc from {relation} where not ({is_object})"
    ).to_arrow_reader(REJECTS_AT_ONCE)
    for batch in batches:
        for number, text in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            rejects.add(number, "invalid_json", text)
    rows.rejected += bad


def check_documents(run: Run, path: Path, loaded: int, warnings: list[str]) -> None:
    """Check that the documents have the mapped members, as JSON has no header.

    Raises:
        FileFault: when no document has anything that is mapped, or none has the entity's key.
    """
    if not loaded:
        return
    entity = ENTITIES[run.source.entity]
    mapped = {name for part in run.source.parts for name in part.columns}
    names = [name for name in entity.column_names if name in mapped]
    absent = [name for name, number in _filled(path, names).items() if not number]
    if len(absent) == len(names):
        message = "no document has any member that the mapping names; it may be an error message"
        raise FileFault("not_a_table", message, loaded)
    key = entity.column_names[0]
    if key in absent:
        message = f"no document has '{key}' where the mapping looks for it; fix the mapping"
        raise FileFault("missing_column", message, loaded)
    if absent:
        warnings.append(f"never there in this file: {', '.join(absent)}")


def _filled(path: Path, names: list[str]) -> dict[str, int]:
    """The number of non-null rows of each text column of a Parquet file, by its statistics."""
    metadata = pq.read_metadata(path)
    groups = [metadata.row_group(place) for place in range(metadata.num_row_groups)]
    places = {
        groups[0].column(place).path_in_schema: place for place in range(metadata.num_columns)
    }
    return {
        name: sum(
            group.num_rows - group.column(places[name]).statistics.null_count for group in groups
        )
        for name in names
    }
