"""What goes into the door to BigQuery and what comes out of it; standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from etl_oracle_to_bq.model import Counts

# Ownership; `plan` puts the first two on each target, and a test keeps the two files alike.
OWNER_LABEL, OWNER = "managed_by", "oracle_to_bq"
SOURCE_LABEL = "etl_source"

RUN_LABEL = "etl_run"
STEP_LABEL = "etl_step"
FENCE_LABEL = "etl_fence"

# A failed commit is tried again under a new job id at most this often; `settle` relies on it.
COMMIT_TRIES = 3


def job_id(run_id: str, step: str, number: int = 1) -> str:
    """The id of a job: the same run and step find the same job again.

    BigQuery lets at most one job with one id succeed (docs/error-messages, "duplicate").
    """
    return f"etl_{run_id}_{step}_{number}"


@dataclass(frozen=True, slots=True)
class WarehouseSettings:
    """Where BigQuery is and how long to wait for it.

    `emulator_host` is an address with scheme, or empty for the real service.
    `credentials_file` is a service account's JSON file, or empty for Google's own search.
    `request_seconds` bounds the client's retries of one request, `job_seconds` the wait for
    one job. `maximum_bytes_billed` is a limit for each query, None for none.
    """

    project: str
    location: str
    emulator_host: str = ""
    credentials_file: str = ""
    request_seconds: float = 600.0
    job_seconds: float = 6 * 3600.0
    maximum_bytes_billed: int | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """Who we are for BigQuery, and where jobs run."""

    project: str
    location: str
    account: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """One load job: rows and bytes it wrote (bytes None when not told), and its warnings."""

    rows: int
    bytes: int | None
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Committed:
    """The commit job. Row counts are None where BigQuery does not tell them."""

    job_id: str
    inserted: int | None
    updated: int | None
    deleted: int | None
    bytes_billed: int


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a dead run's commit. Row counts are None where unknown."""

    committed: bool
    job_id: str = ""
    inserted: int | None = None
    updated: int | None = None
    deleted: int | None = None
    bytes_billed: int = 0

    @property
    def counts(self) -> Counts:
        """The counts that the transaction of the dead run can still be given."""
        return Counts(
            inserted=self.inserted,
            updated=self.updated,
            deleted=self.deleted,
            bytes_billed=self.bytes_billed,
        )


NEVER_COMMITTED = Settled(committed=False)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Smallest and largest value of a column and the partitions its rows fall into.

    `low` and `high` are None when every value is NULL; datetimes of a TIMESTAMP column are
    aware and in UTC, of a DATETIME column naive. NULL rows count as one partition, and so do
    rows before 1960 and after 2159 (docs/partitioned-tables).
    """

    low: date | datetime | None
    high: date | datetime | None
    partitions: int


@dataclass(frozen=True, slots=True)
class Leftover:
    """A staging table that is still there, and the run that made it."""

    dataset: str
    name: str
    run_id: str


@dataclass(frozen=True, slots=True)
class LoadStatus:
    """How one source stands after a run, for Power BI.

    `watermark` is naive, in the incremental column's own clock. `loaded` says whether the run
    brought the target up to date. A watermark or number of rows of None leaves the one that
    stands in the table.
    """

    source: int
    view: str
    target: str
    state: str
    watermark: datetime | None
    loaded: bool
    rows: int | None
    message: str = ""
