"""Checks of the reconciliation: what was delivered, and what became of it."""

from __future__ import annotations

from expectations import Check, no_rows
from expectations.suites.common import keys, no_emails
from expectations.suites.raw import LIMIT, UNSETTLED

_FILE = "t.source = {0}.source and t.entity = {0}.entity and t.file_sha256 = {0}.file_sha256"

_RATES = f"""
    select
        t.source,
        t.entity,
        sum(t.rows_quarantined - coalesce(e.expected, 0))
            / nullif(sum(t.rows_delivered - t.rows_excluded - coalesce(e.expected, 0)), 0) as rate
    from {{batch}} as t
    inner join raw.files as f on {_FILE.format("f")}
    left join (
        select source, entity, file_sha256, count(*) as expected
        from restricted.quarantined_rows
        -- an unanswered question, a test, a row of next month: kept out as they should be
        where reason in (select reason from seeds.reject_reasons where not is_mistake)
        group by all
    ) as e on {_FILE.format("e")}
    where f.status = 'loaded' or ({UNSETTLED})
    group by t.source, t.entity"""

# Files that were refused as a whole, and the rows of the others, of the sources that are over it.
_MISTAKES = f"""
    with over as (
        select source, entity from ({_RATES}) as r where rate > {LIMIT}
    )

    select over.source || '/' || over.entity as source, refused.reason, sum(refused.rows) as rows
    from over
    inner join (
        select q.source, q.entity, q.reason, count(*) as rows
        from restricted.quarantined_rows as q
        inner join seeds.reject_reasons as r on q.reason = r.reason and r.is_mistake
        group by all
        union all
        select f.source, f.entity, f.reason, f.rows_delivered
        from raw.files as f where {UNSETTLED}
    ) as refused using (source, entity)
    group by all"""

# An entry whose ids find few customers may find them by their addresses.
_UNMATCHED = """
    select source, entity
    from {batch}
    where match_rate is not null
    group by source, entity
    having max(match_rate) < coalesce(max(min_match_rate), 0)
        or (max(min_match_rate) is null and max(match_rate) = 0)"""

RECONCILIATION: dict[str, tuple[Check, ...]] = {
    "ingest_reconciliation": (
        keys(
            "balance",
            "source, entity, file_sha256",
            tables=f"full join raw.files as f on {_FILE.format('f')}",
            also="""
                t.rows_delivered is distinct from f.rows_delivered
                or t.file_status is distinct from f.status
                or t.rows_delivered is distinct from t.rows_accepted + t.rows_quarantined
                    + t.rows_duplicate + t.rows_superseded + t.rows_deleted + t.rows_excluded
                or least(t.rows_accepted, t.rows_quarantined, t.rows_duplicate, t.rows_superseded,
                    t.rows_deleted, t.rows_excluded) < 0""",
            scope="table",
            why="Every delivered file is listed and none of its rows was dropped silently: "
            "delivered = accepted + quarantined + duplicate + superseded + deleted + excluded.",
        ),
        no_rows(
            "quarantine_rate",
            f"select source from ({_RATES}) as r where rate > {LIMIT}",
            measure=f"select max(rate) as worst_rate from ({_RATES})",
            explain=_MISTAKES,
            why="The share of a source's rows that was quarantined is at most "
            "max_quarantine_rate, its own or the workspace's; excluded and future rows and test "
            "answers do not count.",
        ),
        no_emails("file_sha256", severity="warning"),
    ),
    "ingest_match_rates": (
        keys(
            "rates",
            "source, entity, column_name",
            also="""
                t.ids_delivered is null or t.ids_delivered < 0 or t.ids_known < 0
                or t.ids_known > t.ids_delivered
                or (t.ids_known is null) = coalesce(t.has_customers, false)
                or t.match_rate
                    is distinct from t.ids_known::double / nullif(t.ids_delivered, 0)""",
            scope="table",
            why="Every column of ids has one rate, and it is the share that is known.",
        ),
        no_rows(
            "match_rate",
            _UNMATCHED,
            severity="warning",
            explain=f"""
            select
                t.source || '/' || t.entity as source,
                format('{{}}, {{}} of {{}} known to {{}}', t.column_name, t.ids_known,
                    t.ids_delivered, t.customer_source) as known,
                t.ids_delivered - t.ids_known as "unknown ids"
            from {{batch}} as t
            inner join ({_UNMATCHED}) as low using (source, entity)
            where t.match_rate is not null
            """,
            why="Of the customer ids of every source, or of its e-mail addresses, at least "
            "min_match_rate are known to the customers delivered, and never none: ids that are "
            "written in two ways find nobody (normalise brings them into one form).",
        ),
        no_emails("ids_delivered", "ids_known", "match_rate", "min_match_rate"),
    ),
}

QUARANTINED: dict[str, tuple[Check, ...]] = {
    "quarantined_rows": (
        no_rows(
            "accounted",
            f"""
            select coalesce(t.source, r.source) as source, coalesce(t.entity, r.entity) as entity
            from (
                select
                    source, entity, file_sha256,
                    count(*) as kept,
                    -- one row may hold several answers; without its id they may be alike
                    count(distinct (row_number, raw_text)) filter (reason <> 'missing_id')
                        + count(*) filter (reason = 'missing_id') as places
                from {{batch}}
                group by all
            ) as t
            full join (
                select source, entity, file_sha256, rows_quarantined
                from marts.ingest_reconciliation
                where file_status = 'loaded' and rows_quarantined > 0
            ) as r on {_FILE.format("r")}
            where t.kept is distinct from r.rows_quarantined or t.places is distinct from t.kept
            """,
            by="source, entity",
            why="Every quarantined row is kept once, with its file and row number.",
        ),
        no_rows(
            "reasons",
            """
            select source, entity from {batch}
            where reason is null or reason not in (select reason from seeds.reject_reasons)
            """,
            scope="rows",
            by="source, entity",
            why="Every quarantined row has a reason of the seed reject_reasons.",
        ),
    ),
}
