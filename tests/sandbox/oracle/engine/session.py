"""One logged-in session over the engine: `BaseSession`."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from tests.sandbox.oracle.engine import ast, binds, dml
from tests.sandbox.oracle.engine.catalogue import Table
from tests.sandbox.oracle.engine.convert import Settings
from tests.sandbox.oracle.engine.plsql import BlockRunner
from tests.sandbox.oracle.engine.result import CANCELLED, oracle_error, with_decimals
from tests.sandbox.oracle.engine.scope import Scope
from tests.sandbox.oracle.engine.session_settings import altered, first_settings, nls_parameters
from tests.sandbox.oracle.engine.translate import Translated, parameters_in, parsed
from tests.sandbox.oracle.engine.types import NUMBER_KINDS, Ty
from tests.sandbox.oracle.errors import OracleError
from tests.sandbox.oracle.session import BaseSession, Bind, Column, Result

if TYPE_CHECKING:
    from tests.sandbox.oracle.engine.database import Database

BATCH_ROWS = 50_000
_ATTRIBUTES = {
    "module": "MODULE",
    "action": "ACTION",
    "client_info": "CLIENT_INFO",
    "client_identifier": "CLIENT_IDENTIFIER",
}


class EngineSession(BaseSession):
    """A session of one user. Each query has a DuckDB cursor of its own, so that several
    results can be read in turn."""

    def __init__(self, database: Database, user: str, attributes: Mapping[str, str]) -> None:
        self.database = database
        self.output: list[str] = []
        self.sid = database.next_session()
        self._contexts = first_contexts(database, user, attributes, self.sid)
        self._base = first_settings(user, attributes)
        self._transaction: int | None = None
        self._changed: list[Table] = []
        self._read_only_scn: int | None = None
        self._flashback_scn: int | None = None
        self._lock = threading.Lock()
        self._running: duckdb.DuckDBPyConnection | None = None
        self._in_call = False
        self._cancelled = threading.Event()
        self._open: set[duckdb.DuckDBPyConnection] = set()

    # -- state ------------------------------------------------------------------------------

    @property
    def settings(self) -> Settings:
        """What changes the meaning of SQL text in this session, now."""
        schema = ("CURRENT_SCHEMA", self._base.schema)
        context = tuple(sorted({**self._contexts, schema[0]: schema[1]}.items()))
        return replace(
            self._base,
            context_set="MO_GLOBAL.PRODUCT" in self._contexts,
            flashback=self._flashback_scn is not None,
            own_changes=self._transaction is not None and self._flashback_scn is None,
            context=context,
        )

    @property
    def in_transaction(self) -> bool:
        """True while uncommitted work or a READ ONLY snapshot is open."""
        return self._transaction is not None or self._read_only_scn is not None

    @property
    def snapshot_scn(self) -> int:
        """The SCN whose rows a statement sees."""
        return self._flashback_scn or self._read_only_scn or self.database.scn

    def set_attributes(self, attributes: Mapping[str, str]) -> None:
        """The client's module, action and so on, for SYS_CONTEXT."""
        for name, value in attributes.items():
            if name == "current_schema":
                self.alter((("CURRENT_SCHEMA", value),))
            else:
                self.set_context(_ATTRIBUTES.get(name, name), value)

    def set_context(self, name: str, value: str) -> None:
        """One value of SYS_CONTEXT: `NAME` in USERENV or `SPACE.NAME`."""
        self._contexts[name] = value

    def has_context(self, name: str) -> bool:
        """True when it was set."""
        return name in self._contexts

    def reset_packages(self) -> None:
        """Forget package state: the application context goes with it."""
        for name in [n for n in self._contexts if n.startswith(("FND_", "MO_", "MULTI_"))]:
            del self._contexts[name]

    # -- the seam ---------------------------------------------------------------------------

    def execute(self, sql: str, binds: Sequence[Bind]) -> Result:
        """Run one statement or anonymous block."""
        self._enter()
        try:
            return self._execute(sql, list(binds))
        except Exception as error:
            raise oracle_error(error) from error
        finally:
            self._leave()

    def describe(self, sql: str) -> tuple[Column, ...] | None:
        """The columns of a query, without running it."""
        try:
            node, _ = parsed(sql)
            if not isinstance(node, ast.Query):
                return None
            return self.database.translator.query(sql, self.settings, ()).columns
        except Exception as error:
            raise oracle_error(error) from error

    def commit(self) -> None:
        """Make the transaction's rows visible at the next SCN."""
        transaction, self._transaction = self._transaction, None
        changed, self._changed = self._changed, []
        self._read_only_scn = None
        if transaction is not None and changed:
            self.database.storage.commit(transaction, changed)

    def rollback(self) -> None:
        """Undo the transaction."""
        transaction, self._transaction = self._transaction, None
        changed, self._changed = self._changed, []
        self._read_only_scn = None
        if transaction is not None and changed:
            self.database.storage.rollback(transaction, changed)

    def interrupt(self) -> None:
        """Make the running call raise ORA-01013."""
        with self._lock:
            if not self._in_call:
                return
            self._cancelled.set()
            if self._running is not None:
                self._running.interrupt()

    def close(self) -> None:
        """Roll back and let go of every cursor."""
        self.rollback()
        for cursor in list(self._open):
            self._release(cursor)

    # -- calls ------------------------------------------------------------------------------

    def _enter(self) -> None:
        with self._lock:
            self._in_call = True
            self._cancelled.clear()

    def _leave(self) -> None:
        with self._lock:
            self._in_call = False
            self._running = None

    def _start(self, cursor: duckdb.DuckDBPyConnection | None) -> None:
        """`cursor` is about to work: from here on interrupt reaches it."""
        with self._lock:
            self._running = cursor
            if self._cancelled.is_set():
                raise OracleError(*CANCELLED)

    def sleep(self, seconds: float) -> None:
        """DBMS_SESSION.SLEEP, which a cancel ends."""
        if self._cancelled.wait(seconds):
            raise OracleError(*CANCELLED)

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        cursor = self.database.storage.cursor()
        self._open.add(cursor)
        return cursor

    def _release(self, cursor: duckdb.DuckDBPyConnection) -> None:
        with self._lock:
            if self._running is cursor:
                self._running = None
        self._open.discard(cursor)
        cursor.close()

    # -- statements -------------------------------------------------------------------------

    def _execute(self, sql: str, given: list[Bind]) -> Result:
        node, names = parsed(sql)
        if len(given) < len(names):
            raise OracleError(1008, "not all variables bound")
        if len(given) > len(names):
            raise OracleError(1006, "bind variable does not exist")
        if isinstance(node, ast.Query):
            return self._query(sql, given)
        if isinstance(node, (ast.Insert, ast.Update, ast.Delete)):
            pairs = [binds.type_and_value(bind) for bind in given]
            types, values = [ty for ty, _ in pairs], [value for _, value in pairs]
            return Result(rows_affected=self.change(node, types, values, None))
        if isinstance(node, ast.Block):
            return BlockRunner(self, given).run(node)
        if isinstance(node, ast.AlterSession):
            self.alter(node.settings)
        elif isinstance(node, ast.SetTransaction):
            self.set_transaction(node)
        else:
            self._simple(node)
        return Result()

    def _simple(self, node: ast.Node) -> None:
        verb = node.verb if isinstance(node, ast.Simple) else ""
        if verb == "COMMIT":
            self.commit()
        elif verb == "ROLLBACK":
            self.rollback()
        elif verb == "DDL" or verb == "LOCK":
            raise OracleError(1031, "insufficient privileges", node.pos)

    def alter(self, settings: Sequence[tuple[str, str]]) -> None:
        """ALTER SESSION SET. Raises ORA-02248, 01435, 01882 and so on."""
        self._base = altered(self._base, settings, self.database.catalogue.users)

    def set_transaction(self, node: ast.SetTransaction) -> None:
        """READ ONLY holds the present SCN until the transaction ends."""
        if self.in_transaction:
            raise OracleError(1453, "SET TRANSACTION must be first statement of transaction")
        if node.read_only:
            self._read_only_scn = self.database.scn

    def enable_flashback(self, scn: int) -> None:
        """DBMS_FLASHBACK.ENABLE_...: every later query sees the rows of that SCN."""
        self.database.refuse_flashback()
        if self._flashback_scn is not None:
            raise OracleError(8184, "attempting to re-enable Flashback while in Flashback mode")
        if self._transaction is not None:
            raise OracleError(8183, "Flashback cannot be enabled in the middle of a transaction")
        self._check_scn(scn)
        self._flashback_scn = scn

    def disable_flashback(self) -> None:
        """DBMS_FLASHBACK.DISABLE."""
        self._flashback_scn = None

    def _check_scn(self, scn: int) -> None:
        if not 0 < scn <= self.database.scn:
            raise OracleError(8181, "specified number is not a valid system change number")

    # -- queries ----------------------------------------------------------------------------

    def _query(self, sql: str, given: list[Bind]) -> Result:
        pairs = [binds.type_and_value(bind) for bind in given]
        translated = self.database.translator.query(
            sql, self.settings, tuple(ty for ty, _ in pairs)
        )
        parameters = self._parameters(translated, [value for _, value in pairs])
        key = None
        # The dictionary changes without an SCN of its own: a table dropped and made anew.
        if translated.fixed and not translated.dictionary:
            key = (translated.sql, tuple((k, repr(v)) for k, v in sorted(parameters.items())))
        cursor = self._cursor()
        try:
            self._start(cursor)
            reader = cursor.execute(translated.sql, parameters or None).to_arrow_reader(BATCH_ROWS)
        except BaseException:
            self._release(cursor)
            raise
        texts = [i for i, ty in enumerate(translated.types) if is_text(ty)]
        return Result(translated.columns, self._batches(cursor, reader, texts), cache_key=key)

    def _batches(
        self, cursor: duckdb.DuckDBPyConnection, reader: pa.RecordBatchReader, texts: list[int]
    ) -> Iterator[pa.RecordBatch]:
        """Batches as they are asked for; `texts` are columns of numbers held as text."""
        try:
            while True:
                self._enter()
                try:
                    self._start(cursor)
                    batch = reader.read_next_batch()
                except StopIteration:
                    return
                except Exception as error:
                    raise oracle_error(error) from error
                finally:
                    self._leave()
                yield with_decimals(batch, texts) if texts else batch
        finally:
            self._release(cursor)

    def _parameters(self, translated: Translated, values: Sequence[object]) -> dict[str, object]:
        """What DuckDB must be given for `translated`; AS OF operands are evaluated first."""
        if translated.dictionary:
            self.database.refresh_dictionary()
        if translated.as_of:
            self.database.refuse_flashback()
        known = self._known(values)
        for index, (is_time, operand) in enumerate(translated.as_of):
            known[f"asof{index}"] = self._as_of(is_time, operand, known)
        for name, table in translated.tables:
            if known[name[1:]] < table.created:  # type: ignore[operator]
                raise OracleError(1466, "unable to read data - table definition has changed")
        return {name: known[name] for name in translated.parameters if name in known}

    def _known(self, values: Sequence[object]) -> dict[str, object]:
        now = self.database.clock().astimezone(dt.UTC)
        offset = self.database.server_offset(now)
        local = (now + dt.timedelta(minutes=offset)).replace(tzinfo=None)
        known: dict[str, object] = {f"b{i}": value for i, value in enumerate(values)}
        known["scn"] = self.snapshot_scn
        known["tx"] = self._transaction or 0
        known["rt_scn"] = self.database.scn
        known["rt_utc"] = now.replace(tzinfo=None)
        known["rt_sysdate"] = local.replace(microsecond=0)
        known["rt_server_offset"] = offset
        known["rt_nls"] = nls_parameters(self._base)
        return known

    def _as_of(self, is_time: bool, operand: str, known: Mapping[str, object]) -> int:
        names = parameters_in(operand)
        given = {name: known[name] for name in names}
        value = self._one(operand, given)
        if value is None:
            raise OracleError(8181, "specified number is not a valid system change number")
        if is_time and isinstance(value, dt.datetime):
            return self.database.storage.scn_at(value.replace(tzinfo=dt.UTC))
        scn = Decimal(str(value))
        if scn != scn.to_integral_value():
            raise OracleError(8181, "specified number is not a valid system change number")
        self._check_scn(int(scn))
        return int(scn)

    def _one(self, expression: str, parameters: Mapping[str, object]) -> object:
        cursor = self._cursor()
        try:
            self._start(cursor)
            row = cursor.execute(f"SELECT {expression}", dict(parameters) or None).fetchone()
        finally:
            self._release(cursor)
        return row[0] if row else None

    def evaluate(self, expression: str, values: Sequence[object]) -> object:
        """The value of a compiled expression, for PL/SQL."""
        known = self._known(values)
        return self._one(expression, {name: known[name] for name in parameters_in(expression)})

    def evaluate_moment(self, text: str) -> dt.datetime:
        """A moment that a procedure was given as text."""
        result = self._query(f"SELECT TO_TIMESTAMP('{text}') FROM DUAL", [])
        batch = next(result.batches)
        value = binds.python_value(batch.column(0)[0].as_py(), Ty(result.columns[0].kind))  # type: ignore[index]
        if not isinstance(value, dt.datetime):
            raise OracleError(8180, "no snapshot found based on specified time")
        return value

    def rows(
        self, sql: str, translated: Translated, values: Sequence[object]
    ) -> list[tuple[object, ...]]:
        """A few rows at once, for SELECT INTO."""
        full = replace(translated, parameters=translated.parameters | parameters_in(sql))
        parameters = self._parameters(full, values)
        used = parameters_in(sql)
        cursor = self._cursor()
        try:
            self._start(cursor)
            given = {name: value for name, value in parameters.items() if name in used}
            return cursor.execute(sql, given or None).fetchall()
        finally:
            self._release(cursor)

    # -- DML --------------------------------------------------------------------------------

    def change(
        self,
        node: ast.Insert | ast.Update | ast.Delete,
        types: Sequence[Ty],
        values: Sequence[object],
        outer: Scope | None,
    ) -> int:
        """INSERT, UPDATE or DELETE; the number of rows. Begins a transaction if none is open."""
        if self._read_only_scn is not None:
            raise OracleError(
                1456,
                "may not perform insert, delete, update operation inside a READ ONLY transaction",
            )
        if self._flashback_scn is not None:
            raise OracleError(8182, "operation not supported while in Flashback mode")
        fresh = self._transaction is None
        transaction = self._transaction = self._transaction or self.database.storage.begin()
        change = dml.Change(self.database.catalogue, self.settings, types, outer)
        try:
            sql = change.compiled(node)
            count = self._apply(change, sql, values, transaction, node)
        except BaseException:
            if fresh and not self._changed:
                self._transaction = None
            raise
        if change.table not in self._changed:
            self._changed.append(change.table)
        return count

    def _apply(
        self,
        change: dml.Change,
        sql: str,
        values: Sequence[object],
        transaction: int,
        node: ast.Node,
    ) -> int:
        with self.database.storage.lock:
            known = self._known(values)
            parameters = {name: known[name] for name in parameters_in(sql)}
            cursor = self._cursor()
            try:
                self._start(cursor)
                return dml.apply(cursor, change, sql, parameters, transaction, node)
            finally:
                self._release(cursor)


