"""The index page: is everything fresh?"""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from etl_web_admin.catalog import overview

SLOWEST = 5


def fill(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Called by unfold for the index; who may see no sources sees an empty board."""
    return {**context, "title": "Dashboard", **board(request)}


def board(request: HttpRequest) -> dict[str, Any]:
    """What the board shows; a constant number of queries."""
    if not request.user.has_perms(("catalog.view_datasource", "catalog.view_etltransaction")):
        return {"board": None}
    now = timezone.now()
    lines = overview.lines(now)
    nights = overview.nights(now)
    timed = [line for line in lines if line.seconds is not None]
    slowest = sorted(timed, key=lambda line: line.seconds or 0, reverse=True)[:SLOWEST]
    may_see_errors = request.user.has_perm("catalog.view_logerror")
    return {
        "board": {
            "now": now,
            "zone": timezone.get_current_timezone_name(),
            "lines": lines,
            "states": _states(lines),
            "all_fresh": all(line.state in (overview.FRESH, overview.RUNNING) for line in lines),
            "nights": nights,
            "most_runs": max((n.succeeded + n.failed for n in nights), default=0),
            "most_rows": max((n.rows for n in nights), default=0),
            "slowest": slowest,
            "longest": slowest[0].seconds if slowest else 0,
            "running": overview.running(),
            "errors": overview.open_errors() if may_see_errors else [],
        }
    }


def _states(lines: list[overview.SourceLine]) -> list[tuple[overview.State, int]]:
    found = Counter(line.state for line in lines)
    return sorted(found.items(), key=lambda item: item[0].worry)


def live(request: HttpRequest) -> HttpResponse:
    """The board as a piece of page, for the script that refreshes it."""
    return TemplateResponse(request, "catalog/board.html", board(request))
