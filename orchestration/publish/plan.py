"""What becomes of each table in the next generation: kept, patched or copied anew.

Which of them is a matter of cost, never of content: the checksum that a table must end up with is
the build's own, and that of a patched one follows from the published one's and the rows replaced.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import duckdb

from orchestration.core.files import is_dated
from orchestration.core.sql import literal
from orchestration.publish.content import (
    GENERATION_TABLE,
    Columns,
    TableContent,
    one_row,
    qualified,
    read_content,
    table_columns,
    table_contents,
    table_rows,
)
from orchestration.publish.generation import (
    PARTS,
    RESTRICTED,
    Part,
    open_published,
    read_generation,
)

# Replacing more than this share of a file, or of a table, costs more than writing it anew.
MOST_REPLACED = 1 / 3

Progress = Callable[[str], None]
How = Literal["keep", "patch", "copy"]


@dataclass(frozen=True)
class Plan:
    """How a table of the candidate is made.

    Attributes:
        content: what the build holds, and the candidate has to.
        how: `keep` the published table, `patch` it, or `copy` the build's.
        generation_id: the generation that last changed the table.
        condition: SQL that holds for the rows to replace, of a patch.
        patch: what the build's rows hold for which it holds.
        reread: whether a kept table, and its Parquet file, are read again.
    """

    content: TableContent
    how: How
    generation_id: str
    condition: str | None = None
    patch: TableContent | None = None
    reread: bool = False


@dataclass(frozen=True)
class Before:
    """A published file that the next one may be made from.

    Attributes:
        path: the file.
        inputs_hash: what its generation was built from.
        build: size and time of the build that it was made of.
        size: bytes when it was last written whole.
        columns: of every published table, as they stand there.
        contents: of every table.
        generation_ids: the generation that last changed each table.
    """

    path: Path
    inputs_hash: str
    build: list[int]
    size: int
    columns: dict[str, Columns]
    contents: dict[str, TableContent]
    generation_ids: dict[str, str]


@dataclass(frozen=True)
class Candidate:
    """A file of the next generation.

    Attributes:
        plans: how its tables are made, by name.
        base: the published file it began as a copy of; None when it is written anew.
    """

    plans: dict[str, Plan]
    base: Before | None


def read_before(published: Path) -> dict[Part, Before]:
    """The published files that a candidate may be made from: both of one generation, or none.

    None where this very publisher and DuckDB did not write them (checksums may differ, and rules
    on personal data), or where somebody wrote to them since.
    """
    found: dict[Part, Before] = {}
    ids = set()
    for part in PARTS:
        path = published / part.file_name
        try:
            row = read_generation(path, part.schema)
            with open_published(path) as connection:
                text = f"select state from {part.schema}.{GENERATION_TABLE}"
                state = json.loads(one_row(connection.execute(text))[0])
                columns = table_columns(connection, "published", part.schema)
            del columns[GENERATION_TABLE]
            # the first comparison vouches for the keys that the others rely on
            if (
                state["publisher"] != publisher()
                or row["versions"]["duckdb"] != duckdb.__version__
                or not is_dated(path, row["built_at"])
                or columns.keys() != state["tables"].keys()
            ):
                return {}
        except (duckdb.Error, OSError, ValueError, TypeError, KeyError):
            return {}
        ids.add(row["generation_id"])
        tables = state["tables"]
        found[part] = Before(
            path=path,
            inputs_hash=row["inputs_hash"],
            build=state["build"],
            size=state["size"] or path.stat().st_size,
            columns=columns,
            contents={
                name: TableContent(
                    tuple(sorted(columns[name])), table["rows"], int(table["checksum"])
                )
                for name, table in tables.items()
            },
            generation_ids={name: table["generation_id"] for name, table in tables.items()},
        )
    return found if len(ids) == 1 else {}


@lru_cache(maxsize=1)
def publisher() -> str:
    """A hash of the code that decides what is published and how it is summed up and searched."""
    digest = hashlib.sha256()
    for name in (
        "candidate.py",
        "content.py",
        "generation.py",
        "parquet.py",
        "plan.py",
        "publish.py",
    ):
        digest.update(Path(__file__).with_name(name).read_bytes())
    return digest.hexdigest()


def state_of_file(path: Path) -> list[int]:
    """Size and time of a file. Not its bytes: closing it would end DuckDB's lock on it."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def conditions_for(
    part: Part, before: Before | None, touched: Mapping[str, str], built_from: str | None
) -> dict[str, str] | None:
    """The conditions on touched rows, by table; None unless made from the published build."""
    if before is None or built_from is None or built_from != before.inputs_hash:
        return None
    prefix = f"{part.schema}."
    return {
        name.removeprefix(prefix): condition
        for name, condition in touched.items()
        if name.startswith(prefix)
    }


