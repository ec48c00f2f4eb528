"""`store-columns`: a view's columns, each with what it is good for and why; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from etl_oracle_to_bq import schema
from etl_oracle_to_bq.model import OracleColumn, OracleView

CHANGE_STAMPS = ("LAST_UPDATE", "UPDATE_DATE", "MODIFIED", "CHANGED", "CREATION_DATE")
DOCUMENT_DATES = (
    "GL_DATE",
    "TRX_DATE",
    "INVOICE_DATE",
    "PERIOD",
    "DOCUMENT",
    "ACCOUNTING",
    "_DATE",
)
CODES = ("_ID", "_CODE", "_NUM", "_NO", "_NUMBER", "CURRENCY", "STATUS", "SEGMENT", "ORG")
CLUSTERED_TYPES = {
    "STRING",
    "INT64",
    "NUMERIC",
    "BIGNUMERIC",
    "DATE",
    "DATETIME",
    "TIMESTAMP",
    "BOOL",
}


def columns(view: OracleView) -> list[dict[str, Any]]:
    """One dict a column, in the view's order; an advice of '' means: not suited."""
    return [_column(column) for column in view.columns]


def _column(column: OracleColumn) -> dict[str, Any]:
    planned = schema.default_type(column) or ""
    return {
        "name": column.name,
        "data_type": schema.declared_type(column),
        "nullable": column.nullable,
        "bigquery_type": planned,
        "advice": {
            "incremental": _incremental(column, planned),
            "partition": _partition(column, planned),
            "cluster": _cluster(column, planned),
            "key": _key(column, planned),
            "date": _date(column),
        },
    }


def _has(column: OracleColumn, words: tuple[str, ...]) -> bool:
    return any(word in column.name.upper() for word in words)


def _incremental(column: OracleColumn, bigquery_type: str) -> str:
    if bigquery_type not in ("DATETIME", "TIMESTAMP"):
        return ""
    if _has(column, CHANGE_STAMPS):
        empty = "; rows without a value are never loaded by an increment" if column.nullable else ""
        return f"named like the moment of the last change{empty}"
    return "a date, but not named like the moment of the last change"


def _partition(column: OracleColumn, bigquery_type: str) -> str:
    if bigquery_type not in ("DATE", "DATETIME", "TIMESTAMP"):
        return ""
    if _has(column, CHANGE_STAMPS):
        return "a change moves the row to another partition; a document date suits reports better"
    if _has(column, DOCUMENT_DATES):
        return "reports filter on document dates, so whole partitions are skipped"
    return "a date: suited when reports filter on it"


def _cluster(column: OracleColumn, bigquery_type: str) -> str:
    if bigquery_type not in CLUSTERED_TYPES:
        return ""
    if _has(column, CODES):
        return "an identifier or code that reports filter or join on"
    return ""


def _key(column: OracleColumn, bigquery_type: str) -> str:
    if bigquery_type not in ("STRING", "INT64", "NUMERIC", "DATE", "DATETIME"):
        return ""
    if column.nullable:
        return ""
    return "never empty" + (", named like an identifier" if _has(column, CODES) else "")


def _date(column: OracleColumn) -> str:
    return "a date without time can be loaded as DATE" if column.data_type == "DATE" else ""


def as_text(column: Mapping[str, Any]) -> str:
    """One line of a console."""
    good_for = "; ".join(f"{use}: {why}" for use, why in column["advice"].items() if why)
    return f"{column['name']}  {column['data_type']} → {column['bigquery_type']}  {good_for}"
