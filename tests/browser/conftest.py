"""A real site over the real sandbox, and a headless Chromium that notices every fault of a page."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.waiting import HANG_MILLISECONDS, listens, next_line, run, until
from tests.web import KEY

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.sandbox.serve import Sandbox

CHECKOUT = Path(__file__).resolve().parent.parent.parent
MANAGE = CHECKOUT / "etl_web_admin" / "manage.py"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
PASSWORD = "long-word-17"


@dataclass
class Site:
    """`manage.py serve` with a database of its own, pointed at the sandbox."""

    environment: dict[str, str]
    sandbox: Sandbox
    address: str = ""
    setup_link: str = ""
    process: subprocess.Popen[str] | None = None
    reader: threading.Thread | None = None
    said: list[str] = field(default_factory=list)

    def start(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = str(probe.getsockname()[1])
        self.process = subprocess.Popen(
            [sys.executable, "-u", MANAGE, "serve", "--port", port],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )
        assert self.process.stdout is not None
        while not self.address:
            line = next_line(self.process, f"the address of the site, after {self.said}")
            self.said.append(line)
            if found := re.search(r"http://\S+/setup/\S+", line):
                self.setup_link = found[0]
            if found := re.search(r"answers at (http://[^/]+)/", line):
                self.address = found[1]
        # A full pipe would stop the site.
        self.reader = threading.Thread(target=self.said.extend, args=(self.process.stdout,))
        self.reader.start()
        until(lambda: listens(int(port)), "the site to answer", self.process)

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.kill()
        self.process.wait()
        if self.reader is not None:
            self.reader.join()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def shell(self, code: str) -> None:
        """Run Python with the site's models, in a process of its own."""
        lines = f"import django; django.setup()\nfrom tests.web import *\nfrom etl_web_admin.catalog.models import *\n{code}"
        done = run([sys.executable, "-c", lines], env=self.environment, cwd=CHECKOUT)
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser, or a skip that says how to get it.

    Not of the session: while it lives, its event loop runs in this thread, and Django keeps
    tests of other files from the database.
    """
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=HANG_MILLISECONDS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=ARGUMENTS, timeout=HANG_MILLISECONDS
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def site(
    chromium: Browser, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A site without any account, store or source."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "empty.env").touch()
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("ETL_", "DJANGO_"))}
    running = Site(
        {
            **inherited,
            **sandbox.env(),
            "ETL_ENV_FILE": str(folder / "empty.env"),
            "ETL_DATABASE_URL": f"sqlite:///{folder / 'site.db'}",
            "ETL_DATA_DIR": str(folder / "data"),
            "ETL_SECRET_KEYS": KEY,
            "ETL_TIME_ZONE": "Asia/Bangkok",
            "ETL_ATTEMPTS": "1",
            "DJANGO_SETTINGS_MODULE": "etl_web_admin.settings",
            "PYTHONPATH": str(CHECKOUT),
        },
        sandbox,
    )
    running.start()
    yield running
    running.stop()


class Watched:
    """A page; `faults` are errors of its scripts, failed answers and requests to elsewhere."""

    def __init__(self, page: Page, site: Site) -> None:
        self.page = page
        self.site = site
        self.faults: list[str] = []
        page.on("pageerror", lambda error: self.faults.append(f"script: {error}"))
        page.on("console", self._console)
        page.on("request", self._request)
        page.on("response", self._response)

    def _console(self, message: Any) -> None:
        if message.type == "error":
            self.faults.append(f"console: {message.text}")

    def _request(self, request: Any) -> None:
        if not request.url.startswith((self.site.address, "data:")):
            self.faults.append(f"elsewhere: {request.url}")

    def _response(self, response: Any) -> None:
        if response.status >= 400:
            self.faults.append(f"{response.status}: {response.url}")

    def go(self, path: str) -> None:
        """Open a page of the site."""
        self.page.goto(self.site.address + path)

    def login(self, name: str) -> None:
        """As somebody whose password is the one of the tests."""
        self.go("/login/")
        self.page.fill("#id_username", name)
        self.page.fill("#id_password", PASSWORD)
        self.page.click("button[type=submit]")
        self.page.wait_for_selector("#board, .etl-card")


@pytest.fixture
def watched(chromium: Browser, site: Site) -> Iterator[Watched]:
    """A page of a new browser session; the test fails when the page had any fault."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900}, locale="en-GB")
    context.set_default_timeout(HANG_MILLISECONDS)
    found = Watched(context.new_page(), site)
    yield found
    context.close()
    assert not found.faults
