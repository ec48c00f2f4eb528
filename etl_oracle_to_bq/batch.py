"""Many views: order, groups that show one moment, one exit code, one summary, one mail."""

from __future__ import annotations

import logging
import math
import socket
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from etl_oracle_to_bq import extract, parallel, series
from etl_oracle_to_bq.errors import Busy, SourceError, Stopped
from etl_oracle_to_bq.model import Moment, Outcome, Request, Source
from etl_oracle_to_bq.notify import Failure, mail_failures
from etl_oracle_to_bq.tools import Tools, limits

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Summary:
    """How a command ended. `mail` is '' when the administrators were told, or need not be.

    `stopped` says that the command itself was told to end, by Ctrl-C or a signal.
    """

    outcomes: tuple[Outcome, ...]
    mail: str
    stopped: bool = False

    @property
    def exit_code(self) -> int:
        """0 when every view is loaded, else the code of the first failure.

        When nothing failed: 130 if a run was stopped, else 75 if another run held a view. A
        command that was told to end itself answers 130, whatever it had done by then.
        """
        codes = [outcome.exit_code for outcome in self.outcomes if outcome.exit_code]
        on_purpose = [Stopped.exit_code, Busy.exit_code]
        failures = [code for code in codes if code not in on_purpose]
        if self.stopped:
            return Stopped.exit_code
        return next((code for code in (*failures, *on_purpose) if code in codes), 0)


def run_views(
    tools: Tools, sources: Sequence[Source], request: Request, at_once: int = 1
) -> Summary:
    """Load the views, `at_once` of them at a time; one that fails does not stop the others.

    Nor does one that is stopped in the admin site. Ctrl-C or a signal ends all of them: what is
    being loaded is recorded as stopped, and what waits is not begun.
    """
    moments = _Moments(tools, sources)

    def asked(source: Source) -> Request:
        return moments.shared(source, request)

    if at_once > 1 and len(sources) > 1:
        ordered = _longest_first(tools, sources)
        found, stopped = parallel.load_views(ordered, asked, at_once)
        by_id = {source.id: each for source, each in zip(ordered, found, strict=True)}
        runs = [by_id[source.id] for source in sources]
    else:
        runs, stopped = _one_by_one(tools, sources, asked)
    outcomes = tuple(outcome for each in runs for outcome in each)
    return Summary(outcomes, _tell(tools, outcomes), stopped)


def _one_by_one(
    tools: Tools, sources: Sequence[Source], asked: parallel.Asked
) -> tuple[list[list[Outcome]], bool]:
    """The outcomes of the views that were begun, and whether the command was told to end."""
    runs: list[list[Outcome]] = []
    try:
        for source in sources:
            runs.append(series.load_view(tools, source, asked(source)))
            if runs[-1][-1].interrupted:
                return runs, True
    except KeyboardInterrupt:
        return runs, True
    return runs, False


def _longest_first(tools: Tools, sources: Sequence[Source]) -> list[Source]:
    """By load order, then by how long the last load took; what was never loaded comes first."""

    def place(source: Source) -> tuple[int, float]:
        seconds = tools.catalog.last_seconds(source)
        return source.load_order, -(math.inf if seconds is None else seconds)

    return sorted(sources, key=place)


class _Moments:
    """The one moment of each snapshot group, read from Oracle when its first view is due."""

    def __init__(self, tools: Tools, sources: Sequence[Source]) -> None:
        self._tools = tools
        self._members = Counter(_group(source) for source in sources)
        self._moments: dict[tuple[int, str], Moment] = {}

    def shared(self, source: Source, request: Request) -> Request:
        """The request with the group's moment; as it is for a view without company."""
        group = _group(source)
        if not source.snapshot_group or self._members[group] < 2:
            return request
        try:
            if group not in self._moments:
                self._moments[group] = self._read(source)
        except SourceError as error:
            told = (
                f"The moment of group {source.snapshot_group} could not be read ({error.code}), "
                "so this view was read at a moment of its own."
            )
            log.warning("%s: %s %s", source.view, told, error)
            return replace(request, notes=(*request.notes, told))
        return replace(request, moment=self._moments[group])

    def _read(self, source: Source) -> Moment:
        with extract.connect(source.store, limits(self._tools.settings)) as session:
            return session.moment()


def _group(source: Source) -> tuple[int, str]:
    return source.store.id, source.snapshot_group


def _tell(tools: Tools, outcomes: Sequence[Outcome]) -> str:
    """Mail what failed; what somebody stopped, or another run holds, is no news."""
    failed = [outcome for outcome in outcomes if outcome.error]
    failures = [
        _failure(tools, outcome)
        for outcome in failed
        if not isinstance(outcome.error, Busy | Stopped)
    ]
    if not failures:
        return ""
    reason = mail_failures(failures, socket.gethostname())
    if not reason:
        tools.catalog.mark_notified([failure.run_id for failure in failures])
    return reason


def _failure(tools: Tools, outcome: Outcome) -> Failure:
    error = outcome.error
    assert error is not None
    return Failure(
        view=outcome.view,
        step=error.step,
        code=error.code,
        message=tools.catalog.scrub(str(error)),
        action=error.action,
        run_id=outcome.run_id or "none",
        warnings=tuple(map(tools.catalog.scrub, outcome.warnings)),
        unsettled=outcome.unsettled,
    )
