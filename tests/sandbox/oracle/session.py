"""The seam between the wire (server, connection, messages) and the SQL engine below it.

The wire knows nothing of SQL; the engine knows nothing of packets. `BaseSession` is all that
a connection depends on, and `Result` is all that it sends. Rows cross the seam as Arrow
record batches, one array per column, in the representation that `Kind` documents, so that
they can be encoded column-wise.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import pyarrow as pa


class Kind(StrEnum):
    """An Oracle type, and the Arrow representation of its values at this seam.

    VARCHAR2 NVARCHAR2 CHAR NCHAR CLOB NCLOB LONG ROWID   string or large_string ('' never occurs)
    NUMBER FLOAT       int64, decimal128, decimal256, or (large_)string of exact decimal text
    BINARY_FLOAT/DOUBLE   float32 / float64 (NaN and infinities are values, not NULL)
    DATE               timestamp[s] or [us], naive
    TIMESTAMP[_LTZ]    timestamp[us] naive, or struct<seconds: int64, nanos: int32>; LTZ is
                       already in the session's time zone
    TIMESTAMP_TZ       struct<seconds: int64 (UTC), nanos: int32, offset: int16 (minutes)>
    INTERVAL_DS        struct<days: int64, nanos: int64 (within the day)>, both of one sign
    INTERVAL_YM        int32 months
    RAW BLOB LONG_RAW  binary or large_binary
    """

    VARCHAR2 = "VARCHAR2"
    NVARCHAR2 = "NVARCHAR2"
    CHAR = "CHAR"
    NCHAR = "NCHAR"
    NUMBER = "NUMBER"
    FLOAT = "FLOAT"
    BINARY_FLOAT = "BINARY_FLOAT"
    BINARY_DOUBLE = "BINARY_DOUBLE"
    DATE = "DATE"
    TIMESTAMP = "TIMESTAMP"
    TIMESTAMP_TZ = "TIMESTAMP WITH TIME ZONE"
    TIMESTAMP_LTZ = "TIMESTAMP WITH LOCAL TIME ZONE"
    INTERVAL_DS = "INTERVAL DAY TO SECOND"
    INTERVAL_YM = "INTERVAL YEAR TO MONTH"
    RAW = "RAW"
    CLOB = "CLOB"
    NCLOB = "NCLOB"
    BLOB = "BLOB"
    LONG = "LONG"
    LONG_RAW = "LONG RAW"
    ROWID = "ROWID"


@dataclass(frozen=True, slots=True)
class Column:
    """One described column. `length` is in bytes, or characters when `char_semantics`.

    NUMBER: `precision` None means bare NUMBER. FLOAT: `precision` is in binary digits.
    TIMESTAMP kinds and INTERVAL_DS: `scale` is the number of fractional digits.
    """

    name: str
    kind: Kind
    precision: int | None = None
    scale: int | None = None
    length: int | None = None
    char_semantics: bool = False
    nullable: bool = True


@dataclass(frozen=True, slots=True)
class Bind:
    """One bind as the client sent it, in textual order of the placeholders.

    `value` is a Python value: str, int, Decimal, float (BINARY_*), datetime (naive; TZ binds
    carry tzinfo), timedelta, bool, bytes or None; OUT binds have value None. `max_size` is the
    buffer that the client offers for an OUT value.
    """

    kind: Kind
    value: object
    max_size: int = 0


@dataclass(slots=True)
class Result:
    """What one statement gave.

    A query has `columns` and lazily yields `batches`; anything else has `columns` None and
    `rows_affected`. `out` maps the 0-based position of an OUT bind to its value. Two results
    with an equal `cache_key` hold identical rows, so the wire may replay the bytes that it
    encoded for the first.
    """

    columns: tuple[Column, ...] | None = None
    batches: Iterator[pa.RecordBatch] = field(default_factory=lambda: iter(()))
    rows_affected: int = 0
    out: Mapping[int, object] = field(default_factory=dict)
    cache_key: Hashable | None = None


class BaseSession(ABC):
    """One logged-in session. Every method may raise `errors.OracleError`.

    Calls come from one thread at a time, except `interrupt`, which comes from another and
    makes the running call raise ORA-01013.
    """

    @abstractmethod
    def execute(self, sql: str, binds: Sequence[Bind]) -> Result:
        """Run one statement or anonymous block."""

    @abstractmethod
    def describe(self, sql: str) -> tuple[Column, ...] | None:
        """The columns of a query, without running it; None for anything else."""

    @abstractmethod
    def commit(self) -> None:
        """End the transaction; a READ ONLY snapshot ends with it."""

    @abstractmethod
    def rollback(self) -> None:
        """Undo the transaction; a READ ONLY snapshot ends with it."""

    def set_attributes(self, attributes: Mapping[str, str]) -> None:  # noqa: B027
        """The client changed attributes of its session; '' clears one.

        Names: module, action, client_info, client_identifier, dbop, or NAMESPACE.KEY of an
        application context. An engine that shows them (SYS_CONTEXT) overrides this.
        """

    @abstractmethod
    def interrupt(self) -> None:
        """Make the running call raise ORA-01013; harmless when none runs."""

    @abstractmethod
    def close(self) -> None:
        """Roll back and let go."""

    @property
    @abstractmethod
    def in_transaction(self) -> bool:
        """True while uncommitted work or a READ ONLY snapshot is open."""


class BaseDatabase(ABC):
    """What the server logs in to."""

    service_names: frozenset[str]
    version: tuple[int, int, int, int, int]

    @abstractmethod
    def password_of(self, user: str) -> str | None:
        """The password of an account (upper-case name unless quoted), or None."""

    @abstractmethod
    def open_session(self, user: str, attributes: Mapping[str, str]) -> BaseSession:
        """A session of `user`; `attributes` are the client's (program, machine, osuser, time zone)."""
