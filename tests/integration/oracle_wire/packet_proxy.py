"""A TCP proxy that notes the length of every packet that the server sends."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType

ACCEPT = 2
DATA = 6


class PacketProxy:
    """Stands between one client and a server on loopback; `lengths` are of DATA packets."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.lengths: list[int] = []
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._serve, daemon=True)]

    def __enter__(self) -> PacketProxy:
        self._threads[0].start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for sock in [*self._sockets, self._listener]:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for sock in [*self._sockets, self._listener]:
            sock.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            client, _ = self._listener.accept()
            server = socket.create_connection(("127.0.0.1", self._server_port))
            self._sockets += [client, server]
            up = threading.Thread(target=self._copy, args=(client, server), daemon=True)
            self._threads.append(up)
            up.start()
            self._copy_packets(server, client)

    @staticmethod
    def _copy(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def _copy_packets(self, source: socket.socket, target: socket.socket) -> None:
        wide = False
        with source.makefile("rb") as stream:
            while header := stream.read(8):
                length = int.from_bytes(header[: 4 if wide else 2], "big")
                wide = wide or header[4] == ACCEPT
                if header[4] == DATA:
                    self.lengths.append(length)
                target.sendall(header + stream.read(length - 8))
