"""The whole graph on one screen: landing -> lake -> models -> gate -> published.

Importing this module reads the settings and the dbt project; it writes nothing and runs nothing.
"""

import dagster as dg

from orchestration.lake.assets import ingest_assets, lake_assets
from orchestration.publish.ledger import write_lake_tables
from orchestration.quality.assets import mart_checks, raw_checks
from orchestration.report.assets import output_assets
from orchestration.schedules import daily, full_refresh, landing, refresh, with_freshness
from orchestration.warehouse.assets import dbt_models
from orchestration.workspace.current import current_workspace
from sample.generate import make_sample

workspace = current_workspace()

defs = dg.Definitions(
    assets=with_freshness(
        [
            *ingest_assets(workspace, make_sample),
            lake_assets(workspace, write_lake_tables),
            dbt_models(workspace),
            *output_assets(workspace),
        ]
    ),
    asset_checks=[raw_checks, mart_checks],
    jobs=[refresh, full_refresh],
    schedules=[daily(workspace)],
    sensors=[landing],
    # One process a run: importing dbt, Dagster and Great Expectations costs seconds each.
    executor=dg.in_process_executor,
)
