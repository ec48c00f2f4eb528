"""What the dashboard shows, from a number of queries that does not grow with the tables.

All moments are UTC; a night runs from noon to noon in the site's time zone, so that a load
at 23:30 and one at 01:00 belong together, and carries the date of its morning.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from statistics import median
from typing import Any

from django.db.models import Count, F, Max, OuterRef, Q, Subquery, Sum, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from etl_web_admin.catalog.models import DataSource, EtlTransaction, LogError
from etl_web_admin.catalog.models.choices import RunStatus

SUCCESS = (RunStatus.SUCCEEDED, RunStatus.NO_ROWS)
NIGHTS = 14
USUAL_DAYS = 30
USUAL_RUNS = 10
# Two loads make no habit.
ENOUGH = 3


@dataclass(frozen=True, slots=True)
class State:
    """How a source stands: the word, its colour, and its place in the order of worry."""

    word: str
    colour: str
    worry: int


FAILED = State("Failed", "danger", 0)
STOPPED = State("Stopped", "warning", 1)
LATE = State("Late", "warning", 2)
NEVER = State("Never loaded", "warning", 3)
RUNNING = State("Running", "info", 4)
FRESH = State("Fresh", "success", 5)


@dataclass(frozen=True, slots=True)
class SourceLine:
    """One active source on the dashboard. Rows and seconds are of the last success.

    Usual is the median of the loads of the same type before it; `alike` is how many they are.
    """

    source: DataSource
    state: State
    last_run: EtlTransaction | None
    last_success: datetime | None
    age: timedelta | None
    rows: int | None
    usual_rows: float | None
    seconds: float | None
    usual_seconds: float | None
    alike: int

    @property
    def unusual(self) -> bool:
        """True when the last success brought far fewer or far more rows than usual."""
        if self.rows is None or not self.usual_rows or self.alike < ENOUGH:
            return False
        return not 0.2 <= self.rows / self.usual_rows <= 5


@dataclass(frozen=True, slots=True)
class Night:
    """What one night did."""

    morning: date
    succeeded: int
    failed: int
    rows: int


@dataclass(frozen=True, slots=True)
class _Load:
    kind: str
    rows: int | None
    seconds: float | None


def lines(now: datetime) -> list[SourceLine]:
    """Every active source, the most worrying first."""
    sources = list(_sources())
    last_runs = EtlTransaction.objects.in_bulk([s.last_run_id for s in sources if s.last_run_id])
    usual = _recent_loads([s.pk for s in sources], now)
    found = [
        _line(source, last_runs.get(source.last_run_id), usual.get(source.pk, []), now)
        for source in sources
    ]
    return sorted(found, key=lambda line: (line.state.worry, line.source.load_order))


def _sources() -> Iterable[Any]:
    runs = EtlTransaction.objects.filter(source=OuterRef("pk")).order_by("-started_at", "-id")
    return (
        DataSource.objects.filter(active=True)
        .select_related("store")
        .defer("store__password", "store__wallet_password")
        .annotate(
            last_run_id=Subquery(runs.values("pk")[:1]),
            last_success=Subquery(runs.filter(status__in=SUCCESS).values("ended_at")[:1]),
        )
    )


def _recent_loads(source_ids: Sequence[int], now: datetime) -> dict[int, list[_Load]]:
    """The last few successes of each source and load type, the newest first."""
    rows = (
        EtlTransaction.objects.filter(
            source__in=source_ids,
            status__in=SUCCESS,
            started_at__gte=now - timedelta(days=USUAL_DAYS),
        )
        .annotate(
            nth=Window(
                RowNumber(),
                partition_by=[F("source_id"), F("load_type")],
                order_by=[F("started_at").desc(), F("id").desc()],
            )
        )
        .filter(nth__lte=USUAL_RUNS)
        .order_by("source_id", "-started_at", "-id")
        .values_list("source_id", "load_type", "rows_loaded", "started_at", "ended_at")
    )
    loads: dict[int, list[_Load]] = {}
    for source_id, kind, count, started, ended in rows:
        seconds = (ended - started).total_seconds() if ended else None
        loads.setdefault(source_id, []).append(_Load(kind, count, seconds))
    return loads


def _line(
    source: Any, last_run: EtlTransaction | None, loads: Sequence[_Load], now: datetime
) -> SourceLine:
    last_success: datetime | None = source.last_success
    age = now - last_success if last_success else None
    # A first load says nothing about the size of an increment.
    alike = [load for load in loads[1:] if load.kind == loads[0].kind]
    rows = [load.rows for load in alike if load.rows is not None]
    seconds = [load.seconds for load in alike if load.seconds is not None]
    return SourceLine(
        source=source,
        state=state_of(source, last_run, age),
        last_run=last_run,
        last_success=last_success,
        age=age,
        rows=loads[0].rows if loads else None,
        usual_rows=median(rows) if rows else None,
        seconds=loads[0].seconds if loads else None,
        usual_seconds=median(seconds) if seconds else None,
        alike=len(rows),
    )


def state_of(source: DataSource, last_run: EtlTransaction | None, age: timedelta | None) -> State:
    """The state of a source from its last run and the age of its last success."""
    if last_run is None:
        return NEVER
    if last_run.status == RunStatus.RUNNING:
        return RUNNING
    if last_run.stopped:
        return STOPPED
    if last_run.status in (RunStatus.FAILED, RunStatus.ABANDONED):
        return FAILED
    return LATE if age is None or age > source.expected_every else FRESH


def nights(now: datetime) -> list[Night]:
    """The last two weeks of nights, the oldest first."""
    return [_night(_today(now) - timedelta(days=back)) for back in range(NIGHTS - 1, -1, -1)]


def _today(now: datetime) -> date:
    local = timezone.localtime(now)
    return local.date() if local.hour < 12 else local.date() + timedelta(days=1)


def _night(morning: date) -> Night:
    zone = timezone.get_current_timezone()
    noon = datetime.combine(morning, time(12), tzinfo=zone)
    before = datetime.combine(morning - timedelta(days=1), time(12), tzinfo=zone)
    told = EtlTransaction.objects.filter(started_at__gte=before, started_at__lt=noon).aggregate(
        succeeded=Count("pk", filter=Q(status__in=SUCCESS)),
        failed=Count("pk", filter=Q(status__in=(RunStatus.FAILED, RunStatus.ABANDONED))),
        rows=Sum("rows_loaded", filter=Q(status__in=SUCCESS)),
    )
    return Night(morning, told["succeeded"], told["failed"], told["rows"] or 0)


def running() -> list[EtlTransaction]:
    """What is being loaded at this moment."""
    rows = EtlTransaction.objects.filter(status=RunStatus.RUNNING).select_related("source")
    return list(rows.defer("plan").order_by("started_at"))


@dataclass(frozen=True, slots=True)
class OpenError:
    """Open errors of one view and code: the newest of them, and how many."""

    newest: LogError
    times: int


def open_errors(limit: int = 8) -> list[OpenError]:
    """The open errors by view and code, the newest first."""
    groups = (
        LogError.objects.filter(acknowledged_at=None)
        .order_by()
        .values("source", "code")
        .annotate(newest=Max("pk"), last=Max("created_at"), times=Count("pk"))
        .order_by("-last")[:limit]
    )
    times = {group["newest"]: group["times"] for group in groups}
    rows = LogError.objects.select_related("source").defer("traceback").in_bulk(times)
    return [OpenError(rows[key], number) for key, number in times.items()]
