"""Faults that the Oracle stand-in commits when told to.

`Faults` may be changed at any time from any thread; every connection looks at it at the
moment in question. Each fault can be narrowed and limited:

    match   only statements whose text, upper-cased, contains this text, upper-cased
    times   how many times it strikes; then it switches itself off (None: until cleared)

| name              | arguments                     | effect |
|-------------------|-------------------------------|--------|
| refuse_service    | code (default 12514)          | the listener refuses the connection with ORA-`code` |
| silent            |                               | the listener accepts the connection and never answers |
| drop_after_rows   | rows                          | the connection is cut after `rows` rows of a statement |
| drop_after_bytes  | bytes                         | the connection is cut `bytes` bytes after the execution of a statement began to be answered |
| error_at_row      | row, code, text               | a statement ends with ORA-`code` after `row` rows |
| stall             | row, seconds (default: none)  | a statement stands still after `row` rows, for `seconds` or until cleared |
| rows_per_second   | rate                          | rows leave no faster than this |
| no_flashback      | code (default 1031)           | the engine refuses any flashback with ORA-`code` until cleared; no `match`, no `times` |

A retry succeeds after a fault with `times=1`, because the next statement finds it spent.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

ARGUMENTS: dict[str, dict[str, int | float | str | None]] = {
    "refuse_service": {"code": 12514},
    "silent": {},
    "drop_after_rows": {"rows": 0},
    "drop_after_bytes": {"bytes": 0},
    "error_at_row": {"row": 0, "code": 1555, "text": "snapshot too old"},
    "stall": {"row": 0, "seconds": None},
    "rows_per_second": {"rate": 1000},
    "no_flashback": {"code": 1031},
}
LIMITS: dict[str, int | float | str | None] = {"match": None, "times": None}

Argument = int | float | str | None


@dataclass(slots=True)
class _Fault:
    arguments: dict[str, Argument]
    match: str | None
    times: int | None

    def applies_to(self, sql: str) -> bool:
        return self.match is None or self.match.upper() in sql.upper()


class Faults:
    """The switches; thread-safe. See the table in this module's docstring."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: dict[str, _Fault] = {}
        self._generation = 0

    def set(self, name: str, **arguments: Argument) -> None:
        """Switch a fault on, replacing its former arguments.

        Raises ValueError when the fault or an argument is unknown.
        """
        if name not in ARGUMENTS:
            raise ValueError(f"unknown fault {name!r}; there are {', '.join(ARGUMENTS)}")
        allowed = ARGUMENTS[name] | (LIMITS if name != "no_flashback" else {})
        if unknown := set(arguments) - set(allowed):
            raise ValueError(f"{name} has no argument {', '.join(sorted(unknown))}")
        merged = allowed | arguments
        match, times = merged.pop("match", None), merged.pop("times", None)
        if not (match is None or isinstance(match, str)):
            raise ValueError("match is a text")
        if not (times is None or isinstance(times, int)):
            raise ValueError("times is a whole number")
        for key, value in merged.items():
            _check_number(name, key, value)
        with self._lock:
            self._faults[name] = _Fault(merged, match, times)
            self._generation += 1

    def update(self, switches: Mapping[str, Mapping[str, Argument] | None]) -> None:
        """Set each named fault to its arguments; None clears it."""
        for name, arguments in switches.items():
            if arguments is None:
                self.clear(name)
            else:
                self.set(name, **arguments)

    def clear(self, name: str | None = None) -> None:
        """Switch one fault off, or all."""
        with self._lock:
            if name is None:
                self._faults.clear()
            else:
                self._faults.pop(name, None)
            self._generation += 1

    def as_dict(self) -> dict[str, dict[str, Argument]]:
        """What is switched on now, with what is left of `times`."""
        with self._lock:
            return {
                name: fault.arguments | {"match": fault.match, "times": fault.times}
                for name, fault in self._faults.items()
            }

    def look(self, name: str, sql: str = "") -> dict[str, Argument] | None:
        """The arguments of a fault that would strike, without spending it."""
        with self._lock:
            fault = self._faults.get(name)
            if fault is None or not fault.applies_to(sql):
                return None
            return dict(fault.arguments)

    def strike(self, name: str, sql: str = "") -> dict[str, Argument] | None:
        """The arguments of a fault that strikes now; one of its `times` is spent."""
        with self._lock:
            fault = self._faults.get(name)
            if fault is None or not fault.applies_to(sql):
                return None
            if fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    del self._faults[name]
            return dict(fault.arguments)

    @property
    def generation(self) -> int:
        """Changes with every `set` and `clear`: a stall without end lasts until it does."""
        return self._generation

    @property
    def flashback_error(self) -> int | None:
        """The ORA number with which the engine refuses any flashback query, or None."""
        found = self.look("no_flashback")
        return None if found is None else int(found["code"] or 0)


def _check_number(name: str, key: str, value: Argument) -> None:
    if key == "text":
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        if value is None and ARGUMENTS[name][key] is None:
            return
        raise ValueError(f"{name}: {key} is a number")
    if value < 0:
        raise ValueError(f"{name}: {key} is not negative")
