"""Mistakes in what an entry says of persons: their ids, their addresses, who has left."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from orchestration.workspace.entities import Entity
from orchestration.workspace.rules import did_you_mean

# What is published as it was delivered, of each entity; ids with an at sign are hashed.
_PUBLISHED = {
    "survey_responses": ("channel", "touchpoint", "language"),
    "survey_invitations": ("channel",),
    "surveys": ("name", "touchpoint"),
}
# Names of columns that hold addresses: "Email", "e-mail address", "contact_email".
_ADDRESSES = re.compile(r"([\w]+[ _])?e-?mails?([ _-]?addr\w*)?", re.IGNORECASE)
# Ids that should be known to the CRM.
MATCHED = ("customer_id", "referrer_customer_id", "email")


def identity_mistakes(
    raw: Mapping[str, Any], entity: Entity, given: Collection[str], segments: Collection[str]
) -> list[str]:
    """Mistakes of an entry's ids, addresses and states.

    Args:
        raw: the entry as written.
        entity: its entity.
        given: the canonical columns that it maps.
        segments: the attributes that the workspace publishes.
    """
    return [
        *_normalise_mistakes(raw, entity),
        *_match_mistakes(raw, entity, given),
        *_churned_mistakes(raw, entity, given),
        *_address_mistakes(raw, entity, segments),
    ]


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _normalise_mistakes(raw: Mapping[str, Any], entity: Entity) -> list[str]:
    """Forms of what is no mapped column of ids."""
    columns = _mapping(raw.get("columns"))
    ids = [column.name for column in entity.columns if column.is_id and column.name in columns]
    return [
        f"normalise.{name} is no mapped column of ids"
        + (did_you_mean(name, ids) or f"; there are: {', '.join(ids) or 'none'}")
        for name in _mapping(raw.get("normalise"))
        if name not in ids
    ]


def _match_mistakes(raw: Mapping[str, Any], entity: Entity, given: Collection[str]) -> list[str]:
    """A share of ids that no id could reach."""
    if raw.get("min_match_rate") is None:
        return []
    if entity.name == "customers":
        return ["min_match_rate has no meaning for customers: other ids are compared with theirs"]
    if not any(name in given for name in MATCHED if name in entity.column_names):
        return ["min_match_rate needs a mapped customer_id or email; map one, or remove it"]
    return []


def _churned_mistakes(raw: Mapping[str, Any], entity: Entity, given: Collection[str]) -> list[str]:
    """A state of churn where none can be."""
    if raw.get("churned") is None:
        return []
    if entity.name != "customers":
        return [f"churned has no meaning for {entity.name}; declare it of the customers"]
    if "is_churned" in given:
        return ["churned and the column is_churned say the same; remove one"]
    return []


def _address_mistakes(
    raw: Mapping[str, Any], entity: Entity, segments: Collection[str]
) -> list[str]:
    """Addresses in what everybody may read."""
    columns, valued = _mapping(raw.get("columns")), _mapping(raw.get("values"))
    email = columns.get("email")
    known = {email} if isinstance(email, str) else {*email} if isinstance(email, list) else set()
    published = {name: columns[name] for name in _PUBLISHED.get(entity.name, ()) if name in columns}
    attributes = _mapping(raw.get("attributes"))
    published |= {name: cells for name, cells in attributes.items() if name in segments}
    return [
        f"{name} is published, and its column '{cell}' holds e-mail addresses; map another "
        "column, or none"
        for name, cells in published.items()
        if name not in valued
        for cell in ([cells] if isinstance(cells, str) else cells)
        if isinstance(cell, str) and (cell in known or _ADDRESSES.fullmatch(cell.strip()))
    ]
