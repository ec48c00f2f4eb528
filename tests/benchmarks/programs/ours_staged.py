"""The product's own plan, extract and stage, without BigQuery: `ours_staged csv|dataframe`.

The parts stay in the folder, for the contestant that loads them straight.
"""

from __future__ import annotations

import json
import time

started = time.perf_counter()

from etl_oracle_to_bq import extract, schema, stage  # noqa: E402
from etl_oracle_to_bq import plan as planning  # noqa: E402
from etl_oracle_to_bq.model import (  # noqa: E402
    LoadMode,
    Plan,
    Request,
    Source,
    Store,
    WriteDisposition,
)
from tests.benchmarks.programs.sandbox import (  # noqa: E402
    ARGUMENTS,
    DSN,
    FOLDER,
    PASSWORD,
    TABLE,
    USER,
    answer,
)


def source() -> Source:
    """The table as a data source that is replaced as a whole."""
    address, _, service = DSN.partition("/")
    host, _, port = address.partition(":")
    store = Store(1, "benchmark", host, int(port), USER, PASSWORD, service_name=service)
    return Source(
        1,
        f"ERP.{TABLE}",
        store,
        "benchmark",
        TABLE.lower(),
        load_mode=LoadMode(ARGUMENTS[0]),
        write_disposition=WriteDisposition.REPLACE,
    )


def planned(session: extract.OracleSession, wanted: Source) -> Plan:
    """The product's plan for a target that does not exist yet."""
    view = session.describe(wanted.view)
    return planning.make(wanted, view, session.moment(), None, Request())


with extract.connect(source().store) as session:
    plan = planned(session, source())
    stager = stage.Stager(
        FOLDER,
        schema.arrow_schema(plan.columns),
        mode=plan.load_mode,
        imported_at=plan.imported_at,
    )
    wanted = schema.fetch_schema(plan.columns)
    rows, first = 0, 0.0
    for batch in session.batches(plan.query, wanted, plan.batch_size):
        first = first or time.perf_counter() - started
        rows += batch.num_rows
        stager.write(batch)
    parts = stager.finish()
# CSV says nothing about types: who loads the parts straight needs to be told.
types = {column.name: column.type for column in plan.columns} | {schema.IMPORTED_AT: "TIMESTAMP"}
(FOLDER / "types.json").write_text(json.dumps(types), encoding="utf-8")
staged = sum(part.bytes for part in parts)
answer(rows, first_row_seconds=round(first, 3), parts=len(parts), staged_bytes=staged)
