"""`python -m tests.benchmarks`: ours, the floor and the peers, whole processes, side by side.

Every contestant runs once a round, in turn, after a first round that does not count: by then the
sandbox has kept each query's rows as bytes and replays them, so that it is never the limit.
Writes speed.md, speed.json, speed.svg and growth.svg into `results` (or --results).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from tests.benchmarks import contest as field
from tests.benchmarks import plot, report
from tests.benchmarks.contest import Contestant, Ring
from tests.benchmarks.report import Contest
from tests.benchmarks.world import installation, peers_python, sandbox

RESULTS = Path(__file__).parent / "results"
ALL = (*field.OURS, *field.SCALING, *field.PEERS)
UNPLOTTED = {"load", "load-csv", "live"}
GROWING = (field.STAGED, field.STAGED_CSV, field.RUN)
MEMORY_LIMIT_MIB = 300.0


@dataclass(frozen=True, slots=True)
class Sizes:
    """Rows of MIXED, of a larger one, of WIDE and LOBS, and those of the growing table."""

    mixed: int
    large: int
    wide: int
    lobs: int
    growth: tuple[int, ...]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write the results."""
    options = _parser().parse_args(arguments)
    sizes = _sizes(options)
    rounds = 1 if options.quick else options.rounds
    with tempfile.TemporaryDirectory(prefix="etl-benchmark-") as folder:
        measured = _measure(Path(folder), sizes, rounds)
    options.results.mkdir(parents=True, exist_ok=True)
    _write(options.results, *measured)
    print((options.results / "speed.md").read_text(encoding="utf-8"))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the 12-column table")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="few rows, one round: does it work?")
    parser.add_argument(
        "--growth",
        type=int,
        nargs="*",
        default=(100_000, 1_000_000, 10_000_000),
        help="numbers of rows for memory against size",
    )
    parser.add_argument("--results", type=Path, default=RESULTS)
    return parser


def _sizes(options: argparse.Namespace) -> Sizes:
    if options.quick:
        return Sizes(20_000, 40_000, 4_000, 300, (2_000, 20_000))
    rows = options.rows
    return Sizes(rows, 5 * rows, rows // 10, rows // 200, tuple(options.growth))


def _measure(
    folder: Path, sizes: Sizes, rounds: int
) -> tuple[list[Contest], list[Contest], dict[str, str]]:
    """The contests over four tables, those over growing ones, and the absent peers."""
    python, absent = peers_python()
    contests = []
    large = f"MIXED_{sizes.large}"
    tables = {"MIXED": sizes.mixed, large: sizes.large, "WIDE": sizes.wide, "LOBS": sizes.lobs}
    growing = {f"MIXED_{count}": count for count in sizes.growth}
    with _ring(folder / "contest", tables, python, absent) as ring:
        scaling = (*field.OURS, *field.SCALING)
        entered = {"MIXED": (*scaling, *field.PEERS), large: scaling}
        entered |= dict.fromkeys(("WIDE", "LOBS"), field.OURS)
        for table, contestants in entered.items():
            contests.append(_contest(ring, table, tables[table], contestants, rounds, 1))
    growth = []
    if growing:
        with _ring(folder / "growth", growing, python, absent) as ring:
            for table, count in growing.items():
                growth.append(_contest(ring, table, count, GROWING, 1, 0))
    return contests, growth, absent


@contextmanager
def _ring(
    folder: Path, tables: dict[str, int], python: Path, absent: dict[str, str]
) -> Iterator[Ring]:
    folder.mkdir()
    with sandbox(folder, tables) as env:
        yield Ring(folder, env, installation(folder, env, list(tables)), python, absent)


def _contest(
    ring: Ring, table: str, rows: int, contestants: Sequence[Contestant], rounds: int, skipped: int
) -> Contest:
    counted = []
    for number in range(skipped + rounds):
        found = {}
        for name, measured in ring.round(table, rows, contestants):
            found[name] = measured
            print(f"{table} round {number}: {name} {measured.wall:.2f} s", file=sys.stderr)
        counted.append(found)
    return Contest(table, rows, counted[skipped:])


def _write(
    folder: Path, contests: Sequence[Contest], growth: Sequence[Contest], absent: dict[str, str]
) -> None:
    where = _machine()
    document = {
        "machine": where,
        "absent": absent,
        "contests": [asdict(each) for each in contests],
        "growth": [asdict(each) for each in growth],
    }
    text = json.dumps(document, indent=1) + "\n"
    (folder / "speed.json").write_text(text, encoding="utf-8", newline="\n")
    text = _markdown(where, contests, growth, absent)
    (folder / "speed.md").write_text(text, encoding="utf-8", newline="\n")
    (folder / "speed.svg").write_text(_bars(contests[0]), encoding="utf-8", newline="\n")
    if growth:
        (folder / "growth.svg").write_text(_lines(growth), encoding="utf-8", newline="\n")


def _machine() -> str:
    """Where and when; a load average above the contestant's own one or two tells of a busy machine."""
    today = datetime.now(UTC).date().isoformat()
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{today}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}, "
        f"Python {platform.python_version()}, load average {psutil.getloadavg()[2]:.1f}"
    )


def _markdown(
    where: str, contests: Sequence[Contest], growth: Sequence[Contest], absent: dict[str, str]
) -> str:
    parts = [f"{where}. Whole processes, medians of {len(contests[0].rounds)} rounds, loopback.\n"]
    for each in contests:
        parts.append(f"### {each.table}, {each.rows:,} rows\n")
        parts.append(report.contest_table(each, ALL))
        parts.append(report.targets(each))
    if growth:
        parts.append("### Growth\n")
        parts.append(report.growth_table(growth, GROWING))
    parts += [f"Absent: {package}, {why}\n" for package, why in absent.items()]
    return "\n".join(parts)


def _bars(contest: Contest) -> str:
    values = [
        (each.what.replace("*", "").replace("`", ""), contest.wall(each.name), each in field.OURS)
        for each in ALL
        if contest.of(each.name) and each.name not in UNPLOTTED
    ]
    values.sort(key=lambda value: value[1])
    title = f"{contest.rows:,} rows of 12 mixed columns: seconds, whole process"
    return plot.bars(title, values, contest.wall("floor"))


def _lines(growth: Sequence[Contest]) -> str:
    series = {
        each.what.replace("*", "").replace("`", ""): [
            (contest.rows, max(found.peak_mib for found in contest.of(each.name)))
            for contest in growth
            if contest.of(each.name)
        ]
        for each in GROWING
    }
    return plot.lines("Peak memory (MiB) against rows", series, MEMORY_LIMIT_MIB)


if __name__ == "__main__":
    raise SystemExit(main())
