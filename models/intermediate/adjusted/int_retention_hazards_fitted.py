"""Cox's model of every metric and survey type; described in _adjusted__models.yml."""


def model(dbt, session):
    """Fit the drawn customers, one model for each metric and survey type."""
    from orchestration.statistics.retention import HAZARDS, Limits, fitted_hazards
    from orchestration.statistics.tables import (
        ordered_rows,
        seed_values,
        segment_names,
        table_of,
    )

    assumption = seed_values(dbt.ref("assumptions"))
    customers = dbt.ref("int_retention_customers_drawn")
    rows = fitted_hazards(
        ordered_rows(customers, "metric", "survey_type", "place"),
        segment_names(dbt.source("raw", "segments")),
        Limits(
            least=assumption("min_per_coefficient"),
            known_share=assumption("min_known_share"),
            inflation=assumption("max_variance_inflation"),
        ),
    )
    return session.from_arrow(table_of(rows, HAZARDS))
