"""The slow CSV reader, against what Python's csv module writes."""

from __future__ import annotations

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from tests.sandbox.bigquery.csv_rows import Options, read_tolerantly

values = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


@given(rows=st.lists(st.tuples(values, values), max_size=6), delimiter=st.sampled_from(",;|\t"))
def test_quoted_rows_come_back(rows: list[tuple[str, str]], delimiter: str) -> None:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows(rows)
    options = Options.of({"fieldDelimiter": delimiter, "allowJaggedRows": True})
    table, warnings = read_tolerantly(buffer.getvalue().encode(), ["a", "b"], options)
    assert [tuple(row.values()) for row in table.to_pylist()] == rows
    assert warnings == []


def test_flags_and_limits() -> None:
    text = b"head,line\n1\n2,b,more\n3,c\n"
    names = ["a", "b"]
    rows = {}
    for flag in ("allowJaggedRows", "ignoreUnknownValues", "maxBadRecords"):
        options = Options.of({flag: 1, "skipLeadingRows": 1})
        table, warnings = read_tolerantly(text, names, options)
        rows[flag] = (table.column("a").to_pylist(), len(warnings))
    assert rows == {
        "allowJaggedRows": (["1", "3"], 1),
        "ignoreUnknownValues": (["2", "3"], 1),
        "maxBadRecords": (["3"], 2),
    }


def test_only_unquoted_markers_are_null() -> None:
    options = Options.of({"nullMarker": "\\N", "maxBadRecords": 1})
    table, _ = read_tolerantly(b'\\N,"\\N"\n', ["a", "b"], options)
    assert table.to_pylist() == [{"a": None, "b": "\\N"}]
