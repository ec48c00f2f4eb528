"""Commands of the admin site: `python etl_web_admin/manage.py COMMAND`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Run one management command, from whatever folder it is called."""
    _make_streams_safe()
    # Python puts this file's folder first; from there `catalog` could be imported twice.
    sys.path[:] = [str(HERE.parent), *(p for p in sys.path if Path(p or ".").resolve() != HERE)]
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "etl_web_admin.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


def _make_streams_safe() -> None:
    """No console's code page, and no service without streams, may end a command."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            # Django writes to it without asking whether it is there.
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
        else:
            stream.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    main()
