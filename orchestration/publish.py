"""Write, audit, publish: from the private build to the files that BI opens.

One publication is a *generation*. Both DuckDB files and the Parquet folder of a generation are
written under hidden names on the same file system, read back in full and compared with the
build, and only then renamed over the old ones. Until the last rename nothing that a reader can
reach has changed for good, so every failure before it leaves the old generation in place.

What lies in `published/`:

    nps.duckdb              schema `marts`, mode 0444; its rename is the moment of publication
    restricted.duckdb       schema `restricted`, mode 0600
    parquet                 a link to the folder .parquet-<generation_id>
    ledger.jsonl            one line for each generation
    .nps.duckdb.tmp, .restricted.duckdb.tmp, .parquet.tmp, .restricted.duckdb.previous
                            only while publishing; what a killed run leaves is swept by the next

The caller holds the workspace's lock: two publications at once are not handled here.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from orchestration.errors import UserError
from orchestration.ledger import new_figures, read_ledger
from orchestration.sql import identifier, literal

if TYPE_CHECKING:
    from orchestration.workspace import Workspace

# BI drivers carry older DuckDBs; a file of this version opens from DuckDB 1.4 on.
STORAGE_VERSION = "v1.4.0"
GENERATION_TABLE = "_generation"
# Tables that tell what was published before: no function of the deliveries.
HISTORIES = frozenset({"nps_restatements"})
UNTOUCHED = "the generation published before is untouched"

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Part:
    """One of the two published DuckDB files: the build's schema it copies, its name, its mode."""

    schema: str
    file_name: str
    mode: int


MARTS = Part("marts", "nps.duckdb", 0o444)
RESTRICTED = Part("restricted", "restricted.duckdb", 0o600)
PARTS = (MARTS, RESTRICTED)


@dataclass(frozen=True)
class TableContent:
    """What a table holds, whatever the order of its rows and columns.

    Attributes:
        columns: (name, type) of every column, sorted by name.
        rows: the number of rows.
        checksum: the sum over the rows of a 64-bit hash of each row.
    """

    columns: tuple[tuple[str, str], ...]
    rows: int
    checksum: int


@dataclass(frozen=True)
class Generation:
    """One published generation, as its line in the ledger tells it.

    Attributes:
        generation_id: sorts by time; the same in both files and in the Parquet folder's name.
        built_at: UTC, ISO 8601.
        as_of_on: the day, ISO 8601, whose end every figure is computed at.
        content_hash: of the tables of `marts`: independent of id, time and physical order.
        restricted_content_hash: the same of the tables of `restricted`.
        inputs_hash: what the caller says the generation was built from.
        rows: rows of every published table, by `<schema>.<table>`.
        headline: metric, survey_type, responses, nps, ci_low, ci_high of the headline figure
            over all time; None where the build has no such row.
        figures: the headline figures that no earlier generation published so, see
            `orchestration.ledger`.
        bytes: sizes of nps.duckdb, restricted.duckdb and the Parquet folder.
        versions: versions of what built it, by name.
    """

    generation_id: str
    built_at: str
    as_of_on: str
    content_hash: str
    restricted_content_hash: str | None
    inputs_hash: str
    rows: dict[str, int]
    headline: dict[str, Any] | None
    figures: list[list[Any]]
    bytes: dict[str, int]
    versions: dict[str, str]


# --- the public functions ---------------------------------------------------------------------


