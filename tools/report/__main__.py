"""Reads the log lines of deletion requests, and prints a report or writes it to a file."""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import boto3
from botocore.config import Config
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from tools.command import client
from tools.deployment import Deployment, read_deployment
from tools.program import ToolError, one_line_errors
from tools.report.files import write_csv, write_json
from tools.report.html import write_html
from tools.report.ledger import Ledger, RequestRecord
from tools.report.log_lines import read_log_lines
from tools.report.scope import Scope, parse_scope, utc
from tools.report.summary import Summary, facts_of, read_queues, summarize
from tools.report.terminal import MAX_SHOWN, print_report, print_summary

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

# FilterLogEvents is limited to a few calls a second for the whole account
_PATIENT = Config(retries={"mode": "adaptive", "max_attempts": 10})
Write = Callable[[TextIO, Summary, Iterable[RequestRecord]], None]
FORMATS: dict[str, Write] = {".csv": write_csv, ".json": write_json, ".html": write_html}


def main(arguments: list[str] | None = None) -> int:
    """Make a report."""
    parser = _parser()
    options = parser.parse_args(arguments)
    with one_line_errors(parser.prog), tempfile.TemporaryDirectory(prefix="report-") as folder:
        now, console, write = datetime.now(UTC), Console(highlight=False, emoji=False), _format_of(options.out)
        scope = parse_scope(
            start=options.start,
            end=options.end,
            media_id=options.media,
            bucket=options.bucket,
            key=options.key,
            now=now,
        )
        deployment = None if options.log_group else read_deployment(client("cloudformation"), options.stack)
        group = options.log_group or _log_group(deployment)
        ledger = Ledger(Path(folder) / "ledger.sqlite")
        try:
            _read(console, ledger, boto3.client("logs", config=_PATIENT), group, scope)
            queues = read_queues(client("sqs"), deployment) if deployment else []
            summary = summarize(ledger, facts_of(scope, group, deployment, now), deployment, queues)
            _show(console, ledger, summary, options.out, write)
        finally:
            ledger.close()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make report", description=__doc__)
    parser.add_argument("--stack", default="", help="the stack's name")
    parser.add_argument("--log-group", default="", help="instead of a stack that was deleted: its log group")
    parser.add_argument("--from", dest="start", default="", help="first day or time, in UTC (default: all log lines)")
    parser.add_argument("--to", dest="end", default="", help="last day, or time, in UTC (default: now)")
    parser.add_argument("--media", default="", help="a Media-ID")
    parser.add_argument("--bucket", default="", help="the bucket of an object")
    parser.add_argument("--key", default="", help="the key of an object")
    parser.add_argument("--out", default="", help="a file: .csv, .json or .html")
    return parser


def _format_of(out: str) -> Write | None:
    if not out:
        return None
    if Path(out).suffix not in FORMATS:
        raise ToolError(f"OUT={out} has no known format: end it with {', '.join(FORMATS)}")
    return FORMATS[Path(out).suffix]


def _log_group(deployment: Deployment | None) -> str:
    if deployment is None or "DeleteMediaLogGroupName" not in deployment.outputs:
        raise ToolError("the stack has no output DeleteMediaLogGroupName; name the log group by LOG_GROUP=…")
    return deployment.outputs["DeleteMediaLogGroupName"]


def _read(console: Console, ledger: Ledger, logs: "CloudWatchLogsClient", group: str, scope: Scope) -> None:
    """Read all log lines, with progress, and combine them to requests."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("reading the log")
        for lines in read_log_lines(logs, group, scope):
            ledger.add(lines)
            if lines:
                until = utc(max(line.time_ms for line in lines))
                progress.update(task, description=f"reading the log: {ledger.lines:,} lines, until {until}")
        progress.update(task, description=f"combining {ledger.lines:,} lines")
        ledger.combine()


def _show(console: Console, ledger: Ledger, summary: Summary, out: str, write: Write | None) -> None:
    if write is None:
        print_report(console, summary, ledger.requests(newest=MAX_SHOWN))
        return
    partial = Path(f"{out}.partial")
    with partial.open("w", encoding="utf-8", newline="") as file:
        write(file, summary, ledger.requests())
    partial.replace(out)
    print_summary(console, summary)
    console.print(f"{out}: {summary.requests:,} requests", markup=False)


if __name__ == "__main__":
    sys.exit(main())
