"""The database behind the stand-in: what the data set fills and the server logs in to."""

from __future__ import annotations

import datetime as dt
import itertools
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from tests.sandbox.oracle.engine import ast, dictionary, loading
from tests.sandbox.oracle.engine.catalogue import Catalogue, Synonym, Table, View
from tests.sandbox.oracle.engine.convert import Settings
from tests.sandbox.oracle.engine.parser import parse
from tests.sandbox.oracle.engine.queries import QueryCompiler
from tests.sandbox.oracle.engine.scope import Output
from tests.sandbox.oracle.engine.session import EngineSession
from tests.sandbox.oracle.engine.storage import Storage
from tests.sandbox.oracle.engine.translate import Translator
from tests.sandbox.oracle.engine.types import of_column, parse_type
from tests.sandbox.oracle.engine.zones import UTC
from tests.sandbox.oracle.errors import OracleError
from tests.sandbox.oracle.session import BaseDatabase, Column

_FLASHBACK_ERRORS = {
    1031: "insufficient privileges",
    1555: 'snapshot too old: rollback segment number 10 with name "_SYSSMU10$" too small',
    1466: "unable to read data - table definition has changed",
    8181: "specified number is not a valid system change number",
    8180: "no snapshot found based on specified time",
}


class FlashbackFault(Protocol):
    """What the engine asks of the fault switches."""

    @property
    def flashback_error(self) -> int | None:
        """The ORA code that flashback shall fail with, or None."""


def utc_now() -> dt.datetime:
    """The real clock."""
    return dt.datetime.now(dt.UTC)


