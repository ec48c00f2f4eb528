"""Log files: UTF-8, without passwords, deleted by age, and never the reason that a run fails."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from etl_oracle_to_bq import __version__, logs

log = logging.getLogger("etl_oracle_to_bq.test")


@pytest.fixture(autouse=True)
def _root_logger_as_before() -> Iterator[None]:
    root = logging.getLogger()
    level, before = root.level, list(root.handlers)
    yield
    for handler in root.handlers[:]:
        if handler not in before:
            root.removeHandler(handler)
            handler.close()
    root.setLevel(level)


def scrub(text: str) -> str:
    return text.replace("geheim", "********")


def started(folder: Path) -> Path:
    path = logs.start(folder, 30, scrub)
    assert path is not None
    return path


def test_each_process_has_its_own_utf8_file(tmp_path: Path) -> None:
    path = started(tmp_path / "new" / "log")
    log.info("ใบแจ้งหนี้ %s → ✓", "ß")
    assert re.fullmatch(rf"etl-\d{{8}}-\d{{6}}-{os.getpid()}\.log", path.name)
    first, line = path.read_text(encoding="utf-8").splitlines()
    assert f" INFO etl_oracle_to_bq.logs: version {__version__}, Python 3." in first
    assert line.endswith("INFO etl_oracle_to_bq.test: ใบแจ้งหนี้ ß → ✓")
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00 ", line)


def test_a_password_is_taken_out_of_message_arguments_and_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = started(tmp_path)
    try:
        raise ValueError("login U/geheim refused")
    except ValueError:
        log.exception("could not log in with %s", {"password": "geheim"})
    for text in (path.read_text(encoding="utf-8"), capsys.readouterr().err):
        assert "login U/******** refused" in text
        assert "Traceback" in text
        assert "geheim" not in text


def test_old_logs_are_deleted_and_nothing_else(tmp_path: Path) -> None:
    names = {"etl-20200101-000000-1.log": 31, "etl-20260101-000000-2.log": 29, "notes.txt": 400}
    for name, days in names.items():
        (tmp_path / name).write_text("x", encoding="utf-8")
        then = time.time() - days * 86_400
        os.utime(tmp_path / name, (then, then))
    path = started(tmp_path)
    assert {each.name for each in tmp_path.iterdir()} == {
        "etl-20260101-000000-2.log",
        "notes.txt",
        path.name,
    }


def test_old_logs_of_the_batch_file_are_deleted_where_it_writes_them(tmp_path: Path) -> None:
    beside, temporary = tmp_path / "log", tmp_path / "temp"
    for folder in (beside, temporary):
        folder.mkdir()
        for name in ("etl-schedule_task-1.log", "etl-schedule_task-2.log", "etl-other-1.log"):
            (folder / name).write_text("x", encoding="utf-8")
        for name in ("etl-schedule_task-2.log", "etl-other-1.log"):
            os.utime(folder / name, (0, 0))
    logs.delete_batch_logs((beside, tmp_path / "nowhere", temporary), 30)
    for folder in (beside, temporary):
        assert {path.name for path in folder.iterdir()} == {
            "etl-schedule_task-1.log",
            "etl-other-1.log",
        }


def test_an_old_log_that_cannot_be_deleted_does_not_cost_the_new_one(tmp_path: Path) -> None:
    # A folder of that name cannot be unlinked, like a file that is open elsewhere on Windows.
    stubborn = tmp_path / "etl-20200101-000000-1.log"
    stubborn.mkdir()
    os.utime(stubborn, (0, 0))
    assert started(tmp_path).is_file()
    assert stubborn.is_dir()


def test_a_folder_that_cannot_be_written_is_said_and_survived(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    in_the_way = tmp_path / "log"
    in_the_way.write_text("a file", encoding="utf-8")
    assert logs.start(in_the_way, 30, scrub) is None
    log.info("still heard")
    told = capsys.readouterr().err
    assert "no log file: " in told
    assert "still heard" in told
