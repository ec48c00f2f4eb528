"""Small tables of the sandbox's ERP, whose every row the tests know, and how each is loaded.

Every variant keeps to changes whose outcome README documents, so that after each settled run
the target can be compared with Oracle row by row.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import oracledb

from tests.sandbox.dataset import columns as c
from tests.sandbox.dataset.base import OWNER
from tests.sandbox.dataset.build import grant_reading
from tests.sandbox.dataset.columns import required
from tests.sandbox.oracle.engine import Database

COLUMNS = (
    required(c.number("ID", 10)),
    c.number("AMOUNT", 15, 2),
    c.varchar_chars("NOTE", 80),
    c.date("POSTED"),
    c.timestamp("CHANGED"),
)
READ = "SELECT ID, TO_CHAR(AMOUNT, 'TM9'), NOTE, POSTED, CHANGED FROM {owner}.{table}"
NOTES = ("ค่าบริการ", 'a "quoted" note', "two\nlines", "comma, and ; more", "🧾", "\\N", " ")

Row = tuple[object, ...]


class Clock:
    """The time that the Oracle stand-in believes in; it stands still between two ticks."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 2, 1, 0, 7, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def tick(self, minutes: int = 10) -> None:
        """Let time pass."""
        self.now += timedelta(minutes=minutes)


@dataclass(frozen=True)
class Variant:
    """One way to load a table, and what may happen to its rows."""

    name: str
    disposition: str
    keyed: bool
    updates: bool
    deletes: bool
    overlap: str = "01:00:00"

    def source(self, table: str, mode: str, store: str) -> dict[str, object]:
        """The data source as the configuration file has it."""
        partitioned = self.name in ("merge", "window", "append")
        return {
            "view": f"{OWNER}.{table}",
            "store": store,
            "dataset": "books",
            "load_mode": mode,
            "write_disposition": self.disposition,
            "key_columns": ["ID"] if self.keyed else [],
            "incremental_column": "CHANGED",
            "overlap": self.overlap,
            "partition_column": "POSTED" if partitioned else "",
            "partition_type": "month" if partitioned else "none",
            "cluster_columns": ["ID"] if partitioned else [],
        }


VARIANTS = {
    variant.name: variant
    for variant in (
        Variant("append", "append", keyed=False, updates=False, deletes=False, overlap="00:00:00"),
        Variant("versions", "append", keyed=True, updates=True, deletes=False),
        Variant("merge", "merge", keyed=True, updates=True, deletes=False),
        Variant("window", "replace_window", keyed=True, updates=True, deletes=True),
        Variant("blocks", "replace_window", keyed=False, updates=False, deletes=True),
        Variant("replace", "replace", keyed=False, updates=True, deletes=True),
    )
}
MODES = ("csv", "dataframe")


@dataclass
class Book:
    """One table, its variant and its history. Business is told by `post`."""

    table: str
    variant: Variant
    mode: str
    chance: random.Random
    next_id: int = 1
    fresh: list[int] = field(default_factory=list)

    @property
    def view(self) -> str:
        """OWNER.TABLE."""
        return f"{OWNER}.{self.table}"

    @property
    def stored(self) -> str:
        """The table that rows are written to."""
        return self.view

    @property
    def target(self) -> str:
        """The table that must equal Oracle's: the newest versions where all are kept."""
        latest = "_latest" if self.variant.name == "versions" else ""
        return f"{self.table.lower()}{latest}"

    def create(self, database: Database, rows: int = 12) -> None:
        """Make the table, with rows that were changed long ago."""
        database.create_table(OWNER, self.table, COLUMNS)
        grant_reading(database, self.table)
        self._execute(database, [self._insert("SYSTIMESTAMP - 30") for _ in range(rows)])

    def post(self, database: Database) -> None:
        """A little business now: always a new row, and what else the variant allows."""
        statements = [self._insert("SYSTIMESTAMP") for _ in range(self.chance.randint(1, 3))]
        if self.variant.updates:
            for number in self._some():
                statements.append(
                    f"UPDATE {self.stored} SET AMOUNT = {self._amount()}, CHANGED = SYSTIMESTAMP "
                    f"WHERE ID = {number}"
                )
        if self.variant.deletes and self.fresh:
            gone = self.chance.choice(self.fresh)
            statements.append(f"DELETE FROM {self.stored} WHERE ID = {gone}")
        self._execute(database, statements)
        self.fresh = [self.next_id - 1]

    def _insert(self, stamp: str) -> str:
        number, self.next_id = self.next_id, self.next_id + 1
        note = self.chance.choice(NOTES).replace("'", "''")
        posted = f"DATE '2026-0{self.chance.randint(1, 6)}-15'"
        return (
            f"INSERT INTO {self.stored} (ID, AMOUNT, NOTE, POSTED, CHANGED) "
            f"VALUES ({number}, {self._amount()}, '{note}', {posted}, {stamp})"
        )

    def _amount(self) -> Decimal:
        return Decimal(self.chance.randint(-9_999_999, 9_999_999)).scaleb(-2)

    def _some(self) -> list[int]:
        return self.chance.sample(range(1, self.next_id), k=min(2, self.next_id - 1))

    @staticmethod
    def _execute(database: Database, statements: list[str]) -> None:
        session = database.session_as(OWNER)
        try:
            for statement in statements:
                session.execute(statement, [])
            session.commit()
        finally:
            session.close()


def in_oracle(connection: oracledb.Connection, book: Book) -> Counter[Row]:
    """The rows of a table, as Oracle has them now, each as often as it is there."""
    with connection.cursor() as cursor:
        cursor.execute(READ.format(owner=OWNER, table=book.table))
        return Counter(_plain(row) for row in cursor.fetchall())


def in_bigquery(rows: list[Mapping[str, object]]) -> Counter[Row]:
    """The rows of a target in the same form; `rows` come from `READ_TARGET`."""
    return Counter(_plain(tuple(row.values())) for row in rows)


READ_TARGET = "SELECT id, amount, note, posted, changed FROM `{}`"


def _plain(row: tuple[object, ...]) -> Row:
    number, amount, *rest = row
    return (int(str(number)), Decimal(str(amount)), *rest)
