"""The nouns of the product, as frozen dataclasses; standard library only.

`catalog` makes `Store`, `Source` and `Watermark` from database rows, `extract` makes
`OracleView` and `Moment` from Oracle, `load` makes `Table` from BigQuery, `plan` turns them
into a `Plan`, and `run` carries the plan out and counts in `Counts`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from etl_oracle_to_bq.errors import EtlError


class LoadMode(StrEnum):
    """The form of the staged parts."""

    CSV = "csv"
    DATAFRAME = "dataframe"


class WriteDisposition(StrEnum):
    """What commit does with the staged rows."""

    APPEND = "append"
    MERGE = "merge"
    REPLACE = "replace"
    REPLACE_WINDOW = "replace_window"


class LoadType(StrEnum):
    """Which rows a run takes."""

    FIRST = "first"
    INCREMENTAL = "incremental"
    FULL = "full"
    BACKFILL = "backfill"


class RunStatus(StrEnum):
    """How a run stands."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    NO_ROWS = "no_rows"
    ABANDONED = "abandoned"


class PartitionType(StrEnum):
    """The granularity of a target's partitions."""

    NONE = "none"
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"
    YEAR = "year"


class SchemaPolicy(StrEnum):
    """What happens when the view has columns that the target lacks."""

    STRICT = "strict"
    ADD_COLUMNS = "add_columns"


class BadDates(StrEnum):
    """What happens to dates that BigQuery cannot hold (before year 1)."""

    FAIL = "fail"
    NULL = "null"


class BareNumbers(StrEnum):
    """What happens to digits past the ninth decimal of a NUMBER without declared scale."""

    ROUND = "round"
    EXACT = "exact"


class Clock(StrEnum):
    """The Oracle type of the incremental column, which is also the type of its bounds.

    DATE and TIMESTAMP bounds are in the clock of the database server (SYSDATE);
    TIMESTAMP_TZ bounds are in UTC. Bounds are always naive datetimes of that clock.
    """

    DATE = "DATE"
    TIMESTAMP = "TIMESTAMP"
    TIMESTAMP_TZ = "TIMESTAMP_TZ"


class CommitMethod(StrEnum):
    """The one job that makes the staged rows visible in the target."""

    COPY_APPEND = "copy_append"
    COPY_REPLACE = "copy_replace"
    INSERT_NEW = "insert_new"
    MERGE = "merge"
    REPLACE_WINDOW = "replace_window"


@dataclass(frozen=True, slots=True)
class EbsContext:
    """The Oracle E-Business Suite context that multi-org views need."""

    user_id: int
    responsibility_id: int
    application_id: int
    security_group_id: int
    product: str


@dataclass(frozen=True, slots=True)
class Store:
    """One Oracle connection. Exactly one of service_name, sid and descriptor is set."""

    id: int
    name: str
    host: str
    port: int
    user: str
    password: str = field(repr=False)
    service_name: str = ""
    sid: str = ""
    descriptor: str = ""
    protocol: str = "tcp"
    wallet_location: str = ""
    wallet_password: str = field(default="", repr=False)
    thick: bool = False
    session_time_zone: str = "+00:00"
    current_schema: str = ""
    ebs: EbsContext | None = None


@dataclass(frozen=True, slots=True)
class Watermark:
    """The upper bound of the last committed window, and what it belongs to.

    `value` is naive, in the incremental column's own clock (see `Clock`). `scope` is
    `Source.scope` at the time: when the two differ the watermark is not this source's.
    """

    value: datetime
    scope: str


_ONE_ROW_A_KEY = {WriteDisposition.MERGE, WriteDisposition.REPLACE_WINDOW}


