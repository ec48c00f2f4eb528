"""The switches: what they accept, whom they strike, how often."""

from __future__ import annotations

import pytest

from tests.sandbox.oracle.faults import ARGUMENTS, Faults


def test_every_fault_is_described_in_the_table() -> None:
    from tests.sandbox.oracle import faults

    for name in ARGUMENTS:
        assert f"| {name} " in (faults.__doc__ or "")


def test_a_fault_strikes_as_often_as_it_was_told() -> None:
    faults = Faults()
    faults.set("drop_after_rows", rows=10, times=2)
    assert [faults.strike("drop_after_rows") for _ in range(3)] == [
        {"rows": 10},
        {"rows": 10},
        None,
    ]
    assert faults.as_dict() == {}


def test_a_fault_strikes_only_what_it_matches() -> None:
    faults = Faults()
    faults.set("error_at_row", row=5, code=1555, text="too old", match="ar_receipts")
    assert faults.look("error_at_row", "select * from AR_RECEIPTS") is not None
    assert faults.look("error_at_row", "select * from gl_accounts") is None


def test_looking_spends_nothing() -> None:
    faults = Faults()
    faults.set("stall", row=1, times=1)
    assert faults.look("stall") == faults.look("stall") == {"row": 1, "seconds": None}


def test_defaults_are_shown() -> None:
    faults = Faults()
    faults.set("refuse_service")
    assert faults.as_dict() == {"refuse_service": {"code": 12514, "match": None, "times": None}}


def test_flashback_error_is_for_the_engine() -> None:
    faults = Faults()
    assert faults.flashback_error is None
    faults.set("no_flashback", code=1555)
    assert faults.flashback_error == 1555


def test_update_sets_and_clears() -> None:
    faults = Faults()
    before = faults.generation
    faults.update({"silent": {}, "stall": {"row": 3, "seconds": 0.5}})
    assert set(faults.as_dict()) == {"silent", "stall"}
    faults.update({"silent": None})
    assert set(faults.as_dict()) == {"stall"}
    faults.clear()
    assert faults.as_dict() == {}
    assert faults.generation > before


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("nonsense", {}),
        ("silent", {"rows": 1}),
        ("no_flashback", {"times": 1}),
        ("drop_after_rows", {"rows": "many"}),
        ("drop_after_rows", {"rows": -1}),
        ("drop_after_rows", {"rows": None}),
        ("stall", {"match": 1}),
        ("stall", {"times": "x"}),
    ],
)
def test_nonsense_is_refused(name: str, arguments: dict[str, object]) -> None:
    with pytest.raises(
        ValueError,
        match=r"unknown fault|has no argument|is a number|not negative|is a text|is a whole",
    ):
        Faults().set(name, **arguments)  # type: ignore[arg-type]
