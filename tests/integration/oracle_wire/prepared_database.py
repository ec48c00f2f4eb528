"""A database of prepared answers: what the wire is tested with, without any SQL engine.

It knows a statement by its exact text. `Answer` says what a text gives; a callable answer is
computed from the binds. Not a mock of a client: it stands below the wire, where the SQL engine
stands otherwise.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import oracledb
import pyarrow as pa
import pytest

from tests.sandbox.oracle.errors import OracleError
from tests.sandbox.oracle.server import OracleServer
from tests.sandbox.oracle.session import BaseDatabase, BaseSession, Bind, Column, Kind, Result
from tests.waiting import HANG_SECONDS

NUMBERS = "select n, t from numbers"
ROWS = 2_345
Answer = Callable[["PreparedSession", Sequence[Bind]], Result]


@dataclass
class PreparedDatabase(BaseDatabase):
    """`answers` by statement text; `sessions` are those that are open."""

    passwords: dict[str, str] = field(default_factory=lambda: {"SCOTT": "tiger"})
    service_names: frozenset[str] = frozenset({"FREEPDB1", "ERP"})
    version: tuple[int, int, int, int, int] = (19, 22, 0, 0, 0)
    answers: dict[str, Answer] = field(default_factory=dict)
    sessions: list[PreparedSession] = field(default_factory=list)
    executed: list[tuple[str, list[object]]] = field(default_factory=list)

    def password_of(self, user: str) -> str | None:
        return self.passwords.get(user)

    def open_session(self, user: str, attributes: Mapping[str, str]) -> BaseSession:
        session = PreparedSession(self, user, dict(attributes))
        self.sessions.append(session)
        return session

    def table(
        self,
        sql: str,
        columns: Sequence[Column],
        arrays: Sequence[pa.Array],
        cache_key: str | None = None,
    ) -> None:
        """`sql` selects these columns."""
        batch = pa.RecordBatch.from_arrays(list(arrays), names=[column.name for column in columns])

        def answer(session: PreparedSession, binds: Sequence[Bind]) -> Result:
            return Result(tuple(columns), iter([batch]), cache_key=cache_key)

        self.answers[sql] = answer


class PreparedSession(BaseSession):
    """A session of `PreparedDatabase`."""

    def __init__(self, database: PreparedDatabase, user: str, attributes: dict[str, str]) -> None:
        self.database = database
        self.user = user
        self.attributes = attributes
        self.interrupted = threading.Event()
        self.dirty = False
        self.commits = 0
        self.rollbacks = 0

    def execute(self, sql: str, binds: Sequence[Bind]) -> Result:
        self.interrupted.clear()
        self.database.executed.append((sql, [bind.value for bind in binds]))
        return self._answer(sql)(self, binds)

    def describe(self, sql: str) -> tuple[Column, ...] | None:
        return self._answer(sql)(self, ()).columns

    def wait_for_interrupt(self) -> Result:
        """What a query that runs for long does."""
        if self.interrupted.wait(HANG_SECONDS):
            raise OracleError(1013, "user requested cancel of current operation")
        raise AssertionError("nobody interrupted")

    def commit(self) -> None:
        self.commits += 1
        self.dirty = False

    def rollback(self) -> None:
        self.rollbacks += 1
        self.dirty = False

    def set_attributes(self, attributes: Mapping[str, str]) -> None:
        self.attributes.update(attributes)

    def interrupt(self) -> None:
        self.interrupted.set()

    def close(self) -> None:
        self.database.sessions.remove(self)

    @property
    def in_transaction(self) -> bool:
        return self.dirty

    def _answer(self, sql: str) -> Answer:
        if sql.startswith("ALTER SESSION"):
            return lambda session, binds: Result()
        try:
            return self.database.answers[sql]
        except KeyError:
            raise OracleError(942, "table or view does not exist", sql.find("from")) from None


def session_of(server: OracleServer) -> PreparedSession:
    """The session that was opened last."""
    assert isinstance(server.database, PreparedDatabase)
    return server.database.sessions[-1]


def error_of(error: pytest.ExceptionInfo[oracledb.Error]) -> oracledb._Error:  # type: ignore[name-defined]
    return error.value.args[0]


def echo(session: PreparedSession, binds: Sequence[Bind]) -> Result:
    """One row of one text: the binds."""
    text = repr([(bind.kind.value, bind.value) for bind in binds])
    column = Column("BINDS", Kind.VARCHAR2, length=4000)
    return Result((column,), iter([pa.RecordBatch.from_arrays([pa.array([text])], ["BINDS"])]))