def is_text(ty: Ty) -> bool:
    """True for a NUMBER that is held as text."""
    return ty.kind in NUMBER_KINDS and ty.digits is None


def first_contexts(
    database: Database, user: str, attributes: Mapping[str, str], sid: int
) -> dict[str, str]:
    """USERENV as a new session has it."""
    service = attributes.get("service_name", "") or next(iter(sorted(database.service_names)), "")
    return {
        "SESSION_USER": user,
        "CURRENT_USER": user,
        "CURRENT_SCHEMA": user,
        "AUTHENTICATED_IDENTITY": user,
        "PROXY_USER": "",
        "SERVICE_NAME": service,
        "DB_NAME": service,
        "DB_UNIQUE_NAME": service,
        "DB_DOMAIN": "",
        "CON_NAME": service,
        "INSTANCE_NAME": "ERP1",
        "INSTANCE": "1",
        "SERVER_HOST": "sandbox",
        "HOST": attributes.get("machine", ""),
        "OS_USER": attributes.get("osuser", ""),
        "TERMINAL": attributes.get("terminal", ""),
        "MODULE": attributes.get("module", "") or attributes.get("program", ""),
        "ACTION": attributes.get("action", ""),
        "CLIENT_INFO": "",
        "CLIENT_IDENTIFIER": "",
        "CLIENT_PROGRAM_NAME": attributes.get("program", ""),
        "SID": str(sid),
        "SESSIONID": str(40_000 + sid),
        "IP_ADDRESS": "127.0.0.1",
        "LANG": "US",
        "LANGUAGE": "AMERICAN_AMERICA.AL32UTF8",
        "NLS_TERRITORY": "AMERICA",
        "NLS_CURRENCY": "$",
        "NLS_CALENDAR": "GREGORIAN",
        "NLS_SORT": "BINARY",
        "NETWORK_PROTOCOL": "tcp",
        "ISDBA": "FALSE",
        "DATABASE_ROLE": "PRIMARY",
        "CDB_NAME": "ERPCDB",
    }
