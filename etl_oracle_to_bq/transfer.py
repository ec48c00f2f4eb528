"""Extract, stage and load of one run, overlapped: rows on their way into the staging table.

The driver decodes in the calling thread, the stager encodes in one thread, and finished
parts are uploaded in another, while Oracle goes on. Queues between them are bounded, so
memory holds a few batches, never the view. The target is not touched here.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from etl_oracle_to_bq import extract, load, schema, stage
from etl_oracle_to_bq.errors import StageError
from etl_oracle_to_bq.model import Counts, Part, Plan, Table

# One upload while the next part is being written keeps the line busy; more would only
# multiply the parts that wait on disk.
UPLOADERS = 2


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


def move_rows(transfer: Transfer, counts: Counts) -> tuple[str, ...]:
    """Stream the plan's rows into the staging table, counting as they pass.

    `counts.extracted`, `.staged`, `.staged_bytes` and `.loaded` grow while it runs. Returns
    BigQuery's warnings. Raises SourceError, StageError, SchemaMismatch, DestinationError, or
    whatever `check` raises; then the parts are left in the folder.
    """
    with ThreadPoolExecutor(UPLOADERS, thread_name_prefix="upload") as uploaders:
        loads: list[Future[load.Loaded]] = []

        def upload(part: Part) -> None:
            counts.staged += part.rows
            counts.staged_bytes += part.bytes
            loads.append(uploaders.submit(_load_part, transfer, part))

        try:
            transfer.enter("extract")
            _stage_rows(transfer, upload, loads, counts)
            transfer.enter("load")
            warnings = tuple(warning for job in loads for warning in job.result().warnings)
            _count_loaded(loads, counts)
            return warnings
        except BaseException:
            for job in loads:
                job.cancel()
            raise


def _stage_rows(
    transfer: Transfer,
    upload: Callable[[Part], None],
    loads: list[Future[load.Loaded]],
    counts: Counts,
) -> None:
    plan = transfer.plan
    stager = stage.Stager(
        transfer.folder,
        schema.arrow_schema(plan.columns),
        mode=plan.load_mode,
        imported_at=plan.imported_at,
        imported_at_zoned=_imported_at_zoned(plan.target),
        transform=transfer.transform,
        limits=transfer.limits,
        on_part=upload,
    )
    wanted = schema.fetch_schema(plan.columns)
    try:
        for batch in transfer.session.batches(plan.query, wanted, plan.batch_size):
            transfer.check()
            _count_loaded(loads, counts)
            counts.extracted += batch.num_rows
            stager.write(batch)
        transfer.enter("stage")
        stager.finish()
    except BaseException:
        stager.discard()
        raise


def _count_loaded(loads: list[Future[load.Loaded]], counts: Counts) -> None:
    counts.loaded = sum(job.result().rows for job in list(loads) if job.done())


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
    part.path.unlink()
    return loaded


def _imported_at_zoned(target: Table) -> bool:
    """False for an adopted table that has ImportedAt as DATETIME."""
    kinds = [
        field.type for field in target.fields if field.name.lower() == stage.IMPORTED_AT.lower()
    ]
    return kinds != ["DATETIME"]
