"""rivet (Rust), a full export into Parquet files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq

from tests.benchmarks.programs.sandbox import DSN, FOLDER, PASSWORD, TABLE, USER, answer

CONFIG = f"""
source:
  type: oracle
  url_env: RIVET_SOURCE
exports:
  - name: benchmark
    query: SELECT * FROM ERP.{TABLE}
    mode: full
    format: parquet
    destination:
      type: local
      path: {FOLDER / "out"}
"""
(FOLDER / "rivet.yaml").write_text(CONFIG, encoding="utf-8")
subprocess.run(
    [str(Path(sys.executable).parent / "rivet"), "run", "--config", str(FOLDER / "rivet.yaml")],
    env={**os.environ, "RIVET_SOURCE": f"oracle://{USER}:{PASSWORD}@{DSN}"},
    cwd=FOLDER,
    check=True,
    stdout=sys.stderr,
)
answer(sum(pq.read_metadata(path).num_rows for path in (FOLDER / "out").rglob("*.parquet")))
