"""What a person sees of a living run: a bar on a console, log lines elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from types import TracebackType
from typing import Any

from etl_oracle_to_bq.model import Counts

log = logging.getLogger(__name__)

SECONDS_BETWEEN_LINES = 10.0


class ProgressLine:
    """Call it with a view, its counts and its step; it shows each view's rows as they come.

    `bar` is False for a process that shares its console with others.
    """

    def __init__(self, bar: bool = True) -> None:
        self._with_bar = bar
        self._view = ""
        self._bar: Any = None
        self._said = 0.0

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def __call__(self, view: str, counts: Counts, step: str) -> None:
        if view != self._view:
            self._begin(view)
        if self._bar is not None:
            self._bar.update(counts.extracted - self._bar.n)
        elif time.monotonic() - self._said > SECONDS_BETWEEN_LINES:
            self._said = time.monotonic()
            log.info("%s: %s, %d rows read, %d loaded", view, step, counts.extracted, counts.loaded)

    def _begin(self, view: str) -> None:
        from tqdm import tqdm

        self._close()
        self._view, self._said = view, time.monotonic()
        if self._with_bar and sys.stderr.isatty():
            # A console's code page may lack the block characters: tqdm's ASCII bar always shows.
            self._bar = tqdm(desc=view, unit=" rows", ascii=True, disable=None)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
        self._bar, self._view = None, ""
