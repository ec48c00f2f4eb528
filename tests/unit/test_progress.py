"""Progress: a bar on a console, now and then a line elsewhere."""

from __future__ import annotations

import io
import logging

import pytest

from etl_oracle_to_bq.model import Counts
from etl_oracle_to_bq.progress import ProgressLine


class Console(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def heard(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "etl_oracle_to_bq.progress")
    return caplog


def test_elsewhere_a_line_comes_when_the_last_is_old(
    heard: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr", io.StringIO())
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    with ProgressLine() as line:
        for seconds, rows in ((0.0, 10), (9.9, 20), (10.1, 30), (10.2, 40), (20.3, 50)):
            now[0] = 100.0 + seconds
            line("APPS.XX_GL_V", Counts(extracted=rows, loaded=rows // 2), "extract")
    assert heard.messages == [
        "APPS.XX_GL_V: extract, 30 rows read, 15 loaded",
        "APPS.XX_GL_V: extract, 50 rows read, 25 loaded",
    ]


def test_a_console_gets_a_bar_per_view_that_any_code_page_can_show(
    heard: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = Console()
    monkeypatch.setattr("sys.stderr", console)
    with ProgressLine() as line:
        line("APPS.XX_GL_V", Counts(extracted=5), "extract")
        line("APPS.XX_GL_V", Counts(extracted=123_456), "extract")
        line("APPS.XX_AR_V", Counts(extracted=7), "extract")
    shown = console.getvalue()
    assert "APPS.XX_GL_V: 123456 rows" in shown
    assert "APPS.XX_AR_V: 7 rows" in shown
    assert shown.isascii()
    assert heard.messages == []


def test_a_second_try_that_begins_at_zero_again_shows_so(monkeypatch: pytest.MonkeyPatch) -> None:
    console = Console()
    monkeypatch.setattr("sys.stderr", console)
    with ProgressLine() as line:
        line("V", Counts(extracted=500), "extract")
        line("V", Counts(extracted=20), "extract")
    assert "V: 20 rows" in console.getvalue()
