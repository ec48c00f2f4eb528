"""Many views: order, one exit code, one summary, one mail."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass

from etl_oracle_to_bq import run, series
from etl_oracle_to_bq.errors import Busy
from etl_oracle_to_bq.model import Request, Source
from etl_oracle_to_bq.notify import Failure, mail_failures
from etl_oracle_to_bq.tools import Tools


@dataclass(frozen=True, slots=True)
class Summary:
    """How a command ended. `mail` is '' when the administrators were told, or need not be."""

    outcomes: tuple[run.Outcome, ...]
    mail: str

    @property
    def exit_code(self) -> int:
        """0 when every view is loaded, else the code of the first failure; 75 only if all are busy."""
        codes = [outcome.exit_code for outcome in self.outcomes if outcome.exit_code]
        real = [code for code in codes if code != Busy.exit_code]
        return (real or codes or [0])[0]


def run_views(tools: Tools, sources: Sequence[Source], request: Request) -> Summary:
    """Load the views one after another; one that fails does not stop the others."""
    outcomes = tuple(
        outcome for source in sources for outcome in series.load_view(tools, source, request)
    )
    return Summary(outcomes, _tell(tools, outcomes))


def _tell(tools: Tools, outcomes: Sequence[run.Outcome]) -> str:
    failed = [outcome for outcome in outcomes if outcome.error]
    failures = [_failure(outcome) for outcome in failed if not isinstance(outcome.error, Busy)]
    if not failures:
        return ""
    reason = mail_failures(failures, socket.gethostname())
    if not reason:
        tools.catalog.mark_notified([failure.run_id for failure in failures])
    return reason


def _failure(outcome: run.Outcome) -> Failure:
    error = outcome.error
    assert error is not None
    return Failure(
        view=outcome.view,
        step=error.step,
        code=error.code,
        message=str(error),
        action=error.action,
        run_id=outcome.run_id or "none",
        warnings=tuple(outcome.warnings),
    )
