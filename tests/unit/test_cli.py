"""The command line's arguments: every wrong combination is refused before anything is opened."""

from __future__ import annotations

import json
import re
import signal
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from etl_oracle_to_bq import cli
from tests.waiting import run

ROOT = Path(__file__).resolve().parent.parent.parent
V = "APPS.XX_GL_V"
DAY, NEXT = "2026-01-01", "2026-01-02"


@pytest.fixture(autouse=True)
def _signals_as_before() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("command", ["run", "plan"])
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "Name the views, or say --all."),
        ([V, "--all"], "Name the views, or say --all."),
        ([V, "--full", "--from", DAY, "--to", NEXT], "--full and --from/--to exclude each other."),
        ([V, "--full", "--to", NEXT], "--full and --from/--to exclude each other."),
        ([V, "--from", DAY], "--from and --to belong together."),
        ([V, "--to", DAY], "--from and --to belong together."),
        ([V, "--from", NEXT, "--to", DAY], "--from must be before --to."),
        ([V, "--from", DAY, "--to", DAY], "--from must be before --to."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_contradictions_are_refused(
    command: str, arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([command, *arguments]) == 2
    shown = capsys.readouterr()
    assert shown.err.splitlines()[0] == f"invalid-request: {told}"
    assert len(shown.err.splitlines()) == 2
    assert shown.out == ""

    assert cli.main([command, *arguments, "--json"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["code"], error["message"]) == ("invalid-request", told)
    assert error["action"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "COMMAND"),
        (["load"], "invalid choice: 'load'"),
        (["run", V, "--mode", "xml"], "invalid choice: 'xml' (choose from"),
        (["run", V, "--from", "31.01.2026"], "'31.01.2026' is not a date: write 2026-01-31"),
        (["run", V, "--from", "2026-02-30"], "'2026-02-30' is not a date"),
        (["run", V, "--to", "2026-01-31T00:00:00+07:00"], "has a zone"),
        (["run", V, "--to", "2026-01-31T00:00:00Z"], "has a zone"),
        (["run", V, "--slow"], "unrecognized arguments: --slow"),
        (["list", V], f"unrecognized arguments: {V}"),
        (["watermark"], "VIEW"),
        (["watermark", V, "--keep", "--reset"], "not allowed with argument --keep"),
        (["watermark", V, "--set", DAY, "--reset"], "not allowed with argument --set"),
        (["watermark", V, "--set", "yesterday"], "'yesterday' is not a date"),
        (["store-check"], "STORE"),
        (["store-columns", "ERP"], "OWNER.VIEW"),
        (["store-keys", "ERP", V], "--columns"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_understood_is_refused_with_the_usage(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 2
    shown = capsys.readouterr().err
    assert told in shown
    assert shown.startswith("usage: python -m etl_oracle_to_bq")


def test_help_needs_none_of_the_heavy_libraries() -> None:
    seen = (
        "import sys; from etl_oracle_to_bq import cli\n"
        "try: cli.main(['run', '--help'])\n"
        "except SystemExit: pass\n"
        "cli.main(['run'])\n"
        "heavy = {'oracledb', 'google.cloud', 'pandas', 'pyarrow', 'django'} & set(sys.modules)\n"
        "sys.exit(f'loaded: {heavy}' if heavy else 0)"
    )
    # In UTF-8, because the help has a letter that each code page of Windows writes otherwise.
    done = run([sys.executable, "-X", "utf8", "-c", seen], cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_the_version_is_that_of_pyproject_and_of_the_changelog(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert ended.value.code == 0
    version = capsys.readouterr().out.split()[-1]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert version == project["version"]
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (\S+)", changes, re.MULTILINE)[0] == version
