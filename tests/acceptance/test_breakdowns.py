"""A limit of staged bytes, a BigQuery that is gone or refuses, a database that is none.

What kills, locks or fills things under a run is in `crash`.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.acceptance.conftest import NewHouse
from tests.acceptance.house import House
from tests.acceptance.oracle import Oracle, loaded, same
from tests.sandbox.bigquery.launcher import BigQueryEmulator
from tests.sandbox.bigquery.proxy import Fault, FaultProxy, Rule
from tests.sandbox.demo import STORE
from tests.sandbox.serve import Sandbox

VIEW, TARGET = "BULK", "bulk"
SMALL = "V_GL_ACCOUNTS"
ROWS, ROW_BYTES = 4_000, 1_000


@pytest.fixture(scope="module")
def bulk(erp: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A table of 4 MB that no compression makes smaller."""
    random = np.random.default_rng(7)
    values = [random.bytes(ROW_BYTES) for _ in range(ROWS)]
    path = tmp_path_factory.mktemp("bulk") / f"{VIEW}.parquet"
    pq.write_table(pa.table({"ID": range(ROWS), "NOISE": pa.array(values, pa.binary())}), path)
    erp.load_table(path)
    return VIEW


@pytest.fixture
def house(new_house: NewHouse, bulk: str) -> House:
    made = new_house()
    made.add({"view": f"ERP.{bulk}", "write_disposition": "replace"}, store=STORE)
    return made


@pytest.fixture
def proxy(bigquery_sandbox: BigQueryEmulator) -> Iterator[FaultProxy]:
    with FaultProxy(bigquery_sandbox.host) as running:
        yield running


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def nowhere() -> str:
    """An address where no BigQuery is."""
    return f"http://127.0.0.1:{closed_port()}"


def test_the_limit_of_staged_bytes(house: House) -> None:
    house.installation.write_settings(ETL_STAGE_LIMIT_MB="1")
    message = house.fails(VIEW, 5, "disk-full")
    assert "limit of 1 MiB" in message
    assert house.tables() == ["etl_load_status"]


def test_bigquery_is_not_there(house: House) -> None:
    """It is told within the time that the setting allows, and everything waits as it was."""
    host = house.settings["BIGQUERY_EMULATOR_HOST"]
    # By default a run waits longer than a test waits for a run.
    house.installation.write_settings(BIGQUERY_EMULATOR_HOST=nowhere(), ETL_BQ_SECONDS="2")
    message = house.fails(SMALL, 6, "connectionLost")
    assert "describing" in message and "cannot be reached" in message
    house.installation.write_settings(BIGQUERY_EMULATOR_HOST=host, ETL_BQ_SECONDS="600")
    house.run_one(SMALL)


def test_the_load_status_never_holds_up_a_failure(house: House) -> None:
    """Oracle and BigQuery are both away; BigQuery may be waited for longer than this test waits."""
    house.installation.write_settings(BIGQUERY_EMULATOR_HOST=nowhere(), ETL_BQ_SECONDS="3600")
    house.change_store(port=closed_port())
    house.fails(SMALL, 3, "ORA-12541")


def test_bigquery_goes_away_while_parts_are_loaded(
    house: House, proxy: FaultProxy, oracle: Oracle
) -> None:
    began = time.monotonic()
    house.run_one(SMALL)
    # No request of a run takes as long as a whole run of a moment ago.
    limit = math.ceil(time.monotonic() - began)
    proxy.rules.append(Rule(Fault.DROP_REQUEST, path="/upload/", times=0))
    proxy.rules.append(Rule(Fault.DROP_REQUEST, method="DELETE", times=0))
    house.installation.write_settings(BIGQUERY_EMULATOR_HOST=proxy.host, ETL_BQ_SECONDS=str(limit))
    told = house.run_one(VIEW, exit_code=6)
    assert told["error"]["code"] == "connectionLost"
    assert TARGET not in house.tables()
    assert house.kept_parts() == ["part-00001.parquet"]
    assert house.transactions()[-1]["status"] == "failed"
    # The next run loads everything, and takes away what the failed one could not.
    proxy.rules.clear()
    house.installation.write_settings(ETL_BQ_SECONDS="600")
    house.run_one(VIEW)
    same(loaded(house.target(TARGET)), oracle.rows(VIEW))
    house.is_tidy()


def test_bigquery_refuses_a_part(house: House, proxy: FaultProxy) -> None:
    proxy.rules.append(
        Rule(Fault.ANSWER, path="/upload/", times=0, status=403, reason="quotaExceeded")
    )
    house.installation.write_settings(BIGQUERY_EMULATOR_HOST=proxy.host)
    message = house.fails(VIEW, 6, "quotaExceeded")
    assert "part-00001.parquet" in message
    assert house.kept_parts() == ["part-00001.parquet"]
    assert TARGET not in house.tables()


def test_bigquery_refuses_the_commit(house: House, proxy: FaultProxy) -> None:
    house.run_one(SMALL)
    before = house.target(SMALL.lower())
    proxy.rules.append(
        Rule(
            Fault.ANSWER,
            method="POST",
            path="/jobs",
            body='"copy"',
            times=0,
            status=403,
            reason="accessDenied",
        )
    )
    house.installation.write_settings(BIGQUERY_EMULATOR_HOST=proxy.host)
    message = house.fails(SMALL, 6, "accessDenied")
    assert "committing into" in message
    assert house.target(SMALL.lower()) == before
    assert house.status(SMALL)["state"] == "succeeded"


# The configuration database


def catalog_error(done: subprocess.CompletedProcess[str], code: str) -> str:
    assert done.returncode == 7, f"{done.returncode} {done.stdout} {done.stderr}"
    error = json.loads(done.stdout)["error"]
    assert (error["code"], "Traceback" in done.stderr) == (code, False)
    return str(error["message"])


def test_a_database_that_is_none(house: House) -> None:
    house.installation.database.write_bytes(b"This is a shopping list." * 400)
    message = catalog_error(house.etl("run", SMALL, "--json"), "catalog-unreachable")
    assert "not a database" in message


def test_a_database_server_that_is_away(house: House) -> None:
    pytest.importorskip("psycopg")
    house.installation.write_settings(
        ETL_DATABASE_URL=f"postgres://etl:sehr-geheim@127.0.0.1:{closed_port()}/etl"
    )
    done = house.etl("run", SMALL, "--json")
    catalog_error(done, "catalog-unreachable")
    assert "sehr-geheim" not in done.stdout + done.stderr
    assert b"sehr-geheim" not in house.text_everywhere()


def test_a_folder_of_the_database_that_may_only_be_read(house: House) -> None:
    folder = house.folder / "locked"
    folder.mkdir()
    database = shutil.copyfile(house.installation.database, folder / "etl.db")
    house.installation.write_settings(ETL_DATABASE_URL=f"sqlite:///{database}")
    database.chmod(0o400)
    folder.chmod(0o500)
    try:
        if os.access(database, os.W_OK):
            pytest.skip("this account may write whatever it may read: nothing to prove")
        catalog_error(house.etl("run", SMALL, "--json"), "catalog-unreachable")
    finally:
        folder.chmod(0o700)
