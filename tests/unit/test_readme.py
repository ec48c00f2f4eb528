"""README and .env.example cannot lie: what they state is compared with the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from etl_oracle_to_bq import cli
from etl_oracle_to_bq.errors import Busy, Stopped
from etl_oracle_to_bq.settings import SETTINGS, Settings, load
from etl_web_admin.settings import SITE_SETTINGS
from tests import readme_tables

ROOT = Path(__file__).resolve().parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
DEFAULTS = {name: default for name, default, _ in (*SETTINGS, *SITE_SETTINGS)}
# Not settings of a server: the first names the file itself; the site hands over the second;
# the others belong to Windows, to Django's createsuperuser and to the tests.
NOT_IN_THE_FILE = {"ETL_ENV_FILE"}
NOT_SETTINGS = {
    "ETL_STARTED_BY",
    "TEMP",
    "DJANGO_SUPERUSER_PASSWORD",
    "ETL_TEST_ORACLE_DSN",
    "ETL_TEST_BQ_PROJECT",
}
SETTING = re.compile(r"\b(?:ETL|EMAIL|GOOGLE|BIGQUERY|DJANGO)_[A-Z_]+[A-Z]\b")
EXAMPLE = re.compile(r"^(?:# )?([A-Z_]+)=(.*)$", re.MULTILINE)

INSTALL = "pip install -q --no-deps --no-compile --only-binary :all: -r requirements.txt"
SETUP = f"python3 -m venv .venv && .venv/bin/python -m {INSTALL} "
DEMO = f"{SETUP}-r tests/sandbox/requirements.txt && .venv/bin/python -m tests.sandbox demo"
TESTS = f"{SETUP}-r tests/requirements.txt && .venv/bin/python -m pytest"


def fenced(language: str) -> list[str]:
    """The commands in README's blocks of one language."""
    blocks: list[str] = re.findall(
        rf"^```{language}\n(.*?)\n```$", README, re.MULTILINE | re.DOTALL
    )
    return blocks


def on_windows(command: str) -> str:
    """The same line for cmd.exe."""
    windows = command.replace("python3 -m venv", "py -3 -m venv")
    windows = windows.replace(".venv/bin/python", r".venv\Scripts\python")
    return re.sub(r"-r tests\S+", lambda file: file[0].replace("/", "\\"), windows)


def test_the_tables_are_those_of_the_code() -> None:
    """When this fails: `python -m tests.readme_tables`."""
    assert readme_tables.filled(README) == README


def test_the_exit_codes_in_the_prose_are_those_of_the_classes() -> None:
    prose = " ".join(README.partition("<!-- /exit codes -->")[2].partition("###")[0].split())
    assert f"with {Stopped.exit_code} if one was stopped" in prose
    assert f"with {Busy.exit_code} if another run held one" in prose
    named = {int(number) for number in re.findall(r"\b\d+\b", prose)}
    assert named == {Stopped.exit_code, Busy.exit_code}


@pytest.mark.parametrize("name", readme_tables.SECTIONS)
def test_a_section_without_a_place_is_an_error(name: str) -> None:
    with pytest.raises(ValueError, match=f"0 places for the section '{name}'"):
        readme_tables.filled(README.replace(f"<!-- {name} -->", ""))


def test_the_two_commands_are_one_line_each_for_both_systems() -> None:
    assert fenced("sh") == [DEMO, TESTS]
    assert fenced("bat") == [on_windows(DEMO), on_windows(TESTS)]


def test_there_is_one_way_to_install() -> None:
    """README's commands and steps, `.ci/run`, the batch file and the messages of the product."""
    told = [ROOT / "README.md", ROOT / ".ci" / "run", ROOT / "schedule_task.bat"]
    told += [path for path in product_texts() if path.suffix == ".py"]
    options = INSTALL.partition(" -r ")[0]
    for path in told:
        text = re.sub(r"\"\n\s+f?\"", "", path.read_text(encoding="utf-8"))
        for command in re.findall(r"pip install[^`\n]*", text):
            assert command.startswith(f"{options} -r "), (path, command)


def test_ci_runs_the_test_command_word_for_word() -> None:
    assert TESTS in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()


def test_the_demo_and_its_option_exist(capsys: pytest.CaptureFixture[str]) -> None:
    from tests.sandbox.__main__ import main

    assert "`--serve`" in README or "--serve" in README
    with pytest.raises(SystemExit) as ended:
        main(["demo", "--help"])
    assert ended.value.code == 0
    assert "--serve" in capsys.readouterr().out


