"""The door to Oracle against the sandbox's wire: exact values, deadlines, the error tree.

The answers are prepared, so that each test says exactly what Oracle sends; what depends on
SQL and on the data dictionary is in `test_extract_sandbox.py`.
"""

from __future__ import annotations

import inspect
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import oracledb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl_oracle_to_bq import extract
from etl_oracle_to_bq.codes import CODES
from etl_oracle_to_bq.errors import (
    ConfigError,
    EtlError,
    SourceError,
    SourceUnavailable,
    StageError,
)
from etl_oracle_to_bq.extract.failures import oracle_errors
from etl_oracle_to_bq.extract.fetching import BATCH_BYTES, DESCRIBE, MOST_LOB_ROWS
from etl_oracle_to_bq.model import Bind, OracleView, Query, Store
from tests.integration.oracle_wire.prepared_database import PreparedDatabase
from tests.sandbox.oracle.faults import Faults
from tests.sandbox.oracle.server import OracleServer
from tests.sandbox.oracle.session import Column, Kind, Result
from tests.waiting import HANG_SECONDS, SHORT_SECONDS, run, until

NUMERIC = pa.decimal128(38, 9)
BIGNUMERIC = pa.decimal256(76, 38)
PASSWORD = "t1ger-and-more"


@pytest.fixture(scope="module")
def oracle() -> Iterator[OracleServer]:
    database = PreparedDatabase(passwords={"SCOTT": PASSWORD})
    with OracleServer(database, faults=Faults()) as server:
        yield server


@pytest.fixture(autouse=True)
def clear(oracle: OracleServer) -> Iterator[None]:
    yield
    oracle.faults.clear()


@pytest.fixture
def store(oracle: OracleServer) -> Store:
    return Store(1, "erp", "127.0.0.1", oracle.port, "scott", PASSWORD, service_name="ERP")


@pytest.fixture
def session(store: Store) -> Iterator[extract.OracleSession]:
    with extract.connect(store) as found:
        yield found


def prepare(oracle: OracleServer, sql: str, columns: list[Column], *arrays: pa.Array) -> Query:
    database = oracle.database
    assert isinstance(database, PreparedDatabase)
    for text in (sql, sql + DESCRIBE):
        database.table(text, columns, arrays)
    return Query(sql, {})


def read(
    session: extract.OracleSession, query: Query, **types: pa.DataType
) -> list[dict[str, Any]]:
    batches = session.batches(query, pa.schema(list(types.items())), 1_000)
    return [row for batch in batches for row in batch.to_pylist()]


def number(
    session: extract.OracleSession, oracle: OracleServer, value: str, kind: pa.DataType
) -> Any:
    texts = pa.array([f"{Decimal(value):f}"], pa.large_string())
    query = prepare(oracle, "select n from t", [Column("N", Kind.NUMBER)], texts)
    return read(session, query, n=kind)[0]["n"]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("99999999999999999999999999999.999999999", NUMERIC),
        ("-99999999999999999999999999999.999999999", NUMERIC),
        ("0.000000001", NUMERIC),
        ("12345678901234567890123456789", NUMERIC),
        ("99999999999999999999999999999999999999", BIGNUMERIC),
        ("0.00000000000000000000000000000000000001", BIGNUMERIC),
        ("33.33333333333333333333333333333333333333", BIGNUMERIC),
        ("9223372036854775807", pa.int64()),
        ("-9223372036854775808", pa.int64()),
    ],
)
def test_a_bare_number_arrives_exactly(
    session: extract.OracleSession, oracle: OracleServer, value: str, kind: pa.DataType
) -> None:
    assert number(session, oracle, value, kind) == Decimal(value)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        # The driver alone changes each of these without an error (26.1.0).
        ("1e30", NUMERIC),
        ("123456789012345678901234567890", NUMERIC),
        ("1e37", NUMERIC),
        ("1e38", BIGNUMERIC),
        ("1e50", BIGNUMERIC),
        ("0.5", pa.int64()),
        ("-1.5", pa.int64()),
        # These it refuses itself.
        ("0.1234567891", NUMERIC),
        ("9223372036854775808", pa.int64()),
        ("1e125", NUMERIC),
    ],
)
def test_a_number_that_does_not_fit_is_refused_with_a_query_that_finds_it(
    session: extract.OracleSession, oracle: OracleServer, value: str, kind: pa.DataType
) -> None:
    with pytest.raises(StageError) as caught:
        number(session, oracle, value, kind)
    assert caught.value.code == "value-does-not-fit"
    assert "Column N" in caught.value.message
    assert f"{Decimal(value):f}" in caught.value.message
    assert "SELECT * FROM" in caught.value.message
    assert read(session, prepare_one(oracle), n=pa.int64()) == [{"n": 1}]


