"""Print a new key for ETL_SECRET_KEYS."""

from __future__ import annotations

from typing import Any

from cryptography.fernet import Fernet
from django.core.management.base import BaseCommand

from etl_web_admin import console


class Command(BaseCommand):
    """One line for `.env`."""

    help = "Print a new key, as a line for .env."
    requires_system_checks: list[str] = []  # noqa: RUF012 (declared so by Django)

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the line; nothing is stored. Exit code 1 when it could not be written."""
        self.stdout.write(f"ETL_SECRET_KEYS={Fernet.generate_key().decode()}")
        if console.report_loss():
            raise SystemExit(1)
