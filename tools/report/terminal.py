"""Prints a report on the terminal: the summary, and the newest requests as a table."""

from collections.abc import Iterable

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tools.report.ledger import RequestRecord
from tools.report.scope import utc
from tools.report.summary import LIMITS, OUTCOMES, Summary, duration

MAX_SHOWN = 100
_COLUMNS = {  # with their widths; the others share what is left
    "Requested": 10,
    "Media file": 36,
    "Object": None,
    "By": None,
    "Outcome": 15,
    "Confirmed": 10,
    "Code": 4,
}
_STYLES = {
    "deleted": "green",
    "already_gone": "green",
    "rejected": "bold red",
    "unavailable": "yellow",
    "skipped": "dim",
}


def print_report(console: Console, summary: Summary, newest: Iterable[RequestRecord]) -> None:
    """Print a report; `newest` are at most MAX_SHOWN requests."""
    console.print(_requests(newest))
    if summary.requests > MAX_SHOWN:
        console.print(f"The newest {MAX_SHOWN} of {summary.requests:,} requests; OUT=report.html has all of them.")
    print_summary(console, summary)
    for limit in LIMITS:
        console.print(f"• {limit}", style="dim", markup=False)


def print_summary(console: Console, summary: Summary) -> None:
    """Print the totals, lags, failures, and what is still open."""
    table = Table(title="Summary", show_header=False)
    for name, value in summary.facts:
        table.add_row(name, escape(value))
    table.add_section()
    table.add_row("result", summary.verdict)
    for outcome in OUTCOMES:
        table.add_row(f"[{_STYLES[outcome]}]{outcome}[/]", f"{summary.outcomes[outcome]:,}")
    for name, lag_ms in summary.lags_ms.items():
        table.add_row(f"confirmed within, {name}", duration(lag_ms))
    if summary.slower is not None:
        table.add_row(f"slower than {duration(1000 * (summary.objective_s or 0))}", f"{summary.slower:,}")
    for title, counts in (("failures", summary.failures), ("still open", summary.open_requests)):
        text = ", ".join(f"{escape(reason)} {count:,}" for reason, count in counts.items())
        table.add_row(title, text or "none")
    table.add_section()
    for queue in summary.queues:
        counts_of_queue = f"{queue.visible:,} waiting, {queue.in_flight:,} in progress, {queue.delayed:,} delayed"
        table.add_row(queue.name, counts_of_queue)
    console.print(table)


def _requests(records: Iterable[RequestRecord]) -> Table:
    table = Table(title="Deletion requests (times in UTC)")
    for title, width in _COLUMNS.items():
        table.add_column(title, overflow="fold", width=width)
    for record in records:
        line = record.line
        by = ", ".join(part for part in (line.requested_by or line.requester, line.deletion_reason) if part)
        code = "" if line.provider_code is None else str(line.provider_code)
        outcome = f"[{_STYLES.get(line.outcome, 'default')}]{_shown(line.outcome)}[/]"
        table.add_row(
            utc(record.requested_ms),
            _lines(line.media_id, line.business_phone),
            _lines(line.object_key, line.bucket),
            _shown(by),
            _lines(None, line.reason, first_markup=outcome),
            "" if record.confirmed_ms is None else utc(record.confirmed_ms),
            code,
        )
    return table


def _lines(*texts: str | None, first_markup: str | None = None) -> str:
    """Texts below each other."""
    return "\n".join(filter(None, [first_markup, *(_shown(text) for text in texts if text)]))


def _shown(text: str) -> str:
    """Text as markup, without the control characters that a terminal would obey."""
    return escape("".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text))
