"""Payables and purchasing: vendors, payments, orders."""

from __future__ import annotations

import pyarrow as pa

from tests.sandbox.dataset import columns as c
from tests.sandbox.dataset import values as v
from tests.sandbox.dataset.base import (
    FIRST_ID,
    ORGANISATIONS,
    BaseTable,
    Recipe,
    functional,
    line_ids,
    micros,
    reference,
    stamp,
    table,
    who,
)
from tests.sandbox.dataset.columns import required
from tests.sandbox.oracle.session import Kind


def vendors(recipe: Recipe, stream: int) -> BaseTable:
    draw = recipe.draw(stream, recipe.sizes.vendors)
    ids = draw.ids(FIRST_ID)
    english, thai = draw.companies()
    created = draw.during_the_day(draw.documents())
    return table(
        "PO_VENDORS",
        (required(c.number("VENDOR_ID", 15)), pa.array(ids)),
        (required(c.varchar("VENDOR_NUMBER", 30)), v.numbered("V", ids)),
        (required(c.varchar("VENDOR_NAME", 240)), english),
        (c.nvarchar("VENDOR_NAME_TH", 200), draw.sparse(thai)),
        (c.char("TAX_ID", 13), draw.sparse(draw.digits(13))),
        (c.varchar("VENDOR_TYPE", 30), draw.sparse(draw.among(("SUPPLIER", "CONTRACTOR", "EMPLOYEE", "ภาครัฐ")))),
        *who(draw, created, draw.after(created, 30)),
    )  # fmt: skip


