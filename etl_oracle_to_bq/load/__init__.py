"""The door to BigQuery: the only place that imports `google.cloud`.

    answers.py    what goes in and comes out: frozen dataclasses
    sql.py        every SQL statement, as pure text
    tables.py     BigQuery's tables and fields to `model` and back
    failures.py   the client's exceptions to the error tree
    access.py     the client: credentials and address
    jobs.py       one job: sent once, waited for, found again after a lost answer
    committing.py the one atomic job that makes staged rows visible, and its fence
    warehouse.py  `Warehouse`, what the rest of the product calls

The client takes a second to import, so `Warehouse` is loaded when it is first used.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from etl_oracle_to_bq.load.answers import (
    NEVER_COMMITTED,
    OWNER,
    OWNER_LABEL,
    SOURCE_LABEL,
    Bounds,
    Committed,
    Identity,
    Leftover,
    Loaded,
    LoadStatus,
    Settled,
    WarehouseSettings,
    job_id,
)

if TYPE_CHECKING:
    from etl_oracle_to_bq.load.warehouse import Warehouse

__all__ = [
    "NEVER_COMMITTED",
    "OWNER",
    "OWNER_LABEL",
    "SOURCE_LABEL",
    "Bounds",
    "Committed",
    "Identity",
    "Leftover",
    "LoadStatus",
    "Loaded",
    "Settled",
    "Warehouse",
    "WarehouseSettings",
    "job_id",
]


# The client imports these when it finds them, for DataFrames, the Storage API and its transport,
# which are not used here: a quarter of a second and 46 MiB of every run.
UNUSED = ("pandas", "google.cloud.bigquery_storage_v1", "grpc")


def __getattr__(name: str) -> Any:
    if name != "Warehouse":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with _unseen(*UNUSED):
        from etl_oracle_to_bq.load.warehouse import Warehouse

    return Warehouse


@contextmanager
def _unseen(*names: str) -> Iterator[None]:
    """Let these modules look as if they were not installed, unless they are loaded already."""
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
