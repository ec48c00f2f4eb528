"""Oracle Net packets: framing, splitting to the SDU, markers.

    offset 0   before ACCEPT: u16be length, u16be checksum 0; after it: u32be length
           4   u8 type
           5   u8 flags
           6   u16be header checksum 0
           8   body; for DATA the first two bytes are data flags

The length includes the 8 bytes of the header. A thread of its own reads the socket
(`PacketStream._pump`), so that a marker, or the loss of the client, is seen while the
connection's own thread runs a query or waits.
Source: python-oracledb 26.1, `impl/thin/packet.pyx` and `protocol.pyx`.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass

CONNECT = 1
ACCEPT = 2
REFUSE = 4
DATA = 6
RESEND = 11
MARKER = 12
CONTROL = 14

MARKER_BREAK = 1
MARKER_RESET = 2
MARKER_INTERRUPT = 3

DATA_FLAG_EOF = 0x0040
HEADER_SIZE = 8
DATA_HEADER_SIZE = 10
SMALLEST_SDU = 64
LARGEST_SDU = 2 * 1024 * 1024
FLUSH_BYTES = 256 * 1024
BUFFERS_PER_SEND = 512
INTERRUPT_AGAIN_SECONDS = 0.05
REST_OF_REQUEST_SECONDS = 0.2

Buffer = bytes | bytearray | memoryview


class Disconnected(Exception):
    """The client has gone, or the server is stopping."""


class CallBroken(Exception):
    """The client sent a break or an interrupt: the running call is to be abandoned."""


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet as received; `body` is without header and, for DATA, without data flags."""

    type: int
    body: bytes
    full: bool = False  # as long as the SDU allows, so that the request may go on
    data_flags: int = 0

    @property
    def marker(self) -> int:
        """The kind of a MARKER packet."""
        return self.body[2] if len(self.body) > 2 else MARKER_BREAK

    @property
    def is_break(self) -> bool:
        return self.type == MARKER and self.marker != MARKER_RESET