def payments(recipe: Recipe, stream: int) -> BaseTable:
    draw = recipe.draw(stream, recipe.sizes.payments)
    ids, day, currency = draw.ids(FIRST_ID), draw.documents(), draw.currencies()
    created = draw.during_the_day(day)
    cents = draw.money(currency)
    factors, rates = draw.rates(currency)
    approved = draw.during_the_day(day)
    nanos = micros(draw) + (draw.integers(0, 999) if recipe.odd_dates else 0)
    return table(
        "AP_CHECKS_ALL",
        (required(c.number("CHECK_ID", 15)), pa.array(ids)),
        (required(c.number("CHECK_NUMBER", 18)), pa.array(ids * 1_000_003 + 7)),
        (required(c.number("ORG_ID", 15)), draw.among(ORGANISATIONS)),
        (c.number("VENDOR_ID", 15), draw.sparse(reference(draw, recipe.sizes.vendors), 0.02)),
        (required(c.date("CHECK_DATE")), v.clock(day)),
        (required(c.varchar("STATUS", 25)), draw.among(("NEGOTIABLE", "CLEARED", "VOIDED"), (0.3, 0.66, 0.04))),
        (required(c.varchar("CURRENCY_CODE", 15)), pa.array(v.CURRENCIES).take(pa.array(currency))),
        (c.number("EXCHANGE_RATE"), draw.sparse(rates, 0.02)),
        (required(c.number("AMOUNT", 18, 2)), v.decimals(cents, 18, 2)),
        (required(c.number("BASE_AMOUNT", 20, 5)), functional(cents, factors)),
        (c.number("DISCOUNT_TAKEN", 18, 2), draw.sparse(v.decimals(cents // 50, 18, 2), 0.7)),
        (c.number("PAYMENT_REFERENCE", 22), draw.sparse(draw.digits(22).cast(pa.decimal128(38, 0)))),
        (c.varchar("INVOICE_NUM", 50), draw.sparse(v.numbered("SI/", draw.integers(1, 10**7)))),
        (c.nvarchar("PAYEE", 240), draw.sparse(draw.people())),
        (c.varchar_chars("DESCRIPTION", 240), draw.sparse(draw.text())),
        (c.timestamp("CLEARED_AT", 0), draw.sparse(v.clock(draw.after(created, 5)).cast(pa.timestamp("us")), 0.35)),
        (c.timestamp("SENT_AT", 3), draw.sparse(stamp(draw, created, 1000), 0.2)),
        (c.timestamp("APPROVED_AT", 9), draw.sparse(v.fraction(approved, nanos), 0.1)),
        (c.large("REMITTANCE_ADVICE", Kind.CLOB), draw.sparse(draw.text(), 0.6)),
        (required(c.number("CREATED_BY", 15)), pa.array(draw.integers(1000, 1400))),
        (required(c.timestamp("CREATION_DATE")), stamp(draw, created, 1)),
        (required(c.number("LAST_UPDATED_BY", 15)), pa.array(draw.integers(1000, 1400))),
        (required(c.timestamp("LAST_UPDATE_DATE")), stamp(draw, draw.after(created, 10), 1)),
    )  # fmt: skip


def orders(recipe: Recipe, stream: int) -> BaseTable:
    draw = recipe.draw(stream, recipe.sizes.orders)
    ids, day, currency = draw.ids(FIRST_ID), draw.documents(), draw.currencies()
    created = draw.during_the_day(day)
    return table(
        "PO_HEADERS_ALL",
        (required(c.number("PO_HEADER_ID", 15)), pa.array(ids)),
        (required(c.varchar("PO_NUMBER", 20)), v.numbered("PO", ids)),
        (required(c.number("ORG_ID", 15)), draw.among(ORGANISATIONS)),
        (c.number("VENDOR_ID", 15), draw.sparse(reference(draw, recipe.sizes.vendors), 0.02)),
        (c.nvarchar("BUYER", 120), draw.sparse(draw.people())),
        (required(c.date("ORDER_DATE")), v.clock(day)),
        (required(c.char("APPROVED_FLAG", 1)), draw.among(("Y", "N", "R"), (0.85, 0.1, 0.05))),
        (c.date("APPROVED_DATE"), draw.sparse(v.clock(draw.after(created, 4)), 0.15)),
        (required(c.varchar("CURRENCY_CODE", 15)), pa.array(v.CURRENCIES).take(pa.array(currency))),
        (c.number("EXCHANGE_RATE"), draw.sparse(draw.rates(currency)[1], 0.02)),
        (c.varchar("CLOSED_CODE", 30), draw.sparse(draw.among(("OPEN", "CLOSED", "FINALLY CLOSED")), 0.1)),
        (c.varchar_chars("NOTE_TO_VENDOR", 480), draw.sparse(draw.text(), 0.5)),
        *who(draw, created, draw.after(created, 20)),
    )  # fmt: skip


def order_lines(recipe: Recipe, stream: int) -> BaseTable:
    documents, lines = line_ids(recipe.sizes.orders)
    draw = recipe.draw(stream, len(documents))
    day = draw.documents()
    created = draw.during_the_day(day)
    quantity = draw.integers(1, 10**7)
    return table(
        "PO_LINES_ALL",
        (required(c.number("PO_HEADER_ID", 15)), pa.array(documents)),
        (required(c.number("LINE_NUM", 5)), pa.array(lines)),
        (c.varchar("ITEM_CODE", 40), draw.sparse(v.numbered("ITM-", draw.integers(1, 5000)))),
        (required(c.varchar("ITEM_DESCRIPTION", 480)), draw.text()),
        (c.nvarchar("UNIT_OF_MEASURE", 25), draw.sparse(draw.among(("Each", "กล่อง", "kg", "m²", "ชุด")))),
        (required(c.number("QUANTITY", 14, 3)), v.decimals(quantity, 14, 3)),
        (c.floating("QUANTITY_RECEIVED"), draw.sparse(pa.array(quantity // 2000))),
        (required(c.number("UNIT_PRICE", 30, 12)), v.decimals(draw.integers(1, 10**17), 30, 12)),
        (required(c.number("AMOUNT", 18, 2)), v.decimals(draw.money(draw.currencies()), 18, 2)),
        (c.large("WEIGHT_KG", Kind.BINARY_FLOAT), draw.sparse(pa.array(draw.random.gamma(2, 40, draw.size).astype("f4")))),
        (c.date("NEED_BY_DATE"), draw.sparse(v.clock(day + draw.integers(5, 120) * 86400))),
        (c.date("PROMISED_DATE"), draw.sparse(v.clock(day + draw.integers(5, 150) * 86400), 0.3)),
        (required(c.char("CANCEL_FLAG", 1)), draw.among(("N", "Y"), (0.96, 0.04))),
        *who(draw, created, draw.after(created, 20)),
    )  # fmt: skip
