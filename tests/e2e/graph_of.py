"""Print, as JSON, the graph that Dagster makes of the workspace that NPS_WORKSPACE names."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


def main() -> None:
    """Load the definitions and print what is in them."""
    from orchestration.definitions import defs

    graph = defs.resolve_asset_graph()
    assets, bare, checks = {}, [], {}
    for node in graph.asset_nodes:
        name = node.key.to_user_string()
        assets[name] = {
            "group": node.group_name,
            "after": sorted(key.to_user_string() for key in node.parent_keys),
            "checks": sorted(
                f"{key.name}{' (blocks)' if graph.get(key).blocking else ''}"
                for key in node.check_keys
            ),
        }
        # dagster-dbt puts the model's SQL below its description
        if not (node.description or "").split("#### Raw SQL")[0].strip():
            bare.append(name)
    for key in graph.asset_check_keys:
        described = bool((graph.get(key).description or "").strip())
        checks[f"{key.asset_key.to_user_string()}: {key.name}"] = described
    repository = defs.get_repository_def()
    jobs = {}
    for name in repository.job_names:
        if not name.startswith("__"):
            job = defs.resolve_job_def(name)
            jobs[name] = {
                "executor": job.executor_def.name,
                "hooks": sorted(hook.name for hook in job.hook_defs),
                "tags": dict(job.tags),
            }
    print("GRAPH" + json.dumps({
        "assets": assets,
        "assets without description": bare,
        "checks": checks,
        "fresh": sorted(
            node.key.to_user_string() for node in graph.asset_nodes if node.freshness_policy
        ),
        "jobs": jobs,
        "schedules": {
            each.name: [each.cron_schedule, each.execution_timezone, each.job_name]
            for each in repository.schedule_defs
        },
        "sensors": {each.name: each.job_name for each in repository.sensor_defs},
    }))  # fmt: skip


if __name__ == "__main__":
    main()
