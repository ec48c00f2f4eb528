"""What the engine's tests share beside fixtures."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pyarrow as pa

from tests.sandbox.oracle.engine import EngineSession
from tests.sandbox.oracle.session import Bind

NOW = dt.datetime(2026, 3, 29, 20, 30, 15, 123456, tzinfo=dt.UTC)
BANGKOK = dt.timezone(dt.timedelta(hours=7))
NS = pa.struct([("seconds", pa.int64()), ("nanos", pa.int32())])
TZ = pa.struct([("seconds", pa.int64()), ("nanos", pa.int32()), ("offset", pa.int16())])
DS = pa.struct([("days", pa.int64()), ("nanos", pa.int64())])

Ask = Callable[..., list[tuple[object, ...]]]


def rows_of(session: EngineSession, sql: str, *binds: Bind) -> list[tuple[object, ...]]:
    """Every row of a query."""
    found: list[tuple[object, ...]] = []
    for batch in session.execute(sql, list(binds)).batches:
        columns = [column.to_pylist() for column in batch.columns]
        found += list(zip(*columns, strict=True))
    return found


def naive(text: str) -> dt.datetime:
    """A naive datetime from ISO text: Oracle's DATE has no zone."""
    return dt.datetime.fromisoformat(text)
