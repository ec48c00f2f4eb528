"""One contestant each, run as a whole process: `python -m tests.benchmarks.programs.NAME`.

What to read and where to write stands in the environment (see `sandbox.py`); each prints one
JSON object as its last line: {"rows": N, ...}. Those that other virtual environments run import
nothing of this checkout but `sandbox.py`.
"""
