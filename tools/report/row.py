"""One row of a report: what every format shows about a request."""

from datetime import UTC, datetime

from tools.report.ledger import RequestRecord

COLUMNS = (
    "requested_at",
    "media_id",
    "business_phone",
    "bucket",
    "object_key",
    "version_id",
    "requester",
    "deletion_reason",
    "requested_by",
    "trigger",
    "outcome",
    "reason",
    "confirmed_at",
    "provider_code",
    "provider_message",
    "lag_ms",
    "attempts",
    "message_id",
    "last_logged_at",
)
Row = dict[str, str | int | None]


def row(record: RequestRecord) -> Row:
    """Return the values of a request, by their columns."""
    line = record.line
    values: Row = {name: getattr(line, name) for name in COLUMNS if hasattr(line, name)}
    values |= {
        "requested_at": iso(record.requested_ms),
        "confirmed_at": None if record.confirmed_ms is None else iso(record.confirmed_ms),
        "last_logged_at": iso(line.time_ms),
        "attempts": line.attempt,
        "message_id": line.source_id if line.trigger == "sqs" else None,
    }
    return {name: values[name] for name in COLUMNS}


def iso(unix_ms: int) -> str:
    """A time by ISO 8601, in UTC."""
    return datetime.fromtimestamp(unix_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