def plan_part(
    connection: duckdb.DuckDBPyConnection,
    part: Part,
    names: Collection[str],
    before: Before | None,
    *,
    stamp: Mapping[str, Any],
    conditions: Mapping[str, str] | None,
    progress: Progress | None,
) -> Candidate:
    """How each table of a part is made; reads the build's tables unless they are known already."""
    if before and before.inputs_hash == stamp["inputs_hash"] and before.build == stamp["build"]:
        # The file that was published lies there as it was left: what it holds is known.
        rows = table_rows(connection, "build", part.schema, names)
        if rows == {name: content.rows for name, content in before.contents.items()}:
            ids = before.generation_ids
            return Candidate(
                {name: Plan(known, "keep", ids[name]) for name, known in before.contents.items()},
                before,
            )
    contents = table_contents(connection, "build", part.schema, names)
    plans = {
        name: Plan(content, "copy", stamp["generation_id"]) for name, content in contents.items()
    }
    if before is None:
        return Candidate(plans, None)
    columns = table_columns(connection, "build", part.schema)
    if conditions:
        connection.execute(f"attach {literal(before.path)} as before (read_only)")
    for name, content in contents.items():
        if before.columns.get(name) != columns[name]:
            continue  # another order of columns is another table to those who read it
        if before.contents[name] == content:
            # A full build is also what mends a published file that went bad: all of it is read.
            plans[name] = Plan(
                content, "keep", before.generation_ids[name], reread=conditions is None
            )
        elif conditions and name in conditions:
            plans[name] = _patched(
                connection,
                part,
                name,
                plans[name],
                before=before,
                condition=conditions[name],
                progress=progress,
            )
    if conditions:
        connection.execute("detach before")
    # A table or column that is no longer published must leave no bytes behind.
    is_superset = all(
        name in contents and columns[name] == kept for name, kept in before.columns.items()
    )
    pays = is_superset and _pays(part, plans.values())
    return Candidate(plans, before if pays else None)


def _pays(part: Part, plans: Collection[Plan]) -> bool:
    """Whether to begin with a copy of the published file."""
    if part is RESTRICTED:
        # Deleting leaves bytes in a file: only writing it anew takes out who was deleted.
        return all(plan.how == "keep" for plan in plans)
    # What is replaced leaves holes.
    return _cells(plan for plan in plans if plan.how == "copy") <= _cells(plans) * MOST_REPLACED


def _cells(plans: Iterable[Plan]) -> int:
    return sum(plan.content.rows * len(plan.content.columns) for plan in plans)


def _patched(
    connection: duckdb.DuckDBPyConnection,
    part: Part,
    name: str,
    plan: Plan,
    *,
    before: Before,
    condition: str,
    progress: Progress | None,
) -> Plan:
    """Plan to replace the touched rows alone; the plan as it was where that is wrong or not worth.

    What a patch will make of the published table is known before: sums of rows add up.
    """
    content, old = plan.content, before.contents[name]
    try:
        removed, added = (
            read_content(
                connection,
                qualified(database, part.schema, name),
                content.columns,
                condition=condition,
            )
            for database in ("before", "build")
        )
    except duckdb.Error:
        tell(progress, f"{part.schema}.{name}: its condition can't be read; copied anew")
        return plan
    if (content.rows, content.checksum) != (
        old.rows - removed.rows + added.rows,
        old.checksum - removed.checksum + added.checksum,
    ):
        tell(progress, f"{part.schema}.{name}: more changed than its condition says; copied anew")
        return plan
    if max(removed.rows, added.rows) > content.rows * MOST_REPLACED:
        return plan
    return replace(plan, how="patch", condition=condition, patch=added)


def tell(progress: Progress | None, what: str) -> None:
    """Tell what happens to whoever listens."""
    if progress:
        progress(what)
