"""The primitive encodings: vectors of the protocol, and round trips over any split of packets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sandbox.oracle.primitives import (
    ProtocolError,
    Reader,
    Writer,
    encode_clr,
    encode_sb,
    encode_ub,
)


def no_more() -> bytes:
    raise AssertionError("read beyond the message")


def reader_of(data: bytes, piece: int) -> Reader:
    """A reader that gets `data` in packets of `piece` bytes."""
    pieces = iter([data[i : i + piece] for i in range(0, len(data), piece)])
    return Reader(lambda: next(pieces))


@pytest.mark.parametrize(
    ("value", "encoded"),
    [(0, "00"), (1, "0101"), (256, "020100"), (65536, "03010000"), (2**64 - 1, "08" + "ff" * 8)],
)
def test_unsigned_vectors(value: int, encoded: str) -> None:
    assert encode_ub(value).hex() == encoded
    assert Reader(no_more, bytes.fromhex(encoded)).ub() == value


@pytest.mark.parametrize(("value", "encoded"), [(-1, "8101"), (-300, "82012c"), (300, "02012c")])
def test_signed_vectors(value: int, encoded: str) -> None:
    assert encode_sb(value).hex() == encoded
    assert Reader(no_more, bytes.fromhex(encoded)).sb() == value


@pytest.mark.parametrize("value", [-1, 2**64])
def test_unsigned_refuses_what_the_wire_cannot_hold(value: int) -> None:
    with pytest.raises(ValueError, match=str(value)):
        encode_ub(value)


def test_an_integer_longer_than_eight_bytes_is_a_protocol_error() -> None:
    with pytest.raises(ProtocolError):
        Reader(no_more, b"\x09" + bytes(9)).ub()
    with pytest.raises(ProtocolError):
        Reader(no_more, b"\x89" + bytes(9)).sb()


@pytest.mark.parametrize(
    ("size", "prefix"),
    [(1, "01"), (252, "fc"), (253, "fe01fd"), (32767, "fe027fff"), (32768, "fe027fff")],
)
def test_bytes_take_the_long_form_from_253_on(size: int, prefix: str) -> None:
    encoded = encode_clr(bytes(size))
    assert encoded.hex().startswith(prefix)
    assert Reader(no_more, encoded).clr() == bytes(size)


@pytest.mark.parametrize("null", [b"\x00", b"\xff"])
def test_both_forms_of_null_are_read(null: bytes) -> None:
    assert Reader(no_more, null).clr() is None


@given(
    st.integers(0, 2**64 - 1),
    st.integers(-(2**63), 2**63),
    st.binary(max_size=700),
    st.text(max_size=300),
    st.integers(1, 40),
)
def test_a_message_survives_any_split(
    unsigned: int, signed: int, data: bytes, text: str, piece: int
) -> None:
    message = (
        Writer().u8(7).ub(unsigned).sb(signed).clr(data).counted(data).text(text).u16be(513)
    ).getvalue()
    reader = reader_of(message, piece)
    assert reader.peek() == 7
    assert reader.u8() == 7
    assert reader.ub() == unsigned
    assert reader.sb() == signed
    assert reader.clr() == (data or None)
    assert reader.counted() == (data or None)
    assert reader.text() == text
    assert reader.u16be() == 513
    assert reader.buffered == 0
