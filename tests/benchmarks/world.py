"""What the contestants run in: a sandbox of its own process, an installation, the peers' tools."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks.tables import write_tables
from tests.installation import MACHINE, ROOT, Installation, store_row
from tests.sandbox.envfile import read_env_file

PEERS = ("dlt", "sqlalchemy", "pandas", "pyarrow", "oracledb", "rivet-cli", "adbc-driver-oracle")
PEERS_FOLDER = Path(tempfile.gettempdir()) / "etl-benchmark-peers"
ERP_ROWS = "1000"
READY_SECONDS = 1800.0
STORE, DATASET = "Benchmark", "benchmark"


@contextmanager
def sandbox(folder: Path, rows: dict[str, int]) -> Iterator[dict[str, str]]:
    """A sandbox process that serves these tables of the ERP; yields its environment."""
    write_tables(folder / "tables", rows)
    env_file = folder / "sandbox.env"
    serve = [sys.executable, "-m", "tests.sandbox", "serve", "--rows", ERP_ROWS]
    with (folder / "sandbox.txt").open("wb") as said:
        process = subprocess.Popen(
            [*serve, "--tables", str(folder / "tables"), "--env-file", str(env_file)],
            cwd=ROOT,
            stdout=said,
            stderr=said,
        )
    try:
        _wait_for(env_file, process)
        yield read_env_file(env_file)
    finally:
        process.terminate()
        process.wait()


def _wait_for(file: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not file.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the sandbox did not start; see {file.parent / 'sandbox.txt'}")
        time.sleep(0.2)


def installation(folder: Path, sandbox_env: dict[str, str], tables: list[str]) -> Installation:
    """The product, installed, with each table as a source that is replaced as a whole."""
    made = Installation(folder / "installation", sandbox_env)
    sources = [
        {
            "view": f"ERP.{table}",
            "store": STORE,
            "dataset": DATASET,
            "write_disposition": "replace",
            "load_mode": "dataframe",
            "incremental_column": "",
        }
        for table in tables
    ]
    password = sandbox_env["SANDBOX_ORACLE_PASSWORD"]
    made.configure([store_row(STORE, sandbox_env)], sources, {STORE: password})
    return made


def contestant_env(sandbox_env: dict[str, str], table: str, folder: Path) -> dict[str, str]:
    """What a program of `programs` needs to know."""
    machine = {name: os.environ[name] for name in MACHINE if name in os.environ}
    return {
        **machine,
        **sandbox_env,
        "PYTHONPATH": str(ROOT),
        "PYTHONUTF8": "1",
        "BENCHMARK_TABLE": table,
        "BENCHMARK_FOLDER": str(folder),
    }


def peers_python() -> tuple[Path, dict[str, str]]:
    """The interpreter of the peers' own virtual environment, made once, and why some are absent."""
    scripts = PEERS_FOLDER / ("Scripts" if os.name == "nt" else "bin")
    python = scripts / ("python.exe" if os.name == "nt" else "python")
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(PEERS_FOLDER)], check=True)
    absent = {}
    for package in PEERS:
        install = [str(python), "-m", "pip", "install", "-q", "--only-binary", ":all:", package]
        done = subprocess.run(install, capture_output=True, encoding="utf-8", check=False)
        if done.returncode:
            absent[package] = done.stderr.strip().splitlines()[-1]
    return python, absent