@dataclass(frozen=True, slots=True)
class Source:
    """One Oracle view and how it is loaded; `project` is BigQuery's, from the settings."""

    id: int
    view: str
    store: Store
    dataset: str
    target: str
    active: bool = True
    load_order: int = 100
    load_mode: LoadMode = LoadMode.DATAFRAME
    write_disposition: WriteDisposition = WriteDisposition.MERGE
    key_columns: tuple[str, ...] = ()
    incremental_column: str = ""
    overlap: timedelta = timedelta(0)
    safety_lag: timedelta = timedelta(0)
    first_load_column: str = ""
    first_load_date: date | None = None
    partition_column: str = ""
    partition_type: PartitionType = PartitionType.NONE
    partition_expiration_days: int | None = None
    require_partition_filter: bool = False
    cluster_columns: tuple[str, ...] = ()
    date_columns: tuple[str, ...] = ()
    column_types: Mapping[str, str] = field(default_factory=dict)
    schema_policy: SchemaPolicy = SchemaPolicy.STRICT
    bad_dates: BadDates = BadDates.FAIL
    bare_numbers: BareNumbers = BareNumbers.ROUND
    batch_size: int = 50_000
    transform: str = ""
    adopt: bool = False
    allow_empty: bool = False
    shrink_limit_percent: int | None = None
    snapshot_group: str = ""
    slices: int = 1
    project: str = ""
    watermark: Watermark | None = None

    @property
    def scope(self) -> str:
        """What a watermark of this source belongs to: change one part and it is another's.

        The first load date decides which rows the target has at all, and a target that held
        several rows of a key does not become one with one row a key by what is merged into it.
        """
        parts = [f"{self.store.id}:{self.view}", self.incremental_column]
        if self.first_load_date:
            column = self.first_load_column or self.incremental_column
            parts.append(f"{column} from {self.first_load_date}")
        if self.write_disposition in _ONE_ROW_A_KEY and self.key_columns:
            parts.append(f"one row a {', '.join(self.key_columns)}")
        target = [self.project, self.dataset, self.target]
        return "|".join([*parts, ".".join(filter(None, target))])


@dataclass(frozen=True, slots=True)
class OracleColumn:
    """One column of a view, as ALL_TAB_COLUMNS spells it.

    `data_type` is the dictionary's text, e.g. `NUMBER` or `TIMESTAMP(6) WITH TIME ZONE`.
    `precision` counts decimal digits of NUMBER, binary digits of FLOAT, or is None;
    `length` counts characters for character types and bytes for RAW.
    """

    name: str
    data_type: str
    precision: int | None = None
    scale: int | None = None
    length: int | None = None
    nullable: bool = True


@dataclass(frozen=True, slots=True)
class OracleView:
    """A view with the dictionary's own spelling of its names."""

    owner: str
    name: str
    columns: tuple[OracleColumn, ...]


@dataclass(frozen=True, slots=True)
class Moment:
    """Oracle's clocks, read in one statement before the export.

    `server` is SYSDATE (naive, the server's clock); `utc` is SYSTIMESTAMP in UTC (naive);
    `scn` is None when the account may not read it, and then the run uses one read-only
    transaction instead. `warnings` says so in plain words.
    """

    server: datetime
    utc: datetime
    scn: int | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Field:
    """One column of a BigQuery table: standard SQL type name and mode."""

    name: str
    type: str
    mode: str = "NULLABLE"


@dataclass(frozen=True, slots=True)
class Table:
    """A BigQuery table: what exists (from `load.describe`) or what shall exist (from `plan`).

    `rows` is None when unknown. `labels` carry ownership: see `load.OWNER_LABEL`.
    """

    dataset: str
    name: str
    fields: tuple[Field, ...]
    partition_column: str = ""
    partition_type: PartitionType = PartitionType.NONE
    partition_expiration_days: int | None = None
    require_partition_filter: bool = False
    cluster_columns: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    rows: int | None = None

    @property
    def path(self) -> str:
        """`dataset.table`; the project is the client's."""
        return f"{self.dataset}.{self.name}"


@dataclass(frozen=True, slots=True)
class PlannedColumn:
    """One column on its way: what is selected in Oracle and what it becomes in BigQuery.

    `expression` is the SELECT item without its alias; `name` is the target column.
    """

    name: str
    source: OracleColumn
    expression: str
    type: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Window:
    """Half-open `[lower, upper)` of `column`; None means unbounded on that side."""

    column: str
    clock: Clock
    lower: datetime | None
    upper: datetime | None


@dataclass(frozen=True, slots=True)
class Bind:
    """A bind variable's value with the Oracle type it must be sent as: DATE, TIMESTAMP, NUMBER."""

    value: datetime | int
    type: str


