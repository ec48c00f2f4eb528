"""CONNECT: which service is wanted, how large packets may be. Answered by ACCEPT or REFUSE.

CONNECT body: u16be version, u16be lowest version, u16be options, u16be SDU, u16be TDU, ...,
16 u16be length of the connect data, 18 u16be its offset from the packet's start, ...,
50 u32be SDU. Connect data of more than 230 bytes follows in a DATA packet of its own.

Source: python-oracledb 26.1, `messages/connect.pyx`.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from tests.sandbox.oracle import packets
from tests.sandbox.oracle.packets import Disconnected, PacketStream

VERSION_ACCEPTED = 318
VERSION_LOWEST = 315  # the first with 32-bit packet lengths
ACCEPT_OPTIONS = 0x0001  # without 0x0400: markers instead of TCP urgent data
NATIVE_SERVICES_OFF = 0x04
SDU_LARGE_OFFSET = 50
NO_SERVICE_GIVEN = 12504
UNKNOWN_SID = 12505
UNKNOWN_SERVICE = 12514
INCOMPATIBLE_VERSIONS = 12618

_TARGET = re.compile(r"\(\s*(SERVICE_NAME|SID)\s*=\s*\"?([^)\"]*?)\"?\s*\)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ConnectRequest:
    """What a client asks of the listener."""

    version: int
    sdu: int
    descriptor: str

    @classmethod
    def read(cls, stream: PacketStream) -> ConnectRequest:
        """Raises Disconnected when the first packet is not a CONNECT."""
        packet = stream.next_packet()
        body = packet.body
        if packet.type != packets.CONNECT or len(body) < 26:
            raise Disconnected
        version, sdu = struct.unpack_from(">H4xH", body)
        length, offset = struct.unpack_from(">HH", body, 16)
        if len(body) >= SDU_LARGE_OFFSET + 4:
            sdu = struct.unpack_from(">I", body, SDU_LARGE_OFFSET)[0] or sdu
        start = offset - packets.HEADER_SIZE
        data = body[start : start + length]
        if len(data) < length:
            data = stream.next_payload()
        if sdu < packets.SMALLEST_SDU:
            raise Disconnected
        return cls(version, min(sdu, packets.LARGEST_SDU), data.decode("utf-8", "replace"))

    @property
    def service(self) -> str:
        """The service name or SID that was asked for; empty when none was."""
        found = _TARGET.search(self.descriptor)
        return found[2] if found else ""

    def refusal(self, services: frozenset[str]) -> int | None:
        """The ORA number with which the listener refuses, None when it accepts."""
        if self.version < VERSION_LOWEST:
            return INCOMPATIBLE_VERSIONS
        found = _TARGET.search(self.descriptor)
        if found is None or not found[2]:
            return NO_SERVICE_GIVEN
        if found[2].upper() in {name.upper() for name in services}:
            return None
        return UNKNOWN_SID if found[1].upper() == "SID" else UNKNOWN_SERVICE

    def accept(self, stream: PacketStream) -> None:
        """Answer ACCEPT; from here on both sides use 32-bit lengths and the client's SDU."""
        body = struct.pack(
            ">HHHHHHHBB8xIIBI",
            min(self.version, VERSION_ACCEPTED),
            ACCEPT_OPTIONS,
            min(self.sdu, 0xFFFF),
            0xFFFF,
            1,
            0,
            45,
            NATIVE_SERVICES_OFF,
            NATIVE_SERVICES_OFF,
            self.sdu,
            self.sdu,
            0,
            0,
        )
        stream.accept(body, self.sdu)

    @staticmethod
    def refuse(stream: PacketStream, code: int) -> None:
        """Answer REFUSE with ORA-`code`; the caller closes the socket."""
        text = (
            f"(DESCRIPTION=(TMP=)(VSNNUM=318767104)(ERR={code})"
            f"(ERROR_STACK=(ERROR=(CODE={code})(EMFI=4))))"
        ).encode("ascii")
        stream.send_packet(packets.REFUSE, struct.pack(">BBH", 1, 0, len(text)) + text)
