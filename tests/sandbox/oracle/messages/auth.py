"""Login: function 118 (phase one, the challenge) and 115 (phase two, the proof).

Body of both: u8 has user, ub user length, ub mode, u8, ub number of pairs, u8, u8, `clr` user,
pairs of `text` key, `text` value, ub flags. Answered by parameters (type 8) and an end of call, for which go-ora waits.

Source: python-oracledb 26.1, `messages/auth.pyx`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.sandbox.oracle import messages
from tests.sandbox.oracle.auth import Login
from tests.sandbox.oracle.errors import OracleError
from tests.sandbox.oracle.messages.end_of_call import EndOfCall
from tests.sandbox.oracle.primitives import Writer

if TYPE_CHECKING:
    from tests.sandbox.oracle.connection import Connection

MODE_CHANGE_PASSWORD = 0x2
ATTRIBUTES = {
    "AUTH_TERMINAL": "terminal",
    "AUTH_PROGRAM_NM": "program",
    "AUTH_MACHINE": "machine",
    "AUTH_PID": "pid",
    "AUTH_SID": "osuser",
    "SESSION_CLIENT_DRIVER_NAME": "driver",
}
_TIME_ZONE = re.compile(r"TIME_ZONE\s*=\s*'?([^'\s\0]+)", re.IGNORECASE)


def bad_login() -> OracleError:
    """One error for a wrong password and for an unknown user."""
    return OracleError(1017, "invalid username/password; logon denied")


@dataclass(frozen=True, slots=True)
class AuthRequest:
    """Either phase; `user` is folded to upper case unless it was quoted."""

    user: str
    mode: int
    pairs: Mapping[str, str]

    @classmethod
    def _read(cls, connection: Connection) -> tuple[str, int, Mapping[str, str]]:
        reader = connection.reader
        has_user = reader.u8()
        reader.ub()
        mode = reader.ub()
        reader.u8()
        count = reader.ub()
        reader.skip_u8(2)
        user = (reader.clr() or b"").decode("utf-8") if has_user else ""
        pairs: dict[str, str] = {}
        for _ in range(count):
            key, value = reader.text(), reader.text()
            reader.ub()
            pairs[key.rstrip("\0")] = value.rstrip("\0")
        folded = user[1:-1] if user.startswith('"') and user.endswith('"') else user.upper()
        return folded, mode, pairs


class PhaseOne(AuthRequest):
    """Hand out the challenge, whether or not the account exists."""

    @classmethod
    def read(cls, connection: Connection) -> PhaseOne:
        return cls(*cls._read(connection))

    def answer(self, connection: Connection) -> None:
        password = connection.database.password_of(self.user)
        login = Login.begin(connection.verifier_of(self.user), password)
        connection.login = login
        connection.attributes.update(_attributes(self.pairs))
        connection.reply(_parameters(login.challenge()))
        connection.end_call(EndOfCall())


class PhaseTwo(AuthRequest):
    """Check the proof, open the session."""

    @classmethod
    def read(cls, connection: Connection) -> PhaseTwo:
        return cls(*cls._read(connection))

    def answer(self, connection: Connection) -> None:
        if self.mode & MODE_CHANGE_PASSWORD or "AUTH_NEWPASSWORD" in self.pairs:
            raise OracleError(1031, "insufficient privileges")
        login, connection.login = connection.login, None
        proof = login and login.verify(
            self.pairs.get("AUTH_SESSKEY", ""), self.pairs.get("AUTH_PASSWORD", "")
        )
        if not proof:
            raise bad_login()
        connection.attributes.update(_attributes(self.pairs))
        connection.open_session(self.user)
        connection.reply(_parameters(self._session_pairs(connection, proof)))
        connection.end_call(EndOfCall())

    @staticmethod
    def _session_pairs(connection: Connection, proof: str) -> list[tuple[str, str, int]]:
        service = connection.attributes.get("service_name", "")
        pairs = {
            "AUTH_SVR_RESPONSE": proof,
            "AUTH_VERSION_NO": str(_version_number(connection)),
            "AUTH_SESSION_ID": str(connection.session_id),
            "AUTH_SERIAL_NUM": str(connection.session_id % 0xFFFF + 1),
            "AUTH_MAX_OPEN_CURSORS": "300",
            "AUTH_MAX_IDEN_LENGTH": "128",
            "AUTH_SC_SERVICE_NAME": service,
            "AUTH_INSTANCENAME": service,
            "AUTH_SC_INSTANCE_NAME": service,
            "AUTH_SC_DBUNIQUE_NAME": service,
            "AUTH_SC_REAL_DBUNIQUE_NAME": service,
        }
        return [(key, value, 0) for key, value in pairs.items()]


def _attributes(pairs: Mapping[str, str]) -> dict[str, str]:
    """The client's attributes under the names that `BaseDatabase.open_session` documents."""
    found = {name: pairs[key] for key, name in ATTRIBUTES.items() if key in pairs}
    zone = _TIME_ZONE.search(pairs.get("AUTH_ALTER_SESSION", ""))
    if zone:
        found["time_zone"] = zone[1]
    return found


def _version_number(connection: Connection) -> int:
    """The five parts of the version in one number; 18c changed the packing."""
    a, b, c, d, e = connection.database.version
    if connection.field_version >= messages.VERSION_18_1_EXT1:
        return a << 24 | b << 16 | c << 12 | d << 4 | e
    return a << 24 | b << 20 | c << 12 | d << 8 | e


def _parameters(pairs: Sequence[tuple[str, str, int]]) -> Writer:
    out = Writer().u8(messages.PARAMETER).ub(len(pairs))
    for key, value, flags in pairs:
        out.text(key).text(value).ub(flags)
    return out
