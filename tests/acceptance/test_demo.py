"""README's first command."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.installation import ROOT
from tests.sandbox.dataset.views import VIEWS


def test_the_demo_loads_nine_views_and_an_increment_that_agree() -> None:
    """On the console of a Thai Windows, whose code page lacks most of what could be printed."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.sandbox", "demo", "--rows", "2000"],
        cwd=ROOT,
        env={**os.environ, "PYTHONUTF8": "0", "PYTHONIOENCODING": "cp874"},
        capture_output=True,
        encoding="cp874",
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for view in VIEWS:
        compared = [line for line in done.stdout.splitlines() if line.startswith(f"{view} ")]
        assert [line.split()[-1] for line in compared] == ["yes", "yes"]
    assert "Traceback" not in done.stderr