def prepare_one(oracle: OracleServer) -> Query:
    return prepare(oracle, "select 1", [Column("N", Kind.NUMBER, 1, 0)], pa.array([1]))


@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    digits=st.lists(st.none() | st.integers(-(10**40 - 1), 10**40 - 1), min_size=1, max_size=20),
    exponent=st.integers(-45, 20),
)
def test_bare_numbers_arrive_exactly_or_not_at_all(
    session: extract.OracleSession,
    oracle: OracleServer,
    digits: list[int | None],
    exponent: int,
) -> None:
    values = [None if n is None else Decimal(n).scaleb(exponent) for n in digits]
    texts = pa.array([None if v is None else f"{v:f}" for v in values], pa.large_string())
    query = prepare(oracle, "select any", [Column("N", Kind.NUMBER)], texts)
    for kind in (NUMERIC, pa.int64()):
        try:
            rows = read(session, query, n=kind)
        except StageError as error:
            assert error.code == "value-does-not-fit"
        else:
            assert [row["n"] for row in rows] == values


def test_declared_numbers_are_decoded_without_a_detour(
    session: extract.OracleSession, oracle: OracleServer
) -> None:
    columns = [Column("A", Kind.NUMBER, 18, 0), Column("B", Kind.NUMBER, 38, 9)]
    arrays = pa.array([10**18 - 1]), pa.array([Decimal("9" * 29 + "." + "9" * 9)], NUMERIC)
    query = prepare(oracle, "select a, b from t", columns, *arrays)
    assert read(session, query, a=pa.int64(), b=NUMERIC) == [
        {"a": 10**18 - 1, "b": Decimal("9" * 29 + "." + "9" * 9)}
    ]


def test_a_date_before_year_one_is_told_apart(
    session: extract.OracleSession, oracle: OracleServer
) -> None:
    seconds = pa.array([0, -210_863_520_000 + 86_400 * 365], pa.int64()).view(pa.timestamp("s"))
    query = prepare(oracle, 'SELECT v."D" FROM "ERP"."V" v', [Column("D", Kind.DATE)], seconds)
    with pytest.raises(StageError) as caught:
        read(session, query, d=pa.timestamp("us"))
    assert caught.value.code == "bad-dates"
    assert 'SELECT * FROM "ERP"."V" WHERE "D" < DATE \'0001-01-01\'' in caught.value.message


def test_a_query_without_rows_gives_no_batch(
    session: extract.OracleSession, oracle: OracleServer
) -> None:
    columns = [Column("N", Kind.NUMBER), Column("C", Kind.CLOB)]
    empty = pa.array([], pa.int64()), pa.array([], pa.large_string())
    query = prepare(oracle, "select none", columns, *empty)
    assert read(session, query, n=pa.int64(), c=pa.large_string()) == []


