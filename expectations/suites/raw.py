"""The raw boundary: what arrived, before any model reads it.

Two or three checks of each entity and five of the manifest. Bounds are the workspace's own
(``raw.workspace``). Staging decides row by row whether a cell can be read; these checks decide
whether the delivery as a whole can be trusted.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Protocol

import yaml

from expectations import Check, no_rows
from orchestration.core.sql import literal


class Entity(Protocol):
    """What the checks need to know of a canonical entity."""

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names of its columns."""

    @property
    def required(self) -> tuple[str, ...]:
        """The names of the columns that every mapping must provide."""

    @property
    def times(self) -> tuple[str, ...]:
        """The names of its timestamp and date columns."""


# A file that could not be read is settled once the same name was delivered again and loaded.
UNSETTLED = """
    f.status = 'quarantined'
    and not exists (
        select 1 from raw.files as newer
        where newer.source = f.source and newer.entity = f.entity
            and newer.file_name = f.file_name and newer.status = 'loaded'
            and newer.ingested_at > f.ingested_at
    )"""

# The largest share of quarantined rows of a source, where `r` is a query with the source's name.
LIMIT = """coalesce(
    (
        select l.max_quarantine_rate from raw.source_limits as l
        where l.source = r.source and l.entity = r.entity
    ),
    (select w.max_quarantine_rate from raw.workspace as w)
)"""

_RATES = f"""
    select source, entity, sum(rows_rejected) / nullif(sum(rows_delivered), 0) as rate
    from {{batch}} as f
    where f.status = 'loaded' or ({UNSETTLED})
    group by source, entity"""

# Names of columns are compared without regard to case and blanks, as the mapping finds them.
_DRIFT = """
    with named as (
        select
            source, entity, ingested_at, file_name,
            from_json(columns, '["VARCHAR"]') as names,
            list_transform(
                from_json(columns, '["VARCHAR"]'), lambda name: lower(trim(name))
            ) as folded
        from {batch}
        where status = 'loaded' and columns <> '[]'
    ),

    pairs as (
        select
            *,
            lag(names) over in_order as earlier_names,
            lag(folded) over in_order as earlier_folded,
            row_number() over (
                partition by source, entity order by ingested_at desc, file_name desc
            ) as age
        from named
        window in_order as (partition by source, entity order by ingested_at, file_name)
    )

    select source, entity, 'a new column' as change, unnest(list_filter(
        names, lambda name: not list_contains(earlier_folded, lower(trim(name)))
    )) as name
    from pairs where age = 1 and earlier_names is not null
    union all
    select source, entity, 'no longer a column' as change, unnest(list_filter(
        earlier_names, lambda name: not list_contains(folded, lower(trim(name)))
    )) as name
    from pairs where age = 1 and earlier_names is not null"""

FILES: tuple[Check, ...] = (
    no_rows(
        "accounted",
        """
        select source, entity from {batch}
        where source is null or entity is null or file_sha256 is null or file_name is null
            or ingested_at is null or mapping_version is null
            or status is null or status not in ('loaded', 'quarantined')
            or (status = 'quarantined') is distinct from (reason is not null)
            or rows_delivered is distinct from rows_loaded + rows_rejected
            or least(rows_loaded, rows_rejected, rows_blank) < 0
            or (status = 'quarantined' and rows_loaded > 0)
        union all
        select source, entity from {batch}
        group by source, entity, file_sha256 having count(*) > 1
        """,
        explain="select source, entity, count(*) as files from {failing} group by all",
        why="Every delivered file is listed once, and its rows are either loaded or rejected.",
    ),
    no_rows(
        "quarantine_rate",
        f"select source from ({_RATES}) as r where rate > {LIMIT}",
        measure=f"select max(rate) as worst_rate from ({_RATES})",
        explain=f"""
        select
            f.source || '/' || f.entity as source,
            coalesce(f.reason, 'rows of loaded files that could not be read') as reason,
            sum(f.rows_rejected) as rows
        from {{batch}} as f
        inner join (
            select source, entity from ({_RATES}) as r where rate > {LIMIT}
        ) as over using (source, entity)
        where f.rows_rejected > 0 and (f.status = 'loaded' or ({UNSETTLED}))
        group by all
        """,
        why="The share of a source's rows that could not be read is at most max_quarantine_rate, "
        "its own or the workspace's: above it the delivery is broken, and figures would miss "
        "people.",
    ),
    no_rows(
        "quarantined_files",
        f"select source, entity, reason from {{batch}} as f where {UNSETTLED}",
        explain="select source, entity, reason, count(*) as files from {failing} group by all",
        severity="warning",
        why="No quarantined file is waiting to be fixed and delivered again.",
    ),
    no_rows(
        "drift",
        _DRIFT,
        explain="""
        select
            source || '/' || entity as source,
            -- a header may be data: what looks like no name is not shown
            change || case
                when regexp_full_match(name, '[\\p{L}\\p{N}_ .()#/?-]{1,60}')
                    then concat(' ''', name, '''')
                else ' (its name is not shown)'
            end as change,
            count(*) as columns
        from {failing} group by all
        """,
        severity="warning",
        why="The newest file of every source has the columns of the one before: a new column may "
        "belong in the mapping, and one that is gone may be missed.",
    ),
    no_rows(
        "delivered",
        """
        select source, entity
        from (select distinct source, entity from raw.mapped_columns) as declared
        anti join (select source, entity from {batch} where status = 'loaded') as loaded
            using (source, entity)
        """,
        explain="select source, entity, count(*) as feeds from {failing} group by all",
        severity="warning",
        why="Every declared source has delivered something that could be read.",
    ),
)


