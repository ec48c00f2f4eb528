"""The pinned files: complete, with every extra, and in agreement.

With `--no-deps` pip installs what the files name and nothing else, so what is missing there is
missing on every server. What a package needs is read from its installed metadata.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent.parent
PRODUCT = "requirements.txt"
SANDBOX = "tests/sandbox/requirements.txt"
TESTS = "tests/requirements.txt"
POSTGRESQL = "etl_web_admin/requirements-postgresql.txt"
FILES = (PRODUCT, SANDBOX, TESTS, POSTGRESQL)
# What is installed together, by README's commands.
INSTALLS = ((PRODUCT,), (PRODUCT, SANDBOX), (PRODUCT, TESTS), (PRODUCT, POSTGRESQL))
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
SYSTEMS = {
    "linux": {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"},
    "windows": {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt"},
    "macos": {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix"},
}
MACHINES = {"linux": "x86_64", "windows": "AMD64", "macos": "arm64"}
ENVIRONMENTS = [
    {
        **names,
        "platform_machine": MACHINES[system],
        "python_version": python,
        "python_full_version": f"{python}.0",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    for system, names in SYSTEMS.items()
    for python in PYTHONS
]


@dataclass(frozen=True)
class Pin:
    """One entry of a file."""

    requirement: Requirement
    hashes: frozenset[str]

    @property
    def name(self) -> str:
        return canonicalize_name(self.requirement.name)

    @property
    def version(self) -> Version:
        (specifier,) = self.requirement.specifier
        return Version(specifier.version)


@cache
def pins(file: str) -> tuple[Pin, ...]:
    text = (ROOT / file).read_text(encoding="utf-8").replace("\\\n", " ")
    lines = (line.strip() for line in text.splitlines())
    return tuple(pin(line) for line in lines if line and not line.startswith("#"))


def pin(line: str) -> Pin:
    requirement, *hashes = re.split(r"\s+--hash=", line)
    return Pin(Requirement(requirement), frozenset(hashes))


def wanted_in(requirement: Requirement, environment: dict[str, str], extra: str = "") -> bool:
    marker = requirement.marker
    return marker is None or marker.evaluate({**environment, "extra": extra})


@cache
def installed(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


def needs(pin: Pin, environment: dict[str, str]) -> Iterator[Requirement]:
    """What the pinned package asks for there, with the extras that its pin has."""
    package = installed(pin.name)
    for line in (package.requires or []) if package else []:
        requirement = Requirement(line)
        if any(
            wanted_in(requirement, environment, extra) for extra in ("", *pin.requirement.extras)
        ):
            yield requirement


@pytest.mark.parametrize("file", FILES)
def test_every_pin_is_exact_and_has_hashes(file: str) -> None:
    assert pins(file)
    for each in pins(file):
        (specifier,) = each.requirement.specifier
        assert specifier.operator == "==" and "*" not in specifier.version, each
        assert each.hashes and all(found.startswith("sha256:") for found in each.hashes), each


@pytest.mark.parametrize("file", FILES)
def test_the_installed_packages_are_the_pinned_ones(file: str) -> None:
    """Otherwise the tests below read the metadata of other versions."""
    for each in pins(file):
        package = installed(each.name)
        if package is None:
            assert each.requirement.marker and not each.requirement.marker.evaluate(), each
        else:
            assert Version(package.version) == each.version, each


def test_the_files_agree_on_versions_and_hashes() -> None:
    for number, file in enumerate(FILES):
        known = {each.name: each for each in pins(file)}
        for other in FILES[number + 1 :]:
            for each in pins(other):
                twin = known.get(each.name, each)
                assert (each.version, each.hashes) == (twin.version, twin.hashes), (file, other)


@pytest.mark.parametrize("files", INSTALLS, ids=" ".join)
def test_all_that_a_package_asks_for_is_pinned_with_its_extras(files: tuple[str, ...]) -> None:
    for environment in ENVIRONMENTS:
        pinned: dict[str, list[Pin]] = {}
        for each in (each for file in files for each in pins(file)):
            if wanted_in(each.requirement, environment):
                pinned.setdefault(each.name, []).append(each)
        for each in (each for twins in pinned.values() for each in twins):
            for need in needs(each, environment):
                found = pinned.get(canonicalize_name(need.name), [])
                where = (
                    str(need),
                    each.name,
                    environment["sys_platform"],
                    environment["python_version"],
                )
                assert found, where
                assert all(
                    need.specifier.contains(pin.version, prereleases=True) for pin in found
                ), where
                assert need.extras <= set().union(*(pin.requirement.extras for pin in found)), where


@pytest.mark.parametrize(
    ("file", "group"),
    [(PRODUCT, None), (SANDBOX, "sandbox"), (TESTS, "test"), (POSTGRESQL, "postgresql")],
)
def test_the_files_hold_what_pyproject_asks_for(file: str, group: str | None) -> None:
    versions = {each.name: each for each in pins(file)}
    for need in asked_for(group):
        found = versions[canonicalize_name(need.name)]
        assert found.version in need.specifier, need
        assert need.extras <= found.requirement.extras, need


def asked_for(group: str | None) -> Iterator[Requirement]:
    document = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    listed = document["dependency-groups"][group] if group else document["project"]["dependencies"]
    for each in listed:
        if isinstance(each, dict):
            yield from asked_for(each["include-group"])
        else:
            yield Requirement(each)


@pytest.mark.parametrize("file", FILES)
def test_each_file_says_how_it_is_made_with_extras(file: str) -> None:
    head = (ROOT / file).read_text(encoding="utf-8").partition("==")[0]
    command = re.search(r"^#    (uv pip compile .*)$", head, re.MULTILINE)
    assert command, head
    for option in (
        "--universal",
        "--python-version 3.11",
        "--generate-hashes",
        "--no-strip-extras",
    ):
        assert option in command[1]
    assert command[1].endswith(f"-o {file}")
    told = (ROOT / "tests" / "README.md").read_text(encoding="utf-8")
    assert command[1].replace(" --no-emit-index-url", "") in told.replace(" \\\n    ", " ")
