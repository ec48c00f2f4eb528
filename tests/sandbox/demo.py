"""`python -m tests.sandbox demo`: nine views, a business day, the increment, the history.

The product is driven as its users drive it, by its own commands in subprocesses.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.sandbox.dataset.build import DEFAULT_ROWS
from tests.sandbox.dataset.views import VIEWS, ViewSpec
from tests.sandbox.serve import Sandbox
from tests.sandbox.totals import Totals

DATASET = "erp"
STORE = "Sandbox ERP"


def demo(keep_serving: bool, rows: int | None) -> int:
    """Run the whole story and print it; returns the exit code."""
    with Sandbox(rows or DEFAULT_ROWS) as sandbox:
        raise NotImplementedError(f"the product is not wired in yet: {sandbox.oracle_dsn}")


def source_rows() -> Iterator[dict[str, object]]:
    """One data source for each view, in the names of the configuration database."""
    for order, spec in enumerate(VIEWS.values(), 1):
        yield {"view": f"ERP.{spec.name}", "store": STORE, "load_order": order, **_how(spec)}


def _how(spec: ViewSpec) -> dict[str, object]:
    return {
        "dataset": DATASET,
        "load_mode": spec.load_mode,
        "write_disposition": spec.write_disposition,
        "key_columns": list(spec.keys),
        "incremental_column": spec.incremental,
        "overlap": spec.overlap,
        # The demo's day happens seconds before the increment.
        "safety_lag": 0,
        "partition_column": spec.partition,
        "partition_type": spec.partition_type,
        "cluster_columns": list(spec.clusters),
        "date_columns": list(spec.dates),
    }


def report(loaded: dict[str, tuple[Totals, Totals]]) -> str:
    """A table of what each view holds in Oracle and in BigQuery, side by side."""
    lines = [f"{'view':<22}{'Oracle rows':>12}{'BigQuery':>12}  {'sum of':<20}{'agree':>6}"]
    for name, (oracle, target) in loaded.items():
        money = VIEWS[name].money[0] if VIEWS[name].money else ""
        agree = "yes" if oracle == target else "NO"
        lines.append(f"{name:<22}{oracle.rows:>12,}{target.rows:>12,}  {money:<20}{agree:>6}")
    return "\n".join(lines)
