"""The emulator's process: up in time, gone with its parent, the same after a restart."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.api_core.client_options import ClientOptions
from google.api_core.exceptions import Conflict, GoogleAPIError, NotFound
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from requests.exceptions import RequestException

from tests.sandbox.bigquery import launcher
from tests.sandbox.bigquery.launcher import BigQueryEmulator, EmulatorFailed
from tests.sandbox.bigquery.proxy import Fault, FaultProxy, Rule
from tests.waiting import HANG_SECONDS, lives, next_line, until

ROOT = Path(__file__).resolve().parents[2]
ROWS = 300_000
PARENT = """
import sys
from tests.sandbox.bigquery.launcher import BigQueryEmulator
emulator = BigQueryEmulator()
emulator.start()
print(emulator.pid, flush=True)
sys.stdin.read()
"""


@contextmanager
def client_of(host: str) -> Iterator[bigquery.Client]:
    with bigquery.Client(
        project=BigQueryEmulator.project,
        credentials=AnonymousCredentials(),
        client_options=ClientOptions(api_endpoint=host),
    ) as client:
        yield client


def load(client: bigquery.Client, job_id: str, rows: int, **config: object) -> None:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"id": pa.array(range(rows)), "text": ["x" * 50] * rows}), buffer)
    buffer.seek(0)
    options = bigquery.LoadJobConfig(source_format="PARQUET", **config)
    job = client.load_table_from_file(
        buffer, "d.t", job_id=job_id, job_config=options, num_retries=0
    )
    job.result(timeout=HANG_SECONDS, retry=None)


def test_it_leaves_nothing_behind() -> None:
    emulator = BigQueryEmulator()
    emulator.start()
    pid, scratch = emulator.pid, emulator._scratch
    emulator.stop()
    assert not lives(pid)
    assert scratch is not None
    assert not scratch.exists()
    emulator.stop()


def test_it_dies_when_its_parent_is_killed() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    pid = int(next_line(parent, "the number of the emulator"))
    assert lives(pid)
    parent.kill()
    parent.communicate()
    until(lambda: not lives(pid), "the end of the emulator")


def test_it_does_not_start_on_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    def spawn(command: list[str], **options: object) -> subprocess.Popen[str]:
        code = (
            "import sys; from tests.sandbox.bigquery import corrections, process;"
            "corrections.PINNED_VERSION = '0.0.1'; sys.exit(process.main(sys.argv[1:]))"
        )
        return popen([sys.executable, "-c", code, *command[3:]], **options)

    popen = subprocess.Popen
    monkeypatch.setattr(launcher.subprocess, "Popen", spawn)
    with pytest.raises(EmulatorFailed, match=r"corrects private names of 0\.0\.1"):
        BigQueryEmulator().start()


def test_a_restart_keeps_port_tables_and_jobs(tmp_path: Path) -> None:
    with BigQueryEmulator(tmp_path) as emulator, client_of(emulator.host) as client:
        host = emulator.host
        client.create_dataset("d")
        load(client, "first", 3)
        client.query("DELETE FROM d.t WHERE id = 0", job_id="second", job_retry=None).result()
        emulator.restart()
        assert emulator.host == host
        assert client.get_table("d.t").num_rows == 2
        assert client.get_job("first").output_rows == 3
        assert client.get_job("second").dml_stats.deleted_row_count == 1
        for job_id in ("first", "second"):
            with pytest.raises(Conflict):
                load(client, job_id, 3)


def test_a_job_whose_process_died_before_it_ran_is_unknown(tmp_path: Path) -> None:
    assert outcome_of_a_kill(tmp_path, "before") == ("NOT FOUND", 1)


def test_a_job_whose_process_died_after_it_ran_is_done(tmp_path: Path) -> None:
    assert outcome_of_a_kill(tmp_path, "after") == ("DONE", ROWS)


def test_a_job_whose_process_died_while_it_ran_is_unknown_or_whole(tmp_path: Path) -> None:
    assert outcome_of_a_kill(tmp_path, "during") in [("NOT FOUND", 1), ("DONE", ROWS)]


def outcome_of_a_kill(folder: Path, moment: str) -> tuple[str, int]:
    """Kill the process at a moment of a load that replaces one row; what is found afterwards."""
    with BigQueryEmulator(folder) as emulator, FaultProxy(emulator.host) as proxy:
        with client_of(emulator.host) as client:
            client.create_dataset("d")
            load(client, "old", 1)
        killer = threading.Timer(0.05, emulator.kill)
        rule = Rule(Fault.PASS, method="PUT")
        proxy.rules.append(rule)
        if moment == "during":
            rule.before = lambda _path: killer.start()
        else:
            setattr(rule, moment, lambda _path: emulator.kill())
        with client_of(proxy.host) as client, suppress(GoogleAPIError, RequestException):
            load(client, "new", ROWS, write_disposition="WRITE_TRUNCATE")
        if moment == "during":
            killer.join()
        emulator.restart()
        with client_of(emulator.host) as client:
            rows = client.get_table("d.t").num_rows
            try:
                return client.get_job("new").state, rows
            except NotFound:
                return "NOT FOUND", rows
