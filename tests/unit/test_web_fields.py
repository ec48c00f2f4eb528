"""What people type, and what is kept of it: names, lists, types, spans; and CSV cells."""

from __future__ import annotations

import string
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from etl_web_admin.catalog import validators
from etl_web_admin.catalog.admin.base import FORMULA_STARTS, safe_cell
from etl_web_admin.catalog.fields import ColumnsField, SpanField, TypesField, span_text
from etl_web_admin.catalog.templatetags import etl as filters

NAMES = st.lists(
    st.text(alphabet=string.ascii_uppercase + "_$#", min_size=2, max_size=12).map(
        lambda s: f"A{s}"
    ),
    max_size=5,
)


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=4000)))
def test_a_span_comes_back_as_it_was_written(span: timedelta) -> None:
    """What the form shows is what the form takes."""
    whole = timedelta(seconds=int(span.total_seconds()))
    assert SpanField().clean(span_text(whole)) == whole


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("15 min", 900), ("1 d 6 h", 108_000), ("90s", 90), ("2H", 7200), ("00:15:00", 900)],
)
def test_spans_are_read_as_people_write_them(text: str, seconds: int) -> None:
    """Units in any case, with or without a blank, or Django's form."""
    assert SpanField().clean(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["soon", "15", "15 m", "1 d and more", "5 minutes", "-1 d"])
def test_a_span_that_is_not_one_is_refused(text: str) -> None:
    """No silent guess, neither of a bare number nor of an unknown unit."""
    with pytest.raises(ValidationError):
        SpanField().clean(text)


@given(NAMES)
def test_a_list_of_columns_comes_back_in_its_order(names: list[str]) -> None:
    """The order of cluster columns has a meaning."""
    field = ColumnsField(required=False)
    shown = field.prepare_value(names)
    assert field.clean(shown) == names
    assert not field.has_changed(names, shown)


def test_columns_are_taken_in_any_case_and_with_any_blanks() -> None:
    """Commas, blanks and line ends all separate."""
    assert ColumnsField(required=False).clean(" id,\n line_no  ,B ") == ["ID", "LINE_NO", "B"]


def test_types_are_one_a_line() -> None:
    """And come back as they were."""
    field = TypesField(required=False)
    assert field.clean("rate = bignumeric\n\nNOTE=STRING") == {
        "RATE": "BIGNUMERIC",
        "NOTE": "STRING",
    }
    assert not field.has_changed({"RATE": "BIGNUMERIC"}, "RATE = BIGNUMERIC")
    with pytest.raises(ValidationError, match="COLUMN = TYPE"):
        field.clean("RATE BIGNUMERIC")


@pytest.mark.parametrize("name", ["A", "XX_GL$LINES#1", "ยอดขาย", "É" * 64])
def test_oracle_names(name: str) -> None:
    """Letters of any script, digits, _ $ #, up to 128 bytes."""
    validators.oracle_name(name)


@pytest.mark.parametrize(
    "name",
    ["", "1A", "A B", 'A"B', "A;B", "A.B", "A@LINK", "a", "--full", "É" * 65, "A\n", "A\x00", "A'"],
)
def test_what_is_no_oracle_name(name: str) -> None:
    """Above all nothing that could end an identifier or look like an option."""
    with pytest.raises(ValidationError):
        validators.oracle_name(name)


@given(st.text(max_size=20))
def test_no_accepted_name_can_leave_its_quotes(text: str) -> None:
    """Whatever is typed: an accepted name holds no quote, blank, dot or control character."""
    try:
        validators.oracle_name(text)
    except ValidationError:
        return
    assert not set(text) & set("\"'`;.@- \t\r\n\x00\\")


@pytest.mark.parametrize("view", ["APPS", "APPS.A.B", ".A", "APPS.", "--all", "APPS.a"])
def test_what_is_no_view(view: str) -> None:
    """Exactly OWNER.VIEW."""
    with pytest.raises(ValidationError):
        validators.oracle_view(view)


@pytest.mark.parametrize("name", ["finance", "F_1"])
def test_dataset_names(name: str) -> None:
    """Letters, digits, underscores."""
    validators.dataset_name(name)


@pytest.mark.parametrize("name", ["", "a-b", "a.b", "ก", "a b", "a\n"])
def test_what_is_no_dataset(name: str) -> None:
    """BigQuery refuses these."""
    with pytest.raises(ValidationError):
        validators.dataset_name(name)


@pytest.mark.parametrize("name", ["", "a.b", "a$20260101", "a`b", "a b", "a\n"])
def test_what_is_no_table(name: str) -> None:
    """A decorator or a back quote above all."""
    with pytest.raises(ValidationError):
        validators.table_name(name)


@given(st.text(alphabet="ABCXYZ_$#0123กขé", min_size=1, max_size=30))
def test_the_default_target_of_a_view_is_a_table_name(name: str) -> None:
    """So that leaving the field empty always works."""
    validators.table_name(validators.default_target(f"APPS.A{name}"))


@pytest.mark.parametrize("text", ["2026-01-31T23:59:59.000000", "0001-01-01T00:00:00.000001"])
def test_watermarks(text: str) -> None:
    """The one form that sorts as text."""
    validators.watermark(text)


@pytest.mark.parametrize(
    "text", ["2026-01-31", "2026-01-31 23:59:59.000000", "2026-01-31T23:59:59", "2026-1-31T0:0:0.0"]
)
def test_what_is_no_watermark(text: str) -> None:
    """Any other form would sort wrongly."""
    with pytest.raises(ValidationError):
        validators.watermark(text)


@given(st.text(max_size=20))
def test_no_csv_cell_begins_like_a_formula(text: str) -> None:
    """And nothing but the guard is added."""
    cell = safe_cell(text)
    assert not cell.startswith(FORMULA_STARTS)
    assert cell in (text, f"'{text}")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.04, "0.0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3725, "1 h 2 min"),
        (187200, "2 d 4 h"),
    ],
)
def test_spans_are_shown_in_two_units(value: float | None, text: str) -> None:
    """Enough to compare at a glance."""
    assert filters.span(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), (0, "0 B"), (1023, "1,023 B"), (1536, "1.5 KiB")]
)
def test_bytes_are_shown_in_a_unit(value: int | None, text: str) -> None:
    """Binary units."""
    assert filters.size(value) == text