def test_lobs_come_in_batches_that_stay_small(
    session: extract.OracleSession, oracle: OracleServer
) -> None:
    long = "ก" * (400 * 1024 // 3)
    texts = pa.array([None] * 500 + [long] * 260, pa.large_string())
    query = prepare(oracle, "select clob", [Column("C", Kind.CLOB)], texts)
    batches = list(session.batches(query, pa.schema([("c", pa.large_string())]), 50_000))
    assert sum(batch.num_rows for batch in batches) == 760
    assert max(batch.num_rows for batch in batches) == MOST_LOB_ROWS
    # After one batch of surprise the size follows what was measured.
    large = [batch.nbytes for batch in batches if batch.nbytes > 1024 * 1024]
    assert len(large) > 2
    assert max(large) <= 128 * 410 * 1024
    assert sorted(large)[-2] <= BATCH_BYTES * 1.1
    assert pa.chunked_array([batch.column(0) for batch in batches]).to_pylist() == texts.to_pylist()


def test_wide_rows_make_batches_of_fewer_rows(
    session: extract.OracleSession, oracle: OracleServer
) -> None:
    columns = [Column(f"C{n}", Kind.VARCHAR2, length=32_767) for n in range(50)]
    arrays = [pa.array(["x"] * 200)] * 50
    query = prepare(oracle, "select wide", columns, *arrays)
    schema = pa.schema([(f"c{n}", pa.large_string()) for n in range(50)])
    batches = list(session.batches(query, schema, 50_000))
    assert [batch.num_rows for batch in batches] == [81, 81, 38]


def test_ordinary_rows_come_by_the_configured_batch_size(
    session: extract.OracleSession, oracle: OracleServer
) -> None:
    query = prepare(oracle, "select many", [Column("N", Kind.NUMBER, 9, 0)], pa.array(range(2_500)))
    batches = list(session.batches(query, pa.schema([("n", pa.int64())]), 1_000))
    assert [batch.num_rows for batch in batches] == [1_000, 1_000, 500]


def test_binds_are_sent_as_the_types_that_the_query_names(
    session: extract.OracleSession, oracle: OracleServer
) -> None:
    seen: dict[str, object] = {}

    def answer(_: object, binds: Any) -> Result:
        seen.update({str(bind.kind): bind.value for bind in binds})
        batch = pa.RecordBatch.from_arrays([pa.array([1])], names=["N"])
        return Result((Column("N", Kind.NUMBER, 9, 0),), iter([batch]))

    sql = "select n from t where d >= :d and t >= :t and n = :n"
    assert isinstance(oracle.database, PreparedDatabase)
    oracle.database.answers[sql] = oracle.database.answers[sql + DESCRIBE] = answer
    moment = datetime(2026, 11, 23, 1, 2, 3, 456789)  # noqa: DTZ001
    binds = {
        "d": Bind(moment.replace(microsecond=0), "DATE"),
        "t": Bind(moment, "TIMESTAMP"),
        "n": Bind(7, "NUMBER"),
    }
    assert session.counts(Query(sql, binds)) == {"n": 1}
    wanted = {"DATE": moment.replace(microsecond=0), "TIMESTAMP": moment, "NUMBER": 7}
    assert seen == wanted
    seen.clear()
    assert list(session.batches(Query(sql, binds), pa.schema([("n", pa.int64())]), 10))
    assert seen == wanted
    aware = {**binds, "t": Bind(moment.replace(tzinfo=UTC), "TIMESTAMP")}
    with pytest.raises(ValueError, match="naive"):
        session.counts(Query(sql, aware))


# Errors -------------------------------------------------------------------------------------


def exception_classes() -> list[type[BaseException]]:
    found = inspect.getmembers(oracledb, inspect.isclass)
    return [kind for _, kind in found if issubclass(kind, BaseException)]


@pytest.mark.parametrize("kind", exception_classes(), ids=lambda kind: kind.__name__)
def test_every_exception_class_of_the_driver_is_mapped(kind: type[BaseException]) -> None:
    with pytest.raises(SourceError, match="Testing: words"), oracle_errors("Testing"):
        raise kind("words")


@pytest.mark.parametrize(
    ("error", "code", "transient"),
    [
        (socket.gaierror(socket.EAI_NONAME, "unknown"), "ORA-12545", False),
        (socket.gaierror(socket.EAI_AGAIN, "later"), "DPY-6005", True),
        (ConnectionRefusedError(111, "refused"), "ORA-12541", True),
        (ConnectionResetError(104, "reset"), "DPY-4011", True),
        (TimeoutError("late"), "ORA-12170", True),
    ],
)
def test_errors_of_the_network_are_mapped(error: OSError, code: str, transient: bool) -> None:
    with pytest.raises(SourceError) as caught, oracle_errors("Testing"):
        raise error
    assert (caught.value.code, caught.value.transient) == (code, transient)


def test_a_secret_is_never_told() -> None:
    with pytest.raises(SourceError) as caught, oracle_errors("Testing", PASSWORD, ""):
        raise oracledb.DatabaseError(f"the password is {PASSWORD}")
    assert PASSWORD not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("number_", "code", "transient"),
    [
        (1555, "ORA-01555", True),
        (942, "ORA-00942", False),
        (3113, "ORA-03113", True),
        (600, "ORA-00600", False),
        (1722, "ORA-01722", False),
        (376, "ORA-00376", True),
    ],
)
def test_oracle_errors_in_the_middle_of_a_fetch(
    session: extract.OracleSession,
    oracle: OracleServer,
    number_: int,
    code: str,
    transient: bool,
) -> None:
    query = prepare(oracle, "select m", [Column("N", Kind.NUMBER, 9, 0)], pa.array(range(5_000)))
    oracle.faults.set("error_at_row", row=2_500, code=number_, text="told by a test")
    fetched = 0
    with pytest.raises(SourceError) as caught:
        for batch in session.batches(query, pa.schema([("n", pa.int64())]), 1_000):
            fetched += batch.num_rows
    assert (caught.value.code, caught.value.transient) == (code, transient)
    assert code not in CODES or CODES[code].transient == transient
    assert fetched == 2_000


