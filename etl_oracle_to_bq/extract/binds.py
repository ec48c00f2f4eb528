"""Bind values, sent as exactly the Oracle type that the query names."""

from __future__ import annotations

from datetime import datetime

import oracledb

from etl_oracle_to_bq.model import Query

BIND_TYPES = {
    "DATE": oracledb.DB_TYPE_DATE,
    "TIMESTAMP": oracledb.DB_TYPE_TIMESTAMP,
    "NUMBER": oracledb.DB_TYPE_NUMBER,
}


def bound(cursor: oracledb.Cursor, query: Query) -> dict[str, oracledb.Var]:
    """The query's binds as variables for any cursor of the same connection.

    A TIMESTAMP bind against a DATE column costs its index and partition pruning, and the
    driver alone would send every datetime as DATE, without its fraction. Zone-aware values
    are refused with ValueError, because the driver drops the zone.
    """
    return {name: _variable(cursor, bind.value, bind.type) for name, bind in query.binds.items()}


def _variable(cursor: oracledb.Cursor, value: datetime | int, kind: str) -> oracledb.Var:
    if isinstance(value, datetime) and value.tzinfo is not None:
        raise ValueError("binds are naive datetimes of the column's own clock")
    variable = cursor.var(BIND_TYPES[kind])
    variable.setvalue(0, value)
    return variable
