"""Exact arithmetic on NUMBERs that no DECIMAL holds: decimal text in, decimal text out.

Registered with DuckDB as vectorised functions. Oracle keeps 20 base-100 digits, that is 39
or 40 decimal ones, between 1E-130 and 1E126; results here are rounded just so.
"""

from __future__ import annotations

import decimal
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa

from tests.sandbox.oracle.errors import OracleError

CONTEXT = decimal.Context(prec=60, rounding=decimal.ROUND_HALF_UP, Emin=-999, Emax=999)
_LIMIT = Decimal("1E126")
_SMALLEST = Decimal("1E-130")
_INVALID = "ORA-01722: invalid number"


def canonical(value: Decimal) -> str:
    """Plain notation without superfluous zeros: equal numbers have equal texts.

    Raises ORA-01426 beyond 1E126; what is nearer to zero than 1E-130 is zero.
    """
    value = fitted(value)
    if not value:
        return "0"
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def fitted(value: Decimal) -> Decimal:
    """Rounded to the 20 base-100 digits of Oracle's NUMBER."""
    if not value.is_finite() or abs(value) >= _LIMIT:
        raise OracleError(1426, "numeric overflow")
    if abs(value) < _SMALLEST:
        return Decimal(0)
    if len(value.as_tuple().digits) <= 39:
        return value
    digits = 40 if value.adjusted() % 2 else 39
    return CONTEXT.create_decimal(value).quantize(
        Decimal((0, (1,), value.adjusted() - digits + 1)), context=CONTEXT
    )


def parse_number(text: str) -> Decimal:
    """What a string means where a number is wanted. Raises ORA-01722."""
    stripped = text.strip(" ")
    plain = stripped.replace("E", "").replace("e", "")
    if not stripped or not plain.strip("+-.0123456789") == "" or "_" in stripped:
        raise OracleError(1722, "invalid number")
    try:
        return Decimal(stripped)
    except decimal.InvalidOperation:
        raise OracleError(1722, "invalid number") from None


def add(a: Decimal, b: Decimal) -> Decimal:
    """a + b, with enough digits that the rounding to 40 happens once."""
    return decimal.Context(prec=300).add(a, b)


def divide(a: Decimal, b: Decimal) -> Decimal:
    """a / b. Raises ORA-01476."""
    if not b:
        raise OracleError(1476, "divisor is equal to zero")
    return CONTEXT.divide(a, b)


def modulo(a: Decimal, b: Decimal) -> Decimal:
    """Oracle's MOD: the sign of `a`; MOD(a, 0) is a."""
    return decimal.Context(prec=300).remainder(a, b) if b else a


def rounded(a: Decimal, places: Decimal) -> Decimal:
    """ROUND half away from zero."""
    return _quantized(a, places, decimal.ROUND_HALF_UP)


def truncated(a: Decimal, places: Decimal) -> Decimal:
    """TRUNC towards zero."""
    return _quantized(a, places, decimal.ROUND_DOWN)


def _quantized(a: Decimal, places: Decimal, rounding: str) -> Decimal:
    exponent = -int(places)
    if not a or a.as_tuple().exponent >= exponent:  # type: ignore[operator]
        return a
    if a.adjusted() + 1 < exponent:
        return Decimal(0)
    context = decimal.Context(prec=300, rounding=rounding)
    return a.quantize(Decimal((0, (1,), exponent)), context=context)


def power(a: Decimal, b: Decimal) -> Decimal:
    """a to the b. Raises ORA-01428 for a negative base and a fractional exponent."""
    if a < 0 and b != b.to_integral_value():
        raise OracleError(1428, f"argument '{canonical(a)}' is out of range")
    if not a and b < 0:
        raise OracleError(1476, "divisor is equal to zero")
    return Decimal(1) if not b else CONTEXT.power(a, b)


def square_root(a: Decimal) -> Decimal:
    """Raises ORA-01428 below zero."""
    if a < 0:
        raise OracleError(1428, f"argument '{canonical(a)}' is out of range")
    return CONTEXT.sqrt(a)


def natural_log(a: Decimal) -> Decimal:
    """Raises ORA-01428 at and below zero."""
    if a <= 0:
        raise OracleError(1428, f"argument '{canonical(a)}' is out of range")
    return CONTEXT.ln(a)


def sort_key(text: str) -> bytes:
    """Bytes that sort as the numbers do: Oracle's own encoding of NUMBER has that property."""
    value = Decimal(text)
    if not value:
        return b"\x80"
    digits, exponent = "".join(map(str, value.as_tuple().digits)), value.as_tuple().exponent
    point = len(digits) + int(exponent)
    digits = "0" * (point % 2) + digits
    digits += "0" * (len(digits) % 2)
    pairs = [int(digits[i : i + 2]) for i in range(0, len(digits), 2)]
    while pairs[0] == 0:
        pairs, point = pairs[1:], point - 2
    weight = (point + 1) // 2 - 1
    if value > 0:
        return bytes([0xC1 + weight, *(pair + 1 for pair in pairs)])
    return bytes([0x3E - weight, *(101 - pair for pair in pairs), 102])


