"""One view in as many runs as it takes: a backfill by chunks, a window that was too large by halves.

Each run has its own transaction and commit. What a series has done is read from the
transactions themselves, so that after a kill the same command goes on where it stopped.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace

from etl_oracle_to_bq import plan as planning
from etl_oracle_to_bq import run
from etl_oracle_to_bq.errors import EtlError
from etl_oracle_to_bq.model import Outcome, Request, Source
from etl_oracle_to_bq.tools import Tools


def load_view(tools: Tools, source: Source, request: Request) -> list[Outcome]:
    """Load one view, in one run or a series; the outcomes in order, at least one.

    The first failure or stop ends the series; what was committed before it stays. Ctrl-C or a
    signal is told by `interrupted` of the last outcome, never raised.
    """
    outcomes: list[Outcome] = []
    try:
        for outcome in _runs(tools, source, request):
            outcomes.append(outcome)
    except KeyboardInterrupt:
        outcomes.append(run.not_begun(source))
    return outcomes


def _runs(tools: Tools, source: Source, request: Request) -> Iterator[Outcome]:
    try:
        run.settle_dead_runs(tools, source)
        pending = deque(_requests(tools, tools.catalog.source(source.id), request))
    except EtlError as error:
        yield run.refused(tools, source, error)
        return
    while pending:
        asked = pending.popleft()
        outcome = run.run_view(tools, source, asked)
        yield outcome
        if outcome.error or outcome.interrupted:
            return
        pending.extendleft(replace(asked, piece=piece) for piece in reversed(outcome.rest))


def _requests(tools: Tools, source: Source, request: Request) -> list[Request]:
    if request.backfill_from and request.backfill_to:
        return _chunks(tools, source, request)
    if request.full or request.backfill:
        return [request]
    left = tools.catalog.unfinished_first(source)
    if left is None:
        return [request]
    piece = planning.rest_of_first(*left)
    told = f"The first load had got as far as {piece.lower}; this run goes on from there."
    # Its watermark ends where the first load would have ended; an increment follows to today.
    return [replace(request, piece=piece, notes=(*request.notes, told)), request]


def _chunks(tools: Tools, source: Source, request: Request) -> list[Request]:
    begin, end = request.backfill_from, request.backfill_to
    assert begin and end
    done = tools.catalog.backfilled_until(source, begin, end)
    pieces = planning.chunks(request, source.partition_type, done)
    if len(pieces) == 1 and done is None:
        return [request]
    requests = [replace(request, piece=piece) for piece in pieces]
    if done is not None:
        told = f"Runs before this one have loaded the window as far as {done}; it goes on there."
        requests[0] = replace(requests[0], notes=(*request.notes, told))
    return requests
