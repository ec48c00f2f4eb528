"""The command line; the only place that prints, and that turns errors into exit codes."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from types import FrameType
from typing import TYPE_CHECKING, Any

from etl_oracle_to_bq import __version__
from etl_oracle_to_bq import settings as configuration
from etl_oracle_to_bq.errors import ConfigError, EtlError, StageError, Stopped
from etl_oracle_to_bq.model import LoadMode, Request, Window
from etl_web_admin import console

if TYPE_CHECKING:
    from etl_oracle_to_bq.batch import Summary
    from etl_oracle_to_bq.catalog import Catalog
    from etl_oracle_to_bq.extract import OracleSession
    from etl_oracle_to_bq.model import Outcome
    from etl_oracle_to_bq.tools import Tools

# Most slices and most views at once, as in the data source.
MOST = 64


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command found: `data` for --json, `text` for people.

    `changed` is False when the answer is all that the command is for.
    """

    data: Mapping[str, Any]
    text: str
    exit_code: int = 0
    changed: bool = False


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code that README lists."""
    console.make_safe()
    options = _options(sys.argv[1:] if arguments is None else arguments)
    signal.signal(signal.SIGTERM, _stop)
    try:
        answer: Answer = options.command(options)
    except EtlError as error:
        _print_error(error, options.json)
        return error.exit_code
    except KeyboardInterrupt:
        stopped = Stopped("The command was stopped by Ctrl-C or a signal.", code="stopped")
        _print_error(stopped, options.json)
        return stopped.exit_code
    print(_json(answer.data) if options.json else answer.text)
    # A run is recorded, whatever becomes of the words about it.
    if console.report_loss() and not answer.changed:
        return answer.exit_code or StageError.exit_code
    return answer.exit_code


def _stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _json(data: Mapping[str, Any]) -> str:
    """ASCII only: what a console's code page cannot write would not be JSON any more."""
    return json.dumps(data)


def _print_error(error: EtlError, as_json: bool) -> None:
    if as_json:
        print(_json({"error": _error_data(error)}))
        return
    print(f"{error.code}: {error}\n{error.action}", file=sys.stderr)


