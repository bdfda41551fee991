"""The expectation that nearly every check is: a query of offending rows returns none.

Importing this module imports Great Expectations, which costs about ten seconds.
"""

from __future__ import annotations

from typing import Any, ClassVar

from great_expectations.expectations import UnexpectedRowsExpectation


class ExpectNoRows(UnexpectedRowsExpectation):
    """``UnexpectedRowsExpectation`` that counts the rows and never fetches one.

    The original runs the query twice, once for the count and once for the rows themselves: twice
    the time, and cells of the table in the process and within reach of any log.
    """

    metric_dependencies: ClassVar[tuple[str, ...]] = ("unexpected_rows_query.row_count",)

    def _validate(
        self,
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any] | None = None,
        execution_engine: Any = None,
    ) -> dict[str, Any]:
        count = int(metrics["unexpected_rows_query.row_count"])
        return {"success": count == 0, "result": {"observed_value": count}}
