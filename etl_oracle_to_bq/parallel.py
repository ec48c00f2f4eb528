"""Several views at once, each in one of N processes, longest first.

A process loads one view after another and hands the outcomes back. One that dies takes only
its own view with it: the next run of that view settles what it left, and another process takes
the views that wait.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from etl_oracle_to_bq import children, series, tools
from etl_oracle_to_bq import settings as configuration
from etl_oracle_to_bq.errors import EtlError
from etl_oracle_to_bq.model import Counts, Outcome, Request, RunStatus, Source
from etl_oracle_to_bq.progress import ProgressLine

LOOK_SECONDS = 0.5
# How long runs that are told to stop have, to record it and to clear their staging tables.
LAST_SECONDS = 30.0

Asked = Callable[[Source], Request]


@dataclass(frozen=True, slots=True)
class ViewJob:
    """One view for a process to load."""

    source: Source
    request: Request


def load_views(
    sources: Sequence[Source], asked: Asked, at_once: int
) -> tuple[list[list[Outcome]], bool]:
    """The outcomes of each source, in the order of `sources`, which is also that of their start.

    And whether a KeyboardInterrupt ended it: then the living runs were stopped and recorded, and
    a view that was not begun has no outcome. `asked` gives the request of a source when its turn
    comes. No process is left behind in any case.
    """
    pool = _Pool(sources, asked)
    try:
        pool.load(min(at_once, len(sources)))
    except KeyboardInterrupt:
        pool.stop()
        return pool.outcomes, True
    finally:
        pool.end()
    return pool.outcomes, False


class _Pool:
    def __init__(self, sources: Sequence[Source], asked: Asked) -> None:
        self._waiting = deque(enumerate(sources))
        self._asked = asked
        self.outcomes: list[list[Outcome]] = [[] for _ in sources]
        self._busy: dict[children.Child, tuple[int, Source]] = {}
        self._children: list[children.Child] = []

    def load(self, at_once: int) -> None:
        for _ in range(at_once):
            self._begin()
        while self._busy:
            for child, outcomes in children.received(self._busy, LOOK_SECONDS):
                if self._kept(child, outcomes):
                    self._next(child)
                else:
                    self._begin()

    def _kept(self, child: children.Child, outcomes: list[Outcome] | None) -> bool:
        """Keep what came of a view, None: nothing; True when its process can load another."""
        place, source = self._busy.pop(child)
        self.outcomes[place] = outcomes or [_died(source)]
        return not (outcomes is None or outcomes[-1].interrupted)

    def _begin(self) -> None:
        if self._waiting:
            self._children.append(children.Child(_work))
            self._next(self._children[-1])

    def _next(self, child: children.Child) -> None:
        if self._waiting:
            place, source = self._waiting.popleft()
            child.send(ViewJob(source, self._asked(source)))
            self._busy[child] = (place, source)

    def stop(self) -> None:
        for child in self._busy:
            child.stop()
        deadline = time.monotonic() + LAST_SECONDS
        while self._busy and (left := deadline - time.monotonic()) > 0:
            for child, outcomes in children.received(self._busy, left):
                self._kept(child, outcomes)
        for child in list(self._busy):
            self._kept(child, None)

    def end(self) -> None:
        for child in self._children:
            child.end()


def _died(source: Source) -> Outcome:
    error = EtlError(
        f"The process that loaded {source.view} ended without a word. The next run of the view "
        "finds out what became of it.",
        code="run-died",
        view=source.view,
    )
    return Outcome(source.view, "", RunStatus.FAILED, Counts(), error=error, unsettled=True)


def _work(inbox: children.Inbox, send: Callable[[object], None]) -> None:
    """In a process of its own, until the parent lets go of it."""
    settings = configuration.load()
    with (
        tools.open_catalog(settings) as catalog,
        ProgressLine(bar=False) as progress,
        tools.open_tools(settings, catalog, progress) as opened,
    ):
        while True:
            job: ViewJob = inbox.get()
            outcomes = series.load_view(opened, job.source, job.request)
            send(outcomes)
            if outcomes[-1].interrupted:
                return
