"""One Oracle connection, opened within a deadline and set up so that nothing is left to chance."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, InvalidStateError
from concurrent.futures import TimeoutError as Late
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import oracledb

from etl_oracle_to_bq.errors import ConfigError, SourceUnavailable
from etl_oracle_to_bq.extract.failures import oracle_errors
from etl_oracle_to_bq.extract.session import OracleSession
from etl_oracle_to_bq.model import EbsContext, Store

PROGRAM = "oracle-erp-to-bigquery"
# The driver's default of 8 KiB makes four times as many packets; Oracle lowers it when it must.
SDU_BYTES = 65_535
TIME_ZONE = re.compile(r"[+-]\d{2}:\d{2}|[A-Za-z0-9_+/-]+")

# Language and calendar too: a view may use TO_CHAR(date, 'MON') or USERENV('LANG'), and the
# result must not depend on who runs it. Territory first, because it sets some of the others.
NLS = (
    ("NLS_LANGUAGE", "AMERICAN"),
    ("NLS_TERRITORY", "AMERICA"),
    ("NLS_CALENDAR", "GREGORIAN"),
    ("NLS_NUMERIC_CHARACTERS", ".,"),
    ("NLS_DATE_FORMAT", "YYYY-MM-DD HH24:MI:SS"),
    ("NLS_TIMESTAMP_FORMAT", "YYYY-MM-DD HH24:MI:SS.FF9"),
    ("NLS_TIMESTAMP_TZ_FORMAT", "YYYY-MM-DD HH24:MI:SS.FF9 TZH:TZM"),
    ("NLS_SORT", "BINARY"),
    ("NLS_COMP", "BINARY"),
)


@dataclass(frozen=True, slots=True)
class Limits:
    """Deadlines of one connection.

    `connect_seconds`: from dialling until Oracle has accepted the login. `call_seconds`: one
    round trip, which for the first one includes the whole time that a sorting or aggregating
    view needs before its first row; an hour, because dead lines are noticed sooner by
    keepalive, after `keepalive_minutes` and one minute more.
    """

    connect_seconds: float = 30
    call_seconds: float = 3600
    keepalive_minutes: int = 2


class RememberingConnection(oracledb.Connection):
    """Remembers the newest cursor: `fetch_df_batches` makes one whose size is changed later."""

    newest: oracledb.Cursor | None = None

    def cursor(self, *args: Any, **named: Any) -> oracledb.Cursor:
        """The driver's own, remembered."""
        self.newest = super().cursor(*args, **named)
        return self.newest


@contextmanager
def connect(store: Store, limits: Limits | None = None) -> Iterator[OracleSession]:
    """A session of the store, closed (and rolled back) at the end of the `with` block.

    Time zone, language, number and date formats, current schema and the E-Business Suite
    context are set before the session is handed out; autocommit is off. It is tried once:
    `run` tries again what is worth it. Raises SourceError (wrong password, unknown host),
    SourceUnavailable or ConfigError.
    """
    limits = limits or Limits()
    connection = _open(store, limits)
    try:
        yield OracleSession(connection, str(store.user))
    finally:
        # A connection that is already lost has nothing left to close.
        with suppress(oracledb.Error, OSError):
            connection.close()


def _open(store: Store, limits: Limits) -> RememberingConnection:
    where = store.descriptor or f"{store.host}:{store.port}/{store.service_name or store.sid}"
    doing = f"Connecting to {store.name} ({store.user} at {where})"
    secrets = (store.password, store.wallet_password)
    zone = _time_zone(store)
    with oracle_errors(doing, *secrets):
        _choose_mode(store)
        connection = within(limits.connect_seconds, doing, lambda: _dial(store, limits))
        try:
            connection.call_timeout = int(limits.connect_seconds * 1000)
            _set_up(connection, store, zone)
            connection.call_timeout = int(limits.call_seconds * 1000)
        except BaseException:
            with suppress(oracledb.Error, OSError):
                connection.close()
            raise
    return connection


def _choose_mode(store: Store) -> None:
    """Thin or thick, once for the process; in a thick process every store is thick.

    Without it the driver holds a lock during the first connection of the process, and a
    silent listener would block the stores of other threads as well.
    """
    if store.thick:
        oracledb.init_oracle_client()
    elif oracledb.is_thin_mode():
        oracledb.enable_thin_mode()  # type: ignore[no-untyped-call]


