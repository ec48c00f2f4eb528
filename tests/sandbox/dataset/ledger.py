"""Ledger and projects: accounts, budgets, projects, work in progress."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from tests.sandbox.dataset import columns as c
from tests.sandbox.dataset import values as v
from tests.sandbox.dataset.base import (
    BC_DATES,
    FIRST_ID,
    SENTINEL_DATES,
    BaseTable,
    Recipe,
    local,
    padded,
    reference,
    table,
    who,
    zoned,
)
from tests.sandbox.dataset.columns import required
from tests.sandbox.dataset.values import Draw
from tests.sandbox.oracle.session import Kind


def accounts(recipe: Recipe, stream: int) -> BaseTable:
    draw = recipe.draw(stream, recipe.sizes.accounts)
    ids = draw.ids(FIRST_ID)
    created = draw.during_the_day(draw.documents())
    ends = pa.array(_end_dates(draw, recipe.odd_dates))
    return table(
        "GL_CODE_COMBINATIONS",
        (required(c.number("CODE_COMBINATION_ID", 15)), pa.array(ids)),
        (required(c.number("LEDGER_ID", 15)), draw.among((2021, 2022))),
        (required(c.varchar("SEGMENT1", 25)), draw.among(("01", "02", "10"))),
        (required(c.varchar("SEGMENT2", 25)), draw.digits(4)),
        (required(c.varchar("SEGMENT3", 25)), draw.digits(6)),
        (c.varchar("SEGMENT4", 25), draw.sparse(draw.digits(3), 0.3)),
        (required(c.char("ACCOUNT_TYPE", 1)), draw.among(("A", "L", "O", "R", "E"))),
        (required(c.char("ENABLED_FLAG", 1)), draw.among(("Y", "N"), (0.93, 0.07))),
        (c.char("REPORT_GROUP", 8), draw.sparse(padded(draw.among(("BS", "PL", "CASHFLOW", "TB")), 8))),
        (required(c.varchar_chars("DESCRIPTION", 240)), draw.text()),
        (c.nvarchar("DESCRIPTION_TH", 240), draw.sparse(draw.among(v.THAI))),
        (c.number("PARENT_ID", 15), draw.sparse(pa.array(np.maximum(ids - 7, FIRST_ID)), 0.4)),
        (c.number("CONSOLIDATION_KEY", 38), draw.sparse(draw.digits(38).cast(pa.decimal128(38, 0)))),
        (c.large("ATTRIBUTES", Kind.NCLOB), draw.sparse(draw.long_text(), 0.4)),
        (required(c.date("START_DATE_ACTIVE")), v.clock(draw.documents())),
        (c.date("END_DATE_ACTIVE"), draw.sparse(ends, 0.2)),
        *who(draw, created, draw.after(created, 60)),
    )  # fmt: skip


def _end_dates(draw: Draw, odd: bool) -> np.ndarray:
    sentinels = np.array([*SENTINEL_DATES, *(BC_DATES if odd else ())], dtype="datetime64[s]")
    chosen = sentinels[draw.integers(0, len(sentinels) - 1)]
    return np.where(draw.random.random(draw.size) < 0.7, chosen, draw.documents().astype("M8[s]"))


def budgets(recipe: Recipe, stream: int) -> BaseTable:
    draw = recipe.draw(stream, recipe.sizes.budgets)
    day = draw.documents().astype("M8[s]").astype("M8[M]").astype("M8[s]").astype("i8")
    created = draw.during_the_day(day)
    years = day.astype("M8[s]").astype("M8[Y]").astype("i8") + 1970
    months = day.astype("M8[s]").astype("M8[M]").astype("i8") % 12 + 1
    return table(
        "GL_BUDGET_BALANCES",
        (required(c.number("BUDGET_LINE_ID", 15)), pa.array(draw.ids(FIRST_ID))),
        (required(c.varchar("BUDGET_NAME", 30)), draw.among(("ORIGINAL", "REVISED", "คาดการณ์"))),
        (required(c.number("CODE_COMBINATION_ID", 15)), reference(draw, recipe.sizes.accounts)),
        (required(c.varchar("PERIOD_NAME", 15)), v.periods(day)),
        (required(c.date("PERIOD_START")), v.clock(day)),
        (required(c.number("FISCAL_YEAR", 4)), pa.array(years)),
        (required(c.number("PERIOD_NUM", 2)), pa.array(months)),
        (required(c.varchar("CURRENCY_CODE", 15)), draw.among(v.CURRENCIES, v.CURRENCY_SHARES)),
        (required(c.number("BUDGET_AMOUNT", 20, 5)), v.decimals(draw.integers(-10**10, 10**14), 20, 5)),
        (required(c.number("ACTUAL_AMOUNT", 20, 5)), v.decimals(draw.integers(-10**10, 10**14), 20, 5)),
        (c.number("ENCUMBRANCE_AMOUNT", 18, 2), draw.sparse(v.decimals(draw.money(draw.currencies()), 18, 2))),
        (c.number("ALLOCATION_FACTOR"), draw.sparse(draw.rates(draw.currencies())[1], 0.3)),
        (c.large("UTILISATION", Kind.BINARY_DOUBLE), draw.sparse(pa.array(draw.random.gamma(2, 0.4, draw.size)))),
        (c.varchar_chars("REMARKS", 400), draw.sparse(draw.text(), 0.5)),
        (c.timestamp_ltz("APPROVED_AT"), draw.sparse(local(draw, created), 0.2)),
        *who(draw, created, draw.after(created, 40)),
    )  # fmt: skip


def projects(recipe: Recipe, stream: int) -> BaseTable:
    draw = recipe.draw(stream, recipe.sizes.projects)
    ids = draw.ids(FIRST_ID)
    start = draw.documents()
    created = draw.during_the_day(start)
    updated = draw.after(created, 90)
    ends = np.where(
        draw.random.random(draw.size) < 0.3,
        SENTINEL_DATES[1].astype("i8"),
        start + draw.integers(30, 900) * 86400,
    )
    offsets = draw.among((420, 420, 420, 0, 540, -300)).to_numpy()
    contract = draw.integers(5 * 10**7, 5 * 10**11)
    cost = np.rint(contract * draw.random.uniform(-0.01, 1.1, draw.size) * 1000).astype("i8")
    return table(
        "PA_PROJECTS_ALL",
        (required(c.number("PROJECT_ID", 15)), pa.array(ids)),
        (required(c.varchar("PROJECT_NUMBER", 25)), v.numbered("P", ids)),
        (required(c.varchar_chars("PROJECT_NAME", 240)), draw.text()),
        (c.nvarchar("PROJECT_NAME_TH", 240), draw.sparse(draw.among(v.THAI))),
        (required(c.varchar("PROJECT_STATUS", 30)), draw.among(("APPROVED", "ACTIVE", "CLOSED", "ระงับ"))),
        (c.nvarchar("MANAGER", 120), draw.sparse(draw.people())),
        (required(c.date("START_DATE")), v.clock(start)),
        (c.date("COMPLETION_DATE"), draw.sparse(v.clock(ends))),
        (c.interval_ym("WARRANTY"), draw.sparse(pa.array(draw.integers(-3, 120).astype("i4")))),
        (c.interval_ds("TIME_BOOKED"), draw.sparse(durations(draw, 400 * 86400))),
        (c.number("PERCENT_COMPLETE", 5, 2), draw.sparse(v.decimals(draw.integers(0, 10_000), 5, 2))),
        (required(c.number("CONTRACT_AMOUNT", 18, 2)), v.decimals(contract, 18, 2)),
        (required(c.number("COST_TO_DATE", 20, 5)), v.decimals(cost, 20, 5)),
        (c.large("COST_INDEX", Kind.BINARY_FLOAT), draw.sparse(pa.array(draw.random.random(draw.size).astype("f4")))),
        (c.large("EARNED_VALUE_RATIO", Kind.BINARY_DOUBLE), draw.sparse(pa.array(draw.random.normal(1, 0.2, draw.size)))),
        (c.large("SCOPE", Kind.CLOB), draw.sparse(draw.long_text())),
        (c.large("LEGACY_NOTES", Kind.LONG), draw.sparse(draw.text(), 0.3)),
        (c.large("LOGO", Kind.BLOB), draw.sparse(draw.pictures(), 0.5)),
        (c.timestamp_ltz("LAST_REVIEW", 3), draw.sparse(local(draw, updated))),
        (required(c.number("CREATED_BY", 15)), pa.array(draw.integers(1000, 1400))),
        (required(c.timestamp_tz("CREATION_DATE")), zoned(draw, created, offsets)),
        (required(c.number("LAST_UPDATED_BY", 15)), pa.array(draw.integers(1000, 1400))),
        (required(c.timestamp_tz("LAST_UPDATE_DATE")), zoned(draw, updated, offsets)),
    )  # fmt: skip


def durations(draw: Draw, most_seconds: int) -> pa.Array:
    micros = draw.integers(0, most_seconds * 1_000_000)
    sign = np.where(draw.random.random(draw.size) < 0.1, -1, 1)
    days, rest = np.divmod(micros, 86400 * 1_000_000)
    fields = [pa.array(sign * days), pa.array(sign * rest * 1000)]
    return pa.StructArray.from_arrays(fields, ["days", "nanos"])


def wip(recipe: Recipe, stream: int) -> BaseTable:
    draw = recipe.draw(stream, recipe.sizes.wip)
    day, currency = draw.documents(), draw.currencies()
    created = draw.during_the_day(day)
    return table(
        "WIP_TRANSACTIONS",
        (required(c.number("TRANSACTION_ID", 15)), pa.array(draw.ids(FIRST_ID))),
        (c.number("PROJECT_ID", 15), draw.sparse(reference(draw, recipe.sizes.projects), 0.04)),
        (required(c.varchar("TASK_NUMBER", 25)), v.numbered("T", draw.integers(1, 40))),
        (required(c.varchar_chars("WIP_ENTITY_NAME", 240)), draw.text()),
        (required(c.varchar("TRANSACTION_TYPE", 30)), draw.among(("RESOURCE", "MATERIAL", "OVERHEAD", "จ้างเหมา"))),
        (required(c.date("TRANSACTION_DATE")), v.clock(day)),
        (required(c.varchar("PERIOD_NAME", 15)), v.periods(day)),
        (c.number("QUANTITY"), draw.sparse(draw.rates(currency)[1])),
        (c.interval_ds("HOURS", 2, 0), draw.sparse(_hours(draw), 0.4)),
        (required(c.varchar("CURRENCY_CODE", 15)), pa.array(v.CURRENCIES).take(pa.array(currency))),
        (required(c.number("COST", 18, 2)), v.decimals(draw.money(currency, 0.1), 18, 2)),
        (c.number("OVERHEAD_COST", 20, 5), draw.sparse(v.decimals(draw.integers(-10**9, 10**12), 20, 5))),
        (c.floating("EFFICIENCY", 63), draw.sparse(pa.array(draw.integers(0, 200)))),
        (c.varchar_chars("DESCRIPTION", 1000), draw.sparse(draw.text())),
        (c.raw("SOURCE_KEY", 20), draw.sparse(draw.bytes(20))),
        *who(draw, created, created),
    )  # fmt: skip


def _hours(draw: Draw) -> pa.Array:
    fields = [pa.array(np.zeros(draw.size, "i8")), pa.array(draw.integers(60, 86399) * 10**9)]
    return pa.StructArray.from_arrays(fields, ["days", "nanos"])
