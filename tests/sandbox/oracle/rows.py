"""Result sets as the bytes of their rows, in blocks that can be cut at any row.

A row on the wire is `07` and its values: self-delimiting and independent of its place. So a
block of rows is one run of bytes and the offsets of its rows, any fetch is a slice of it, and
a result with a `cache_key` is encoded once and replayed afterwards.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import psutil
import pyarrow as pa

from tests.sandbox.oracle import types
from tests.sandbox.oracle.columns import ByteCells, Cells, Ints, RawCells, encode_column, long_cells
from tests.sandbox.oracle.lobs import LobStore
from tests.sandbox.oracle.session import Result
from tests.sandbox.oracle.types import WireColumn

ROW_DATA = 7
ROWS_PER_BLOCK = 4096
FIRST_BLOCK_ROWS = 256
# A quarter of the machine: a result that does not fit is never replayed, and a benchmark of it
# would measure this server's encoding.
CACHE_BYTES = psutil.virtual_memory().total // 4


@dataclass(frozen=True, slots=True)
class RowBlock:
    """Encoded rows; row i is `data[offsets[i]:offsets[i + 1]]`."""

    data: memoryview
    offsets: Ints

    @property
    def rows(self) -> int:
        return len(self.offsets) - 1


def encode_block(batch: pa.RecordBatch, wires: Sequence[WireColumn], lobs: LobStore) -> RowBlock:
    """The rows of `batch`, whose columns go out as `wires` say."""
    cells: list[Cells] = []
    for array, wire in zip(batch.columns, wires, strict=True):
        cells += _column_cells(array, wire, lobs)
    lengths = np.empty((batch.num_rows, len(cells) + 1), np.int64)
    lengths[:, 0] = 1
    for index, column in enumerate(cells):
        lengths[:, index + 1] = column.lengths
    ends = np.cumsum(lengths.reshape(-1))
    starts = (ends - lengths.reshape(-1)).reshape(lengths.shape)
    total = int(ends[-1]) if len(ends) else 0
    out = np.empty(total, np.uint8)
    out[starts[:, 0]] = ROW_DATA
    for index, column in enumerate(cells):
        column.put(out, np.ascontiguousarray(starts[:, index + 1]))
    return RowBlock(memoryview(out), np.append(starts[:, 0], total))


def _column_cells(array: pa.Array[Any], wire: WireColumn, lobs: LobStore) -> Sequence[Cells]:
    if wire.type in types.LOB_TYPES:
        return [RawCells.of([lobs.encode(wire.type, value) for value in array.to_pylist()])]
    cells = encode_column(array, wire)
    if wire.type in types.LONG_TYPES and isinstance(cells, ByteCells):
        return long_cells(cells)
    return [cells]


class RowCache:
    """Blocks of whole results, least recently used first out, bounded by their bytes."""

    def __init__(self, max_bytes: int = CACHE_BYTES) -> None:
        self.max_bytes = max_bytes
        self._lock = threading.Lock()
        self._entries: OrderedDict[Hashable, tuple[RowBlock, ...]] = OrderedDict()
        self._bytes = 0

    def get(self, key: Hashable) -> tuple[RowBlock, ...] | None:
        with self._lock:
            found = self._entries.get(key)
            if found is not None:
                self._entries.move_to_end(key)
            return found

    def put(self, key: Hashable, blocks: Sequence[RowBlock]) -> None:
        with self._lock:
            if key in self._entries:
                return
            self._entries[key] = tuple(blocks)
            self._bytes += _size(blocks)
            while self._bytes > self.max_bytes:
                _, dropped = self._entries.popitem(last=False)
                self._bytes -= _size(dropped)


def _size(blocks: Sequence[RowBlock]) -> int:
    return sum(block.data.nbytes + block.offsets.nbytes for block in blocks)


class RowSource:
    """The rows of one execution, handed out in the order and amounts that a client asks for."""

    def __init__(
        self, result: Result, wires: Sequence[WireColumn], lobs: LobStore, cache: RowCache
    ) -> None:
        self._result = result
        self._wires = tuple(wires)
        self._lobs = lobs
        self._blocks = self._open(cache)
        self._block: RowBlock | None = None
        self._row = 0

    def take(self, limit: int) -> tuple[memoryview, int] | None:
        """Up to `limit` rows (at least 1) as bytes and their number; None at the end."""
        while self._block is None or self._row == self._block.rows:
            self._block = next(self._blocks, None)
            self._row = 0
            if self._block is None:
                return None
        count = min(limit, self._block.rows - self._row)
        first, last = self._block.offsets[[self._row, self._row + count]].tolist()
        self._row += count
        return self._block.data[first:last], count

    def _open(self, cache: RowCache) -> Iterator[RowBlock]:
        holds_locators = any(wire.type in types.LOB_TYPES for wire in self._wires)
        if self._result.cache_key is None or holds_locators:
            return self._encode()
        key = (self._result.cache_key, tuple((w.type, w.form) for w in self._wires))
        cached = cache.get(key)
        if cached is not None:
            return iter(cached)
        return self._encode_and_keep(cache, key)

    def _encode(self) -> Iterator[RowBlock]:
        """Blocks of growing size, so that the first rows leave early."""
        size = FIRST_BLOCK_ROWS
        for batch in self._result.batches:
            start = 0
            while start < batch.num_rows:
                yield encode_block(batch.slice(start, size), self._wires, self._lobs)
                start += size
                size = ROWS_PER_BLOCK

    def _encode_and_keep(self, cache: RowCache, key: Hashable) -> Iterator[RowBlock]:
        """As `_encode`, and put the result into the cache when it was read to its end."""
        kept: list[RowBlock] | None = []
        size = 0
        for block in self._encode():
            if kept is not None:
                kept.append(block)
                size += _size([block])
                if size > cache.max_bytes:
                    kept = None
            yield block
        if kept is not None:
            cache.put(key, kept)
