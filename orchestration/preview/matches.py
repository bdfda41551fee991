"""How many of a source's ids are known where a run looks for them."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from orchestration.core.sql import literal
from orchestration.workspace.model import Source, Workspace

# What an answer or an event names: the key, what it is called, and the entity that knows it.
_NAMED = {
    "customer_id": ("customer_key", "customer id", "customers"),
    "survey_id": ("survey_key", "survey id", "surveys"),
    "invitation_id": ("invitation_key", "invitation id", "survey_invitations"),
    "email": ("email_key", "e-mail address", "customers"),
}
# Whose customers are looked for by their address as well.
_BY_ADDRESS = ("survey_responses", "survey_invitations")


@dataclass(frozen=True)
class Match:
    """How many ids of a column are known.

    Attributes:
        column: the canonical column.
        what: what one of them is called.
        known: how many distinct ones the other entry delivers.
        ids: how many distinct ones there are.
        by: the other entry, ``name/entity``.
        shapes: what most of them look like on both sides, letters as ``a`` and digits as ``9``,
            where they look different; None else.
        least: the share of customer ids that should be known, as the entry declares it.
    """

    column: str
    what: str
    known: int
    ids: int
    by: str
    shapes: tuple[str, str] | None = None
    least: float = 0

    @property
    def is_low(self) -> bool:
        """Whether none is known, or fewer than the entry's ``min_match_rate`` says."""
        return self.known == 0 or self.known < self.least * self.ids


def matches_of(
    connection: duckdb.DuckDBPyConnection, workspace: Workspace, source: Source
) -> list[Match]:
    """The match rates of an entry's ids, of each that another entry delivers."""
    found = []
    for column, (key, what, entity) in _NAMED.items():
        other = _other(workspace, source, entity)
        if other is None or column not in source.given or source.entity == entity:
            continue
        if column not in other.given:
            continue
        if column == "email" and source.entity not in _BY_ADDRESS:
            continue
        judged = f"intermediate.int_{source.entity}_versioned"
        names = {name for name, *_ in connection.execute(f"describe {judged}").fetchall()}
        if key not in names:
            continue
        sides = [
            f"(select distinct {key} from intermediate.int_{each.entity}_versioned where source = "
            f"{literal(each.name)} and row_status = 'accepted' and {key} is not null)"
            for each in (source, other)
        ]
        ((ids, known),) = connection.execute(
            f"select count(*), count(there.{key}) from {sides[0]} as here "
            f"left join {sides[1]} as there on here.{key} = there.{key}"
        ).fetchall()
        if ids:
            shapes = None
            if known < ids and column != "email":
                shapes = _shapes(connection, source, other, column)
            least = source.min_match_rate if column == "customer_id" else None
            found.append(Match(column, what, known, ids, other.label, shapes, least or 0))
    return found


def _other(workspace: Workspace, source: Source, entity: str) -> Source | None:
    """The entry that knows what a source names: its own, or that of its customers' source."""
    owner = source.customers_of if entity == "customers" else source.name
    return next(
        (
            each
            for each in workspace.sources
            if each.entity == entity
            and (each.customers_of if entity == "customers" else each.name) == owner
        ),
        None,
    )


def _shapes(
    connection: duckdb.DuckDBPyConnection, source: Source, other: Source, column: str
) -> tuple[str, str] | None:
    """What most ids of both sides look like, if that differs."""
    found = []
    for each in (source, other):
        shape = f"regexp_replace(regexp_replace({column}, '[0-9]', '9', 'g'), '[A-Za-z]', 'a', 'g')"
        row = connection.execute(
            f"select mode({shape}) from raw.{each.entity} "
            f"where _source = {literal(each.name)} and {column} not like '%@%'"
        ).fetchone()
        found.append(row[0] if row else None)
    here, there = found
    return (here, there) if here and there and here != there else None
