"""Reports each result once: a structured log line and its metrics."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from media_cleanup.masking import mask_number
from media_cleanup.outcome import Outcome, Reason
from media_cleanup.result import Result
from media_cleanup.telemetry import VERSION_ID, count_internal_error, logger, masked, masked_unless, metrics

_ACCOUNT_ID = re.compile("[0-9]{12}")  # as EventBridge's events name a requester


@dataclass(frozen=True, slots=True)
class LogProfile:
    """A function's log message, and the metric that counts each outcome."""

    message: str
    counters: Mapping[Outcome, str]
    further_counts: tuple[str, ...] = ()

    @property
    def counts(self) -> tuple[str, ...]:
        """The names of all counts that the function publishes, zeros included."""
        return (*self.counters.values(), *self.further_counts, "InternalError")


DELETION = LogProfile(
    "media_deletion",
    {
        Outcome.DELETED: "Deleted",
        Outcome.ALREADY_GONE: "AlreadyGone",
        Outcome.SKIPPED: "Skipped",
        Outcome.REJECTED: "Rejected",
        Outcome.UNAVAILABLE: "Unavailable",
    },
    ("AuthenticationFailed", "Braked", "DryRunSkipped"),
)
LINKING = LogProfile(
    "media_linking",
    {
        Outcome.LINKED: "Linked",
        Outcome.SKIPPED: "LinkSkipped",
        Outcome.REJECTED: "LinkRejected",
        Outcome.UNAVAILABLE: "LinkUnavailable",
    },
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """The delivery of a request: the receives of its message so far, and its send time in Unix milliseconds."""

    trigger: str
    receive_count: int = 1
    message_id: str | None = None
    sent_ms: int | None = None

    def age_s(self, now_s: float) -> float:
        """Return the seconds since the message was sent, at this Unix time; 0 without a queue."""
        return 0 if self.sent_ms is None else now_s - self.sent_ms / 1000


def report(profile: LogProfile, result: Result, delivery: Delivery) -> dict[str, Any]:
    """Log and count a result. Returns the fields of the log line."""
    fields = log_fields(result, delivery)
    log = {Outcome.UNAVAILABLE: logger.warning, Outcome.REJECTED: logger.error}.get(result.outcome, logger.info)
    log(profile.message, extra=fields)
    _count(profile, result, fields["lag_ms"])
    return fields


def _count(profile: LogProfile, result: Result, lag_ms: int | None) -> None:
    metrics.add_metric(profile.counters[result.outcome], MetricUnit.Count, 1)
    if result.authentication_failed:
        metrics.add_metric("AuthenticationFailed", MetricUnit.Count, 1)
    if result.reason is Reason.BRAKED:
        metrics.add_metric("Braked", MetricUnit.Count, 1)
    if result.reason is Reason.DRY_RUN:
        metrics.add_metric("DryRunSkipped", MetricUnit.Count, 1)
    if Reason.INTERNAL_ERROR in (result.reason, result.last_reason):
        count_internal_error()
    if result.latency_ms is not None:
        metrics.add_metric("ProviderLatency", MetricUnit.Milliseconds, result.latency_ms)
    if result.outcome is Outcome.DELETED and lag_ms is not None:
        metrics.add_metric("DeletionLag", MetricUnit.Milliseconds, lag_ms)


def log_fields(result: Result, delivery: Delivery) -> dict[str, Any]:
    """Return the fields of a result's log line, with phone numbers masked."""
    own_numbers = result.own_numbers
    return {
        "outcome": result.outcome.value,
        "reason": masked(result.reason_text, *own_numbers),
        "trigger": delivery.trigger,
        "media_id": result.media and result.media.shown_id,
        "business_phone": result.media and mask_number(result.media.business_phone),
        "bucket": masked(result.bucket, *own_numbers),
        "object_key": masked(result.key, *own_numbers),
        "version_id": masked_unless(VERSION_ID, result.origin.version_id, *own_numbers),
        "requester": masked_unless(_ACCOUNT_ID, result.origin.requester, *own_numbers),
        "deletion_reason": masked(result.origin.deletion_reason, *own_numbers),
        "requested_by": masked(result.origin.requested_by, *own_numbers),
        "attempt": delivery.receive_count,
        "provider_code": result.provider_code,
        "provider_message": masked(result.provider_message, *own_numbers),
        "http_status": result.http_status,
        "latency_ms": result.latency_ms,
        "lag_ms": _lag_ms(result, delivery),
        "message_id": delivery.message_id,
    }


def _lag_ms(result: Result, delivery: Delivery) -> int | None:
    """From the object's deletion, or the message's send time, to the confirmation; at least 0, as clocks differ."""
    start_ms = delivery.sent_ms if result.occurred_ms is None else result.occurred_ms
    if result.confirmed_ms is None or start_ms is None:
        return None
    return max(0, result.confirmed_ms - start_ms)
