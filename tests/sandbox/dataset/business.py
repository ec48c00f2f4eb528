"""Business happens: a day of postings, corrections, cancellations and late commits.

All of it is Oracle SQL through a session of the owner, stamped by the database's own clock
(SYSDATE, SYSTIMESTAMP), as the ERP's programs do it. New documents are copies of old ones
with new ids, numbers, dates and amounts, so that every type and oddity keeps turning up.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from tests.sandbox.dataset.base import LATE_FIRST_ID, OWNER
from tests.sandbox.dataset.postings import (
    DOCUMENTS,
    INVOICE_LINES,
    INVOICES,
    PAYMENTS,
    RECEIPTS,
    Posting,
)
from tests.sandbox.oracle.engine import Database
from tests.sandbox.oracle.session import BaseSession

LATE_BLOCK = 10_000
_late_blocks = itertools.count()


@dataclass
class DayCounts:
    """Rows of one view that a day touched."""

    inserted: int = 0
    back_dated: int = 0
    corrected: int = 0
    cancelled: int = 0
    deleted: int = 0


@dataclass(frozen=True)
class _Block:
    """Ids from `first` to `last`, both included."""

    first: int
    last: int

    def where(self, column: str) -> str:
        return f"{column} BETWEEN {self.first} AND {self.last}"


class _Books:
    """One owner's session at work on one business day."""

    def __init__(self, session: BaseSession, day: date | None) -> None:
        self.session = session
        self.day = day or self._today()

    def _today(self) -> date:
        return self._row("SELECT TRUNC(SYSDATE) AS TODAY FROM DUAL")[0].date()

    def _row(self, sql: str) -> list:
        for row in self._rows(sql):
            return row
        raise LookupError(f"no row: {sql}")

    def _rows(self, sql: str) -> Iterator[list]:
        for batch in self.session.execute(sql, []).batches:
            for values in zip(*batch.columns, strict=True):
                yield [value.as_py() for value in values]

    def ids(self, posting: Posting) -> _Block:
        """The ids in use, without those of late commits."""
        sql = (
            f"SELECT MIN({posting.id}), MAX({posting.id}) FROM {OWNER}.{posting.table}"
            f" WHERE {posting.id} < {LATE_FIRST_ID}"
        )
        first, last = self._row(sql)
        return _Block(int(first), int(last))

    def deletable(self, posting: Posting) -> list[int]:
        """The ids that may go, in order."""
        sql = (
            f"SELECT {posting.id} FROM {OWNER}.{posting.table} WHERE {posting.id} < {LATE_FIRST_ID}"
            f"{self._not_shown(posting)} ORDER BY {posting.id}"
        )
        return [int(row[0]) for row in self._rows(sql)]

    def copy(self, posting: Posting, block: _Block, shift: int, day: date) -> int:
        """Insert new documents, `shift` ids after the ones they are copied from."""
        values = {name: name for name in self._columns(posting)}
        values |= posting.insert
        values[posting.id] = f"{posting.id} + {{shift}}"
        values |= {"CREATION_DATE": posting.stamp, "LAST_UPDATE_DATE": posting.stamp}
        chosen = ", ".join(self._at(value, day, shift) for value in values.values())
        return self.session.execute(
            f"INSERT INTO {OWNER}.{posting.table} ({', '.join(values)})"
            f" SELECT {chosen} FROM {OWNER}.{posting.table} WHERE {block.where(posting.id)}",
            [],
        ).rows_affected

    def change(self, posting: Posting, changes: Mapping[str, str], block: _Block) -> int:
        """Update documents and stamp them; does nothing without changes."""
        if not changes:
            return 0
        changes = {**changes, "LAST_UPDATE_DATE": posting.stamp}
        settings = ", ".join(f"{name} = {self._at(v, self.day)}" for name, v in changes.items())
        return self.session.execute(
            f"UPDATE {OWNER}.{posting.table} SET {settings} WHERE {block.where(posting.id)}", []
        ).rows_affected

    def delete(self, posting: Posting, block: _Block) -> int:
        """Delete documents, but for those that another view shows."""
        return self.session.execute(
            f"DELETE FROM {OWNER}.{posting.table} WHERE {block.where(posting.id)}"
            f"{self._not_shown(posting)}",
            [],
        ).rows_affected

    @staticmethod
    def _not_shown(posting: Posting) -> str:
        if not posting.shown_by:
            return ""
        return f" AND {posting.id} NOT IN (SELECT {posting.id} FROM {OWNER}.{posting.shown_by})"

    def _columns(self, posting: Posting) -> list[str]:
        described = self.session.describe(f"SELECT * FROM {OWNER}.{posting.table}")
        if described is None:
            raise LookupError(f"no columns: {posting.table}")
        return [column.name for column in described]

    @staticmethod
    def _at(expression: str, day: date, shift: int = 0) -> str:
        return expression.format(shift=shift, day=f"DATE '{day}'", period=f"'{day:%Y-%m}'")


