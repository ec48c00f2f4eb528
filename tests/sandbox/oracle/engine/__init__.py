"""The SQL engine of the Oracle stand-in: Oracle SQL over DuckDB.

Where to look: `lexer` → `parser` (text to `ast`) → `queries`, `expressions`, `functions_*`,
`aggregates`, `moments` (tree to typed DuckDB SQL) → `translate` (cached result) → `session`
(runs it). `types` says how each Oracle type is held, `convert` how one becomes another,
`exact` computes NUMBERs, `storage` keeps row versions, `dml` and `plsql` change them,
`catalogue` and `dictionary` say what exists, `database` is the door.
"""

from tests.sandbox.oracle.engine.database import Database
from tests.sandbox.oracle.engine.session import EngineSession
from tests.sandbox.oracle.engine.types import parse_type

__all__ = ["Database", "EngineSession", "parse_type"]