def _error_data(error: EtlError) -> dict[str, str]:
    return {
        "code": error.code,
        "message": str(error),
        "action": error.action,
        "step": error.step,
    }


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = _parser()
    try:
        return parser.parse_args([console.typed(argument) for argument in arguments])
    except UnicodeError as error:
        parser.error(f"an argument is not text: {error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m etl_oracle_to_bq",
        description="Loads Oracle views into BigQuery, as the configuration database says.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_run(commands)
    _add_plan(commands)
    _add(commands, "list", _list, "sources, last run, watermark, freshness")
    watermark = _add(commands, "watermark", _watermark, "show, set, keep or reset a watermark")
    watermark.add_argument("view", metavar="VIEW")
    change = watermark.add_mutually_exclusive_group()
    change.add_argument("--set", type=_moment, metavar="TIME", help="begin there next time")
    change.add_argument("--keep", action="store_true", help="it holds for the changed source too")
    change.add_argument("--reset", action="store_true", help="the next run is a first load")
    _add_store_commands(commands)
    _add(commands, "transforms", _transforms, "the transforms that sources may name")
    return parser


def _add(
    commands: Any, name: str, command: Callable[[argparse.Namespace], Answer], help_text: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=help_text)
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.set_defaults(command=command)
    return parser


def _add_views(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("views", nargs="*", metavar="VIEW", help="OWNER.VIEW, or VIEW")
    parser.add_argument("--all", action="store_true", help="every active source, in load order")
    parser.add_argument("--full", action="store_true", help="reload from the first load date")
    parser.add_argument(
        "--from", dest="lower", type=_moment, metavar="D", help="backfill from here"
    )
    parser.add_argument("--to", dest="upper", type=_moment, metavar="D", help="… to before here")
    parser.add_argument(
        "--mode", choices=[mode.value for mode in LoadMode], help="instead of the source's"
    )


def _add_run(commands: Any) -> None:
    parser = _add(commands, "run", _run, "load views")
    _add_views(parser)
    parser.add_argument(
        "--slices", type=_count, metavar="N", help="read each view over N connections at once"
    )
    parser.add_argument(
        "--parallel", type=_count, default=1, metavar="N", help="load N views at once"
    )


def _add_plan(commands: Any) -> None:
    _add_views(_add(commands, "plan", _plan, "what a run would do now; changes nothing"))


def _add_store_commands(commands: Any) -> None:
    check = _add(commands, "store-check", _store_check, "connect to a data store")
    views = _add(commands, "store-views", _store_views, "the views that a data store can see")
    columns = _add(commands, "store-columns", _store_columns, "a view's columns, with advice")
    keys = _add(commands, "store-keys", _store_keys, "are these columns unique together?")
    for parser in (check, views, columns, keys):
        parser.add_argument("store", metavar="STORE")
    views.add_argument("--like", default="", metavar="TEXT", help="only names that contain TEXT")
    for parser in (columns, keys):
        parser.add_argument("view", metavar="OWNER.VIEW")
    keys.add_argument("--columns", required=True, metavar="A,B")


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MOST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {MOST}")
    return int(text)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a date: write 2026-01-31 or 2026-01-31T18:00:00"
        ) from None
    if moment.tzinfo:
        raise argparse.ArgumentTypeError(
            f"{text!r} has a zone: write it in the incremental column's own clock, without one"
        )
    return moment


def _request(options: argparse.Namespace) -> Request:
    if bool(options.views) == options.all:
        raise ConfigError("Name the views, or say --all.", code="invalid-request")
    if options.full and (options.lower or options.upper):
        raise ConfigError("--full and --from/--to exclude each other.", code="invalid-request")
    if bool(options.lower) != bool(options.upper):
        raise ConfigError("--from and --to belong together.", code="invalid-request")
    if options.lower and options.lower >= options.upper:
        raise ConfigError("--from must be before --to.", code="invalid-request")
    mode = LoadMode(options.mode) if options.mode else None
    wanted = getattr(options, "slices", None)
    return Request(options.full, options.lower, options.upper, mode, wanted)


# Each command below imports what it needs when it runs, so that --help and configuration
# errors answer without Oracle's, BigQuery's or Arrow's libraries.


def _run(options: argparse.Namespace) -> Answer:
    request = _request(options)
    from etl_oracle_to_bq import batch

    with _tools() as tools, _recorded(tools.catalog):
        sources = tools.catalog.sources(options.views)
        summary = batch.run_views(tools, sources, request, options.parallel)
    outcomes = [_outcome(outcome) for outcome in summary.outcomes]
    data = {"runs": outcomes, "mail": summary.mail, "exit_code": summary.exit_code}
    return Answer(data, _run_text(summary), summary.exit_code, changed=True)


def _plan(options: argparse.Namespace) -> Answer:
    request = _request(options)
    from etl_oracle_to_bq import explain

    plans: list[Mapping[str, Any]] = []
    first_error: EtlError | None = None
    with _tools() as tools:
        for source in tools.catalog.sources(options.views):
            try:
                plans.append(explain.as_dict(tools, source, request))
            except EtlError as error:
                first_error = first_error or error
                plans.append({"view": source.view, "error": explain.error_dict(error)})
    text = "\n\n".join(explain.as_text(plan) for plan in plans)
    return Answer({"plans": plans}, text, first_error.exit_code if first_error else 0)


def _list(options: argparse.Namespace) -> Answer:
    from etl_oracle_to_bq import listing

    with _catalog() as catalog:
        rows = listing.rows(catalog, datetime.now(UTC))
    return Answer({"sources": rows}, listing.as_text(rows))


def _watermark(options: argparse.Namespace) -> Answer:
    with _catalog() as catalog:
        (source,) = catalog.sources([options.view])
        mark = source.watermark.value if source.watermark else None
        changed = bool(options.set or options.keep or options.reset)
        if changed:
            # A watermark belongs to its project, so one that is kept without any is nobody's.
            configuration.require_project(configuration.load())
            if options.keep and mark is None:
                raise ConfigError(f"{source.view} has no watermark to keep.", code="no-watermark")
            mark = None if options.reset else options.set or mark
            catalog.set_watermark(source, mark)
    value = mark.isoformat() if mark else None
    data = {"view": source.view, "watermark": value}
    return Answer(data, f"{source.view}: {value or 'none'}", changed=changed)


def _store_check(options: argparse.Namespace) -> Answer:
    with _session(options.store) as session:
        found = session.identity()
    data = {
        "version": found.version,
        "user": found.user,
        "time_zone": found.time_zone,
        "round_trip_ms": round(found.round_trip_ms, 2),
        "warnings": list(found.warnings),
    }
    return Answer(data, "\n".join(f"{name}: {value}" for name, value in data.items()))


def _store_views(options: argparse.Namespace) -> Answer:
    with _session(options.store) as session:
        views = [{"owner": owner, "name": name} for owner, name in session.views(options.like)]
    return Answer({"views": views}, "\n".join(f"{v['owner']}.{v['name']}" for v in views))


def _store_columns(options: argparse.Namespace) -> Answer:
    from etl_oracle_to_bq import advice

    with _session(options.store) as session:
        columns = advice.columns(session.describe(options.view))
    return Answer({"columns": columns}, "\n".join(advice.as_text(column) for column in columns))


def _store_keys(options: argparse.Namespace) -> Answer:
    names = tuple(name.strip() for name in options.columns.split(",") if name.strip())
    with _session(options.store) as session:
        found = session.key_check(session.describe(options.view), names)
    data = {
        "rows": found.rows,
        "distinct": found.distinct,
        "nulls": found.nulls,
        "unique": found.unique,
    }
    return Answer(data, "\n".join(f"{name}: {value}" for name, value in data.items()))


def _transforms(options: argparse.Namespace) -> Answer:
    from etl_oracle_to_bq import stage

    module = configuration.load().transforms_module
    registered = stage.load_transforms(module) if module else {}
    found = [
        {"name": name, "doc": (function.__doc__ or "").strip().partition("\n")[0]}
        for name, function in sorted(registered.items())
    ]
    return Answer(
        {"transforms": found}, "\n".join(f"{each['name']}: {each['doc']}" for each in found)
    )


@contextmanager
def _catalog() -> Iterator[Catalog]:
    from etl_oracle_to_bq import tools

    with tools.open_catalog(configuration.load()) as catalog:
        yield catalog


@contextmanager
def _recorded(catalog: Catalog) -> Iterator[None]:
    """What stops a run command before any view's run can record it becomes a log error."""
    try:
        yield
    except EtlError as error:
        error.step = error.step or "config"
        catalog.record_error(error, "")
        raise


@contextmanager
def _session(store: str) -> Iterator[OracleSession]:
    from etl_oracle_to_bq import extract, tools

    settings = configuration.load()
    with (
        tools.open_catalog(settings) as catalog,
        extract.connect(catalog.store(store), tools.limits(settings)) as session,
    ):
        yield session


@contextmanager
def _tools() -> Iterator[Tools]:
    from etl_oracle_to_bq import tools
    from etl_oracle_to_bq.progress import ProgressLine

    settings = configuration.load()
    with ExitStack() as stack:
        catalog = stack.enter_context(tools.open_catalog(settings))
        progress = stack.enter_context(ProgressLine())
        with _recorded(catalog):
            opened = stack.enter_context(tools.open_tools(settings, catalog, progress))
        yield opened


def _outcome(outcome: Outcome) -> dict[str, Any]:
    counts, error = outcome.counts, outcome.error
    return {
        "view": outcome.view,
        "run_id": outcome.run_id,
        "status": str(outcome.status),
        "load_type": outcome.load_type,
        "window": _window(outcome.window),
        "rows": {
            "extracted": counts.extracted,
            "staged": counts.staged,
            "loaded": counts.loaded,
            "inserted": counts.inserted,
            "updated": counts.updated,
            "deleted": counts.deleted,
        },
        "slices": outcome.slices,
        "staged_bytes": counts.staged_bytes,
        "bytes_billed": counts.bytes_billed,
        "seconds": {step: round(spent, 3) for step, spent in outcome.seconds.items()},
        "watermark": outcome.watermark.isoformat() if outcome.watermark else None,
        "warnings": outcome.warnings,
        "error": _error_data(error) if error else None,
    }


def _window(window: Window | None) -> dict[str, str | None] | None:
    if window is None:
        return None
    lower, upper = window.lower, window.upper
    return {
        "column": window.column,
        "lower": lower.isoformat() if lower else None,
        "upper": upper.isoformat() if upper else None,
    }


def _rows_taken(outcome: Outcome) -> str:
    """The load type, and for one run of several what it took."""
    if outcome.piece is None or outcome.window is None:
        return outcome.load_type
    lower, upper = outcome.window.lower or "the beginning", outcome.window.upper or "the end"
    return f"{outcome.load_type}, {lower} to before {upper}"


def _run_text(summary: Summary) -> str:
    lines = []
    for outcome in summary.outcomes:
        spent = sum(outcome.seconds.values())
        if outcome.error:
            ended = "STOPPED" if isinstance(outcome.error, Stopped) else "FAILED"
            lines.append(f"{outcome.view}: {ended} at step {outcome.error.step or 'start'}")
            lines.append(f"    {outcome.error.code}: {outcome.error}")
            lines.append(f"    {outcome.error.action}")
        else:
            lines.append(
                f"{outcome.view}: {outcome.status}, {outcome.counts.loaded:,} rows "
                f"({_rows_taken(outcome)}) in {spent:.1f} s"
            )
        lines += [f"    warning: {warning}" for warning in outcome.warnings]
    if summary.stopped:
        lines.append("The command was stopped; views that are not listed were not begun.")
    if summary.mail:
        lines.append(f"Nobody was mailed: {summary.mail}")
    return "\n".join(lines)
