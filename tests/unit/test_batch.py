"""The one exit code of many views."""

from __future__ import annotations

import pytest

from etl_oracle_to_bq import errors
from etl_oracle_to_bq.batch import Summary
from etl_oracle_to_bq.model import Counts, Outcome, RunStatus

GOOD = None
BUSY = errors.Busy("held", code="lease-held")
ORACLE = errors.SourceError("no", code="ORA-00942")
BIGQUERY = errors.DestinationError("no", code="accessDenied")
CATALOG = errors.CatalogError("no", code="catalog-locked")
STOPPED = errors.Stopped("by hand", code="stopped")


def outcome(error: errors.EtlError | None) -> Outcome:
    status = RunStatus.FAILED if error else RunStatus.SUCCEEDED
    return Outcome("APPS.XX_GL_V", "run", status, Counts(), error=error)


@pytest.mark.parametrize(
    ("ended", "exit_code"),
    [
        ([], 0),
        ([GOOD, GOOD], 0),
        ([BUSY], 75),
        ([BUSY, GOOD, BUSY], 75),
        ([GOOD, ORACLE, GOOD], 3),
        ([BUSY, ORACLE], 3),
        ([ORACLE, BIGQUERY, BUSY], 3),
        ([BUSY, GOOD, BIGQUERY, ORACLE], 6),
        ([CATALOG], 7),
        ([STOPPED], 130),
        ([GOOD, STOPPED, GOOD], 130),
        ([BUSY, STOPPED], 130),
        ([STOPPED, ORACLE, BUSY], 3),
    ],
    ids=str,
)
def test_the_first_failure_gives_the_exit_code_and_what_did_not_fail_only_without_one(
    ended: list[errors.EtlError | None], exit_code: int
) -> None:
    assert Summary(tuple(map(outcome, ended)), "").exit_code == exit_code


@pytest.mark.parametrize("ended", [[], [GOOD], [GOOD, ORACLE, STOPPED]], ids=str)
def test_a_command_that_is_told_to_end_says_so(ended: list[errors.EtlError | None]) -> None:
    assert Summary(tuple(map(outcome, ended)), "", stopped=True).exit_code == 130
