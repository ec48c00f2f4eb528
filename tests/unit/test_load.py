"""The door to BigQuery without BigQuery: statements, requests, tables and the error map."""

# ruff: noqa: DTZ001  BigQuery's DATETIME has no zone, so its Python value has none either.

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
import requests.exceptions
import sqlglot
from google.api_core import exceptions as api
from google.auth import exceptions as auth
from google.cloud import bigquery
from google.cloud.bigquery import exceptions as client_exceptions
from google.cloud.bigquery.job import QueryJob
from hypothesis import given
from hypothesis import strategies as st

from etl_oracle_to_bq import load
from etl_oracle_to_bq.codes import CODES
from etl_oracle_to_bq.errors import Busy, ConfigError, DestinationError, DestinationUnavailable
from etl_oracle_to_bq.load import failures, sql, tables
from etl_oracle_to_bq.load.jobs import Jobs, _worth_sending_again
from etl_oracle_to_bq.model import Field, LoadMode, PartitionType, Table
from tests.waiting import run

FIELDS = (
    Field("id", "INT64"),
    Field("day", "DATE"),
    Field("at", "DATETIME"),
    Field("ts", "TIMESTAMP"),
    Field("ImportedAt", "TIMESTAMP"),
)


def table(
    column: str = "", unit: PartitionType = PartitionType.NONE, filtered: bool = False
) -> Table:
    return Table(
        "sales",
        "orders",
        FIELDS,
        partition_column=column,
        partition_type=unit,
        require_partition_filter=filtered,
        labels={"managed_by": "oracle_to_bq", "etl_source": "1-orders"},
    )


def merge_parts(**changes: object) -> sql.Merge:
    values: dict[str, object] = {
        "target": "`p`.`sales`.`orders`",
        "staging": "`p`.`sales`.`orders__stg_r_1`",
        "columns": ("id", "at", "ImportedAt"),
        "keys": ("id",),
        "incremental": "at",
    }
    return sql.Merge(**{**values, **changes})  # type: ignore[arg-type]


class TestNames:
    @pytest.mark.parametrize("name", ["", "a`b", "a\\b", "a\nb", "x" * 1025, "\x7f"])
    def test_a_name_that_could_leave_its_quotes_is_refused(self, name: str) -> None:
        with pytest.raises(ConfigError):
            sql.quoted("sales", name)

    @pytest.mark.parametrize("name", ["orders", "ยอดขาย", "a b", "x#1"])
    def test_other_names_are_quoted(self, name: str) -> None:
        assert sql.quoted("p", name) == f"`p`.`{name}`"

    def test_job_ids_are_made_of_run_and_step(self) -> None:
        assert load.job_id("r1", "commit", 2) == "etl_r1_commit_2"
        assert load.job_id("r1", "part1x00001") == "etl_r1_part1x00001_1"


class TestLiterals:
    @pytest.mark.parametrize(
        ("type_name", "value", "text"),
        [
            ("DATE", date(1, 1, 1), "DATE '0001-01-01'"),
            ("DATE", datetime(2024, 2, 29), "DATE '2024-02-29'"),
            ("DATETIME", datetime(999, 1, 1, 1, 2, 3, 4), "DATETIME '0999-01-01 01:02:03.000004'"),
            ("DATETIME", date(2024, 1, 1), "DATETIME '2024-01-01 00:00:00'"),
            ("TIMESTAMP", datetime(2024, 1, 1, 5), "TIMESTAMP '2024-01-01 05:00:00+00:00'"),
        ],
    )
    def test_bounds_are_written_exactly(self, type_name: str, value: date, text: str) -> None:
        assert sql.literal(type_name, value) == text

    def test_an_aware_time_is_turned_into_utc(self) -> None:
        bangkok = datetime.fromisoformat("2024-01-01T05:00:00+07:00")
        assert sql.literal("TIMESTAMP", bangkok) == "TIMESTAMP '2023-12-31 22:00:00+00:00'"

    def test_a_time_of_day_is_never_cut_off(self) -> None:
        with pytest.raises(ConfigError):
            sql.literal("DATE", datetime(2024, 1, 1, 5))


