"""The settings of workspace.yml as Parquet files, for dbt."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from orchestration.core.atomic_write import parquet_bytes, write_if_changed
from orchestration.lake.columns import snapshot_kind
from orchestration.lake.hash_key import hash_key
from orchestration.workspace.entities import ENTITIES
from orchestration.workspace.model import Workspace
from orchestration.workspace.segments import published_name

_SETTINGS = {
    "workspace": pa.schema(
        [
            ("as_of_on", pa.date32()),
            ("as_of_at", pa.timestamp("us")),
            ("timezone", pa.string()),
            ("currency", pa.string()),
            ("min_group_size", pa.int32()),
            ("feature_months", pa.int32()),
            ("fiscal_year_start", pa.int32()),
            ("quarantine_days", pa.int32()),
            ("headline_metric", pa.string()),
            ("headline_survey_type", pa.string()),
            ("headline_window_days", pa.int32()),
            ("max_quarantine_rate", pa.float64()),
            ("holdout_share", pa.float64()),
            ("holdout_since", pa.date32()),
        ]
    ),
    "churn_windows": pa.schema([("window_days", pa.int32())]),
    "rolling_windows": pa.schema([("window_days", pa.int32())]),
    "segments": pa.schema(
        [("position", pa.int32()), ("segment", pa.string()), ("published_name", pa.string())]
    ),
    "split_attributes": pa.schema([("attribute", pa.string())]),
    "lead_attributes": pa.schema([("attribute", pa.string()), ("is_of_customers", pa.bool_())]),
    "events": pa.schema(
        [
            ("event", pa.string()),
            ("happened_on", pa.date32()),
            ("dimension", pa.string()),
            ("segment", pa.string()),
            ("window_days", pa.int32()),
        ]
    ),
    "journey": pa.schema([("position", pa.int32()), ("stage", pa.string())]),
    "mapped_columns": pa.schema(
        [
            ("source", pa.string()),
            ("entity", pa.string()),
            ("customer_source", pa.string()),
            ("column_name", pa.string()),
            ("min_match_rate", pa.float64()),
        ]
    ),
    "hash_keys": pa.schema([("hash_key", pa.string())]),
    "source_limits": pa.schema(
        [
            ("source", pa.string()),
            ("entity", pa.string()),
            ("max_quarantine_rate", pa.float64()),
        ]
    ),
}


def write_settings(workspace: Workspace) -> None:
    """Write ``lake/settings/*.parquet``, each only if that changes it."""
    mapped = [
        (source.name, source.entity, source.customers_of, column, source.min_match_rate)
        for source in workspace.sources
        for column in (*ENTITIES[source.entity].column_names, "_snapshot_at")
        if column in source.given
        # a declared snapshot may be after as_of; a file's own time says nothing of its rows
        or (column == "_snapshot_at" and snapshot_kind(source) != "file_modified")
    ]
    rows: dict[str, list[tuple[Any, ...]]] = {
        "workspace": [
            (
                workspace.as_of_on,
                workspace.as_of_at.replace(tzinfo=None),
                workspace.timezone,
                workspace.currency,
                workspace.min_group_size,
                workspace.feature_months,
                workspace.fiscal_year_start,
                workspace.survey_rules.quarantine_days,
                workspace.headline.metric,
                workspace.headline.survey_type,
                workspace.headline.window_days,
                workspace.max_quarantine_rate,
                workspace.actions.holdout_share,
                workspace.actions.holdout_since,
            )
        ],
        "churn_windows": [(days,) for days in workspace.churn_windows],
        "rolling_windows": [(days,) for days in workspace.scored_windows],
        "segments": [
            (position, segment, published_name(segment))
            for position, segment in enumerate(workspace.segments, start=1)
        ],
        "split_attributes": [(name,) for name in workspace.split_attributes],
        "lead_attributes": [
            (name, name in workspace.attributes_of("customers"))
            for name in workspace.attributes_of("leads")
        ],
        "events": [
            (
                event.name,
                event.day,
                event.dimension or "all",
                event.segment or "all",
                event.window_days,
            )
            for event in workspace.events
        ],
        "journey": list(enumerate(workspace.journey, start=1)),
        "mapped_columns": mapped,
        "hash_keys": [(hash_key(workspace),)],
        "source_limits": [
            (source.name, source.entity, source.max_quarantine_rate)
            for source in workspace.sources
            if source.max_quarantine_rate is not None
        ],
    }
    for name, schema in _SETTINGS.items():
        columns = {
            column: [row[place] for row in rows[name]] for place, column in enumerate(schema.names)
        }
        content = parquet_bytes(pa.table(columns, schema=schema))
        write_if_changed(workspace.settings_dir / f"{name}.parquet", content)
