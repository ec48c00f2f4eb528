"""The door to Oracle against the sandbox's ERP: dictionary, clocks, snapshots, contexts, rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from etl_oracle_to_bq import extract, schema
from etl_oracle_to_bq.errors import ConfigError, SourceError
from etl_oracle_to_bq.model import Bind, EbsContext, OracleColumn, Query, Source, Store
from tests.sandbox.serve import Sandbox

COUNT = Query('SELECT COUNT(*) AS n FROM "ERP"."V_GL_ACCOUNTS" v', {})


def reader(sandbox: Sandbox, **changes: object) -> Store:
    address, _, service = sandbox.oracle_dsn.partition("/")
    host, _, port = address.partition(":")
    store = Store(
        1, "erp", host, int(port), sandbox.reader, sandbox.reader_password, service_name=service
    )
    return replace(store, **changes)


@pytest.fixture
def session(oracle_sandbox: Sandbox) -> Iterator[extract.OracleSession]:
    with extract.connect(reader(oracle_sandbox)) as found:
        yield found


def test_identity(oracle_sandbox: Sandbox) -> None:
    with extract.connect(reader(oracle_sandbox, session_time_zone="+07:00")) as session:
        found = session.identity()
    assert (found.user, found.time_zone, found.warnings) == ("ETL_READER", "+07:00", ())
    assert found.version.startswith("19.")
    assert 0 < found.round_trip_ms < 1_000


def test_views_are_found_by_any_part_of_their_name(session: extract.OracleSession) -> None:
    assert len(session.views()) >= 10
    assert session.views("ap_pay") == [("ERP", "V_AP_PAYMENTS")]
    assert session.views("erp.v_gl") == [("ERP", "V_GL_ACCOUNTS")]
    assert session.views("100%' OR") == []


def test_a_view_is_described_in_the_dictionary_s_spelling(session: extract.OracleSession) -> None:
    view = session.describe("erp.v_project_status")
    assert (view.owner, view.name) == ("ERP", "V_PROJECT_STATUS")
    columns = {column.name: column for column in view.columns}
    assert columns["PROJECT_ID"] == OracleColumn("PROJECT_ID", "NUMBER", 15, 0, nullable=False)
    assert columns["PROJECT_NAME"].length == 240
    assert columns["LAST_UPDATE_DATE"].data_type == "TIMESTAMP(6) WITH TIME ZONE"
    assert columns["REMAINING_AMOUNT"].precision is None
    assert session.describe('"ERP"."V_PROJECT_STATUS"') == view


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("NOBODY.V_X", "no schema NOBODY"),
        ("ERP.V_AP_PAYMENT", "Named alike: V_AP_PAYMENTS"),
        ("ERP.AP_CHECKS_ALL", "READ on it is not granted"),
        ("ERP.V_X'; DROP", "not of the form"),
        ("a.b.c", "not of the form"),
    ],
)
def test_an_unknown_view_is_told_with_what_may_be_meant(
    session: extract.OracleSession, name: str, told: str
) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        session.describe(name)
    assert caught.value.code == "unknown-view"


def test_a_synonym_is_read_by_its_own_name(
    oracle_sandbox: Sandbox, session: extract.OracleSession
) -> None:
    oracle_sandbox.database.create_synonym("ETL_READER", "ACCOUNTS", "ERP", "V_GL_ACCOUNTS")
    found = session.describe("ETL_READER.ACCOUNTS")
    assert (found.owner, found.name) == ("ETL_READER", "ACCOUNTS")
    assert found.columns == session.describe("ERP.V_GL_ACCOUNTS").columns
    assert session.describe("ACCOUNTS") == found


def test_the_moment_is_the_server_s_clock_utc_and_scn(
    oracle_sandbox: Sandbox, session: extract.OracleSession
) -> None:
    before = oracle_sandbox.database.scn
    moment = session.moment()
    assert moment.scn is not None
    assert before <= moment.scn <= oracle_sandbox.database.scn
    # The sandbox's server stands in Bangkok.
    ahead = moment.server - moment.utc
    assert timedelta(hours=7) - timedelta(seconds=1) <= ahead <= timedelta(hours=7)
    assert moment.warnings == ()
    view = session.describe("ERP.V_GL_ACCOUNTS")
    assert session.flashback_allowed(view, moment) == moment


def test_without_rights_there_is_no_scn_but_a_warning(oracle_sandbox: Sandbox) -> None:
    plain = reader(
        oracle_sandbox, user=oracle_sandbox.plain_reader, password=oracle_sandbox.plain_password
    )
    with extract.connect(plain) as session:
        moment = session.moment()
        view = session.describe("ERP.V_GL_ACCOUNTS")
        assert session.flashback_allowed(view, moment) == moment
    assert moment.scn is None
    assert "read-only transaction" in moment.warnings[0]


@pytest.mark.parametrize("code", [1031, 1555])
def test_refused_flashback_is_a_warning(
    oracle_sandbox: Sandbox, session: extract.OracleSession, code: int
) -> None:
    view, moment = session.describe("ERP.V_GL_ACCOUNTS"), session.moment()
    oracle_sandbox.faults.set("no_flashback", code=code)
    allowed = session.flashback_allowed(view, moment)
    assert allowed.scn is None
    assert f"ORA-{code:05d}" in allowed.warnings[-1]


def test_a_snapshot_does_not_see_later_commits(make_sandbox: object) -> None:
    sandbox = make_sandbox()  # type: ignore[operator]
    late = sandbox.late_commit()
    view = f'"ERP"."{late.view}"' if hasattr(late, "view") else '"ERP"."V_AR_RECEIPTS"'
    count = Query(f"SELECT COUNT(*) AS n FROM {view}", {})
    with extract.connect(reader(sandbox)) as session:
        session.begin_snapshot()
        before = session.counts(count)
        late.commit()
        assert session.counts(count) == before
        session.end_snapshot()
        assert session.counts(count)["n"] > before["n"]


def test_the_past_is_read_as_of_its_scn(make_sandbox: object) -> None:
    sandbox = make_sandbox()  # type: ignore[operator]
    sql = 'SELECT COUNT(*) AS n FROM "ERP"."V_AR_RECEIPTS" AS OF SCN :scn v'
    with extract.connect(reader(sandbox)) as session:
        scn = session.moment().scn
        assert scn is not None
        then = Query(sql, {"scn": Bind(scn, "NUMBER")})
        before = session.counts(then)
        sandbox.business_day()
        assert session.counts(then) == before


def test_a_multi_org_view_needs_its_context(oracle_sandbox: Sandbox) -> None:
    count = Query('SELECT COUNT(*) AS n FROM "ERP"."V_ORG_INVOICES" v', {})
    with extract.connect(reader(oracle_sandbox)) as session:
        assert session.counts(count) == {"n": 0}
    store = reader(oracle_sandbox, ebs=EbsContext(1013, 50559, 200, 0, "AR"))
    with extract.connect(store) as session:
        assert session.counts(count)["n"] > 0
        session.begin_snapshot()
        assert session.counts(count)["n"] > 0


def test_the_current_schema_is_set_in_its_own_spelling(oracle_sandbox: Sandbox) -> None:
    with extract.connect(reader(oracle_sandbox, current_schema="erp")) as session:
        assert session.describe("V_GL_ACCOUNTS").owner == "ERP"
        assert session.counts(Query("SELECT COUNT(*) AS n FROM V_GL_ACCOUNTS", {}))["n"] > 0
    with (
        pytest.raises(ConfigError, match="no schema NOWHERE"),
        extract.connect(reader(oracle_sandbox, current_schema="NOWHERE")),
    ):
        pass


def test_no_setting_of_the_session_depends_on_the_client(session: extract.OracleSession) -> None:
    text = "TO_CHAR(TO_DATE('2026-02-01', 'YYYY-MM-DD'), 'MON')"
    query = Query(
        f"SELECT COUNT(CASE WHEN {text} = 'FEB' THEN 1 END) AS month, "
        "COUNT(CASE WHEN TO_CHAR(1.5) = '1.5' THEN 1 END) AS point FROM DUAL",
        {},
    )
    assert session.counts(query) == {"month": 1, "point": 1}


def test_keys_are_checked_in_oracle(session: extract.OracleSession) -> None:
    view = session.describe("ERP.V_AR_RECEIPTS")
    found = session.key_check(view, ("cash_receipt_id",))
    assert found.unique
    assert found.rows == found.distinct > 0
    found = session.key_check(view, ("CURRENCY_CODE", "REVERSAL_DATE"))
    assert not found.unique
    assert found.distinct < found.rows
    assert found.nulls > 0


def test_an_error_inside_the_view_keeps_its_code(session: extract.OracleSession) -> None:
    with pytest.raises(SourceError) as caught:
        session.counts(Query("SELECT 1 / 0 AS n FROM DUAL", {}))
    assert caught.value.code == "ORA-01476"
    with pytest.raises(SourceError) as caught:
        session.counts(Query('SELECT COUNT(*) AS n FROM "ERP"."V_NOTHING"', {}))
    assert caught.value.code == "ORA-00942"


def test_every_view_arrives_with_the_planned_types_and_rows(
    session: extract.OracleSession, oracle_sandbox: Sandbox
) -> None:
    for owner, name in session.views("erp.v_"):
        view = session.describe(f"{owner}.{name}")
        columns = schema.plan_columns(
            view, Source(1, f"{owner}.{name}", reader(oracle_sandbox), "d", "t")
        )
        items = ", ".join(f'{column.expression} AS "{column.source.name}"' for column in columns)
        query = Query(f'SELECT {items} FROM "{owner}"."{name}" v', {})
        wanted = schema.fetch_schema(columns)
        rows = 0
        for batch in session.batches(query, wanted, 500):
            assert batch.schema.types == wanted.types
            rows += batch.num_rows
        counted = Query(f'SELECT COUNT(*) AS n FROM "{owner}"."{name}"', {})
        assert rows == session.counts(counted)["n"]
