"""What was measured, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from tests.benchmarks.contest import Contestant
from tests.benchmarks.measure import Measured

Round = Mapping[str, Measured]


@dataclass(frozen=True, slots=True)
class Contest:
    """Rounds over one table of `rows` rows; each round holds what each contestant took."""

    table: str
    rows: int
    rounds: Sequence[Round]

    def of(self, name: str) -> list[Measured]:
        """What one contestant took, by round; empty when it is absent."""
        return [each[name] for each in self.rounds if name in each]

    def wall(self, name: str) -> float:
        """Median wall time in seconds."""
        return median(found.wall for found in self.of(name))

    def ratio(self, name: str, *to: str) -> float:
        """Median over the rounds of the wall time against the sum of others in the same round."""
        return median(
            each[name].wall / sum(each[other].wall for other in to)
            for each in self.rounds
            if name in each and all(other in each for other in to)
        )


def contest_table(contest: Contest, contestants: Sequence[Contestant]) -> str:
    """One line a contestant, medians over the rounds."""
    head = "| | wall s | CPU s | peak MiB | rows/s | × floor |\n|---|---|---|---|---|---|\n"
    present = [each for each in contestants if contest.of(each.name)]
    return head + "".join(_line(contest, each) for each in present)


def _line(contest: Contest, contestant: Contestant) -> str:
    found, wall = contest.of(contestant.name), contest.wall(contestant.name)
    cpu = median(each.cpu for each in found)
    peak = median(each.peak_mib for each in found)
    ratio = contest.ratio(contestant.name, "floor")
    speed = contest.rows / wall
    return f"| {contestant.what} | {wall:.2f} | {cpu:.2f} | {peak:.0f} | {speed:,.0f} | {ratio:.2f} |\n"


def targets(contest: Contest) -> str:
    """What was asked for, and what was measured."""
    wanted = (
        ("staged as Parquet ÷ floor", ("staged", "floor"), 1.3),
        ("staged as CSV ÷ floor", ("staged-csv", "floor"), 1.6),
        ("whole run, Parquet ÷ (floor + straight load)", ("run", "floor", "load"), 1.15),
        ("whole run, CSV ÷ (floor + straight load)", ("run-csv", "floor", "load-csv"), 1.15),
    )
    lines = ["| | at most | measured |\n|---|---|---|\n"]
    for what, names, most in wanted:
        if all(contest.of(name) for name in names):
            lines.append(f"| {what} | {most} | {contest.ratio(*names):.2f} |\n")
    first = [found.answer["first_row_seconds"] for found in contest.of("staged")]
    if first:
        lines.append(f"| start-up to the first batch, s | 1.5 | {median(first):.2f} |\n")
    return "".join(lines)


def growth_table(contests: Sequence[Contest], contestants: Sequence[Contestant]) -> str:
    """Peak memory in MiB by number of rows."""
    head = "".join(f" {contest.rows:,} rows |" for contest in contests)
    lines = [f"| peak MiB |{head}\n|---|{'---|' * len(contests)}\n"]
    for each in contestants:
        cells = (_growth_cell(contest, each.name) for contest in contests)
        lines.append(f"| {each.what} | {' | '.join(cells)} |\n")
    return "".join(lines)


def _growth_cell(contest: Contest, name: str) -> str:
    found = contest.of(name)
    if not found:
        return ""
    return f"{max(each.peak_mib for each in found):.0f}"
