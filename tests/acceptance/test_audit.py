"""What an auditor tried: each of these once lost, doubled or hid figures without a word."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tests.acceptance.conftest import NewHouse
from tests.acceptance.house import House
from tests.acceptance.oracle import Oracle
from tests.sandbox.demo import STORE

COLUMNS = {"ID": "NUMBER(10)", "AMOUNT": "NUMBER(12,2)", "CHANGED": "DATE"}
MERGE = {"write_disposition": "merge", "key_columns": ["ID"]}
JUST_NOW = "SYSDATE - 1 / 86400"
Amounts = Counter[tuple[int, Decimal]]
_numbers = itertools.count(1)


class Books:
    """One Oracle table and a house that loads it into `books`."""

    def __init__(self, oracle: Oracle, house: House, name: str) -> None:
        self.oracle, self.house, self.name = oracle, house, name

    def change(self, statement: str) -> None:
        """Run an Oracle statement; {books} is the table."""
        self.oracle.execute(statement.format(books=f"ERP.{self.name}"))

    def run(self, *arguments: str) -> list[str]:
        """Load it; returns the warnings."""
        return list(self.house.run_one(self.name, *arguments)["warnings"])

    def refused(self, code: str, *arguments: str, exit_code: int = 2) -> str:
        return self.house.fails(self.name, exit_code, code, *arguments)

    def configure(self, **values: object) -> None:
        self.house.change(self.name, **values)

    def watermark(self, *arguments: str) -> None:
        assert self.house.etl("watermark", self.name, *arguments).returncode == 0

    def amounts(self) -> Amounts:
        rows = self.house.query("SELECT id, amount FROM {dataset}.books")
        return Counter((int(row["id"]), Decimal(row["amount"])) for row in rows)


OpenBooks = Callable[..., Books]


@pytest.fixture
def open_books(oracle: Oracle, new_house: NewHouse) -> OpenBooks:
    """`open_books(*rows, **source)`: a table with these rows, and a house that knows it."""

    def make(*rows: str, **source: object) -> Books:
        name = f"AUDITED_{next(_numbers)}"
        oracle.table(name, COLUMNS, *rows)
        house = new_house()
        house.sql("DELETE FROM data_source")
        values = {"incremental_column": "CHANGED", "target": "books", **source}
        house.add({"view": f"ERP.{name}", **values}, store=STORE)
        return Books(oracle, house, name)

    return make


def some(*pairs: tuple[int, str]) -> Amounts:
    return Counter((number, Decimal(amount)) for number, amount in pairs)


def test_an_increment_does_not_begin_a_new_target(open_books: OpenBooks) -> None:
    """Somebody dropped the table: the rows before the watermark would be missing."""
    books = open_books("1, 1.25, SYSDATE - 2", **MERGE)
    books.run()
    books.house.client.delete_table(books.house.table("books"))
    books.change(f"INSERT INTO {{books}} VALUES (2, 2.25, {JUST_NOW})")
    books.refused("target-missing")
    books.refused("target-missing", "--from", "2026-01-01", "--to", "2026-02-01")
    books.run("--full")
    assert books.amounts() == some((1, "1.25"), (2, "2.25"))


def test_an_emptied_target_is_told_of(open_books: OpenBooks) -> None:
    books = open_books("1, 1.25, SYSDATE - 2", **MERGE)
    books.run()
    books.house.query("TRUNCATE TABLE {dataset}.books")
    assert any("The target is empty" in warning for warning in books.run())


@pytest.mark.parametrize("first_load_date", [None, "2020-01-01"])
def test_a_log_that_becomes_a_merge_is_made_whole_first(
    open_books: OpenBooks, first_load_date: str | None
) -> None:
    """Both versions of row 1 would be updated to the same amount, and counted twice."""
    books = open_books(
        "1, 1.25, SYSDATE - 2",
        "2, 2.25, SYSDATE - 2",
        write_disposition="append",
        first_load_date=first_load_date,
    )
    books.run()
    after = datetime.now(UTC) - timedelta(days=1, hours=6)
    books.watermark("--set", after.strftime("%Y-%m-%dT%H:%M:%S"))
    books.change("UPDATE {books} SET AMOUNT = 5, CHANGED = SYSDATE - 1 WHERE ID = 1")
    books.run()
    assert books.amounts() == some((1, "1.25"), (1, "5"), (2, "2.25"))
    books.change("DELETE FROM {books} WHERE ID = 2")
    books.configure(**MERGE)
    books.refused("watermark-scope")
    books.run("--full")
    assert books.amounts() == some((1, "5"))


def test_an_earlier_first_load_date_is_not_passed_over(open_books: OpenBooks) -> None:
    books = open_books(
        "1, 1.25, DATE '2024-05-05'", "2, 2, SYSDATE - 2", first_load_date="2025-01-01", **MERGE
    )
    books.run()
    books.configure(first_load_date="2024-01-01")
    books.refused("watermark-scope")
    books.run("--full")
    assert books.amounts() == some((1, "1.25"), (2, "2"))


def test_two_rows_of_one_old_version_are_not_one(open_books: OpenBooks) -> None:
    books = open_books(
        "1, 1.25, DATE '2026-01-01'",
        "1, 2.25, DATE '2026-01-01'",
        "1, 3, DATE '2026-02-01'",
        write_disposition="append",
        key_columns=["ID"],
    )
    assert "ID = 1" in books.refused("duplicate-keys", exit_code=5).upper()


def test_a_row_changed_within_the_safety_lag_does_not_vanish(open_books: OpenBooks) -> None:
    books = open_books(
        "1, 1.25, SYSDATE - 2",
        "2, 2.25, SYSDATE - 1.5",
        write_disposition="replace_window",
        key_columns=["ID"],
        overlap="3 00:00:00",
        safety_lag="01:00:00",
    )
    books.run()
    books.change("UPDATE {books} SET AMOUNT = 5, CHANGED = SYSDATE - 1 / 48 WHERE ID = 2")
    books.run()
    assert books.amounts() == some((1, "1.25"), (2, "5"))


def test_a_watermark_in_the_future_is_refused_and_a_full_load_corrects_it(
    open_books: OpenBooks,
) -> None:
    """Rows that are stamped before it would never load."""
    books = open_books("1, 1.25, SYSDATE - 2", overlap="00:01:00", **MERGE)
    books.run()
    books.watermark("--set", "2099-01-01")
    books.change(f"INSERT INTO {{books}} VALUES (2, 2.25, {JUST_NOW})")
    books.refused("watermark-ahead")
    books.run("--full")
    assert books.house.watermark(books.name) < "2099"
    books.change(f"INSERT INTO {{books}} VALUES (3, 3.25, {JUST_NOW})")
    books.run()
    assert {number for number, _ in books.amounts()} == {1, 2, 3}


def test_rows_that_no_load_takes_are_not_promised_to_one(open_books: OpenBooks) -> None:
    books = open_books("1, 1.25, SYSDATE - 2", "2, 2, NULL", first_load_date="2020-01-01", **MERGE)
    assert "1 rows have no changed; no load takes them." in books.run()


@pytest.mark.parametrize("scheme", ["postgres", "nonsense"])
def test_a_database_address_that_cannot_be_read_is_not_repeated(
    open_books: OpenBooks, scheme: str
) -> None:
    """Exit code of a wrong setting, and no word of the password in it."""
    books = open_books(**MERGE)
    address = f"{scheme}://etl:pass#phrase@server/etl"
    books.house.installation.write_settings(ETL_DATABASE_URL=address)
    done = books.house.etl("list")
    assert done.returncode == 2
    assert "ETL_DATABASE_URL" in done.stderr
    assert "Traceback" not in done.stderr
    assert "pass" not in done.stderr.replace("password", "")


def test_a_log_takes_no_row_twice_when_its_watermark_was_set_back(open_books: OpenBooks) -> None:
    """Or when an older copy of the database was restored, or a backfill went past it."""
    books = open_books("1, 1.25, SYSDATE - 9", write_disposition="append")
    books.run()
    books.watermark("--set", "2026-01-01")
    books.refused("window-not-empty")
    assert books.amounts() == some((1, "1.25"))
    books.run("--full")
    assert books.amounts() == some((1, "1.25"))
    books.run()
    assert books.amounts() == some((1, "1.25"))
