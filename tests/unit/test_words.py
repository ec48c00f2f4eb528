"""What a text names exists: commands, options, pages, fields, choices and buttons.

Looked through are README and its siblings, and every text in the source and the templates of the
product, so that an option that goes away, or a field that gets another label, is found wherever
somebody is told of it.
"""

from __future__ import annotations

import argparse
import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand

from etl_oracle_to_bq import cli, codes
from etl_web_admin.catalog import menu, overview
from etl_web_admin.catalog.models import DataSource, DataStore, EtlTransaction, LogError
from etl_web_admin.catalog.models.choices import RunStatus
from tests.benchmarks import __main__ as benchmarks
from tests.sandbox import __main__ as sandbox

ROOT = Path(__file__).resolve().parent.parent.parent
ETL, SITE = ROOT / "etl_oracle_to_bq", ROOT / "etl_web_admin"
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", ".env.example", "schedule_task.bat")),
    *(ROOT / "tests").glob("**/README.md"),
]
# Django's own, with a refusal of ours.
ADAPTED = {"createsuperuser"}
SITE_COMMANDS = sorted(
    name
    for name, app in get_commands().items()
    if "etl_web_admin" in str(app) and name not in ADAPTED
)
OPTION = re.compile(r"(?<![\w<!-])--[a-z][a-z-]*")


@dataclass(frozen=True, slots=True)
class Text:
    """Something that a person may read, and where it stands."""

    place: str
    text: str