def publish(
    workspace: Workspace,
    *,
    inputs_hash: str,
    versions: Mapping[str, str],
    tables: Collection[str] | None = None,
    progress: Progress | None = None,
    wait_seconds: float = 60,
) -> Generation:
    """Publish the build as a new generation, or leave the old one and say why.

    Args:
        workspace: whose `warehouse_file` is read and whose `published` is written.
        inputs_hash: hash of what the build was made from; goes to `_generation` and the ledger.
        versions: versions by name, such as dbt's and duckdb's; DuckDB's own is added.
        tables: the allowed tables as `<schema>.<table>`; others of the two schemas stay private
            and a missing one is an error. None allows every table of both schemas.
        progress: called with a few words before each step.
        wait_seconds: how long to wait for a program that has the build open for writing.

    Returns:
        The generation now published.

    Raises:
        UserError: nothing was published and the old generation is in place; or (the message
            says so) the generation is published but its line in the ledger could not be written,
            which the next run mends.
    """
    published = workspace.published
    build_file = workspace.warehouse_file
    with _step("sweeping leftovers", progress):
        _check_folder(published)
        for problem in _link_problem(published):
            raise UserError(f"{problem}; {UNTOUCHED}")
        _sweep(published)
        reconcile_ledger(workspace)
        _check_build(build_file)
        for part in PARTS:
            _refuse_wal(published / part.file_name)
    stamp = _new_stamp(workspace, inputs_hash, versions)
    try:
        contents: dict[str, dict[str, TableContent]] = {}
        with _attached_build(workspace, wait_seconds) as connection:
            for part in PARTS:
                candidate = _candidate(published, part)
                with _step(f"copying {part.schema}", progress):
                    names = _tables_to_copy(connection, part, tables)
                    contents[part.schema] = table_contents(connection, "build", part.schema, names)
                    row = stamp | {"content_hash": content_hash(contents[part.schema])}
                    _write_candidate(connection, part, candidate, names, row)
                    _refuse_wal(candidate)
        for part in PARTS:
            with _step(f"auditing {part.file_name}", progress):
                _audit_candidate(published, part, contents[part.schema])
        parquet_folder = published / f".parquet-{stamp['generation_id']}"
        with _step("writing and auditing Parquet", progress):
            _write_parquet(workspace, parquet_folder, contents[MARTS.schema], stamp)
        with _step("swapping", progress):
            for part in PARTS:
                _seal(_candidate(published, part), part.mode)
            _swap(published, parquet_folder)
    except BaseException:
        # Frees the disk and undoes a swap that did not reach its last rename; what this can't
        # do now (a kill, a full disk) the next run's sweep does.
        with suppress(OSError, duckdb.Error):
            _sweep(published)
        raise
    try:
        _fsync_folder(published)
        # The old comments and identities go at once: nothing but the undoing needed them.
        _previous(published).unlink(missing_ok=True)
        record = _ledger_record(workspace)
        _append_line(published / "ledger.jsonl", record)
        _prune_parquet(published)
    except (OSError, duckdb.Error) as error:
        raise UserError(
            f"{published / 'ledger.jsonl'}: generation {stamp['generation_id']} is published, but "
            f"what follows could not be finished ({_reason(error)}); the next run writes its line "
            "in the ledger and tidies up"
        ) from error
    return Generation(**record)


def check_writable(workspace: Workspace) -> None:
    """Refuse, before anything is built, a workspace that could not be published into.

    Makes the folders that are missing. A mode alone says too little (read-only mounts, quotas,
    other users' folders), so a small file is really written to each.

    Raises:
        UserError: one line for each folder that can't be written to.
    """
    problems = []
    for folder in (workspace.lake, workspace.warehouse_dir, workspace.published, workspace.runs):
        try:
            _check_folder(folder)
            with tempfile.NamedTemporaryFile(dir=folder, prefix=".tmp-") as probe:
                probe.write(b"x" * 4096)
                probe.flush()
                os.fsync(probe.fileno())
        except OSError as error:
            problems.append(
                f"{folder}: not writable ({_reason(error)}); give this user the right to write "
                "there, or point NPS_WORKSPACE to another folder"
            )
    problems += _link_problem(workspace.published)
    if problems:
        raise UserError("\n".join(problems))


def published_generation(workspace: Workspace) -> dict[str, Any] | None:
    """Read which generation BI sees now, and how old it is.

    Returns:
        None when nothing is published yet; else generation_id, built_at (aware, UTC), as_of_on
        (date), content_hash, inputs_hash, versions (by name) and age_seconds since built_at.

    Raises:
        UserError: the published file is there but can't be read.
    """
    path = workspace.published / MARTS.file_name
    if not path.exists():
        return None
    try:
        row = _read_generation(path, MARTS.schema)
    except duckdb.Error as error:
        raise UserError(
            f"{path}: can't be read ({_reason(error)}); run refresh to publish anew"
        ) from error
    age = datetime.now(UTC) - row["built_at"]
    return row | {"age_seconds": max(0, round(age.total_seconds()))}


def reconcile_ledger(workspace: Workspace) -> bool:
    """Write the ledger line that a run killed after the rename still owes.

    Returns:
        True when a line was written; False when nothing was owed, nothing is published, or the
        published file can't be read (the next publication replaces it).
    """
    published = workspace.published
    if not (published / MARTS.file_name).exists():
        return False
    try:
        generation_id = _read_generation(published / MARTS.file_name, MARTS.schema)["generation_id"]
        if any(line.get("generation_id") == generation_id for line in read_ledger(workspace)):
            return False
        record = _ledger_record(workspace)
    except duckdb.Error:
        return False
    _append_line(published / "ledger.jsonl", record)
    return True


