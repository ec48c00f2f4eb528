"""What a contestant is told by its environment, and how it answers."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

DSN = os.environ["SANDBOX_ORACLE_DSN"]
USER = os.environ["SANDBOX_ORACLE_USER"]
PASSWORD = os.environ["SANDBOX_ORACLE_PASSWORD"]
TABLE = os.environ["BENCHMARK_TABLE"]
FOLDER = Path(os.environ["BENCHMARK_FOLDER"])
ARGUMENTS = sys.argv[1:]


def answer(rows: int, **more: object) -> None:
    """Say how many rows were read, and whatever else was measured inside."""
    print(json.dumps({"rows": rows, **more}))
