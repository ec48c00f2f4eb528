"""The DLLs without which CPython's packages do not load in Wine 8, built with mingw.

bcryptprimitives.dll  Wine 8 has none; cryptography's Rust calls its ProcessPrng.
ucrtbase.dll          Wine's own ends the process at C99's complex functions, and numpy calls
                      crealf when it is imported. This one has them, and forwards all else.
wineucrt.dll          Wine's own ucrtbase.dll, by the name that ours forwards to.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

from tests.windows.wine import UCRTBASE, WindowsUnavailable

TOOLS = "x86_64-w64-mingw32-"
# In the header of a DLL of Wine's, at MARK_AT. With it, Wine loads it under its own name only.
MARK = b"Wine builtin DLL"
MARK_AT = 0x40

# The suffix of a C99 function, and its type. Windows' long double is a double.
TYPES = {"": "double", "f": "float", "l": "double"}
TO_REAL = ("cabs", "carg", "cimag", "creal")
TO_COMPLEX = ("ccos", "ccosh", "cexp", "cpow", "csin", "csinh", "ctan", "ctanh")

NAME_TABLE = "[Ordinal/Name Pointer] Table"
NAME_LINE = re.compile(
    r"^\s*\[\s*\d+\] (?:\+base\[\s*\d+\]\s+(?:[0-9a-f]+\s+)?)?([A-Za-z_]\w*)\s*$", re.MULTILINE
)
ENTRY = "int __stdcall DllMainCRTStartup(void *h, unsigned r, void *p) { return 1; }"
PROCESS_PRNG = """\
#include <windows.h>
/* advapi32's RtlGenRandom */
BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T size)
{
    return SystemFunction036(data, (ULONG)size);
}
"""


def add(system_folder: Path) -> None:
    """Build the three DLLs into Windows' system32.

    Raises WindowsUnavailable when Wine's own ucrtbase.dll is not as expected, or mingw fails.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _build_ucrtbase(folder)
        _build_bcryptprimitives(folder)
        for built in folder.glob("*.dll"):
            there = system_folder / built.name
            there.unlink(missing_ok=True)
            there.write_bytes(built.read_bytes())


def _build_ucrtbase(folder: Path) -> None:
    wine = UCRTBASE.read_bytes()
    if wine[MARK_AT : MARK_AT + len(MARK)] != MARK:
        raise WindowsUnavailable(f"{UCRTBASE} is not the DLL of a Wine 8")
    unmarked = wine[:MARK_AT] + bytes(len(MARK)) + wine[MARK_AT + len(MARK) :]
    (folder / "wineucrt.dll").write_bytes(unmarked)

    own = _complex_functions()
    source = ["#include <complex.h>", *own.values(), ENTRY]
    (folder / "ucrtbase.c").write_text("\n".join(source) + "\n", encoding="ascii")
    forwarded = [f"  {name} = wineucrt.{name}" for name in _exports() if name not in own]
    ours = [f"  {name} = my_{name}" for name in own]
    definition = ["LIBRARY ucrtbase.dll", "EXPORTS", *ours, *forwarded]
    (folder / "ucrtbase.def").write_text("\n".join(definition) + "\n", encoding="ascii")
    # No start files: a C runtime cannot start by means of itself.
    options = ("-shared", "-O1", "-static-libgcc", "-nostartfiles", "-Wl,-e,DllMainCRTStartup")
    _tool("gcc", *options, "-o", "ucrtbase.dll", "ucrtbase.c", "ucrtbase.def", folder=folder)


def _build_bcryptprimitives(folder: Path) -> None:
    (folder / "prng.c").write_text(PROCESS_PRNG, encoding="ascii")
    options = ("-shared", "-O1", "-o", "bcryptprimitives.dll", "prng.c", "-ladvapi32")
    _tool("gcc", *options, folder=folder)


def _complex_functions() -> dict[str, str]:
    """The C source of each complex function that Wine lacks, by the function's name."""
    lacking = set(re.findall(r"__wine_stub_(\S+)", _tool("nm", str(UCRTBASE))))
    return {
        base + suffix: _complex_function(base, suffix)
        for base in TO_REAL + TO_COMPLEX
        for suffix in TYPES
        if base + suffix in lacking
    }


def _complex_function(base: str, suffix: str) -> str:
    """`my_` + a C99 complex function, by way of mingw's own."""
    kind = TYPES[suffix]
    result = kind if base in TO_REAL else f"{kind} _Complex"
    names = ("a", "b") if base == "cpow" else ("a",)
    parameters = ", ".join(f"{kind} _Complex {name}" for name in names)
    call = base + ("f" if kind == "float" else "")
    return f"{result} my_{base}{suffix}({parameters}) {{ return {call}({', '.join(names)}); }}"


def _exports() -> list[str]:
    """The names that Wine's ucrtbase.dll exports."""
    listing = _tool("objdump", "-p", str(UCRTBASE))
    _, found, table = listing.partition(NAME_TABLE)
    if not found:
        raise WindowsUnavailable(f"no exports were found in {UCRTBASE}")
    return list(dict.fromkeys(NAME_LINE.findall(table)))


def _tool(name: str, *arguments: str, folder: Path | None = None) -> str:
    """The standard output of a program of mingw."""
    done = subprocess.run(
        [TOOLS + name, *arguments], cwd=folder, capture_output=True, encoding="utf-8", check=False
    )
    if done.returncode:
        raise WindowsUnavailable(f"{TOOLS}{name} failed: {done.stderr}")
    return done.stdout
