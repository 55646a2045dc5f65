"""SQS: handles a batch of messages, then finishes each: done, redelivered after a delay, or dead-lettered."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from random import random
from typing import TYPE_CHECKING, Any

from media_cleanup.aws.clients import AWS_ERRORS, describe_error
from media_cleanup.outcome import Outcome
from media_cleanup.reporting import Delivery, report
from media_cleanup.request import Attempt, Deadline
from media_cleanup.result import Handled, Result
from media_cleanup.telemetry import logger
from media_cleanup.triggers.backoff import Redelivery, backoff_s, give_up
from media_cleanup.triggers.dead_letters import dead_letter_attributes, send_dead_letter
from media_cleanup.triggers.parsing import parse_body
from media_cleanup.triggers.runner import RequestHandler, error_location, handle_all

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import ChangeMessageVisibilityBatchRequestEntryTypeDef

MAX_BATCH_ENTRIES = 10


@dataclass(frozen=True, slots=True)
class _Message:
    """A message, and its requests as they are handled."""

    message_id: str
    receipt_handle: str
    body: str
    delivery: Delivery
    parts: list[Handled]


def process_sqs_batch(event: dict[str, Any], handler: RequestHandler, deadline: Deadline) -> dict[str, Any]:
    """Handle the messages of an SQS event, and return the partial batch response."""
    messages = [_parse_message(record, handler, deadline) for record in event["Records"]]
    handle_all(handler, [part for message in messages for part in message.parts])
    redeliveries = [(message, redelivery) for message in messages if (redelivery := _finish_safely(handler, message))]
    _set_visibility_timeouts(handler, redeliveries)
    return {"batchItemFailures": [{"itemIdentifier": message.message_id} for message, _ in redeliveries]}


def _finish_safely(handler: RequestHandler, message: _Message) -> Redelivery | None:
    """Finish a message. Never raises, so that no message can fail another."""
    try:
        return _finish_message(handler, message)
    except Exception as error:  # noqa: BLE001 (a bug: its location is logged, its text may hold secrets)
        extra = {"error": error_location(error), "message_id": message.message_id}
        logger.error("message_processing_failed", extra=extra)
        return Redelivery(None)


def _finish_message(handler: RequestHandler, message: _Message) -> Redelivery | None:
    """Report a message's results, and dead-letter the rejected ones. Returns its redelivery, None if it is done."""
    attempt = message.delivery.attempt
    parts = [(part, [give_up(result, attempt) for result in part.results]) for part in message.parts]
    results = [result for _, its_results in parts for result in its_results]
    for result in results:
        report(handler.log_profile, result, message.delivery)
    unavailable = [result for result in results if result.outcome is Outcome.UNAVAILABLE]
    if unavailable:
        return Redelivery(max(backoff_s(result, attempt, random()) for result in unavailable))  # noqa: S311 (jitter)
    for part, its_results in parts:
        if not _dead_letter_if_rejected(handler, message, part, its_results):
            return Redelivery(None)
    return None


def _dead_letter_if_rejected(
    handler: RequestHandler, message: _Message, part: Handled, results: Sequence[Result]
) -> bool:
    """Dead-letter a rejected part, as a message of its own where there are several. False if that failed."""
    rejected = next((result for result in results if result.outcome is Outcome.REJECTED), None)
    if rejected is None:
        return True
    body = message.body if part.request.message is None else json.dumps(part.request.message)
    return send_dead_letter(handler, body, dead_letter_attributes(rejected, message.delivery, datetime.now(UTC)))


def _set_visibility_timeouts(handler: RequestHandler, redeliveries: Sequence[tuple[_Message, Redelivery]]) -> None:
    """Hide messages until their redelivery; where that fails, the queue's own visibility timeout applies."""
    entries: list[ChangeMessageVisibilityBatchRequestEntryTypeDef] = [
        {"Id": str(number), "ReceiptHandle": message.receipt_handle, "VisibilityTimeout": redelivery.delay_s}
        for number, (message, redelivery) in enumerate(redeliveries)
        if redelivery.delay_s is not None
    ]
    if handler.queue_url is None:
        return
    extra = {"queue_url": handler.queue_url}
    try:
        for first in range(0, len(entries), MAX_BATCH_ENTRIES):
            response = handler.clients.sqs.change_message_visibility_batch(
                QueueUrl=handler.queue_url, Entries=entries[first : first + MAX_BATCH_ENTRIES]
            )
            for failure in response.get("Failed", []):
                logger.warning("visibility_timeout_failed", extra=extra | {"error": failure["Code"]})
    except AWS_ERRORS as error:
        logger.warning("visibility_timeout_failed", extra=extra | {"error": describe_error(error)})


def _parse_message(record: dict[str, Any], handler: RequestHandler, deadline: Deadline) -> _Message:
    attributes = record.get("attributes") or {}
    sent = attributes.get("SentTimestamp")
    delivery = Delivery(
        trigger="sqs",
        attempt=int(attributes.get("ApproximateReceiveCount", 1)),
        message_id=record["messageId"],
        sent_ms=None if sent is None else int(sent),
    )
    attempt = Attempt(delivery.attempt, deadline, record["messageId"])
    requests = parse_body(record.get("body"), handler.settings.default_business_phone)
    return _Message(
        message_id=record["messageId"],
        receipt_handle=record.get("receiptHandle", ""),
        body=record.get("body") or "",
        delivery=delivery,
        parts=[Handled(request, attempt) for request in requests],
    )
