"""The demo's table, whatever the sums."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tests.sandbox.dataset.views import VIEWS
from tests.sandbox.demo import report
from tests.sandbox.totals import Totals

SUMS = st.none() | st.integers(-(10**47), 10**47).map(lambda number: Decimal(f"{number}E-9"))
ROWS = st.integers(0, 10**15)


@given(rows=ROWS, oracle=SUMS, target=SUMS)
def test_no_two_cells_of_the_demos_table_touch(
    rows: int, oracle: Decimal | None, target: Decimal | None
) -> None:
    totals = {
        name: (Totals(rows, (oracle,) if spec.money else ()), Totals(rows, (target,)))
        for name, spec in VIEWS.items()
    }
    runs = [{"view": f"ERP.{name}", "rows": {"loaded": rows}} for name in VIEWS]
    for line in report(runs, totals).splitlines()[1:]:
        name, loaded, *counts, verdict = line.split()
        sums = [s for s in (oracle, target) if s is not None]
        money = VIEWS[name].money
        assert loaded == f"{rows:,}" and counts[:2] == [loaded, loaded]
        assert len(counts) == 2 + (1 + len(sums) if money else 0)
        assert [Decimal(cell.replace(",", "")) for cell in counts[3:]] == (sums if money else [])
        assert verdict == ("yes" if totals[name][0] == totals[name][1] else "NO")