UNITS = {
    "day": (PartitionType.DAY, PartitionType.MONTH, PartitionType.YEAR),
    "at": (PartitionType.HOUR, PartitionType.DAY, PartitionType.MONTH, PartitionType.YEAR),
}


def start_of(value: date, unit: PartitionType) -> date:
    if unit is PartitionType.YEAR:
        value = value.replace(month=1, day=1)
    if unit is PartitionType.MONTH:
        value = value.replace(day=1)
    if isinstance(value, datetime):
        hour = value.hour if unit is PartitionType.HOUR else 0
        return value.replace(hour=hour, minute=0, second=0, microsecond=0)
    return value


@st.composite
def partitioned_values(draw: st.DrawFn) -> tuple[str, PartitionType, list[date], list[date | None]]:
    column = draw(st.sampled_from(["day", "at"]))
    unit = draw(st.sampled_from(UNITS[column]))
    near = st.timedeltas(timedelta(0), timedelta(days=40))
    if column == "day":
        values = st.one_of(st.dates(), near.map(lambda gap: date(2024, 1, 1) + gap))
    else:
        values = st.one_of(st.datetimes(), near.map(lambda gap: datetime(2024, 1, 1) + gap))
    chosen = draw(st.lists(values, max_size=8))
    probes: list[date | None] = [*chosen, *draw(st.lists(values, max_size=8)), None]
    return column, unit, chosen, probes


class TestPruning:
    @given(partitioned_values())
    def test_the_filter_holds_exactly_the_partitions_named(
        self, drawn: tuple[str, PartitionType, list[date], list[date | None]]
    ) -> None:
        column, unit, chosen, probes = drawn
        starts = {start_of(value, unit) for value in chosen}
        text = sql.partition_filter(table(column, unit), starts)
        query = sqlglot.transpile(f"SELECT {text} AS hit", "bigquery", "duckdb")[0]
        kind = "DATE" if column == "day" else "TIMESTAMP"
        for probe in probes:
            row = duckdb.execute(
                query.replace(
                    "SELECT", "WITH T AS (SELECT CAST(? AS " + kind + f") AS {column}) SELECT", 1
                )
                + " FROM T",
                [probe],
            ).fetchone()
            assert row is not None
            hit = probe is not None and start_of(probe, unit) in starts
            assert bool(row[0]) == (hit or (probe is None and not starts))

    def test_neighbours_become_one_range(self) -> None:
        days = {date(2024, 2, 28), date(2024, 2, 29), date(2024, 3, 1)}
        text = sql.partition_filter(table("day", PartitionType.DAY), days)
        assert text == "((T.`day` >= DATE '2024-02-28' AND T.`day` < DATE '2024-03-02'))"

    def test_very_many_ranges_become_one_span(self) -> None:
        days = {date(2000, 1, 1) + timedelta(days=2 * n) for n in range(sql.MOST_RANGES + 1)}
        text = sql.partition_filter(table("day", PartitionType.DAY), {*days, None})
        assert text.count(">=") == 1
        assert "IS NULL" in text

    def test_the_last_partition_of_the_calendar_has_no_end(self) -> None:
        text = sql.partition_filter(table("day", PartitionType.YEAR), {date(9999, 1, 1)})
        assert text == "(T.`day` >= DATE '9999-01-01')"

    def test_a_required_filter_is_satisfied_where_nothing_can_be_pruned(self) -> None:
        assert sql.any_partition(table("day", PartitionType.DAY)) == ""
        text = sql.any_partition(table("day", PartitionType.DAY, filtered=True))
        assert text == "(T.`day` IS NULL OR T.`day` IS NOT NULL)"


