"""One client: connect, negotiate, log in, then requests until one side goes.

The connection's own thread runs `Connection.run`; `packets.PacketStream` has a second one that
reads the socket. Whatever a request raises becomes an Oracle error in its reply, and the
connection lives on; only a lost client, or bytes that are not Oracle Net, end it.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from tests.sandbox.oracle import messages
from tests.sandbox.oracle.auth import Login, Verifier
from tests.sandbox.oracle.cursors import Cursor, CursorTable
from tests.sandbox.oracle.errors import OracleError
from tests.sandbox.oracle.faults import Faults
from tests.sandbox.oracle.lobs import LobStore
from tests.sandbox.oracle.messages import (
    auth,
    connect,
    data_types,
    execute,
    fetch,
    lob_op,
    piggyback,
    protocol,
    reexecute,
    session_ops,
)
from tests.sandbox.oracle.messages.end_of_call import EndOfCall
from tests.sandbox.oracle.packets import CallBroken, Disconnected, PacketStream
from tests.sandbox.oracle.primitives import ProtocolError, Reader, Writer
from tests.sandbox.oracle.rows import RowCache
from tests.sandbox.oracle.session import BaseDatabase, BaseSession

log = logging.getLogger(__name__)

T = TypeVar("T")
ANY_USER = "*"
INTERRUPTED = 1013
INTERRUPTED_TEXT = "user requested cancel of current operation"
NOT_LOGGED_ON = 1012
UNSUPPORTED = 3115
INTERNAL = 604


class Request(Protocol):
    """A function call, read completely."""

    def answer(self, connection: Connection) -> None:
        """Act, and write the whole reply."""


class RequestType(Protocol):
    """How a function call is read."""

    def read(self, connection: Connection) -> Request:
        """Consume exactly the bytes of the request, after its header."""


LOGIN_FUNCTIONS: dict[int, RequestType] = {
    messages.FUNC_AUTH_PHASE_ONE: auth.PhaseOne,
    messages.FUNC_AUTH_PHASE_TWO: auth.PhaseTwo,
}
FUNCTIONS: dict[int, RequestType] = {
    messages.FUNC_EXECUTE: execute.ExecuteRequest,
    messages.FUNC_REEXECUTE: reexecute.ReexecuteRequest,
    messages.FUNC_REEXECUTE_AND_FETCH: reexecute.ReexecuteAndFetchRequest,
    messages.FUNC_FETCH: fetch.FetchRequest,
    messages.FUNC_LOB_OP: lob_op.LobOpRequest,
    messages.FUNC_PING: session_ops.Ping,
    messages.FUNC_COMMIT: session_ops.Commit,
    messages.FUNC_ROLLBACK: session_ops.Rollback,
    messages.FUNC_LOGOFF: session_ops.Logoff,
    messages.FUNC_SESSION_RELEASE: session_ops.SessionRelease,
}


class Connection:
    """The state of one client, and what messages need of it."""

    def __init__(
        self,
        sock: socket.socket,
        database: BaseDatabase,
        faults: Faults,
        row_cache: RowCache,
        verifiers: Mapping[str, Verifier],
        session_id: int,
    ) -> None:
        self.database = database
        self.faults = faults
        self.row_cache = row_cache
        self.session_id = session_id
        self.stream = PacketStream(sock)
        self.reader = Reader(self.stream.next_payload)
        self.field_version = messages.VERSION_19C
        self.cursors = CursorTable()
        self.lobs = LobStore()
        self.attributes: dict[str, str] = {}
        self.driver = ""
        self.login: Login | None = None
        self.piggyback_error: OracleError | None = None
        self.cursor_in_use = 0
        self._verifiers = verifiers
        self._session: BaseSession | None = None

    # -- the life of a connection --------------------------------------------------------

    def run(self) -> None:
        """Serve the client until it goes, the server stops, or a fault cuts the line."""
        self.stream.start()
        try:
            if self._connect():
                while True:
                    self._serve_message()
        except Disconnected:
            pass
        except Exception:
            log.exception("session %d ends on an error that could not be told", self.session_id)
        finally:
            self.close()

    def close(self) -> None:
        """Close the socket, then the session. Called once, by the connection's own thread."""
        self.stream.close()
        self.cursors.close_all()
        if self._session is not None:
            self._session.close()
            self._session = None

    def hang_up(self) -> None:
        """Make `run` end. Called from any thread."""
        self.stream.shut_down()

    def _connect(self) -> bool:
        """True when the listener accepts the client."""
        request = connect.ConnectRequest.read(self.stream)
        if self.faults.strike("silent") is not None:
            while True:
                self.stream.next_packet()
        refused = self.faults.strike("refuse_service")
        code = request.refusal(self.database.service_names)
        if refused is not None:
            code = int(refused["code"] or 0)
        if code is not None:
            request.refuse(self.stream, code)
            return False
        self.attributes["service_name"] = request.service
        request.accept(self.stream)
        return True

    def _serve_message(self) -> None:
        """One message of the client, with what precedes it."""
        try:
            self._dispatch(self.reader.u8())
            self.stream.check()
            self.stream.flush()
        except CallBroken:
            self._answer_break()
        except OracleError as error:
            self._answer_error(error)
        except ProtocolError as error:
            self.discard_request()
            self._answer_error(OracleError(UNSUPPORTED, f"unsupported network request: {error}"))
        except (Disconnected, ConnectionError):
            raise
        except Exception as error:
            log.exception("session %d: ORA-00604", self.session_id)
            self._answer_error(internal_error(error))

    def _dispatch(self, message_type: int) -> None:
        if message_type == messages.PROTOCOL:
            protocol.answer(self)
        elif message_type == messages.DATA_TYPES:
            data_types.answer(self)
        elif message_type == messages.PIGGYBACK:
            function = self._read_header()
            if self._session is None:
                raise ProtocolError("a piggyback before login")
            self._read_or_discard(lambda: piggyback.read(self, function))
        elif message_type in (messages.FUNCTION, messages.ONE_WAY):
            self._call(self._read_header())
        else:
            raise ProtocolError(f"unknown message type {message_type}")

    def _read_header(self) -> int:
        """Function and sequence number."""
        function = self.reader.u8()
        self.reader.u8()
        return function

    def _call(self, function: int) -> None:
        if self._session is None:
            functions, missing = LOGIN_FUNCTIONS, OracleError(NOT_LOGGED_ON, "not logged on")
        else:
            functions = FUNCTIONS
            missing = OracleError(UNSUPPORTED, f"unsupported network function {function}")
        request_type = functions.get(function)
        self.cursor_in_use = 0
        if request_type is None:
            self.discard_request()
            raise missing
        request = self._read_or_discard(lambda: request_type.read(self))
        failed, self.piggyback_error = self.piggyback_error, None
        if failed is not None:
            raise failed
        request.answer(self)

    def _read_or_discard(self, read: Callable[[], T]) -> T:
        """A request that cannot be read is dropped whole, so that the next one can be."""
        try:
            return read()
        except (Disconnected, CallBroken, ProtocolError):
            raise
        except Exception:
            self.discard_request()
            raise

    # -- replies -------------------------------------------------------------------------

    def write(self, message: Writer) -> None:
        """Add a message to the reply."""
        self.stream.write(message.getvalue())

    def reply(self, *parts: Writer) -> None:
        """Add the messages of a whole reply."""
        for part in parts:
            self.write(part)

    def end_call(self, end: EndOfCall) -> None:
        """Add the message that ends a reply."""
        in_transaction = self._session is not None and self._session.in_transaction
        self.write(end.write(self.field_version, in_transaction))

    def discard_request(self) -> None:
        """Drop the rest of a request that is not understood."""
        self.reader.discard()
        self.stream.discard_request()

    def _answer_error(self, error: OracleError) -> None:
        try:
            if self.stream.broken:
                raise CallBroken
            self.end_call(EndOfCall(self.cursor_in_use, error=error))
            self.stream.flush()
        except CallBroken:
            self._answer_break()

    def _answer_break(self) -> None:
        """Whatever the call was, its reply is ORA-01013 after an exchange of markers."""
        self.stream.exchange_reset()
        self.reader.discard()
        self.end_call(EndOfCall(error=OracleError(INTERRUPTED, INTERRUPTED_TEXT)))
        self.stream.flush()

    # -- what messages need --------------------------------------------------------------

    @property
    def session(self) -> BaseSession:
        """The session over the SQL engine. Raises OracleError before login."""
        if self._session is None:
            raise OracleError(NOT_LOGGED_ON, "not logged on")
        return self._session

    def open_session(self, user: str) -> None:
        """Log `user` in; the password is right by now."""
        self._session = self.database.open_session(user, dict(self.attributes))
        self.stream.interrupt = self._session.interrupt

    def verifier_of(self, user: str) -> Verifier:
        """The verifier of an account's password."""
        return self._verifiers.get(user, self._verifiers.get(ANY_USER, "12c"))

    def set_attributes(self, changed: Mapping[str, str]) -> None:
        """The client changed attributes of its session: module, action, client info ..."""
        self.attributes.update(changed)
        self.session.set_attributes(changed)

    def begin_statement(self, cursor: Cursor) -> None:
        """An execution of `cursor` begins: count its rows anew, arm its faults."""
        cursor.rows_sent = 0
        cursor.stalled = False
        cursor.started = time.monotonic()
        dropped = self.faults.strike("drop_after_bytes", cursor.sql)
        if dropped is not None:
            self.stream.bytes_allowed = int(dropped["bytes"] or 0)


def internal_error(error: Exception) -> OracleError:
    """What a client sees of a failure that nobody foresaw."""
    return OracleError(
        INTERNAL, f"error occurred at recursive SQL level 1: {type(error).__name__}: {error}"
    )
