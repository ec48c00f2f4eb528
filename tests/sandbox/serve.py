"""Both halves of the sandbox in one object, for tests (`Sandbox`) and for people (`serve`)."""

from __future__ import annotations

import contextlib
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from types import TracebackType

from tests.sandbox.bigquery.launcher import BigQueryEmulator
from tests.sandbox.control import ControlServer
from tests.sandbox.dataset.base import OWNER, SERVER_OFFSET_MINUTES
from tests.sandbox.dataset.build import (
    DEFAULT_ROWS,
    DEFAULT_SEED,
    PLAIN_READER,
    READER,
    Passwords,
    build_erp,
    grant_reading,
)
from tests.sandbox.dataset.business import DayCounts, LateCommit, business_day, late_commit
from tests.sandbox.envfile import check_env_file, write_env_file
from tests.sandbox.oracle.engine import Database
from tests.sandbox.oracle.errors import OracleError
from tests.sandbox.oracle.faults import Faults
from tests.sandbox.oracle.server import OracleServer

HOST = "127.0.0.1"
SERVICE = "ERPPDB1"
SERVER_ZONE = timezone(timedelta(minutes=SERVER_OFFSET_MINUTES))
Clock = Callable[[], datetime]


def _utc_now() -> datetime:
    return datetime.now(tz=UTC)