STATEMENTS = {
    "merge": sql.merge(merge_parts(pruning="(T.`at` IS NULL)")),
    "merge of keys only": sql.merge(merge_parts(columns=("id",), incremental="")),
    "replace window by keys": sql.replace_window(merge_parts(), "T.`at` >= DATETIME '2024-01-01'"),
    "replace window": sql.replace_window(merge_parts(keys=()), "TRUE"),
    "insert new": sql.insert_new(merge_parts()),
    "faulty keys": sql.faulty_keys("`s`", ("id", "day"), "at", 5),
    "bounds": sql.bounds("`s`", table("at", PartitionType.HOUR), "at"),
    "bounds of another column": sql.bounds("`s`", table(), "at"),
    "lookup": sql.lookup_partitions(merge_parts(), table("ts", PartitionType.MONTH, True)),
    "staged": sql.staged_partitions("`s`", table("day", PartitionType.YEAR)),
    "add columns": sql.add_columns("`t`", [Field("a", "NUMERIC"), Field("b", "STRING")]),
    "latest": sql.latest_view(table("day", PartitionType.DAY, True), "`t`", ("id",), "at"),
    "status": sql.write_status("`t`"),
}


class TestStatements:
    @pytest.mark.parametrize("text", STATEMENTS.values(), ids=STATEMENTS.keys())
    def test_each_is_one_statement_of_bigquerys_dialect(self, text: str) -> None:
        assert len(sqlglot.parse(text, dialect="bigquery")) == 1

    def test_a_required_filter_is_not_beside_a_null_safe_operator(self) -> None:
        # It stops counting as a filter there (dbt-adapters, merge.sql).
        assert not any("IS NOT DISTINCT" in text for text in STATEMENTS.values())

    def test_without_an_incremental_column_nothing_picks_between_two_rows_of_a_key(self) -> None:
        assert "QUALIFY" not in sql.merge(merge_parts(incremental=""))


class TestTables:
    def test_a_table_survives_the_way_there_and_back(self) -> None:
        made = Table(
            "sales",
            "orders",
            (
                Field("id", "INT64", "REQUIRED"),
                Field("price", "NUMERIC(10,2)"),
                Field("whole", "BIGNUMERIC(50,0)"),
                Field("code", "STRING(20)"),
                Field("flag", "BOOL"),
                Field("ratio", "FLOAT64"),
                Field("day", "DATE"),
            ),
            partition_column="day",
            partition_type=PartitionType.MONTH,
            partition_expiration_days=90,
            require_partition_filter=True,
            cluster_columns=("id", "code"),
            labels={"managed_by": "oracle_to_bq"},
        )
        assert tables.from_bigquery(tables.to_bigquery(made, "p")) == made

    def test_the_api_names_of_types_become_the_sql_names(self) -> None:
        from google.cloud import bigquery

        live = bigquery.Table(
            "p.d.t",
            schema=[
                bigquery.SchemaField(kind, kind)
                for kind in ("INTEGER", "FLOAT", "BOOLEAN", "NUMERIC")
            ],
        )
        kinds = [field.type for field in tables.from_bigquery(live).fields]
        assert kinds == ["INT64", "FLOAT64", "BOOL", "NUMERIC"]


def load_request(tmp_path: Path, mode: LoadMode, part: Path) -> dict[str, object]:
    settings = load.WarehouseSettings("p", "EU", emulator_host="http://127.0.0.1:9")
    with load.Warehouse(settings) as warehouse:
        body: dict[str, object] = warehouse._load_config(table(), part, mode).to_api_repr()
        return body


