"""Who runs, and in which rounds."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.measure import Command, ContestantFailed, Measured, measure
from tests.benchmarks.world import contestant_env
from tests.installation import ROOT, Installation


@dataclass(frozen=True, slots=True)
class Contestant:
    """One line of the table.

    `program` is a module of `programs` with its arguments, or `run` with those of the product's
    command. `package` is what must be installed in the peers' environment. The folder of `parts_of`
    is used as that contestant left it.
    """

    name: str
    what: str
    program: tuple[str, ...]
    package: str = ""
    parts_of: str = ""


FLOOR = Contestant("floor", "floor: drain one connection", ("floor",))
STAGED = Contestant("staged", "**ours, staged as Parquet**", ("ours_staged", "dataframe"))
STAGED_CSV = Contestant("staged-csv", "**ours, staged as CSV**", ("ours_staged", "csv"))
RUN = Contestant("run", "**ours, whole `run`, Parquet**", ("run", "--mode", "dataframe"))
LOAD = Contestant(
    "load", "straight load of the Parquet parts", ("straight_load",), parts_of="staged"
)
LOAD_CSV = Contestant(
    "load-csv", "straight load of the CSV parts", ("straight_load",), parts_of="staged-csv"
)
RUN_CSV = Contestant("run-csv", "**ours, whole `run`, CSV**", ("run", "--mode", "csv"))
SLICED = Contestant(
    "sliced", "**ours, whole `run --slices 2`, Parquet**", (*RUN.program, "--slices", "2")
)
FLOOR_TWICE = Contestant("floor-twice", "floor, two processes with half each", ("floor_twice",))
OURS = (FLOOR, STAGED, STAGED_CSV, LOAD, RUN, LOAD_CSV, RUN_CSV)
SCALING = (FLOOR_TWICE, SLICED)
PEERS = (
    # What depends on the clock is never replayed.
    Contestant("live", "floor, query answered live", ("floor", "SYSDATE IS NOT NULL")),
    Contestant("adbc", "Go ADBC driver → Parquet", ("adbc_parquet",), "adbc-driver-oracle"),
    Contestant("rivet", "rivet (Rust) → Parquet", ("rivet_parquet",), "rivet-cli"),
    Contestant("dlt", "dlt, pyarrow backend → Parquet", ("dlt_parquet",), "dlt"),
    Contestant("pandas-chunks", "pandas.read_sql in chunks → Parquet", ("pandas_parquet",)),
    Contestant("pandas-whole", "pandas.read_sql whole → CSV", ("pandas_csv",)),
)


@dataclass(frozen=True, slots=True)
class Ring:
    """Where contestants meet: the sandbox, the installation and the interpreters."""

    folder: Path
    sandbox_env: dict[str, str]
    installation: Installation
    peers_python: Path
    absent: Mapping[str, str]

    def round(
        self, table: str, rows: int, contestants: Sequence[Contestant]
    ) -> Iterator[tuple[str, Measured]]:
        """Each contestant once, in turn; one that fails is reported and left out."""
        for contestant in contestants:
            if contestant.package in self.absent:
                continue
            try:
                found = measure(self._command(table, contestant))
            except ContestantFailed as failure:
                print(f"{contestant.name} failed: {failure}", file=sys.stderr)
                continue
            if _rows(found) != rows:
                raise RuntimeError(f"{contestant.name} read {_rows(found)} of {rows} rows")
            yield contestant.name, found

    def _command(self, table: str, contestant: Contestant) -> Command:
        folder = self.folder / "parts" / (contestant.parts_of or contestant.name)
        if not contestant.parts_of:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        program, *arguments = contestant.program
        if program == "run":
            command = self.installation.command("run", f"ERP.{table}", "--json", *arguments)
            return Command(command, {**self.installation.env(), "PYTHONPATH": str(ROOT)}, folder)
        python = str(self.peers_python) if contestant.package else sys.executable
        module = f"tests.benchmarks.programs.{program}"
        env = contestant_env(self.sandbox_env, table, folder)
        return Command([python, "-m", module, *arguments], env, folder)


def _rows(found: Measured) -> int:
    runs = found.answer.get("runs")
    return int(runs[0]["rows"]["loaded"] if runs else found.answer["rows"])
