"""How replies end: end of call (type 4), with or without an error, or status (type 9).

Source: python-oracledb 26.1, `messages/base.pyx`, `_process_error_info`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.sandbox.oracle import messages
from tests.sandbox.oracle.errors import OracleError
from tests.sandbox.oracle.primitives import Writer

IN_TRANSACTION = 0x2
NO_MORE_ROWS = OracleError(1403, "no data found")
BATCH_ERRORS = OracleError(24381, "error(s) in array DML")
OFFSET_MAX = 0x7FFF


@dataclass(frozen=True, slots=True)
class EndOfCall:
    """The fields of an end-of-call message that are ever anything but zero.

    `row_count` is rows affected, or rows sent since execution. `batch_errors` are (iteration,
    error) pairs of an executemany that was asked to go on.
    """

    cursor_id: int = 0
    row_count: int = 0
    error: OracleError | None = None
    batch_errors: Sequence[tuple[int, OracleError]] = ()

    def write(self, version: int, in_transaction: bool) -> Writer:
        error = self.error
        out = Writer().u8(messages.ERROR).ub(IN_TRANSACTION if in_transaction else 0)
        out.ub(0, 0, error.code & 0xFFFF if error else 0, 0, 0)  # sequence, row, error, array x2
        out.ub(self.cursor_id).sb(min(error.offset, OFFSET_MAX) if error else 0)
        out.u8(0, 0, 0, 0, 0, 0)  # SQL type, fatal, flags, cursor options, UPI, warnings
        out.ub(0, 0).u8(0).ub(0, 0)  # rowid
        out.ub(0).u8(0, 0).ub(0, 0).counted(None)  # OS error ... logical rowid
        self._write_batch_errors(out)
        out.ub(error.code if error else 0).ub(self.row_count)
        if version >= messages.VERSION_20_1:
            out.ub(0, 0)  # SQL type, checksum
        if error:
            out.clr(error.message.encode("utf-8"))
        return out

    def _write_batch_errors(self, out: Writer) -> None:
        """Three arrays: codes, offsets, texts. The byte after each count is a packed size."""
        count = len(self.batch_errors)
        out.ub(count)
        if count:
            out.u8(0).ub(*(error.code for _, error in self.batch_errors))
        out.ub(count)
        if count:
            out.u8(0).ub(*(iteration for iteration, _ in self.batch_errors))
        out.ub(count)
        if count:
            out.u8(0)
            for _, error in self.batch_errors:
                text = error.message.encode("utf-8")
                out.ub(len(text)).clr(text).u8(0, 0)


def status(in_transaction: bool) -> Writer:
    """The message that closes calls without a cursor: login, ping, commit, rollback."""
    return Writer().u8(messages.STATUS).ub(IN_TRANSACTION if in_transaction else 0, 0)
