"""Receivables: customers, receipts, invoices, aging."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from tests.sandbox.dataset import columns as c
from tests.sandbox.dataset import values as v
from tests.sandbox.dataset.base import (
    FIRST_ID,
    ORGANISATIONS,
    BaseTable,
    Pair,
    Recipe,
    functional,
    line_ids,
    padded,
    reference,
    table,
    who,
)
from tests.sandbox.dataset.columns import required
from tests.sandbox.oracle.session import Kind


def customers(recipe: Recipe, stream: int) -> BaseTable:
    draw = recipe.draw(stream, recipe.sizes.customers)
    ids = draw.ids(FIRST_ID)
    english, thai = draw.companies()
    created = draw.during_the_day(draw.documents())
    return table(
        "HZ_CUSTOMERS",
        (required(c.number("CUSTOMER_ID", 15)), pa.array(ids)),
        (required(c.varchar("ACCOUNT_NUMBER", 30)), v.numbered("C-", ids)),
        (required(c.varchar("CUSTOMER_NAME", 360)), english),
        (c.nvarchar("CUSTOMER_NAME_TH", 200), draw.sparse(thai)),
        (c.char("TAX_ID", 13), draw.sparse(draw.digits(13))),
        (required(c.char("COUNTRY", 2)), draw.among(("TH", "JP", "US", "DE"), (0.8, 0.1, 0.05, 0.05))),
        (c.number("CREDIT_LIMIT", 18, 2), draw.sparse(v.decimals(draw.money(draw.currencies(), 0), 18, 2))),
        *who(draw, created, draw.after(created, 30)),
    )  # fmt: skip


def receipts(recipe: Recipe, stream: int) -> BaseTable:
    draw = recipe.draw(stream, recipe.sizes.receipts)
    ids, day, currency = draw.ids(FIRST_ID), draw.documents(), draw.currencies()
    created = draw.during_the_day(day)
    cents = draw.money(currency)
    factors, rates = draw.rates(currency)
    return table(
        "AR_CASH_RECEIPTS_ALL",
        (required(c.number("CASH_RECEIPT_ID", 15)), pa.array(ids)),
        (required(c.varchar("RECEIPT_NUMBER", 30)), v.numbered("RC", ids)),
        (required(c.number("ORG_ID", 15)), draw.among(ORGANISATIONS)),
        (c.number("CUSTOMER_ID", 15), draw.sparse(reference(draw, recipe.sizes.customers), 0.03)),
        (required(c.date("RECEIPT_DATE")), v.clock(day)),
        (required(c.date("GL_DATE")), v.clock(day + draw.integers(0, 3) * 86400)),
        (c.date("DEPOSIT_DATE"), draw.sparse(v.clock(draw.during_the_day(day)))),
        (required(c.varchar("STATUS", 30)), draw.among(("APP", "UNAPP", "UNID", "REV"), (0.8, 0.12, 0.04, 0.04))),
        (c.varchar_chars("RECEIPT_METHOD", 60), draw.sparse(draw.among(("โอนเงิน", "Cheque", "PromptPay", "L/C")))),
        (c.char("BANK_BRANCH", 8), draw.sparse(padded(draw.digits(4), 8))),
        (required(c.varchar("CURRENCY_CODE", 15)), pa.array(v.CURRENCIES).take(pa.array(currency))),
        (c.number("EXCHANGE_RATE"), draw.sparse(rates, 0.02)),
        (required(c.number("AMOUNT", 18, 2)), v.decimals(cents, 18, 2)),
        (required(c.number("FUNCTIONAL_AMOUNT", 20, 5)), functional(cents, factors)),
        (c.number("UNAPPLIED_AMOUNT", 18, 2), draw.sparse(v.decimals(cents // 4, 18, 2), 0.5)),
        (c.number("BANK_CHARGES", 9, 2), draw.sparse(v.decimals(draw.integers(0, 250_000), 9, 2), 0.6)),
        (c.raw("ROUTING_HASH", 16), draw.sparse(draw.bytes(16))),
        (c.varchar_chars("COMMENTS", 2000), draw.sparse(draw.text())),
        (c.date("REVERSAL_DATE"), draw.sparse(v.clock(draw.after(created, 20)), 0.95)),
        *who(draw, created, draw.after(created, 15)),
    )  # fmt: skip


def invoices(recipe: Recipe, stream: int) -> BaseTable:
    draw = recipe.draw(stream, recipe.sizes.invoices)
    ids, day, currency = draw.ids(FIRST_ID), draw.documents(), draw.currencies()
    created = draw.during_the_day(day)
    return table(
        "RA_CUSTOMER_TRX_ALL",
        (required(c.number("CUSTOMER_TRX_ID", 15)), pa.array(ids)),
        (required(c.varchar("TRX_NUMBER", 20)), v.numbered("INV", ids)),
        (required(c.number("ORG_ID", 15)), draw.among(ORGANISATIONS)),
        (c.number("CUSTOMER_ID", 15), draw.sparse(reference(draw, recipe.sizes.customers), 0.03)),
        (required(c.date("TRX_DATE")), v.clock(day)),
        (c.date("DUE_DATE"), draw.sparse(v.clock(day + draw.integers(0, 90) * 86400))),
        (required(c.varchar("PERIOD_NAME", 15)), v.periods(day)),
        (required(c.varchar("STATUS", 30)), draw.among(("OP", "CL", "VD", "รออนุมัติ"), (0.3, 0.6, 0.03, 0.07))),
        (required(c.varchar("CURRENCY_CODE", 15)), pa.array(v.CURRENCIES).take(pa.array(currency))),
        (c.number("EXCHANGE_RATE"), draw.sparse(draw.rates(currency)[1], 0.02)),
        (c.varchar("PURCHASE_ORDER", 50), draw.sparse(v.numbered("PO-", draw.integers(1, 99999)), 0.4)),
        (c.raw("E_TAX_UUID", 16), draw.sparse(draw.bytes(16))),
        (c.large("PRINTED_REMARKS", Kind.CLOB), draw.sparse(draw.text(), 0.5)),
        *who(draw, created, draw.after(created, 10)),
    )  # fmt: skip


def invoice_lines(recipe: Recipe, stream: int) -> BaseTable:
    documents, lines = line_ids(recipe.sizes.invoices)
    draw = recipe.draw(stream, len(documents))
    cents = draw.money(draw.currencies())
    created = draw.during_the_day(draw.documents())
    return table(
        "RA_CUSTOMER_TRX_LINES_ALL",
        (required(c.number("CUSTOMER_TRX_ID", 15)), pa.array(documents)),
        (required(c.number("LINE_NUMBER", 5)), pa.array(lines)),
        (c.varchar_chars("DESCRIPTION", 240), draw.sparse(draw.text())),
        (c.number("QUANTITY", 12, 4), draw.sparse(v.decimals(draw.integers(1, 10**8), 12, 4))),
        (c.number("UNIT_PRICE", 30, 12), draw.sparse(v.decimals(draw.integers(1, 10**17), 30, 12))),
        (required(c.number("LINE_AMOUNT", 18, 2)), v.decimals(cents, 18, 2)),
        (required(c.number("TAX_RATE", 5, 2)), v.decimals(draw.among((700, 0, 300), (0.8, 0.15, 0.05)).to_numpy(), 5, 2)),
        (required(c.number("TAX_AMOUNT", 18, 2)), v.decimals(cents * 7 // 100, 18, 2)),
        (c.number("REVENUE_ACCOUNT_ID", 15), draw.sparse(reference(draw, recipe.sizes.accounts))),
        (c.number("PROJECT_ID", 15), draw.sparse(reference(draw, recipe.sizes.projects), 0.5)),
        *who(draw, created, draw.after(created, 10)),
    )  # fmt: skip


def aging(recipe: Recipe, stream: int) -> BaseTable:
    draw = recipe.draw(stream, recipe.sizes.aging)
    day, currency = draw.documents(), draw.currencies()
    cents = draw.money(currency)
    bucket = draw.integers(0, 4)
    split = [pa.array(np.where(bucket == k, cents, 0)) for k in range(5)]
    names = ("AMOUNT_CURRENT", "AMOUNT_1_30", "AMOUNT_31_60", "AMOUNT_61_90", "AMOUNT_OVER_90")
    buckets: list[Pair] = [
        (required(c.number(name, 18, 2)), v.decimals(part.to_numpy(), 18, 2))
        for name, part in zip(names, split, strict=True)
    ]
    return table(
        "AR_AGING_SNAPSHOTS",
        (required(c.number("AGING_ID", 15)), pa.array(draw.ids(FIRST_ID))),
        (required(c.date("AS_OF_DATE")), v.clock(day)),
        (required(c.number("CUSTOMER_TRX_ID", 15)), reference(draw, recipe.sizes.invoices)),
        (c.number("CUSTOMER_ID", 15), draw.sparse(reference(draw, recipe.sizes.customers), 0.03)),
        (required(c.varchar("CURRENCY_CODE", 15)), pa.array(v.CURRENCIES).take(pa.array(currency))),
        (required(c.number("DAYS_OVERDUE", 6)), pa.array(bucket * 30 - 15)),
        (required(c.number("OUTSTANDING_AMOUNT", 18, 2)), v.decimals(cents, 18, 2)),
        *buckets,
        (c.number("COST_AMOUNT", 30, 12), draw.sparse(v.decimals(draw.integers(-10**16, 10**17), 30, 12))),
        (c.number("COST_RATE"), draw.sparse(draw.rates(currency)[1], 0.2)),
        (c.varchar_chars("COLLECTOR_NOTE", 600), draw.sparse(draw.text(), 0.6)),
        # A snapshot is stamped with its day alone: midnight, as batch programs do.
        *who(draw, day, day),
    )  # fmt: skip
