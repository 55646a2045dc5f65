"""SQS: handles a batch of messages, then finishes each: done, redelivered after a delay, or dead-lettered."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from random import random
from typing import TYPE_CHECKING, Any

from media_cleanup.aws.clients import AWS_ERRORS, describe_error
from media_cleanup.outcome import Outcome, Reason
from media_cleanup.reporting import Delivery, report
from media_cleanup.request import FINISH_MS_PER_REQUEST, MIN_CALL_MS, Attempt, Deadline, Request
from media_cleanup.result import Handled
from media_cleanup.telemetry import count_internal_error, logger
from media_cleanup.triggers.backoff import Redelivery, backoff_s, give_up
from media_cleanup.triggers.dead_letters import DeadLetter, dead_letters, send_dead_letters
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
    messages = _parse_messages(event["Records"], handler, deadline)
    handle_all(handler, [part for message in messages for part in message.parts])
    ends = [_end_safely(handler, message) for message in messages]
    letters = [(number, letter) for number, end in enumerate(ends) for letter in end.dead_letters]
    for position in send_dead_letters(handler, [letter for _, letter in letters], deadline):
        number, _ = letters[position]
        ends[number] = _End(Redelivery(None))  # the message stays until its dead letters are accepted
    redelivered = [(message, end.redelivery) for message, end in zip(messages, ends, strict=True) if end.redelivery]
    _set_visibility_timeouts(handler, redelivered, deadline)
    return {"batchItemFailures": [{"itemIdentifier": message.message_id} for message, _ in redelivered]}


@dataclass(frozen=True, slots=True)
class _End:
    """The end of a message's processing: redelivered; else done, once its dead letters are accepted."""

    redelivery: Redelivery | None = None
    dead_letters: Sequence[DeadLetter] = ()


def _end_safely(handler: RequestHandler, message: _Message) -> _End:
    """Report a message and decide its end. Never raises, so that no message can fail another."""
    try:
        return _end(handler, message)
    except Exception as error:  # noqa: BLE001 (a bug: its location is logged, its text may hold secrets)
        extra = {"error": error_location(error), "message_id": message.message_id}
        logger.error("message_processing_failed", extra=extra)
        count_internal_error()
        return _End(Redelivery(None))


def _end(handler: RequestHandler, message: _Message) -> _End:
    attempt = message.delivery.attempt
    parts = [(part.request, [give_up(result, attempt) for result in part.results]) for part in message.parts]
    results = [result for _, its_results in parts for result in its_results]
    for result in results:
        report(handler.log_profile, result, message.delivery)
    unavailable = [result for result in results if result.outcome is Outcome.UNAVAILABLE]
    if unavailable:
        return _End(Redelivery(max(backoff_s(result, attempt, random()) for result in unavailable)))  # noqa: S311 (jitter)
    return _End(dead_letters=dead_letters(message.body, parts, message.delivery, datetime.now(UTC)))


def _set_visibility_timeouts(
    handler: RequestHandler, redeliveries: Sequence[tuple[_Message, Redelivery]], deadline: Deadline
) -> None:
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
            if deadline.get_remaining_time_in_millis() < MIN_CALL_MS:
                logger.warning("visibility_timeout_failed", extra=extra | {"error": Reason.OUT_OF_TIME})
                return
            response = handler.clients.sqs.change_message_visibility_batch(
                QueueUrl=handler.queue_url, Entries=entries[first : first + MAX_BATCH_ENTRIES]
            )
            for failure in response.get("Failed", []):
                logger.warning("visibility_timeout_failed", extra=extra | {"error": failure["Code"]})
    except AWS_ERRORS as error:
        logger.warning("visibility_timeout_failed", extra=extra | {"error": describe_error(error)})


def _parse_messages(records: Sequence[dict[str, Any]], handler: RequestHandler, deadline: Deadline) -> list[_Message]:
    requests = [parse_body(record.get("body"), handler.settings.default_business_phone) for record in records]
    reserve_ms = FINISH_MS_PER_REQUEST * sum(map(len, requests))
    return [
        _parse_message(record, its_requests, deadline, reserve_ms)
        for record, its_requests in zip(records, requests, strict=True)
    ]


def _parse_message(
    record: dict[str, Any], requests: Sequence[Request], deadline: Deadline, reserve_ms: int
) -> _Message:
    attributes = record.get("attributes") or {}
    sent = attributes.get("SentTimestamp")
    delivery = Delivery(
        trigger="sqs",
        attempt=int(attributes.get("ApproximateReceiveCount", 1)),
        message_id=record["messageId"],
        sent_ms=None if sent is None else int(sent),
    )
    attempt = Attempt(delivery.attempt, deadline, delivery.message_id, reserve_ms)
    return _Message(
        message_id=record["messageId"],
        receipt_handle=record.get("receiptHandle", ""),
        body=record.get("body") or "",
        delivery=delivery,
        parts=[Handled(request, attempt) for request in requests],
    )
