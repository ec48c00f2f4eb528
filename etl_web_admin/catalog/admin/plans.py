"""A plan, as the command line writes it, in the parts that a page shows."""

from __future__ import annotations

import json
from typing import Any


def plan_parts(plan: dict[str, Any] | None) -> dict[str, Any] | None:
    """The parts of a plan by name, whatever of them it has, and the rest as JSON text."""
    if not plan:
        return None
    query = plan.get("query") or {}
    return {
        "columns": [column for column in plan.get("columns") or [] if isinstance(column, dict)],
        "sql": query.get("sql", "") if isinstance(query, dict) else str(query),
        "binds": query.get("binds") if isinstance(query, dict) else None,
        "warnings": plan.get("warnings") or [],
        "raw": json.dumps(plan, indent=2, ensure_ascii=False, default=str),
        "plan": plan,
    }
