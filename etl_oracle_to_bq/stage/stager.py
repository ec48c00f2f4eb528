"""The thread that turns batches into parts."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from queue import Queue
from typing import Any

import pyarrow as pa

from etl_oracle_to_bq.errors import EtlError, StageError, Stopped
from etl_oracle_to_bq.model import LoadMode, Part
from etl_oracle_to_bq.schema import IMPORTED_AT
from etl_oracle_to_bq.stage.folders import disk_error, remove_folder
from etl_oracle_to_bq.stage.kinds import constant
from etl_oracle_to_bq.stage.parts import CsvPart, ParquetPart, PartWriter
from etl_oracle_to_bq.stage.transforms import Transform, transformed
from etl_oracle_to_bq.stage.values import check_values, fit

MIB = 1024 * 1024
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# A row group; as many bytes wait to become one as are being encoded. BigQuery prefers groups of
# 16 MiB (Loading Parquet data), but then a run passed 300 MiB. CSV has no groups.
GROUP_ROWS = 50_000
GROUP_BYTES = 8 * MIB
# One batch waits while another is being decoded and a third encoded; a second one waiting was no
# faster.
QUEUED_BATCHES = 1
# Arrow's own pools keep what batches of another size have freed: 10 to 35 MiB more, no faster.
pa.set_memory_pool(pa.system_memory_pool())
# The driver lets go of Python's lock only while it reads a packet, and has it back before another
# thread wakes up, unless that one has waited this long. At Python's 5 ms each call of the stager
# waited as long, and a CSV run took a third more time.
sys.setswitchinterval(0.0001)


@dataclass(frozen=True, slots=True)
class StageLimits:
    """When a part is closed, and how many bytes of parts may lie on disk at one time.

    BigQuery takes at most 4 GB for a CSV file with quoted newlines; a part can grow past
    `part_bytes` by one row group.
    """

    part_bytes: int = 64 * MIB
    total_bytes: int = 20_480 * MIB


class Stager:
    """Writes the batches of one run into parts under `folder`, in a thread of its own.

    `schema` holds the planned target columns without `ImportedAt`, which is added as the last
    one: `imported_at` must be an aware moment; it becomes a TIMESTAMP, or a zone-less
    DATETIME in UTC when `imported_at_zoned` is false (adopted tables). `on_part` is called in
    the stager's thread with each finished part; while it blocks, staging waits.

    Use: `write` each batch, then `finish`; after any error `discard`. Errors of the thread
    surface in `write` and `finish`: StageError, SchemaMismatch, or what `on_part` raised.
    """

    def __init__(
        self,
        folder: Path,
        schema: pa.Schema,
        *,
        mode: LoadMode,
        imported_at: datetime,
        imported_at_zoned: bool = True,
        transform: Transform | None = None,
        limits: StageLimits | None = None,
        on_part: Callable[[Part], None] | None = None,
    ) -> None:
        if imported_at.tzinfo is None:
            raise ValueError("imported_at needs a time zone")
        self._folder = folder
        self._schema = schema
        self._stamp = _stamp(imported_at, imported_at_zoned)
        self._mode = mode
        self._transform = transform
        self._limits = limits or StageLimits()
        self._on_part = on_part
        self._parts: list[Part] = []
        self._writer: PartWriter | None = None
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_rows = 0
        self._waiting_bytes = 0
        self._rows = 0
        self._failure: BaseException | None = None
        self._queue: Queue[pa.RecordBatch | None] = Queue(QUEUED_BATCHES)
        self._thread = threading.Thread(target=self._run, name="stager", daemon=True)
        self._thread.start()

    def write(self, batch: pa.RecordBatch) -> None:
        """Queue one batch whose columns are those of the schema, by position; may block."""
        self._raise_failure()
        if batch.num_rows:
            self._queue.put(batch)

    def finish(self) -> list[Part]:
        """Write what is left, close the last part and return all parts (none without rows)."""
        self._stop()
        self._raise_failure()
        return list(self._parts)

    def discard(self) -> None:
        """Stop at once and remove the unfinished part; finished ones stay, see `keep_failed`.

        When the disk was full the whole folder is removed, to give the room back.
        """
        self._failure = self._failure or Stopped("The run was given up.", code="stopped")
        self._stop()
        if self._writer:
            self._writer.abandon()
            self._writer = None
        if isinstance(self._failure, EtlError) and self._failure.code == "disk-full":
            # The full disk is what the caller must hear of; a later run sweeps the folder.
            with suppress(StageError):
                remove_folder(self._folder)

    def parts(self) -> list[Part]:
        """The parts finished so far."""
        return list(self._parts)

    def _stop(self) -> None:
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()

    def _raise_failure(self) -> None:
        if self._failure:
            raise self._failure

    def _run(self) -> None:
        """Take batches until the sentinel; after a failure only make room for `write`."""
        for batch in iter(self._queue.get, None):
            self._guarded(partial(self._take, batch))
        self._guarded(self._finish_parts)

    def _guarded(self, step: Callable[[], None]) -> None:
        if self._failure:
            return
        try:
            step()
        # Kept for the caller's thread, which raises it.
        except BaseException as error:  # noqa: BLE001
            self._failure = disk_error(error) if isinstance(error, OSError) else error

    def _finish_parts(self) -> None:
        self._flush()
        self._close_part()

    def _take(self, batch: pa.RecordBatch) -> None:
        fitted = fit(batch, self._schema, self._rows)
        if self._transform:
            fitted = transformed(fitted, self._transform)
        check_values(fitted, self._rows)
        self._rows += fitted.num_rows
        self._waiting.append(fitted)
        self._waiting_rows += fitted.num_rows
        self._waiting_bytes += fitted.nbytes
        full = self._waiting_rows >= GROUP_ROWS or self._waiting_bytes >= GROUP_BYTES
        if full or self._mode is LoadMode.CSV:
            self._flush()

    def _flush(self) -> None:
        if not self._waiting:
            return
        table = pa.Table.from_batches(self._waiting)
        self._waiting, self._waiting_rows, self._waiting_bytes = [], 0, 0
        stamps: Any = pa.repeat(self._stamp, table.num_rows)
        table = table.append_column(pa.field(IMPORTED_AT, self._stamp.type), stamps)
        if self._writer is None:
            self._writer = self._open_part(table.schema)
        self._writer.write(table)
        self._check_total(self._writer.size())
        if self._writer.size() >= self._limits.part_bytes:
            self._close_part()

    def _open_part(self, schema: pa.Schema) -> PartWriter:
        number = len(self._parts) + 1
        if self._mode is LoadMode.CSV:
            return CsvPart(self._folder / f"part-{number:05d}.csv", schema)
        return ParquetPart(self._folder / f"part-{number:05d}.parquet", schema)

    def _check_total(self, current: int) -> None:
        waiting = sum(part.bytes for part in self._parts if part.path.exists())
        if waiting + current > self._limits.total_bytes:
            raise StageError(
                f"The parts of this run on disk passed the limit of "
                f"{self._limits.total_bytes // MIB} MiB in {self._folder}.",
                code="disk-full",
            )

    def _close_part(self) -> None:
        if self._writer is None:
            return
        writer, self._writer = self._writer, None
        try:
            rows = writer.close()
        except OSError:
            self._writer = writer
            raise
        number = len(self._parts) + 1
        part = Part(writer.path, number, rows, writer.path.stat().st_size, self._mode)
        self._parts.append(part)
        if self._on_part:
            self._on_part(part)


def _stamp(moment: datetime, zoned: bool) -> Any:
    microseconds = (moment - EPOCH) // timedelta(microseconds=1)
    kind = pa.timestamp("us", "UTC" if zoned else None)
    return constant(kind, microseconds.to_bytes(8, sys.byteorder, signed=True))
