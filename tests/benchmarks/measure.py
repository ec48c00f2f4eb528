"""One whole process, its children included: wall, CPU and peak memory."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

SAMPLE_SECONDS = 0.02
TIMEOUT_SECONDS = 3600.0
MIB = 1024 * 1024


class ContestantFailed(RuntimeError):
    """A process ended with an error; the message holds the end of what it said."""


@dataclass(frozen=True, slots=True)
class Command:
    """What to start, where, and in which environment."""

    arguments: Sequence[str]
    env: Mapping[str, str]
    folder: Path


@dataclass(frozen=True, slots=True)
class Measured:
    """`peak_mib` is the largest sum of resident memory that was seen, sampled 50 times a second.

    `answer` is the JSON object that the process printed as its last line.
    """

    wall: float
    cpu: float
    peak_mib: float
    answer: dict[str, Any] = field(default_factory=dict)


def measure(command: Command) -> Measured:
    """Run the command to its end. Raises ContestantFailed."""
    output = command.folder / "output.txt"
    with output.open("w+", encoding="utf-8") as said:
        began = time.perf_counter()
        process = subprocess.Popen(
            command.arguments,
            cwd=command.folder,
            env=dict(command.env),
            stdout=subprocess.PIPE,
            stderr=said,
            encoding="utf-8",
        )
        tree = _Tree(process.pid)
        while process.poll() is None:
            tree.sample()
            if time.perf_counter() - began > TIMEOUT_SECONDS:
                process.kill()
            time.sleep(SAMPLE_SECONDS)
        wall = time.perf_counter() - began
        assert process.stdout is not None
        printed = process.stdout.read()
        if process.returncode:
            said.seek(0)
            raise ContestantFailed((said.read() + printed)[-2000:])
    answer = json.loads(printed.strip().splitlines()[-1])
    return Measured(wall, tree.cpu, tree.peak / MIB, answer)


class _Tree:
    """A process and its children, as they were seen while they lived."""

    def __init__(self, pid: int) -> None:
        self.peak = 0
        self._root = psutil.Process(pid)
        self._cpu: dict[int, float] = {}

    @property
    def cpu(self) -> float:
        """Seconds of CPU, user and system, up to the last sample of each process."""
        return sum(self._cpu.values())

    def sample(self) -> None:
        """Look once; processes that end meanwhile are passed over."""
        resident = 0
        for process in self._processes():
            with suppress(psutil.Error):
                times = process.cpu_times()
                self._cpu[process.pid] = times.user + times.system
                resident += process.memory_info().rss
        self.peak = max(self.peak, resident)

    def _processes(self) -> list[psutil.Process]:
        with suppress(psutil.Error):
            return [self._root, *self._root.children(recursive=True)]
        return []
