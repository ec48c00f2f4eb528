"""The tables of the configuration database; the one description of them.

`DataStore` ← `DataSource` ← `EtlTransaction` ← `LogError`, and the site's `LoginFailure`. Rules that SQL can check are
constraints, so that they hold for the form, the shell and a hand-written UPDATE alike; rules
about the form of a name are validators (`catalog/validators.py`), run by `full_clean()`.
"""

from etl_web_admin.catalog.models.history import EtlTransaction, LogError
from etl_web_admin.catalog.models.login import LoginFailure
from etl_web_admin.catalog.models.source import DataSource
from etl_web_admin.catalog.models.store import DataStore

__all__ = ["DataSource", "DataStore", "EtlTransaction", "LogError", "LoginFailure"]
