"""Starts and stops the corrected BigQuery emulator as a child process.

    emulator = BigQueryEmulator()
    emulator.start()
    client = bigquery.Client(
        project=emulator.project,
        credentials=AnonymousCredentials(),
        client_options=ClientOptions(api_endpoint=emulator.host),
    )

The child watches its standard input, a pipe that the parent holds: when the parent ends, in
whatever way and on whatever system, the pipe closes and the child goes too.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from tests.waiting import HANG_SECONDS, next_line, until

PROJECT = "sandbox-project"
_ROOT = Path(__file__).resolve().parents[3]
# Then it is killed, which loses nothing either.
_STOP_SECONDS = 5.0
_READY = "ready "


class EmulatorFailed(RuntimeError):
    """The emulator did not start; the message ends with what it wrote."""


class BigQueryEmulator:
    """One emulator process on a loopback port.

    `data_dir` keeps data and jobs across restarts; without it they live in memory and a kill
    or restart forgets them. `port` 0 takes a free one, which `restart` then keeps.
    """

    project = PROJECT

    def __init__(self, data_dir: Path | None = None, port: int = 0) -> None:
        self._data_dir = data_dir.resolve() if data_dir is not None else None
        self._port = port
        self._process: subprocess.Popen[str] | None = None
        self._scratch: Path | None = None

    @property
    def host(self) -> str:
        """`http://127.0.0.1:PORT`, as BIGQUERY_EMULATOR_HOST wants it."""
        if not self._port:
            raise RuntimeError("the emulator was not started")
        return f"http://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        """The process id of the running child."""
        if self._process is None:
            raise RuntimeError("the emulator is not running")
        return self._process.pid

    def start(self) -> None:
        """Start the child and return when it answers /healthz.

        Raises EmulatorFailed when the installed emulator is not the pinned one, a corrected
        name is missing, or it does not become healthy.
        """
        if self._process is not None:
            raise RuntimeError("the emulator is running already")
        self._scratch = Path(tempfile.mkdtemp(prefix="sandbox-bigquery-"))
        self._process = self._spawn(self._scratch)
        try:
            self._port = self._wait_for_port()
            self._wait_for_health()
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """Ask the child to end, wait, and make sure. Does nothing when it is not running."""
        process = self._process
        if process is None:
            return
        if process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
        self.kill()

    def kill(self) -> None:
        """End the child at once, as a power loss would. Does nothing when it is not running."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._scratch = None

    def restart(self) -> None:
        """Kill the child and start another on the same port and data directory."""
        self.kill()
        self.start()

    def __enter__(self) -> BigQueryEmulator:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _spawn(self, scratch: Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.sandbox.bigquery"]
        command += ["--port", str(self._port), "--scratch", str(scratch)]
        if self._data_dir is not None:
            command += ["--data-dir", str(self._data_dir)]
        with self._log_path(scratch).open("wb") as log:
            return subprocess.Popen(
                command,
                cwd=_ROOT,
                env={**os.environ, "PYTHONUTF8": "1"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                encoding="utf-8",
            )

    def _wait_for_port(self) -> int:
        assert self._process is not None
        with self._told("did not start"):
            line = next_line(self._process, "the emulator's port")
        return int(line.removeprefix(_READY))

    def _wait_for_health(self) -> None:
        with self._told("is not healthy"):
            until(self._healthy, "a healthy emulator", self._process)

    def _healthy(self) -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=HANG_SECONDS)
            with contextlib.closing(connection):
                connection.request("GET", "/healthz")
                return connection.getresponse().status == http.client.OK
        return False

    @contextlib.contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Add what the emulator has written to the failure of a wait."""
        try:
            yield
        except AssertionError as error:
            told = f"the BigQuery emulator {what}: {error}\n{self._log_tail()}"
            raise EmulatorFailed(told) from None

    def _log_tail(self) -> str:
        if self._scratch is None:
            return ""
        text = self._log_path(self._scratch).read_text(encoding="utf-8", errors="backslashreplace")
        return text[-4000:]

    @staticmethod
    def _log_path(scratch: Path) -> Path:
        return scratch / "stderr.log"
