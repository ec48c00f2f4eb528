"""How the emulator is corrected inside its process: named patches, checked before use.

A `Patch` names what it replaces as `module:Class.attribute`, and says where the corrected
behaviour comes from (or "unverified"). `apply` looks every name up first and changes nothing
when one is missing, so that another version of the emulator cannot run half-corrected.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

EMULATOR = "bqemulator"
PINNED_VERSION = "1.4.0"


class WrongEmulator(RuntimeError):
    """The installed emulator is not the one that these corrections were written for."""


@dataclass(frozen=True, slots=True)
class Patch:
    """`target` is `module:dotted.name`; `source` says why the replacement is right."""

    target: str
    replacement: Any
    source: str


def check_version() -> None:
    """Raise WrongEmulator unless exactly the pinned version is installed."""
    try:
        installed = version(EMULATOR)
    except PackageNotFoundError:
        raise WrongEmulator(f"{EMULATOR}=={PINNED_VERSION} is not installed") from None
    if installed != PINNED_VERSION:
        raise WrongEmulator(
            f"{EMULATOR} {installed} is installed, but the sandbox corrects private names of "
            f"{PINNED_VERSION}; install {EMULATOR}=={PINNED_VERSION}"
        )


def apply(patches: Iterable[Patch]) -> None:
    """Replace every patch's target; raise WrongEmulator, changing nothing, if one is missing."""
    patches = list(patches)
    missing = [patch.target for patch in patches if not _exists(patch.target)]
    if missing:
        raise WrongEmulator(f"{EMULATOR} lacks names that the sandbox corrects: {missing}")
    for patch in patches:
        owner, name = _owner(patch.target)
        setattr(owner, name, patch.replacement)


def _owner(target: str) -> tuple[Any, str]:
    module, _, dotted = target.partition(":")
    *path, name = dotted.split(".")
    owner: Any = importlib.import_module(module)
    for part in path:
        owner = getattr(owner, part)
    return owner, name


def _exists(target: str) -> bool:
    try:
        owner, name = _owner(target)
    except (ImportError, AttributeError):
        return False
    return hasattr(owner, name)