# A line may hold several answers: of one id, with their names behind it, and of different hashes.
_TWICE = {
    "survey_responses": r"count(distinct _row_hash) < count(*) or "
    r"count(distinct regexp_replace(response_id, '\|[a-z][a-z0-9_]*$', '')) > 1",
}


def _provenance(name: str) -> Check:
    return no_rows(
        "provenance",
        # a file without rows shows in the total, which Parquet's own counts give
        f"""
        with landed as materialized (
            select
                _source as source,
                _file_sha256 as file_sha256,
                count(*) as landed,
                count(distinct _row_number) as places,
                count(*) filter (
                    _file_name is null or _customer_source is null or _ingested_at is null
                    or _mapping_version is null or _row_hash is null
                ) as untraceable
            from {{batch}}
            group by all
        ),

        -- several rows of one line
        twice as (
            select delivered._source as source
            from {{batch}} as delivered
            inner join (select source, file_sha256 from landed where places < landed) as shared
                on delivered._source = shared.source and delivered._file_sha256 = shared.file_sha256
            group by delivered._source, delivered._file_sha256, delivered._row_number
            having count(*) > 1 and ({_TWICE.get(name, "true")})
        )

        select landed.source
        from landed
        left join (
            select source, file_sha256, rows_loaded from raw.files
            where entity = '{name}' and status = 'loaded' and rows_loaded > 0
        ) as listed using (source, file_sha256)
        where landed.landed is distinct from listed.rows_loaded or untraceable > 0
        union all
        select source from twice
        union all
        select 'all files'
        from (select count(*) as landed from raw.{name}) as landed
        cross join (
            select coalesce(sum(rows_loaded), 0) as loaded from raw.files
            where entity = '{name}' and status = 'loaded'
        ) as listed
        where landed <> loaded
        """,
        scope="rows",
        explain="select source, count(*) as files from {failing} group by all",
        why="Every row has its source, file and row number, none twice, and the lake has exactly "
        "the rows of each file that the manifest lists.",
    )


@cache
def _deletions() -> str:
    """The words that make a row a tombstone, as SQL literals: no seed is built at this boundary."""
    path = Path(__file__).parents[2] / "seeds" / "boolean_words.csv"
    with path.open(encoding="utf-8", newline="") as stream:
        words = [row["word"] for row in csv.DictReader(stream) if row["deleted"] == "yes"]
    return ", ".join(f"'{word}'" for word in words)


def _alive(entity: Entity) -> str:
    """SQL of whether a row counts: a tombstone needs only its id, an excluded row nothing."""
    is_deleted = (
        f" and coalesce(lower(trim(is_deleted)) not in ({_deletions()}), true)"
        if "is_deleted" in entity.column_names
        else ""
    )
    return "coalesce(_flags, '') not like '%_row:excluded%'" + is_deleted


