"""What the table builders share: sizes, the recipe, and the columns that recur.

Primary ids run without gaps from FIRST_ID, which `business` relies on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tests.sandbox.dataset import columns as c
from tests.sandbox.dataset import values as v
from tests.sandbox.dataset.columns import required
from tests.sandbox.dataset.values import Draw
from tests.sandbox.oracle.session import Column

OWNER = "ERP"
FIRST_ID = 10_001
# Ids of rows that are committed late, so that they never meet those of a day in between.
LATE_FIRST_ID = 500_000_000_000
# The clock of the sandbox's database server: Bangkok, which has no daylight saving.
SERVER_OFFSET_MINUTES = 7 * 60
LINES_PER_DOCUMENT = 3
ORGANISATIONS = (81, 82, 101, 204)
# "No end": the last day of Oracle's calendar as its own applications use it, and the common one.
SENTINEL_DATES = (np.datetime64("4712-12-31", "s"), np.datetime64("9999-12-31", "s"))
# 4712-01-01 BC and 0044-03-15 BC, counted in the proleptic Gregorian calendar with a year 0.
BC_DATES = (np.datetime64("-4711-01-01", "s"), np.datetime64("-0043-03-15", "s"))

Pair = tuple[Column, pa.Array]


@dataclass(frozen=True)
class BaseTable:
    """One table: its name, its declared columns and its rows in the seam's representation."""

    name: str
    columns: tuple[Column, ...]
    rows: pa.Table


@dataclass(frozen=True)
class Sizes:
    """How many rows each base table gets; nine views of them hold `rows` in all, about."""

    customers: int
    vendors: int
    accounts: int
    projects: int
    receipts: int
    invoices: int
    payments: int
    orders: int
    budgets: int
    wip: int
    aging: int

    @classmethod
    def of(cls, rows: int) -> Sizes:
        """Share `rows` out over the nine views."""

        def share(part: float, least: int = 12) -> int:
            return max(least, round(rows * part))

        return cls(
            customers=share(0.01),
            vendors=share(0.01),
            accounts=share(0.02),
            projects=share(0.01),
            receipts=share(0.15),
            invoices=share(0.21 / LINES_PER_DOCUMENT),
            payments=share(0.13),
            orders=share(0.15 / LINES_PER_DOCUMENT),
            budgets=share(0.10),
            wip=share(0.12),
            aging=share(0.11),
        )


@dataclass(frozen=True)
class Recipe:
    """What the builders share: how much, from which seed, up to which day (exclusive)."""

    sizes: Sizes
    seed: int
    today: date
    odd_dates: bool

    def draw(self, stream: int, size: int) -> Draw:
        """A generator of its own for each table, so that one table never shifts another."""
        return Draw((self.seed, stream), size, self.today)


def table(name: str, *pairs: Pair) -> BaseTable:
    """A table from its columns, each beside its values."""
    declared = tuple(column for column, _ in pairs)
    return BaseTable(name, declared, pa.table({col.name: array for col, array in pairs}))


def who(draw: Draw, created: np.ndarray, updated: np.ndarray) -> list[Pair]:
    """The four columns that E-Business Suite keeps on every row ("who columns")."""
    return [
        (required(c.number("CREATED_BY", 15)), pa.array(draw.integers(1000, 1400))),
        (required(c.date("CREATION_DATE")), v.clock(created)),
        (required(c.number("LAST_UPDATED_BY", 15)), pa.array(draw.integers(1000, 1400))),
        (required(c.date("LAST_UPDATE_DATE")), v.clock(updated)),
    ]


def functional(cents: np.ndarray, rates: np.ndarray) -> pa.Array:
    """Amounts in the ledger's currency, NUMBER(20,5), from hundredths and rates."""
    return v.decimals(np.rint(cents * rates * 1000).astype("i8"), 20, 5)


def reference(draw: Draw, count: int) -> pa.Array:
    """Ids of `count` rows of another table."""
    return pa.array(draw.integers(FIRST_ID, FIRST_ID + count - 1))


def padded(values: pa.Array, width: int) -> pa.Array:
    """CHAR values: blanks up to `width` characters."""
    return pc.utf8_rpad(values, width, " ")


def micros(draw: Draw) -> np.ndarray:
    """Nanoseconds within a second, whole microseconds."""
    return draw.integers(0, 999_999) * 1000


def zoned(draw: Draw, server_seconds: np.ndarray, offsets: np.ndarray) -> pa.Array:
    """Moments of the server's clock, written down in various zones."""
    return v.zoned(server_seconds - SERVER_OFFSET_MINUTES * 60, micros(draw), offsets)


def local(draw: Draw, server_seconds: np.ndarray) -> pa.Array:
    """Moments of the server's clock as UTC, to the millisecond."""
    utc = (server_seconds - SERVER_OFFSET_MINUTES * 60) * 1_000_000
    return pa.array((utc + draw.integers(0, 999) * 1000).astype("datetime64[us]"))


def stamp(draw: Draw, seconds: np.ndarray, step_micros: int) -> pa.Array:
    """Moments of the server's clock with a fraction in steps of `step_micros`."""
    micros = draw.integers(0, 999_999) // step_micros * step_micros
    return pa.array((seconds * 1_000_000 + micros).astype("datetime64[us]"))


def line_ids(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Document ids and line numbers of `count` documents of LINES_PER_DOCUMENT lines."""
    documents = np.repeat(np.arange(FIRST_ID, FIRST_ID + count), LINES_PER_DOCUMENT)
    return documents, np.tile(np.arange(1, LINES_PER_DOCUMENT + 1), count)
