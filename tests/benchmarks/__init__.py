"""Speed and memory, side by side in one session: `python -m tests.benchmarks`."""