def _filled(name: str, entity: Entity) -> Check:
    # a flag that no row carries is no mistake
    named = [column for column in entity.column_names if not column.startswith("is_")]
    columns = ", ".join(named)
    counts = ", ".join(f"count({column}) as {column}" for column in named)
    sums = ", ".join(f"sum({column}) as {column}" for column in named)
    required = ", ".join(f"'{column}'" for column in entity.required)
    return no_rows(
        "filled",
        # if only new files are read, they may well lack what their source once delivered
        f"""
        with landed as materialized (
            select
                _source as source, _file_sha256 as file_sha256, {_alive(entity)} as is_alive,
                count(*) as delivered, {counts}
            from {{batch}} group by all
        ),

        old as (
            select source from raw.files
            where entity = '{name}' and status = 'loaded' and rows_loaded > 0
                and file_sha256 not in (select file_sha256 from landed)
        )

        select source, column_name
        from (
            select source, sum(delivered) as delivered, {sums}
            from landed where is_alive group by source
        ) unpivot (filled for column_name in ({columns}))
        join raw.mapped_columns as mapped using (source, column_name)
        where mapped.entity = '{name}'
            and (
                (filled = 0 and source not in (from old))
                or (
                    column_name in ({required})
                    and delivered - filled
                        > delivered * (select max_quarantine_rate from raw.workspace)
                )
            )
        """,
        scope="rows",
        explain="select source, column_name, count(*) as columns from {failing} group by all",
        severity="warning",
        why="No mapped column is empty in every row, and required cells are filled: an empty "
        "column usually means that the export or the mapping has changed.",
    )


@cache
def score_forms() -> tuple[str, str]:
    """The patterns of a score that staging reads, and of a missing one, as SQL literals."""
    project = Path(__file__).parents[2] / "dbt_project.yml"
    forms = yaml.safe_load(project.read_text(encoding="utf-8"))["vars"]
    read = "|".join(forms[f"score_{form}"] for form in ("number", "number_first", "number_last"))
    return literal(read), literal(forms["score_missing"])


def _columns_read(entity: Entity) -> dict[str, tuple[str, str, str]]:
    """What is read as a time or a score: SQL of unreadable rows, of all, and the reason's code.

    All are the rows that have the column's text; of a time that may be missing all rows of the
    source: where few have one, the others can be read.
    """
    found = {
        column: (
            f"count(*) filter (_flags like '%{column}:bad_timestamp%')",
            f"count({column})" if column in entity.required else "count(*)",
            "bad_timestamp",
        )
        for column in entity.times
    }
    if "score" in entity.required:
        read, missing = score_forms()
        is_given = f"trim(score) <> '' and not regexp_full_match(lower(trim(score)), {missing})"
        found["score"] = (
            f"count(*) filter ({is_given} and not regexp_full_match(score, {read}))",
            f"count(*) filter ({is_given})",
            "score_not_a_whole_number",
        )
    return found


def _readable(name: str, entity: Entity) -> Check:
    """The check that some of a source's times, and some of its scores, can be read."""
    columns = _columns_read(entity)
    counts = ", ".join(
        f"{bad} as {column}_bad, {every} as {column}_all"
        for column, (bad, every, _) in columns.items()
    )
    sums = ", ".join(
        f"sum({column}_{what}) as {column}_{what}" for column in columns for what in ("bad", "all")
    )
    failing = " union all ".join(
        f"select source, '{column}' as column_name, '{reason}' as reason, {column}_bad as rows "
        f"from summed where {column}_bad > 0 and {column}_bad = {column}_all"
        for column, (_, _, reason) in columns.items()
    )
    return no_rows(
        "readable",
        # if only new files are read, others of their source were read before
        f"""
        with landed as materialized (
            select _source as source, _file_sha256 as file_sha256, {counts}
            from {{batch}} where {_alive(entity)} group by all
        ),

        summed as (
            select source, {sums} from landed
            where source not in (
                select source from raw.files
                where entity = '{name}' and status = 'loaded' and rows_loaded > 0
                    and file_sha256 not in (select file_sha256 from landed)
            )
            group by source
        )

        {failing}
        """,
        scope="rows",
        explain=f"select source || '/{name}' as source, column_name, reason, sum(rows) as rows "
        "from {failing} group by all",
        why="Of every source some times and some scores can be read: where none can, its mapping "
        "names another column or another format; `nps check` shows which formats fit.",
    )


def raw_suites(entities: Mapping[str, Entity]) -> dict[str, tuple[Check, ...]]:
    """The suites of schema ``raw``: of the manifest, and of each entity by its name."""
    return {"files": FILES} | {
        name: (
            _provenance(name),
            _filled(name, entity),
            *([_readable(name, entity)] if _columns_read(entity) else []),
        )
        for name, entity in entities.items()
    }
