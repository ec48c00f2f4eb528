"""The door to BigQuery against the emulator: load, commit, settle, and what may go wrong.

What the emulator does not check (CSV flags, the limit on bytes) is in tests/unit/test_load.py.
"""

# ruff: noqa: DTZ001  BigQuery's DATETIME has no zone, so its Python value has none either.

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.cloud import bigquery

from etl_oracle_to_bq import load
from etl_oracle_to_bq.errors import (
    Busy,
    ConfigError,
    DestinationError,
    DestinationUnavailable,
    EtlError,
    StageError,
)
from etl_oracle_to_bq.model import (
    Clock,
    CommitMethod,
    Field,
    LoadMode,
    LoadType,
    Moment,
    OracleColumn,
    PartitionType,
    Plan,
    PlannedColumn,
    Query,
    Table,
    Window,
    WriteDisposition,
)
from tests.sandbox.bigquery.launcher import BigQueryEmulator
from tests.sandbox.bigquery.proxy import Fault, FaultProxy, Rule
from tests.waiting import HANG_SECONDS, SHORT_SECONDS

IMPORTED = datetime(2024, 6, 1, tzinfo=UTC)
LABELS = {"managed_by": "oracle_to_bq", "etl_source": "7-orders"}
FIELDS = (
    Field("id", "INT64"),
    Field("amount", "NUMERIC"),
    Field("changed", "DATETIME"),
    Field("ImportedAt", "TIMESTAMP"),
)
ARROW = pa.schema(
    [
        ("id", pa.int64()),
        ("amount", pa.decimal128(38, 9)),
        ("changed", pa.timestamp("us")),
        ("ImportedAt", pa.timestamp("us", "UTC")),
    ]
)
_numbers = itertools.count(1)


def day(number: int, hour: int = 0) -> datetime:
    return datetime(2024, 1, number, hour)


@pytest.fixture(scope="module")
def emulator() -> Iterator[BigQueryEmulator]:
    with BigQueryEmulator() as running:
        yield running


@pytest.fixture(scope="module")
def warehouse(emulator: BigQueryEmulator) -> Iterator[load.Warehouse]:
    with load.Warehouse(settings_for(emulator.host)) as opened:
        yield opened


@pytest.fixture
def dataset(warehouse: load.Warehouse) -> str:
    name = f"sales_{next(_numbers)}"
    warehouse._client.create_dataset(name)
    return name


def settings_for(host: str) -> load.WarehouseSettings:
    return load.WarehouseSettings(
        BigQueryEmulator.project,
        "US",
        host,
        request_seconds=HANG_SECONDS,
        job_seconds=HANG_SECONDS,
    )


def target_in(dataset: str, **changes: object) -> Table:
    made = Table(dataset, "orders", FIELDS, labels=LABELS)
    return replace(made, **changes)  # type: ignore[arg-type]


PARTITIONED = {
    "partition_column": "changed",
    "partition_type": PartitionType.DAY,
    "cluster_columns": ("id",),
}


