"""Extract, stage and load of one run, overlapped: rows on their way into the staging table.

The driver decodes in the calling thread, the stager encodes in one thread, and finished
parts are uploaded in another, while Oracle goes on. Queues between them are bounded, so
memory holds a few batches, never the view. With slices, decoding and encoding happen in a
process for each of them (`slices`), and only the uploads here. The target is not touched here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from etl_oracle_to_bq import extract, load, schema, slices, stage
from etl_oracle_to_bq.errors import StageError
from etl_oracle_to_bq.model import Counts, Part, Plan, Store, Table
from etl_oracle_to_bq.plan import Slice

log = logging.getLogger(__name__)

# One upload while the next part is being written keeps the line busy; more would only
# multiply the parts that wait on disk.
UPLOADERS = 2
# While extraction waits for uploads, a stop request or a lost lease is heard this often.
CHECK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Slicing:
    """How the rows are divided, and what each slice needs to read and stage its own."""

    slices: tuple[Slice, ...]
    store: Store
    limits: extract.Limits
    transforms_module: str


@dataclass(slots=True)
class Transfer:
    """What one attempt works with. `check` raises when the run may not go on."""

    session: extract.OracleSession
    warehouse: load.Warehouse
    plan: Plan
    staging: Table
    folder: Path
    limits: stage.StageLimits
    transform: stage.Transform | None
    job_id: Callable[[int], str]
    check: Callable[[], None]
    enter: Callable[[str], None]
    slicing: Slicing | None = None


def move_rows(transfer: Transfer, counts: Counts) -> tuple[str, ...]:
    """Stream the plan's rows into the staging table, counting as they pass.

    `counts.extracted`, `.staged`, `.staged_bytes` and `.loaded` grow while it runs. Returns
    BigQuery's warnings. Raises SourceError, StageError, SchemaMismatch, DestinationError, or
    whatever `check` raises; then the parts are left in the folder.
    """
    with ThreadPoolExecutor(UPLOADERS, thread_name_prefix="upload") as uploaders:
        loads = _Loads(transfer, counts, uploaders)
        try:
            transfer.enter("extract")
            if transfer.slicing:
                _read_slices(transfer, transfer.slicing, loads, counts)
            else:
                _stage_rows(transfer, loads, counts)
            transfer.enter("load")
            return loads.warnings()
        except BaseException:
            loads.cancel()
            raise


class _Loads:
    """The parts on their way into BigQuery, in order."""

    def __init__(self, transfer: Transfer, counts: Counts, uploaders: ThreadPoolExecutor) -> None:
        self._transfer = transfer
        self._counts = counts
        self._uploaders = uploaders
        self._jobs: list[tuple[Part, Future[load.Loaded]]] = []

    def add(self, part: Part) -> None:
        """Begin to upload a part; called in the stager's thread."""
        self._counts.staged += part.rows
        self._counts.staged_bytes += part.bytes
        self._jobs.append((part, self._uploaders.submit(_load_part, self._transfer, part)))

    def count(self) -> None:
        """Count what is loaded by now; raises what an upload raised."""
        self._counts.loaded = sum(job.result().rows for _, job in list(self._jobs) if job.done())

    def wait_for_room(self) -> None:
        """Hold the extraction while more than half of the allowed bytes wait to be loaded.

        Without it a line that is slower than Oracle would fill the disk of a long run.
        """
        allowed = self._transfer.limits.total_bytes // 2
        while waiting := [(part, job) for part, job in list(self._jobs) if not job.done()]:
            if sum(part.bytes for part, _ in waiting) <= allowed:
                break
            self._transfer.check()
            wait([job for _, job in waiting], CHECK_SECONDS, FIRST_COMPLETED)
        self.count()

    def warnings(self) -> tuple[str, ...]:
        """Wait for every load; BigQuery's warnings."""
        found = tuple(warning for _, job in self._jobs for warning in job.result().warnings)
        self.count()
        return found

    def cancel(self) -> None:
        """Begin no further upload."""
        for _, job in self._jobs:
            job.cancel()


def _stage_rows(transfer: Transfer, loads: _Loads, counts: Counts) -> None:
    plan = transfer.plan
    stager = stage.Stager(
        transfer.folder,
        schema.arrow_schema(plan.columns),
        mode=plan.load_mode,
        imported_at=plan.imported_at,
        imported_at_zoned=_imported_at_zoned(plan.target),
        transform=transfer.transform,
        limits=transfer.limits,
        on_part=loads.add,
    )
    wanted = schema.fetch_schema(plan.columns)
    try:
        for batch in transfer.session.batches(plan.query, wanted, plan.batch_size):
            transfer.check()
            counts.extracted += batch.num_rows
            stager.write(batch)
            loads.wait_for_room()
        transfer.enter("stage")
        stager.finish()
    except BaseException:
        stager.discard()
        raise


def _read_slices(transfer: Transfer, slicing: Slicing, loads: _Loads, counts: Counts) -> None:
    jobs = [_slice_job(transfer, slicing, each) for each in slicing.slices]
    parts = 0
    with closing(slices.read(jobs, transfer.check)) as arrivals:
        for arrival in arrivals:
            if isinstance(arrival, Part):
                parts += 1
                loads.add(replace(arrival, number=parts))
            else:
                counts.extracted += arrival.rows
            # A slice that has sent a part goes on when the next arrival is asked for.
            loads.wait_for_room()


def _slice_job(transfer: Transfer, slicing: Slicing, each: Slice) -> slices.SliceJob:
    plan = transfer.plan
    return slices.SliceJob(
        number=each.number,
        query=each.query,
        rows=each.rows,
        store=slicing.store,
        limits=slicing.limits,
        batch_size=plan.batch_size,
        fetch_schema=schema.fetch_schema(plan.columns),
        staged_schema=schema.arrow_schema(plan.columns),
        mode=plan.load_mode,
        imported_at=plan.imported_at,
        imported_at_zoned=_imported_at_zoned(plan.target),
        folder=transfer.folder / f"slice-{each.number}",
        stage_limits=transfer.limits,
        transforms_module=slicing.transforms_module,
        transform=plan.transform,
    )


def _load_part(transfer: Transfer, part: Part) -> load.Loaded:
    loaded = transfer.warehouse.load_part(
        transfer.staging, part.path, part.mode, transfer.job_id(part.number)
    )
    if loaded.rows != part.rows:
        raise StageError(
            f"Part {part.number} of {transfer.plan.view} holds {part.rows} rows, "
            f"but BigQuery loaded {loaded.rows} of them.",
            code="counts-disagree",
        )
    try:
        part.path.unlink()
    except OSError as error:
        # A virus scanner may hold it open on Windows; it goes with the folder.
        log.info("%s stays for now: %s", part.path, error)
    return loaded


def _imported_at_zoned(target: Table) -> bool:
    """False for an adopted table that has ImportedAt as DATETIME."""
    kinds = [
        field.type for field in target.fields if field.name.lower() == stage.IMPORTED_AT.lower()
    ]
    return kinds != ["DATETIME"]
