"""NUMBER arithmetic beyond DECIMAL, against Python's own exact fractions."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.sandbox.oracle.engine import exact
from tests.sandbox.oracle.errors import OracleError


@st.composite
def numbers(draw: st.DrawFn, digits: int = 38) -> Decimal:
    """What an Oracle NUMBER can hold."""
    count = draw(st.integers(1, digits))
    sign = draw(st.sampled_from((0, 1)))
    figures = draw(st.lists(st.integers(0, 9), min_size=count, max_size=count))
    exponent = draw(st.integers(-130, 125 - count))
    return Decimal((sign, tuple(figures), exponent))


@given(numbers())
def test_canonical_text_is_plain_and_exact(value: Decimal) -> None:
    text = exact.canonical(value)
    assert "E" not in text
    assert text != "-0"
    assert not text.startswith("+")
    assert Decimal(text) == (value if abs(value) >= Decimal("1E-130") else 0)


@given(numbers(), numbers())
def test_equal_numbers_have_equal_texts_and_keys_sort(a: Decimal, b: Decimal) -> None:
    x, y = exact.canonical(a), exact.canonical(b)
    assert (x == y) == (Decimal(x) == Decimal(y))
    assert (exact.sort_key(x) < exact.sort_key(y)) == (Decimal(x) < Decimal(y))


@given(numbers(18), numbers(18))
def test_sum_keeps_40_digits(a: Decimal, b: Decimal) -> None:
    got = Fraction(exact.canonical(exact.add(a, b)))
    true = Fraction(a) + Fraction(b)
    assume(abs(true) < 10**125)
    assert abs(got - true) <= max(abs(true) * Fraction(1, 10**38), Fraction(1, 10**130))


_moderate = st.decimals(-(10**20), 10**20, allow_nan=False, places=15).filter(bool)


@given(_moderate, _moderate)
def test_quotient_keeps_at_least_38_digits(a: Decimal, b: Decimal) -> None:
    got = Fraction(exact.canonical(exact.divide(a, b)))
    true = Fraction(a) / Fraction(b)
    assert abs(got - true) <= abs(true) / 10**38


def test_what_oracle_refuses() -> None:
    for call, code in (
        (lambda: exact.divide(Decimal(1), Decimal(0)), 1476),
        (lambda: exact.canonical(Decimal("1E126")), 1426),
        (lambda: exact.parse_number("1,5"), 1722),
        (lambda: exact.parse_number("0x1"), 1722),
        (lambda: exact.parse_number("1_0"), 1722),
        (lambda: exact.parse_number("NaN"), 1722),
        (lambda: exact.square_root(Decimal(-1)), 1428),
    ):
        with pytest.raises(OracleError) as caught:
            call()
        assert caught.value.code == code


@pytest.mark.parametrize(
    ("value", "places", "rounded", "truncated"),
    [
        ("2.5", 0, "3", "2"),
        ("-2.5", 0, "-3", "-2"),
        ("1.005", 2, "1.01", "1"),
        ("123.456", -1, "120", "120"),
        ("155", -2, "200", "100"),
        ("4", -1, "0", "0"),
        ("1E-130", 9, "0", "0"),
    ],
)
def test_rounding_is_half_away_from_zero(
    value: str, places: int, rounded: str, truncated: str
) -> None:
    count = Decimal(places)
    assert exact.canonical(exact.rounded(Decimal(value), count)) == rounded
    assert exact.canonical(exact.truncated(Decimal(value), count)) == truncated


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("0.5", ".5"),
        ("-0.5", "-.5"),
        ("100", "100"),
        ("1" + "0" * 125, "1.0000000000000000000000000000000000E+125"),
        ("0." + "0" * 129 + "1", "1.0000000000000000000000000000000000E-130"),
    ],
)
def test_to_char_of_a_number(number: str, text: str) -> None:
    assert exact.to_char(number) == text