def business_day(
    database: Database, day: date | None = None, seed: int = 0, deletes: bool = False
) -> dict[str, DayCounts]:
    """Post one business day and return what it did to the rows of each view.

    Inserts, corrections, back-dated postings (an old document date, a new LAST_UPDATE_DATE)
    and cancellations; real deletes only when asked. `day` dates the documents, by default the
    database's own today; LAST_UPDATE_DATE is always the database's now. Every document type is
    one transaction, so the SCN moves several times. V_WIP_BY_PROJECT and V_AR_AGING_COST only
    grow.
    """
    random = np.random.default_rng((seed, 1))
    counts: dict[str, DayCounts] = {}
    session = database.session_as(OWNER)
    try:
        books = _Books(session, day)
        for document in DOCUMENTS:
            _post(books, document, random, counts)
            if deletes:
                _delete(books, document, random, counts)
            session.commit()
    finally:
        session.close()
    counts.pop("", None)
    return counts


def _post(
    books: _Books,
    document: tuple[Posting, ...],
    random: np.random.Generator,
    counts: dict[str, DayCounts],
) -> None:
    ids = books.ids(document[0])
    size = ids.last - ids.first + 1
    fresh, old, wrong, void = (
        max(k, size // n) for k, n in ((4, 200), (2, 800), (3, 400), (1, 1000))
    )
    start = ids.first + int(random.integers(0, size - (fresh + old + wrong + void)))
    new_block = _Block(start, start + fresh - 1)
    old_block = _Block(new_block.last + 1, new_block.last + old)
    wrong_block = _Block(old_block.last + 1, old_block.last + wrong)
    void_block = _Block(wrong_block.last + 1, wrong_block.last + void)
    shift = ids.last + 1 - start
    back_date = books.day - timedelta(days=int(random.integers(40, 400)))
    for posting in document:
        count = counts.setdefault(posting.view, DayCounts())
        count.inserted += books.copy(posting, new_block, shift, books.day)
        count.back_dated += books.copy(posting, old_block, shift, back_date)
        count.corrected += books.change(posting, posting.correct, wrong_block)
        count.cancelled += books.change(posting, posting.cancel, void_block)


def _delete(
    books: _Books,
    document: tuple[Posting, ...],
    random: np.random.Generator,
    counts: dict[str, DayCounts],
) -> None:
    if not any(posting.deletes for posting in document):
        return
    ids = books.deletable(document[0])
    few = max(1, len(ids) // 2000)
    start = int(random.integers(0, len(ids) - few + 1))
    for posting in reversed(document):
        if posting.deletes:
            removed = books.delete(posting, _Block(ids[start], ids[start + few - 1]))
            counts.setdefault(posting.view, DayCounts()).deleted += removed


class LateCommit:
    """Receipts, payments and invoices stamped now and committed later.

    A reader whose SCN lies between sees nothing of them; later they appear with a
    LAST_UPDATE_DATE before that reader's. Use `commit` or `rollback` exactly once.
    """

    def __init__(self, database: Database, rows: int = 5) -> None:
        """Insert `rows` documents of each kind (at most 100) without committing."""
        if not 0 < rows <= 100:
            raise ValueError(f"rows must be 1 to 100, not {rows}")
        self.counts: dict[str, DayCounts] = {}
        self._session = database.session_as(OWNER)
        try:
            self._insert(rows)
        except BaseException:
            self._session.close()
            raise

    def _insert(self, rows: int) -> None:
        books = _Books(self._session, None)
        first_id = LATE_FIRST_ID + LATE_BLOCK * next(_late_blocks)
        for document in ((RECEIPTS,), (INVOICES, INVOICE_LINES), (PAYMENTS,)):
            ids = books.ids(document[0])
            block = _Block(ids.first, ids.first + rows - 1)
            for posting in document:
                count = self.counts.setdefault(posting.view, DayCounts())
                count.inserted = books.copy(posting, block, first_id - ids.first, books.day)

    def commit(self) -> None:
        """Make the rows visible; the SCN moves now."""
        self._session.commit()
        self._session.close()

    def rollback(self) -> None:
        """The rows were never there."""
        self._session.rollback()
        self._session.close()


def late_commit(database: Database, rows: int = 5) -> LateCommit:
    """Begin a late commit; see `LateCommit`."""
    return LateCommit(database, rows)
