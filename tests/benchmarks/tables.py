"""Seeded tables, as Parquet files that the sandbox serves with the Oracle types beside them.

MIXED   12 columns, about 122 bytes a row: 5 numbers, 4 strings, DATE, TIMESTAMP, RAW
WIDE    60 columns: MIXED five times over
LOBS    8 columns, one of them a CLOB of 200 to 20,000 characters
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

CHUNK_ROWS = 100_000
SEED = 20_261_123
MIXED_TYPES = {
    "ID": "NUMBER(12,0)",
    "AMOUNT": "NUMBER(18,2)",
    "ACCOUNT_ID": "NUMBER(10,0)",
    "RATE": "NUMBER",
    "WEIGHT": "BINARY_DOUBLE",
    "CUSTOMER": "VARCHAR2(60)",
    "CURRENCY": "VARCHAR2(3)",
    "REMARK": "NVARCHAR2(60)",
    "STATUS": "VARCHAR2(20)",
    "DOC_DATE": "DATE",
    "CHANGED_AT": "TIMESTAMP(6)",
    "ROW_KEY": "RAW(16)",
}
LOB_COLUMNS = ("ID", "AMOUNT", "ACCOUNT_ID", "CUSTOMER", "STATUS", "DOC_DATE", "CHANGED_AT")
CUSTOMERS = 5_000
REMARKS = ("ชำระเงินครบถ้วน", "paid in full", "รอเอกสาร", "waiting for the document", "ยกเลิก")
EPOCH = np.datetime64("2019-01-01T00:00:00", "us")
COPIES_IN_WIDE = 5


def write_tables(folder: Path, rows: dict[str, int]) -> None:
    """Write MIXED, WIDE, LOBS, or MIXED_<n>, as `rows` names them, into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, count in rows.items():
        make, types = _recipe(name)
        _write(folder / f"{name}.parquet", make, count)
        (folder / f"{name}.json").write_text(json.dumps(types), encoding="utf-8")


def _recipe(name: str) -> tuple[Callable[[int, int], pa.Table], dict[str, str]]:
    if name == "WIDE":
        names = [f"{column}_{copy}" for copy in range(COPIES_IN_WIDE) for column in MIXED_TYPES]
        return _wide, dict(zip(names, [*MIXED_TYPES.values()] * COPIES_IN_WIDE, strict=True))
    if name == "LOBS":
        return _lobs, {name: MIXED_TYPES[name] for name in LOB_COLUMNS} | {"NOTE": "CLOB"}
    return _mixed, MIXED_TYPES


def _write(path: Path, make: Callable[[int, int], pa.Table], rows: int) -> None:
    writer: pq.ParquetWriter | None = None
    for table in _chunks(make, rows):
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table)
    assert writer is not None
    writer.close()


def _chunks(make: Callable[[int, int], pa.Table], rows: int) -> Iterator[pa.Table]:
    for start in range(0, rows, CHUNK_ROWS):
        yield make(start, min(CHUNK_ROWS, rows - start))


def _mixed(start: int, count: int) -> pa.Table:
    random = np.random.default_rng([SEED, start])
    ids = np.arange(start, start + count)
    customers = pa.array([f"Customer {number:06d} Co., Ltd." for number in range(CUSTOMERS)])
    keys = random.bytes(16 * count)
    columns: list[pa.Array[Any]] = [
        pa.array(ids),
        _decimal(random.integers(-(10**11), 10**11, count), 2),
        pa.array(random.integers(10**6, 10**9, count)),
        _decimal(random.integers(1, 10**9, count), 7),
        pa.array(random.normal(100.0, 25.0, count)),
        customers.take(pa.array(random.integers(0, CUSTOMERS, count))),
        _choice(random, ("THB", "USD", "EUR", "JPY"), count, nulls=False),
        _choice(random, REMARKS, count, nulls=True),
        _choice(random, ("OPEN", "APPROVED", "CLOSED", "CANCELLED"), count, nulls=False),
        pa.array((EPOCH + ids.astype("timedelta64[s]") * 13).astype("datetime64[s]")),
        pa.array(EPOCH + random.integers(0, 2 * 10**14, count).astype("timedelta64[us]")),
        pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), count, [None, pa.py_buffer(keys)]).cast(
            pa.binary()
        ),
    ]
    return pa.table(columns, names=list(MIXED_TYPES))


def _wide(start: int, count: int) -> pa.Table:
    mixed = _mixed(start, count)
    names = [f"{column}_{copy}" for copy in range(COPIES_IN_WIDE) for column in MIXED_TYPES]
    return pa.table(mixed.columns * COPIES_IN_WIDE, names=names)


def _lobs(start: int, count: int) -> pa.Table:
    random = np.random.default_rng([SEED, start, 1])
    text = "หมายเหตุ remark " * 2_000
    notes = [text[:size] for size in random.integers(200, 20_000, count).tolist()]
    table = _mixed(start, count).select(list(LOB_COLUMNS))
    return table.append_column("NOTE", pa.array(notes, pa.large_string()))


def _decimal(digits: Any, scale: int) -> pa.Array[Any]:
    whole = pa.array(digits).cast(pa.decimal128(19, 0))
    return pa.Array.from_buffers(pa.decimal128(19, scale), len(whole), whole.buffers())


def _choice(random: Any, values: tuple[str, ...], count: int, *, nulls: bool) -> pa.Array[Any]:
    numbers = pa.array(
        random.integers(0, len(values), count),
        mask=random.random(count) < 0.1 if nulls else None,
    )
    return pa.array(values).take(numbers)