@contextmanager
def open_published(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a published file as readers should: read-only, and unable to touch other files.

    Attached to a fresh in-memory database rather than connected to: DuckDB shares one instance
    of a path within a process, so a connection forgotten elsewhere would answer with the
    generation before. Tables are named `<schema>.<table>`.

    Raises:
        duckdb.Error: the file is missing or is not a readable DuckDB file.
    """
    connection = duckdb.connect()
    try:
        connection.execute(f"attach {literal(path)} as published (read_only)")
        connection.execute("use published")
        connection.execute("set enable_external_access = false")
        connection.execute("set lock_configuration = true")
        yield connection
    finally:
        connection.close()


# --- content ----------------------------------------------------------------------------------


def table_contents(
    connection: duckdb.DuckDBPyConnection,
    database: str,
    schema: str,
    names: Collection[str] | None = None,
) -> dict[str, TableContent]:
    """Read every column of every row of a schema's tables.

    Args:
        connection: a connection to which `database` is attached.
        database: the attached database's name.
        schema: the schema's name.
        names: the tables to read; None for all but `_generation`.

    Returns:
        Contents by table name, comparable between files written by the same DuckDB version.
    """
    if names is None:
        names = [n for n in _table_names(connection, database, schema) if n != GENERATION_TABLE]
    return {
        name: _content(
            connection,
            f"{identifier(database)}.{identifier(schema)}.{identifier(name)}",
            _columns(connection, database, schema, name),
        )
        for name in names
    }


def combined_hash(contents: Mapping[str, TableContent]) -> str:
    """SHA-256, in hex, over the tables in order of name: columns with types, count and sum.

    Two builds with equal content have equal hashes, whatever their ids, times and physical
    order. DuckDB's row hash may change with its version, which the ledger names beside it.
    """
    canonical = [
        [name, [list(column) for column in content.columns], content.rows, str(content.checksum)]
        for name, content in sorted(contents.items())
    ]
    text = json.dumps(canonical, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def content_hash(contents: Mapping[str, TableContent]) -> str:
    """The hash of what was built: `combined_hash` without the tables that tell of publications.

    These depend on what was published before; all else follows from the deliveries alone, so
    that equal deliveries have equal hashes, in whatever order and however often they were built.
    """
    built = {name: content for name, content in contents.items() if name not in HISTORIES}
    return combined_hash(built)


def _content(
    connection: duckdb.DuckDBPyConnection, relation: str, columns: list[tuple[str, str]]
) -> TableContent:
    """Count and sum up a relation; values are cast to the named types (Parquet has fewer)."""
    values = ", ".join(f"{identifier(name)}::{kind}" for name, kind in columns)
    # A sum of row hashes does not see the rows' order, and unlike an exclusive or it sees a row
    # that comes twice. DuckDB combines columns by a plain exclusive or of their hashes; hashing
    # the result once more keeps values swapped between two rows from cancelling out in the sum.
    sql = f"select count(*), coalesce(sum(hash(hash({values}))::hugeint), 0) from {relation}"
    rows, checksum = _one(connection.execute(sql))
    return TableContent(tuple(columns), int(rows), int(checksum))


def _columns(
    connection: duckdb.DuckDBPyConnection, database: str, schema: str, table: str
) -> list[tuple[str, str]]:
    return connection.execute(
        "select column_name, data_type from duckdb_columns() "
        f"where database_name = {literal(database)} and schema_name = {literal(schema)} "
        f"and table_name = {literal(table)} order by column_name"
    ).fetchall()


def _table_names(connection: duckdb.DuckDBPyConnection, database: str, schema: str) -> list[str]:
    rows = connection.execute(
        f"select table_name from duckdb_tables() where database_name = {literal(database)} "
        f"and schema_name = {literal(schema)} order by table_name"
    ).fetchall()
    return [name for (name,) in rows]


# --- writing ----------------------------------------------------------------------------------


def _new_stamp(
    workspace: Workspace, inputs_hash: str, versions: Mapping[str, str]
) -> dict[str, Any]:
    """The row of `_generation`, but for the content hash that each file has of its own."""
    built_at = datetime.now(UTC)
    return {
        # Time first, so that ids sort as they were published; the rest keeps them apart.
        "generation_id": f"{built_at:%Y%m%dT%H%M%S%fZ}-{uuid.uuid4().hex[:8]}",
        "built_at": built_at.replace(tzinfo=None),
        "as_of_on": workspace.as_of_on,
        "inputs_hash": inputs_hash,
        "versions": {"duckdb": duckdb.__version__} | dict(versions),
    }


def _check_build(build_file: Path) -> None:
    """Refuse a build that is missing or that its last writer did not close."""
    if not build_file.exists():
        raise UserError(f"{build_file}: there is no build to publish; run refresh first")
    wal = _wal(build_file)
    if wal.exists():
        # DuckDB could replay it, but a writer that died left models of mixed generations.
        raise UserError(
            f"{wal}: the build was not closed by its last writer, so it may be half done; "
            f"run refresh again to repair it; {UNTOUCHED}"
        )


def _refuse_wal(path: Path) -> None:
    """Refuse a file with a write-ahead log beside it: alone it lacks rows or won't open."""
    wal = _wal(path)
    if wal.exists():
        raise UserError(
            f"{wal}: a write-ahead log lies beside {path.name}, so some program has opened it for "
            f"writing; close that program, delete the .wal and run again; {UNTOUCHED}"
        )


def _connect(workspace: Workspace) -> duckdb.DuckDBPyConnection:
    """An in-memory connection within the workspace's memory, spilling inside the workspace."""
    config = {"temp_directory": str(workspace.warehouse_dir / ".spill")}
    if workspace.memory_limit:
        config["memory_limit"] = str(workspace.memory_limit)
    return duckdb.connect(config=config)


@contextmanager
def _attached_build(
    workspace: Workspace, wait_seconds: float
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Attach the build read-only as `build`: no writer can come in between hash and copy."""
    connection = _connect(workspace)
    try:
        deadline = time.monotonic() + wait_seconds
        while True:
            try:
                connection.execute(
                    f"attach {literal(workspace.warehouse_file)} as build (read_only)"
                )
                break
            except duckdb.IOException as error:
                if "lock" not in str(error).lower():
                    raise UserError(
                        f"{workspace.warehouse_file}: the build can't be read ({_reason(error)}); "
                        f"run full-refresh to rebuild it; {UNTOUCHED}"
                    ) from error
                if time.monotonic() >= deadline:
                    raise UserError(
                        f"{workspace.warehouse_file}: another program has had the build open for "
                        f"{wait_seconds:g} seconds; close it and run again; {UNTOUCHED}"
                    ) from error
                time.sleep(min(0.2, wait_seconds))
        yield connection
    finally:
        connection.close()


def _tables_to_copy(
    connection: duckdb.DuckDBPyConnection, part: Part, allowed: Collection[str] | None
) -> list[str]:
    """The tables of a part, by name; a killed dbt's half-made tables are never among them."""
    names = [
        name
        for name in _table_names(connection, "build", part.schema)
        if not name.endswith(("__dbt_tmp", "__dbt_backup", "__dbt_new"))
        and name != GENERATION_TABLE
    ]
    if allowed is not None:
        wanted = {item.split(".", 1)[1] for item in allowed if item.startswith(f"{part.schema}.")}
        missing = sorted(wanted - set(names))
        if missing:
            raise UserError(
                f"{part.schema}.{missing[0]}: is to be published but not in the build"
                f"{f' ({len(missing)} such tables)' if len(missing) > 1 else ''}; run refresh; "
                f"{UNTOUCHED}"
            )
        names = [name for name in names if name in wanted]
    if part is MARTS and not names:
        raise UserError(
            f"the build holds no table of schema {part.schema}: nothing to publish; run refresh; "
            f"{UNTOUCHED}"
        )
    return names


def _write_candidate(
    connection: duckdb.DuckDBPyConnection,
    part: Part,
    candidate: Path,
    names: Collection[str],
    generation: Mapping[str, Any],
) -> None:
    """Copy tables and comments into a new file, checkpoint and close it."""
    schema = f"candidate.{identifier(part.schema)}"
    # Nobody else may read the restricted file, nor its log, while it is being written.
    old_umask = os.umask(0o077)
    try:
        connection.execute(
            f"attach {literal(candidate)} as candidate (storage_version '{STORAGE_VERSION}')"
        )
        try:
            connection.execute(f"create schema {schema}")
            for name in names:
                source = f"build.{identifier(part.schema)}.{identifier(name)}"
                connection.execute(f"create table {schema}.{identifier(name)} as from {source}")
            for statement in _comments(connection, part.schema, names, schema):
                connection.execute(statement)
            _write_generation(connection, schema, generation)
            connection.execute("checkpoint candidate")
        except BaseException:
            with suppress(duckdb.Error):
                connection.execute("detach candidate")
            raise
        connection.execute("detach candidate")
    finally:
        os.umask(old_umask)


def _comments(
    connection: duckdb.DuckDBPyConnection, schema: str, names: Collection[str], target: str
) -> list[str]:
    """Statements that carry the build's descriptions over; copying a table loses them."""
    tables = connection.execute(
        "select table_name, comment from duckdb_tables() "
        f"where database_name = 'build' and schema_name = {literal(schema)} "
        "and comment is not null"
    ).fetchall()
    columns = connection.execute(
        "select table_name, column_name, comment from duckdb_columns() "
        f"where database_name = 'build' and schema_name = {literal(schema)} "
        "and comment is not null"
    ).fetchall()
    return [
        f"comment on table {target}.{identifier(table)} is {literal(comment)}"
        for table, comment in tables
        if table in names
    ] + [
        f"comment on column {target}.{identifier(table)}.{identifier(column)} is {literal(comment)}"
        for table, column, comment in columns
        if table in names
    ]


_GENERATION_COLUMNS = {
    "generation_id": ("varchar", "Identifies the generation; sorts by time of publication."),
    "built_at": ("timestamp", "When the generation was published, UTC."),
    "as_of_on": ("date", "The day, in the business zone, at whose end every figure stands."),
    "content_hash": ("varchar", "SHA-256 of this file's tables, whatever their physical order."),
    "inputs_hash": ("varchar", "Hash of the files and settings the generation was built from."),
    "dbt_version": ("varchar", "Version of dbt that built it."),
    "duckdb_version": ("varchar", "Version of DuckDB that built it."),
    "versions": ("varchar", "Versions of everything named by the build, as JSON."),
}


def _write_generation(
    connection: duckdb.DuckDBPyConnection, schema: str, generation: Mapping[str, Any]
) -> None:
    versions = generation["versions"]
    row = dict(generation) | {
        "dbt_version": versions.get("dbt"),
        "duckdb_version": versions.get("duckdb"),
        "versions": json.dumps(versions, sort_keys=True),
    }
    table = f"{schema}.{GENERATION_TABLE}"
    columns = ", ".join(f"{name} {kind}" for name, (kind, _) in _GENERATION_COLUMNS.items())
    connection.execute(f"create table {table} ({columns})")
    values = ", ".join(literal(row[name]) for name in _GENERATION_COLUMNS)
    connection.execute(f"insert into {table} values ({values})")
    connection.execute(f"comment on table {table} is 'Which generation this file is; one row.'")
    for name, (_, description) in _GENERATION_COLUMNS.items():
        connection.execute(f"comment on column {table}.{name} is {literal(description)}")


# --- auditing ---------------------------------------------------------------------------------


def _audit_candidate(published: Path, part: Part, expected: Mapping[str, TableContent]) -> None:
    """Read a closed candidate from the disk, all of it, and refuse what differs from the build."""
    candidate = _candidate(published, part)
    try:
        with open_published(candidate) as connection:
            found = table_contents(connection, "published", part.schema)
            if found == expected and part is MARTS:
                _refuse_personal_data(connection)
    except duckdb.Error as error:
        raise UserError(
            f"{part.file_name}: the candidate can't be read back ({_reason(error)}), the disk may "
            f"be failing; not published; {UNTOUCHED}"
        ) from error
    for name in sorted(expected.keys() | found.keys()):
        was, now = expected.get(name), found.get(name)
        if was is None or now is None or was != now:
            rows = f"{was.rows if was else 'no'} rows built, {now.rows if now else 'no'} rows read"
            raise UserError(
                f"{part.file_name}: {part.schema}.{name} differs from the build ({rows}); "
                f"not published; {UNTOUCHED}"
            )


# Column names that speak of a person. `name` in dim_surveys is a survey's.
_PERSONAL_COLUMN = (
    r"((.*_)?(e_?mail|comment)s?(_(text|address|key))?|feedback|verbatim|raw_text"
    r"|(first_|last_|full_|given_|family_|middle_|customer_|person_|contact_|employee_)?name"
    r"|surname)"
)
_NAMES_ALLOWED = {("dim_surveys", "name")}
_EMAIL = r"[^\s@＠]+[@＠][^\s@＠]+\.[^\s@＠]+"


def _refuse_personal_data(connection: duckdb.DuckDBPyConnection) -> None:
    """Refuse an open file if a column of its marts is named like, or holds, personal data.

    Texts are searched for an at sign first, all columns in one reading; only a column that has
    one is matched with the pattern, which costs ten times as much even where it is not met.

    Raises:
        UserError: names the column and how many rows, never a value.
    """
    texts = connection.execute(
        "select table_name, column_name, "
        f"regexp_full_match(lower(column_name), {literal(_PERSONAL_COLUMN)}) "
        "from duckdb_columns() where database_name = 'published' "
        f"and schema_name = {literal(MARTS.schema)} "
        "and regexp_matches(data_type, 'VARCHAR|JSON|ENUM') order by table_name, column_index"
    ).fetchall()
    by_table: dict[str, list[str]] = {}
    for table, column, personal in texts:
        if personal and (table, column) not in _NAMES_ALLOWED:
            raise UserError(
                f"{MARTS.schema}.{table}.{column}: a column of this name may hold personal data; "
                f"publish it in schema {RESTRICTED.schema} or rename it; not published; {UNTOUCHED}"
            )
        by_table.setdefault(table, []).append(column)
    for table, columns in by_table.items():
        relation = f"{MARTS.schema}.{identifier(table)}"
        cells = {column: f"{identifier(column)}::varchar" for column in columns}
        signs = ", ".join(
            f"count(*) filter (where contains({cell}, '@') or contains({cell}, '＠'))"
            for cell in cells.values()
        )
        found = _one(connection.execute(f"select {signs} from {relation}"))
        for column, with_sign in zip(columns, found, strict=True):
            if not with_sign:
                continue
            (count,) = _one(
                connection.execute(
                    f"select count(*) from {relation} "
                    f"where regexp_matches({cells[column]}, {literal(_EMAIL)})"
                )
            )
            if count:
                raise UserError(
                    f"{MARTS.schema}.{table}.{column}: {count} rows hold something like an e-mail "
                    "address; map another column to it in workspace.yml; not published; "
                    f"{UNTOUCHED}"
                )


# --- Parquet ----------------------------------------------------------------------------------


def _write_parquet(
    workspace: Workspace,
    folder: Path,
    expected: Mapping[str, TableContent],
    stamp: Mapping[str, Any],
) -> None:
    """Write the audited candidate's tables as `<folder>/<table>/<table>.parquet`; read them back.

    Every file names its generation in its key-value metadata.
    """
    candidate = _candidate(workspace.published, MARTS)
    metadata = "{" + f"generation_id: {literal(stamp['generation_id'])}" + "}"
    folder.mkdir()
    with _connect(workspace) as connection:
        connection.execute(f"attach {literal(candidate)} as candidate (read_only)")
        for name in [*expected, GENERATION_TABLE]:
            path = folder / name / f"{name}.parquet"
            path.parent.mkdir()
            connection.execute(
                f"copy (from candidate.{MARTS.schema}.{identifier(name)}) to {literal(path)} "
                f"(format parquet, compression zstd, kv_metadata {metadata})"
            )
            if name in expected:
                was = expected[name]
                now = _content(connection, f"read_parquet({literal(path)})", list(was.columns))
                if now != was:
                    raise UserError(
                        f"parquet/{name}: differs from the build ({was.rows} rows built, "
                        f"{now.rows} rows read); not published; {UNTOUCHED}"
                    )
            _seal(path, MARTS.mode)
            _fsync_folder(path.parent)
    _fsync_folder(folder)


# --- swapping ---------------------------------------------------------------------------------


def _swap(published: Path, parquet_folder: Path) -> None:
    """Rename the audited candidates into place; the last rename is the publication.

    nps.duckdb goes last because it is what readers and the ledger judge by: whoever sees the
    new nps.duckdb finds its restricted tables and its Parquet there already. The other order
    could show new answers beside the comments and call lists of the generation before. A run
    killed between the renames leaves nps.duckdb at the old generation; `_settle` then takes
    the other two back to it, for which the old restricted file is kept as a second link.
    """
    restricted = published / RESTRICTED.file_name
    if restricted.exists():
        os.link(restricted, _previous(published))
    _replace(_candidate(published, RESTRICTED), restricted)
    link = published / ".parquet.tmp"
    link.symlink_to(parquet_folder.name)
    _replace(link, published / "parquet")
    _fsync_folder(published)
    _replace(_candidate(published, MARTS), published / MARTS.file_name)


def _settle(published: Path) -> None:
    """Make the restricted file and the Parquet link agree with nps.duckdb after a crash.

    Which generation is published is nps.duckdb's to say: either its rename happened, and only
    tidying is left, or it did not, and what was renamed before it is undone.
    """
    previous = _previous(published)
    link = published / "parquet"
    restricted = published / RESTRICTED.file_name
    if not (published / MARTS.file_name).exists():
        # The first publication of all was cut off: there is no generation to go back to.
        for path in (link, restricted, previous):
            path.unlink(missing_ok=True)
        return
    try:
        current = _read_generation(published / MARTS.file_name, MARTS.schema)["generation_id"]
    except duckdb.Error:
        previous.unlink(missing_ok=True)  # nps.duckdb can't be read: nothing to agree with
        return
    folder = published / f".parquet-{current}"
    if link.is_symlink() and os.readlink(link) != folder.name and folder.is_dir():
        temporary = published / ".parquet.tmp"
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(folder.name)
        os.replace(temporary, link)
    if previous.exists():
        try:
            agrees = _read_generation(restricted, RESTRICTED.schema)["generation_id"] == current
        except duckdb.Error:
            agrees = False
        if agrees:
            previous.unlink()
        else:
            os.replace(previous, restricted)
    _fsync_folder(published)


def _prune_parquet(published: Path) -> None:
    """Remove Parquet folders but the current one and the one before it.

    A reader in mid-scan has resolved the link to the generation before and goes on opening that
    folder's files after the link has moved; it may do so until the next publication.
    """
    link = published / "parquet"
    current = os.readlink(link) if link.is_symlink() else None
    folders = sorted(path.name for path in published.glob(".parquet-*") if path.is_dir())
    before = [name for name in folders if current is not None and name < current]
    keep = {current, *before[-1:]}
    for name in folders:
        if name not in keep:
            shutil.rmtree(published / name)


def _sweep(published: Path) -> None:
    """Undo a swap that was cut off and remove what only an unfinished publication leaves."""
    _settle(published)
    for part in PARTS:
        candidate = _candidate(published, part)
        candidate.unlink(missing_ok=True)
        _wal(candidate).unlink(missing_ok=True)
    (published / ".parquet.tmp").unlink(missing_ok=True)
    _prune_parquet(published)


# --- the ledger -------------------------------------------------------------------------------


def _ledger_record(workspace: Workspace) -> dict[str, Any]:
    """What the published files say of themselves; the same whoever asks, and when."""
    published = workspace.published
    path = published / MARTS.file_name
    row = _read_generation(path, MARTS.schema)
    with open_published(path) as connection:
        rows = _row_counts(connection, MARTS.schema)
        headline = _headline(connection, workspace)
        figures = _new_figures(connection, workspace, row["as_of_on"])
    restricted_hash = None
    sizes = {MARTS.file_name: path.stat().st_size}
    restricted = published / RESTRICTED.file_name
    with suppress(duckdb.Error):  # a restricted file that can't be read is told by its absence
        restricted_row = _read_generation(restricted, RESTRICTED.schema)
        if restricted_row["generation_id"] == row["generation_id"]:
            restricted_hash = restricted_row["content_hash"]
            with open_published(restricted) as connection:
                rows |= _row_counts(connection, RESTRICTED.schema)
            sizes[RESTRICTED.file_name] = restricted.stat().st_size
    folder = published / f".parquet-{row['generation_id']}"
    sizes["parquet"] = sum(file.stat().st_size for file in folder.rglob("*.parquet"))
    return {
        "generation_id": row["generation_id"],
        "built_at": row["built_at"].isoformat().replace("+00:00", "Z"),
        "as_of_on": row["as_of_on"].isoformat(),
        "content_hash": row["content_hash"],
        "restricted_content_hash": restricted_hash,
        "inputs_hash": row["inputs_hash"],
        "rows": rows,
        "headline": headline,
        "figures": figures,
        "bytes": sizes,
        "versions": row["versions"],
    }


def _row_counts(connection: duckdb.DuckDBPyConnection, schema: str) -> dict[str, int]:
    return {
        f"{schema}.{name}": int(
            _one(connection.execute(f"select count(*) from {schema}.{identifier(name)}"))[0]
        )
        for name in _table_names(connection, "published", schema)
        if name != GENERATION_TABLE
    }


def _headline(connection: duckdb.DuckDBPyConnection, workspace: Workspace) -> dict[str, Any] | None:
    """The headline figure over all time, one answer one voice; None without such a row."""
    if "fct_nps_by_period" not in _table_names(connection, "published", MARTS.schema):
        return None
    names = ("metric", "survey_type", "responses", "nps", "ci_low", "ci_high")
    row = connection.execute(
        f"select {', '.join(names)} from marts.fct_nps_by_period "
        "where time_grain = 'all' and basis = 'responses' "
        f"and metric = {literal(workspace.headline.metric)} "
        f"and survey_type = {literal(workspace.headline.survey_type)}"
    ).fetchone()
    return None if row is None else dict(zip(names, row, strict=True))


def _new_figures(
    connection: duckdb.DuckDBPyConnection, workspace: Workspace, as_of_on: date
) -> list[list[Any]]:
    """The headline figures that the ledger lacks; none where the build has no such table."""
    if "fct_nps_by_period" not in _table_names(connection, "published", MARTS.schema):
        return []
    return new_figures(connection, workspace, as_of_on, read_ledger(workspace))


def _read_generation(path: Path, schema: str) -> dict[str, Any]:
    """The one row of a file's `_generation`, with aware times and versions as a dict."""
    with open_published(path) as connection:
        result = connection.execute(
            "select generation_id, built_at, as_of_on, content_hash, inputs_hash, versions "
            f"from {schema}.{GENERATION_TABLE}"
        )
        names = [column[0] for column in result.description]
        row = dict(zip(names, _one(result), strict=True))
    row["built_at"] = row["built_at"].replace(tzinfo=UTC)
    row["versions"] = json.loads(row["versions"])
    return row


def _append_line(path: Path, record: Mapping[str, Any]) -> None:
    """Append one JSON line and have it on the disk before returning.

    A line torn by a crash is ended first, so that it spoils no line but itself.
    """
    line = json.dumps(record, ensure_ascii=False, sort_keys=True).encode() + b"\n"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            line = b"\n" + line
        while line:
            line = line[os.write(descriptor, line) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    _fsync_folder(path.parent)


# --- small things -----------------------------------------------------------------------------


@contextmanager
def _step(what: str, progress: Progress | None) -> Iterator[None]:
    """Announce a step; turn what goes wrong in it into one clear line."""
    if progress:
        progress(what)
    try:
        yield
    except OSError as error:
        raise UserError(_failure(what, error)) from error
    except duckdb.Error as error:
        raise UserError(_failure(what, error)) from error


def _failure(what: str, error: Exception) -> str:
    """One line for a failed step."""
    reason = _reason(error)
    mend = "free some space and run again" if reason == _DISK_FULL else "mend it and run again"
    return f"publishing stopped while {what}: {reason}; {mend}; {UNTOUCHED}"


_DISK_FULL = "the disk is full"
# Errors that speak of files and memory; the others may quote a value, and are named only.
_SPEAKABLE = (duckdb.IOException, duckdb.OutOfMemoryException, duckdb.FatalException)


def _reason(error: Exception) -> str:
    """Why, in a few words without any cell's text."""
    if isinstance(error, OSError):
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return _DISK_FULL
        where = f": {error.filename}" if error.filename else ""
        return f"{error.strerror or type(error).__name__}{where}"
    text = str(error)
    if "No space left on device" in text or "Disk quota exceeded" in text:
        return _DISK_FULL
    if isinstance(error, _SPEAKABLE):
        return text.strip().splitlines()[0] if text.strip() else type(error).__name__
    return type(error).__name__


def _check_folder(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)


def _link_problem(published: Path) -> list[str]:
    """A line when a real folder stands where the link to the Parquet files belongs."""
    path = published / "parquet"
    if path.is_dir() and not path.is_symlink():
        return [f"{path}: is a folder where a link belongs; move it away"]
    return []


def _candidate(published: Path, part: Part) -> Path:
    return published / f".{part.file_name}.tmp"


def _previous(published: Path) -> Path:
    return published / f".{RESTRICTED.file_name}.previous"


def _wal(path: Path) -> Path:
    return path.with_name(f"{path.name}.wal")


def _seal(path: Path, mode: int) -> None:
    """Give a finished file its mode and have it on the disk; root ignores modes, others don't."""
    path.chmod(mode)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _replace(source: Path, target: Path) -> None:
    """Rename over the target, atomically (one name, so that tests can cut in here)."""
    os.replace(source, target)


def _fsync_folder(folder: Path) -> None:
    """Have the folder's names on the disk: a rename is not safe before that."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _one(result: duckdb.DuckDBPyConnection) -> tuple[Any, ...]:
    row = result.fetchone()
    if row is None:
        raise duckdb.InvalidInputException("no row where one is needed")
    return row
