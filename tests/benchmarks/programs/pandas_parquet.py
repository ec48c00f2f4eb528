"""pandas.read_sql in chunks of 50,000 rows, each written to one Parquet file."""

from __future__ import annotations

import warnings

import oracledb
import pandas as pd

from tests.benchmarks.programs.sandbox import DSN, FOLDER, PASSWORD, TABLE, USER, answer

# pandas only wishes for SQLAlchemy in place of a plain connection.
warnings.filterwarnings("ignore", category=UserWarning)
rows = 0
with oracledb.connect(user=USER, password=PASSWORD, dsn=DSN) as connection:
    query = f"SELECT * FROM ERP.{TABLE}"
    for number, chunk in enumerate(pd.read_sql(query, connection, chunksize=50_000)):
        chunk.to_parquet(FOLDER / f"chunk-{number:05d}.parquet")
        rows += len(chunk)
answer(rows)
