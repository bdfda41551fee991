"""Change points of every series; described in _scores__models.yml."""

SERIES = ("time_grain", "basis", "metric", "survey_type", "dimension", "segment")
FOUND = ("period_start", "searched_periods", "permutations", "p_value", "is_change_point")


def model(dbt, session):
    """Search every series whose answers differ: one row for each searched stretch."""
    import pyarrow as pa

    from orchestration.statistics.change_points import Rules, search_all

    assumption = dict(dbt.ref("assumptions").select("name, value").fetchall()).__getitem__
    rules = Rules(
        assumption("significance_level"),
        assumption("confidence_z"),
        int(assumption("trend_min_periods")),
        int(assumption("change_point_min_periods")),
        int(assumption("change_point_permutations")),
        int(assumption("random_seed")),
    )
    order = ", ".join((*SERIES, "period_start"))
    periods = dbt.ref("int_series_standardised").filter("deviation > 0")
    rows = periods.select(f"{order}, nps, 1 / pow(standard_error, 2)").order(order).fetchall()
    found = [(*series, *split) for series, split in search_all(rows, len(SERIES), rules)]
    types = (pa.date32(), pa.int64(), pa.int64(), pa.float64(), pa.bool_())
    fields = [(name, pa.string()) for name in SERIES] + list(zip(FOUND, types, strict=True))
    columns = [list(column) for column in zip(*found, strict=True)] or [[]] * len(fields)
    return session.from_arrow(pa.table(columns, schema=pa.schema(fields)))
