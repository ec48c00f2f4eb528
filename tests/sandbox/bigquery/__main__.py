"""`python -m tests.sandbox.bigquery`: the child that `launcher.BigQueryEmulator` starts."""

from __future__ import annotations

from tests.sandbox.bigquery.process import main

if __name__ == "__main__":
    raise SystemExit(main())
