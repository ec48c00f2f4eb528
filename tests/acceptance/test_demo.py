"""README's first command."""

from __future__ import annotations

import sys

from tests.installation import ROOT
from tests.sandbox.dataset.views import VIEWS
from tests.waiting import run


def test_the_demo_loads_nine_views_and_an_increment_that_agree() -> None:
    done = run([sys.executable, "-m", "tests.sandbox", "demo", "--rows", "2000"], cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    for view in VIEWS:
        compared = [line for line in done.stdout.splitlines() if line.startswith(f"{view} ")]
        assert [line.split()[-1] for line in compared] == ["yes", "yes"]
    assert "Traceback" not in done.stderr