class TestLoadRequest:
    """What the emulator does not check is asserted on the request itself."""

    def test_csv_options_are_explicit(self, tmp_path: Path) -> None:
        part = tmp_path / "part.csv"
        part.write_text('"ImportedAt",id\n', encoding="utf-8")
        body = load_request(tmp_path, LoadMode.CSV, part)["load"]
        assert isinstance(body, dict)
        assert [field["name"] for field in body.pop("schema")["fields"]] == ["ImportedAt", "id"]
        assert body == {
            "createDisposition": "CREATE_NEVER",
            "writeDisposition": "WRITE_APPEND",
            "sourceFormat": "CSV",
            "skipLeadingRows": "1",
            "fieldDelimiter": ",",
            "quote": '"',
            "encoding": "UTF-8",
            "nullMarker": "",
            "allowQuotedNewlines": True,
            "allowJaggedRows": False,
            "ignoreUnknownValues": False,
            "maxBadRecords": 0,
            "preserveAsciiControlCharacters": True,
        }

    def test_parquet_goes_with_the_full_schema(self, tmp_path: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        part = tmp_path / "part.parquet"
        pq.write_table(pa.table({field.name: pa.nulls(1) for field in FIELDS}), part)
        body = load_request(tmp_path, LoadMode.DATAFRAME, part)["load"]
        assert isinstance(body, dict)
        assert [field["type"] for field in body["schema"]["fields"]] == [
            "INT64", "DATE", "DATETIME", "TIMESTAMP", "TIMESTAMP",
        ]  # fmt: skip
        assert body["sourceFormat"] == "PARQUET"

    def test_a_limit_on_bytes_goes_with_every_query(self) -> None:
        settings = load.WarehouseSettings(
            "p", "EU", emulator_host="http://127.0.0.1:9", maximum_bytes_billed=10**9
        )
        with load.Warehouse(settings) as warehouse:
            body = warehouse._jobs._query_config({"etl_run": "r"}, ()).to_api_repr()
        assert body["query"]["maximumBytesBilled"] == str(10**9)
        assert body["labels"] == {"etl_run": "r"}


URL = "https://host/upload/jobs?upload_id=secret"


def instance(kind: type[BaseException]) -> BaseException:
    """An exception of any class of the client's libraries, with an address in its text."""
    text = f"POST {URL}: it went wrong"
    if kind is api.RetryError:
        return api.RetryError(text, cause=api.ServiceUnavailable(text))
    if kind is requests.exceptions.JSONDecodeError:
        return requests.exceptions.JSONDecodeError(text, "", 0)
    try:
        return kind(text)
    except TypeError:
        return kind(text, None)  # type: ignore[call-arg]


def exceptions_of(*modules: object) -> list[type[BaseException]]:
    found = {
        kind
        for module in modules
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, Exception) and kind.__module__ == module.__name__  # type: ignore[attr-defined]
    }
    return sorted(found, key=lambda kind: (kind.__module__, kind.__name__))


EVERY = [
    kind
    for kind in exceptions_of(api, auth, client_exceptions, requests.exceptions)
    if not issubclass(kind, Warning)
]


