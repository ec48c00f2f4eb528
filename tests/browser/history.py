"""Two weeks of nights for the screenshots: eight more views, one of them in trouble."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from etl_web_admin.catalog.models import DataSource
from tests.web import make_error, make_run, source_values

# View, rows of a usual night, seconds.
VIEWS = (
    ("V_AR_RECEIPTS", 4_180, 19),
    ("V_AP_PAYMENTS", 2_930, 14),
    ("V_PO_LISTING", 6_410, 33),
    ("V_GL_ACCOUNTS", 1_264, 6),
    ("V_BUDGET_ACCOUNTS", 870, 8),
    ("V_PROJECT_STATUS", 412, 5),
    ("V_WIP_BY_PROJECT", 3_305, 27),
    ("V_AR_AGING_COST", 9_750, 61),
)
NIGHTS = 14
ACTION = "Load it in smaller windows, or ask for a longer undo retention."
MESSAGE = "snapshot too old: rollback segment number 9 with name SYSSMU9 too small"


def fill() -> None:
    """Write the rows; the newest night is a few hours old."""
    store = DataSource.objects.first().store
    newest = timezone.now() - timedelta(hours=3)
    for number, (view, rows, seconds) in enumerate(VIEWS):
        source = DataSource.objects.create(
            store=store,
            load_order=10 + number,
            watermark=f"{newest - timedelta(minutes=2):%Y-%m-%dT%H:%M:%S.000000}",
            **source_values(view=f"ERP.{view}", target=view.lower()),
        )
        for night in range(NIGHTS, -1, -1):
            started = newest - timedelta(days=night) + timedelta(minutes=number)
            # The newest nights of one view and a night of another went wrong.
            failed = (number == 2 and night < 2) or (number == 7 and night == 6)
            loaded = rows + (night * 37 + number * 91) % (rows // 5)
            run = make_run(
                source,
                "failed" if failed else "succeeded",
                started_at=started,
                ended_at=started + timedelta(seconds=seconds + night % 4),
                rows_extracted=loaded,
                rows_loaded=None if failed else loaded,
                load_mode="dataframe",
                step="extract" if failed else "record",
                error_code="ORA-01555" if failed else "",
                user="svc_etl",
            )
            if failed:
                make_error(
                    source,
                    transaction=run,
                    created_at=started + timedelta(seconds=seconds),
                    message=MESSAGE,
                    action=ACTION,
                )
