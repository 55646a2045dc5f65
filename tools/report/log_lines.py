"""Reads the log lines of deletion requests from CloudWatch Logs."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from tools.program import ToolError
from tools.report.scope import Scope

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

MESSAGE = "media_deletion"


@dataclass(frozen=True, slots=True)
class LogLine:
    """A log line of a deletion request; `source_id` is the message's id or, without a queue, the invocation's."""

    time_ms: int
    source_id: str
    trigger: str
    attempt: int
    outcome: str
    reason: str | None
    media_id: str | None
    business_phone: str | None
    bucket: str | None
    object_key: str | None
    version_id: str | None
    requester: str | None
    deletion_reason: str | None
    requested_by: str | None
    provider_code: int | None
    provider_message: str | None
    lag_ms: int | None


def read_log_lines(logs: "CloudWatchLogsClient", group: str, scope: Scope) -> Iterator[list[LogLine]]:
    """Yield the lines of a scope, a page at a time. Raises ToolError where there is no log group."""
    period = {"endTime": scope.end_ms - 1} | ({} if scope.start_ms is None else {"startTime": scope.start_ms})
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=group,
        filterPattern=scope.filter_pattern,
        **period,  # type: ignore[arg-type]  # two whole numbers
    )
    try:
        for page in pages:
            texts = [text for event in page["events"] for text in event.get("message", "").splitlines()]
            lines = [line for line in map(parse_line, texts) if line]
            yield [line for line in lines if scope.includes(line.media_id, line.bucket, line.object_key)]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            raise ToolError(f"there is no log group {group}; pass LOG_GROUP=…") from None
        raise


def parse_line(text: str) -> LogLine | None:
    """Parse a line; None for any that is not about a deletion request."""
    try:
        fields = json.loads(text)
        if not isinstance(fields, dict) or fields.get("message") != MESSAGE:
            return None
        time = datetime.fromisoformat(str(fields.get("timestamp"))).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return LogLine(
        time_ms=round(time.timestamp() * 1000),
        source_id=_text(fields, "message_id") or _text(fields, "function_request_id") or "",
        trigger=_text(fields, "trigger") or "",
        attempt=_number(fields, "attempt") or 1,
        outcome=_text(fields, "outcome") or "",
        reason=_text(fields, "reason"),
        media_id=_text(fields, "media_id"),
        business_phone=_text(fields, "business_phone"),
        bucket=_text(fields, "bucket"),
        object_key=_text(fields, "object_key"),
        version_id=_text(fields, "version_id"),
        requester=_text(fields, "requester"),
        deletion_reason=_text(fields, "deletion_reason"),
        requested_by=_text(fields, "requested_by"),
        provider_code=_number(fields, "provider_code"),
        provider_message=_text(fields, "provider_message"),
        lag_ms=_number(fields, "lag_ms"),
    )


def _text(fields: dict[str, Any], name: str) -> str | None:
    """A text field; a lone surrogate, which neither a file nor the database can hold, becomes a question mark."""
    value = fields.get(name)
    return None if value is None else str(value).encode(errors="replace").decode()


def _number(fields: dict[str, Any], name: str) -> int | None:
    """A whole number that the database can hold; None for any other value."""
    value = fields.get(name)
    return value if type(value) is int and abs(value) < 1 << 53 else None
