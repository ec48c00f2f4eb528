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
    ],
    ids=str,
)
def test_the_first_failure_gives_the_exit_code_and_busy_only_when_nothing_else_failed(
    ended: list[errors.EtlError | None], exit_code: int
) -> None:
    assert Summary(tuple(map(outcome, ended)), "").exit_code == exit_code
