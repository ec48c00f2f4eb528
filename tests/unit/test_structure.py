"""The house stays in order: a test for each module, one place that prints, one that asks the OS."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
ETL, SITE = ROOT / "etl_oracle_to_bq", ROOT / "etl_web_admin"
SOURCES = sorted([*ETL.rglob("*.py"), *SITE.rglob("*.py")])
MODULES = sorted(
    path.stem for path in ETL.iterdir() if path.suffix == ".py" and not path.stem.startswith("__")
) + sorted(path.name for path in ETL.iterdir() if (path / "__init__.py").is_file())
READ_THE_ENVIRONMENT = {ETL / "settings.py", SITE / "settings.py"}
# Hands its own environment on to a child, and looks at nothing in it.
PASS_THE_ENVIRONMENT_ON = {SITE / "catalog" / "etl.py"}
# These only say where Django's settings are, before Django can be asked.
NAME_THE_SETTINGS = {SITE / "manage.py", SITE / "wsgi.py"}


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


@pytest.mark.parametrize("module", MODULES)
def test_each_module_has_a_test_file(module: str) -> None:
    found = list((ROOT / "tests").glob(f"*/test_{module}.py"))
    assert found, f"no tests/*/test_{module}.py"


def calls(path: Path, name: str) -> Iterator[int]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
            yield node.lineno


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_command_line_prints(path: Path) -> None:
    assert path == ETL / "cli.py" or list(calls(path, "print")) == []


def environment_reads(path: Path) -> Iterator[ast.AST]:
    for node in ast.walk(tree(path)):
        names = {"environ", "environb", "getenv", "getenvb"}
        if isinstance(node, ast.Attribute) and node.attr in names:
            yield node
        if isinstance(node, ast.ImportFrom) and node.module == "os":
            assert not names & {alias.name for alias in node.names}, (path, node.lineno)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_environment_is_read_by_the_settings_only(path: Path) -> None:
    if path in READ_THE_ENVIRONMENT:
        return
    text = path.read_text(encoding="utf-8")
    for node in environment_reads(path):
        line = text.splitlines()[node.lineno - 1]  # type: ignore[attr-defined]
        named = path in NAME_THE_SETTINGS and "setdefault(" in line
        passed = path in PASS_THE_ENVIRONMENT_ON and "{**os.environ" in line
        assert named or passed, line


def catch_alls(path: Path) -> Iterator[ast.ExceptHandler]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ExceptHandler):
            kind = node.type
            if kind is None or (
                isinstance(kind, ast.Name) and kind.id in {"Exception", "BaseException"}
            ):
                yield node


def tells(handler: ast.ExceptHandler) -> bool:
    """It raises, or hands the very exception to somebody."""
    for node in ast.walk(handler):
        if isinstance(node, ast.Raise):
            return True
        if isinstance(node, ast.Name) and node.id == handler.name:
            return True
    return False


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_that_catches_everything_swallows_it(path: Path) -> None:
    assert [handler.lineno for handler in catch_alls(path) if not tells(handler)] == []


def test_a_swallowing_handler_would_be_seen() -> None:
    swallowing = ast.parse("try:\n    f()\nexcept Exception as error:\n    pass\n")
    (handler,) = (node for node in ast.walk(swallowing) if isinstance(node, ast.ExceptHandler))
    assert not tells(handler)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_stay_readable_in_one_sitting(path: Path) -> None:
    if "migrations" not in path.parts:
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 600


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_text_file_names_its_encoding(path: Path) -> None:
    for node in ast.walk(tree(path)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if node.func.attr in {"read_text", "write_text"}:
            assert "encoding" in {keyword.arg for keyword in node.keywords}, node.lineno
