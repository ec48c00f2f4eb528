"""README's tables, made from the code: `python -m tests.readme_tables` rewrites them.

A table stands between `<!-- name -->` and `<!-- /name -->`; `test_readme.py` asserts that what
stands there is what this makes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from etl_oracle_to_bq import errors
from etl_oracle_to_bq.codes import CODES, KIND_ACTIONS
from etl_oracle_to_bq.schema import TYPE_MAP
from etl_oracle_to_bq.settings import SETTINGS
from etl_web_admin.settings import SITE_SETTINGS

README = Path(__file__).resolve().parent.parent / "README.md"
SPEED = Path(__file__).resolve().parent / "benchmarks" / "results" / "speed.md"
MAIN_CLASSES = [kind for kind in errors.KINDS.values() if kind.__base__ is errors.EtlError]


def settings() -> str:
    """Settings of the ETL."""
    return _table(("Setting", "Default", "What it is for"), map(_setting, SETTINGS))


def site_settings() -> str:
    """Settings of the admin site and of the database."""
    return _table(("Setting", "Default", "What it is for"), map(_setting, SITE_SETTINGS))


def types() -> str:
    """Oracle types, what they are staged as, and what they become."""
    return _table(
        ("Oracle", "Arrow", "BigQuery"), ((row.oracle, row.arrow, row.bigquery) for row in TYPE_MAP)
    )


def exit_codes() -> str:
    """Exit codes of the command line, by kind of error."""
    kinds = [
        (
            str(kind.exit_code),
            f"`{kind.__name__}`",
            _first_sentence(kind),
            KIND_ACTIONS[kind.__name__],
        )
        for kind in MAIN_CLASSES
    ]
    unknown = (
        "1",
        "`EtlError`",
        "A defect of this program, or a process of it that ended without a word.",
        KIND_ACTIONS["EtlError"],
    )
    return _table(
        ("Exit code", "Error", "What happened", "What to do"),
        [("0", "", "Every view is loaded.", ""), unknown, *kinds],
    )


def codes() -> str:
    """Every registered code, its meaning and what to do."""
    return _table(
        ("Code", "Error", "What happened", "What to do"),
        ((f"`{row.code}`", f"`{row.kind}`", row.meaning, row.action) for row in CODES.values()),
    )


def speed() -> str:
    """What the benchmarks measured on the 12-column table."""
    measured = SPEED.read_text(encoding="utf-8")
    return measured.partition("### WIDE")[0].rstrip() + "\n"


SECTIONS: dict[str, Callable[[], str]] = {
    "settings": settings,
    "site settings": site_settings,
    "types": types,
    "exit codes": exit_codes,
    "codes": codes,
    "speed": speed,
}


def filled(text: str) -> str:
    """`text` with every section made anew; raises ValueError when a section has no place."""
    for name, make in SECTIONS.items():
        marks = rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)"
        table = make()
        text, places = re.subn(
            marks, lambda found, table=table: found[1] + table + found[2], text, flags=re.DOTALL
        )
        if places != 1:
            raise ValueError(f"README has {places} places for the section {name!r}.")
    return text


def _setting(row: tuple[str, str, str]) -> tuple[str, str, str]:
    name, default, purpose = row
    return f"`{name}`", default, purpose


def _first_sentence(kind: type[errors.EtlError]) -> str:
    return " ".join((kind.__doc__ or "").split("\n\n")[0].split())


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [_line(head), f"|{'---|' * len(head)}", *map(_line, rows)]
    return "".join(f"{line}\n" for line in lines)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    README.write_text(filled(README.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")
