"""Re-encrypt every stored password under the first key of ETL_SECRET_KEYS."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from etl_web_admin.catalog.encryption import WrongKey, rotate
from etl_web_admin.catalog.models import DataStore


class Command(BaseCommand):
    """Afterwards the older keys can be taken out of ETL_SECRET_KEYS."""

    help = "Re-encrypt all stored passwords under the first key of ETL_SECRET_KEYS."

    def handle(self, *args: Any, **options: Any) -> None:
        """All or nothing: raises CommandError when one password cannot be read."""
        with transaction.atomic():
            rows = DataStore.objects.values_list("pk", "name", "password", "wallet_password")
            for pk, name, password, wallet_password in rows:
                try:
                    tokens = {
                        "password": rotate(password),
                        "wallet_password": rotate(wallet_password),
                    }
                except WrongKey as error:
                    raise CommandError(f"{name}: {error} Nothing was changed.") from None
                DataStore.objects.filter(pk=pk).update(**tokens)
        self.stdout.write(f"{len(rows)} data stores are encrypted under the first key.")
