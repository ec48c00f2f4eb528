"""Tables whose expiration has passed are gone, as tables.expirationTime promises.

Source: https://docs.cloud.google.com/bigquery/docs/reference/rest/v2/tables (expirationTime:
"Expired tables will be deleted and their storage reclaimed"). When exactly is unverified;
here at once.
"""

from __future__ import annotations

from bqemulator.api.dependencies import AppContext
from bqemulator.storage.sql_identifiers import quoted_table_ref


def drop_expired(context: AppContext) -> None:
    """Drop every expired table; must run where the caller may change tables."""
    now = context.clock.now()
    for dataset in context.catalog.list_all_datasets():
        for table in context.catalog.list_tables(dataset.project_id, dataset.dataset_id):
            if table.expiration_time is not None and table.expiration_time <= now:
                ids = (table.project_id, table.dataset_id, table.table_id)
                kind = "VIEW" if table.table_type == "VIEW" else "TABLE"
                context.engine.execute(f"DROP {kind} IF EXISTS {quoted_table_ref(*ids)}")
                context.catalog.delete_table(*ids, not_found_ok=True)


def is_expired(context: AppContext, project: str, dataset: str, table: str) -> bool:
    """True when the table's time has passed, whether or not it was dropped yet."""
    meta = context.catalog.get_table(project, dataset, table)
    if meta is None or meta.expiration_time is None:
        return False
    return bool(meta.expiration_time <= context.clock.now())