def help_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        cli.main([*arguments, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_readme_names_no_command_that_does_not_exist(capsys: pytest.CaptureFixture[str]) -> None:
    offered = help_of(capsys)
    named = set(re.findall(r"-m etl_oracle_to_bq ([a-z][a-z-]+)", README))
    table = README.partition("## Daily use")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`[^|\\]*)", table, re.MULTILINE)
    named |= {command for row in rows for command in re.findall(r"`([a-z][a-z-]+)", row)}
    dispositions = {"replace", "merge", "append"}
    for command in named - dispositions:
        assert re.search(rf"^    {command}\b", offered, re.MULTILINE), command


def test_every_site_command_that_readme_names_exists() -> None:
    from django.core.management import get_commands

    named = set(re.findall(r"manage\.py ([a-z_]+)", README))
    assert named >= {"migrate", "serve", "generate_key", "createsuperuser", "runserver"}
    assert named <= set(get_commands())


def test_env_example_names_every_setting_once_and_nothing_else() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    lines = [line for line in example.splitlines() if not line.startswith("#   ")]
    named = [name for name, _ in EXAMPLE.findall("\n".join(lines))]
    assert sorted(named) == sorted(set(DEFAULTS) - NOT_IN_THE_FILE)


def test_env_example_shows_the_defaults() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    for name, value in EXAMPLE.findall(example):
        default = DEFAULTS[name].partition(" in the checkout")[0].strip("`")
        shown = default if re.fullmatch(r"\S+", default) and default != "none" else ""
        assert value in ({shown, ""} if name == "ETL_DATABASE_URL" else {shown}), name


def test_the_defaults_of_the_table_are_those_of_the_code() -> None:
    settings: Settings = load({})
    mib = 1024 * 1024
    stated = {
        "ETL_BQ_LOCATION": settings.location,
        "ETL_LOG_DAYS": settings.log_days,
        "ETL_PART_MB": settings.part_bytes // mib,
        "ETL_STAGE_LIMIT_MB": settings.stage_limit_bytes // mib,
        "ETL_ATTEMPTS": settings.attempts,
        "ETL_RETRY_SECONDS": settings.retry_seconds,
        "ETL_LEASE_SECONDS": settings.lease_seconds,
        "ETL_CONNECT_SECONDS": settings.connect_seconds,
        "ETL_CALL_SECONDS": settings.call_seconds,
    }
    assert {name: DEFAULTS[name].strip("`") for name in stated} == {
        name: str(value) for name, value in stated.items()
    }


def product_texts() -> dict[Path, str]:
    """Everything of the product that a person may read a setting's name in."""
    paths = [ROOT / "README.md", ROOT / ".env.example", ROOT / "schedule_task.bat"]
    for package in ("etl_oracle_to_bq", "etl_web_admin"):
        paths += (ROOT / package).rglob("*.py")
        paths += (ROOT / package).rglob("*.html")
    return {path: path.read_text(encoding="utf-8") for path in paths}


def test_no_text_names_a_setting_that_does_not_exist() -> None:
    for path, text in product_texts().items():
        for name in SETTING.findall(text):
            django = path.name == "settings.py" and re.search(rf"^{name} = ", text, re.MULTILINE)
            known = name in DEFAULTS or name in NOT_SETTINGS or name == "DJANGO_SETTINGS_MODULE"
            assert known or django, (path, name)


@pytest.mark.parametrize("package", ["etl_oracle_to_bq", "etl_web_admin"])
def test_each_table_lists_what_its_code_reads(package: str) -> None:
    text = (ROOT / package / "settings.py").read_text(encoding="utf-8")
    calls = r"\b(?:_?text|self\._number|_number|_flag|_list|environ\.get)\(\s*\"([A-Z_]+)\""
    read = set(re.findall(calls, text)) - NOT_SETTINGS
    table = SETTINGS if package == "etl_oracle_to_bq" else SITE_SETTINGS
    shared = {"ETL_ENV_FILE", "ETL_DATA_DIR"} if package == "etl_web_admin" else set()
    assert read - shared == {name for name, _, _ in table}


def test_where_is_names_files_and_functions_that_exist() -> None:
    table = README.partition("## Where is …?")[2].partition("\n## ")[0]
    places = [line.split("|")[2] for line in table.splitlines() if line.startswith("| W")]
    assert len(places) >= 6
    for place in places:
        named = re.findall(r"`([^`]+)`|\]\(([^)]+)\)", place)
        paths = [ROOT / (code or link) for code, link in named if "/" in code or link]
        assert paths and all(path.exists() for path in paths), place
        sources = "".join(path.read_text(encoding="utf-8") for path in paths if path.is_file())
        for code, _ in named:
            if code and "/" not in code:
                assert f"def {code.rpartition('.')[2]}(" in sources, place


def test_the_window_of_the_batch_file_is_what_readme_schedules() -> None:
    batch = (ROOT / "schedule_task.bat").read_text(encoding="utf-8")
    assert "-m etl_oracle_to_bq run --all" in batch
    assert "schedule_task.bat" in README