class TestErrors:
    @pytest.mark.parametrize("kind", EVERY, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
    def test_every_exception_of_the_client_becomes_ours(self, kind: type[BaseException]) -> None:
        with pytest.raises(DestinationError) as caught, failures.translated("loading sales.orders"):
            raise instance(kind)
        assert "loading sales.orders" in caught.value.message
        assert "upload_id" not in caught.value.message
        assert caught.value.__suppress_context__
        assert caught.value.code

    def test_bigquerys_reason_and_words_are_kept(self) -> None:
        error = api.Forbidden(
            f"POST {URL}: Access Denied",
            errors=[{"reason": "accessDenied", "message": "Access Denied: Table sales.orders"}],
        )
        ours = failures.error_for(error, "committing")
        assert (ours.code, ours.transient) == ("accessDenied", False)
        assert "Access Denied: Table sales.orders" in ours.message

    @pytest.mark.parametrize("reason", sorted(failures.TRANSIENT_REASONS))
    def test_passing_reasons_are_transient_and_registered(self, reason: str) -> None:
        error = api.Forbidden("x", errors=[{"reason": reason, "message": "x"}])
        assert isinstance(failures.error_for(error, "x"), DestinationUnavailable)
        assert CODES[reason].kind == "DestinationUnavailable"

    @pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
    def test_passing_statuses_are_transient(self, status: int) -> None:
        error = api.from_http_status(status, "x")  # type: ignore[no-untyped-call]
        assert failures.error_for(error, "x").transient

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 412])
    def test_other_statuses_are_not(self, status: int) -> None:
        error = api.from_http_status(status, "x")  # type: ignore[no-untyped-call]
        assert not failures.error_for(error, "x").transient

    def test_a_certificate_that_is_refused_is_not_worth_another_try(self) -> None:
        error = requests.exceptions.SSLError("certificate verify failed")
        assert not failures.error_for(error, "x").transient
        assert failures.error_for(requests.exceptions.ConnectionError(), "x").transient

    @pytest.mark.parametrize(
        ("error", "again"),
        [
            ({"reason": "backendError"}, True),
            ({"reason": "jobRateLimitExceeded"}, True),
            ({"reason": "invalidQuery", "message": "Could not serialize access to table"}, True),
            ({"reason": "invalidQuery", "message": "no such column"}, False),
            ({"reason": "quotaExceeded"}, False),
            ({"reason": "stopped"}, False),
        ],
    )
    def test_which_failed_jobs_are_sent_again(self, error: dict[str, str], again: bool) -> None:
        assert failures.worth_repeating(error) is again
        assert failures.job_failure(error, "x").transient is again

    @pytest.mark.parametrize(
        ("error", "again"),
        [
            (api.NotFound("POST https://x: Not Found"), True),
            (api.NotFound("POST https://x: Not found: Table p:d.t"), False),
            (api.NotFound("POST https://x: Not found: Dataset p:d"), False),
            (api.from_http_status(410, "gone"), True),  # type: ignore[no-untyped-call]
            (api.from_http_status(412, "no"), False),  # type: ignore[no-untyped-call]
            (api.BadRequest("x"), False),
            (api.ServiceUnavailable("x"), False),
            (requests.exceptions.ConnectionError(), True),
            (requests.exceptions.SSLError(), False),
        ],
    )
    def test_which_requests_are_sent_again(self, error: Exception, again: bool) -> None:
        assert _worth_sending_again(error) is again


def live(kind: str) -> bigquery.Table:
    """A table as tables.get describes it."""
    reference = {"projectId": "p", "datasetId": "sales", "tableId": "orders"}
    return bigquery.Table.from_api_repr({"tableReference": reference, "type": kind})


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("VIEW", "a view"),
        ("MATERIALIZED_VIEW", "a materialized view"),
        ("EXTERNAL", "an external table"),
        ("SNAPSHOT", "a table snapshot"),
        ("HEARD_OF_LATER", "of type HEARD_OF_LATER"),
    ],
)
def test_only_a_table_is_a_table(kind: str, what: str) -> None:
    with pytest.raises(ConfigError, match=f"^sales.orders is {what}, not a table") as caught:
        tables.from_bigquery(live(kind))
    assert caught.value.code == "not-a-table"


def test_a_table_is_one() -> None:
    assert tables.from_bigquery(live("TABLE")).path == "sales.orders"


def ended(jobs: Jobs, name: str, error: dict[str, str] | None, labels: dict[str, str]) -> QueryJob:
    """A job as BigQuery answers it when it is over."""
    status = {"state": "DONE", **({"errorResult": error} if error else {})}
    resource = {
        "jobReference": {"projectId": "p", "jobId": name, "location": "EU"},
        "configuration": {"query": {"query": "SELECT 1"}, "labels": labels},
        "statistics": {"query": {"totalBytesBilled": "10"}},
        "status": status,
    }
    return QueryJob.from_api_repr(resource, jobs.client)


