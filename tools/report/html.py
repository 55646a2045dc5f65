"""Writes a report as one HTML file that needs nothing else, and prints on A4 paper."""

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path
from typing import TextIO

from tools.report.ledger import RequestRecord
from tools.report.scope import utc
from tools.report.summary import LIMITS, OUTCOMES, Summary, duration, words

_STYLE = Path(__file__).with_name("report.css")
_COLUMNS = (  # titles, and widths in percent
    ("Requested (UTC)", 8),
    ("Media file", 21),
    ("Object", 24),
    ("By", 15),
    ("Outcome", 13),
    ("Confirmed (UTC)", 8),
)
_NUMBERS = (("Code", 5), ("Lag", 6))


def write_html(file: TextIO, summary: Summary, requests: Iterable[RequestRecord]) -> None:
    """Write the report, request by request."""
    file.writelines(_parts(summary, requests))


def _parts(summary: Summary, requests: Iterable[RequestRecord]) -> Iterator[str]:
    yield '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Deletion report</title>'
    yield f'<meta name="viewport" content="width=device-width"><style>\n{_STYLE.read_text()}</style></head>\n<body>\n'
    yield "<h1>Deletion of WhatsApp media files</h1>"
    yield '<p class="lead">What was requested, by whom, when, and with which outcome, from the log lines.</p>'
    yield f'<p class="verdict">{escape(summary.verdict)}</p>\n'
    yield from _facts(summary)
    yield from _totals(summary)
    yield '<div class="pair">'
    yield from _lag(summary)
    yield from _failures(summary)
    yield "</div>\n"
    yield from _open(summary)
    yield "<h2>Limits of this proof</h2><ul>" + "".join(f"<li>{escape(limit)}</li>" for limit in LIMITS) + "</ul>\n"
    yield f'<h2 class="requests">Requests ({summary.requests:,})</h2>\n'
    yield from _requests(requests) if summary.requests else ["<p>There is no request in this scope.</p>\n"]
    yield "</body></html>\n"


def _requests(requests: Iterable[RequestRecord]) -> Iterator[str]:
    widths = "".join(f'<col style="width:{width}%">' for _, width in (*_COLUMNS, *_NUMBERS))
    titles = "".join(f"<th>{title}</th>" for title, _ in _COLUMNS)
    titles += "".join(f'<th class="number">{title}</th>' for title, _ in _NUMBERS)
    yield f'<table class="requests"><colgroup>{widths}</colgroup><thead><tr>{titles}</tr></thead><tbody>\n'
    yield from map(_request, requests)
    yield "</tbody></table>\n"


def _facts(summary: Summary) -> Iterator[str]:
    yield "<dl>"
    for name, value in (*summary.facts, ("Log lines read", f"{summary.lines:,}")):
        yield f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>"
    yield "</dl>\n"


def _totals(summary: Summary) -> Iterator[str]:
    yield '<h2>Totals</h2><div class="totals">'
    for outcome, meaning in OUTCOMES.items():
        yield f'<div class="total {outcome}"><b>{summary.outcomes[outcome]:,}</b><span>{words(outcome)}</span>'
        yield f"<small>{escape(meaning)}</small></div>"
    yield "</div>\n"


def _lag(summary: Summary) -> Iterator[str]:
    yield "<section><h2>Time from request to confirmation</h2>"
    if not summary.lags_ms:
        yield "<p>There is no confirmed deletion.</p></section>"
        return
    yield _table(
        ("Deletions", "Confirmed within"), [(name, duration(lag_ms)) for name, lag_ms in summary.lags_ms.items()]
    )
    if summary.objective_s is not None:
        objective = duration(summary.objective_s * 1000)
        yield f"<p>{summary.slower or 0:,} took longer than {objective}: the objective, and UndoSeconds.</p>"
    yield "</section>"


def _failures(summary: Summary) -> Iterator[str]:
    yield "<section><h2>Failures</h2>"
    if summary.failures:
        yield _table(("Reason", "Requests"), [(reason, f"{count:,}") for reason, count in summary.failures.items()])
    else:
        yield "<p>None: no request was rejected.</p>"
    yield "</section>"


def _open(summary: Summary) -> Iterator[str]:
    yield "<h2>Still open</h2>"
    if summary.open_requests:
        yield "<p>These requests are not done. They are repeated for at least 24 hours.</p>"
        counts = summary.open_requests.items()
        yield _table(("Last reason", "Requests"), [(reason, f"{count:,}") for reason, count in counts])
    else:
        yield "<p>No request of this report is open.</p>"
    if summary.queues:
        yield "<p>All requests of the stack, at the time of this report (SQS counts approximately):</p>"
        rows = [
            (queue.holds, f"{queue.visible:,}", f"{queue.in_flight:,}", f"{queue.delayed:,}")
            for queue in summary.queues
        ]
        yield _table(("Queue", "Waiting", "In progress or to be repeated", "Delayed"), rows)
    else:
        yield "<p>The queues were not read, because no stack was named.</p>\n"


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose first column has names, and the others numbers."""
    head = _cells("th", titles)
    body = "".join(f"<tr>{_cells('td', cells)}</tr>" for cells in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>\n"


def _cells(tag: str, texts: Sequence[str]) -> str:
    first, *numbers = map(escape, texts)
    return f"<{tag}>{first}</{tag}>" + "".join(f'<{tag} class="number">{number}</{tag}>' for number in numbers)


def _request(record: RequestRecord) -> str:
    line, outcome = record.line, escape(record.line.outcome)
    confirmed = "" if record.confirmed_ms is None else utc(record.confirmed_ms)
    attempts = f"attempt {line.attempt}" if line.attempt > 1 else None
    cells = (
        f'<td class="time">{utc(record.requested_ms).replace(" ", "<br>")}</td>',
        f"<td>{_text(line.media_id, line.business_phone)}</td>",
        f"<td>{_text(line.object_key, line.bucket, line.version_id and f'version {line.version_id}')}</td>",
        f"<td>{_text(line.requested_by or line.requester, line.deletion_reason)}</td>",
        f'<td><span class="tag {outcome}">{words(outcome)}</span>{_text(None, line.reason, attempts)}</td>',
        f'<td class="time">{confirmed.replace(" ", "<br>")}</td>',
        f'<td class="number">{"" if line.provider_code is None else line.provider_code}</td>',
        f'<td class="number">{"" if line.lag_ms is None else duration(line.lag_ms)}</td>',
    )
    return f"<tr>{''.join(cells)}</tr>\n"


def _text(first: str | None, *further: str | None) -> str:
    """A value, and further ones below it in small type."""
    below = "".join(f'<span class="sub">{escape(value)}</span>' for value in further if value)
    return (escape(first) if first else "") + below
