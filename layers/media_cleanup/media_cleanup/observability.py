"""Reports each request once: one structured log line and its metrics, with numbers masked."""

import json
import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TextIO

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from media_cleanup.masking import mask_number, mask_numbers
from media_cleanup.outcome import Outcome, Result

SERVICE = "media-cleanup"
MAX_TEXT = 1024


@dataclass(frozen=True, slots=True)
class Story:
    """How one function's outcomes are told: the message of its log lines, and the metric that counts each outcome."""

    message: str
    counters: Mapping[Result, str]


DELETION = Story(
    "media_deletion",
    {
        Result.DELETED: "Deleted",
        Result.ALREADY_GONE: "AlreadyGone",
        Result.SKIPPED: "Skipped",
        Result.REJECTED: "Rejected",
        Result.UNAVAILABLE: "Unavailable",
    },
)
LINKING = Story(
    "media_linking",
    {
        Result.LINKED: "Linked",
        Result.SKIPPED: "LinkSkipped",
        Result.REJECTED: "LinkRejected",
        Result.UNAVAILABLE: "LinkUnavailable",
    },
)


class _StandardOutput(logging.StreamHandler[TextIO]):
    """Writes to standard output as it is at each line; Powertools' own handler keeps the one of import time."""

    @property
    def stream(self) -> TextIO:
        return sys.stdout

    @stream.setter
    def stream(self, _: TextIO) -> None: ...


# ensure_ascii: a lone surrogate or a line separator in a key must not break the line
logger = Logger(
    service=SERVICE,
    location=None,
    utc=True,
    use_rfc3339=True,
    logger_handler=_StandardOutput(),
    json_serializer=partial(json.dumps, ensure_ascii=True, default=str, separators=(",", ":")),
)
metrics = Metrics(namespace="MediaCleanup", service=SERVICE)


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a request reached the function: `attempt` counts the message's receives, `sent_ms` is when it was sent."""

    trigger: str
    attempt: int = 1
    message_id: str | None = None
    sent_ms: int | None = None


def report(story: Story, outcome: Outcome, delivery: Delivery) -> dict[str, Any]:
    """Logs and counts what became of a request, and returns the line's fields."""
    line = _line(outcome, delivery)
    log = {Result.UNAVAILABLE: logger.warning, Result.REJECTED: logger.error}.get(outcome.result, logger.info)
    log(story.message, extra=line)
    metrics.add_metric(story.counters[outcome.result], MetricUnit.Count, 1)
    if outcome.authentication_failed:
        metrics.add_metric("AuthenticationFailed", MetricUnit.Count, 1)
    if outcome.latency_ms is not None:
        metrics.add_metric("ProviderLatency", MetricUnit.Milliseconds, outcome.latency_ms)
    if line["lag_ms"] is not None:
        metrics.add_metric("DeletionLag", MetricUnit.Milliseconds, line["lag_ms"])
    return line


def count(**counts: int) -> dict[str, int]:
    """Publishes counts as metrics of these names, and returns them."""
    for name, value in counts.items():
        metrics.add_metric(name, MetricUnit.Count, value)
    metrics.flush_metrics()
    return counts


def shown(text: str | None) -> str | None:
    """A text as people may see it: numbers masked, and not too long."""
    return None if text is None else mask_numbers(text)[:MAX_TEXT]


def _line(outcome: Outcome, delivery: Delivery) -> dict[str, Any]:
    return {
        "outcome": outcome.result.value,
        "reason": shown(outcome.reason),
        "trigger": delivery.trigger,
        "media_id": outcome.media and outcome.media.media_id,
        "business_phone": outcome.media and mask_number(outcome.media.business_phone),
        "bucket": outcome.bucket,
        "object_key": shown(outcome.key),
        "attempt": delivery.attempt,
        "provider_code": outcome.provider_code,
        "provider_message": shown(outcome.provider_message),
        "http_status": outcome.http_status,
        "latency_ms": outcome.latency_ms,
        "lag_ms": _lag_ms(outcome, delivery),
        "message_id": delivery.message_id,
    }


def _lag_ms(outcome: Outcome, delivery: Delivery) -> int | None:
    """From the file's deletion, or the message's sending, to the confirmation; clocks may differ, so never below 0."""
    began_ms = delivery.sent_ms if outcome.happened_ms is None else outcome.happened_ms
    if outcome.confirmed_ms is None or began_ms is None:
        return None
    return max(0, outcome.confirmed_ms - began_ms)
