"""The whole graph on one screen: landing -> lake -> models -> gate -> published."""

import dagster as dg

from orchestration.context import current_workspace
from orchestration.ingest.assets import ingest_assets, lake_assets
from orchestration.outputs import output_assets
from orchestration.quality import mart_checks, raw_checks
from orchestration.schedules import daily, freshness_checks, full_refresh, landing, refresh
from orchestration.transform import dbt_models

workspace = current_workspace()
freshness = freshness_checks()

defs = dg.Definitions(
    assets=[
        *ingest_assets(workspace),
        lake_assets(workspace),
        dbt_models(workspace),
        *output_assets(workspace),
    ],
    asset_checks=[raw_checks, mart_checks, *freshness],
    jobs=[refresh, full_refresh],
    schedules=[daily(workspace)],
    sensors=[landing, dg.build_sensor_for_freshness_checks(freshness_checks=freshness)],
    # One process a run: importing dbt, Dagster and Great Expectations costs seconds each.
    executor=dg.in_process_executor,
)
