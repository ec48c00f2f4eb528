"""README's installing command, by the pips that Pythons bring, when everything has a newer release.

The index is a folder of wheels made here: each pinned package with what it really asks for and no
code, and a newer release of each. Only the pips themselves are fetched, pinned by hash.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.installation import ROOT

# What Python 3.11.0, 3.12.0, 3.13.0 and 3.14.0 bring, and the newest of November 2026.
PIPS = {
    "22.3": "1daab4b8d3b97d1d763caeb01a4640a2250a0ea899e257b1e44b9eded91e15ab",
    "23.2.1": "7ccf472345f20d35bdc9d1841ff5f313260c2c33fe417f48c30ac46cccabf5be",
    "24.2": "2cd581cf58ab7fcfca4ce8efa6dcacd0de5bf8d0a3eb9ec927e07405f4d9e2a2",
    "25.2": "6d67a2b4e7f14d8b31b8b52648866fa717f45a1eb70e83002f4331d07e953717",
    "26.3": "f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13",
}
NEWER = "9999.0"
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = sorted(set(re.findall(r"python -m (pip install .*?) &&", README)))


def wheel(folder: Path, name: str, version: str, needs: list[str]) -> str:
    """Make a wheel without code; returns its sha256."""
    stem = f"{name.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    files = {
        f"{info}/METADATA": "\n".join(
            ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
            + [f"Requires-Dist: {need}" for need in needs]
            + [f"Provides-Extra: {extra}" for need in needs for extra in extras(need)]
        ),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "".join(f"{info}/{file},,\n" for file in ("METADATA", "WHEEL", "RECORD")),
    }
    path = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            # A fixed date: the same wheel is made for several files.
            archive.writestr(zipfile.ZipInfo(file), text)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def extras(need: str) -> list[str]:
    return re.findall(r"extra == ['\"]([^'\"]+)['\"]", need)


def needs_of(name: str) -> list[str]:
    try:
        return requires(name) or []
    except PackageNotFoundError:
        return []


def entries(file: str) -> Iterator[Requirement]:
    text = (ROOT / file).read_text(encoding="utf-8").replace("\\\n", " ")
    for line in text.splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            yield Requirement(line.partition(" --hash=")[0])


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of wheels, and beside them the pinned files with the hashes of these wheels."""
    folder = tmp_path_factory.mktemp("index")
    for file in sorted({file for command in COMMANDS for file in named(command)}):
        lines = []
        for entry in entries(file):
            (specifier,) = entry.specifier
            needs = needs_of(entry.name)
            wheel(folder, entry.name, NEWER, needs)
            digest = wheel(folder, entry.name, specifier.version, needs)
            lines.append(f"{entry} --hash=sha256:{digest}\n")
        (folder / file.replace("/", "-")).write_text("".join(lines), encoding="utf-8")
    return folder


def named(command: str) -> list[str]:
    return re.findall(r"-r (\S+)", command.replace("\\", "/"))


@pytest.fixture(scope="module", params=PIPS)
def pip(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of one pip, which runs without being installed."""
    folder = tmp_path_factory.mktemp("pip")
    wanted = folder / "pip.txt"
    wanted.write_text(f"pip=={request.param} --hash=sha256:{PIPS[request.param]}", encoding="utf-8")
    command = ["download", "-q", "--no-deps", "--require-hashes", "-d", str(folder)]
    done = subprocess.run(
        [sys.executable, "-m", "pip", *command, "-r", str(wanted)],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if "hash" in done.stderr.lower() and done.returncode:
        pytest.fail(done.stderr)
    if done.returncode:
        pytest.skip(f"pip {request.param} could not be fetched: {done.stderr}")
    (found,) = folder.glob("pip-*.whl")
    return found


@pytest.mark.parametrize("command", [each for each in COMMANDS if "\\" not in each])
def test_the_command_installs_the_pinned_releases_and_nothing_is_missing(
    command: str, pip: Path, index: Path, tmp_path: Path
) -> None:
    venv.create(tmp_path / "venv")
    python = tmp_path / "venv" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")

    def run(*arguments: str) -> None:
        done = subprocess.run(
            [python, str(pip / "pip"), "--isolated", *arguments],
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    options = command.removeprefix("pip install ").split()
    local = [
        str(index / word.replace("/", "-")) if word.endswith(".txt") else word for word in options
    ]
    run("install", "--no-index", "--find-links", str(index), *local)
    run("check")
    found = {path.name for path in (tmp_path / "venv").rglob("*.dist-info")}
    wanted = {entry for file in named(command) for entry in entries(file)}
    for entry in wanted:
        if entry.marker is None or entry.marker.evaluate():
            (specifier,) = entry.specifier
            assert f"{entry.name.replace('-', '_')}-{specifier.version}.dist-info" in found
