"""Waiting for something that another process does."""

from __future__ import annotations

import time
from collections.abc import Callable

DEADLINE_SECONDS = 60


def until(condition: Callable[[], bool]) -> None:
    """Return when `condition` holds; fail when it does not within a minute."""
    end = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.05)
