"""The Go ADBC driver for Oracle: Arrow batches into one Parquet file."""

from __future__ import annotations

import pyarrow.parquet as pq
from adbc_driver_oracle import dbapi

from tests.benchmarks.programs.sandbox import DSN, FOLDER, PASSWORD, TABLE, USER, answer

rows = 0
with (
    dbapi.connect(f"oracle://{USER}:{PASSWORD}@{DSN}") as connection,
    connection.cursor() as cursor,
):
    cursor.execute(f"SELECT * FROM ERP.{TABLE}")
    reader = cursor.fetch_record_batch()
    with pq.ParquetWriter(FOLDER / "adbc.parquet", reader.schema, compression="zstd") as writer:
        for batch in reader:
            writer.write_batch(batch)
            rows += batch.num_rows
answer(rows)
