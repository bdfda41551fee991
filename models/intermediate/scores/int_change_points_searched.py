"""Change points of every series; described in _scores__models.yml."""

SERIES = ("time_grain", "basis", "metric", "survey_type", "dimension", "segment")


def model(dbt, session):
    """Search every series whose answers differ: one row for each searched stretch."""
    import zlib
    from itertools import groupby
    from operator import itemgetter

    import numpy as np
    import pyarrow as pa

    from orchestration.statistics.change_points import Rules, search

    assumption = dict(dbt.ref("assumptions").select("name, value").fetchall()).__getitem__
    rules = Rules(
        assumption("significance_level"),
        assumption("confidence_z"),
        int(assumption("trend_min_periods")),
        int(assumption("change_point_min_periods")),
        int(assumption("change_point_permutations")),
    )
    order = ", ".join((*SERIES, "period_start"))
    periods = dbt.ref("int_series_standardised").filter("deviation > 0")
    rows = periods.select(f"{order}, nps, 1 / pow(standard_error, 2)").order(order).fetchall()
    found = []
    for series, members in groupby(rows, itemgetter(slice(len(SERIES)))):
        starts, scores, weights = zip(*(row[len(SERIES) :] for row in members), strict=True)
        # each series has its own permutations, whichever others there are
        key = zlib.crc32("|".join(series).encode())
        rng = np.random.default_rng([int(assumption("random_seed")), key])
        for split in search(np.array(scores), np.array(weights), rng, rules):
            found.append((*series, starts[split.first], *split[1:]))
    fields = [(name, pa.string()) for name in SERIES]
    fields += [("period_start", pa.date32()), ("searched_periods", pa.int64())]
    fields += [("permutations", pa.int64()), ("p_value", pa.float64())]
    schema = pa.schema([*fields, ("is_change_point", pa.bool_())])
    columns = [list(column) for column in zip(*found, strict=True)] or [[]] * len(schema)
    return session.from_arrow(pa.table(columns, schema=schema))
