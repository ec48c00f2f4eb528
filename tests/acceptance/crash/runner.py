"""Starts the ETL of an installation, armed to die or not, quickly where the system can fork."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.acceptance.crash.dying import ROOT
from tests.installation import Installation
from tests.waiting import HANG_SECONDS, next_line

CAN_FORK = hasattr(os, "fork")


@dataclass(frozen=True)
class Done:
    """How a process ended; a negative code is the signal that ended it."""

    code: int
    out: str
    err: str

    @property
    def killed(self) -> bool:
        """True when the process was ended from outside of its own will."""
        return self.code == (-9 if CAN_FORK else 15)

    @property
    def runs(self) -> list[dict[str, Any]]:
        """The runs of `run --json`."""
        runs: list[dict[str, Any]] = json.loads(self.out)["runs"]
        return runs

    def __str__(self) -> str:
        return f"exit code {self.code}\n{self.out}\n{self.err}"


class Runner:
    """One process at a time; a context manager. `forks` False: each from scratch."""

    def __init__(self, forks: bool = CAN_FORK) -> None:
        self.forks = forks
        self._folder = tempfile.TemporaryDirectory(prefix="etl-crash-")
        self._zygote: subprocess.Popen[str] | None = None
        self._number = 0

    def __enter__(self) -> Runner:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._zygote is not None:
            assert self._zygote.stdin is not None and self._zygote.stdout is not None
            self._zygote.stdin.close()
            self._zygote.wait(HANG_SECONDS)
            self._zygote.stdout.close()
        self._folder.cleanup()

    def run(
        self, installation: Installation, *command: str, point: str = "never", number: int = 1
    ) -> Done:
        """Run a command of the ETL to its end, whatever that is."""
        return self.start(installation, *command, point=point, number=number).wait()

    def start(
        self, installation: Installation, *command: str, point: str = "never", number: int = 1
    ) -> Running:
        """Start a command of the ETL; `wait` for it before the next one."""
        self._number += 1
        out = Path(self._folder.name) / f"{self._number}.out"
        arguments = [point, str(number), "--", *command]
        running = Running(self, out, out.with_suffix(".err"))
        running.begin(installation.env(), arguments)
        return running

    def zygote(self) -> subprocess.Popen[str]:
        """The process that forks; started when it is first needed."""
        if self._zygote is None:
            self._zygote = subprocess.Popen(
                [sys.executable, "-m", "tests.acceptance.crash.zygote"],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                encoding="utf-8",
            )
        return self._zygote


class Running:
    """A process on its way."""

    def __init__(self, runner: Runner, out: Path, err: Path) -> None:
        self._runner = runner
        self._out = out
        self._err = err
        self._plain: subprocess.Popen[bytes] | None = None
        self.pid = 0

    def begin(self, env: dict[str, str], arguments: list[str]) -> None:
        """Start it; `pid` is set afterwards."""
        if not self._runner.forks:
            script = str(Path(__file__).with_name("dying.py"))
            with self._out.open("wb") as out, self._err.open("wb") as err:
                self._plain = subprocess.Popen(
                    [sys.executable, script, *arguments], cwd=ROOT, env=env, stdout=out, stderr=err
                )
            self.pid = self._plain.pid
            return
        zygote = self._runner.zygote()
        assert zygote.stdin is not None
        order = {"arguments": arguments, "env": env, "out": str(self._out), "err": str(self._err)}
        zygote.stdin.write(json.dumps(order) + "\n")
        zygote.stdin.flush()
        self.pid = self._number()

    def wait(self) -> Done:
        """Wait until it has ended."""
        code = self._number() if self._plain is None else self._plain.wait(HANG_SECONDS)
        texts = [
            path.read_text(encoding="utf-8", errors="backslashreplace")
            for path in (self._out, self._err)
        ]
        return Done(code, *texts)

    def kill(self) -> None:
        """End it at once."""
        import psutil

        psutil.Process(self.pid).kill()

    def _number(self) -> int:
        return int(next_line(self._runner.zygote(), f"what becomes of {self._out.name}"))