def test_a_connection_cut_in_the_middle_is_transient(
    session: extract.OracleSession, oracle: OracleServer
) -> None:
    query = prepare(oracle, "select m", [Column("N", Kind.NUMBER, 9, 0)], pa.array(range(5_000)))
    oracle.faults.set("drop_after_rows", rows=1_500, times=1)
    with pytest.raises(SourceUnavailable) as caught:
        read(session, query, n=pa.int64())
    assert caught.value.code == "DPY-4011"


def test_cancel_stops_a_running_call_of_another_thread(
    session: extract.OracleSession, oracle: OracleServer
) -> None:
    assert isinstance(oracle.database, PreparedDatabase)
    begun = threading.Event()

    def wait(found: Any, _: object) -> Result:
        begun.set()
        return found.wait_for_interrupt()

    oracle.database.answers["select slowly"] = wait

    def stop() -> None:
        assert begun.wait(HANG_SECONDS)
        session.cancel()

    stopper = threading.Thread(target=stop)
    stopper.start()
    with pytest.raises(SourceError) as caught:
        session.counts(Query("select slowly", {}))
    stopper.join()
    assert caught.value.code == "ORA-01013"


@pytest.mark.parametrize("fault", [("drop_after_rows", {}), ("error_at_row", {"code": 3113})])
def test_a_lost_connection_can_be_cancelled(
    session: extract.OracleSession, oracle: OracleServer, fault: tuple[str, dict[str, int]]
) -> None:
    """The driver itself crashes, in the second case with the whole process."""
    query = prepare(oracle, "select m", [Column("N", Kind.NUMBER, 9, 0)], pa.array(range(9)))
    name, more = fault
    oracle.faults.set(name, **{"rows" if name == "drop_after_rows" else "row": 1}, **more, times=1)
    with pytest.raises(SourceUnavailable):
        read(session, query, n=pa.int64())
    session.cancel()


def test_a_call_has_a_deadline(store: Store, oracle: OracleServer) -> None:
    assert isinstance(oracle.database, PreparedDatabase)
    oracle.database.answers["select slowly"] = lambda found, _: found.wait_for_interrupt()
    # Long enough for the driver and the server to agree on the end of the call, too.
    limits = extract.Limits(call_seconds=SHORT_SECONDS)
    with extract.connect(store, limits) as session, pytest.raises(SourceUnavailable) as caught:
        session.counts(Query("select slowly", {}))
    assert caught.value.code == "DPY-4024"


# Connecting ---------------------------------------------------------------------------------


def refusal(store: Store) -> EtlError:
    with (
        pytest.raises(EtlError) as caught,
        extract.connect(store, extract.Limits(connect_seconds=HANG_SECONDS)),
    ):
        pass
    assert PASSWORD not in str(caught.value)
    return caught.value


def test_a_wrong_password_says_so_and_is_not_worth_another_try(store: Store) -> None:
    error = refusal(replace(store, password="wrong"))
    assert (error.code, error.exit_code, error.transient) == ("ORA-01017", 3, False)


