"""`plan`: what a run would do now, without doing it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from etl_oracle_to_bq import plan as planning
from etl_oracle_to_bq import run
from etl_oracle_to_bq.errors import EtlError, SchemaMismatch
from etl_oracle_to_bq.model import Request, Source
from etl_oracle_to_bq.tools import Tools


def as_dict(tools: Tools, source: Source, request: Request) -> dict[str, Any]:
    """The plan as JSON-able data; raises what the run itself would raise before it moves a row."""
    return planning.as_dict(run.explain(tools, source, request))


def error_dict(error: EtlError) -> dict[str, Any]:
    """What stops the plan, with every difference at once."""
    differences = list(error.differences) if isinstance(error, SchemaMismatch) else []
    return {
        "code": error.code,
        "message": str(error),
        "action": error.action,
        "step": error.step or "plan",
        "differences": differences,
    }


def as_text(plan: Mapping[str, Any]) -> str:
    """The same for people."""
    if "error" in plan:
        error = plan["error"]
        lines = [f"{plan['view']}: {error['code']}: {error['message']}", f"  {error['action']}"]
        return "\n".join(lines + [f"  - {difference}" for difference in error["differences"]])
    return "\n".join((*_decisions(plan), *_columns(plan), *_query(plan), *_warnings(plan)))


def _decisions(plan: Mapping[str, Any]) -> list[str]:
    window, target = plan["window"], plan["target"]
    span = (
        "all rows"
        if window is None
        else (
            f"{window['column']} from {window['lower'] or 'the beginning'} "
            f"to before {window['upper'] or 'the end'} ({window['clock']})"
        )
    )
    partition = "not partitioned"
    if target["partition_column"]:
        partition = f"by {target['partition_type']} of {target['partition_column']}"
    return [
        f"{plan['view']} → {target['dataset']}.{target['name']}"
        + (" (will be created)" if plan["creates_target"] else ""),
        f"  load         {plan['load_type']}, {plan['load_mode']} mode, "
        f"{plan['disposition']} by {plan['commit']}",
        f"  window       {span}",
        f"  rows         {plan['expected_rows']:,} in the window now",
        f"  watermark    {plan['watermark'] or 'stays'} after commit",
        f"  partitions   {partition}, clustered by {', '.join(target['cluster_columns']) or 'nothing'}",
        f"  adds         {', '.join(field['name'] for field in plan['additions']) or 'no columns'}",
    ]


def _columns(plan: Mapping[str, Any]) -> list[str]:
    columns = [
        (c["source"], c["oracle_type"], c["name"], c["type"], c["note"]) for c in plan["columns"]
    ]
    widths = [max(len(line[place]) for line in columns) for place in range(4)]
    return ["  columns"] + [
        "    "
        + "  ".join(text.ljust(width) for text, width in zip(line[:4], widths, strict=True))
        + (f"  {line[4]}" if line[4] else "")
        for line in columns
    ]


def _query(plan: Mapping[str, Any]) -> list[str]:
    binds = [
        f"    :{name} = {bind['value']} ({bind['type']})" for name, bind in plan["binds"].items()
    ]
    return ["  SQL", *(f"    {line}" for line in plan["sql"].splitlines()), *binds]


def _warnings(plan: Mapping[str, Any]) -> list[str]:
    return [f"  warning: {warning}" for warning in plan["warnings"]]