@dataclass(frozen=True, slots=True)
class Query:
    """SQL text with its binds by name, ready for `extract`."""

    sql: str
    binds: Mapping[str, Bind]


@dataclass(frozen=True, slots=True)
class Piece:
    """The window of one run of a series: a load that goes in several runs, one after another.

    The run takes `[lower, upper)` of the incremental column. In a first load `lower` is None in
    the first piece, which takes the rows without a value too, and `upper` is None in the last,
    which takes what lies after `end` too. `begin` and `end` are those of the whole series; the
    watermark never passes `end`. `halvings` counts how often a window was halved to get here;
    `timed` says that values of the series have a time of day, whatever those of one piece have.
    """

    load_type: LoadType
    lower: datetime | None
    upper: datetime | None
    begin: datetime | None
    end: datetime
    halvings: int = 0
    timed: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """What the caller asks of one run, beside the source's configuration.

    `slices` is None for the source's own number. What follows it is filled in by the program:
    `piece` when this run is one of a series, `moment` when several views shall show the same
    one, and `notes`, which become warnings of the run.
    """

    full: bool = False
    backfill_from: datetime | None = None
    backfill_to: datetime | None = None
    load_mode: LoadMode | None = None
    slices: int | None = None
    piece: Piece | None = None
    moment: Moment | None = None
    notes: tuple[str, ...] = ()

    @property
    def backfill(self) -> bool:
        """True when a window was named."""
        return self.backfill_from is not None


@dataclass(frozen=True, slots=True)
class Plan:
    """Every decision of one run, made before a row moves.

    `probe` counts, in the snapshot of the export, what the run must know before it trusts
    the rows: see `plan.Probe`. `additions` are target columns to add first. `watermark` is
    what the source's watermark becomes after commit, or None when it stays. `upper` is Oracle's
    clock less the safety lag, where the next increment begins; `piece` is set in a series.
    `date_only` says whether no incremental value has a time of day, and is None before the probe.
    `origin` and `rows` (the SQL condition on `v`, empty for every row) are what `query` reads.
    """

    view: str
    load_type: LoadType
    load_mode: LoadMode
    disposition: WriteDisposition
    commit: CommitMethod
    window: Window | None
    moment: Moment
    columns: tuple[PlannedColumn, ...]
    query: Query
    probe: Query
    target: Table
    creates_target: bool
    additions: tuple[Field, ...]
    keys: tuple[str, ...]
    incremental: str
    watermark: datetime | None
    batch_size: int
    transform: str
    imported_at: datetime
    expected_rows: int | None = None
    warnings: tuple[str, ...] = ()
    upper: datetime | None = None
    piece: Piece | None = None
    date_only: bool | None = None
    origin: OracleView = OracleView("", "", ())
    rows: str = ""


@dataclass(slots=True)
class Counts:
    """How many rows and bytes went through each step of one run."""

    extracted: int = 0
    staged: int = 0
    loaded: int = 0
    inserted: int | None = None
    updated: int | None = None
    deleted: int | None = None
    staged_bytes: int = 0
    bytes_billed: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """One finished staged file: `number` counts from 1 within a run, `bytes` is its size."""

    path: Path
    number: int
    rows: int
    bytes: int
    mode: LoadMode


@dataclass(slots=True)
class Outcome:
    """How one run ended. `seconds` by step; `watermark` naive, in the column's own clock.

    `piece` is the part of its window that it took, `rest` what is left of it for runs to come.
    `unsettled` says that nobody knows yet whether it was committed. `interrupted` says that it
    was not this run alone that was stopped, but the command: nothing is to be begun after it.
    """

    view: str
    run_id: str
    status: RunStatus
    counts: Counts
    load_type: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    watermark: datetime | None = None
    warnings: list[str] = field(default_factory=list)
    error: EtlError | None = None
    piece: Piece | None = None
    rest: tuple[Piece, ...] = ()
    slices: int = 1
    window: Window | None = None
    unsettled: bool = False
    interrupted: bool = False

    @property
    def exit_code(self) -> int:
        """0 when the view is loaded, else the error's."""
        return self.error.exit_code if self.error else 0
