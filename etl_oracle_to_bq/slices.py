"""One view read over several connections, each in a process of its own: the driver decodes
under Python's global lock, so only processes read faster than one.

Every slice reads the same SCN and stages its rows in a folder of its own; its parts are handed
to the parent, which loads them and commits once. When one slice fails all end, and the run
tries the whole attempt again: what the others had loaded lies in that attempt's staging table.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from etl_oracle_to_bq import children, extract, stage
from etl_oracle_to_bq import plan as planning
from etl_oracle_to_bq.errors import EtlError, StageError
from etl_oracle_to_bq.model import LoadMode, Part, Plan, Query, Store

# A smaller slice is read before its process has started.
LEAST_ROWS = 10_000
LOOK_SECONDS = 0.5
GO_ON = "go on"


@dataclass(frozen=True, slots=True)
class SliceJob:
    """Everything that the process of one slice needs; `rows` is what Oracle counted there."""

    number: int
    query: Query
    rows: int
    store: Store
    limits: extract.Limits
    batch_size: int
    fetch_schema: pa.Schema
    staged_schema: pa.Schema
    mode: LoadMode
    imported_at: datetime
    imported_at_zoned: bool
    folder: Path
    stage_limits: stage.StageLimits
    transforms_module: str
    transform: str


@dataclass(frozen=True, slots=True)
class Read:
    """So many rows more have left Oracle."""

    rows: int


@dataclass(frozen=True, slots=True)
class Done:
    """The slice is staged; all of its parts were sent before."""


def choose(session: extract.OracleSession, plan: Plan, wanted: int) -> tuple[planning.Slice, ...]:
    """The slices of a plan that reads as of an SCN, as even as can be; none when it is not worth it.

    Raises SourceError, and StageError `counts-disagree` when the slices together do not have
    the rows that the probe counted at the same SCN.
    """
    best: tuple[planning.Slice, ...] = ()
    for cut in _cuts(session, plan, wanted):
        counted = [(_whole(bucket), int(rows)) for bucket, rows in session.answer(cut.counting)]
        made = planning.slices(plan, cut, counted, wanted)
        _same_rows(plan, made)
        if len(made) > 1 and (not best or planning.largest(made) < planning.largest(best)):
            best = made
        if best and planning.even(best, wanted):
            break
    return best


def read(jobs: Sequence[SliceJob], check: Callable[[], None]) -> Generator[Read | Part]:
    """Run all slices at once and yield what they read and staged, until all are done.

    A slice that has sent a part begins the next one when more is asked of this generator.
    `check` is called at least every half second and may raise. Raises what a slice raised, and
    StageError `slice-died` or `counts-disagree`; in any case no process is left behind.
    """
    running: dict[children.Child, SliceJob] = {}
    started: list[children.Child] = []
    left = {job.number: job.rows for job in jobs}
    try:
        for job in jobs:
            started.append(children.Child(_work))
            started[-1].send(job)
            running[started[-1]] = job
        while running:
            check()
            for child, message in children.received(running, LOOK_SECONDS):
                job = running[child]
                if isinstance(message, Read):
                    left[job.number] -= message.rows
                if isinstance(message, Read | Part):
                    yield message
                    if isinstance(message, Part):
                        child.send(GO_ON)
                else:
                    _finished(job, message, left[job.number])
                    del running[child]
    finally:
        for child in started:
            child.end()


def _finished(job: SliceJob, message: object, left: int) -> None:
    if isinstance(message, EtlError):
        raise message
    if not isinstance(message, Done):
        raise StageError(
            f"The process of slice {job.number} ended without a word.", code="slice-died"
        )
    if left:
        raise StageError(
            f"Slice {job.number} has {job.rows - left:,} rows, but {job.rows:,} were counted "
            "at the same moment. Nothing was committed.",
            code="counts-disagree",
        )


def _cuts(session: extract.OracleSession, plan: Plan, wanted: int) -> Iterator[planning.Cut]:
    by_date = planning.date_cut(plan)
    if by_date:
        yield by_date
    numbers = planning.number_range(plan)
    if numbers and not by_date:
        ((low, high),) = session.answer(numbers.query)
        if low is not None:
            yield planning.number_cut(plan, numbers.column, int(low), int(high))
    by_hash = planning.hash_cut(plan, wanted)
    if by_hash:
        yield by_hash


def _whole(bucket: object) -> int | None:
    return None if bucket is None else int(str(bucket).partition(".")[0])


def _same_rows(plan: Plan, made: Sequence[planning.Slice]) -> None:
    total = sum(each.rows for each in made)
    if total != plan.expected_rows:
        raise StageError(
            f"The slices of {plan.view} have {total:,} rows together, but "
            f"{plan.expected_rows or 0:,} were counted at the same moment.",
            code="counts-disagree",
        )


def _work(inbox: children.Inbox, send: Callable[[object], None]) -> None:
    """In the slice's own process."""
    job: SliceJob = inbox.get()
    try:
        _stage(job, inbox, send)
    except EtlError as error:
        error.add_note("".join(traceback.format_exception(error)))
        send(error)
    # The parent records it; nobody else would.
    except Exception as bug:  # noqa: BLE001
        told = EtlError(f"Slice {job.number}: {type(bug).__name__}: {bug}", code="unexpected")
        told.add_note("".join(traceback.format_exception(bug)))
        send(told)
    else:
        send(Done())


def _stage(job: SliceJob, inbox: children.Inbox, send: Callable[[object], None]) -> None:
    transform = None
    if job.transform:
        transform = stage.load_transforms(job.transforms_module)[job.transform]

    def hand_over(part: Part) -> None:
        send(part)
        inbox.get()

    stager = stage.Stager(
        stage.work_folder(job.folder.parent, job.folder.name),
        job.staged_schema,
        mode=job.mode,
        imported_at=job.imported_at,
        imported_at_zoned=job.imported_at_zoned,
        transform=transform,
        limits=job.stage_limits,
        on_part=hand_over,
    )
    try:
        with extract.connect(job.store, job.limits) as session:
            for batch in session.batches(job.query, job.fetch_schema, job.batch_size):
                stager.write(batch)
                send(Read(batch.num_rows))
        stager.finish()
    except BaseException:
        stager.discard()
        raise
