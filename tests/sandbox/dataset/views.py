"""The finance views over the base tables, and how each would be loaded.

Nine are loadable as they stand. The tenth, V_ORG_INVOICES, behaves as a multi-org view of
E-Business Suite: it has no rows until the session's context is set.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class ViewSpec:
    """A view, its query, and a suggestion of how to load it.

    `clock` is the Oracle type of `incremental`; DATE and TIMESTAMP are in the clock of the
    database server. `overlap` is how far a load should look back for late commits.
    """

    name: str
    sql: str
    keys: tuple[str, ...]
    partition: str
    money: tuple[str, ...]
    dates: tuple[str, ...] = ()
    partition_type: str = "month"
    clusters: tuple[str, ...] = ()
    incremental: str = "LAST_UPDATE_DATE"
    clock: str = "DATE"
    write_disposition: str = "merge"
    load_mode: str = "dataframe"
    overlap: timedelta = timedelta(days=1)


AR_RECEIPTS = ViewSpec(
    "V_AR_RECEIPTS",
    """
    SELECT r.CASH_RECEIPT_ID, r.RECEIPT_NUMBER, r.ORG_ID, c.ACCOUNT_NUMBER, c.CUSTOMER_NAME,
           c.CUSTOMER_NAME_TH, c.TAX_ID, c.COUNTRY, r.RECEIPT_DATE, r.GL_DATE, r.DEPOSIT_DATE,
           r.STATUS, r.RECEIPT_METHOD, r.BANK_BRANCH, r.CURRENCY_CODE, r.EXCHANGE_RATE, r.AMOUNT,
           r.FUNCTIONAL_AMOUNT, r.UNAPPLIED_AMOUNT, r.BANK_CHARGES, r.ROUTING_HASH, r.COMMENTS,
           r.REVERSAL_DATE, r.CREATED_BY, r.CREATION_DATE, r.LAST_UPDATED_BY, r.LAST_UPDATE_DATE
      FROM ERP.AR_CASH_RECEIPTS_ALL r
      LEFT JOIN ERP.HZ_CUSTOMERS c ON c.CUSTOMER_ID = r.CUSTOMER_ID
    """,
    keys=("CASH_RECEIPT_ID",),
    partition="RECEIPT_DATE",
    clusters=("CURRENCY_CODE", "STATUS"),
    dates=("RECEIPT_DATE", "GL_DATE"),
    money=("AMOUNT", "FUNCTIONAL_AMOUNT", "UNAPPLIED_AMOUNT", "BANK_CHARGES"),
    load_mode="csv",
)

MONTHLY_INVOICES = ViewSpec(
    "V_MONTHLY_INVOICES",
    # The later of both stamps: a view that shows one table's date hides changes of the other.
    """
    SELECT h.CUSTOMER_TRX_ID, l.LINE_NUMBER, h.TRX_NUMBER, h.ORG_ID, h.PERIOD_NAME, h.TRX_DATE,
           h.DUE_DATE, h.STATUS, c.ACCOUNT_NUMBER, c.CUSTOMER_NAME, c.CUSTOMER_NAME_TH,
           h.CURRENCY_CODE, h.EXCHANGE_RATE, l.DESCRIPTION, l.QUANTITY, l.UNIT_PRICE,
           l.LINE_AMOUNT, l.TAX_RATE, l.TAX_AMOUNT, l.LINE_AMOUNT + l.TAX_AMOUNT AS GROSS_AMOUNT,
           a.SEGMENT3 AS REVENUE_ACCOUNT, p.PROJECT_NUMBER, h.PURCHASE_ORDER, h.E_TAX_UUID,
           h.PRINTED_REMARKS, h.CREATION_DATE,
           GREATEST(h.LAST_UPDATE_DATE, l.LAST_UPDATE_DATE) AS LAST_UPDATE_DATE
      FROM ERP.RA_CUSTOMER_TRX_ALL h
      JOIN ERP.RA_CUSTOMER_TRX_LINES_ALL l ON l.CUSTOMER_TRX_ID = h.CUSTOMER_TRX_ID
      LEFT JOIN ERP.HZ_CUSTOMERS c ON c.CUSTOMER_ID = h.CUSTOMER_ID
      LEFT JOIN ERP.GL_CODE_COMBINATIONS a ON a.CODE_COMBINATION_ID = l.REVENUE_ACCOUNT_ID
      LEFT JOIN ERP.PA_PROJECTS_ALL p ON p.PROJECT_ID = l.PROJECT_ID
    """,
    keys=("CUSTOMER_TRX_ID", "LINE_NUMBER"),
    partition="TRX_DATE",
    clusters=("PERIOD_NAME", "STATUS"),
    dates=("TRX_DATE", "DUE_DATE"),
    money=("LINE_AMOUNT", "TAX_AMOUNT", "GROSS_AMOUNT"),
)

AP_PAYMENTS = ViewSpec(
    "V_AP_PAYMENTS",
    """
    SELECT k.CHECK_ID, k.CHECK_NUMBER, k.ORG_ID, s.VENDOR_NUMBER, s.VENDOR_NAME, s.VENDOR_NAME_TH,
           s.TAX_ID, s.VENDOR_TYPE, k.CHECK_DATE, k.STATUS, k.CURRENCY_CODE, k.EXCHANGE_RATE,
           k.AMOUNT, k.BASE_AMOUNT, k.DISCOUNT_TAKEN, k.PAYMENT_REFERENCE, k.INVOICE_NUM, k.PAYEE,
           k.DESCRIPTION, k.CLEARED_AT, k.SENT_AT, k.APPROVED_AT, k.REMITTANCE_ADVICE,
           k.CREATION_DATE, k.LAST_UPDATE_DATE
      FROM ERP.AP_CHECKS_ALL k
      LEFT JOIN ERP.PO_VENDORS s ON s.VENDOR_ID = k.VENDOR_ID
    """,
    keys=("CHECK_ID",),
    partition="CHECK_DATE",
    clusters=("STATUS",),
    dates=("CHECK_DATE",),
    money=("AMOUNT", "BASE_AMOUNT", "DISCOUNT_TAKEN"),
    clock="TIMESTAMP",
)

PO_LISTING = ViewSpec(
    "V_PO_LISTING",
    """
    SELECT l.ROWID AS ROW_ID, h.PO_NUMBER, l.LINE_NUM, h.ORG_ID, s.VENDOR_NUMBER, s.VENDOR_NAME,
           h.BUYER, h.ORDER_DATE, h.APPROVED_FLAG, h.APPROVED_DATE, h.CURRENCY_CODE,
           h.EXCHANGE_RATE, h.CLOSED_CODE, h.NOTE_TO_VENDOR, l.ITEM_CODE, l.ITEM_DESCRIPTION,
           l.UNIT_OF_MEASURE, l.QUANTITY, l.QUANTITY_RECEIVED, l.UNIT_PRICE, l.AMOUNT, l.WEIGHT_KG,
           l.NEED_BY_DATE, l.PROMISED_DATE, l.CANCEL_FLAG, h.CREATION_DATE,
           GREATEST(h.LAST_UPDATE_DATE, l.LAST_UPDATE_DATE) AS LAST_UPDATE_DATE
      FROM ERP.PO_HEADERS_ALL h
      JOIN ERP.PO_LINES_ALL l ON l.PO_HEADER_ID = h.PO_HEADER_ID
      LEFT JOIN ERP.PO_VENDORS s ON s.VENDOR_ID = h.VENDOR_ID
    """,
    keys=("PO_NUMBER", "LINE_NUM"),
    partition="ORDER_DATE",
    clusters=("VENDOR_NUMBER",),
    dates=("ORDER_DATE", "NEED_BY_DATE", "PROMISED_DATE"),
    money=("AMOUNT",),
    load_mode="csv",
)

GL_ACCOUNTS = ViewSpec(
    "V_GL_ACCOUNTS",
    """
    SELECT a.CODE_COMBINATION_ID, a.LEDGER_ID,
           a.SEGMENT1 || '.' || a.SEGMENT2 || '.' || a.SEGMENT3 || '.' || a.SEGMENT4
               AS CONCATENATED_SEGMENTS,
           a.SEGMENT1, a.SEGMENT2, a.SEGMENT3, a.SEGMENT4, a.ACCOUNT_TYPE,
           DECODE(a.ACCOUNT_TYPE, 'A', 'Asset', 'L', 'Liability', 'O', 'Equity', 'R', 'Revenue',
                  'Expense') AS ACCOUNT_TYPE_NAME,
           a.ENABLED_FLAG, a.REPORT_GROUP, a.DESCRIPTION, a.DESCRIPTION_TH, a.PARENT_ID,
           a.CONSOLIDATION_KEY, a.ATTRIBUTES, a.START_DATE_ACTIVE, a.END_DATE_ACTIVE,
           a.CREATION_DATE, a.LAST_UPDATE_DATE
      FROM ERP.GL_CODE_COMBINATIONS a
    """,
    keys=("CODE_COMBINATION_ID",),
    partition="",
    partition_type="none",
    clusters=("ACCOUNT_TYPE",),
    dates=("START_DATE_ACTIVE", "END_DATE_ACTIVE"),
    money=(),
    write_disposition="replace",
)

BUDGET_ACCOUNTS = ViewSpec(
    "V_BUDGET_ACCOUNTS",
    """
    SELECT b.BUDGET_LINE_ID, b.BUDGET_NAME, b.CODE_COMBINATION_ID, a.SEGMENT2 AS COST_CENTRE,
           a.SEGMENT3 AS NATURAL_ACCOUNT, a.DESCRIPTION AS ACCOUNT_DESCRIPTION, b.PERIOD_NAME,
           b.PERIOD_START, b.FISCAL_YEAR, b.PERIOD_NUM, b.CURRENCY_CODE, b.BUDGET_AMOUNT,
           b.ACTUAL_AMOUNT, b.BUDGET_AMOUNT - b.ACTUAL_AMOUNT AS VARIANCE_AMOUNT,
           b.ENCUMBRANCE_AMOUNT, b.ALLOCATION_FACTOR, b.UTILISATION, b.REMARKS, b.APPROVED_AT,
           b.CREATION_DATE, b.LAST_UPDATE_DATE
      FROM ERP.GL_BUDGET_BALANCES b
      JOIN ERP.GL_CODE_COMBINATIONS a ON a.CODE_COMBINATION_ID = b.CODE_COMBINATION_ID
    """,
    keys=("BUDGET_LINE_ID",),
    partition="PERIOD_START",
    clusters=("BUDGET_NAME",),
    dates=("PERIOD_START",),
    money=("BUDGET_AMOUNT", "ACTUAL_AMOUNT", "VARIANCE_AMOUNT", "ENCUMBRANCE_AMOUNT"),
    # Every version of a budget line is kept.
    write_disposition="append",
)

PROJECT_STATUS = ViewSpec(
    "V_PROJECT_STATUS",
    """
    SELECT p.PROJECT_ID, p.PROJECT_NUMBER, p.PROJECT_NAME, p.PROJECT_NAME_TH, p.PROJECT_STATUS,
           p.MANAGER, p.START_DATE, p.COMPLETION_DATE, p.WARRANTY, p.TIME_BOOKED,
           p.PERCENT_COMPLETE, p.CONTRACT_AMOUNT, p.COST_TO_DATE,
           p.CONTRACT_AMOUNT - p.COST_TO_DATE AS REMAINING_AMOUNT, p.COST_INDEX,
           p.EARNED_VALUE_RATIO, p.SCOPE, p.LEGACY_NOTES, p.LOGO, p.LAST_REVIEW, p.CREATION_DATE,
           p.LAST_UPDATE_DATE
      FROM ERP.PA_PROJECTS_ALL p
    """,
    keys=("PROJECT_NUMBER",),
    partition="START_DATE",
    partition_type="year",
    clusters=("PROJECT_STATUS",),
    dates=("START_DATE", "COMPLETION_DATE"),
    money=("CONTRACT_AMOUNT", "COST_TO_DATE", "REMAINING_AMOUNT"),
    clock="TIMESTAMP_TZ",
)

WIP_BY_PROJECT = ViewSpec(
    "V_WIP_BY_PROJECT",
    # No key: entries are only ever added, a wrong one by its reversal.
    """
    SELECT p.PROJECT_NUMBER, p.PROJECT_NAME, w.TASK_NUMBER, w.WIP_ENTITY_NAME, w.TRANSACTION_TYPE,
           w.TRANSACTION_DATE, w.PERIOD_NAME, w.QUANTITY, w.HOURS, w.CURRENCY_CODE, w.COST,
           w.OVERHEAD_COST, w.EFFICIENCY, w.DESCRIPTION, w.SOURCE_KEY, w.CREATED_BY,
           w.CREATION_DATE, w.LAST_UPDATE_DATE
      FROM ERP.WIP_TRANSACTIONS w
      LEFT JOIN ERP.PA_PROJECTS_ALL p ON p.PROJECT_ID = w.PROJECT_ID
    """,
    keys=(),
    partition="TRANSACTION_DATE",
    clusters=("PROJECT_NUMBER",),
    dates=("TRANSACTION_DATE",),
    money=("COST", "OVERHEAD_COST"),
    write_disposition="append",
    load_mode="csv",
    overlap=timedelta(0),
)

AR_AGING_COST = ViewSpec(
    "V_AR_AGING_COST",
    # LAST_UPDATE_DATE is midnight of the snapshot's day; a snapshot changes on its day only.
    """
    SELECT g.AGING_ID, g.AS_OF_DATE, h.TRX_NUMBER, h.TRX_DATE, c.ACCOUNT_NUMBER, c.CUSTOMER_NAME,
           c.CUSTOMER_NAME_TH, c.CREDIT_LIMIT, g.CURRENCY_CODE, g.DAYS_OVERDUE,
           g.OUTSTANDING_AMOUNT, g.AMOUNT_CURRENT, g.AMOUNT_1_30, g.AMOUNT_31_60, g.AMOUNT_61_90,
           g.AMOUNT_OVER_90, g.COST_AMOUNT, g.COST_RATE, g.COLLECTOR_NOTE, g.CREATION_DATE,
           g.LAST_UPDATE_DATE
      FROM ERP.AR_AGING_SNAPSHOTS g
      LEFT JOIN ERP.RA_CUSTOMER_TRX_ALL h ON h.CUSTOMER_TRX_ID = g.CUSTOMER_TRX_ID
      LEFT JOIN ERP.HZ_CUSTOMERS c ON c.CUSTOMER_ID = g.CUSTOMER_ID
    """,
    keys=("AGING_ID",),
    partition="AS_OF_DATE",
    clusters=("CURRENCY_CODE",),
    dates=("AS_OF_DATE", "TRX_DATE"),
    money=(
        "OUTSTANDING_AMOUNT",
        "AMOUNT_CURRENT",
        "AMOUNT_1_30",
        "AMOUNT_31_60",
        "AMOUNT_61_90",
        "AMOUNT_OVER_90",
        "COST_AMOUNT",
    ),
    write_disposition="replace_window",
)

ORG_INVOICES = ViewSpec(
    "V_ORG_INVOICES",
    """
    SELECT h.CUSTOMER_TRX_ID, h.TRX_NUMBER, h.ORG_ID, h.TRX_DATE, h.DUE_DATE, h.PERIOD_NAME,
           h.STATUS, h.CURRENCY_CODE, h.EXCHANGE_RATE, h.PURCHASE_ORDER, h.CREATION_DATE,
           h.LAST_UPDATE_DATE
      FROM ERP.RA_CUSTOMER_TRX_ALL h
    """,
    keys=("CUSTOMER_TRX_ID",),
    partition="TRX_DATE",
    dates=("TRX_DATE", "DUE_DATE"),
    money=(),
)

VIEWS: dict[str, ViewSpec] = {
    spec.name: spec
    for spec in (
        AR_RECEIPTS,
        MONTHLY_INVOICES,
        AP_PAYMENTS,
        PO_LISTING,
        GL_ACCOUNTS,
        BUDGET_ACCOUNTS,
        PROJECT_STATUS,
        WIP_BY_PROJECT,
        AR_AGING_COST,
    )
}
"""The nine views that load as they stand."""

CONTEXT_VIEWS: dict[str, ViewSpec] = {ORG_INVOICES.name: ORG_INVOICES}
"""Views that need FND_GLOBAL.APPS_INITIALIZE and MO_GLOBAL.INIT first."""
