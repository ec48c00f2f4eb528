"""`python -m tests.sandbox`: serve the sandbox, or talk to one that runs."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.sandbox.control import ControlFailed, call
from tests.sandbox.envfile import EnvFileInUse, read_env_file


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 1 when it failed, 2 for a wrong command line."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # What the code page of a console lacks is written as an escape.
            stream.reconfigure(errors="backslashreplace")
    options = _parser().parse_args(arguments)
    if options.command == "serve":
        return _serve(options)
    if options.command == "demo":
        from tests.sandbox.demo import demo

        return demo(options.rows, options.port if options.serve else None)
    return _control(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.sandbox", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    _serve_options(commands.add_parser("serve", help="start both servers until Ctrl-C"))
    demo = commands.add_parser("demo", help="load nine views, let a day pass, load the rest")
    demo.add_argument("--serve", action="store_true", help="keep everything up afterwards")
    demo.add_argument(
        "--port", type=int, default=8000, help="port of the admin site (default: 8000)"
    )
    demo.add_argument("--rows", type=_count, help="rows of the nine views together")
    for name, told in (("fault", "break something"), ("day", "let a business day happen")):
        _control_options(commands.add_parser(name, help=told), name)
    late = commands.add_parser("late-commit", help="stamp rows now, commit them later")
    late.add_argument("step", choices=("begin", "finish"))
    _control_options(late, "late-commit")
    _control_options(commands.add_parser("scn", help="print the current SCN"), "scn")
    return parser


def _serve_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--env-file", type=Path, help="write where to connect to, as a .env")
    parser.add_argument("--rows", type=_count, help="rows of the nine views together")
    parser.add_argument("--port", type=int, default=0, help="Oracle port (default: a free one)")
    parser.add_argument("--tables", type=_folder, help="Parquet files to serve as ERP tables")
    parser.add_argument("--data-dir", type=Path, help="keep the BigQuery side's data here")
    parser.add_argument("--seed", type=int, help="another seed gives another ERP")
    parser.add_argument(
        "--odd-dates", action="store_true", help="add dates before Christ and nanoseconds"
    )


def _control_options(parser: argparse.ArgumentParser, name: str) -> None:
    parser.add_argument(
        "--env-file", type=Path, help="the file that serve wrote (else SANDBOX_CONTROL is read)"
    )
    if name == "fault":
        parser.add_argument("name", help="a fault of oracle/faults.py, 'clear' or 'list'")
        parser.add_argument("arguments", nargs="*", metavar="key=value")
    if name == "day":
        parser.add_argument("--deletes", action="store_true", help="delete some rows, too")
        parser.add_argument("--date", help="date of the documents, YYYY-MM-DD (default: today)")


def _count(text: str) -> int:
    value = int(text.replace("_", ""))
    if value < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return value


def _folder(text: str) -> Path:
    path = Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"no such folder: {text}")
    return path


def _serve(options: argparse.Namespace) -> int:
    from tests.sandbox.bigquery.launcher import EmulatorFailed
    from tests.sandbox.dataset.build import DEFAULT_ROWS, DEFAULT_SEED
    from tests.sandbox.serve import Sandbox, serve

    sandbox = Sandbox(
        rows=options.rows or DEFAULT_ROWS,
        seed=DEFAULT_SEED if options.seed is None else options.seed,
        port=options.port,
        odd_dates=options.odd_dates,
        data_dir=options.data_dir,
        tables_dir=options.tables,
    )
    try:
        serve(sandbox, options.env_file)
    except (EnvFileInUse, EmulatorFailed, OSError, ValueError) as error:
        print(f"cannot serve: {error}", file=sys.stderr)
        return 1
    return 0


def _control(options: argparse.Namespace) -> int:
    url = _control_url(options.env_file)
    if url is None:
        print("which sandbox? give --env-file, or set SANDBOX_CONTROL", file=sys.stderr)
        return 2
    try:
        answer = call(url, *_request(options))
    except ControlFailed as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(answer, indent=2))
    return 0


def _control_url(env_file: Path | None) -> str | None:
    if env_file is None:
        return os.environ.get("SANDBOX_CONTROL")
    return read_env_file(env_file).get("SANDBOX_CONTROL")


def _request(options: argparse.Namespace) -> tuple[str, dict[str, object]]:
    if options.command == "day":
        return "day", {"deletes": options.deletes, "day": options.date}
    if options.command == "late-commit":
        return "late-commit", {"step": options.step}
    if options.command == "scn":
        return "scn", {}
    if options.name == "clear":
        return "clear", {}
    if options.name == "list":
        return "faults", {}
    pairs = (argument.partition("=") for argument in options.arguments)
    return "fault", {"name": options.name} | {key: _value(text) for key, _, text in pairs}


def _value(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


if __name__ == "__main__":
    raise SystemExit(main())
