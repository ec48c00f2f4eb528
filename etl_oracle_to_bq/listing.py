"""`list`: each source with its last run, its watermark and how fresh it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from etl_oracle_to_bq.catalog import Catalog
from etl_oracle_to_bq.model import Source

HEADINGS = "view", "active", "target", "last run", "rows", "watermark", "hours since success"


def rows(catalog: Catalog, now: datetime) -> list[dict[str, Any]]:
    """One dict a source, in load order; `now` is aware. Times are ISO, UTC where aware."""
    return [_row(catalog, source, now) for source in catalog.every_source()]


def _row(catalog: Catalog, source: Source, now: datetime) -> dict[str, Any]:
    last, loaded = catalog.last_run(source), catalog.last_run(source, loaded=True)
    ended = loaded["ended_at"] if loaded else None
    return {
        "view": source.view,
        "active": source.active,
        "store": source.store.name,
        "target": f"{source.dataset}.{source.target}",
        "last_run": _run(last) if last else None,
        "watermark": source.watermark.value.isoformat() if source.watermark else None,
        "last_success": ended.isoformat() if ended else None,
        "hours_since_success": round((now - ended).total_seconds() / 3600, 1) if ended else None,
    }


def _run(run: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "run_id": run["run_id"],
        "status": run["status"],
        "started_at": run["started_at"].isoformat(),
        "rows": run["rows_loaded"],
        "error_code": run["error_code"],
    }


def as_text(listed: Sequence[Mapping[str, Any]]) -> str:
    """The same as a table for a console."""
    table = [HEADINGS, *map(_cells, listed)]
    widths = [max(len(line[column]) for line in table) for column in range(len(HEADINGS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in table
    )


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    last = row["last_run"] or {}
    hours = row["hours_since_success"]
    return (
        row["view"],
        "yes" if row["active"] else "no",
        row["target"],
        last.get("status", "never"),
        "" if last.get("rows") is None else f"{last['rows']:,}",
        row["watermark"] or "",
        "" if hours is None else f"{hours}",
    )
