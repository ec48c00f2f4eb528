"""The base tables of the ERP schema, shaped like Oracle E-Business Suite's."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.sandbox.dataset import ledger, payables, receivables
from tests.sandbox.dataset.base import BaseTable, Recipe

BUILDERS: tuple[Callable[[Recipe, int], BaseTable], ...] = (
    receivables.customers,
    payables.vendors,
    ledger.accounts,
    ledger.projects,
    receivables.receipts,
    receivables.invoices,
    receivables.invoice_lines,
    payables.payments,
    payables.orders,
    payables.order_lines,
    ledger.budgets,
    ledger.wip,
    receivables.aging,
)


def base_tables(recipe: Recipe) -> Iterator[BaseTable]:
    """Every base table, one at a time, so that only one is in memory."""
    for stream, builder in enumerate(BUILDERS):
        yield builder(recipe, stream)
