"""The door to Oracle; the only package that imports oracledb.

`connect` yields an `OracleSession`, whose every failure is a SourceError, SourceUnavailable,
StageError or ConfigError of the product's own tree.
"""

from etl_oracle_to_bq.extract.connecting import Limits, connect
from etl_oracle_to_bq.extract.session import Identity, KeyCheck, OracleSession

__all__ = ["Identity", "KeyCheck", "Limits", "OracleSession", "connect"]
