"""The sandbox as its users meet it: the command line, the environment file, the real clients."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import oracledb
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from tests.conftest import SHARED_ROWS
from tests.sandbox.bigquery.launcher import BigQueryEmulator
from tests.sandbox.control import ControlFailed, call
from tests.sandbox.dataset.base import Recipe, Sizes
from tests.sandbox.dataset.build import DEFAULT_SEED
from tests.sandbox.dataset.tables import BUILDERS
from tests.sandbox.dataset.views import CONTEXT_VIEWS, VIEWS
from tests.sandbox.envfile import EnvFileInUse, read_env_file, write_env_file
from tests.sandbox.oracle.session import Kind
from tests.sandbox.serve import Sandbox
from tests.waiting import finish, lives, run, until

ROOT = Path(__file__).resolve().parents[2]
ROWS = 600
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  (naive, as the driver gives it)
MakeSandbox = Callable[..., Sandbox]


def connect(sandbox: Sandbox, user: str = "", password: str = "") -> oracledb.Connection:
    return oracledb.connect(
        user=user or sandbox.reader,
        password=password or sandbox.reader_password,
        dsn=sandbox.oracle_dsn,
    )


def one(connection: oracledb.Connection, sql: str) -> object:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]


def counts(connection: oracledb.Connection, suffix: str = "") -> dict[str, object]:
    return {name: one(connection, f"SELECT COUNT(*) FROM ERP.{name}{suffix}") for name in VIEWS}


# The ERP through the real driver


@pytest.mark.parametrize("name", VIEWS)
def test_every_view_reads_to_the_end(oracle_sandbox: Sandbox, name: str) -> None:
    spec = VIEWS[name]
    with closing(connect(oracle_sandbox)) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM ERP.{name}")
        columns = [column.name for column in cursor.description]
        rows = cursor.fetchall()
    assert 10 <= len(columns) <= 40
    assert len(rows) == one_count(oracle_sandbox, name) > 0
    wanted = {*spec.keys, *spec.money, *spec.dates, *spec.clusters, spec.incremental}
    assert wanted | {"CREATION_DATE", spec.partition} - {""} <= set(columns)
    assert len(set(columns)) == len(columns)
    if spec.keys:
        keys = [columns.index(key) for key in spec.keys]
        assert len({tuple(row[at] for at in keys) for row in rows}) == len(rows)


def one_count(sandbox: Sandbox, name: str) -> int:
    with closing(connect(sandbox)) as connection:
        return int(str(one(connection, f"SELECT COUNT(*) FROM ERP.{name}")))


@pytest.mark.parametrize("name", VIEWS)
def test_incremental_columns_have_the_announced_type(oracle_sandbox: Sandbox, name: str) -> None:
    spec = VIEWS[name]
    kinds = {
        "DATE": oracledb.DB_TYPE_DATE,
        "TIMESTAMP": oracledb.DB_TYPE_TIMESTAMP,
        "TIMESTAMP_TZ": oracledb.DB_TYPE_TIMESTAMP_TZ,
    }
    with closing(connect(oracle_sandbox)) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT {spec.incremental} FROM ERP.{name} WHERE 1 = 0")
        assert cursor.description[0].type_code is kinds[spec.clock]


def test_reader_sees_views_and_nothing_else(oracle_sandbox: Sandbox) -> None:
    with closing(connect(oracle_sandbox)) as connection, connection.cursor() as cursor:
        with pytest.raises(oracledb.DatabaseError, match="ORA-00942"):
            cursor.execute("SELECT * FROM ERP.AR_CASH_RECEIPTS_ALL")
        cursor.execute("SELECT view_name FROM all_views WHERE owner = 'ERP'")
        assert {row[0] for row in cursor} == set(VIEWS | CONTEXT_VIEWS)


def test_context_view_is_empty_until_the_context_is_set(oracle_sandbox: Sandbox) -> None:
    sql = "SELECT COUNT(*) FROM ERP.V_ORG_INVOICES"
    with closing(connect(oracle_sandbox)) as connection, connection.cursor() as cursor:
        assert one(connection, sql) == 0
        cursor.execute(
            "BEGIN FND_GLOBAL.APPS_INITIALIZE(:1, :2, :3, 0); MO_GLOBAL.INIT('AR'); END;",
            [1318, 50559, 222],
        )
        assert int(str(one(connection, sql))) > 0


def test_plain_reader_reads_but_not_the_past(oracle_sandbox: Sandbox) -> None:
    scn = oracle_sandbox.database.scn
    plain = (oracle_sandbox.plain_reader, oracle_sandbox.plain_password)
    with closing(connect(oracle_sandbox, *plain)) as connection, connection.cursor() as cursor:
        assert int(str(one(connection, "SELECT COUNT(*) FROM ERP.V_AR_RECEIPTS"))) > 0
        with pytest.raises(oracledb.DatabaseError, match="ORA-01031"):
            cursor.execute(f"SELECT COUNT(*) FROM ERP.V_AR_RECEIPTS AS OF SCN {scn}")


def test_odd_dates_reach_the_view(make_sandbox: MakeSandbox) -> None:
    sql = "SELECT COUNT(*) FROM ERP.V_GL_ACCOUNTS WHERE END_DATE_ACTIVE < DATE '0001-01-01'"
    with closing(connect(make_sandbox(odd_dates=True))) as connection:
        assert int(str(one(connection, sql))) > 0


def expected(kind: Kind, value: Any) -> object:
    """What the driver makes of a value at the seam."""
    if value is None:
        return None
    if kind in (Kind.NUMBER, Kind.FLOAT):
        return Decimal(value)
    if kind is Kind.INTERVAL_DS:
        return timedelta(days=value["days"], microseconds=value["nanos"] // 1000)
    if kind is Kind.INTERVAL_YM:
        years = abs(value) // 12 * (1 if value >= 0 else -1)
        return oracledb.IntervalYM(years, value - years * 12)
    if isinstance(value, dict):
        seconds = value["seconds"] + value.get("offset", 0) * 60
        return EPOCH + timedelta(seconds=seconds, microseconds=value["nanos"] // 1000)
    return value


@pytest.mark.parametrize("stream", range(len(BUILDERS)))
def test_driver_reads_exactly_what_was_generated(oracle_sandbox: Sandbox, stream: int) -> None:
    recipe = Recipe(Sizes.of(SHARED_ROWS), DEFAULT_SEED, oracle_sandbox.built_on, False)
    table = BUILDERS[stream](recipe, stream)
    names = [column.name for column in table.columns]
    owner = (oracle_sandbox.owner, oracle_sandbox.owner_password)
    with closing(connect(oracle_sandbox, *owner)) as connection, connection.cursor() as cursor:
        cursor.execute("ALTER SESSION SET TIME_ZONE = '+00:00'")
        cursor.execute(
            f"SELECT {', '.join(names)} FROM ERP.{table.name} ORDER BY 1, 2",
            fetch_decimals=True,
            fetch_lobs=False,
        )
        read = cursor.fetchall()
    assert len(read) == table.rows.num_rows
    ordered = table.rows.sort_by([(names[0], "ascending"), (names[1], "ascending")])
    for at, column in enumerate(table.columns):
        wanted = [expected(column.kind, value) for value in ordered[column.name].to_pylist()]
        assert [row[at] for row in read] == wanted, column.name


# Business


def test_a_day_changes_what_it_says(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox()
    with closing(connect(sandbox)) as connection:
        before, scn = counts(connection), sandbox.database.scn
        day = sandbox.business_day(seed=3)
        after = counts(connection)
        past = counts(connection, f" AS OF SCN {scn}")
    assert past == before
    assert sandbox.database.scn > scn
    assert set(day) == set(VIEWS | CONTEXT_VIEWS)
    for name in VIEWS:
        added = day[name].inserted + day[name].back_dated
        assert added > 0
        assert int(str(after[name])) - int(str(before[name])) == added, name


def test_a_day_stamps_every_row_that_it_touches(make_sandbox: MakeSandbox) -> None:
    noon = datetime.fromisoformat("2026-03-02T05:00:00+00:00")
    sandbox = make_sandbox(clock=lambda: noon)
    day = sandbox.business_day(seed=5)
    with closing(connect(sandbox)) as connection:
        for name, spec in VIEWS.items():
            touched = day[name].inserted + day[name].back_dated
            touched += day[name].corrected + day[name].cancelled
            stamped = one(
                connection,
                f"SELECT COUNT(*) FROM ERP.{name} WHERE {spec.incremental} >= TRUNC(SYSDATE)",
            )
            assert stamped == touched, name


def test_back_dated_postings_are_old_documents_with_new_stamps(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox()
    today = sandbox.today
    day = sandbox.business_day(seed=1)
    with closing(connect(sandbox)) as connection:
        old = one(
            connection,
            "SELECT COUNT(*) FROM ERP.V_AR_RECEIPTS WHERE CREATION_DATE >= TRUNC(SYSDATE)"
            f" AND RECEIPT_DATE < DATE '{today - timedelta(days=30)}'",
        )
    assert old == day["V_AR_RECEIPTS"].back_dated > 0


def test_days_can_delete(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox()
    with closing(connect(sandbox)) as connection:
        before = counts(connection)
        day = sandbox.business_day(seed=2, deletes=True)
        after = counts(connection)
    assert any(count.deleted for count in day.values())
    for name in VIEWS:
        change = day[name].inserted + day[name].back_dated - day[name].deleted
        assert int(str(after[name])) - int(str(before[name])) == change, name


def test_days_can_be_dated(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox()
    day = sandbox.business_day(date(2031, 5, 6))
    with closing(connect(sandbox)) as connection:
        sql = "SELECT COUNT(*) FROM ERP.V_AP_PAYMENTS WHERE CHECK_DATE = DATE '2031-05-06'"
        assert one(connection, sql) == day["V_AP_PAYMENTS"].inserted


def test_many_days_keep_keys_unique(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(rows=300)
    for seed in range(4):
        late = sandbox.late_commit()
        sandbox.business_day(seed=seed, deletes=True)
        late.commit()
    with closing(connect(sandbox)) as connection:
        for name, spec in VIEWS.items():
            if spec.keys:
                keys = ", ".join(spec.keys)
                sql = f"SELECT {keys} FROM ERP.{name} GROUP BY {keys} HAVING COUNT(*) > 1"
                with connection.cursor() as cursor:
                    assert cursor.execute(sql).fetchall() == [], name


def test_late_commit_appears_after_a_later_scn_with_an_earlier_stamp(
    make_sandbox: MakeSandbox,
) -> None:
    sandbox = make_sandbox()
    sql = "SELECT COUNT(*) FROM ERP.V_AR_RECEIPTS"
    late = sandbox.late_commit()
    sandbox.business_day(seed=9)
    with closing(connect(sandbox)) as connection:
        scn = sandbox.database.scn
        before = int(str(one(connection, sql)))
        late.commit()
        assert one(connection, f"{sql} AS OF SCN {scn}") == before
        assert one(connection, sql) == before + late.counts["V_AR_RECEIPTS"].inserted


def test_late_commit_can_be_undone(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox()
    before = one_count(sandbox, "V_AP_PAYMENTS")
    sandbox.late_commit().rollback()
    assert one_count(sandbox, "V_AP_PAYMENTS") == before


# The command line


@contextmanager
def served(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A `serve` that is ready, in a process group of its own, and the file that it wrote."""
    env_file = folder / "sandbox.env"
    command = [sys.executable, "-m", "tests.sandbox", "serve", "--env-file", str(env_file)]
    process = subprocess.Popen(
        [*command, "--rows", str(ROWS), *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        start_new_session=True,
    )
    with process:
        try:
            until(env_file.exists, "the sandbox to be ready", process)
            yield process, env_file
        finally:
            if process.poll() is None:
                process.kill()


def command(env_file: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    where = ["--env-file", str(env_file)]
    return run([sys.executable, "-m", "tests.sandbox", *arguments, *where], cwd=ROOT)


def answer(env_file: Path, *arguments: str) -> dict[str, object]:
    done = command(env_file, *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def log_in(settings: dict[str, str]) -> oracledb.Connection:
    return oracledb.connect(
        user=settings["SANDBOX_ORACLE_USER"],
        password=settings["SANDBOX_ORACLE_PASSWORD"],
        dsn=settings["SANDBOX_ORACLE_DSN"],
    )


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The environment file of one `serve` for this module, with an outside table in it."""
    folder = tmp_path_factory.mktemp("serve")
    tables = folder / "tables"
    tables.mkdir()
    outside = {"ID": [1, 2], "Price": [Decimal("1.10"), None], "NOTE": ["ราคา", "b"]}
    pq.write_table(pa.table(outside), tables / "outside_prices.parquet")
    typed = {"code": ["ก"], "amount": [7], "day": [date(2026, 1, 2)]}
    pq.write_table(pa.table(typed), tables / "TYPED.parquet")
    types = {"CODE": "CHAR(5 CHAR)", "AMOUNT": "NUMBER(12,2)"}
    (tables / "TYPED.json").write_text(json.dumps(types), encoding="utf-8")
    with served(folder, "--tables", str(tables)) as (_, env_file):
        yield env_file


def test_environment_file_leads_both_clients(running: Path) -> None:
    settings = read_env_file(running)
    assert settings["BIGQUERY_EMULATOR_HOST"].startswith("http://127.0.0.1:")
    with closing(log_in(settings)) as connection:
        assert int(str(one(connection, "SELECT COUNT(*) FROM ERP.V_PO_LISTING"))) > 0
    client = bigquery.Client(
        project=settings["GOOGLE_CLOUD_PROJECT"],
        credentials=AnonymousCredentials(),
        client_options={"api_endpoint": settings["BIGQUERY_EMULATOR_HOST"]},
    )
    with closing(client):
        rows = client.query("SELECT 1 AS one").result()
        assert [row.one for row in rows] == [1]


def test_outside_tables_are_served(running: Path) -> None:
    with closing(log_in(read_env_file(running))) as connection, connection.cursor() as cursor:
        oracledb_rows = cursor.execute("SELECT * FROM ERP.OUTSIDE_PRICES ORDER BY 1").fetchall()
    assert oracledb_rows == [(1, 1.1, "ราคา"), (2, None, "b")]


def test_outside_tables_take_their_types_from_a_file(running: Path) -> None:
    with closing(log_in(read_env_file(running))) as connection, connection.cursor() as cursor:
        (row,) = cursor.execute("SELECT CODE, AMOUNT, DAY FROM ERP.TYPED")
        code, amount, day = cursor.description
    assert row == ("ก    ", 7, datetime(2026, 1, 2))  # noqa: DTZ001  (as the driver gives it)
    assert code.type_code is oracledb.DB_TYPE_CHAR
    assert (amount.precision, amount.scale) == (12, 2)
    assert day.type_code is oracledb.DB_TYPE_DATE


def test_an_unreadable_table_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "broken.parquet").write_bytes(b"not parquet")
    command = [sys.executable, "-m", "tests.sandbox", "serve", "--rows", "100"]
    done = run([*command, "--tables", str(tmp_path)], cwd=ROOT)
    assert done.returncode == 1
    assert done.stderr.startswith("cannot serve: ")
    assert "broken.parquet" in done.stderr


def test_day_and_scn_by_command(running: Path) -> None:
    before = answer(running, "scn")["scn"]
    day = answer(running, "day", "--date", "2030-01-02")
    assert set(day) == set(VIEWS | CONTEXT_VIEWS)
    assert int(str(answer(running, "scn")["scn"])) > int(str(before))


def test_late_commit_by_command(running: Path) -> None:
    with closing(log_in(read_env_file(running))) as connection:
        sql = "SELECT COUNT(*) FROM ERP.V_AR_RECEIPTS"
        before = int(str(one(connection, sql)))
        begun = answer(running, "late-commit", "begin")
        assert command(running, "late-commit", "begin").returncode == 1
        assert one(connection, sql) == before
        answer(running, "late-commit", "finish")
        added = begun["V_AR_RECEIPTS"]["inserted"]  # type: ignore[index]
        assert one(connection, sql) == before + added
    assert "no late commit is open" in command(running, "late-commit", "finish").stderr


def test_faults_by_command(running: Path) -> None:
    set_to = answer(running, "fault", "error_at_row", "row=2", "code=1555", "match=PAYMENTS")
    assert set_to["error_at_row"]["code"] == 1555  # type: ignore[index]
    assert answer(running, "fault", "list") == set_to
    with closing(log_in(read_env_file(running))) as connection, connection.cursor() as cursor:
        with pytest.raises(oracledb.DatabaseError, match="ORA-01555"):
            cursor.execute("SELECT * FROM ERP.V_AP_PAYMENTS").fetchall()
        assert answer(running, "fault", "clear") == {}
        assert cursor.execute("SELECT * FROM ERP.V_AP_PAYMENTS").fetchall()


def test_wrong_fault_is_refused_in_words(running: Path) -> None:
    done = command(running, "fault", "earthquake")
    assert done.returncode == 1
    assert "unknown fault 'earthquake'" in done.stderr
    done = command(running, "fault", "error_at_row", "line=4")
    assert "error_at_row has no argument line" in done.stderr


def test_control_needs_the_token(running: Path) -> None:
    url = read_env_file(running)["SANDBOX_CONTROL"]
    with pytest.raises(ControlFailed, match="no such command"):
        call(url.rsplit("/", 1)[0] + "/guess", "scn", {})


def test_command_without_a_sandbox_says_so(tmp_path: Path) -> None:
    env_file = tmp_path / "gone.env"
    with closing(socket.create_server(("127.0.0.1", 0))) as closed:
        port = closed.getsockname()[1]
    write_env_file(
        env_file,
        {"SANDBOX_ORACLE_DSN": "x", "SANDBOX_CONTROL": f"http://127.0.0.1:{port}/t"},
    )
    done = command(env_file, "scn")
    assert done.returncode == 1
    assert "no sandbox answers" in done.stderr


# Stopping


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM that a process can catch")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_stop_both_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    with served(tmp_path) as (process, _):
        children = psutil.Process(process.pid).children(recursive=True)
        assert children
        if number is signal.SIGINT:
            # As a terminal does: to the child as well.
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        out, err = finish(process, "the end of the sandbox")
    assert process.returncode == 0
    assert out.endswith("stopped\n")
    assert err == ""
    assert not [child for child in children if child.is_running()]


def test_a_killed_sandbox_leaves_no_orphan(tmp_path: Path) -> None:
    with served(tmp_path) as (process, _):
        children = psutil.Process(process.pid).children(recursive=True)
        assert children
        process.kill()
        process.wait()
        until(lambda: not any(map(lives, children)), "the end of the emulator")


def test_port_can_be_fixed_and_is_free_afterwards(make_sandbox: MakeSandbox) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port = probe.getsockname()[1]
    for _ in range(2):
        with Sandbox(ROWS, port=port, bigquery=False) as sandbox:
            assert sandbox.oracle_dsn == f"127.0.0.1:{port}/ERPPDB1"
            connect(sandbox).close()


def test_a_taken_port_is_said_in_words(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "tests.sandbox", "serve", "--rows", "100", "--port", port]
        done = run(command, cwd=ROOT)
    assert done.returncode == 1
    assert done.stderr.startswith("cannot serve: ")
    assert "Traceback" not in done.stderr


def test_a_foreign_env_file_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("SECRET_KEY=precious\n", encoding="utf-8")
    with pytest.raises(EnvFileInUse):
        write_env_file(path, {"SANDBOX_ORACLE_DSN": "x"})
    assert path.read_text(encoding="utf-8") == "SECRET_KEY=precious\n"


def test_environment_of_the_shared_sandbox(
    sandbox: Sandbox, bigquery_sandbox: BigQueryEmulator
) -> None:
    assert sandbox.env()["BIGQUERY_EMULATOR_HOST"] == bigquery_sandbox.host
    assert set(sandbox.env()) == {
        "SANDBOX_ORACLE_DSN",
        "SANDBOX_ORACLE_USER",
        "SANDBOX_ORACLE_PASSWORD",
        "SANDBOX_CONTROL",
        "BIGQUERY_EMULATOR_HOST",
        "GOOGLE_CLOUD_PROJECT",
    }
