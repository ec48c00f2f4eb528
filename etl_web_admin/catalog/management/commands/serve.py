"""Serve the site with waitress, after the database and the static files were brought up to date."""

from __future__ import annotations

import socket
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.urls import reverse
from waitress import serve

from etl_web_admin.catalog.login import setup_token
from etl_web_admin.catalog.migrating import bring_up_to_date
from etl_web_admin.static import collect


class Command(BaseCommand):
    """Plain HTTP: bind to this machine only, or put IIS, Caddy or nginx with TLS in front."""

    help = "Serve the site: migrations are checked, static files collected, then waitress."

    def add_arguments(self, parser: CommandParser) -> None:
        """Where to listen."""
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
        parser.add_argument("--port", type=int, default=8000, help="port to listen on")

    def handle(self, *args: Any, host: str, port: int, **options: Any) -> None:
        """Serve until the process is stopped; raise CommandError when the port is taken."""
        # First of all, so that nothing is migrated or collected for a site that cannot answer.
        listener = _listen(host, port)
        backup = bring_up_to_date()
        if backup:
            self.stdout.write(f"The database was migrated; the copy from before: {backup}")
        collect()
        # Only now: the application reads the list of static files when it is made.
        from etl_web_admin.wsgi import application

        address = f"http://{'localhost' if host in ('127.0.0.1', '0.0.0.0') else host}:{port}"  # noqa: S104
        if not User.objects.exists():
            link = address + reverse("setup", args=(setup_token(),))
            self.stdout.write(
                f"There is no account yet. Make the first one (valid for a day): {link}"
            )
        self.stdout.write(f"{settings.SITE_NAME} answers at {address}/")
        self.stdout.flush()
        serve(application, sockets=[listener], threads=8, ident="", **_behind_proxy())


def _listen(host: str, port: int) -> socket.socket:
    # Unlike waitress' own socket, this one cannot share its port with another server on Windows.
    try:
        return socket.create_server((host, port))
    except OSError as error:
        raise CommandError(
            f"The site cannot listen at {host}:{port}: {error.strerror}. "
            "Stop the program that uses the port, or choose another one with --port."
        ) from error


def _behind_proxy() -> dict[str, Any]:
    """Behind TLS the proxy says who asked and how; waitress drops both unless told."""
    if not settings.HTTPS:
        return {}
    # Whoever reaches the port is taken for the proxy; bind it where only the proxy can.
    return {
        "trusted_proxy": "*",
        "trusted_proxy_headers": {"x-forwarded-for", "x-forwarded-proto"},
        "clear_untrusted_proxy_headers": True,
    }
