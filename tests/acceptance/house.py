"""One installation with a BigQuery dataset of its own, and doors to look behind both sides."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.installation import Installation

if TYPE_CHECKING:
    from google.cloud import bigquery

KEPT = ("data_source", "etl_transaction", "log_error")


class House:
    """What a test lives in: the product's command line, its database, its dataset.

    `settings` are added to the installation's `.env`.
    """

    def __init__(
        self,
        template: House | None,
        folder: Path,
        dataset: str,
        client: bigquery.Client,
        settings: Mapping[str, str],
    ) -> None:
        self.dataset = dataset
        self.client = client
        self.settings = {**(template.settings if template else {}), **settings}
        self.installation = Installation(folder, {}, self.settings)
        if template:
            shutil.copyfile(template.installation.database, self.installation.database)
            self.sql("UPDATE data_source SET dataset = ?", dataset)

    @property
    def folder(self) -> Path:
        return self.installation.folder

    def etl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.installation.etl(*arguments)

    def run(self, *arguments: str, exit_code: int = 0) -> dict[str, dict[str, Any]]:
        """`run ... --json`, which must end with `exit_code`: the outcomes by view, without owner."""
        done = self.etl("run", *arguments, "--json")
        assert done.returncode == exit_code, f"{done.returncode}: {done.stdout}\n{done.stderr}"
        runs = json.loads(done.stdout)["runs"]
        return {run["view"].partition(".")[2]: run for run in runs}

    def run_one(self, view: str, *arguments: str, exit_code: int = 0) -> dict[str, Any]:
        """The outcome of `run VIEW`."""
        (run,) = self.run(view, *arguments, exit_code=exit_code).values()
        return run

    def fails(self, view: str, exit_code: int, code: str, *arguments: str) -> str:
        """Run a view that must fail so; returns the message, after checking the record."""
        before = self.changes()
        outcome = self.run_one(view, *arguments, exit_code=exit_code)
        error = outcome["error"]
        assert (outcome["status"], error["code"]) == ("failed", code), error
        assert error["message"] and error["action"]
        run = self.transactions()[-1]
        assert (run["status"], run["error_code"], run["run_id"]) == (
            "failed",
            code,
            outcome["run_id"],
        )
        assert run["ended_at"] is not None
        logged = self.rows("log_error")[-1]
        assert (logged["code"], logged["message"], logged["step"]) == (
            code,
            error["message"],
            error["step"],
        )
        assert logged["transaction_id"] == run["id"]
        assert self.changes() == before
        self.is_tidy()
        return str(error["message"])

    def changes(self) -> dict[str, object]:
        """What a failed run must leave alone: targets with their rows, and watermarks."""
        tables = {
            table.table_id: self.client.get_table(table.reference).num_rows
            for table in self._tables()
            if table.table_id != "etl_load_status"
        }
        marks = {row["view"]: row["watermark"] for row in self.rows("data_source")}
        succeeded = sum(row["status"] == "succeeded" for row in self.rows("etl_transaction"))
        return {"tables": tables, "watermarks": marks, "succeeded": succeeded}

    def is_tidy(self) -> None:
        """No staging table and no work folder is left."""
        assert [name for name in self.tables() if "__stg_" in name] == []
        work = self.folder / "var" / "work"
        assert not work.exists() or list(work.iterdir()) == []

    def kept_parts(self) -> list[str]:
        """The names of the parts that failed runs have left for inspection."""
        return sorted(path.name for path in (self.folder / "var" / "errors").rglob("part-*"))

    def text_everywhere(self) -> bytes:
        """Everything that the installation has written, but for its settings."""
        files = (path for path in self.folder.rglob("*") if path.is_file() and path.name != ".env")
        return b"\n".join(path.read_bytes() for path in files)

    # The configuration database

    def add(self, *sources: Mapping[str, object], store: str) -> None:
        """Add data sources through the command of the site, which validates them."""
        rows = [{"store": store, "dataset": self.dataset, **source} for source in sources]
        self.installation.configure([], rows)

    def change(self, view: str, **values: object) -> None:
        """Change columns of a data source, as a person with DB Browser would."""
        sets = ", ".join(f'"{name}" = ?' for name in values)
        self.sql(
            f"UPDATE data_source SET {sets} WHERE view = ?",
            *map(_stored, values.values()),
            f"ERP.{view}",
        )

    def change_store(self, **values: object) -> None:
        """Change columns of every data store."""
        sets = ", ".join(f'"{name}" = ?' for name in values)
        self.sql(f"UPDATE data_store SET {sets}", *values.values())

    def sql(self, statement: str, *values: object) -> None:
        with closing(sqlite3.connect(self.installation.database)) as connection, connection:
            connection.execute(statement, values)

    def rows(self, table: str) -> list[dict[str, Any]]:
        return self.installation.rows(table)

    def transactions(self) -> list[dict[str, Any]]:
        return self.rows("etl_transaction")

    def source(self, view: str) -> dict[str, Any]:
        (row,) = (row for row in self.rows("data_source") if row["view"] == f"ERP.{view}")
        return row

    def watermark(self, view: str) -> str:
        return str(self.source(view)["watermark"])

    # BigQuery

    def query(self, sql: str) -> list[dict[str, Any]]:
        """The answer of a SELECT; {dataset} stands for the dataset."""
        text = sql.format(dataset=f"`{self.client.project}.{self.dataset}`")
        return [dict(row.items()) for row in self.client.query(text).result()]

    def target(self, table: str) -> list[dict[str, Any]]:
        """All rows of a table, by column name as BigQuery has it."""
        return self.query(f"SELECT * FROM {{dataset}}.`{table}`")

    def table(self, name: str) -> bigquery.Table:
        return self.client.get_table(f"{self.client.project}.{self.dataset}.{name}")

    def tables(self) -> list[str]:
        """The names of all tables and views of the dataset."""
        return sorted(table.table_id for table in self._tables())

    def _tables(self) -> Iterable[bigquery.table.TableListItem]:
        from google.api_core.exceptions import NotFound

        try:
            return list(self.client.list_tables(f"{self.client.project}.{self.dataset}"))
        except NotFound:
            return []

    def status(self, view: str) -> dict[str, Any]:
        """The row of a view in `etl_load_status`."""
        (row,) = (row for row in self.target("etl_load_status") if row["view"] == f"ERP.{view}")
        return row


def _stored(value: object) -> object:
    """A value as Django writes it into SQLite."""
    if isinstance(value, timedelta):
        return value // timedelta(microseconds=1)
    if isinstance(value, Mapping) or (isinstance(value, Sequence) and not isinstance(value, str)):
        return json.dumps(value, ensure_ascii=False)
    return value
