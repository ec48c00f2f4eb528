"""Rows on their way from Oracle into a staging table, against both stand-ins."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from etl_oracle_to_bq import extract, load, stage
from etl_oracle_to_bq import plan as planning
from etl_oracle_to_bq.errors import EtlError, SourceUnavailable, Stopped
from etl_oracle_to_bq.model import (
    Counts,
    LoadMode,
    Plan,
    Request,
    Source,
    Store,
    Table,
    WriteDisposition,
)
from etl_oracle_to_bq.transfer import Transfer, move_rows
from tests.sandbox.serve import Sandbox

VIEW, DATASET = "ERP.V_AP_PAYMENTS", "transfer"
_runs = itertools.count(1)


@dataclass
class Load:
    """One attempt, ready to go; `steps` are those that it entered."""

    transfer: Transfer
    staging: Table
    counts: Counts = field(default_factory=Counts)
    steps: list[str] = field(default_factory=list)

    def go(self) -> tuple[str, ...]:
        self.transfer.enter = self.steps.append
        return move_rows(self.transfer, self.counts)

    @property
    def parts(self) -> list[Path]:
        return sorted(path for path in self.transfer.folder.iterdir() if path.is_file())


@pytest.fixture(scope="module")
def warehouse(sandbox: Sandbox) -> Iterator[load.Warehouse]:
    assert sandbox.bigquery
    access = load.WarehouseSettings(
        project=sandbox.bigquery.project, location="US", emulator_host=sandbox.bigquery.host
    )
    with load.Warehouse(access) as opened:
        opened.create_dataset(DATASET)
        yield opened


@pytest.fixture
def session(sandbox: Sandbox) -> Iterator[extract.OracleSession]:
    with extract.connect(store_of(sandbox)) as opened:
        yield opened


def store_of(sandbox: Sandbox) -> Store:
    address, _, service = sandbox.oracle_dsn.partition("/")
    host, _, port = address.partition(":")
    user, password = sandbox.reader, sandbox.reader_password
    return Store(1, "erp", host, int(port), user, password, service_name=service)


@pytest.fixture
def prepare(
    sandbox: Sandbox, session: extract.OracleSession, warehouse: load.Warehouse, tmp_path: Path
) -> Callable[..., Load]:
    def make(mode: LoadMode = LoadMode.DATAFRAME, part_bytes: int = 1 << 28) -> Load:
        source = Source(
            next(_runs),
            VIEW,
            store_of(sandbox),
            DATASET,
            f"target_{next(_runs)}",
            load_mode=mode,
            write_disposition=WriteDisposition.REPLACE,
            batch_size=50,
        )
        plan = planned(source, session, warehouse)
        run_id = f"run{next(_runs)}"
        warehouse.create_target(plan.target, "made by a test")
        staging = warehouse.create_staging(plan.target, run_id, 1)
        folder = stage.work_folder(tmp_path, run_id)
        transfer = Transfer(
            session=session,
            warehouse=warehouse,
            plan=plan,
            staging=staging,
            folder=folder,
            limits=stage.StageLimits(part_bytes, 1 << 30),
            transform=None,
            job_id=lambda part: load.job_id(run_id, f"part1x{part:05d}"),
            check=lambda: None,
            enter=lambda step: None,
        )
        return Load(transfer, staging)

    return make


def planned(source: Source, session: extract.OracleSession, warehouse: load.Warehouse) -> Plan:
    moment, view = session.moment(), session.describe(VIEW)
    existing = warehouse.describe(source.dataset, source.target)
    plan = planning.make(source, view, moment, existing, Request())
    return replace(plan, expected_rows=session.counts(plan.probe)["window_rows"])


@pytest.mark.parametrize("mode", list(LoadMode))
def test_every_row_that_oracle_counts_reaches_the_staging_table(
    prepare: Callable[..., Load], warehouse: load.Warehouse, mode: LoadMode
) -> None:
    made = prepare(mode)
    made.go()
    rows = made.transfer.plan.expected_rows
    assert rows and rows > 100
    assert (made.counts.extracted, made.counts.staged, made.counts.loaded) == (rows,) * 3
    assert warehouse.staged_rows(made.staging) == rows
    assert made.counts.staged_bytes > 0
    assert made.steps == ["extract", "stage", "load"]
    assert made.parts == []


@pytest.mark.parametrize("mode", list(LoadMode))
def test_small_parts_become_many_loads_and_the_same_rows(
    prepare: Callable[..., Load],
    warehouse: load.Warehouse,
    mode: LoadMode,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("etl_oracle_to_bq.stage.stager.GROUP_ROWS", 50)
    made = prepare(mode, part_bytes=1)
    made.go()
    assert warehouse.staged_rows(made.staging) == made.transfer.plan.expected_rows
    jobs = {job.job_id: job for job in warehouse._client.list_jobs(all_users=True)}
    of_this_run = made.transfer.job_id(0).partition("x")[0]
    mine = [job for name, job in jobs.items() if name.startswith(f"{of_this_run}x")]
    assert len(mine) > 3
    assert {job.state for job in mine} == {"DONE"}


def test_a_run_that_may_not_go_on_stops_and_keeps_its_parts(prepare: Callable[..., Load]) -> None:
    made = prepare(part_bytes=1 << 28)
    batches = itertools.count()

    def stop_at_the_third() -> None:
        if next(batches) == 2:
            raise Stopped("The run was stopped on request.", code="stopped")

    made.transfer.check = stop_at_the_third
    with pytest.raises(Stopped, match="stopped on request"):
        made.go()
    assert 0 < made.counts.extracted <= 100
    assert made.counts.loaded == 0
    assert made.steps == ["extract"]
    assert made.transfer.folder.is_dir()


def test_a_connection_that_is_lost_midway_is_worth_another_try(
    prepare: Callable[..., Load], sandbox: Sandbox, warehouse: load.Warehouse
) -> None:
    made = prepare()
    sandbox.faults.set("drop_after_rows", rows=120)
    with pytest.raises(SourceUnavailable):
        made.go()
    assert made.counts.extracted < (made.transfer.plan.expected_rows or 0)
    assert warehouse.staged_rows(made.staging) == 0


def test_a_part_that_bigquery_refuses_stops_the_export(
    prepare: Callable[..., Load], warehouse: load.Warehouse
) -> None:
    made = prepare(part_bytes=1)
    warehouse.drop_staging(made.staging)
    with pytest.raises(EtlError) as refusal:
        made.go()
    assert refusal.value.code == "notFound"
    assert made.counts.loaded == 0
    assert made.parts


def test_a_line_slower_than_oracle_holds_the_export_and_does_not_fill_the_disk(
    prepare: Callable[..., Load], warehouse: load.Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("etl_oracle_to_bq.stage.stager.GROUP_ROWS", 10)
    made = prepare(part_bytes=1)
    made.transfer.plan = replace(made.transfer.plan, batch_size=10)
    first = prepare(part_bytes=1)
    first.transfer.plan = replace(first.transfer.plan, batch_size=10)
    first.go()
    parts = (first.counts.staged + 9) // 10
    assert parts > 20
    made.transfer.limits = stage.StageLimits(1, 8 * first.counts.staged_bytes // parts)
    made.go()
    assert warehouse.staged_rows(made.staging) == made.transfer.plan.expected_rows
