"""The floor: nothing in Python is faster on one connection. An argument adds a WHERE clause.

Arrow batches are fetched and thrown away, with the packet size that the product asks for.
"""

from __future__ import annotations

import oracledb

from tests.benchmarks.programs.sandbox import ARGUMENTS, DSN, PASSWORD, TABLE, USER, answer

SDU_BYTES = 65_535
where = " ".join(["WHERE", *ARGUMENTS]) if ARGUMENTS else ""
rows = 0
with oracledb.connect(user=USER, password=PASSWORD, dsn=DSN, sdu=SDU_BYTES) as connection:
    for frame in connection.fetch_df_batches(f"SELECT * FROM ERP.{TABLE} {where}", size=50_000):
        rows += frame.num_rows()
answer(rows)
