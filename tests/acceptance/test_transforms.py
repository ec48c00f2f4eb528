"""The functions that DataFrame mode hands each batch to, and those that it refuses."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.acceptance.conftest import NewHouse
from tests.acceptance.house import House
from tests.acceptance.oracle import Oracle
from tests.sandbox.demo import STORE

VIEW = "TRANSFORMED"


@pytest.fixture(scope="module")
def house(oracle: Oracle, new_house: NewHouse) -> House:
    columns = {"ID": "NUMBER(5)", "AMOUNT": "NUMBER(20,2)", "NOTE": "VARCHAR2(30)", "DAY": "DATE"}
    oracle.table(
        VIEW,
        columns,
        "1, 1.10, 'groß ฿', DATE '2026-01-01'",
        "2, 123456789012345678.99, NULL, NULL",
    )
    made = new_house(ETL_TRANSFORMS="tests.acceptance.transforms")
    made.add({"view": f"ERP.{VIEW}", "write_disposition": "replace"}, store=STORE)
    return made


def test_each_batch_goes_through_the_transform(house: House) -> None:
    house.change(VIEW, transform="shout")
    house.run_one(VIEW)
    rows = {row["id"]: (row["amount"], row["note"]) for row in house.target("transformed")}
    assert rows == {1: (Decimal("1.10"), "GROẞ ฿"), 2: (Decimal("123456789012345678.99"), None)}


@pytest.mark.parametrize(
    ("name", "exit_code", "code", "told"),
    [
        ("forget", 4, "transform-mismatch", "columns ['id', 'amount', 'day']"),
        ("float_money", 4, "transform-mismatch", "amount: double instead of decimal128(38, 9)"),
        ("sieve", 5, "counts-disagree", "given 2 rows and returned 1"),
        ("stumble", 5, "transform-failed", "ValueError: no such rate"),
        ("whisper", 2, "unknown-transform", "shout"),
    ],
)
def test_a_transform_that_may_not_be_is_refused(
    house: House, name: str, exit_code: int, code: str, told: str
) -> None:
    house.change(VIEW, transform=name)
    assert told in house.fails(VIEW, exit_code, code)


def test_csv_mode_does_not_pass_a_transform_by(house: House) -> None:
    house.change(VIEW, transform="shout")
    message = house.fails(VIEW, 2, "invalid-request", "--mode", "csv")
    assert "shout runs in DataFrame mode only" in message


def test_the_plan_names_an_unknown_transform(house: House) -> None:
    house.change(VIEW, transform="whisper")
    done = house.etl("plan", VIEW)
    assert done.returncode == 2
    assert "unknown-transform" in done.stdout
