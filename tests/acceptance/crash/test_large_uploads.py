"""Parts above 5 MiB go up in a session of several requests, which break one by one."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from datetime import datetime

import pyarrow as pa
import pytest

from tests.acceptance.crash.world import STORE, World
from tests.acceptance.crash.world import world as new_world
from tests.installation import store_row
from tests.sandbox.bigquery.proxy import Fault, Rule
from tests.sandbox.dataset import columns as c
from tests.sandbox.dataset.base import OWNER
from tests.sandbox.dataset.build import grant_reading

ROWS, LETTERS = 3_600, 2_000
FAULTS = {
    "session's answer lost": Rule(Fault.DROP_ANSWER, "POST", "/upload/"),
    "bytes cut": Rule(Fault.RESET_UPLOAD, "PUT", "/upload/"),
    "bytes cut twice": Rule(Fault.RESET_UPLOAD, "PUT", "/upload/", times=2),
    "bytes lost": Rule(Fault.DROP_REQUEST, "PUT", "/upload/"),
    "last answer lost": Rule(Fault.DROP_ANSWER, "PUT", "/upload/"),
    "503": Rule(Fault.ANSWER, "PUT", "/upload/", status=503),
    "429": Rule(Fault.ANSWER, "PUT", "/upload/", status=429, reason="rateLimitExceeded"),
    "403 rate limit": Rule(Fault.ANSWER, "PUT", "/upload/", status=403, reason="rateLimitExceeded"),
    "session gone": Rule(Fault.ANSWER, "PUT", "/upload/", status=410, reason="invalid"),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A view that makes one part of some 7 MiB."""
    with new_world(tmp_path_factory.mktemp("world")) as running:
        letters = random.Random(1)
        alphabet = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
        rows = pa.table(
            {
                "ID": range(ROWS),
                "TEXT": ["".join(letters.choices(alphabet, k=LETTERS)) for _ in range(ROWS)],
                "CHANGED": [datetime(2026, 1, 1, 12)] * ROWS,  # noqa: DTZ001
            }
        )
        columns = (c.number("ID", 10), c.varchar("TEXT", 4000), c.date("CHANGED"))
        running.sandbox.database.create_table(OWNER, "WIDE", columns, rows)
        grant_reading(running.sandbox.database, "WIDE")
        env = running.sandbox.env()
        source = {
            "view": f"{OWNER}.WIDE",
            "store": STORE,
            "dataset": "books",
            "load_mode": "csv",
            "write_disposition": "replace",
            "incremental_column": "CHANGED",
        }
        password = {STORE: env["SANDBOX_ORACLE_PASSWORD"]}
        running.installation.configure([store_row(STORE, env)], [source], password)
        yield running


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_session_loads_every_row_once(
    world: World, fault: str, tally: Counter[str]
) -> None:
    rule = FAULTS[fault]
    world.proxy.rules.append(rule)
    done = world.run(f"{OWNER}.WIDE")
    assert done.code == 0, done
    assert rule.fired == rule.times
    assert world.proxy.requests("PUT", "/upload/"), "the part was too small for a session"
    assert world.query("SELECT COUNT(*), COUNT(DISTINCT id), SUM(LENGTH(text)) FROM `{}.wide`") == [
        (ROWS, ROWS, ROWS * LETTERS)
    ]
    assert world.leftovers() == []
    tally["faults of BigQuery's wire"] += 1
