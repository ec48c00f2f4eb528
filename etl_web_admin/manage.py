"""Commands of the admin site: `python etl_web_admin/manage.py COMMAND`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Run one management command, from whatever folder it is called."""
    # Python puts this file's folder first; from there `catalog` could be imported twice.
    sys.path[:] = [str(HERE.parent), *(p for p in sys.path if Path(p or ".").resolve() != HERE)]
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "etl_web_admin.settings")
    from django.core.management import execute_from_command_line

    from etl_web_admin import console

    console.make_safe()
    execute_from_command_line(sys.argv)
    console.report_loss()


if __name__ == "__main__":
    main()
