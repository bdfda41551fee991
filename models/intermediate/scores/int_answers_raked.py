"""Answers weighted by all dimensions at once; described in _scores__models.yml."""

SERIES = ("time_grain", "period_start", "period_end", "basis", "metric", "survey_type")


def model(dbt, session):
    """Rake every period, basis, metric and survey type that has several segments to weight by."""
    import numpy as np
    import pyarrow as pa

    from orchestration.statistics.raking import CLASSES, FIGURES, Cells, Limits, weigh

    assumption = dict(dbt.ref("assumptions").select("name, value").fetchall()).__getitem__
    limits = Limits(
        int(assumption("raking_rounds")),
        assumption("raking_tolerance"),
        assumption("min_raked_weight"),
        assumption("max_raked_weight"),
    )
    columns = dbt.source("raw", "segments").order("position").select("'seg_' || segment").fetchall()
    segments = [column for (column,) in columns]
    series = ", ".join(SERIES)
    cells = dbt.ref("int_joint_periods_counted").filter("base_customers > 0")
    places = [f"dense_rank() over (order by {series}, {s}) as of_{s}, base_{s}" for s in segments]
    places = [f"dense_rank() over (order by {series}) - 1 as series", *CLASSES, *places]
    order = ", ".join(("series", *(f"of_{s}" for s in segments)))
    arrays = cells.select(", ".join(places)).order(order).fetchnumpy()
    sums = ", ".join(f"cast(sum({name}) as bigint) as {name}" for name in CLASSES)
    totals = cells.aggregate(f"{series}, max(base_customers) as base_customers, {sums}", series)
    totals = totals.order(series).to_arrow_table()
    metrics = dbt.ref("metrics").select("metric, top_prior + middle_prior + bottom_prior")
    priors = dict(metrics.fetchall())
    figures = weigh(
        Cells(
            arrays["series"].astype(int),
            np.array([arrays[name] for name in CLASSES], dtype=float),
            [arrays[f"of_{s}"].astype(int) for s in segments],
            [arrays[f"base_{s}"].astype(float) for s in segments],
        ),
        totals["base_customers"].to_numpy().astype(float),
        np.array([priors[metric] for metric in totals["metric"].to_pylist()], dtype=float),
        limits,
    )
    counts = {name: totals[name] for name in CLASSES}
    responses = np.array([count.to_numpy() for count in counts.values()]).sum(axis=0)
    table = pa.table(
        {name: totals[name] for name in SERIES}
        | {"dimension": pa.array(["all dimensions"] * len(totals), pa.string())}
        | {"base_customers": totals["base_customers"], "covered_share": figures["covered_share"]}
        | {"responses": responses.astype(np.int64), **counts}
        | {name: pa.array(figures[name], pa.float64(), from_pandas=True) for name in FIGURES}
        | {"is_converged": figures["is_converged"]}
    )
    return session.from_arrow(table)
