"""The Oracle stand-in's listener: accepts clients on loopback, one thread for each."""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Mapping

from tests.sandbox.oracle.auth import Verifier
from tests.sandbox.oracle.connection import Connection
from tests.sandbox.oracle.faults import Faults
from tests.sandbox.oracle.rows import RowCache
from tests.sandbox.oracle.session import BaseDatabase

BACKLOG = 128
ACCEPT_LOOK_SECONDS = 0.2


class OracleServer:
    """Serves `database` to Oracle clients.

    `port` 0 takes a free one; `server.port` is the port in use after `start`. `verifiers` maps
    a user (upper case, or "*" for all others) to "12c", the default, or "11g".
    """

    def __init__(
        self,
        database: BaseDatabase,
        host: str = "127.0.0.1",
        port: int = 0,
        faults: Faults | None = None,
        verifiers: Mapping[str, Verifier] | None = None,
    ) -> None:
        self.database = database
        self.host = host
        self.port = port
        self.faults = faults or Faults()
        self._verifiers = dict(verifiers or {})
        self._row_cache = RowCache()
        self._listener: socket.socket | None = None
        self._acceptor: threading.Thread | None = None
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._clients: dict[Connection, threading.Thread] = {}
        self._session_ids = itertools.count(1)

    def start(self) -> None:
        """Listen. Raises OSError when the port is taken."""
        listener = socket.create_server((self.host, self.port), backlog=BACKLOG)
        # Closing a socket does not wake its accept everywhere, so accept looks up regularly.
        listener.settimeout(ACCEPT_LOOK_SECONDS)
        self.port = listener.getsockname()[1]
        self._listener = listener
        self._stopping.clear()
        self._acceptor = threading.Thread(target=self._accept, name="oracle-listener", daemon=True)
        self._acceptor.start()

    def stop(self) -> None:
        """Close every connection and wait for their threads. Harmless when not started."""
        self._stopping.set()
        if self._acceptor is not None:
            self._acceptor.join()
        if self._listener is not None:
            self._listener.close()
        with self._lock:
            clients = dict(self._clients)
        for client in clients:
            client.hang_up()
        for thread in clients.values():
            thread.join()
        self._acceptor = self._listener = None

    def __enter__(self) -> OracleServer:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    @property
    def connections(self) -> int:
        """How many clients are connected now."""
        with self._lock:
            return len(self._clients)

    def dsn(self, service: str | None = None) -> str:
        """An Easy Connect string for `service`, by default any one that is served."""
        name = service or min(self.database.service_names)
        return f"{self.host}:{self.port}/{name}"

    def _accept(self) -> None:
        assert self._listener is not None
        while not self._stopping.is_set():
            try:
                sock, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            self._serve(sock)

    def _serve(self, sock: socket.socket) -> None:
        sock.settimeout(None)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client = Connection(
            sock,
            self.database,
            self.faults,
            self._row_cache,
            self._verifiers,
            next(self._session_ids),
        )
        thread = threading.Thread(
            target=self._run,
            args=(client,),
            name=f"oracle-session-{client.session_id}",
            daemon=True,
        )
        with self._lock:
            self._clients[client] = thread
        thread.start()

    def _run(self, client: Connection) -> None:
        try:
            client.run()
        finally:
            with self._lock:
                del self._clients[client]
