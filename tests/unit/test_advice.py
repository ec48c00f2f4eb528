"""Advice on columns: what each is good for, and why."""

from __future__ import annotations

import pytest

from etl_oracle_to_bq import advice
from etl_oracle_to_bq.model import OracleColumn, OracleView

STAMP = OracleColumn("LAST_UPDATE_DATE", "DATE", nullable=False)


def of(column: OracleColumn) -> dict[str, str]:
    (told,) = advice.columns(OracleView("APPS", "XX_GL_V", (column,)))
    found: dict[str, str] = told["advice"]
    return found


def uses(column: OracleColumn) -> set[str]:
    return {use for use, why in of(column).items() if why}


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (STAMP, {"incremental", "partition", "key", "date"}),
        (OracleColumn("GL_DATE", "DATE"), {"incremental", "partition", "date"}),
        (OracleColumn("CREATED", "TIMESTAMP(6)", scale=6), {"incremental", "partition"}),
        (
            OracleColumn("SEEN", "TIMESTAMP(6) WITH TIME ZONE", scale=6),
            {"incremental", "partition"},
        ),
        (OracleColumn("INVOICE_ID", "NUMBER", 15, 0, nullable=False), {"cluster", "key"}),
        (OracleColumn("INVOICE_ID", "NUMBER", 15, 0, nullable=True), {"cluster"}),
        (OracleColumn("AMOUNT", "NUMBER"), set()),
        (OracleColumn("RATIO", "BINARY_DOUBLE", nullable=False), set()),
        (OracleColumn("STATUS_CODE", "VARCHAR2", length=30), {"cluster"}),
        (OracleColumn("PICTURE", "BLOB", nullable=False), set()),
        (OracleColumn("WHERE_IT_IS", "SDO_GEOMETRY", nullable=False), set()),
    ],
    ids=lambda value: value.name if isinstance(value, OracleColumn) else "",
)
def test_what_a_column_is_good_for(column: OracleColumn, expected: set[str]) -> None:
    assert uses(column) == expected


def test_a_stamp_that_may_be_empty_is_warned_of() -> None:
    assert of(STAMP)["incremental"] == "named like the moment of the last change"
    empty = of(OracleColumn("LAST_UPDATE_DATE", "DATE", nullable=True))
    assert "never loaded by an increment" in empty["incremental"]


def test_partitioning_by_a_stamp_of_change_is_advised_against() -> None:
    assert "another partition" in of(STAMP)["partition"]
    assert "whole partitions are skipped" in of(OracleColumn("TRX_DATE", "DATE"))["partition"]


def test_columns_come_in_the_views_order_with_both_types() -> None:
    view = OracleView(
        "APPS",
        "XX_GL_V",
        (OracleColumn("B", "NUMBER", 12, 2), OracleColumn("A", "SDO_GEOMETRY", nullable=False)),
    )
    told = advice.columns(view)
    shown = [(c["name"], c["data_type"], c["bigquery_type"], c["nullable"]) for c in told]
    assert shown == [
        ("B", "NUMBER(12,2)", "NUMERIC", True),
        ("A", "SDO_GEOMETRY", "", False),
    ]


def test_a_line_tells_only_the_uses_there_are() -> None:
    (told,) = advice.columns(OracleView("APPS", "V", (OracleColumn("ORG_ID", "NUMBER", 5, 0),)))
    line = advice.as_text(told)
    assert line.startswith("ORG_ID  NUMBER(5,0) → INT64  cluster: ")
    assert "key" not in line