class Sandbox:
    """An Oracle stand-in with the ERP in it and, when wanted, a BigQuery emulator.

        with Sandbox(rows=2_000) as sandbox:
            oracledb.connect(user=sandbox.reader, password=sandbox.reader_password,
                             dsn=sandbox.oracle_dsn)

    `rows` is the size of the nine views together. `clock` gives the aware time that the
    database believes in. `tables_dir` holds Parquet files that become further tables of ERP.
    `data_dir` keeps the BigQuery side's data; the Oracle side always begins anew.
    """

    reader = READER
    plain_reader = PLAIN_READER
    owner = OWNER

    def __init__(
        self,
        rows: int = DEFAULT_ROWS,
        *,
        seed: int = DEFAULT_SEED,
        port: int = 0,
        odd_dates: bool = False,
        bigquery: bool = True,
        data_dir: Path | None = None,
        tables_dir: Path | None = None,
        reader_password: str | None = None,
        clock: Clock = _utc_now,
    ) -> None:
        self._rows = rows
        self._seed = seed
        self._odd_dates = odd_dates
        self._tables_dir = tables_dir
        self._clock = clock
        self._late: LateCommit | None = None
        self.built_on = self.today
        self._passwords = Passwords(
            owner=_password(), reader=reader_password or _password(), plain=_password()
        )
        self.faults = Faults()
        self.database = Database(service_names={SERVICE}, clock=clock, server_zone=SERVER_ZONE)
        self.database.faults = self.faults
        self.server = OracleServer(self.database, host=HOST, port=port, faults=self.faults)
        self.bigquery = BigQueryEmulator(data_dir=data_dir) if bigquery else None
        self.control = ControlServer(self._commands())

    def start(self) -> None:
        """Fill the database and start all servers; on failure nothing stays behind."""
        try:
            with ThreadPoolExecutor(1) as other:
                emulator = other.submit(self.bigquery.start) if self.bigquery else None
                self._fill()
                self.server.start()
                self.control.start()
                if emulator is not None:
                    emulator.result()
        except BaseException:
            self.stop()
            raise

    def _fill(self) -> None:
        self.built_on = self.today
        build_erp(
            self.database, self._passwords, self.built_on, self._rows, self._seed, self._odd_dates
        )
        if self._tables_dir is not None:
            for path in sorted(self._tables_dir.glob("*.parquet")):
                self.load_table(path)

    def stop(self) -> None:
        """Stop everything that runs."""
        with contextlib.ExitStack() as stack:
            stack.callback(self.database.close)
            if self.bigquery is not None:
                stack.callback(self.bigquery.stop)
            stack.callback(self.server.stop)
            stack.callback(self.control.stop)

    def __enter__(self) -> Sandbox:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def today(self) -> date:
        """The day of the database server's clock."""
        return self._clock().astimezone(SERVER_ZONE).date()

    @property
    def oracle_dsn(self) -> str:
        """Easy Connect text, host:port/service."""
        return f"{HOST}:{self.server.port}/{SERVICE}"

    @property
    def reader_password(self) -> str:
        """The password of ETL_READER."""
        return self._passwords.reader

    @property
    def plain_password(self) -> str:
        """The password of ETL_PLAIN, which has no flashback rights."""
        return self._passwords.plain

    @property
    def owner_password(self) -> str:
        """The password of ERP, which owns the tables."""
        return self._passwords.owner

    def env(self) -> dict[str, str]:
        """The environment that a client, or `python -m tests.sandbox`, needs."""
        settings = {
            "SANDBOX_ORACLE_DSN": self.oracle_dsn,
            "SANDBOX_ORACLE_USER": self.reader,
            "SANDBOX_ORACLE_PASSWORD": self.reader_password,
            "SANDBOX_CONTROL": self.control.url,
        }
        if self.bigquery is not None:
            settings["BIGQUERY_EMULATOR_HOST"] = self.bigquery.host
            settings["GOOGLE_CLOUD_PROJECT"] = self.bigquery.project
        return settings

    def load_table(self, path: Path) -> None:
        """Serve a Parquet file as ERP.<file name>; NAME.json beside it may give Oracle types.

        Raises ValueError, naming the file, when it cannot be read or has no Oracle types.
        """
        types = path.with_suffix(".json")
        name = path.stem.upper()
        try:
            self.database.load_parquet(OWNER, name, path, types if types.exists() else None)
        except (ValueError, OracleError) as error:
            raise ValueError(f"{path.name}: {error}") from error
        grant_reading(self.database, name)

    def let_a_second_pass(self) -> None:
        """Wait until what was stamped in whole seconds lies before the bound of an increment.

        Only with a clock that goes on by itself.
        """
        stamped = self._clock().replace(microsecond=0)
        while self._clock().replace(microsecond=0) == stamped:
            time.sleep(0.05)

    def business_day(
        self, day: date | None = None, seed: int | None = None, deletes: bool = False
    ) -> dict[str, DayCounts]:
        """Post one day; see `dataset.business.business_day`. Every day differs by default."""
        return business_day(
            self.database, day, self.database.scn if seed is None else seed, deletes
        )

    def late_commit(self, rows: int = 5) -> LateCommit:
        """Stamp rows now and commit them later; see `dataset.business.LateCommit`."""
        return late_commit(self.database, rows)

    def _commands(self) -> dict[str, Callable[..., object]]:
        return {
            "fault": self._fault,
            "clear": self._clear,
            "faults": self.faults.as_dict,
            "day": self._day,
            "late-commit": self._late_commit,
            "scn": lambda: {"scn": self.database.scn},
        }

    def _fault(self, name: str, **arguments: int | float | str | None) -> object:
        self.faults.set(name, **arguments)
        return self.faults.as_dict()

    def _clear(self) -> object:
        self.faults.clear()
        return self.faults.as_dict()

    def _day(self, deletes: bool = False, day: str | None = None) -> object:
        when = None if day is None else date.fromisoformat(day)
        return self._counts(self.business_day(when, deletes=deletes))

    def _late_commit(self, step: str) -> object:
        if step == "begin":
            if self._late is not None:
                raise ValueError("a late commit is open already; finish it first")
            self._late = self.late_commit()
            return self._counts(self._late.counts)
        if self._late is None:
            raise ValueError("no late commit is open")
        late, self._late = self._late, None
        late.commit()
        return {"scn": self.database.scn}

    @staticmethod
    def _counts(counts: dict[str, DayCounts]) -> object:
        return {view: vars(count) for view, count in counts.items()}


def _password() -> str:
    return secrets.token_urlsafe(12)


@contextlib.contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """An event that Ctrl-C, SIGTERM and, on Windows, Ctrl-Break set."""
    stopped = threading.Event()
    names = ("SIGINT", "SIGTERM", "SIGBREAK")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {number: signal.signal(number, lambda *_: stopped.set()) for number in numbers}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def serve(sandbox: Sandbox, env_file: Path | None) -> None:
    """Run until a signal comes; say where to connect, and write it to `env_file`."""
    if env_file is not None:
        check_env_file(env_file)
        env_file.unlink(missing_ok=True)
    with stop_signals() as stopped, sandbox:
        for key, value in sandbox.env().items():
            print(f"{key}={value}", flush=True)
        if env_file is not None:
            write_env_file(env_file, sandbox.env())
        print("ready; Ctrl-C stops it", flush=True)
        # In short waits, because Windows delivers Ctrl-C only between them.
        while not stopped.wait(0.2):
            pass
    print("stopped", flush=True)
