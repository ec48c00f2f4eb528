"""What a run works with: opened in order, and closed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.installation import Installation


def test_a_command_opens_its_log_and_its_database_and_needs_a_project(tmp_path: Path) -> None:
    installation = Installation(tmp_path, {}, {"GOOGLE_CLOUD_PROJECT": ""})
    done = installation.etl("run", "--all", "--json")
    assert done.returncode == 2
    assert "GOOGLE_CLOUD_PROJECT" in done.stdout
    assert [row["code"] for row in installation.rows("log_error")] == ["missing-setting"]
    (log,) = (tmp_path / "var" / "log").glob("etl-*.log")
    assert log.is_file()


@pytest.mark.parametrize("command", [("list",), ("run", "NOBODY")])
def test_no_command_waits_for_google_before_it_is_needed(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    """A project that nobody can log in to is no hindrance to what does not ask it anything."""
    settings = {
        "GOOGLE_CLOUD_PROJECT": "erp",
        "GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "nowhere.json"),
    }
    done = Installation(tmp_path, {}, settings).etl(*command)
    assert done.returncode == (0 if command == ("list",) else 2), done.stderr
    assert "nowhere.json" not in done.stderr