class TestFailedJobs:
    """A job that is over tells by its error whether another id may be tried."""

    IDS = ("commit_1", "commit_2", "commit_3")

    @pytest.fixture
    def jobs(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Jobs]:
        monkeypatch.setattr("etl_oracle_to_bq.load.jobs.FIRST_PAUSE", 0.0)
        settings = load.WarehouseSettings("p", "EU", emulator_host="http://127.0.0.1:9")
        with load.Warehouse(settings) as warehouse:
            yield warehouse._jobs

    def run(self, jobs: Jobs, errors: list[dict[str, str] | None]) -> tuple[list[str], QueryJob]:
        sent: list[str] = []

        def start(name: str) -> QueryJob:
            sent.append(name)
            return ended(jobs, name, errors[len(sent) - 1], {"etl_run": "r"})

        return sent, jobs.run(start, self.IDS, "committing into sales.orders")

    def test_a_passing_error_is_tried_again_under_the_next_id(self, jobs: Jobs) -> None:
        sent, job = self.run(jobs, [{"reason": "backendError"}, None])
        assert sent == ["commit_1", "commit_2"]
        assert job.job_id == "commit_2"
        assert jobs.bytes_billed("r") == 20

    def test_it_is_not_tried_more_often_than_there_are_ids(self, jobs: Jobs) -> None:
        with pytest.raises(DestinationUnavailable) as caught:
            self.run(jobs, [{"reason": "jobInternalError", "message": "oops"}] * 3)
        assert caught.value.code == "jobInternalError"
        assert "committing into sales.orders" in caught.value.message

    def test_a_lasting_error_is_not_tried_again(self, jobs: Jobs) -> None:
        with pytest.raises(DestinationError) as caught:
            self.run(jobs, [{"reason": "invalidQuery", "message": "no such column"}])
        assert not caught.value.transient

    def test_a_fenced_id_means_that_the_lease_is_lost(self, jobs: Jobs) -> None:
        with pytest.raises(Busy) as caught:
            jobs.run(
                lambda name: ended(jobs, name, None, {"etl_fence": "1"}), self.IDS, "committing"
            )
        assert caught.value.code == "lease-lost"


def test_the_client_is_imported_only_when_the_warehouse_is() -> None:
    program = (
        "import sys; from etl_oracle_to_bq import load; load.WarehouseSettings; load.job_id;"
        "assert 'google.cloud.bigquery' not in sys.modules; load.Warehouse;"
        "assert 'google.cloud.bigquery' in sys.modules"
    )
    done = run([sys.executable, "-c", program])
    assert done.returncode == 0, done.stderr


def test_settings_reject_a_credentials_file_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    path.write_text("{}", encoding="utf-8")
    warehouse = load.Warehouse(load.WarehouseSettings("p", "EU", credentials_file=str(path)))
    with pytest.raises(ConfigError) as caught:
        warehouse.check()
    assert caught.value.code == "invalid-setting"


def test_ownership_labels_are_the_planners() -> None:
    from etl_oracle_to_bq import plan

    assert (load.OWNER_LABEL, load.OWNER) == (plan.OWNER_LABEL, plan.OWNER)
    assert load.SOURCE_LABEL == plan.SOURCE_LABEL


def test_timestamps_of_partitions_are_utc() -> None:
    text = sql.partition_filter(
        table("ts", PartitionType.HOUR), {datetime(2024, 1, 1, 5, tzinfo=UTC)}
    )
    assert "TIMESTAMP '2024-01-01 05:00:00+00:00'" in text


def test_the_client_is_loaded_without_what_is_not_used_and_uploads_in_small_chunks() -> None:
    program = (
        "import sys\n"
        "from etl_oracle_to_bq.load import Warehouse\n"
        "assert not {'pandas', 'google.cloud.bigquery_storage_v1'} & set(sys.modules)\n"
        "from google.cloud.bigquery import client\n"
        "import inspect\n"
        "assert '_DEFAULT_CHUNKSIZE' in inspect.getsource(client.Client)\n"
        "assert client._DEFAULT_CHUNKSIZE == 8 * 1024 * 1024\n"
        "import pandas\n"
    )
    done = run([sys.executable, "-c", program])
    assert done.returncode == 0, done.stderr
