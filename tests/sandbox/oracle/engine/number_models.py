"""Oracle's number format models: TO_CHAR(n, model) and TO_NUMBER(text, model)."""

from __future__ import annotations

import decimal
import re
from dataclasses import dataclass
from decimal import Decimal

from tests.sandbox.oracle.engine import exact
from tests.sandbox.oracle.errors import OracleError

_MODEL = re.compile(
    r"^(?P<fm>FM)?(?P<blank>B)?(?P<sign>S|MI)?(?P<money>[$LCU])?(?P<whole>[09,GB$X]*)"
    r"(?:(?P<point>[.DV])(?P<fraction>[09]*))?(?P<sci>EEEE)?(?P<trail>S|MI|PR)?(?P<tail>[LCU])?$"
)


@dataclass(frozen=True, slots=True)
class _Model:
    """A model taken apart."""

    fill: bool
    whole: str
    fraction: str
    point: str
    lead: str
    trail: str
    money: bool
    scientific: bool


def _parse(model: str) -> _Model:
    match = _MODEL.match(model.upper())
    if match is None or not (match.group("whole") or match.group("fraction")):
        raise OracleError(1481, "invalid number format model")
    whole = match.group("whole").replace("G", ",").replace("B", "")
    return _Model(
        fill=match.group("fm") is None,
        whole=whole.replace("$", ""),
        fraction=match.group("fraction") or "",
        point=match.group("point") or "",
        lead=match.group("sign") or "",
        trail=match.group("trail") or "",
        money=bool(match.group("money") or match.group("tail") or "$" in whole),
        scientific=match.group("sci") is not None,
    )


def format_number(text: str, model: str, characters: str = ".,") -> str:
    """TO_CHAR(n, model); hash signs when the number is too wide.

    `characters` are NLS_NUMERIC_CHARACTERS: what D and G stand for.
    """
    formatted = _formatted(text, model)
    if characters == ".," or not set(model.upper()) & set("DG"):
        return formatted
    return formatted.translate(str.maketrans(".,", characters))


def _formatted(text: str, model: str) -> str:
    value = Decimal(text)
    upper = model.upper().removeprefix("FM")
    if upper in ("TM", "TM9"):
        return exact.to_char(text)
    if upper and set(upper) <= {"X", "0"} and "X" in upper:
        return _hexadecimal(value, model)
    parts = _parse(model)
    if parts.scientific:
        return _scientific(value, parts)
    if parts.point == "V":
        value = value * Decimal(10) ** len(parts.fraction)
        places = 0
    else:
        places = len(parts.fraction)
    rounded = exact.rounded(value, Decimal(places))
    body = _body(rounded, parts, places)
    width = len(parts.whole) + (len(parts.fraction) + (parts.point in ".D") if parts.point else 0)
    if body is None:
        return "#" * (width + 1)
    return _signed(body, rounded < 0, parts, width)


def _body(value: Decimal, parts: _Model, places: int) -> str | None:
    """The digits with separators; None when they do not fit."""
    plain = format(abs(value).quantize(Decimal((0, (1,), -places)), context=_WIDE), "f")
    digits, _, fraction = plain.partition(".")
    digits = digits.lstrip("0")
    slots = parts.whole.replace(",", "") + (parts.fraction if parts.point == "V" else "")
    if len(digits) > len(slots):
        return None
    first_zero = slots.find("0")
    least = len(slots) - first_zero if first_zero >= 0 else 0
    if not digits and not places and least == 0:
        least = 1
    digits = digits.rjust(least, "0")
    whole = _grouped(digits, parts.whole) if parts.point != "V" else digits
    if not parts.point or parts.point == "V":
        return whole
    if not parts.fill:
        keep = len(parts.fraction.rstrip("9"))
        fraction = fraction[:keep] + fraction[keep:].rstrip("0")
    if not whole and not fraction.strip("0") and not places:
        return "0"
    return f"{whole}.{fraction}"


_WIDE = decimal.Context(prec=400)


def _grouped(digits: str, slots: str) -> str:
    out: list[str] = []
    rest = list(digits)
    for slot in reversed(slots):
        if not rest:
            break
        out.append("," if slot == "," else rest.pop())
    return "".join(reversed(out))


def _signed(body: str, negative: bool, parts: _Model, width: int) -> str:
    money = "$" if parts.money else ""
    if parts.trail == "PR":
        text = f"<{money}{body}>" if negative else f" {money}{body} "
        return text.rjust(width + 2 + len(money)) if parts.fill else text.strip()
    if parts.trail in ("S", "MI"):
        mark = "-" if negative else ("+" if parts.trail == "S" else " ")
        text = f"{money}{body}".rjust(width + len(money)) if parts.fill else money + body
        return (text + mark) if parts.fill or mark != " " else text
    mark = "-" if negative else ("+" if parts.lead == "S" else " ")
    text = f"{mark}{money}{body}"
    if not parts.fill:
        return text.strip()
    return text.rjust(width + 1 + len(money))


def _scientific(value: Decimal, parts: _Model) -> str:
    digits = len(parts.fraction)
    rounded = decimal.Context(prec=digits + 1, rounding=decimal.ROUND_HALF_UP).create_decimal(value)
    exponent = rounded.adjusted() if rounded else 0
    mantissa = format(abs(rounded.scaleb(-exponent)), f".{digits}f")
    sign = "-" if value < 0 else " "
    text = f"{sign}{mantissa}E{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    return text if parts.fill else text.strip()


def _hexadecimal(value: Decimal, model: str) -> str:
    upper = model.upper()
    body = upper.removeprefix("FM")
    digits = format(int(exact.rounded(value, Decimal(0))), "X")
    if "X" in model and model.removeprefix("FM").islower():
        digits = digits.lower()
    if len(digits) > len(body) or value < 0:
        return "#" * (len(body) + 1)
    zeros = len(body) if body.startswith("0") else 0
    digits = digits.rjust(zeros, "0")
    return digits if upper.startswith("FM") else digits.rjust(len(body) + 1)


def parse_formatted(text: str, model: str, characters: str = ".,") -> str:
    """TO_NUMBER(text, model), as canonical text. Raises ORA-01722."""
    if characters != ".," and set(model.upper()) & set("DG"):
        text = text.translate(str.maketrans(characters, ".,"))
    upper = model.upper().removeprefix("FM")
    if upper and set(upper) <= {"X", "0"}:
        try:
            return str(int(text.strip(), 16))
        except ValueError:
            raise OracleError(1722, "invalid number") from None
    parts = _parse(model)
    body = text.strip()
    negative = body.startswith(("-", "<")) or body.endswith("-")
    body = body.strip("<>+- $")
    if "," not in parts.whole and "," in body:
        raise OracleError(1722, "invalid number")
    value = exact.parse_number(body.replace(",", ""))
    return exact.canonical(-value if negative else value)
