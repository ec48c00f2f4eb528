"""A checkout that is used: it stays clean, and a site that runs from it is left alone."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests import waiting
from tests.installation import MACHINE, ROOT
from tests.sandbox.dataset.views import VIEWS

pytestmark = pytest.mark.skipif(
    shutil.which("git") is None or not (ROOT / ".git").exists(),
    reason="these tests compare a checkout with its commit: they need git and a clone",
)
SETTLED = re.compile(r"answers at (http://\S+)/")
Serve = Callable[[Path], str]


def environment(**settings: str) -> Mapping[str, str]:
    machine = {name: os.environ[name] for name in MACHINE if name in os.environ}
    return {**machine, "PYTHONUTF8": "1", **settings}


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The project as a newcomer has it, in a folder whose name has blanks."""
    folder = tmp_path / "Oracle ERP (live)"
    listed = git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, listed.split("\0")):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target)
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "as delivered")
    return folder


def run(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """As on the console of a Thai Windows, whose code page lacks most of what could be printed."""
    console = {"PYTHONUTF8": "0", "PYTHONIOENCODING": "cp874"}
    command = [sys.executable, *arguments]
    return waiting.run(command, cwd=checkout, env=environment(**console), encoding="cp874")


@pytest.fixture
def serve() -> Iterator[Serve]:
    """`serve(checkout)`: starts its site at a free port and returns the address."""
    with contextlib.ExitStack() as stack:

        def start(checkout: Path) -> str:
            with socket.create_server(("127.0.0.1", 0)) as probe:
                port = str(probe.getsockname()[1])
            site = subprocess.Popen(
                [sys.executable, "etl_web_admin/manage.py", "serve", "--port", port],
                cwd=checkout,
                env=environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
            )
            stack.enter_context(site)
            stack.callback(site.kill)
            while True:
                line = waiting.next_line(site, "the site's address")
                if found := SETTLED.search(line):
                    return found[1]

        yield start


def get(address: str) -> str:
    with urllib.request.urlopen(address) as answer:
        text: str = answer.read().decode("utf-8")
    return text


def style_sheet(address: str) -> str:
    """Where the login page's own style sheet is."""
    (path,) = re.findall(r'href="(/static/catalog/site[^"]*\.css)"', get(address + "/login/"))
    return address + str(path)


def test_the_demo_loads_nine_views_and_leaves_the_checkout_clean(checkout: Path) -> None:
    done = run(checkout, "-m", "tests.sandbox", "demo", "--rows", "2000")
    assert done.returncode == 0, done.stdout + done.stderr
    for view in VIEWS:
        compared = [line for line in done.stdout.splitlines() if line.startswith(f"{view} ")]
        assert [line.split()[-1] for line in compared] == ["yes", "yes"]
    assert "What next:" in done.stdout.splitlines()[-3]
    assert "Traceback" not in done.stderr
    assert git(checkout, "status", "--porcelain") == ""


def test_listing_and_serving_leave_the_checkout_clean(checkout: Path, serve: Serve) -> None:
    listed = run(checkout, "-m", "etl_oracle_to_bq", "list")
    assert listed.returncode == 0, listed.stderr
    assert ".css" in style_sheet(serve(checkout))
    assert git(checkout, "status", "--porcelain") == ""


def test_a_newer_site_leaves_the_files_of_the_running_one_alone(
    checkout: Path, serve: Serve
) -> None:
    """The checkout is updated while its site runs; then a second one starts."""
    sheet = style_sheet(serve(checkout))
    before = get(sheet)
    own = checkout / "etl_web_admin" / "catalog" / "static" / "catalog" / "site.css"
    own.write_text(own.read_text(encoding="utf-8") + "/* newer */\n", encoding="utf-8")
    assert get(style_sheet(serve(checkout))).endswith("/* newer */\n")
    assert get(sheet) == before


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another program listens at."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_site_at_a_busy_port_says_so_and_collects_nothing(checkout: Path, taken: int) -> None:
    done = run(checkout, "etl_web_admin/manage.py", "serve", "--port", str(taken))
    assert done.returncode == 1
    assert f"127.0.0.1:{taken}" in done.stderr and "--port" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (checkout / "staticfiles").exists()


def test_the_demo_finds_a_busy_port_before_it_loads_anything(checkout: Path, taken: int) -> None:
    done = run(checkout, "-m", "tests.sandbox", "demo", "--serve", "--port", str(taken))
    assert done.returncode == 2
    (line,) = done.stdout.splitlines()
    assert f"Port {taken}" in line and "--port" in line
