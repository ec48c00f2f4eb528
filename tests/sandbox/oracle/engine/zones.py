"""Time zones: fixed offsets and named regions, in Python and as DuckDB expressions."""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from dataclasses import dataclass

from tests.sandbox.oracle.errors import OracleError

_OFFSET = re.compile(r"^\s*([+-]?)(\d{1,2}):(\d{2})\s*$")


@dataclass(frozen=True, slots=True)
class Zone:
    """A zone as Oracle names it: `+07:00` or `Asia/Bangkok`; `minutes` is None for a region."""

    name: str
    minutes: int | None

    def to_utc(self, sql: str) -> str:
        """DuckDB: a naive local TIMESTAMP becomes UTC."""
        if self.minutes == 0:
            return sql
        if self.minutes is not None:
            return f"({sql} - to_minutes({self.minutes}))"
        return f"make_timestamp(epoch_us(timezone('{self.name}', {sql})))"

    def to_local(self, sql: str) -> str:
        """DuckDB: a UTC TIMESTAMP becomes naive local."""
        if self.minutes == 0:
            return sql
        if self.minutes is not None:
            return f"({sql} + to_minutes({self.minutes}))"
        return f"timezone('{self.name}', timezone('UTC', {sql}))"

    def offset(self, sql: str) -> str:
        """DuckDB: minutes east of UTC at a UTC TIMESTAMP."""
        if self.minutes is not None:
            return f"CAST({self.minutes} AS SMALLINT)"
        return f"CAST((epoch_us({self.to_local(sql)}) - epoch_us({sql})) // 60000000 AS SMALLINT)"

    def offset_at(self, utc: dt.datetime) -> int:
        """Minutes east of UTC at an aware moment."""
        if self.minutes is not None:
            return self.minutes
        delta = utc.astimezone(zoneinfo.ZoneInfo(self.name)).utcoffset()
        return int((delta or dt.timedelta()).total_seconds() // 60)


UTC = Zone("+00:00", 0)


def zone(text: str) -> Zone:
    """The zone called `text`. Raises ORA-01882 for one that does not exist."""
    match = _OFFSET.match(text)
    if match:
        hours, minutes = int(match.group(2)), int(match.group(3))
        if hours > 15 or minutes > 59:
            raise OracleError(1874, "time zone hour must be between -15 and 15")
        sign = -1 if match.group(1) == "-" else 1
        total = sign * (hours * 60 + minutes)
        return Zone(f"{'-' if total < 0 else '+'}{hours:02d}:{minutes:02d}", total)
    name = text.strip()
    if name.upper() in {"UTC", "GMT", "Z", "ETC/UTC"}:
        return Zone(name, 0)
    known = {key.upper(): key for key in zoneinfo.available_timezones()}
    if name.upper() not in known:
        raise OracleError(1882, "timezone region not found")
    return Zone(known[name.upper()], None)
