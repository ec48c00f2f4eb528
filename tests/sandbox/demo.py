"""`python -m tests.sandbox demo`: nine views, a business day, the increment, the history.

The product is driven as its users drive it, by its own commands in subprocesses.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.installation import HERE, Installation, Python, store_row
from tests.sandbox.dataset.build import DEFAULT_ROWS
from tests.sandbox.dataset.views import VIEWS, ViewSpec
from tests.sandbox.serve import Sandbox, stop_signals
from tests.sandbox.totals import Totals, bigquery_totals, oracle_totals

DATASET = "erp"
STORE = "Sandbox ERP"
LOADED = list(VIEWS.values())
PYTHON = r".venv\Scripts\python" if os.name == "nt" else ".venv/bin/python"
NEXT = f"""What next:
  {PYTHON} -m tests.sandbox demo --serve    the same, with the admin site on it
  README.md, "First real view in ten minutes"    your own Oracle and BigQuery"""


class DemoFailed(RuntimeError):
    """A command of the product did not do what the demo needs."""


def demo(rows: int | None, serve_at: int | None) -> int:
    """Run the whole story and print it; returns 0 when all totals agree.

    `serve_at` is the port of the admin site that stays up afterwards; without it none does.
    """
    if serve_at is not None and (refusal := _refusal(serve_at)):
        print(refusal)
        return 2
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="etl-demo-")))
        print(f"Starting an Oracle and a BigQuery with {rows or DEFAULT_ROWS:,} rows ...")
        sandbox = stack.enter_context(Sandbox(rows or DEFAULT_ROWS))
        try:
            installation = set_up(folder, sandbox)
            agree = _tell(installation, sandbox)
        except DemoFailed as error:
            print(error)
            return 1
        if serve_at is None:
            print(NEXT)
        else:
            _serve(installation, serve_at)
    return 0 if agree else 1


def _refusal(port: int) -> str:
    """Why the site cannot listen there; asked before the minutes that the loads take."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError as error:
        return f"Port {port} cannot be used ({error.strerror}): choose another one with --port."
    return ""


def set_up(folder: Path, sandbox: Sandbox, python: Python = HERE) -> Installation:
    """An installation with one data store and the nine data sources."""
    env = sandbox.env()
    installation = Installation(folder, env, python=python)
    installation.configure(
        [store_row(STORE, env)], source_rows(), {STORE: env["SANDBOX_ORACLE_PASSWORD"]}
    )
    return installation


def _tell(installation: Installation, sandbox: Sandbox) -> bool:
    agree = _load(installation, sandbox, "First load of nine views")
    counts = sandbox.business_day()
    sandbox.let_a_second_pass()
    changed = sum(sum(vars(count).values()) for count in counts.values())
    print(f"\nA business day happens in Oracle: {changed:,} rows change.")
    agree = _load(installation, sandbox, "The increment") and agree
    print("\nHistory, as `python -m etl_oracle_to_bq list` tells it:\n")
    print(_checked(installation.etl("list")).stdout)
    return agree


def _load(installation: Installation, sandbox: Sandbox, title: str) -> bool:
    began = time.monotonic()
    done = _checked(installation.etl("run", "--all", "--json"))
    runs = json.loads(done.stdout)["runs"]
    print(f"\n{title}: {time.monotonic() - began:.1f} s\n")
    totals = compare(sandbox)
    print(report(runs, totals))
    return all(oracle == target for oracle, target in totals.values())


def _checked(done: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    if done.returncode:
        raise DemoFailed(f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def compare(sandbox: Sandbox) -> dict[str, tuple[Totals, Totals]]:
    """Rows and sums of money of every loaded view, in Oracle and in BigQuery."""
    import oracledb
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import bigquery

    client = bigquery.Client(
        project=sandbox.bigquery.project,
        credentials=AnonymousCredentials(),
        client_options={"api_endpoint": sandbox.bigquery.host},
    )
    oracle = oracledb.connect(
        user=sandbox.reader, password=sandbox.reader_password, dsn=sandbox.oracle_dsn
    )
    with contextlib.closing(client), oracle:
        return {
            spec.name: (oracle_totals(oracle, spec), bigquery_totals(client, DATASET, spec))
            for spec in LOADED
        }


def source_rows() -> Iterator[dict[str, object]]:
    """One data source for each view, in the names of the configuration database."""
    for order, spec in enumerate(LOADED, 1):
        yield {"view": f"ERP.{spec.name}", "store": STORE, "load_order": order, **_how(spec)}


def _how(spec: ViewSpec) -> dict[str, object]:
    return {
        "dataset": DATASET,
        "load_mode": spec.load_mode,
        "write_disposition": spec.write_disposition,
        "key_columns": list(spec.keys),
        "incremental_column": spec.incremental,
        "overlap": str(spec.overlap),
        "partition_column": spec.partition,
        "partition_type": spec.partition_type,
        "cluster_columns": list(spec.clusters),
        "date_columns": list(spec.dates),
    }


def report(runs: list[dict[str, object]], totals: dict[str, tuple[Totals, Totals]]) -> str:
    """A table of what was loaded, and of what each side holds now, side by side."""
    loaded = {str(run["view"]).partition(".")[2]: run["rows"]["loaded"] for run in runs}
    head = ("view", "loaded", "Oracle", "BigQuery", "sum of", "in Oracle", "in BigQuery", "agree")
    lines = [head]
    for name, (oracle, target) in totals.items():
        counts = (f"{number:,}" for number in (loaded[name], oracle.rows, target.rows))
        money = VIEWS[name].money[:1]
        sums = (_sum(side) if money else "" for side in (oracle, target))
        verdict = "yes" if oracle == target else "NO"
        lines.append((name, *counts, "".join(money), *sums, verdict))
    return aligned(lines, left={0, 4, 7})


def _sum(side: Totals) -> str:
    """Without BigQuery's zeros at the end, so that equal sums look alike."""
    text = "" if side.sums[0] is None else f"{side.sums[0]:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def aligned(lines: Sequence[Sequence[str]], left: set[int]) -> str:
    """Columns as wide as their widest cell, two blanks apart; those not in `left` end flush."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if number in left else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _serve(installation: Installation, port: int) -> None:
    """The admin site on the loaded data, until Ctrl-C."""
    password = secrets.token_urlsafe(9)
    env = {**installation.env(), "DJANGO_SUPERUSER_PASSWORD": password}
    create = ["createsuperuser", "--noinput", "--username", "demo", "--email", "demo@localhost"]
    subprocess.run(
        installation.manage_command(*create), env=env, check=True, stdout=subprocess.DEVNULL
    )
    serve = installation.manage_command("serve", "--port", str(port))
    with stop_signals() as stopped, subprocess.Popen(serve, env=env) as site:
        print(f"\nUser demo, password {password}. Ctrl-C ends everything.", flush=True)
        # In short waits, because Windows delivers Ctrl-C only between them.
        while not stopped.wait(0.2) and site.poll() is None:
            pass
        site.terminate()
