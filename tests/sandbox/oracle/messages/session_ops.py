"""The calls without a body: ping (147), commit (14), rollback (15), logoff (9); and the
one-way session release (163) of a pooled server, which has none to release here.

Source: python-oracledb 26.1, `messages/ping.pyx`, `commit.pyx`, `rollback.pyx`, `logoff.pyx`,
`session_release.pyx`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.sandbox.oracle.messages.end_of_call import status

if TYPE_CHECKING:
    from tests.sandbox.oracle.connection import Connection


class Ping:
    """Proves that the session lives."""

    @classmethod
    def read(cls, connection: Connection) -> Ping:
        return cls()

    def answer(self, connection: Connection) -> None:
        connection.reply(status(connection.session.in_transaction))


class Commit(Ping):
    """Ends the transaction."""

    def answer(self, connection: Connection) -> None:
        connection.session.commit()
        super().answer(connection)


class Rollback(Ping):
    """Undoes the transaction."""

    def answer(self, connection: Connection) -> None:
        connection.session.rollback()
        super().answer(connection)


class Logoff(Ping):
    """The client closes its side after this."""

    def answer(self, connection: Connection) -> None:
        connection.session.rollback()
        super().answer(connection)


class SessionRelease:
    """One way: no reply."""

    @classmethod
    def read(cls, connection: Connection) -> SessionRelease:
        connection.reader.skip_u8(2)
        connection.reader.ub()
        return cls()

    def answer(self, connection: Connection) -> None:
        connection.session.rollback()
