"""Corrections apply to one version only, and all of them or none."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.sandbox.bigquery import corrections
from tests.sandbox.bigquery.corrections import Patch, WrongEmulator

TARGET = SimpleNamespace(number=1, inner=SimpleNamespace(number=2))


def test_every_name_is_replaced() -> None:
    corrections.apply(
        [
            Patch(f"{__name__}:TARGET.number", 10, "unverified"),
            Patch(f"{__name__}:TARGET.inner.number", 20, "unverified"),
        ]
    )
    assert (TARGET.number, TARGET.inner.number) == (10, 20)


def test_one_missing_name_stops_all() -> None:
    before = TARGET.number
    with pytest.raises(WrongEmulator, match=r"TARGET\.missing.*no_such_module"):
        corrections.apply(
            [
                Patch(f"{__name__}:TARGET.number", 99, "unverified"),
                Patch(f"{__name__}:TARGET.missing", 0, "unverified"),
                Patch("no_such_module:name", 0, "unverified"),
            ]
        )
    assert TARGET.number == before


def test_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corrections, "PINNED_VERSION", "0.0.1")
    with pytest.raises(WrongEmulator, match=r"install bqemulator==0\.0\.1"):
        corrections.check_version()


def test_every_correction_names_its_source() -> None:
    from tests.sandbox.bigquery import ddl, engine, failures, scripts

    patches = [p for module in (ddl, engine, failures, scripts) for p in module.patches()]
    assert patches
    assert all(patch.source for patch in patches)
