"""Settles SQS messages: each is done, comes again, or goes to the dead-letter queue with the reason."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from random import random
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from botocore.exceptions import BotoCoreError, ClientError

from media_cleanup.events import Request, requests_in_text
from media_cleanup.masking import mask_numbers
from media_cleanup.observability import Delivery, logger, report
from media_cleanup.outcome import Outcome, Result, given_up
from media_cleanup.task import Task, carry_out_all

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
    from mypy_boto3_sqs.type_defs import ChangeMessageVisibilityBatchRequestEntryTypeDef, MessageAttributeValueTypeDef

FIRST_DELAY_S = 30
LONGEST_DELAY_S = 4 * 3600
MAX_ATTRIBUTE_CHARACTERS = 256
# What SQS takes in an attribute's text (source: Amazon SQS API Reference, "SendMessage")
_NOT_IN_ATTRIBUTES = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class ComesAgainError(Exception):
    """The message is not done; Powertools puts it into `batchItemFailures`, and SQS delivers it again."""


def settle_batch(event: dict[str, Any], task: Task, time_left_ms: Callable[[], int]) -> "PartialItemFailureResponse":
    """Works on the messages of an SQS event all at once, then settles each, and names those that must come again."""
    phone = task.settings.default_business_phone
    parts = [
        (_delivery(record), request)
        for record in event["Records"]
        for request in requests_in_text(record.get("body"), phone)
    ]
    outcomes_of_parts = carry_out_all(
        task, [request for _, request in parts], [delivery.attempt for delivery, _ in parts], time_left_ms
    )
    delays: list[tuple[str, int]] = []

    def settle(record: "SQSRecord") -> None:
        delivery = _delivery(record)
        its_parts = [
            (request, [given_up(outcome, delivery.attempt) for outcome in outcomes])
            for (its_delivery, request), outcomes in zip(parts, outcomes_of_parts, strict=True)
            if its_delivery == delivery
        ]
        outcomes = [outcome for _, its_outcomes in its_parts for outcome in its_outcomes]
        for outcome in outcomes:
            report(task.story, outcome, delivery)
        unavailable = [outcome for outcome in outcomes if outcome.result is Result.UNAVAILABLE]
        if unavailable:
            delay_s = max(delay_of(outcome, delivery.attempt, random()) for outcome in unavailable)  # noqa: S311 (to spread load)
            delays.append((record.receipt_handle, delay_s))
            raise ComesAgainError
        _dead_letter_rejected(task, record.body, its_parts, delivery)

    # A wholly failed batch raises by default, and Lambda would log it as the function's own error
    processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)
    answer = process_partial_response(event, settle, processor)
    if delays and task.queue_url:
        _delay(task, task.queue_url, delays)
    return answer


def delay_of(outcome: Outcome, attempt: int, jitter: float) -> int:
    """The seconds until an unavailable request's message comes again after its receive number `attempt`.

    30 s, doubled with each receive up to 4 h, and up to 20 % of that more for a `jitter` of 0 to 1, or what the
    provider's Retry-After asks for, if that is longer: at least 24 h to the 15th receive. A media that another worker
    is on is soon settled.
    """
    if outcome.reason == "in_progress":
        return FIRST_DELAY_S
    delay_s = min(FIRST_DELAY_S << min(attempt - 1, 20), LONGEST_DELAY_S)
    return max(round(delay_s * (1 + 0.2 * jitter)), min(outcome.retry_after_s or 0, LONGEST_DELAY_S))


def _delay(task: Task, queue_url: str, delays: list[tuple[str, int]]) -> None:
    """Hides messages until their time; where that fails, they come again by the queue's own visibility timeout."""
    entries: list[ChangeMessageVisibilityBatchRequestEntryTypeDef] = [
        {"Id": str(number), "ReceiptHandle": handle, "VisibilityTimeout": delay_s}
        for number, (handle, delay_s) in enumerate(delays)
    ]
    try:
        for first in range(0, len(entries), 10):  # as many as SQS takes at once
            answer = task.aws.sqs.change_message_visibility_batch(
                QueueUrl=queue_url, Entries=entries[first : first + 10]
            )
            for failure in answer.get("Failed", []):
                logger.warning("delaying_failed", extra={"error": failure["Code"], "queue_url": queue_url})
    except (ClientError, BotoCoreError) as error:
        logger.warning("delaying_failed", extra={"error": type(error).__name__, "queue_url": queue_url})


def dead_letter_attributes(
    outcome: Outcome, delivery: Delivery, failed_at: datetime
) -> "dict[str, MessageAttributeValueTypeDef]":
    """What makes a dead-lettered message readable without the logs; attributes that would be empty are left out."""
    attributes = {
        "reason": outcome.reason,
        "provider_code": outcome.provider_code,
        "provider_message": outcome.provider_message,
        "failed_at": failed_at.isoformat(timespec="seconds"),
        "source_message_id": delivery.message_id,
    }
    cleaned = {name: _cleaned(str(value)) for name, value in attributes.items() if value is not None}
    return {name: {"DataType": "String", "StringValue": value} for name, value in cleaned.items() if value}


def _cleaned(text: str) -> str:
    return _NOT_IN_ATTRIBUTES.sub("", mask_numbers(text))[:MAX_ATTRIBUTE_CHARACTERS].strip()


def _dead_letter_rejected(
    task: Task, body: str, parts: list[tuple[Request, list[Outcome]]], delivery: Delivery
) -> None:
    """Sends each rejected part of a message to the dead-letter queue: by itself, or as the message that it is."""
    for request, outcomes in parts:
        rejected = [outcome for outcome in outcomes if outcome.result is Result.REJECTED]
        if rejected:
            text = body if request.message is None else json.dumps(request.message)
            _dead_letter(task, text, dead_letter_attributes(rejected[0], delivery, _now()))


def _dead_letter(task: Task, body: str, attributes: "dict[str, MessageAttributeValueTypeDef]") -> None:
    """Sends a message to the dead-letter queue; only when it is there may the original go."""
    queue_url = task.settings.dead_letter_queue_url
    try:
        task.aws.sqs.send_message(QueueUrl=queue_url, MessageBody=body, MessageAttributes=attributes)
    except (ClientError, BotoCoreError) as error:
        logger.error("dead_lettering_failed", extra={"error": type(error).__name__, "queue_url": queue_url})
        raise ComesAgainError from None


def _delivery(record: "SQSRecord | dict[str, Any]") -> Delivery:
    attributes = record.get("attributes") or {}
    sent = attributes.get("SentTimestamp")
    return Delivery(
        trigger="sqs",
        attempt=int(attributes.get("ApproximateReceiveCount", 1)),
        message_id=record["messageId"],
        sent_ms=None if sent is None else int(sent),
    )


def _now() -> datetime:
    return datetime.now(UTC)
