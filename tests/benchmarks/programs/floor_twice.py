"""The floor in two processes with half of the rows each."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.benchmarks.programs.sandbox import answer

HALVES = ("MOD(ID, 2) = 0", "MOD(ID, 2) = 1")
commands = [[sys.executable, "-m", "tests.benchmarks.programs.floor", half] for half in HALVES]
halves = [subprocess.Popen(command, stdout=subprocess.PIPE) for command in commands]
answer(sum(json.loads(half.communicate()[0])["rows"] for half in halves))