class PacketStream:
    """Both directions of one client's socket.

    `interrupt` is called from the reading thread, again and again, from the moment a break
    arrives, or the client is lost, until the connection's own thread takes notice.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._incoming: queue.SimpleQueue[Packet | None] = queue.SimpleQueue()
        self._wide_length = False
        self._broken = threading.Event()
        self._noticed = threading.Event()
        self._gone = False
        self._last_was_full = False
        self._pending: list[memoryview] = []
        self._pending_size = 0
        self.sdu = 8192
        self.interrupt: Callable[[], None] = lambda: None
        self.bytes_allowed: int | None = None
        self._pump_thread = threading.Thread(target=self._pump, name="oracle-reader", daemon=True)

    def start(self) -> None:
        self._pump_thread.start()

    def close(self) -> None:
        """Close the socket and wait for the reading thread."""
        self.interrupt = lambda: None
        self._noticed.set()
        shut_down(self._sock)
        self._pump_thread.join()
        self._sock.close()

    def shut_down(self) -> None:
        """Make every read and write fail from now on. Called from any thread."""
        shut_down(self._sock)

    def accept(self, body: bytes, sdu: int) -> None:
        """Send ACCEPT; what follows it, in both directions, has the wide packet header."""
        packet = self._packet(ACCEPT, body)
        # First of all, because the client's next packet may arrive at any moment.
        self._wide_length = True
        self.sdu = sdu
        self._send([packet])

    # -- receiving, on the reading thread ------------------------------------------------

    def _pump(self) -> None:
        try:
            while True:
                packet = self._read_packet()
                if packet.is_break:
                    # Set before the packet is queued: whoever takes it clears it again.
                    self._noticed.clear()
                    self._broken.set()
                self._incoming.put(packet)
                if packet.is_break:
                    self._interrupt_until_noticed()
        except (Disconnected, OSError):
            self._gone = True
            self._broken.set()
            self._incoming.put(None)
            self._interrupt_until_noticed()

    def _interrupt_until_noticed(self) -> None:
        """Once is not enough: the call may not have reached the engine yet."""
        while not self._noticed.is_set():
            self.interrupt()
            self._noticed.wait(INTERRUPT_AGAIN_SECONDS)

    def _read_exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            piece = self._sock.recv(min(size - len(data), FLUSH_BYTES))
            if not piece:
                raise Disconnected
            data += piece
        return bytes(data)

    def _read_packet(self) -> Packet:
        header = self._read_exactly(HEADER_SIZE)
        length = int.from_bytes(header[: 4 if self._wide_length else 2], "big")
        if not HEADER_SIZE <= length <= LARGEST_SDU:
            raise Disconnected
        body = self._read_exactly(length - HEADER_SIZE)
        if header[4] != DATA:
            return Packet(header[4], body)
        if len(body) < 2:
            raise Disconnected
        return Packet(DATA, body[2:], length >= self.sdu, int.from_bytes(body[:2], "big"))

    # -- receiving, on the connection's thread -------------------------------------------

    def next_packet(self) -> Packet:
        """The next packet of any type. Raises Disconnected."""
        packet = self._incoming.get()
        if packet is None:
            raise Disconnected
        return packet

    def next_payload(self) -> bytes:
        """The payload of the next DATA packet. Raises CallBroken or Disconnected."""
        while True:
            packet = self.next_packet()
            if packet.is_break:
                raise CallBroken
            if packet.type == DATA:
                if packet.data_flags & DATA_FLAG_EOF:
                    raise Disconnected
                self._last_was_full = packet.full
                return packet.body

    def discard_request(self) -> None:
        """Drop the rest of a request that cannot be parsed.

        Nothing on the wire marks the end of a request, but a client fills every packet of a
        request except the last.
        """
        while self._last_was_full:
            try:
                packet = self._incoming.get(timeout=REST_OF_REQUEST_SECONDS)
            except queue.Empty:
                return
            if packet is None:
                raise Disconnected
            if packet.is_break:
                raise CallBroken
            self._last_was_full = packet.full

    @property
    def broken(self) -> bool:
        """True while a break of the client waits for its answer."""
        return self._broken.is_set() and not self._gone

    def check(self) -> None:
        """Raise CallBroken or Disconnected when a break arrived or the client is lost."""
        if self._gone:
            raise Disconnected
        if self._broken.is_set():
            raise CallBroken

    def pause(self, seconds: float | None) -> None:
        """Wait, but not beyond a break or the loss of the client."""
        self._broken.wait(seconds)
        self.check()

    def exchange_reset(self) -> None:
        """Answer a break: MARKER break, the client's MARKER reset, MARKER reset."""
        self._pending.clear()
        self._pending_size = 0
        self._notice()
        self.send_marker(MARKER_BREAK)
        while True:
            packet = self.next_packet()
            if packet.is_break:
                self._notice()
            elif packet.type == MARKER:
                break
        self.send_marker(MARKER_RESET)

    def _notice(self) -> None:
        if not self._gone:
            self._broken.clear()
        self._noticed.set()

    # -- sending -------------------------------------------------------------------------

    def send_packet(self, packet_type: int, body: bytes) -> None:
        """One packet that is not DATA."""
        self._send([self._packet(packet_type, body)])

    def _packet(self, packet_type: int, body: bytes) -> memoryview:
        length = HEADER_SIZE + len(body)
        if self._wide_length:
            header = struct.pack(">IBBH", length, packet_type, 0, 0)
        else:
            header = struct.pack(">HHBBH", length, 0, packet_type, 0, 0)
        return memoryview(header + body)

    def send_marker(self, kind: int) -> None:
        self.send_packet(MARKER, bytes((1, 0, kind)))

    def write(self, data: Buffer) -> None:
        """Add to the reply; it leaves when enough has come together, or on `flush`."""
        view = memoryview(data)
        if view.nbytes:
            self._pending.append(view)
            self._pending_size += view.nbytes
        if self._pending_size >= FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Send what was written, in DATA packets no longer than the SDU."""
        buffers = self._framed()
        self._pending = []
        self._pending_size = 0
        for start in range(0, len(buffers), BUFFERS_PER_SEND):
            self._send(buffers[start : start + BUFFERS_PER_SEND])

    def _framed(self) -> list[memoryview]:
        payload = self.sdu - DATA_HEADER_SIZE
        full_header = memoryview(self._data_header(payload))
        left, room = self._pending_size, 0
        framed: list[memoryview] = []
        for view in self._pending:
            start, size = 0, view.nbytes
            while start < size:
                if room == 0:
                    room = min(payload, left)
                    header = full_header if room == payload else memoryview(self._data_header(room))
                    framed.append(header)
                taken = min(room, size - start)
                framed.append(view[start : start + taken])
                start += taken
                room -= taken
                left -= taken
        return framed

    @staticmethod
    def _data_header(payload: int) -> bytes:
        return struct.pack(">IBBHH", payload + DATA_HEADER_SIZE, DATA, 0, 0, 0)

    def _send(self, buffers: list[memoryview]) -> None:
        if self.bytes_allowed is not None:
            self._send_some(buffers)
            return
        try:
            send_all(self._sock, buffers)
        except OSError as error:
            raise Disconnected from error

    def _send_some(self, buffers: list[memoryview]) -> None:
        """Send up to the allowance of the fault `drop_after_bytes`, then be gone."""
        assert self.bytes_allowed is not None
        data = b"".join(buffers)
        allowed = data[: self.bytes_allowed]
        self.bytes_allowed -= len(allowed)
        try:
            self._sock.sendall(allowed)
        except OSError as error:
            raise Disconnected from error
        if len(allowed) < len(data):
            raise Disconnected


def send_all(sock: socket.socket, buffers: list[memoryview]) -> None:
    """Send every buffer, in one system call where the platform has `sendmsg`."""
    if not hasattr(sock, "sendmsg"):
        sock.sendall(b"".join(buffers))
        return
    left = buffers
    while left:
        sent = sock.sendmsg(left)
        done = 0
        while done < len(left) and sent >= left[done].nbytes:
            sent -= left[done].nbytes
            done += 1
        left = left[done:]
        if sent:
            left[0] = left[0][sent:]


def shut_down(sock: socket.socket) -> None:
    """Wake up whoever reads or writes `sock`; a socket that is not connected needs nothing."""
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
