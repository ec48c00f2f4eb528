"""A plan, as the command line writes it, in the parts that a page shows."""

from __future__ import annotations

import json
from typing import Any


def plan_parts(plan: dict[str, Any] | None) -> dict[str, Any] | None:
    """The parts of a plan by name, and all of it as JSON text; None without a plan."""
    if not plan:
        return None
    return {**plan, "raw": json.dumps(plan, indent=2, ensure_ascii=False, default=str)}
