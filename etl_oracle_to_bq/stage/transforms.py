"""Registered functions over a batch as an Arrow-backed pandas DataFrame; imports pandas late."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import pyarrow as pa

from etl_oracle_to_bq.errors import ConfigError, SchemaMismatch, StageError
from etl_oracle_to_bq.stage.kinds import is_bytes, is_text

if TYPE_CHECKING:
    import pandas as pd

Transform = Callable[["pd.DataFrame"], "pd.DataFrame"]
"""A registered function of DataFrame mode: same columns, types and number of rows out as in."""


def load_transforms(module_name: str) -> dict[str, Transform]:
    """The functions that the module named in `.env` registers in its dict `TRANSFORMS`.

    An empty name means none. Raises ConfigError `unknown-transform` when the module cannot
    be imported or holds no such dict of functions.
    """
    if not module_name:
        return {}
    try:
        found = importlib.import_module(module_name).TRANSFORMS
    except (ImportError, AttributeError, SyntaxError) as error:
        raise ConfigError(
            f"The transforms module {module_name} cannot be used: {error}",
            code="unknown-transform",
        ) from error
    if not isinstance(found, dict) or not all(callable(function) for function in found.values()):
        raise ConfigError(
            f"TRANSFORMS in {module_name} must map names to functions.", code="unknown-transform"
        )
    return dict(found)


def transformed(batch: pa.RecordBatch, transform: Transform) -> pa.RecordBatch:
    """What the transform makes of the batch, which must keep its columns, types and rows.

    Raises StageError `transform-failed` or `counts-disagree`, SchemaMismatch.
    """
    import pandas as pd

    try:
        frame = transform(batch.to_pandas(types_mapper=pd.ArrowDtype))
        table = pa.Table.from_pandas(frame, preserve_index=False)
    except Exception as error:
        name = getattr(transform, "__name__", "transform")
        raise StageError(
            f"The transform {name} failed: {type(error).__name__}: {error}",
            code="transform-failed",
        ) from error
    if table.num_rows != batch.num_rows:
        raise StageError(
            f"The transform was given {batch.num_rows} rows and returned {table.num_rows}.",
            code="counts-disagree",
        )
    return _as_planned(table, batch.schema)


def _as_planned(table: pa.Table, schema: pa.Schema) -> pa.RecordBatch:
    differences = _differences(table.schema, schema)
    if differences:
        raise SchemaMismatch(
            "The transform changed the planned columns: " + "; ".join(differences),
            code="transform-mismatch",
            differences=differences,
        )
    # pandas may hand back the narrow form of a text or bytes column; the values are the same.
    combined = table.cast(schema).combine_chunks().to_batches()
    return combined[0]


def _differences(found: pa.Schema, planned: pa.Schema) -> list[str]:
    if found.names != planned.names:
        return [f"columns {found.names} instead of {planned.names}"]
    return [
        f"{name}: {found.field(name).type} instead of {planned.field(name).type}"
        for name in planned.names
        if not _same(found.field(name).type, planned.field(name).type)
    ]


def _same(found: pa.DataType, planned: pa.DataType) -> bool:
    texts = is_text(found) and is_text(planned)
    return found == planned or texts or (is_bytes(found) and is_bytes(planned))