def within(
    seconds: float, doing: str, dial: Callable[[], RememberingConnection]
) -> RememberingConnection:
    """What `dial` returns, or SourceUnavailable `connect-timeout` when it takes longer.

    The driver's own timeout ends with the TCP handshake; a listener that accepts and stays
    silent would hold it for ever. The thread that dialled is then left behind (a daemon, so
    it does not keep the interpreter); should it still get a connection, it closes it.
    """
    outcome: Future[RememberingConnection] = Future()

    def work() -> None:
        try:
            connection = dial()
        except BaseException as error:  # noqa: BLE001 (handed to the waiting thread)
            with suppress(InvalidStateError):
                outcome.set_exception(error)
            return
        try:
            outcome.set_result(connection)
        except InvalidStateError:
            connection.close()

    threading.Thread(target=work, name="oracle-connect", daemon=True).start()
    try:
        return outcome.result(seconds)
    except Late:
        if not outcome.cancel():
            return outcome.result()
        raise SourceUnavailable(
            f"{doing}: no answer within {seconds:g} seconds.", code="connect-timeout"
        ) from None


def _dial(store: Store, limits: Limits) -> RememberingConnection:
    params = oracledb.ConnectParams(
        user=store.user,
        password=store.password,
        host=store.host,
        port=store.port,
        protocol=store.protocol,
        service_name=store.service_name or None,
        sid=store.sid or None,
        wallet_location=store.wallet_location or None,
        wallet_password=store.wallet_password or None,
        tcp_connect_timeout=limits.connect_seconds,
        expire_time=limits.keepalive_minutes,
        sdu=SDU_BYTES,
        program=PROGRAM,
    )
    if store.descriptor:
        params.parse_connect_string(store.descriptor)
    connection = oracledb.connect(params=params, conn_class=RememberingConnection)
    assert isinstance(connection, RememberingConnection)
    return connection


def _set_up(connection: RememberingConnection, store: Store, zone: str) -> None:
    connection.autocommit = False
    connection.module = PROGRAM
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER SESSION SET TIME_ZONE = '{zone}'")
        for name, value in NLS:
            cursor.execute(f"ALTER SESSION SET {name} = '{value}'")
        if store.current_schema:
            schema = _schema(cursor, store)
            cursor.execute(f'ALTER SESSION SET CURRENT_SCHEMA = "{schema}"')
        if store.ebs:
            _initialise_apps(cursor, store.ebs)
            # MO_GLOBAL.INIT writes rows; no snapshot may begin inside that transaction.
            connection.commit()


def _time_zone(store: Store) -> str:
    if not TIME_ZONE.fullmatch(store.session_time_zone):
        raise ConfigError(
            f"Data store {store.name}: {store.session_time_zone!r} is not a time zone; "
            "+07:00 and Asia/Bangkok are.",
            code="invalid-store",
        )
    return store.session_time_zone


def _schema(cursor: oracledb.Cursor, store: Store) -> str:
    """The dictionary's spelling of the current schema: as written, else in capitals."""
    wanted = store.current_schema
    cursor.execute(
        "SELECT username FROM all_users WHERE username IN (:written, :capitals)",
        {"written": wanted, "capitals": wanted.upper()},
    )
    found = {row[0] for row in cursor.fetchall()}
    if not found:
        raise ConfigError(
            f"Data store {store.name}: there is no schema {wanted}.", code="invalid-store"
        )
    return wanted if wanted in found else wanted.upper()


def _initialise_apps(cursor: oracledb.Cursor, ebs: EbsContext) -> None:
    """Without this the multi-org views of E-Business Suite return no rows, and no error."""
    cursor.execute(
        "BEGIN FND_GLOBAL.APPS_INITIALIZE(:user_id, :responsibility, :application, :security); "
        "MO_GLOBAL.INIT(:product); END;",
        {
            "user_id": ebs.user_id,
            "responsibility": ebs.responsibility_id,
            "application": ebs.application_id,
            "security": ebs.security_group_id,
            "product": ebs.product,
        },
    )
