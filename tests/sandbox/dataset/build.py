"""Puts the ERP into a database of the Oracle stand-in: tables, views, accounts, grants."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from tests.sandbox.dataset.base import OWNER, Recipe, Sizes
from tests.sandbox.dataset.tables import base_tables
from tests.sandbox.dataset.views import CONTEXT_VIEWS, VIEWS
from tests.sandbox.oracle.engine import Database

READER = "ETL_READER"
PLAIN_READER = "ETL_PLAIN"
DEFAULT_ROWS = 20_000
DEFAULT_SEED = 20_260_101


@dataclass(frozen=True)
class Passwords:
    """One password for each account."""

    owner: str = field(repr=False)
    reader: str = field(repr=False)
    plain: str = field(repr=False)


def build_erp(
    database: Database,
    passwords: Passwords,
    today: date,
    rows: int = DEFAULT_ROWS,
    seed: int = DEFAULT_SEED,
    odd_dates: bool = False,
) -> None:
    """Fill an empty database with about `rows` rows over the nine views.

    Documents are dated from four years before up to the day before `today`, which is a day of
    the database server's clock. `odd_dates` adds what aborts a careless extract: dates before
    Christ in V_GL_ACCOUNTS.END_DATE_ACTIVE, and nanoseconds in V_AP_PAYMENTS.APPROVED_AT.
    ETL_READER may read the views, as of an SCN too; ETL_PLAIN may only read them.
    """
    for user, password in (
        (OWNER, passwords.owner),
        (READER, passwords.reader),
        (PLAIN_READER, passwords.plain),
    ):
        database.add_user(user, password)
    for table in base_tables(Recipe(Sizes.of(rows), seed, today, odd_dates)):
        database.create_table(OWNER, table.name, table.columns, table.rows)
    for spec in (VIEWS | CONTEXT_VIEWS).values():
        database.create_view(OWNER, spec.name, spec.sql)
    for name in CONTEXT_VIEWS:
        database.context_view(OWNER, name)
    for name in VIEWS | CONTEXT_VIEWS:
        grant_reading(database, name)


def grant_reading(database: Database, name: str) -> None:
    """Let both reading accounts read ERP.`name`, and ETL_READER look back in time."""
    database.grant(READER, OWNER, name)
    database.grant(READER, OWNER, name, privilege="FLASHBACK")
    database.grant(PLAIN_READER, OWNER, name)
