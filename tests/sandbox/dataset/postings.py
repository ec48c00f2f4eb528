"""What a business day does to each table, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Posting:
    """How one table takes part in a day.

    `insert`, `correct` and `cancel` map columns to SQL expressions over the row's columns, in
    which {shift} is the distance from old to new ids, {day} the business day and {period} its
    GL period. An empty `correct` or `cancel` means that it never happens here. What the table
    `shown_by` names is never deleted: rows of its view would change without a new date.
    """

    table: str
    view: str
    id: str
    insert: Mapping[str, str]
    correct: Mapping[str, str] = field(default_factory=dict)
    cancel: Mapping[str, str] = field(default_factory=dict)
    stamp: str = "SYSDATE"
    deletes: bool = True
    shown_by: str = ""


RECEIPTS = Posting(
    "AR_CASH_RECEIPTS_ALL",
    "V_AR_RECEIPTS",
    "CASH_RECEIPT_ID",
    insert={
        "RECEIPT_NUMBER": "'RC' || TO_CHAR(CASH_RECEIPT_ID + {shift})",
        "RECEIPT_DATE": "{day}",
        "GL_DATE": "{day}",
        "STATUS": "'UNAPP'",
        "REVERSAL_DATE": "NULL",
        "AMOUNT": "AMOUNT + 1.25",
    },
    correct={"STATUS": "'APP'", "UNAPPLIED_AMOUNT": "NULL", "AMOUNT": "AMOUNT - 0.75"},
    cancel={"STATUS": "'REV'", "AMOUNT": "-AMOUNT", "REVERSAL_DATE": "{day}"},
)
INVOICES = Posting(
    "RA_CUSTOMER_TRX_ALL",
    "V_ORG_INVOICES",
    "CUSTOMER_TRX_ID",
    insert={
        "TRX_NUMBER": "'INV' || TO_CHAR(CUSTOMER_TRX_ID + {shift})",
        "TRX_DATE": "{day}",
        "DUE_DATE": "{day} + 30",
        "PERIOD_NAME": "{period}",
        "STATUS": "'OP'",
    },
    cancel={"STATUS": "'VD'"},
    shown_by="AR_AGING_SNAPSHOTS",
)
INVOICE_LINES = Posting(
    "RA_CUSTOMER_TRX_LINES_ALL",
    "V_MONTHLY_INVOICES",
    "CUSTOMER_TRX_ID",
    insert={"LINE_AMOUNT": "LINE_AMOUNT + 10"},
    correct={"LINE_AMOUNT": "LINE_AMOUNT + 0.01", "DESCRIPTION": "'แก้ไข: ' || LINE_NUMBER"},
    cancel={"LINE_AMOUNT": "0", "TAX_AMOUNT": "0"},
    shown_by="AR_AGING_SNAPSHOTS",
)
PAYMENTS = Posting(
    "AP_CHECKS_ALL",
    "V_AP_PAYMENTS",
    "CHECK_ID",
    insert={
        "CHECK_NUMBER": "(CHECK_ID + {shift}) * 1000003 + 7",
        "CHECK_DATE": "{day}",
        "STATUS": "'NEGOTIABLE'",
        "CLEARED_AT": "NULL",
        "AMOUNT": "AMOUNT + 0.5",
    },
    correct={"STATUS": "'CLEARED'", "CLEARED_AT": "SYSDATE"},
    cancel={"STATUS": "'VOIDED'", "AMOUNT": "-AMOUNT"},
    stamp="CAST(SYSTIMESTAMP AS TIMESTAMP)",
)
ORDERS = Posting(
    "PO_HEADERS_ALL",
    "",
    "PO_HEADER_ID",
    insert={
        "PO_NUMBER": "'PO' || TO_CHAR(PO_HEADER_ID + {shift})",
        "ORDER_DATE": "{day}",
        "APPROVED_FLAG": "'N'",
        "APPROVED_DATE": "NULL",
    },
    correct={"APPROVED_FLAG": "'Y'", "APPROVED_DATE": "{day}"},
    cancel={"CLOSED_CODE": "'FINALLY CLOSED'"},
)
ORDER_LINES = Posting(
    "PO_LINES_ALL",
    "V_PO_LISTING",
    "PO_HEADER_ID",
    insert={"NEED_BY_DATE": "{day} + 14", "CANCEL_FLAG": "'N'"},
    correct={"AMOUNT": "AMOUNT + 100", "QUANTITY": "QUANTITY + 1"},
    cancel={"CANCEL_FLAG": "'Y'", "AMOUNT": "0"},
)
ACCOUNTS = Posting(
    "GL_CODE_COMBINATIONS",
    "V_GL_ACCOUNTS",
    "CODE_COMBINATION_ID",
    insert={"START_DATE_ACTIVE": "{day}", "ENABLED_FLAG": "'Y'"},
    correct={"DESCRIPTION_TH": "'ปรับปรุงชื่อบัญชี'"},
    cancel={"ENABLED_FLAG": "'N'", "END_DATE_ACTIVE": "{day}"},
    deletes=False,
)
BUDGETS = Posting(
    "GL_BUDGET_BALANCES",
    "V_BUDGET_ACCOUNTS",
    "BUDGET_LINE_ID",
    insert={"BUDGET_NAME": "'REVISED'", "REMARKS": "'งบเพิ่มเติม'"},
    correct={"ACTUAL_AMOUNT": "ACTUAL_AMOUNT + 12.34567"},
    cancel={"BUDGET_AMOUNT": "0"},
)
PROJECTS = Posting(
    "PA_PROJECTS_ALL",
    "V_PROJECT_STATUS",
    "PROJECT_ID",
    insert={
        "PROJECT_NUMBER": "'P' || TO_CHAR(PROJECT_ID + {shift})",
        "START_DATE": "{day}",
        "PROJECT_STATUS": "'APPROVED'",
    },
    correct={"COST_TO_DATE": "COST_TO_DATE + 1000.00001", "PERCENT_COMPLETE": "99.99"},
    cancel={"PROJECT_STATUS": "'CLOSED'", "COMPLETION_DATE": "{day}"},
    stamp="SYSTIMESTAMP",
    deletes=False,
)
WIP = Posting(
    "WIP_TRANSACTIONS",
    "V_WIP_BY_PROJECT",
    "TRANSACTION_ID",
    insert={"TRANSACTION_DATE": "{day}", "PERIOD_NAME": "{period}", "COST": "-COST"},
    deletes=False,
)
AGING = Posting(
    "AR_AGING_SNAPSHOTS",
    "V_AR_AGING_COST",
    "AGING_ID",
    insert={"AS_OF_DATE": "TRUNC(SYSDATE)"},
    stamp="TRUNC(SYSDATE)",
    deletes=False,
)

# Each entry shares its ids: a header before its lines.
DOCUMENTS: tuple[tuple[Posting, ...], ...] = (
    (ACCOUNTS,),
    (PROJECTS,),
    (RECEIPTS,),
    (INVOICES, INVOICE_LINES),
    (PAYMENTS,),
    (ORDERS, ORDER_LINES),
    (BUDGETS,),
    (WIP,),
    (AGING,),
)