def test_a_listener_that_refuses_is_asked_once(store: Store, oracle: OracleServer) -> None:
    """Trying again is the business of `run` alone: nothing is retried twice by two layers."""
    oracle.faults.set("refuse_service", times=2)
    assert refusal(store).code == "ORA-12514"
    assert oracle.faults.as_dict()["refuse_service"]["times"] == 1
    refusal(store)
    with extract.connect(store) as session:
        assert session.counts(prepare_one(oracle)) == {"n": 1}


def test_a_refused_service_has_its_code(store: Store) -> None:
    error = refusal(replace(store, service_name="NOWHERE"))
    assert (error.code, error.transient) == ("ORA-12514", True)
    assert refusal(replace(store, service_name="", sid="NOSID")).code == "ORA-12505"
    error = refusal(replace(store, port=free_port()))
    assert (error.code, error.transient) == ("ORA-12541", True)
    assert "scott at 127.0.0.1" in error.message


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_a_silent_listener_ends_at_the_deadline_and_holds_up_nobody(
    store: Store, oracle: OracleServer
) -> None:
    oracle.faults.set("silent")
    with (
        pytest.raises(SourceUnavailable) as caught,
        extract.connect(store, extract.Limits(connect_seconds=0.3)),
    ):
        pass
    assert caught.value.code == "connect-timeout"
    assert all(thread.daemon for thread in threading.enumerate() if "oracle-connect" in thread.name)
    oracle.faults.clear()
    with extract.connect(store) as session:
        assert session.warnings() == ()


SILENT_THEN_REFUSED = """
import sys
from etl_oracle_to_bq import extract
from etl_oracle_to_bq.errors import SourceError
from etl_oracle_to_bq.model import Store

for port in map(int, sys.argv[1:]):
    store = Store(1, "erp", "127.0.0.1", port, "scott", "tiger", service_name="ERP")
    try:
        with extract.connect(store, extract.Limits(connect_seconds=1)):
            pass
    except SourceError as error:
        print(error.code)
"""


def test_the_first_listener_of_a_process_may_be_silent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        ports = [str(silent.getsockname()[1]), str(free_port())]
        done = run([sys.executable, "-c", SILENT_THEN_REFUSED, *ports])
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["connect-timeout", "ORA-12541"]


def test_a_descriptor_takes_the_place_of_host_and_port(store: Store) -> None:
    descriptor = (
        f"(DESCRIPTION=(ADDRESS=(PROTOCOL=tcp)(HOST=127.0.0.1)(PORT={store.port}))"
        "(CONNECT_DATA=(SERVICE_NAME=ERP)))"
    )
    named = replace(store, host="", port=0, service_name="", descriptor=descriptor)
    with extract.connect(named):
        pass
    assert refusal(replace(named, descriptor="(DESCRIPTION=")).code == "DPY-2049"


def test_a_bad_time_zone_is_refused_before_dialling(store: Store) -> None:
    error = refusal(replace(store, port=free_port(), session_time_zone="+07:00' x"))
    assert isinstance(error, ConfigError)
    assert error.exit_code == 2


def test_the_session_is_set_up_and_closed(store: Store, oracle: OracleServer) -> None:
    assert isinstance(oracle.database, PreparedDatabase)
    with extract.connect(store) as session:
        session.counts(prepare_one(oracle))
        found = oracle.database.sessions[-1]
        assert found.attributes["program"] == "oracle-erp-to-bigquery"
        assert found.attributes["module"] == "oracle-erp-to-bigquery"
    until(lambda: found not in oracle.database.sessions, "the end of the session")
    assert not found.commits


def test_a_snapshot_is_refused_to_nobody_but_begins_a_transaction(
    session: extract.OracleSession, oracle: OracleServer
) -> None:
    assert isinstance(oracle.database, PreparedDatabase)
    oracle.database.answers["SET TRANSACTION READ ONLY"] = lambda *_: Result()
    session.begin_snapshot()
    session.end_snapshot()
    assert [sql for sql, _ in oracle.database.executed][-1] == "SET TRANSACTION READ ONLY"


def test_key_columns_must_exist(session: extract.OracleSession) -> None:
    with pytest.raises(ConfigError) as caught:
        session.key_check(OracleView("ERP", "V", ()), ("ID",))
    assert caught.value.code == "unknown-column"
