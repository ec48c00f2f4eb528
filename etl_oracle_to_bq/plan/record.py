"""The plan as JSON-able data: what the transaction keeps and what `plan --json` prints."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from etl_oracle_to_bq.model import Bind, Piece, Plan, Query
from etl_oracle_to_bq.schema import declared_type


def as_dict(plan: Plan) -> dict[str, Any]:
    """Every decision; datetimes as ISO text, enums as their values.

    `watermark` and the bounds are naive, in the clock that `window.clock` names;
    `imported_at` is UTC with its offset.
    """
    window, target = plan.window, plan.target
    return {
        "view": plan.view,
        "load_type": str(plan.load_type),
        "load_mode": str(plan.load_mode),
        "disposition": str(plan.disposition),
        "commit": str(plan.commit),
        "window": None
        if window is None
        else {
            "column": window.column,
            "clock": str(window.clock),
            "lower": _iso(window.lower),
            "upper": _iso(window.upper),
        },
        "piece": None if plan.piece is None else _piece(plan.piece),
        "scn": plan.moment.scn,
        "oracle_clock": _iso(plan.moment.server),
        "oracle_utc": _iso(plan.moment.utc),
        "sql": plan.query.sql,
        "binds": _binds(plan.query),
        "probe": {"sql": plan.probe.sql, "binds": _binds(plan.probe)},
        "columns": [
            {
                "source": column.source.name,
                "oracle_type": declared_type(column.source),
                "expression": column.expression,
                "name": column.name,
                "type": column.type,
                "note": column.note,
            }
            for column in plan.columns
        ],
        "target": {
            **asdict(target),
            "partition_type": str(target.partition_type),
            "labels": dict(target.labels),
        },
        "creates_target": plan.creates_target,
        "additions": [asdict(field) for field in plan.additions],
        "keys": list(plan.keys),
        "incremental": plan.incremental,
        "watermark": _iso(plan.watermark),
        "batch_size": plan.batch_size,
        "transform": plan.transform,
        "imported_at": _iso(plan.imported_at),
        "expected_rows": plan.expected_rows,
        "warnings": list(plan.warnings),
    }


def _piece(piece: Piece) -> dict[str, Any]:
    return {
        "load_type": str(piece.load_type),
        "lower": _iso(piece.lower),
        "upper": _iso(piece.upper),
        "begin": _iso(piece.begin),
        "end": _iso(piece.end),
    }


def _iso(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat()


def _binds(query: Query) -> dict[str, dict[str, Any]]:
    return {name: _bind(bind) for name, bind in query.binds.items()}


def _bind(bind: Bind) -> dict[str, Any]:
    value = bind.value.isoformat() if isinstance(bind.value, datetime) else bind.value
    return {"value": value, "type": bind.type}
