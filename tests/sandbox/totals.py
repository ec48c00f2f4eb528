"""Counts and sums of money of a view, asked of Oracle and of BigQuery by their real clients."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from tests.sandbox.dataset.base import OWNER
from tests.sandbox.dataset.views import ViewSpec

if TYPE_CHECKING:
    import oracledb
    from google.cloud import bigquery


@dataclass(frozen=True)
class Totals:
    """Rows, and the sum of each money column in its order; an empty sum is None."""

    rows: int
    sums: tuple[Decimal | None, ...]


def oracle_totals(connection: oracledb.Connection, spec: ViewSpec) -> Totals:
    """Totals of the view as it is now."""
    # As text, because the driver hands out NUMBER as a float.
    sums = "".join(f", TO_CHAR(SUM({column}), 'TM9')" for column in spec.money)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*){sums} FROM {OWNER}.{spec.name}")
        rows, *texts = cursor.fetchone()
    return Totals(int(rows), tuple(None if text is None else Decimal(text) for text in texts))


def bigquery_totals(client: bigquery.Client, dataset: str, spec: ViewSpec) -> Totals:
    """Totals of the target; of its newest rows where every version is kept."""
    versions = spec.write_disposition == "append" and spec.keys
    table = f"{spec.name.lower()}_latest" if versions else spec.name.lower()
    sums = "".join(f", SUM({column.lower()})" for column in spec.money)
    job = client.query(f"SELECT COUNT(*){sums} FROM `{client.project}.{dataset}.{table}`")
    (row,) = (tuple(row.values()) for row in job.result())
    return Totals(row[0], row[1:])
