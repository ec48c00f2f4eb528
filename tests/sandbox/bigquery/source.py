"""The rows of a staged file, ready to be written."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import duckdb
from bqemulator.catalog.models import TableFieldSchema


@dataclass
class Source:
    """`relation` is SQL after FROM whose columns have the types of `fields`.

    `views` are registered with the connection while the source is open; `warnings` are the
    errors of rows that maxBadRecords let pass.
    """

    connection: duckdb.DuckDBPyConnection
    relation: str
    fields: tuple[TableFieldSchema, ...]
    views: tuple[str, ...] = ()
    warnings: list[dict[str, Any]] = field(default_factory=list)

    def __enter__(self) -> Source:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for view in self.views:
            self.connection.unregister(view)


def quoted(name: str) -> str:
    """A DuckDB identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A DuckDB string literal."""
    return "'" + text.replace("'", "''") + "'"
