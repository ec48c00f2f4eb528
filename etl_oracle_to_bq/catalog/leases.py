"""Who holds a run, and whether that process still lives."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psutil

from etl_oracle_to_bq.errors import Busy, EtlError
from etl_oracle_to_bq.model import Counts, LoadType, Request

# On Linux a process's moment of birth moves when the system clock is set (psutil documents it):
# a small difference is the same process, not another one under its number.
CLOCK_STEP_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class RunHandle:
    """A claimed run: the RUNNING row that this process holds."""

    run_id: str
    source_id: int
    view: str


@dataclass(frozen=True, slots=True)
class DeadRun:
    """A run that nobody holds any more and whose end is not known.

    `holder` is the process that had it. `planned` tells whether it came as far as a plan,
    before which nothing can have happened.
    """

    run_id: str
    source_id: int
    holder: str
    planned: bool
    watermark: datetime | None


@dataclass(frozen=True, slots=True)
class Progress:
    """What a run shows of itself while it lives."""

    counts: Counts
    step: str
    seconds: Mapping[str, float] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    attempt: int = 1


def asked_load_type(request: Request) -> str:
    if request.backfill:
        return LoadType.BACKFILL
    return LoadType.FULL if request.full else ""


def progress_columns(progress: Progress) -> dict[str, object]:
    counts = progress.counts
    return {
        "rows_extracted": counts.extracted,
        "rows_staged": counts.staged,
        "rows_loaded": counts.loaded,
        "rows_inserted": counts.inserted,
        "rows_updated": counts.updated,
        "rows_deleted": counts.deleted,
        "staged_bytes": counts.staged_bytes,
        "bytes_billed": counts.bytes_billed,
        "step": progress.step,
        "step_seconds": {step: round(spent, 3) for step, spent in progress.seconds.items()},
        "warnings": list(progress.warnings),
        "attempt": progress.attempt,
    }


def provably_gone(row: Any) -> bool:
    """True when the holder was a process of this host and that process is no more."""
    if row.host != socket.gethostname() or row.process is None:
        return False
    try:
        holder = psutil.Process(row.process)
        moved = abs(holder.create_time() - (row.process_started or 0))
        return moved > CLOCK_STEP_SECONDS or holder.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False


def busy(row: Any) -> Busy:
    if row is None:
        return Busy("Another run has just held this view; it has ended.", code="lease-held")
    return Busy(
        f"{row.source.view} is being loaded by process {row.process} on {row.host} "
        f"since {row.started_at:%Y-%m-%d %H:%M:%S} UTC (run {row.run_id}).",
        code="lease-held",
        view=row.source.view,
        step="config",
    )


def lost(handle: RunHandle) -> Busy:
    return Busy(
        f"Run {handle.run_id} of {handle.view} gave no sign of life for so long that another "
        "run took the view over.",
        code="lease-lost",
        view=handle.view,
    )


def died(row: Any, holder: str) -> EtlError:
    return EtlError(
        f"Run {row.run_id} of {row.source.view} died at step {row.step or 'config'} "
        f"({holder}). It committed nothing; its window is loaded again.",
        code="run-died",
        view=row.source.view,
        step=row.step,
    )