class Database(BaseDatabase):
    """Users, tables, views, rights, and rows with their history.

    `clock` gives aware moments; `server_zone` is the zone of SYSDATE and SYSTIMESTAMP.
    """

    def __init__(
        self,
        service_names: Collection[str] = frozenset({"ERPPDB1"}),
        version: tuple[int, int, int, int, int] = (19, 22, 0, 0, 0),
        *,
        clock: Callable[[], dt.datetime] = utc_now,
        server_zone: dt.tzinfo = dt.UTC,
    ) -> None:
        self.service_names = frozenset(service_names)
        self.version = version
        self.clock = clock
        self.server_zone = server_zone
        self.faults: FlashbackFault | None = None
        self.catalogue = Catalogue(dictionary=dictionary.views(version))
        self.translator = Translator(self.catalogue)
        self.storage = Storage(clock)
        dictionary.install(self.storage.connection)
        self._dictionary_version = -1
        self._sessions = itertools.count(101)

    # -- logging in ---------------------------------------------------------------------------

    def password_of(self, user: str) -> str | None:
        """The password of an account, or None."""
        return self.catalogue.users.get(user)

    def open_session(self, user: str, attributes: Mapping[str, str]) -> EngineSession:
        """A session of `user`; `time_zone` in `attributes` is its time zone."""
        return EngineSession(self, user, attributes)

    def session_as(self, owner: str) -> EngineSession:
        """A session for the data set itself."""
        return EngineSession(self, owner, {"program": "sandbox"})

    def next_session(self) -> int:
        """A new session id."""
        return next(self._sessions)

    def close(self) -> None:
        """Let go of everything."""
        self.storage.close()

    # -- time ---------------------------------------------------------------------------------

    @property
    def scn(self) -> int:
        """The current system change number; every commit moves it."""
        return self.storage.scn

    def server_offset(self, now: dt.datetime) -> int:
        """Minutes that the server's clock is east of UTC."""
        offset = now.astimezone(self.server_zone).utcoffset() or dt.timedelta()
        return int(offset.total_seconds() // 60)

    def refuse_flashback(self) -> None:
        """Raise what the fault switches want flashback to fail with."""
        code = self.faults.flashback_error if self.faults is not None else None
        if code is not None:
            raise OracleError(code, _FLASHBACK_ERRORS.get(code, "flashback refused"))

    # -- accounts and rights --------------------------------------------------------------------

    @property
    def flashback_users(self) -> set[str]:
        """Accounts that may use flashback on whatever they may read, and read V$DATABASE."""
        return self.catalogue.flashback_users

    def add_user(self, name: str, password: str) -> None:
        """An account and its schema."""
        self.catalogue.users[name] = password
        self.catalogue.changed()

    def grant(self, user: str, owner: str, name: str, privilege: str = "SELECT") -> None:
        """SELECT, READ, FLASHBACK, INSERT, UPDATE, DELETE or EXECUTE on an object.

        FLASHBACK on anything also brings EXECUTE on DBMS_FLASHBACK.
        """
        self.catalogue.grants.add((user, owner, name, privilege.upper()))
        self.catalogue.changed()

    def revoke(self, user: str, owner: str, name: str, privilege: str = "SELECT") -> None:
        """Takes a grant back."""
        self.catalogue.grants.discard((user, owner, name, privilege.upper()))
        self.catalogue.changed()

    def grant_execute(self, user: str, package: str) -> None:
        """EXECUTE on a package, such as DBMS_FLASHBACK."""
        self.grant(user, "SYS", package, "EXECUTE")

    # -- objects --------------------------------------------------------------------------------

    def create_table(
        self, owner: str, name: str, columns: Sequence[Column], rows: pa.Table | None = None
    ) -> Table:
        """A base table, filled from Arrow columns in the order of `columns`."""
        table = self._new_table(owner, name, columns)
        if rows is not None and rows.num_rows:
            self.storage.load(table, loading.prepared(rows), table.created)
        return table

    def _new_table(self, owner: str, name: str, columns: Sequence[Column]) -> Table:
        if (owner, name) in self.catalogue.relations:
            raise OracleError(955, "name is already used by an existing object")
        outputs = tuple(Output(c.name, of_column(c), c.nullable) for c in columns)
        object_number = self.catalogue.next_number()
        table = Table(
            owner,
            name,
            tuple(columns),
            outputs,
            f"o{object_number}",
            object_number,
            self.storage.advance(),
        )
        self.storage.create(table)
        self.catalogue.relations[owner, name] = table
        self.catalogue.changed()
        return table

    def load_parquet(
        self, owner: str, name: str, path: Path, types_json: Path | None = None
    ) -> Table:
        """A table from a Parquet file; types from Arrow's, or from a JSON file beside it.

        The JSON maps column names to Oracle types: {"AMOUNT": "NUMBER(12,2)", "D": "DATE"};
        columns that it leaves out take their Arrow type's counterpart.
        """
        given: dict[str, str] = {}
        if types_json is not None:
            text = json.loads(types_json.read_text(encoding="utf-8"))
            given = {column.upper(): kind for column, kind in text.items()}
        schema = pq.read_schema(path)
        columns = []
        for field in schema:
            label = field.name.upper()
            kind = given.get(label) or loading.column_of(
                label, field.type, self._longest(path, field)
            )
            columns.append(parse_type(kind, label))
        table = self._new_table(owner, name, columns)
        if any(pa.types.is_decimal256(f.type) or pa.types.is_duration(f.type) for f in schema):
            self.storage.load(table, loading.prepared(pq.read_table(path)), table.created)
        else:
            self.storage.load_parquet(table, path, table.created)
        return table

    def _longest(self, path: Path, field: pa.Field) -> int:
        """Bytes of the longest value of a text or binary column."""
        textual = (
            pa.types.is_string,
            pa.types.is_large_string,
            pa.types.is_binary,
            pa.types.is_large_binary,
            pa.types.is_dictionary,
        )
        if not any(test(field.type) for test in textual):
            return 0
        name = field.name.replace('"', '""')
        literal = str(path).replace("'", "''")
        sql = f"""SELECT max(octet_length(CAST("{name}" AS BLOB))) FROM read_parquet('{literal}')"""
        if not pa.types.is_binary(field.type) and not pa.types.is_large_binary(field.type):
            sql = (
                f"""SELECT max(strlen(CAST("{name}" AS VARCHAR))) FROM read_parquet('{literal}')"""
            )
        cursor = self.storage.cursor()
        row = cursor.execute(sql).fetchone()
        cursor.close()
        return int(row[0] or 0) if row else 0

    def create_view(
        self,
        owner: str,
        name: str,
        oracle_sql: str,
        columns: Sequence[Column] | None = None,
    ) -> View:
        """A view; its columns follow from the query unless `columns` gives their types."""
        if (owner, name) in self.catalogue.relations:
            raise OracleError(955, "name is already used by an existing object")
        node, _ = parse(oracle_sql)
        if not isinstance(node, ast.Query):
            raise OracleError(928, "missing SELECT keyword")
        compiler = QueryCompiler(self.catalogue, Settings(owner, owner, UTC))
        outputs = compiler.query(node, None).outputs
        if columns is not None:
            outputs = tuple(Output(c.name, of_column(c), c.nullable) for c in columns)
        described = tuple(o.ty.column(o.name, o.nullable) for o in outputs)
        view = View(
            owner, name, described, outputs, oracle_sql.strip(), node, self.catalogue.next_number()
        )
        self.catalogue.relations[owner, name] = view
        self.catalogue.changed()
        return view

    def context_view(self, owner: str, view: str) -> None:
        """As in E-Business Suite: no rows until APPS_INITIALIZE and MO_GLOBAL.INIT were called."""
        found = self.catalogue.find(owner, view)
        if not isinstance(found, View):
            raise OracleError(942, "table or view does not exist")
        self.catalogue.relations[owner, view] = replace(found, needs_context=True)
        self.catalogue.changed()

    def create_synonym(self, owner: str, name: str, target_owner: str, target: str) -> None:
        """owner.name stands for target_owner.target; owner PUBLIC makes it everybody's."""
        self.catalogue.synonyms[owner, name] = Synonym(owner, name, target_owner, target)
        self.catalogue.changed()

    def drop(self, owner: str, name: str) -> None:
        """Removes a table or view; rows of a dropped table are gone for flashback too."""
        del self.catalogue.relations[owner, name]
        self.catalogue.changed()

    def refresh_dictionary(self) -> None:
        """Bring the dictionary's tables up to date."""
        with self.storage.lock:
            if self._dictionary_version != self.catalogue.version:
                version = self.catalogue.version
                dictionary.refresh(self.storage.connection, self.catalogue)
                self._dictionary_version = version