def plan_of(target: Table, commit: CommitMethod, **changes: object) -> Plan:
    columns = tuple(
        PlannedColumn(field.name, OracleColumn(field.name.upper(), "X"), "", field.type)
        for field in target.fields
        if field.name != "ImportedAt"
    )
    made = Plan(
        view="ERP.ORDERS",
        load_type=LoadType.INCREMENTAL,
        load_mode=LoadMode.DATAFRAME,
        disposition=WriteDisposition.MERGE,
        commit=commit,
        window=Window("CHANGED", Clock.DATE, day(2), day(4)),
        moment=Moment(day(9), day(9)),
        columns=columns,
        query=Query("", {}),
        probe=Query("", {}),
        target=target,
        creates_target=False,
        additions=(),
        keys=("id",),
        incremental="changed",
        watermark=None,
        batch_size=1,
        transform="",
        imported_at=IMPORTED,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


Row = tuple[int | None, str, datetime | None]


@dataclass
class Bench:
    """One target, and what a test does with it."""

    warehouse: load.Warehouse
    target: Table
    folder: Path

    def part(self, rows: list[Row]) -> Path:
        path = self.folder / f"part{next(_numbers)}.parquet"
        columns = [[row[n] for row in rows] for n in range(3)]
        columns[1] = [Decimal(text).quantize(Decimal("1.000000000")) for text in columns[1]]
        data = [*columns, [IMPORTED] * len(rows)]
        arrays = [pa.array(c, f.type) for c, f in zip(data, ARROW, strict=True)]
        pq.write_table(pa.Table.from_arrays(arrays, schema=ARROW), path)
        return path

    def staged(self, run: str, rows: list[Row]) -> Table:
        staging = self.warehouse.create_staging(self.target, run)
        name = load.job_id(f"{self.target.dataset}{run}", "part")
        self.warehouse.load_part(staging, self.part(rows), LoadMode.DATAFRAME, name)
        return staging

    def committed(
        self, run: str, rows: list[Row], method: CommitMethod, **changes: object
    ) -> load.Committed:
        staging = self.staged(run, rows)
        done = self.warehouse.commit(plan_of(self.target, method, **changes), staging, run)
        self.warehouse.drop_staging(staging)
        return done

    def rows(self) -> list[Row]:
        text = (
            f"SELECT id, amount, changed FROM {self.target.path}"
            f" WHERE changed IS NULL OR changed IS NOT NULL"
        )
        found = self.warehouse._jobs.rows(text, "reading")
        return sorted(
            ((row["id"], str(int(row["amount"])), row["changed"]) for row in found),
            key=lambda row: (row[0] or 0, row[2] or day(1), row[1]),
        )


@pytest.fixture(params=["plain", "partitioned", "filtered"])
def bench(
    request: pytest.FixtureRequest, warehouse: load.Warehouse, dataset: str, tmp_path: Path
) -> Bench:
    """The same story on a plain table, a partitioned one, and one that demands a filter."""
    changes = {
        "plain": {},
        "partitioned": PARTITIONED,
        "filtered": {**PARTITIONED, "require_partition_filter": True},
    }[request.param]
    target = target_in(dataset, **changes)
    warehouse.create_target(target, "Loaded from Oracle view ERP.ORDERS")
    return Bench(warehouse, target, tmp_path)


@pytest.fixture
def plain(warehouse: load.Warehouse, dataset: str, tmp_path: Path) -> Bench:
    target = target_in(dataset)
    warehouse.create_target(target, "Loaded from Oracle view ERP.ORDERS")
    return Bench(warehouse, target, tmp_path)


class TestTables:
    def test_a_target_reads_back_as_it_was_made(self, bench: Bench) -> None:
        found = bench.warehouse.describe(bench.target.dataset, bench.target.name)
        assert found is not None
        assert replace(found, rows=None) == bench.target
        assert found.rows == 0

    def test_making_it_again_after_a_lost_answer_is_fine(self, bench: Bench) -> None:
        bench.warehouse.create_target(bench.target, "again")

    def test_another_programs_table_is_in_the_way(
        self, warehouse: load.Warehouse, dataset: str
    ) -> None:
        warehouse.create_target(target_in(dataset, labels={}), "by hand")
        with pytest.raises(DestinationError) as caught:
            warehouse.create_target(target_in(dataset), "ours")
        assert caught.value.code == "duplicate"

    def test_what_is_not_there(self, warehouse: load.Warehouse, dataset: str) -> None:
        assert warehouse.describe(dataset, "nothing") is None
        assert warehouse.describe("no_such_dataset", "nothing") is None
        assert warehouse.dataset_exists(dataset)
        assert not warehouse.dataset_exists("no_such_dataset")

    def test_a_dataset_is_created_where_jobs_run(self, warehouse: load.Warehouse) -> None:
        name = f"made_{next(_numbers)}"
        warehouse.create_dataset(name)
        warehouse.create_dataset(name)
        assert warehouse._client.get_dataset(name).location == "US"

    def test_a_dataset_elsewhere_is_told_before_a_job_fails(
        self, emulator: BigQueryEmulator, warehouse: load.Warehouse
    ) -> None:
        away = bigquery.Dataset(f"{emulator.project}.in_europe")
        away.location = "EU"
        warehouse._client.create_dataset(away)
        with pytest.raises(DestinationError, match="is in EU, but jobs run in US"):
            warehouse.dataset_exists("in_europe")

    def test_columns_are_added_once_and_hold_null(self, plain: Bench) -> None:
        plain.committed("a", [(1, "1", day(1))], CommitMethod.COPY_APPEND)
        added = [Field("note", "STRING"), Field("rate", "BIGNUMERIC")]
        plain.warehouse.add_columns(plain.target, added)
        plain.warehouse.add_columns(plain.target, added)
        found = plain.warehouse.describe(plain.target.dataset, "orders")
        assert found is not None
        assert found.fields == (*FIELDS, *added)
        assert plain.rows() == [(1, "1", day(1))]

    def test_the_project_is_checked_by_asking_it(self, warehouse: load.Warehouse) -> None:
        identity = warehouse.check()
        assert (identity.project, identity.location) == (BigQueryEmulator.project, "US")


class TestStaging:
    def test_it_is_like_the_target_but_can_be_counted_and_expires(self, bench: Bench) -> None:
        staging = bench.warehouse.create_staging(bench.target, "run1", 2)
        assert staging.name == "orders__stg_run1_2"
        live = bench.warehouse._client.get_table(staging.path)
        soon = timedelta(hours=23)
        assert live.expires is not None
        assert soon < live.expires - datetime.now(UTC) <= timedelta(hours=24)
        assert not live.require_partition_filter
        found = bench.warehouse.describe(staging.dataset, staging.name)
        assert found == staging

    def test_leftovers_are_found_by_source_and_dropped_by_run(self, plain: Bench) -> None:
        warehouse, dataset = plain.warehouse, plain.target.dataset
        warehouse.create_staging(plain.target, "run1")
        warehouse.create_staging(plain.target, "run2")
        assert {left.run_id for left in warehouse.leftovers(dataset, "7-orders")} == {
            "run1",
            "run2",
        }
        assert warehouse.leftovers(dataset, "8-others") == ()
        warehouse.drop_staging_of(dataset, "run1")
        assert [left.run_id for left in warehouse.leftovers(dataset, "7-orders")] == ["run2"]
        assert warehouse.describe(dataset, "orders") is not None

    def test_dropping_what_is_gone_is_fine(self, plain: Bench) -> None:
        staging = plain.warehouse.create_staging(plain.target, "run1")
        plain.warehouse.drop_staging(staging)
        plain.warehouse.drop_staging(staging)


class TestLoad:
    def test_csv_and_parquet_give_the_same_table(
        self, warehouse: load.Warehouse, dataset: str, tmp_path: Path
    ) -> None:
        fields = (
            Field("whole", "INT64"), Field("exact", "NUMERIC"), Field("wide", "BIGNUMERIC"),
            Field("ratio", "FLOAT64"), Field("text", "STRING"), Field("raw", "BYTES"),
            Field("day", "DATE"), Field("at", "DATETIME"), Field("ts", "TIMESTAMP"),
            Field("flag", "BOOL"),
        )  # fmt: skip
        csv = (
            '"flag","text","raw","whole","exact","wide","ratio","day","at","ts"\n'
            'true,"ก ""q"", line\nbreak 🎉","AP8=",-9223372036854775808,'
            "99999999999999999999999999999.123456789,1234567890123456789.01,0.1,"
            "0001-01-01,9999-12-31 23:59:59.999999,2024-01-01 00:00:00.5+00:00\n"
            'false,"\\N",,,,,,,,\n'
            ",,,,,,,,,\n"
        )
        (tmp_path / "part.csv").write_text(csv, encoding="utf-8", newline="")
        arrow = pa.table(
            {
                "text": pa.array(['ก "q", line\nbreak 🎉', "\\N", None], pa.large_string()),
                "whole": pa.array([-(2**63), None, None], pa.int64()),
                "exact": pa.array(
                    [Decimal("9" * 29 + ".123456789"), None, None], pa.decimal128(38, 9)
                ),
                "wide": pa.array(
                    [Decimal("1234567890123456789.01"), None, None], pa.decimal256(76, 38)
                ),
                "ratio": pa.array([0.1, None, None], pa.float64()),
                "raw": pa.array([b"\x00\xff", None, None], pa.large_binary()),
                "day": pa.array([datetime(1, 1, 1).date(), None, None], pa.date32()),
                "at": pa.array(
                    [datetime(9999, 12, 31, 23, 59, 59, 999999), None, None], pa.timestamp("us")
                ),
                "ts": pa.array(
                    [datetime(2024, 1, 1, 0, 0, 0, 500000, UTC), None, None],
                    pa.timestamp("us", "UTC"),
                ),
                "flag": pa.array([True, False, None], pa.bool_()),
            }
        )
        pq.write_table(arrow, tmp_path / "part.parquet")
        answers = []
        for mode, name in ((LoadMode.CSV, "part.csv"), (LoadMode.DATAFRAME, "part.parquet")):
            table = Table(dataset, f"t_{mode}", fields, labels=LABELS)
            staging = warehouse.create_staging(table, "r")
            loaded = warehouse.load_part(staging, tmp_path / name, mode, f"{dataset}_{mode}")
            assert (loaded.rows, loaded.warnings) == (3, ())
            found = warehouse._jobs.rows(f"SELECT * FROM {staging.path} ORDER BY flag DESC", "x")
            answers.append([dict(row) for row in found])
        assert answers[0] == answers[1]
        assert answers[0][0]["exact"] == Decimal("9" * 29 + ".123456789")
        assert answers[0][0]["raw"] == b"\x00\xff"

    def test_the_same_job_id_loads_once(self, plain: Bench) -> None:
        staging = plain.warehouse.create_staging(plain.target, "r")
        part = plain.part([(1, "1", day(1)), (2, "2", day(1))])
        first = plain.warehouse.load_part(staging, part, LoadMode.DATAFRAME, f"{staging.dataset}_1")
        again = plain.warehouse.load_part(staging, part, LoadMode.DATAFRAME, f"{staging.dataset}_1")
        assert first.rows == again.rows == 2
        assert plain.warehouse.staged_rows(staging) == 2

    def test_a_part_that_is_larger_than_one_request_is_loaded(self, plain: Bench) -> None:
        staging = plain.warehouse.create_staging(plain.target, "r")
        path = plain.folder / "large.csv"
        line = f"1,1.5,2024-01-01 00:00:00,2024-01-01 00:00:00+00:00{' ' * 60}\n"
        path.write_text(
            '"id","amount","changed","ImportedAt"\n' + line.replace(" " * 60, "") * 120_000
        )
        assert path.stat().st_size > 5 * 2**20
        loaded = plain.warehouse.load_part(staging, path, LoadMode.CSV, f"{staging.dataset}_1")
        assert loaded.rows == plain.warehouse.staged_rows(staging) == 120_000

    def test_parts_are_loaded_from_threads(self, plain: Bench) -> None:
        staging = plain.warehouse.create_staging(plain.target, "r")
        parts = [plain.part([(n, "1", day(1))]) for n in range(6)]
        with ThreadPoolExecutor(3) as pool:
            loads = [
                pool.submit(
                    plain.warehouse.load_part,
                    staging,
                    part,
                    LoadMode.DATAFRAME,
                    f"{staging.dataset}_{n}",
                )
                for n, part in enumerate(parts)
            ]
            assert [job.result().rows for job in loads] == [1] * 6
        assert plain.warehouse.staged_rows(staging) == 6

    def test_a_job_id_that_loaded_something_else_is_told(self, plain: Bench) -> None:
        staging = plain.warehouse.create_staging(plain.target, "r")
        other = plain.warehouse.create_staging(plain.target, "s")
        part, name = plain.part([(1, "1", day(1))]), f"{staging.dataset}_1"
        plain.warehouse.load_part(staging, part, LoadMode.DATAFRAME, name)
        with pytest.raises(DestinationError) as caught:
            plain.warehouse.load_part(other, part, LoadMode.DATAFRAME, name)
        assert caught.value.code == "duplicate"

    def test_a_row_that_does_not_fit_loads_nothing(self, plain: Bench) -> None:
        staging = plain.warehouse.create_staging(plain.target, "r")
        path = plain.folder / "bad.csv"
        path.write_text('"id","amount"\n1,2\nx,3\n', encoding="utf-8")
        with pytest.raises(DestinationError) as caught:
            plain.warehouse.load_part(staging, path, LoadMode.CSV, f"{staging.dataset}_1")
        assert not caught.value.transient
        assert staging.path in caught.value.message
        assert plain.warehouse.staged_rows(staging) == 0

    def test_a_staging_table_that_is_gone_is_told(self, plain: Bench) -> None:
        staging = replace(plain.target, name="gone")
        with pytest.raises(DestinationError) as caught:
            plain.warehouse.load_part(
                staging, plain.part([(1, "1", day(1))]), LoadMode.DATAFRAME, f"{staging.dataset}_1"
            )
        assert caught.value.code == "notFound"


class TestKeys:
    def test_keys_that_tell_rows_apart_pass(self, bench: Bench) -> None:
        staging = bench.staged("r", [(1, "1", day(1)), (1, "2", day(2)), (2, "1", None)])
        bench.warehouse.check_keys(staging, ("id",), "changed")

    def test_a_null_key_is_named(self, plain: Bench) -> None:
        staging = plain.staged("r", [(None, "1", day(1)), (2, "2", day(2))])
        with pytest.raises(StageError, match="id = None") as caught:
            plain.warehouse.check_keys(staging, ("id",), "changed")
        assert caught.value.code == "null-keys"

    def test_duplicates_of_the_newest_version_are_named_up_to_five(self, plain: Bench) -> None:
        rows: list[Row] = [(n % 7, "1", day(1)) for n in range(14)]
        staging = plain.staged("r", [*rows, (8, "1", day(1)), (8, "1", day(1)), (8, "2", day(2))])
        with pytest.raises(StageError) as caught:
            plain.warehouse.check_keys(staging, ("ID",), "changed")
        assert caught.value.code == "duplicate-keys"
        assert caught.value.message.count("id = ") == 5
        assert "id = 8" not in caught.value.message

    def test_only_the_newest_version_of_a_key_must_be_one_row(self, plain: Bench) -> None:
        old = plain.staged("a", [(8, "1", day(1)), (8, "1", day(1)), (8, "2", day(2))])
        plain.warehouse.check_keys(old, ("id",), "changed")
        new = plain.staged("b", [(8, "1", day(1)), (8, "2", day(2)), (8, "3", day(2))])
        with pytest.raises(StageError, match="id = 8"):
            plain.warehouse.check_keys(new, ("id",), "changed")

    def test_without_an_incremental_column_every_duplicate_counts(self, plain: Bench) -> None:
        staging = plain.staged("r", [(8, "1", day(1)), (8, "2", day(2))])
        with pytest.raises(StageError, match="id = 8"):
            plain.warehouse.check_keys(staging, ("id",), "")

    def test_bounds_count_partitions_as_bigquery_does(
        self, warehouse: load.Warehouse, dataset: str, tmp_path: Path
    ) -> None:
        target = target_in(dataset, **PARTITIONED)
        rows: list[Row] = [
            (1, "1", day(1)), (2, "1", day(1, 23)), (3, "1", day(2)), (4, "1", None),
            (5, "1", datetime(1900, 1, 1)), (6, "1", datetime(4712, 12, 31)),
        ]  # fmt: skip
        staging = Bench(warehouse, target, tmp_path).staged(dataset, rows)
        found = warehouse.bounds(staging, "changed")
        assert found == load.Bounds(datetime(1900, 1, 1), datetime(4712, 12, 31), 4)


class TestCommit:
    def test_append_adds_every_row(self, bench: Bench) -> None:
        for run in ("a", "b"):
            bench.committed(
                bench.target.dataset + run, [(1, "1", day(1))], CommitMethod.COPY_APPEND
            )
        assert bench.rows() == [(1, "1", day(1)), (1, "1", day(1))]

    def test_replace_leaves_only_the_staged_rows_and_keeps_the_table(self, bench: Bench) -> None:
        run = bench.target.dataset
        bench.committed(run + "a", [(1, "1", day(1)), (2, "2", day(2))], CommitMethod.COPY_REPLACE)
        bench.committed(run + "b", [(3, "3", day(3))], CommitMethod.COPY_REPLACE)
        bench.warehouse.ensure_ownership(bench.target)
        assert bench.rows() == [(3, "3", day(3))]
        found = bench.warehouse.describe(bench.target.dataset, "orders")
        assert found is not None
        assert replace(found, rows=None) == bench.target

    def test_replace_with_nothing_empties_the_table(self, bench: Bench) -> None:
        run = bench.target.dataset
        bench.committed(run + "a", [(1, "1", day(1))], CommitMethod.COPY_REPLACE)
        bench.committed(run + "b", [], CommitMethod.COPY_REPLACE)
        assert bench.rows() == []

    def test_insert_new_adds_each_version_once(self, bench: Bench) -> None:
        run = bench.target.dataset
        bench.committed(run + "a", [(1, "1", day(1)), (2, "1", None)], CommitMethod.INSERT_NEW)
        done = bench.committed(
            run + "b",
            [
                (1, "1", day(1)),
                (1, "2", day(2)),
                (1, "2", day(2)),
                (2, "1", None),
                (3, "1", day(1)),
            ],
            CommitMethod.INSERT_NEW,
        )
        assert bench.rows() == [
            (1, "1", day(1)), (1, "2", day(2)), (2, "1", None), (3, "1", day(1)),
        ]  # fmt: skip
        assert done.inserted == 2

    def test_merge_keeps_the_newest_version_of_each_key(self, bench: Bench) -> None:
        run = bench.target.dataset
        bench.committed(
            run + "a", [(1, "1", day(1)), (2, "1", day(1)), (4, "1", None)], CommitMethod.MERGE
        )
        done = bench.committed(
            run + "b",
            [
                (1, "2", day(2)),
                (1, "3", day(5)),
                (1, "0", None),
                (3, "1", day(1)),
                (4, "2", day(1)),
            ],
            CommitMethod.MERGE,
        )
        assert bench.rows() == [
            (1, "3", day(5)), (2, "1", day(1)), (3, "1", day(1)), (4, "2", day(1)),
        ]  # fmt: skip
        assert (done.inserted, done.updated, done.deleted) == (1, 2, 0)

    def test_merge_finds_the_row_that_moved_to_another_partition_and_back(
        self, bench: Bench
    ) -> None:
        run = bench.target.dataset
        for number, when in enumerate([day(1), day(20), day(1), None, day(3)]):
            bench.committed(f"{run}{number}", [(1, str(number), when)], CommitMethod.MERGE)
        assert bench.rows() == [(1, "4", day(3))]

    def test_merge_leaves_columns_that_only_the_target_has(self, plain: Bench) -> None:
        run = plain.target.dataset
        plain.warehouse.add_columns(plain.target, [Field("note", "STRING")])
        plain.warehouse._jobs.rows(
            f"INSERT INTO {plain.target.path} (id, note) VALUES (1, 'by hand')", "x"
        )
        wider = replace(plain.target, fields=(*FIELDS, Field("note", "STRING")))
        bench = replace(plain, target=wider)
        staging = bench.staged(run, [(1, "5", day(1))])
        plan = plan_of(wider, CommitMethod.MERGE)
        plan = replace(plan, columns=tuple(c for c in plan.columns if c.name != "note"))
        bench.warehouse.commit(plan, staging, run)
        found = bench.warehouse._jobs.rows(f"SELECT id, note FROM {wider.path}", "x")
        assert [tuple(row) for row in found] == [(1, "by hand")]
        assert bench.rows() == [(1, "5", day(1))]

    def test_replace_window_by_keys(self, bench: Bench) -> None:
        run = bench.target.dataset
        before: list[Row] = [
            (1, "1", day(1)), (2, "1", day(2)), (3, "1", day(3, 23)), (4, "1", day(4)), (5, "1", None),
        ]  # fmt: skip
        bench.committed(run + "a", before, CommitMethod.COPY_APPEND)
        # 1 moves into the window, 2 is deleted in Oracle, 3 is changed, 6 is new.
        done = bench.committed(
            run + "b",
            [(1, "2", day(2)), (3, "2", day(3)), (6, "1", day(2))],
            CommitMethod.REPLACE_WINDOW,
        )
        assert bench.rows() == [
            (1, "2", day(2)), (3, "2", day(3)), (4, "1", day(4)), (5, "1", None), (6, "1", day(2)),
        ]  # fmt: skip
        assert (done.inserted, done.updated, done.deleted) == (1, 2, 1)

    def test_replace_window_without_keys(self, bench: Bench) -> None:
        run = bench.target.dataset
        before: list[Row] = [(1, "1", day(1)), (2, "1", day(2)), (3, "1", day(3)), (4, "1", day(4))]
        bench.committed(run + "a", before, CommitMethod.COPY_APPEND)
        done = bench.committed(
            run + "b", [(9, "1", day(2)), (9, "1", day(2))], CommitMethod.REPLACE_WINDOW, keys=()
        )
        assert bench.rows() == [
            (1, "1", day(1)), (4, "1", day(4)), (9, "1", day(2)), (9, "1", day(2)),
        ]  # fmt: skip
        assert (done.inserted, done.deleted) == (2, 2)

    @pytest.mark.parametrize("keys", [(), ("id",)])
    @pytest.mark.parametrize("bounds", [(day(2), day(4)), (None, None)])
    def test_replace_window_on_another_column_than_the_filter_demands(
        self,
        warehouse: load.Warehouse,
        dataset: str,
        tmp_path: Path,
        keys: tuple[str, ...],
        bounds: tuple[datetime | None, datetime | None],
    ) -> None:
        target = target_in(
            dataset,
            partition_column="ImportedAt",
            partition_type=PartitionType.MONTH,
            require_partition_filter=True,
        )
        warehouse.create_target(target, "")
        bench = Bench(warehouse, target, tmp_path)
        bench.committed(
            dataset + "a", [(1, "1", day(1)), (2, "1", day(2))], CommitMethod.COPY_APPEND
        )
        window = Window("changed", Clock.DATE, *bounds)
        staged: list[Row] = [(3, "1", day(3))]
        bench.committed(
            dataset + "b", staged, CommitMethod.REPLACE_WINDOW, keys=keys, window=window
        )
        text = f"SELECT id FROM {target.path} WHERE ImportedAt IS NOT NULL ORDER BY id"
        found = [row["id"] for row in warehouse._jobs.rows(text, "reading")]
        assert found == ([1, 3] if bounds[0] else [3])

    def test_replace_window_that_is_open_above(self, plain: Bench) -> None:
        run = plain.target.dataset
        plain.committed(run + "a", [(1, "1", day(1)), (2, "1", day(30))], CommitMethod.COPY_APPEND)
        window = Window("CHANGED", Clock.DATE, day(2), None)
        plain.committed(run + "b", [], CommitMethod.REPLACE_WINDOW, keys=(), window=window)
        assert plain.rows() == [(1, "1", day(1))]

    def test_a_key_that_matches_twice_is_refused_and_changes_nothing(self, plain: Bench) -> None:
        run = plain.target.dataset
        plain.committed(run + "a", [(1, "1", day(1))], CommitMethod.COPY_APPEND)
        with pytest.raises(DestinationError, match="at most one source row"):
            plain.committed(
                run + "b",
                [(1, "2", day(1)), (1, "3", day(2)), (2, "1", day(1))],
                CommitMethod.MERGE,
                incremental="",
            )
        assert plain.rows() == [(1, "1", day(1))]

    @pytest.mark.parametrize("method", list(CommitMethod))
    def test_committing_a_run_again_changes_nothing(
        self, plain: Bench, method: CommitMethod
    ) -> None:
        run = plain.target.dataset
        staging = plain.staged(run, [(1, "1", day(2))])
        plan = plan_of(plain.target, method)
        first = plain.warehouse.commit(plan, staging, run)
        assert plain.warehouse.commit(plan, staging, run).job_id == first.job_id
        assert plain.rows() == [(1, "1", day(2))]

    def test_bytes_billed_are_counted_by_run(self, plain: Bench) -> None:
        run = plain.target.dataset
        done = plain.committed(run, [(1, "1", day(2))], CommitMethod.MERGE)
        assert done.bytes_billed == plain.warehouse.bytes_billed(run)
        assert plain.warehouse.bytes_billed("another") == 0


class TestSettle:
    def test_a_run_that_committed_is_found_with_its_counts(self, plain: Bench) -> None:
        run = plain.target.dataset
        plain.committed(run, [(1, "1", day(2))], CommitMethod.MERGE)
        settled = plain.warehouse.settle(run)
        assert settled.committed
        assert settled.counts.inserted == 1

    def test_a_holder_that_wakes_up_after_being_settled_cannot_commit(self, plain: Bench) -> None:
        run = plain.target.dataset
        staging = plain.staged(run, [(1, "1", day(2))])
        assert plain.warehouse.settle(run) == load.NEVER_COMMITTED
        for method in (CommitMethod.COPY_APPEND, CommitMethod.MERGE):
            with pytest.raises(Busy) as caught:
                plain.warehouse.commit(plan_of(plain.target, method), staging, run)
            assert caught.value.code == "lease-lost"
        assert plain.rows() == []
        assert plain.warehouse.settle(run) == load.NEVER_COMMITTED

    def test_settling_and_committing_at_once_have_one_winner(self, plain: Bench) -> None:
        for number in range(8):
            run = f"{plain.target.dataset}_{number}"
            staging = plain.staged(run, [(number, "1", day(2))])
            plan = plan_of(plain.target, CommitMethod.COPY_APPEND)
            with ThreadPoolExecutor(2) as pool:
                commit = pool.submit(plain.warehouse.commit, plan, staging, run)
                settle = pool.submit(plain.warehouse.settle, run)
            lost = isinstance(commit.exception(), Busy)
            assert settle.result().committed is not lost
            assert ((number, "1", day(2)) in plain.rows()) is not lost

    def test_a_commit_that_failed_is_settled_as_such(self, plain: Bench) -> None:
        run = plain.target.dataset
        plain.committed(run + "a", [(1, "1", day(1))], CommitMethod.COPY_APPEND)
        staging = plain.staged(run, [(1, "1", day(1)), (1, "2", day(2))])
        plan = plan_of(plain.target, CommitMethod.MERGE, incremental="")
        with pytest.raises(DestinationError):
            plain.warehouse.commit(plan, staging, run)
        assert not plain.warehouse.settle(run).committed

    def test_a_replaced_table_that_lost_its_labels_gets_them_back(self, plain: Bench) -> None:
        run = plain.target.dataset
        plain.committed(run, [(1, "1", day(2))], CommitMethod.COPY_REPLACE)
        live = plain.warehouse._client.get_table(plain.target.path)
        live.labels = {"managed_by": None, "etl_source": None}
        plain.warehouse._client.update_table(live, ["labels"])
        assert plain.warehouse.settle(run).committed
        found = plain.warehouse.describe(plain.target.dataset, "orders")
        assert found is not None
        assert found.labels == LABELS

    def test_a_target_that_somebody_dropped_can_still_be_settled(self, plain: Bench) -> None:
        run = plain.target.dataset
        plain.committed(run, [(1, "1", day(2))], CommitMethod.COPY_REPLACE)
        plain.warehouse._client.delete_table(plain.target.path)
        assert plain.warehouse.settle(run).committed

    def test_the_fence_is_asked_before_the_job_is_sent(self, plain: Bench) -> None:
        run = plain.target.dataset
        staging = plain.staged(run, [(1, "1", day(2))])

        def lost() -> None:
            raise Busy("taken over", code="lease-lost")

        with pytest.raises(Busy):
            plain.warehouse.commit(plan_of(plain.target, CommitMethod.MERGE), staging, run, lost)
        assert not plain.warehouse.settle(run).committed
        assert plain.rows() == []


class TestForPowerBi:
    def test_the_latest_view_shows_one_row_a_key(self, bench: Bench) -> None:
        rows: list[Row] = [(1, "1", day(1)), (1, "2", day(2)), (1, "0", None), (2, "1", day(1))]
        bench.committed(bench.target.dataset, rows, CommitMethod.COPY_APPEND)
        bench.warehouse.refresh_latest_view(bench.target, ("id",), "changed")
        text = f"SELECT id, CAST(amount AS INT64) AS a FROM {bench.target.path}_latest ORDER BY id"
        found = bench.warehouse._jobs.rows(text, "reading")
        assert [tuple(row) for row in found] == [(1, 2), (2, 1)]

    def test_the_view_is_rewritten_only_when_its_text_changes(self, plain: Bench) -> None:
        def etag() -> tuple[object, object]:
            live = plain.warehouse._client.get_table(plain.target.path + "_latest")
            return live.modified, live.view_query

        plain.warehouse.refresh_latest_view(plain.target, ("id",), "changed")
        first = etag()
        plain.warehouse.refresh_latest_view(plain.target, ("id",), "changed")
        assert etag() == first
        plain.warehouse.refresh_latest_view(plain.target, ("id", "amount"), "changed")
        assert etag()[1] != first[1]

    def test_something_else_of_that_name_is_left_alone(self, plain: Bench) -> None:
        plain.warehouse.create_target(replace(plain.target, name="orders_latest"), "ours, a table")
        with pytest.raises(ConfigError) as caught:
            plain.warehouse.refresh_latest_view(plain.target, ("id",), "changed")
        assert caught.value.code == "foreign-target"

    def test_a_view_cannot_be_a_target(self, plain: Bench) -> None:
        plain.warehouse.refresh_latest_view(plain.target, ("id",), "changed")
        with pytest.raises(ConfigError, match="orders_latest is a view, not a table") as caught:
            plain.warehouse.describe(plain.target.dataset, "orders_latest")
        assert caught.value.code == "not-a-table"

    def test_load_status_has_one_row_a_source(self, plain: Bench) -> None:
        dataset = plain.target.dataset
        good = load.LoadStatus(1, "ERP.ORDERS", "orders", "succeeded", day(3), True, 5)
        bad = replace(
            good, state="failed", watermark=None, loaded=False, rows=None, message="ORA-1"
        )
        for row in (good, replace(good, source=2), bad):
            plain.warehouse.write_load_status(dataset, row)
        found = plain.warehouse._jobs.rows(
            f"SELECT * FROM {dataset}.etl_load_status ORDER BY source", "reading"
        )
        assert [row["source"] for row in found] == [1, 2]
        failed = found[0]
        assert (failed["state"], failed["message"]) == ("failed", "ORA-1")
        assert (failed["watermark"], failed["rows"]) == (day(3), 5)
        assert failed["last_success"] < failed["last_run"]

    def test_labels_that_vanished_come_back(self, bench: Bench) -> None:
        live = bench.warehouse._client.get_table(bench.target.path)
        live.labels = {"team": "finance", "managed_by": None, "etl_source": None}
        bench.warehouse._client.update_table(live, ["labels"])
        bench.warehouse.ensure_ownership(bench.target)
        found = bench.warehouse.describe(bench.target.dataset, "orders")
        assert found is not None
        assert found.labels == {"team": "finance", **LABELS}


@pytest.fixture
def proxy(emulator: BigQueryEmulator) -> Iterator[FaultProxy]:
    with FaultProxy(emulator.host) as running:
        yield running


@pytest.fixture
def remote(plain: Bench, proxy: FaultProxy) -> Iterator[Bench]:
    """The bench behind a line that fails as the proxy's rules say."""
    with load.Warehouse(settings_for(proxy.host)) as opened:
        yield replace(plain, warehouse=opened)


def hurried(proxy: FaultProxy) -> load.Warehouse:
    """A warehouse that gives up within seconds on what the proxy's rules never let through."""
    return load.Warehouse(replace(settings_for(proxy.host), request_seconds=4))


LARGE = 200_000
UPLOADS = [
    Rule(Fault.DROP_ANSWER, "POST", "uploadType=multipart"),
    Rule(Fault.DROP_REQUEST, "POST", "uploadType=multipart"),
    Rule(Fault.ANSWER, "POST", "uploadType=multipart", times=2, status=503),
    Rule(Fault.ANSWER, "POST", "uploadType=multipart", status=429, reason="rateLimitExceeded"),
    Rule(Fault.RESET_UPLOAD, "POST", "uploadType=multipart"),
]
SESSIONS = [
    Rule(Fault.DROP_ANSWER, "POST", "uploadType=resumable"),
    Rule(Fault.DROP_ANSWER, "PUT", "/upload/"),
    Rule(Fault.DROP_REQUEST, "PUT", "/upload/"),
    Rule(Fault.ANSWER, "PUT", "/upload/", times=2, status=503),
    Rule(Fault.ANSWER, "PUT", "/upload/", status=404, reason="notFound"),
    Rule(Fault.ANSWER, "PUT", "/upload/", status=410, reason="gone"),
    Rule(Fault.RESET_UPLOAD, "PUT", "/upload/"),
]
COMMITS = [
    Rule(Fault.DROP_ANSWER, "POST", "/jobs", body="_commit_1"),
    Rule(Fault.DROP_REQUEST, "POST", "/jobs", body="_commit_1"),
    Rule(Fault.ANSWER, "POST", "/jobs", body="_commit_1", times=2, status=503),
    Rule(Fault.ANSWER, "POST", "/jobs", body="_commit_1", status=403, reason="rateLimitExceeded"),
    Rule(Fault.ANSWER, "POST", "/jobs", body="_commit_1", status=500, reason="internalError"),
]


def named(rule: Rule) -> str:
    return f"{rule.method}-{rule.fault.name}-{rule.status if rule.fault is Fault.ANSWER else ''}"


class TestFaults:
    """Lost requests, lost answers and refusals in passing: everything once, nothing twice."""

    @pytest.mark.parametrize("rule", UPLOADS, ids=named)
    def test_a_small_part_is_loaded_once(
        self, remote: Bench, proxy: FaultProxy, rule: Rule
    ) -> None:
        proxy.rules.append(replace(rule))
        staging = remote.staged("r", [(1, "1", day(1)), (2, "2", day(2))])
        assert remote.warehouse.staged_rows(staging) == 2
        assert proxy.rules[0].fired

    @pytest.mark.parametrize("rule", SESSIONS, ids=named)
    def test_a_large_part_is_loaded_once(
        self, remote: Bench, proxy: FaultProxy, rule: Rule
    ) -> None:
        proxy.rules.append(replace(rule))
        staging = remote.warehouse.create_staging(remote.target, "r")
        path = remote.folder / "large.csv"
        path.write_text('"id","changed"\n' + "1,2024-01-01 00:00:00.000000\n" * LARGE)
        assert path.stat().st_size > 5 * 2**20
        loaded = remote.warehouse.load_part(staging, path, LoadMode.CSV, f"{staging.dataset}_1")
        assert loaded.rows == remote.warehouse.staged_rows(staging) == LARGE
        assert proxy.rules[0].fired
        if rule.method == "PUT" and rule.fault is Fault.DROP_ANSWER:
            # The job was found by its id, so the part was not sent over the line again.
            assert len(proxy.requests("POST", "uploadType=resumable")) == 1

    @pytest.mark.parametrize("method", [CommitMethod.COPY_APPEND, CommitMethod.MERGE])
    @pytest.mark.parametrize("rule", COMMITS, ids=named)
    def test_a_commit_takes_effect_once(
        self, remote: Bench, proxy: FaultProxy, rule: Rule, method: CommitMethod
    ) -> None:
        proxy.rules.append(replace(rule))
        run = remote.target.dataset
        done = remote.committed(run, [(1, "1", day(1))], method)
        assert done.job_id == load.job_id(run, "commit")
        assert remote.rows() == [(1, "1", day(1))]
        assert proxy.rules[0].fired

    @pytest.mark.parametrize("rule", COMMITS, ids=named)
    def test_a_fence_stands_whatever_happens_to_its_request(
        self, remote: Bench, plain: Bench, proxy: FaultProxy, rule: Rule
    ) -> None:
        proxy.rules.append(replace(rule))
        run = remote.target.dataset
        staging = plain.staged(run, [(1, "1", day(1))])
        assert not remote.warehouse.settle(run).committed
        with pytest.raises(Busy):
            plain.warehouse.commit(plan_of(plain.target, CommitMethod.MERGE), staging, run)
        assert plain.rows() == []

    def test_a_refusal_that_lasts_is_told_at_once(self, remote: Bench, proxy: FaultProxy) -> None:
        proxy.rules.append(
            Rule(Fault.ANSWER, "POST", "/jobs", times=0, status=403, reason="accessDenied")
        )
        with pytest.raises(DestinationError) as caught:
            remote.warehouse.commit(
                plan_of(remote.target, CommitMethod.COPY_APPEND),
                remote.target,
                remote.target.dataset,
            )
        assert (caught.value.code, caught.value.transient) == ("accessDenied", False)
        assert len(proxy.requests("POST", "/jobs")) == 1

    def test_a_service_that_stays_away_is_told_within_the_limit(
        self, remote: Bench, proxy: FaultProxy
    ) -> None:
        staging = remote.warehouse.create_staging(remote.target, "r")
        proxy.rules.append(Rule(Fault.ANSWER, "POST", "/jobs", times=0, status=503))
        began = time.monotonic()
        with hurried(proxy) as warehouse, pytest.raises(DestinationUnavailable) as caught:
            warehouse.load_part(
                staging, remote.part([(1, "1", day(1))]), LoadMode.DATAFRAME, f"{staging.dataset}_1"
            )
        # With the product's own limit of ten minutes it would be later than this.
        assert time.monotonic() - began < HANG_SECONDS
        assert caught.value.code == "backendError"

    def test_a_commit_whose_fate_is_unknown_is_settled_afterwards(
        self, remote: Bench, plain: Bench, proxy: FaultProxy
    ) -> None:
        run = remote.target.dataset
        staging = plain.staged(run, [(1, "1", day(1))])
        proxy.rules += [
            Rule(Fault.DROP_ANSWER, "POST", "/jobs", body="_commit_1"),
            Rule(Fault.DROP_REQUEST, "POST", "/jobs", body="_commit_1", times=0),
            Rule(Fault.DROP_REQUEST, "GET", "/jobs/", times=0),
        ]
        with hurried(proxy) as warehouse, pytest.raises(DestinationUnavailable):
            warehouse.commit(plan_of(remote.target, CommitMethod.COPY_APPEND), staging, run)
        assert plain.warehouse.settle(run).committed
        assert plain.rows() == [(1, "1", day(1))]


class TestServiceDies:
    """The emulator is killed around the one request that matters, and comes back."""

    @pytest.fixture
    def mortal(self, tmp_path: Path) -> Iterator[BigQueryEmulator]:
        with BigQueryEmulator(tmp_path / "data") as running:
            yield running

    @pytest.mark.parametrize("when", ["before", "after"])
    @pytest.mark.parametrize("what", ["uploadType=multipart", "/jobs"])
    def test_killed_around_a_load_or_a_commit(
        self, mortal: BigQueryEmulator, tmp_path: Path, what: str, when: str
    ) -> None:
        with FaultProxy(mortal.host) as proxy, load.Warehouse(settings_for(proxy.host)) as opened:
            opened._client.create_dataset("sales")
            bench = Bench(opened, target_in("sales"), tmp_path)
            opened.create_target(bench.target, "")
            body = "_commit_1" if what == "/jobs" else ""
            rule = Rule(Fault.DROP_ANSWER, "POST", what, body)
            setattr(rule, when, lambda _path: mortal.restart())
            proxy.rules.append(rule)
            bench.committed("r", [(1, "1", day(1))], CommitMethod.COPY_APPEND)
            assert rule.fired
            assert bench.rows() == [(1, "1", day(1))]


def test_an_address_where_nobody_answers_is_told_within_the_limit() -> None:
    settings = replace(settings_for("http://127.0.0.1:9"), request_seconds=SHORT_SECONDS)
    with load.Warehouse(settings) as warehouse, pytest.raises(DestinationUnavailable) as caught:
        warehouse.describe("sales", "orders")
    assert caught.value.code == "connectionLost"
    assert isinstance(caught.value, EtlError)


def test_staging_has_the_descriptions_of_the_target(plain: Bench) -> None:
    """A truncating copy takes the schema of its source, and must not take them away."""
    live = plain.warehouse._live(plain.target.dataset, plain.target.name)
    assert live is not None
    live.schema = [
        bigquery.SchemaField(f.name, f.field_type, f.mode, description=f"is {f.name}")
        for f in live.schema
    ]
    plain.warehouse._client.update_table(live, ["schema"])
    staging = plain.warehouse.create_staging(plain.target, "run1")
    made = plain.warehouse._live(staging.dataset, staging.name)
    assert made is not None
    assert [f.description for f in made.schema] == [f"is {f.name}" for f in plain.target.fields]
