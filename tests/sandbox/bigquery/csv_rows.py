"""CSV options, and a slow reader for the options that a fast one cannot obey.

The fast reader (pyarrow) wants the same number of fields in each row; allowJaggedRows,
ignoreUnknownValues and maxBadRecords take the state machine below.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from bqemulator.domain.errors import ValidationError


@dataclass(frozen=True, slots=True)
class Options:
    """JobConfigurationLoad's CSV options, with the service's defaults."""

    delimiter: str
    quote: str
    skip: int
    null_markers: tuple[str, ...]
    quoted_newlines: bool
    jagged: bool
    ignore_unknown: bool
    max_bad: int

    @classmethod
    def of(cls, config: dict[str, Any]) -> Options:
        """Read the options; ValidationError when two exclude each other."""
        if config.get("nullMarker") is not None and config.get("nullMarkers"):
            raise ValidationError("nullMarker and nullMarkers cannot be set at the same time")
        delimiter = config.get("fieldDelimiter") or ","
        delimiter = {"\\t": "\t", "tab": "\t"}.get(delimiter, delimiter)
        if len(delimiter) != 1:
            raise ValidationError(f"Field delimiter must be one character: {delimiter!r}")
        quote = config.get("quote")
        return cls(
            delimiter=delimiter,
            quote='"' if quote is None else quote,
            skip=int(config.get("skipLeadingRows") or 0),
            null_markers=tuple(config.get("nullMarkers") or [config.get("nullMarker") or ""]),
            quoted_newlines=bool(config.get("allowQuotedNewlines")),
            jagged=bool(config.get("allowJaggedRows")),
            ignore_unknown=bool(config.get("ignoreUnknownValues")),
            max_bad=int(config.get("maxBadRecords") or 0),
        )

    @property
    def tolerant(self) -> bool:
        """True when rows may have another number of fields than the schema."""
        return self.jagged or self.ignore_unknown or self.max_bad > 0


def read_tolerantly(text: bytes, names: list[str], options: Options) -> tuple[pa.Table, list[str]]:
    """String columns `names`, and a message for each row that has the wrong number of fields."""
    columns: list[list[str | None]] = [[] for _ in names]
    warnings: list[str] = []
    rows = _rows(text.decode("utf-8"), options)
    for number, row in enumerate(rows):
        if number < options.skip:
            continue
        if len(row) < len(names) and options.jagged:
            row = row + [None] * (len(names) - len(row))
        if len(row) > len(names) and options.ignore_unknown:
            row = row[: len(names)]
        if len(row) != len(names):
            kind = "many" if len(row) > len(names) else "few"
            warnings.append(
                f"Error detected while parsing row {number}. Error: Too {kind} values in row."
            )
            continue
        for column, value in zip(columns, row, strict=True):
            column.append(value)
    arrays = [pa.array(column, pa.string()) for column in columns]
    return pa.table(arrays, names=names), warnings


def _rows(text: str, options: Options) -> Iterator[list[str | None]]:
    """Split into rows and values; an unquoted null marker becomes None."""
    position, end = 0, len(text)
    while position < end:
        row: list[str | None] = []
        while True:
            value, position = _value(text, position, options)
            row.append(value)
            if position < end and text[position] == options.delimiter:
                position += 1
                continue
            break
        if text.startswith("\r\n", position):
            position += 1
        position += 1
        if row != [None]:
            yield row


def _value(text: str, position: int, options: Options) -> tuple[str | None, int]:
    if options.quote and text.startswith(options.quote, position):
        return _quoted(text, position + 1, options.quote)
    end = position
    while end < len(text) and text[end] not in (options.delimiter, "\n", "\r"):
        end += 1
    value = text[position:end]
    return None if value in options.null_markers else value, end


def _quoted(text: str, position: int, quote: str) -> tuple[str, int]:
    parts = []
    while True:
        end = text.find(quote, position)
        if end < 0:
            parts.append(text[position:])
            return "".join(parts), len(text)
        parts.append(text[position:end])
        if not text.startswith(quote, end + 1):
            return "".join(parts), end + 1
        parts.append(quote)
        position = end + 2
