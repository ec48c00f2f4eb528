"""`manage.py serve` as a process, and a browser without script.

site = Site.started([sys.executable, "-u", manage], environment)
page = site.get("/login/")
"""

from __future__ import annotations

import http.cookiejar
import re
import socket
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.waiting import HANG_SECONDS, listens, next_line, until

FORM_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')


class Site:
    """A site that answers on `port`; `said` is what it printed until then."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.address = f"http://localhost:{port}"
        self.said = ""
        while "answers at" not in self.said:
            self.said += next_line(process, f"the address of the site, after {self.said!r}")
        until(lambda: listens(port), "the site to answer", process)
        self.cookies = http.cookiejar.CookieJar()
        self.browser = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(self.cookies), urllib.request.ProxyHandler({})
        )

    @classmethod
    def started(
        cls,
        manage: Sequence[str | Path],
        environment: Mapping[str, str],
        encoding: str = "utf-8",
        cwd: Path | None = None,
    ) -> Site:
        """Run `MANAGE serve` on a free port; its output is a pipe in `encoding`."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
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
        with self.browser.open(request, timeout=HANG_SECONDS) as answer:
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
        self.process.communicate()
