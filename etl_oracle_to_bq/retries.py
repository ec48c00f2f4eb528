"""What is tried again after Oracle failed: the same once more, or a smaller window.

The one place of the product that tries Oracle again: its door makes one try. BigQuery's client
and `load` have already tried again what is theirs.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    wait_exponential,
    wait_random,
)

from etl_oracle_to_bq import extract
from etl_oracle_to_bq import plan as planning
from etl_oracle_to_bq.codes import SNAPSHOT_TOO_OLD, TRY_ONCE_MORE
from etl_oracle_to_bq.errors import EtlError, SourceError, SourceUnavailable
from etl_oracle_to_bq.model import Piece, Plan, Request, Source
from etl_oracle_to_bq.settings import Settings
from etl_oracle_to_bq.tools import limits

log = logging.getLogger(__name__)

# A database that comes up again within an hour is found soon after.
LONGEST_PAUSE_SECONDS = 600


@dataclass(slots=True)
class Retries:
    """The tries of one run. `pause` waits, and raises what stops the run; `step` is where it is.

    While `interrupting(cancel)` lasts, what stops the run calls `cancel`.

    `request` is what the next try shall ask for, `number` counts the tries, `rest` is what the
    run leaves for others because its own window had to shrink, and `warnings` (the run's own
    list) tell of it. Whoever makes a plan puts it into `plan`.
    """

    settings: Settings
    source: Source
    request: Request
    pause: Callable[[float], None]
    interrupting: Callable[[Callable[[], None]], AbstractContextManager[None]]
    step: Callable[[], str]
    warnings: list[str]
    plan: Plan | None = None
    number: int = 0
    rest: tuple[Piece, ...] = ()
    _smallest: bool = False
    _struck: set[str] = field(default_factory=set)

    def until_it_works(self, attempt: Callable[[], None]) -> None:
        """Try until it works; raises what is not worth another try, or the last error."""

        def numbered() -> None:
            self.number += 1
            attempt()

        while True:
            try:
                self._retrying()(numbered)
                return
            except SourceError as error:
                if error.code not in SNAPSHOT_TOO_OLD or self._worth_another_try(error):
                    raise
                if not self._narrowed(error):
                    self._same_again(error)

    def _retrying(self) -> Retrying:
        settings = self.settings
        return Retrying(
            retry=retry_if_exception(self._worth_another_try),
            # What could not be parted was tried once already.
            stop=stop_after_attempt(settings.attempts - self._smallest),
            wait=wait_exponential(settings.retry_seconds, max=LONGEST_PAUSE_SECONDS)
            + wait_random(0, settings.retry_seconds / 4),
            before_sleep=self._tell_of_failed_try,
            sleep=self.pause,
            reraise=True,
        )

    def _worth_another_try(self, error: BaseException) -> bool:
        if not isinstance(error, EtlError):
            return False
        if error.code in SNAPSHOT_TOO_OLD:
            return self._smallest or not self._can_be_narrowed()
        if error.code in TRY_ONCE_MORE:
            return error.code not in self._struck
        return isinstance(error, SourceUnavailable) or error.code == "slice-died"

    def _tell_of_failed_try(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        assert isinstance(error, EtlError)
        self._struck.add(error.code)
        pause = state.next_action.sleep if state.next_action else 0
        log.warning("%s: %s; next try in %.1f s", self.source.view, error, pause)
        self.warnings.append(
            f"Try {self.number} failed at step {self.step()}: {error.code}: {error} Tried again."
        )

    def _same_again(self, error: SourceError) -> None:
        """A window too short to part is tried as any other: as of other moments."""
        if self.settings.attempts < 2:
            raise error
        self._smallest = True
        self._tell_of_less(error, "the same again, as of another moment")
        self.pause(self.settings.retry_seconds)

    def _can_be_narrowed(self) -> bool:
        whole = planning.whole(self.plan) if self.plan else None
        return self.request.moment is not None or whole is not None

    def _narrowed(self, error: EtlError) -> bool:
        """Ask for less, so that Oracle's undo reaches; False when there is nothing smaller."""
        if self.request.moment is not None:
            self.request = replace(self.request, moment=None)
            self._tell_of_less(error, "read at a moment of its own, not the one of its group")
            return True
        piece = planning.whole(self.plan) if self.plan else None
        halves = planning.halved(piece, self._retrying()(self._earliest, piece)) if piece else None
        if halves is None:
            return False
        first, second = halves
        self.request = replace(self.request, piece=first)
        self.rest = (second, *self.rest)
        until = f"{first.upper:%Y-%m-%d %H:%M:%S}"
        self._tell_of_less(error, f"only what lies before {until}; further runs take the rest")
        return True

    def _tell_of_less(self, error: EtlError, what: str) -> None:
        log.warning("%s: %s; now %s", self.source.view, error, what)
        self.warnings.append(f"Try {self.number} failed: {error.code}. Now {what}.")

    def _earliest(self, piece: Piece) -> datetime | None:
        """The smallest incremental value, where the piece itself does not say where it begins."""
        if piece.lower is not None or self.plan is None:
            return None
        with (
            extract.connect(self.source.store, limits(self.settings)) as session,
            self.interrupting(session.cancel),
        ):
            ((earliest,),) = session.answer(planning.earliest(self.plan))
            return earliest if isinstance(earliest, datetime) else None
