"""The door to the configuration database; the only place that touches Django.

database.py   opens it, migrates it, translates its errors
rows.py       its rows become `model`'s dataclasses
leases.py     who holds a run, and whether that process still lives
catalog.py    `Catalog`: configuration, leases, transactions, log errors
"""

from etl_oracle_to_bq.catalog.catalog import Catalog
from etl_oracle_to_bq.catalog.leases import DeadRun, Progress, RunHandle

__all__ = ["Catalog", "DeadRun", "Progress", "RunHandle"]
