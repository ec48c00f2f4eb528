"""A series ends where a run failed, or where the command was told to end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from etl_oracle_to_bq import run, series
from etl_oracle_to_bq.errors import SourceError, Stopped
from etl_oracle_to_bq.model import Counts, Outcome, Request, RunStatus
from tests.unit.plan_facts import source

BACKFILL = Request()


class Tools:
    """As far as a series looks at its tools: the catalog knows the source."""

    def __init__(self) -> None:
        self.catalog = self

    def source(self, source_id: int) -> Any:
        return source()

    def unfinished_first(self, asked: Any) -> None:
        return None


def succeeded(**values: Any) -> Outcome:
    return Outcome("APPS.XX_GL_V", "run", RunStatus.SUCCEEDED, Counts(), **values)


def failed() -> Outcome:
    error = SourceError("no", code="ORA-00942")
    return Outcome("APPS.XX_GL_V", "run", RunStatus.FAILED, Counts(), error=error)


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Outcome]]:
    """The outcomes of three runs of a series that end as told; an exception is raised."""

    def load(*ends: Outcome | type[BaseException]) -> list[Outcome]:
        left = list(ends)

        def run_view(*_: Any) -> Outcome:
            end = left.pop(0)
            if isinstance(end, Outcome):
                return end
            raise end

        monkeypatch.setattr(run, "settle_dead_runs", lambda *_: None)
        monkeypatch.setattr(run, "run_view", run_view)
        monkeypatch.setattr(series, "_requests", lambda *_: [BACKFILL] * 3)
        tools: Any = Tools()
        return series.load_view(tools, source(), BACKFILL)

    return load


def test_every_run_of_a_series_has_its_outcome(loaded: Callable[..., list[Outcome]]) -> None:
    assert len(loaded(succeeded(), succeeded(), succeeded())) == 3


def test_the_first_failure_ends_a_series(loaded: Callable[..., list[Outcome]]) -> None:
    assert [outcome.status for outcome in loaded(succeeded(), failed())] == ["succeeded", "failed"]


def test_a_run_that_ended_well_when_the_command_was_stopped_is_the_last(
    loaded: Callable[..., list[Outcome]],
) -> None:
    (outcome,) = loaded(succeeded(interrupted=True))
    assert outcome.error is None


def test_a_signal_between_two_runs_is_told_and_loses_no_outcome(
    loaded: Callable[..., list[Outcome]],
) -> None:
    first, second = loaded(succeeded(), KeyboardInterrupt)
    assert first.error is None
    assert (type(second.error), second.interrupted, second.run_id) == (Stopped, True, "")
