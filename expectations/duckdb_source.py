"""Great Expectations' data source for DuckDB.

Great Expectations 1.24 leaves the connection before it fetches a query's rows. Most drivers have
them in memory by then; DuckDB's result ends with its connection, and every expectation fails with
``list index out of range``. The engine below fetches inside the connection, nothing else.
``tests/expectations/test_duckdb_source.py`` fails on the day Great Expectations can do without.

Importing this module imports Great Expectations, which costs about ten seconds.
"""

from __future__ import annotations

from typing import Any, Literal

import sqlalchemy as sa
from great_expectations.compatibility import pydantic
from great_expectations.datasource.fluent import SQLDatasource
from great_expectations.execution_engine import SqlAlchemyExecutionEngine
from sqlalchemy.pool import StaticPool

IN_MEMORY = ":memory:"


class DuckDBExecutionEngine(SqlAlchemyExecutionEngine):
    """Runs queries on DuckDB and hands out rows that outlive the connection."""

    def execute_query(self, query: Any) -> Any:
        """Execute a query and fetch its rows before the connection is left.

        Args:
            query: a selectable or a text of SQLAlchemy's.

        Returns:
            A result of SQLAlchemy's over the rows fetched.
        """
        with self.get_connection() as connection:
            return self._execute_query_with_recovery(connection, query).freeze()()


class DuckDBDatasource(SQLDatasource):
    """A DuckDB database: a file or one in memory, held by a single connection.

    The path is a field of its own, not part of ``connection_string``: a ``$``, ``?`` or ``%`` in a
    folder's name would have a meaning there.

    Attributes:
        database: path of the file, or ``:memory:``.
        read_only: whether the file is opened for reading only.
        table_schema: the schema in which tables are looked up.
    """

    type: Literal["duckdb"] = "duckdb"  # type: ignore[assignment]
    connection_string: str = "duckdb:///:memory:"
    database: str = IN_MEMORY
    read_only: bool = False
    table_schema: str | None = None

    _duckdb_engine: Any = pydantic.PrivateAttr(None)

    @property
    def schema_(self) -> str | None:
        """The schema of the tables that name none."""
        return self.table_schema

    @property
    def execution_engine_type(self) -> type[SqlAlchemyExecutionEngine]:
        """The engine that fetches inside the connection."""
        return DuckDBExecutionEngine

    def get_engine(self) -> sa.Engine:
        """The one SQLAlchemy engine: a database in memory lives in its one connection."""
        if self._engine is None:
            self._engine = sa.create_engine(
                sa.URL.create("duckdb", database=self.database),
                connect_args={"read_only": True} if self.read_only else {},
                poolclass=StaticPool,
            )
        return self._engine

    def get_execution_engine(self) -> SqlAlchemyExecutionEngine:
        """The execution engine over the one SQLAlchemy engine."""
        if self._duckdb_engine is None:
            self._duckdb_engine = DuckDBExecutionEngine(
                engine=self.get_engine(), create_temp_table=False
            )
        return self._duckdb_engine

    def close(self) -> None:
        """Close the connection, so that others may write to the file."""
        if self._engine is not None:
            self._engine.dispose()
        self._engine = self._duckdb_engine = None
