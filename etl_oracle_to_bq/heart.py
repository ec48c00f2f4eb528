"""The sign of life of a run: renews its lease, shows its progress, hears a stop request."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from etl_oracle_to_bq.catalog import Catalog, Progress, RunHandle
from etl_oracle_to_bq.errors import Busy, CatalogError, EtlError, Stopped

log = logging.getLogger(__name__)

# A lease survives two missed beats before it may be taken over; people who watch a run want
# to see its rows move.
BEATS_PER_LEASE = 3
SECONDS_BETWEEN_BEATS = 3.0


class Heart:
    """Beats in a thread of its own while the `with` block lasts.

    A beat that the database does not take is tried again at the next; only a lease that is
    provably gone, or a stop request, reaches the run, through `check`.
    """

    def __init__(
        self,
        catalog: Catalog,
        handle: RunHandle,
        lease_seconds: int,
        progress: Callable[[], Progress],
    ) -> None:
        self._catalog = catalog
        self._handle = handle
        self._interval = min(lease_seconds / BEATS_PER_LEASE, SECONDS_BETWEEN_BEATS)
        self._progress = progress
        self._over = threading.Event()
        self._trouble: EtlError | None = None
        self._interrupt: Callable[[], None] | None = None
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._beat_on, name="heart", daemon=True)

    def __enter__(self) -> Heart:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    @contextmanager
    def interrupting(self, cancel: Callable[[], None]) -> Iterator[None]:
        """In this block `cancel` is called, in the heart's thread, once `check` would raise.

        It ends a statement of Oracle that would keep the run from looking for hours.
        """
        with self._lock:
            self._interrupt = cancel
        try:
            yield
        finally:
            # A cancel on its way ends first: the connection may be closed next.
            with self._lock:
                self._interrupt = None

    def check(self) -> None:
        """Raise what stops the run: Busy `lease-lost`, or Stopped."""
        if self._trouble:
            raise self._trouble

    def pause(self, seconds: float) -> None:
        """Wait, living on; raises what `check` raises as soon as there is something."""
        self.check()
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._over.wait(min(left, 0.5))
            self.check()

    def verify(self) -> None:
        """Beat now, in the caller's thread: raises Busy, Stopped, or CatalogError."""
        self.check()
        self._beat()
        self.check()

    def _beat_on(self) -> None:
        try:
            while not self._over.wait(self._interval):
                if not isinstance(self._trouble, Busy):
                    self._try_to_beat()
                with self._lock:
                    if self._trouble and self._interrupt:
                        self._interrupt()
        finally:
            self._catalog.release_thread()

    def _try_to_beat(self) -> None:
        try:
            self._beat()
        except CatalogError as error:
            log.warning("no sign of life this time: %s", error)
        except Busy as error:
            self._trouble = error

    def _beat(self) -> None:
        if self._catalog.beat(self._handle, self._progress()):
            self._trouble = Stopped(
                f"The load of {self._handle.view} was stopped in the admin site.", code="stopped"
            )