def to_char(text: str) -> str:
    """TO_CHAR(n) without a format: at most 40 characters, then scientific notation."""
    value = Decimal(text)
    sign, body = ("-", text[1:]) if value < 0 else ("", text)
    body = body[1:] if body.startswith("0.") else body
    if len(body) <= 40:
        return sign + body
    if abs(value) >= Decimal("1E40") or abs(value) < Decimal("1E-5"):
        return _scientific(value)
    whole = body.partition(".")[0]
    return (
        canonical(_quantized(value, Decimal(39 - len(whole)), decimal.ROUND_HALF_UP)).replace(
            "0.", ".", 1
        )
        if body.startswith(".")
        else sign
        + canonical(_quantized(abs(value), Decimal(39 - len(whole)), decimal.ROUND_HALF_UP))
    )


def _scientific(value: Decimal) -> str:
    mantissa = decimal.Context(prec=35, rounding=decimal.ROUND_HALF_UP).create_decimal(value)
    digits = "".join(map(str, mantissa.as_tuple().digits)).ljust(35, "0")
    exponent = mantissa.adjusted()
    sign = "-" if value < 0 else ""
    return f"{sign}{digits[0]}.{digits[1:]}E{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


# -- vectorised ---------------------------------------------------------------------------------


def binary(function: Callable[[Decimal, Decimal], Decimal]) -> Callable[[Any, Any], pa.Array]:
    """A function of two numbers over columns of decimal text."""

    def run(left: Any, right: Any) -> pa.Array:
        with decimal.localcontext(CONTEXT):
            pairs = zip(left.to_pylist(), right.to_pylist(), strict=True)
            return pa.array(
                [
                    None if a is None or b is None else canonical(function(Decimal(a), Decimal(b)))
                    for a, b in pairs
                ],
                pa.string(),
            )

    return run


def unary(function: Callable[[Decimal], Decimal]) -> Callable[[Any], pa.Array]:
    """A function of one number over a column of decimal text."""

    def run(values: Any) -> pa.Array:
        return pa.array(
            [None if v is None else canonical(function(Decimal(v))) for v in values.to_pylist()],
            pa.string(),
        )

    return run


def mapped(function: Callable[[Any], Any], kind: pa.DataType) -> Callable[[Any], pa.Array]:
    """Any function of one value over a column."""

    def run(values: Any) -> pa.Array:
        return pa.array([None if v is None else function(v) for v in values.to_pylist()], kind)

    return run


def _sum(texts: Sequence[str | None]) -> str:
    context, total = decimal.Context(prec=300), Decimal(0)
    for text in texts:
        if text is not None:
            total = context.add(total, Decimal(text))
    return canonical(total)


def _from_float(value: float) -> str:
    if value != value or value in (float("inf"), float("-inf")):
        raise OracleError(1426, "numeric overflow")
    return canonical(Decimal(repr(value)))


Arguments = list[str]
FUNCTIONS: tuple[tuple[str, Callable[..., pa.Array], Arguments, str], ...] = (
    ("n_add", binary(add), ["VARCHAR", "VARCHAR"], "VARCHAR"),
    ("n_sub", binary(lambda a, b: add(a, -b)), ["VARCHAR", "VARCHAR"], "VARCHAR"),
    (
        "n_mul",
        binary(lambda a, b: decimal.Context(prec=300).multiply(a, b)),
        ["VARCHAR", "VARCHAR"],
        "VARCHAR",
    ),
    ("n_div", binary(divide), ["VARCHAR", "VARCHAR"], "VARCHAR"),
    ("n_mod", binary(modulo), ["VARCHAR", "VARCHAR"], "VARCHAR"),
    ("n_round", binary(rounded), ["VARCHAR", "VARCHAR"], "VARCHAR"),
    ("n_trunc", binary(truncated), ["VARCHAR", "VARCHAR"], "VARCHAR"),
    ("n_power", binary(power), ["VARCHAR", "VARCHAR"], "VARCHAR"),
    (
        "n_log",
        binary(lambda b, a: divide(natural_log(a), natural_log(b))),
        ["VARCHAR", "VARCHAR"],
        "VARCHAR",
    ),
    ("n_sqrt", unary(square_root), ["VARCHAR"], "VARCHAR"),
    ("n_ln", unary(natural_log), ["VARCHAR"], "VARCHAR"),
    ("n_exp", unary(lambda a: CONTEXT.exp(a)), ["VARCHAR"], "VARCHAR"),
    (
        "n_floor",
        unary(lambda a: a.to_integral_value(decimal.ROUND_FLOOR)),
        ["VARCHAR"],
        "VARCHAR",
    ),
    (
        "n_ceil",
        unary(lambda a: a.to_integral_value(decimal.ROUND_CEILING)),
        ["VARCHAR"],
        "VARCHAR",
    ),
    ("n_key", mapped(sort_key, pa.binary()), ["VARCHAR"], "BLOB"),
    ("n_char", mapped(to_char, pa.string()), ["VARCHAR"], "VARCHAR"),
    (
        "n_parse",
        mapped(lambda text: canonical(parse_number(text)), pa.string()),
        ["VARCHAR"],
        "VARCHAR",
    ),
    ("n_double", mapped(_from_float, pa.string()), ["DOUBLE"], "VARCHAR"),
    ("n_sum", mapped(_sum, pa.string()), ["VARCHAR[]"], "VARCHAR"),
)
