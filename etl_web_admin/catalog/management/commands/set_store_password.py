"""`manage.py set_store_password STORE`: the password comes from a prompt or standard input.

Never from the command line, which other users of the server can read.
"""

from __future__ import annotations

import getpass
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from etl_web_admin.catalog.models import DataStore


class Command(BaseCommand):
    """Encrypts and stores the Oracle password of one data store."""

    help = "Set the password of a data store; it is read from a prompt or standard input."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("store")

    def handle(self, *args: Any, **options: Any) -> None:
        store = DataStore.objects.filter(name=options["store"]).first()
        if store is None:
            raise CommandError(f"There is no data store named {options['store']!r}.")
        store.password = _asked()
        if not store.password:
            raise CommandError("The password is empty; nothing was changed.")
        store.save(update_fields=["password"])
        self.stdout.write(f"The password of {store.name} is set.")


def _asked() -> str:
    if sys.stdin.isatty():
        return getpass.getpass("Oracle password: ")
    return sys.stdin.readline().rstrip("\r\n")
