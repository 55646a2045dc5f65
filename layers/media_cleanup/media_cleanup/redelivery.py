"""Settles SQS messages: each is done, comes again, or goes to the dead-letter queue with the reason."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from random import random
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from media_cleanup.events import Request, requests_in_text
from media_cleanup.masking import mask_numbers
from media_cleanup.observability import Delivery, logger, report
from media_cleanup.outcome import Outcome, Result, given_up
from media_cleanup.task import Task, carry_out_all, place_of

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import ChangeMessageVisibilityBatchRequestEntryTypeDef, MessageAttributeValueTypeDef

FIRST_DELAY_S = 30
LONGEST_DELAY_S = 4 * 3600
MAX_ATTRIBUTE_CHARACTERS = 256
# What SQS does not take in an attribute's text (source: Amazon SQS API Reference, "SendMessage")
_NOT_IN_ATTRIBUTES = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


class ComesAgainError(Exception):
    """The message is not done: SQS delivers it again after so many seconds, None for the queue's own time."""

    def __init__(self, delay_s: int | None) -> None:
        super().__init__(delay_s)
        self.delay_s = delay_s


@dataclass(frozen=True, slots=True)
class _Message:
    """A message from SQS, and the requests in it."""

    message_id: str
    receipt_handle: str
    body: str
    delivery: Delivery
    requests: list[Request]


def settle_batch(event: dict[str, Any], task: Task, time_left_ms: Callable[[], int]) -> dict[str, list[dict[str, str]]]:
    """Works on the messages of an SQS event all at once, then settles each, and names those that must come again."""
    messages = [_message(record, task.settings.default_business_phone) for record in event["Records"]]
    outcomes = iter(
        carry_out_all(
            task,
            [request for message in messages for request in message.requests],
            [message.delivery.attempt for message in messages for _ in message.requests],
            time_left_ms,
        )
    )
    coming_again: list[_Message] = []
    delays: list[tuple[str, int]] = []
    for message in messages:
        try:
            _settle(task, message, [(request, next(outcomes)) for request in message.requests])
        except ComesAgainError as error:
            coming_again.append(message)
            if error.delay_s is not None:
                delays.append((message.receipt_handle, error.delay_s))
        except Exception as error:  # noqa: BLE001 (a bug, which must not hold up the neighbours)
            coming_again.append(message)
            logger.error("settling_failed", extra={"error": place_of(error), "message_id": message.delivery.message_id})
    if delays and task.queue_url:
        _delay(task, task.queue_url, delays)
    return {"batchItemFailures": [{"itemIdentifier": message.message_id} for message in coming_again]}


def _settle(task: Task, message: _Message, parts: list[tuple[Request, list[Outcome]]]) -> None:
    """Reports what became of a message, and dead-letters what can never succeed. Raises ComesAgainError."""
    attempt = message.delivery.attempt
    parts = [(request, [given_up(outcome, attempt) for outcome in outcomes]) for request, outcomes in parts]
    outcomes = [outcome for _, its_outcomes in parts for outcome in its_outcomes]
    for outcome in outcomes:
        report(task.story, outcome, message.delivery)
    unavailable = [outcome for outcome in outcomes if outcome.result is Result.UNAVAILABLE]
    if unavailable:
        raise ComesAgainError(max(delay_of(outcome, attempt, random()) for outcome in unavailable))  # noqa: S311 (to spread load)
    _dead_letter_rejected(task, message, parts)


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


def _dead_letter_rejected(task: Task, message: _Message, parts: list[tuple[Request, list[Outcome]]]) -> None:
    """Sends each rejected part of a message to the dead-letter queue: by itself, or as the message that it is."""
    for request, outcomes in parts:
        rejected = [outcome for outcome in outcomes if outcome.result is Result.REJECTED]
        if rejected:
            text = message.body if request.message is None else json.dumps(request.message)
            _dead_letter(task, text, dead_letter_attributes(rejected[0], message.delivery, datetime.now(UTC)))


def _dead_letter(task: Task, body: str, attributes: "dict[str, MessageAttributeValueTypeDef]") -> None:
    """Sends a message to the dead-letter queue; only when it is there may the original go."""
    queue_url = task.settings.dead_letter_queue_url
    try:
        task.aws.sqs.send_message(QueueUrl=queue_url, MessageBody=body, MessageAttributes=attributes)
    except (ClientError, BotoCoreError) as error:
        logger.error("dead_lettering_failed", extra={"error": type(error).__name__, "queue_url": queue_url})
        raise ComesAgainError(None) from None


def _message(record: dict[str, Any], default_business_phone: str | None) -> _Message:
    attributes = record.get("attributes") or {}
    sent = attributes.get("SentTimestamp")
    return _Message(
        message_id=record["messageId"],
        receipt_handle=record.get("receiptHandle", ""),
        body=record.get("body") or "",
        delivery=Delivery(
            trigger="sqs",
            attempt=int(attributes.get("ApproximateReceiveCount", 1)),
            message_id=record["messageId"],
            sent_ms=None if sent is None else int(sent),
        ),
        requests=requests_in_text(record.get("body"), default_business_phone),
    )
