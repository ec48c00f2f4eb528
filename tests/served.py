"""`manage.py serve` as a process, and a browser without script.

site = Site.started([sys.executable, "-u", manage], environment)
page = site.get("/login/")
"""

from __future__ import annotations

import http.cookiejar
import re
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

FORM_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
# How long a site that lives may take to answer, and a page to come, on a busy machine.
START_SECONDS = 600
PAGE_SECONDS = 300


def free_port() -> int:
    """A port that nothing listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Site:
    """A site that answers on `port`, by whatever process; `said` is what it has printed."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.address = f"http://localhost:{port}"
        self._lines: list[str] = []
        # Read to its end, because a full pipe would stop the site.
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.cookies = http.cookiejar.CookieJar()
        self.browser = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(self.cookies), urllib.request.ProxyHandler({})
        )
        self._wait(port)

    @classmethod
    def started(
        cls,
        manage: Sequence[str | Path],
        environment: Mapping[str, str],
        encoding: str = "utf-8",
        cwd: Path | None = None,
    ) -> Site:
        """Run `MANAGE serve` on a free port; its output is a pipe in `encoding`."""
        port = free_port()
        process = subprocess.Popen(
            [*manage, "serve", "--port", str(port)],
            env=dict(environment),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding=encoding,
        )
        return cls(process, port)

    @property
    def said(self) -> str:
        return "".join(self._lines)

    def _read(self) -> None:
        if self.process.stdout is not None:
            self._lines.extend(self.process.stdout)

    def _wait(self, port: int) -> None:
        end = time.monotonic() + START_SECONDS
        while self.process.poll() is None and time.monotonic() < end:
            if self._said_so() and _listens(port):
                return
            time.sleep(0.05)
        self.stop()
        raise AssertionError(f"The site does not answer. It said: {self.said}")

    def _said_so(self) -> bool:
        return self.process.stdout is None or "answers at" in self.said

    def get(self, path: str) -> str:
        """The page at a path of this site, or at an address."""
        return self._opened(urllib.parse.urljoin(self.address, path))

    def post(self, path: str, *, page: str = "", **values: str) -> str:
        """Fill in the form of `page`, which is at the same path if not told; what follows."""
        found = FORM_TOKEN.search(self.get(page or path))
        assert found
        body = urllib.parse.urlencode({**values, "csrfmiddlewaretoken": found[1]}).encode()
        url = urllib.parse.urljoin(self.address, path)
        return self._opened(urllib.request.Request(url, body))

    def _opened(self, request: str | urllib.request.Request) -> str:
        with self.browser.open(request, timeout=PAGE_SECONDS) as answer:
            text: str = answer.read().decode()
            return text

    def make_first_account(self, user: str, password: str) -> str:
        """By the link that a site without accounts prints; the page that follows."""
        link = re.search(r"http://\S+/setup/\S+", self.said)
        assert link, self.said
        return self.post(link[0], username=user, password1=password, password2=password)

    def stop(self) -> None:
        """End the process at once, and let go of it."""
        self.process.kill()
        self.process.wait()
        self._reader.join()
        if self.process.stdout is not None:
            self.process.stdout.close()
