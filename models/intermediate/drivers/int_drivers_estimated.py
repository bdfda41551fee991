"""What goes with the score of every metric and survey type; described in _drivers__models.yml."""


def model(dbt, session):
    """Share out the explained variance, one regression for each metric and survey type."""
    from orchestration.statistics.drivers import DRIVERS, Resampling, estimated_drivers
    from orchestration.statistics.tables import ordered_rows, seed_values, table_of

    assumption = seed_values(dbt.ref("assumptions"))
    key = ("metric", "survey_type", "part", "attribute", "level", "other_attribute", "other_level")
    rows = estimated_drivers(
        ordered_rows(dbt.ref("int_driver_pairs_counted"), *key),
        least=assumption("min_per_coefficient"),
        most=int(assumption("key_driver_attributes")),
        resampling=Resampling(
            resamples=int(assumption("key_driver_resamples")),
            seed=int(assumption("random_seed")),
            z=assumption("confidence_z"),
        ),
    )
    return session.from_arrow(table_of(rows, DRIVERS))
