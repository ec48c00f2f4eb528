"""`Warehouse`: everything the product does in BigQuery."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from types import TracebackType
from uuid import uuid4

import pyarrow.parquet
from google.api_core import exceptions as api
from google.cloud import bigquery
from google.cloud.bigquery.job import LoadJob, QueryJob

from etl_oracle_to_bq.errors import ConfigError, DestinationError, StageError
from etl_oracle_to_bq.load import committing, sql
from etl_oracle_to_bq.load.access import client_for
from etl_oracle_to_bq.load.answers import (
    COMMIT_TRIES,
    OWNER,
    OWNER_LABEL,
    RUN_LABEL,
    SOURCE_LABEL,
    STEP_LABEL,
    Bounds,
    Committed,
    Identity,
    Leftover,
    Loaded,
    LoadStatus,
    Settled,
    WarehouseSettings,
)
from etl_oracle_to_bq.load.failures import translated
from etl_oracle_to_bq.load.jobs import Jobs
from etl_oracle_to_bq.load.tables import (
    from_bigquery,
    missing_labels,
    refuse_no_table,
    schema_of,
    time_partitioning,
    to_bigquery,
)
from etl_oracle_to_bq.model import Field, LoadMode, Plan, Table

STAGING_MARK = "__stg_"
KEYS_SHOWN = 5
# A resumable upload waits 1, 2, 4 ... seconds between its tries; the client's own number is 6.
MOST_UPLOAD_TRIES = 6

STATUS = Table(
    dataset="",
    name="etl_load_status",
    fields=(
        Field("source", "INT64"),
        Field("view", "STRING"),
        Field("target", "STRING"),
        Field("state", "STRING"),
        Field("watermark", "DATETIME"),
        Field("last_success", "TIMESTAMP"),
        Field("last_run", "TIMESTAMP"),
        Field("rows", "INT64"),
        Field("message", "STRING"),
    ),
    labels={OWNER_LABEL: OWNER},
)


class Warehouse:
    """BigQuery, as one project in one location; a context manager, safe to use from threads.

    Nothing is asked of Google before the first call. Every method raises DestinationError
    when BigQuery refuses and DestinationUnavailable when it cannot be reached, both naming
    what was being done; the code is BigQuery's own reason.
    """

    def __init__(self, settings: WarehouseSettings) -> None:
        self.settings = settings

    def __enter__(self) -> Warehouse:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if "_client" in self.__dict__:
            self._client.close()  # type: ignore[no-untyped-call]

    def for_seconds(self, seconds: float) -> Warehouse:
        """The same BigQuery, with a client of its own that gives up on a request after this long.

        A job is waited for twice as long. Use it in a `with` block.
        """
        hurried = replace(self.settings, request_seconds=seconds, job_seconds=2 * seconds)
        return Warehouse(hurried)

    def check(self) -> Identity:
        """Prove that the account may list datasets and run jobs; says who and where we are."""
        with translated("checking the project"):
            list(
                self._client.list_datasets(
                    max_results=1, retry=self._jobs.retry, timeout=self._jobs.timeout
                )
            )
        self._jobs.rows("SELECT 1", "running a first job")
        account = getattr(self._client._credentials, "service_account_email", None)
        emulated = "anonymous, on an emulator" if self.settings.emulator_host else ""
        return Identity(
            self._client.project, self.settings.location, account or emulated or "Google's default"
        )

    def dataset_exists(self, dataset: str) -> bool:
        """Whether the dataset is there and in the configured location.

        Raises DestinationError `notFound` when it lies elsewhere: jobs could not reach it.
        """
        with translated(f"looking for dataset {dataset}"):
            try:
                live = self._client.get_dataset(
                    self._path(dataset), retry=self._jobs.retry, timeout=self._jobs.timeout
                )
            except api.NotFound:
                return False
        where = live.location or self.settings.location
        if where.lower() != self.settings.location.lower():
            raise DestinationError(
                f"Dataset {dataset} is in {where}, but jobs run in {self.settings.location}.",
                code="notFound",
            )
        return True

    def create_dataset(self, dataset: str) -> None:
        """Create the dataset in the configured location; one that is there already is fine."""
        if self.dataset_exists(dataset):
            return
        made = bigquery.Dataset(self._path(dataset))
        made.location = self.settings.location
        with translated(f"creating dataset {dataset}"):
            self._client.create_dataset(
                made, exists_ok=True, retry=self._jobs.retry, timeout=self._jobs.timeout
            )

    def describe(self, dataset: str, table: str) -> Table | None:
        """The table as it is, or None when there is none (or no such dataset).

        Raises ConfigError `not-a-table` for a view, a snapshot and whatever else cannot be written.
        """
        live = self._live(dataset, table)
        return None if live is None else from_bigquery(live)

    def create_target(self, table: Table, description: str) -> None:
        """Create the table with its fields, partitioning, clustering and labels.

        A table that this call, or an earlier one whose answer was lost, has made is fine.
        Raises DestinationError `duplicate` when another table is in the way.
        """
        made = to_bigquery(table, self.settings.project)
        made.description = description
        self._create(made, f"creating {table.path}")

    def add_columns(self, table: Table, fields: Sequence[Field]) -> None:
        """Add nullable columns at the end; those that are there already are left alone."""
        text = sql.add_columns(self._quoted(table), fields)
        self._change(text, f"adding columns to {table.path}", "add")

    def create_staging(
        self, target: Table, run_id: str, attempt: int = 1, expires_hours: int = 24
    ) -> Table:
        """An empty table beside the target, with its fields, partitioning and clustering.

        The copy job that commits demands that they are alike. It has no partition filter, so
        that it can be counted, no partition expiration, so that old rows stay to be counted,
        and BigQuery drops it after `expires_hours` when nobody did. Descriptions and policy tags
        of the target's columns are its own too: a truncating copy takes them from here, and
        what only some may read must not lie open meanwhile.
        """
        staging = replace(
            target,
            name=f"{target.name}{STAGING_MARK}{run_id}_{attempt}",
            partition_expiration_days=None,
            require_partition_filter=False,
            labels={**target.labels, OWNER_LABEL: OWNER, RUN_LABEL: run_id, STEP_LABEL: "staging"},
            rows=0,
        )
        made = to_bigquery(staging, self.settings.project)
        live = self._live(target.dataset, target.name)
        known = {field.name: field for field in live.schema} if live else {}
        made.schema = [known.get(field.name, field) for field in made.schema]
        made.expires = datetime.now(UTC) + timedelta(hours=expires_hours)
        self._create(made, f"creating {staging.path}")
        return staging

    def drop_staging(self, staging: Table) -> None:
        """Drop the staging table of a run; one that is gone already is fine."""
        self._drop(staging.dataset, staging.name)

    def drop_staging_of(self, dataset: str, run_id: str) -> None:
        """Drop every staging table that a run has left in a dataset."""
        for left in self._staging_tables(dataset):
            if left.run_id == run_id:
                self._drop(dataset, left.name)

    def leftovers(self, dataset: str, source_label: str) -> tuple[Leftover, ...]:
        """Staging tables of one source; the caller knows which of their runs are dead."""
        return tuple(self._staging_tables(dataset, source_label))

    def load_part(self, staging: Table, path: Path, mode: LoadMode, job_id: str) -> Loaded:
        """Load one part into the staging table: all of its rows or none, and never twice.

        `job_id` makes it so: a part that BigQuery has under this id is not loaded again. A job
        that ended in a passing error is sent again as `<job_id>-2` and so on.
        """
        config = self._load_config(staging, path, mode)
        doing = f"loading {path.name} into {staging.path}"

        def start(name: str) -> LoadJob:
            with path.open("rb") as part:
                return self._client.load_table_from_file(
                    part,
                    f"{self.settings.project}.{staging.path}",
                    size=path.stat().st_size,
                    num_retries=self._upload_tries,
                    job_id=name,
                    location=self.settings.location,
                    job_config=config,
                    timeout=self._jobs.timeout,
                )

        ids = [job_id, *(f"{job_id}-{number}" for number in range(2, COMMIT_TRIES + 1))]
        job = self._jobs.run(start, ids, doing)
        if job.destination.table_id != staging.name or job.output_rows is None:
            raise DestinationError(
                f"While {doing}: job {job.job_id} is there already and loaded something else.",
                code="duplicate",
            )
        warnings = tuple(
            f"{path.name}: {error.get('message')}" for error in job.errors or () if error
        )
        return Loaded(job.output_rows, job.output_bytes, warnings)

    def staged_rows(self, staging: Table) -> int:
        """The rows in the staging table, counted; BigQuery answers it free of charge."""
        text = f"SELECT COUNT(*) AS n FROM {self._quoted(staging)}"
        return int(self._rows(text, staging, "counting")[0]["n"])

    def check_keys(
        self, staging: Table, keys: Sequence[str], incremental: str, *, every_version: bool = False
    ) -> None:
        """Refuse staged rows that a key does not tell apart.

        Raises StageError `null-keys`, or `duplicate-keys` when two rows of the newest version
        of a key exist (of any version with `every_version`), naming up to five keys. An empty
        `incremental` means one version.
        """
        names = [sql.field_of(staging, key).name for key in keys]
        text = sql.faulty_keys(
            self._quoted(staging), names, incremental, KEYS_SHOWN, every_version=every_version
        )
        faulty = [
            tuple(row[name] for name in names) for row in self._rows(text, staging, "checking")
        ]
        if not faulty:
            return
        null = [values for values in faulty if None in values]
        shown = "; ".join(_key_text(names, values) for values in null or faulty)
        if null:
            raise StageError(f"Key columns are NULL for: {shown}", code="null-keys")
        raise StageError(
            f"Several rows of the same version share a key: {shown}", code="duplicate-keys"
        )

    def refuse_filled_window(self, plan: Plan) -> None:
        """Raise ConfigError `window-not-empty` when the target has rows of the plan's window.

        The watermark was set back, came from an older copy of the configuration database, or a
        backfill went past it: an append without keys would add those rows again.
        """
        text = sql.rows_of_window(self._quoted(plan.target), plan)
        found = int(self._jobs.rows(text, f"looking into {plan.target.path}")[0]["n"])
        if found:
            raise ConfigError(
                f"{plan.view}: {plan.target.path} already has {found:,} rows of the window that "
                "this load would append.",
                code="window-not-empty",
                view=plan.view,
            )

    def bounds(self, staging: Table, column: str) -> Bounds:
        """Smallest and largest staged value of a column, and how many partitions it fills."""
        text = sql.bounds(self._quoted(staging), staging, column)
        row = self._rows(text, staging, "measuring")[0]
        return Bounds(row["low"], row["high"], row["partitions"])

    def commit(
        self, plan: Plan, staging: Table, run_id: str, fence: Callable[[], None] | None = None
    ) -> Committed:
        """Make the staged rows visible in the target, in one atomic job; see `committing`."""
        return committing.commit(self._jobs, plan, staging, run_id, fence)

    def settle(self, run_id: str) -> Settled:
        """Whether a dead run's commit took effect; afterwards it never will. See `committing`."""
        return committing.settle(self._jobs, run_id)

    def bytes_billed(self, run_id: str) -> int:
        """What the queries of a run were billed in this process, in bytes."""
        return self._jobs.bytes_billed(run_id)

    def ensure_ownership(self, table: Table) -> None:
        """Give the table back the labels and options that a truncating copy may have taken.

        A copy takes schema and constraints from its source (rest/v2/Job, copy); whether it
        keeps labels, partition filter and partition expiration is not documented.
        """
        live = self._live(table.dataset, table.name)
        if live is None:
            raise DestinationError(f"{table.path} does not exist.", code="notFound")
        changed = _restore(live, table)
        if changed:
            with translated(f"labelling {table.path}"):
                self._client.update_table(
                    live, changed, retry=self._jobs.retry, timeout=self._jobs.timeout
                )

    def refresh_latest_view(self, target: Table, keys: Sequence[str], incremental: str) -> None:
        """Create `<target>_latest`, one row per key, or rewrite it when its text has changed.

        Raises ConfigError `foreign-target` when a table or view of that name is there
        that this product has not made.
        """
        name = f"{target.name}_latest"
        names = [sql.field_of(target, key).name for key in keys]
        text = sql.latest_view(target, self._quoted(target), names, incremental)
        live = self._live(target.dataset, name)
        if live is None:
            self._create(self._view(target, name, text), f"creating {target.dataset}.{name}")
            return
        if live.table_type != "VIEW" or live.labels.get(OWNER_LABEL) != OWNER:
            raise ConfigError(
                f"{target.dataset}.{name} exists and was not made by this program: rename or drop "
                "it, or choose another target.",
                code="foreign-target",
            )
        if live.view_query != text:
            live.view_query = text
            with translated(f"rewriting {target.dataset}.{name}"):
                self._client.update_table(
                    live, ["view_query"], retry=self._jobs.retry, timeout=self._jobs.timeout
                )

    def write_load_status(self, dataset: str, row: LoadStatus) -> None:
        """Put one source's row into `etl_load_status`, making the table when it is missing.

        Raises ConfigError `not-a-table` when something else bears its name.
        """
        table = replace(STATUS, dataset=dataset)
        live = self._live(dataset, table.name)
        if live is None:
            self._create(to_bigquery(table, self.settings.project), f"creating {table.path}")
        else:
            refuse_no_table(live)
        parameters = [
            bigquery.ScalarQueryParameter("source", "INT64", row.source),
            bigquery.ScalarQueryParameter("view", "STRING", row.view),
            bigquery.ScalarQueryParameter("target", "STRING", row.target),
            bigquery.ScalarQueryParameter("state", "STRING", row.state),
            bigquery.ScalarQueryParameter("watermark", "DATETIME", row.watermark),
            bigquery.ScalarQueryParameter("loaded", "BOOL", row.loaded),
            bigquery.ScalarQueryParameter("rows", "INT64", row.rows),
            bigquery.ScalarQueryParameter("message", "STRING", row.message),
        ]
        text = sql.write_status(self._quoted(table))
        self._change(text, f"writing {table.path}", "status", parameters)

    @cached_property
    def _client(self) -> bigquery.Client:
        return client_for(self.settings)

    @cached_property
    def _jobs(self) -> Jobs:
        return Jobs(self._client, self.settings)

    @property
    def _upload_tries(self) -> int:
        """As many tries of an upload as fit into `request_seconds`."""
        tries = int(self.settings.request_seconds + 1).bit_length() - 1
        return min(tries, MOST_UPLOAD_TRIES)

    def _path(self, *names: str) -> str:
        return ".".join((self.settings.project, *names))

    def _quoted(self, table: Table) -> str:
        return sql.quoted(self.settings.project, table.dataset, table.name)

    def _rows(self, text: str, staging: Table, doing: str) -> list[bigquery.Row]:
        labels = {
            name: value
            for name, value in staging.labels.items()
            if name in (OWNER_LABEL, SOURCE_LABEL, RUN_LABEL)
        }
        return self._jobs.rows(text, f"{doing} {staging.path}", labels)

    def _live(self, dataset: str, table: str) -> bigquery.Table | None:
        with translated(f"describing {dataset}.{table}"):
            try:
                return self._client.get_table(
                    self._path(dataset, table), retry=self._jobs.retry, timeout=self._jobs.timeout
                )
            except api.NotFound:
                return None

    def _create(self, made: bigquery.Table, doing: str) -> None:
        with translated(doing):
            try:
                self._client.create_table(made, retry=self._jobs.retry, timeout=self._jobs.timeout)
            except api.Conflict:
                live = self._client.get_table(
                    made.reference, retry=self._jobs.retry, timeout=self._jobs.timeout
                )
                if missing_labels(live.labels, made.labels):
                    raise

    def _drop(self, dataset: str, table: str) -> None:
        with translated(f"dropping {dataset}.{table}"):
            self._client.delete_table(
                self._path(dataset, table),
                not_found_ok=True,
                retry=self._jobs.retry,
                timeout=self._jobs.timeout,
            )

    def _staging_tables(self, dataset: str, source_label: str | None = None) -> list[Leftover]:
        with translated(f"listing staging tables in {dataset}"):
            tables = list(
                self._client.list_tables(
                    self._path(dataset), retry=self._jobs.retry, timeout=self._jobs.timeout
                )
            )
        names = [table.table_id for table in tables if STAGING_MARK in table.table_id]
        found = [(name, live.labels) for name in names if (live := self._live(dataset, name))]
        return [
            Leftover(dataset, name, labels[RUN_LABEL])
            for name, labels in found
            if labels.get(OWNER_LABEL) == OWNER
            and RUN_LABEL in labels
            and source_label in (None, labels.get(SOURCE_LABEL))
        ]

    def _view(self, target: Table, name: str, text: str) -> bigquery.Table:
        view = bigquery.Table(self._path(target.dataset, name))
        view.view_query = text
        view.labels = {**target.labels, OWNER_LABEL: OWNER}
        view.description = f"One row per key of {target.path}: the newest."
        return view

    def _change(
        self,
        text: str,
        doing: str,
        step: str,
        parameters: Sequence[bigquery.ScalarQueryParameter] = (),
    ) -> None:
        """Run a statement that may be repeated, beside other writers of the same table."""
        labels = {OWNER_LABEL: OWNER, STEP_LABEL: step}

        def start(name: str) -> QueryJob:
            return self._jobs.query(text, name, labels, parameters)

        name = f"etl_{step}_{uuid4().hex}"
        self._jobs.run(start, [f"{name}_{n}" for n in range(1, COMMIT_TRIES + 1)], doing)

    def _load_config(self, staging: Table, path: Path, mode: LoadMode) -> bigquery.LoadJobConfig:
        fields = [sql.field_of(staging, name) for name in _columns_of(path, mode)]
        config = bigquery.LoadJobConfig(
            schema=schema_of(fields),
            create_disposition=bigquery.CreateDisposition.CREATE_NEVER,
            write_disposition=bigquery.WriteDisposition.WRITE_APPEND,
            labels={**staging.labels, STEP_LABEL: "load"},
        )
        if mode is LoadMode.DATAFRAME:
            config.source_format = bigquery.SourceFormat.PARQUET
            return config
        config.source_format = bigquery.SourceFormat.CSV
        config.skip_leading_rows = 1
        config.field_delimiter = ","
        config.quote_character = '"'
        config.encoding = bigquery.Encoding.UTF_8
        config.null_marker = ""
        config.allow_quoted_newlines = True
        config.allow_jagged_rows = False
        config.ignore_unknown_values = False
        config.max_bad_records = 0
        config.preserve_ascii_control_characters = True
        return config


def _columns_of(path: Path, mode: LoadMode) -> list[str]:
    """The columns of a part in its own order; CSV is matched to the job's schema by position."""
    if mode is LoadMode.DATAFRAME:
        return list(pyarrow.parquet.read_schema(path).names)
    with path.open(encoding="utf-8", newline="") as part:
        return next(csv.reader(part))


def _key_text(names: Sequence[str], values: Sequence[object]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in zip(names, values, strict=True))


def _restore(live: bigquery.Table, wanted: Table) -> list[str]:
    """Put back what is gone; the names of the properties that changed."""
    changed = []
    if missing := missing_labels(live.labels, wanted.labels):
        live.labels = {**live.labels, **missing}
        changed.append("labels")
    if wanted.require_partition_filter and not live.require_partition_filter:
        live.require_partition_filter = True
        changed.append("require_partition_filter")
    days = from_bigquery(live).partition_expiration_days
    if live.time_partitioning and wanted.partition_expiration_days != days:
        live.time_partitioning = time_partitioning(wanted)
        changed.append("time_partitioning")
    return changed
