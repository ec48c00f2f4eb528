"""The facts that the tests of the plan start from: one view, one source, one moment."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from etl_oracle_to_bq import plan as planning
from etl_oracle_to_bq.model import (
    Moment,
    OracleColumn,
    OracleView,
    Plan,
    Request,
    Source,
    Store,
    Table,
    Watermark,
    WriteDisposition,
)

STORE = Store(1, "erp", "localhost", 1521, "etl", "secret", service_name="ERP")
VIEW = OracleView(
    "ERP",
    "V_INVOICES",
    (
        OracleColumn("INVOICE_ID", "NUMBER", 10, 0, nullable=False),
        OracleColumn("AMOUNT", "NUMBER"),
        OracleColumn("INVOICE_DATE", "DATE"),
        OracleColumn("CREATED_AT", "TIMESTAMP(6)", None, 6),
        OracleColumn("CHANGED_AT", "TIMESTAMP(6) WITH TIME ZONE", None, 6),
        OracleColumn("LAST_UPDATE_DATE", "DATE"),
        OracleColumn("REMARK", "CLOB"),
    ),
)
SOURCE = Source(
    7,
    "ERP.V_INVOICES",
    STORE,
    "finance",
    "v_invoices",
    key_columns=("INVOICE_ID",),
    incremental_column="LAST_UPDATE_DATE",
)
APPEND, MERGE = WriteDisposition.APPEND, WriteDisposition.MERGE
REPLACE, WINDOW = WriteDisposition.REPLACE, WriteDisposition.REPLACE_WINDOW


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


MOMENT = Moment(at("2026-03-02 10:00:05"), at("2026-03-02 03:00:05.250000"), scn=4711)


def source(**settings: object) -> Source:
    return replace(SOURCE, **settings)


def marked(value: str, **settings: object) -> Source:
    made = source(**settings)
    return replace(made, watermark=Watermark(at(value), made.scope))


def make(configured: Source, request: Request | None = None, existing: Table | None = None) -> Plan:
    """The plan; a source with a watermark has its target, unless another is given."""
    if existing is None and configured.watermark is not None:
        existing = owned(configured)
    return planning.make(configured, VIEW, MOMENT, existing, request or Request())


def owned(configured: Source, **settings: object) -> Table:
    """The table that the product itself would have made for the source."""
    fresh = replace(configured, adopt=False, watermark=None)
    return replace(make(fresh).target, **{"rows": 10, **settings})


def counts(**found: int) -> dict[str, int]:
    """A probe's answer: 100 rows with a time of day and nothing odd, unless told."""
    return {"window_rows": 100, "off_midnight": 100, "whole_day_rows": 90, **found}
