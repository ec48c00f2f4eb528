"""What such scripts do: pandas.read_sql of the whole table, then to_csv."""

from __future__ import annotations

import warnings

import oracledb
import pandas as pd

from tests.benchmarks.programs.sandbox import DSN, FOLDER, PASSWORD, TABLE, USER, answer

# pandas only wishes for SQLAlchemy in place of a plain connection.
warnings.filterwarnings("ignore", category=UserWarning)
with oracledb.connect(user=USER, password=PASSWORD, dsn=DSN) as connection:
    frame = pd.read_sql(f"SELECT * FROM ERP.{TABLE}", connection)
frame.to_csv(FOLDER / "whole.csv", index=False)
answer(len(frame))