def texts() -> list[Text]:
    """The documents line by line, the templates, and every text of the source."""
    found = []
    for path in DOCUMENTS:
        lines = path.read_text(encoding="utf-8").splitlines()
        found += [Text(f"{path.name}:{number}", line) for number, line in enumerate(lines, 1)]
    for path in SITE.rglob("*.html"):
        found.append(Text(path.name, path.read_text(encoding="utf-8")))
    for path in (*ETL.rglob("*.py"), *SITE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found += [Text(f"{path.name}:{line}", text) for line, text in strings(tree)]
    return found


def strings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Each text with its line; what an f-string fills in is written X."""
    parts = {
        id(value)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for value in node.values
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            told = (str(v.value) if isinstance(v, ast.Constant) else "X" for v in node.values)
            yield node.lineno, "".join(told)
        elif (
            isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts
        ):
            yield node.lineno, node.value


# Options -------------------------------------------------------------------------------------


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    return set(OPTION.findall(parser.format_help())) - {"--help"}


def subparsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    (action,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return dict(action.choices)


def site_parser(name: str) -> argparse.ArgumentParser:
    app = get_commands()[name]
    command = load_command_class(app, name) if isinstance(app, str) else app
    return command.create_parser("manage.py", name)


OF_EVERY_SITE_COMMAND = options_of(BaseCommand().create_parser("manage.py", "any"))
OFFERED: dict[str, set[str]] = {
    **{name: options_of(parser) for name, parser in subparsers(cli._parser()).items()},
    **{f"manage.py {name}": options_of(site_parser(name)) for name in get_commands()},
    **{
        f"tests.sandbox {name}": options_of(parser)
        for name, parser in subparsers(sandbox._parser()).items()
    },
    "tests.benchmarks": options_of(benchmarks._parser()),
    "pip install": {"--no-deps", "--no-compile", "--only-binary"},
    "uv pip compile": {
        *("--universal", "--python-version", "--generate-hashes", "--no-strip-extras"),
        *("--group", "--upgrade", "--upgrade-package"),
    },
}
ETL_COMMANDS = sorted(subparsers(cli._parser()))
# A command begins what is quoted, or follows the name of its program.
COMMAND = re.compile(
    r"(manage\.py \w+|tests\.sandbox [\w-]+|tests\.benchmarks|pip install|uv pip compile)"
    rf"|(?:[`\"]|etl_oracle_to_bq )({'|'.join(ETL_COMMANDS)})(?= )"
)


def unknown_options(text: str) -> list[str]:
    """Options that do not exist, or that the command they follow in a line does not have."""
    everything = {"--help"}.union(*OFFERED.values())
    faults = []
    for line in text.splitlines():
        for option in OPTION.finditer(line):
            # What stands in other backticks, or another cell of a table, is another command.
            before = re.split(r"` | \| ", line[: option.start()])[-1]
            commands = [one or other for one, other in COMMAND.findall(before)]
            allowed = OFFERED.get(commands[-1], set()) | {"--help"} if commands else everything
            if option.group() not in allowed:
                faults.append(f"{' '.join(commands[-1:])} {option.group()}".strip())
    return faults


def test_no_text_names_an_option_that_its_command_does_not_have() -> None:
    found = {text.place: faults for text in texts() if (faults := unknown_options(text.text))}
    assert found == {}


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("run it with --ful", ["--ful"]),
        ("again with `run VIEW --keep`", ["run --keep"]),
        ("`python -m etl_oracle_to_bq watermark X --full`, or", ["watermark --full"]),
        ("python etl_web_admin/manage.py serve --prot 8000", ["manage.py serve --prot"]),
        ("python -m tests.sandbox demo --deletes", ["tests.sandbox demo --deletes"]),
        ("run the view with --full, `watermark VIEW --set TIME` or --help", []),
        ("| `plan VIEW` | what `--slices N` does |", []),
        ("<!-- types --> a -- b", []),
    ],
)
def test_a_wrong_option_would_be_found(text: str, faults: list[str]) -> None:
    assert unknown_options(text) == faults


@pytest.mark.parametrize("command", ETL_COMMANDS)
def test_readme_names_every_option_of_a_command(command: str) -> None:
    table = README.partition("## Daily use")[2].partition("\n## ")[0]
    assert f"`{command}" in table
    assert OFFERED[command] - set(OPTION.findall(table)) == set()


@pytest.mark.parametrize("command", SITE_COMMANDS)
def test_readme_names_every_option_of_a_command_of_the_site(command: str) -> None:
    own = OFFERED[f"manage.py {command}"] - OF_EVERY_SITE_COMMAND
    assert own - set(OPTION.findall(README)) == set()


@pytest.mark.parametrize("command", sorted(subparsers(sandbox._parser())))
def test_the_readme_of_the_tests_names_every_option_of_the_sandbox(command: str) -> None:
    told = (ROOT / "tests" / "README.md").read_text(encoding="utf-8")
    (row,) = re.findall(rf"^\| `{command}\b.*$", told, re.MULTILINE)
    assert set(OPTION.findall(row)) == OFFERED[f"tests.sandbox {command}"]


# Commands ------------------------------------------------------------------------------------


def unknown_commands(text: str) -> list[str]:
    """Commands of the ETL and of the site that do not exist."""
    named = [
        (name, ETL_COMMANDS) for name in re.findall(r"-m etl_oracle_to_bq ([a-z][\w-]*)", text)
    ]
    named += [(name, list(get_commands())) for name in re.findall(r"manage\.py ([a-z]\w*)", text)]
    quoted = re.findall(r"`([a-z][a-z-]*) (?:VIEW|STORE|--)", text)
    named += [(name, ETL_COMMANDS + SITE_COMMANDS) for name in quoted]
    return [name for name, known in named if name not in known]


def test_no_text_names_a_command_that_does_not_exist() -> None:
    found = {text.place: faults for text in texts() if (faults := unknown_commands(text.text))}
    assert found == {}


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("python -m etl_oracle_to_bq load VIEW", ["load"]),
        ("python etl_web_admin/manage.py make_key", ["make_key"]),
        ("say `reload VIEW`", ["reload"]),
        ("say `run VIEW`, or `python etl_web_admin/manage.py migrate`", []),
    ],
)
def test_a_wrong_command_would_be_found(text: str, faults: list[str]) -> None:
    assert unknown_commands(text) == faults


# Pages, fields, choices, buttons -------------------------------------------------------------

PAGES = {title for _, entries in menu._GROUPS for title, *_ in entries}
FIELDS = {
    str(field.verbose_name)
    for model in (DataStore, DataSource)
    for field in model._meta.concrete_fields
    if field.editable
}
CHOICES = {
    str(label).partition(":")[0]
    for model in (DataStore, DataSource)
    for field in model._meta.concrete_fields
    for _, label in field.choices or ()
}
LABELS = {label.casefold() for label in FIELDS | CHOICES}
ACTIONS = [
    *(pytest.param(row.action, id=code) for code, row in codes.CODES.items()),
    *(pytest.param(action, id=kind) for kind, action in codes.KIND_ACTIONS.items()),
]


def test_every_page_that_a_text_names_is_in_the_menu() -> None:
    page = re.compile(r"\b(?:Data|ETL|Log) [A-Z][a-z]+\b")
    named = {name for text in texts() for name in page.findall(text.text)}
    # Google's role "BigQuery Data Editor".
    assert named - {"Data Editor"} - PAGES == set()
    titles = {str(m._meta.verbose_name) for m in (DataStore, DataSource, EtlTransaction, LogError)}
    assert named >= titles


def unknown_words(action: str) -> list[str]:
    """What an action has in backticks that is neither a command nor on a page of the site."""
    quoted = re.findall(r"`([^`]+)`", action)
    command = re.compile(rf"python (?:-m|etl_web_admin/manage\.py) |(?:{'|'.join(ETL_COMMANDS)}) ")
    return [text for text in quoted if not command.match(text) and text.casefold() not in LABELS]


def bare_fields(action: str) -> list[str]:
    """Fields whose name has several words, named outside backticks or by another name."""
    bare = re.sub(r"`[^`]+`", "", action).casefold()
    fields = {field.casefold() for field in FIELDS if " " in field}
    return sorted(field for field in fields - {"data store"} if re.search(rf"\b{field}\b", bare))


@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_names_fields_and_choices_as_the_site_shows_them(action: str) -> None:
    assert (unknown_words(action), bare_fields(action)) == ([], [])


def test_a_field_that_the_site_does_not_show_would_be_found() -> None:
    assert unknown_words("Tick `adopt`, or `run VIEW --full`.") == ["adopt"]
    assert unknown_words("Choose `add columns` as `schema policy`.") == []
    assert bare_fields("Lower the batch size, or `slices`.") == ["batch size"]


@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_that_sends_people_to_the_settings_names_one(action: str) -> None:
    """But where the message does: it is about a setting that is absent or wrong."""
    about_settings = {codes.CODES[code].action for code in ("missing-setting", "invalid-setting")}
    about_settings.add(codes.KIND_ACTIONS["ConfigError"])
    assert (
        ".env" not in action
        or action in about_settings
        or re.search(r"\b(?:ETL|GOOGLE|BIGQUERY)_[A-Z_]+\b", action)
    )


def test_what_readme_has_in_italics_is_on_a_page_of_the_site() -> None:
    prose = re.sub(r"```.*?```|<!-- (\w[\w ]*) -->.*?<!-- /\1 -->", "", README, flags=re.DOTALL)
    italics = set(re.findall(r"(?<![*\w])\*([A-Za-z][^*`|]*?)\*(?!\*)", prose))
    templates = "".join(path.read_text(encoding="utf-8") for path in SITE.rglob("*.html"))
    states = [state.word for state in vars(overview).values() if isinstance(state, overview.State)]
    shown = {
        *LABELS,
        *(label.casefold() for label in (*RunStatus.labels, *states)),
        *(text.casefold() for text in re.findall(r">([^<>{}]+)</(?:button|a)>", templates)),
    }
    assert {"Test connection", "Stop", "Stopped", "safety lag"} <= italics
    for words in italics:
        parts = " ".join(words.split()).casefold().split(": ")
        assert all(part in shown for part in parts), words
