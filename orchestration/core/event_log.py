"""Dagster's SQLite event log with its connections kept for the length of a run.

Dagster opens a connection, an engine and a compiler cache for each of the six statements of an
event. A no-op run has a thousand events, and spent most of its time there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any


@contextmanager
def kept_connections(storage: Any) -> Iterator[None]:
    """Keep one connection to each database of an event log, and cache which tables it has.

    Args:
        storage: a Dagster event log storage; another than SQLite's is left unchanged.
    """
    from dagster._core.storage.event_log import SqliteEventLogStorage

    if not isinstance(storage, SqliteEventLogStorage):
        yield
        return
    from sqlalchemy import create_engine, event
    from sqlalchemy.pool import StaticPool

    engines: dict[str, Any] = {}

    def engine_of(shard: str) -> Any:
        if shard not in engines:
            engine = create_engine(
                storage.conn_string_for_shard(shard),
                poolclass=StaticPool,
                connect_args={"timeout": 30, "check_same_thread": False},
            )
            # a crash of the machine may lose the last events, never the file
            event.listen(
                engine, "connect", lambda raw, _: raw.execute("pragma synchronous = normal")
            )
            if shard not in storage._initialized_dbs:
                storage._initdb(engine)
                storage._initialized_dbs.add(shard)
            engines[shard] = engine
        return engines[shard]

    @contextmanager
    def connect(shard: str) -> Iterator[Any]:
        with storage._db_lock, engine_of(shard).begin() as connection:
            yield connection

    storage._connect = connect  # type: ignore[method-assign]
    # looked up for each event of an asset, each time by another connection
    storage.has_table = cache(storage.has_table)  # type: ignore[method-assign]
    try:
        yield
    finally:
        del storage._connect
        del storage.has_table
        for engine in engines.values():
            engine.dispose()
