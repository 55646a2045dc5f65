"""Sends rejected requests to the dead-letter queue, with the reason in message attributes."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from media_cleanup.aws.clients import AWS_ERRORS, AwsClients, describe_error
from media_cleanup.masking import mask_numbers
from media_cleanup.outcome import Outcome
from media_cleanup.reporting import Delivery
from media_cleanup.request import Deadline, Request
from media_cleanup.result import Result
from media_cleanup.telemetry import logger
from media_cleanup.triggers.batches import send_in_batches
from media_cleanup.triggers.runner import RequestHandler

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageAttributeValueTypeDef, SendMessageBatchRequestEntryTypeDef

MAX_ATTRIBUTE_CHARACTERS = 256
MAX_SEPARATE_PARTS = 10
# Characters that SQS refuses in an attribute (source: Amazon SQS API Reference, "SendMessage")
_REFUSED_CHARACTERS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message for the dead-letter queue."""

    body: str
    attributes: "dict[str, MessageAttributeValueTypeDef]"

    @property
    def characters(self) -> int:
        """The size of body and attributes."""
        return len(self.body) + sum(len(name) + len(value["StringValue"]) for name, value in self.attributes.items())


def create_dead_letters(
    body: str, parts: Sequence[tuple[Request, Sequence[Result]]], delivery: Delivery, failed_at: datetime
) -> list[DeadLetter]:
    """Return the dead letters of a message: its rejected parts, or the whole where these are more than ten."""
    rejected = [
        (request, next(result for result in results if result.outcome is Outcome.REJECTED))
        for request, results in parts
        if any(result.outcome is Outcome.REJECTED for result in results)
    ]
    if len(rejected) > MAX_SEPARATE_PARTS:
        return [DeadLetter(body, dead_letter_attributes(rejected[0][1], delivery, failed_at, len(rejected)))]
    return [
        DeadLetter(
            body if request.message is None else json.dumps(request.message),
            dead_letter_attributes(result, delivery, failed_at),
        )
        for request, result in rejected
    ]


def send_dead_letters(use_case: RequestHandler, letters: Sequence[DeadLetter], deadline: Deadline) -> set[int]:
    """Send messages to the dead-letter queue, in batches, while there is time.

    Returns the positions of those that were not accepted.
    """
    queue_url = use_case.settings.dead_letter_queue_url

    def send(batch: list[int]) -> dict[int, str]:
        return _send_batch(use_case.clients, queue_url, {number: letters[number] for number in batch})

    unsent = send_in_batches([letter.characters for letter in letters], send, deadline)
    for error in sorted(set(unsent.values())):
        logger.error("dead_letter_send_failed", extra={"error": error, "queue_url": queue_url})
    return set(unsent)


def _send_batch(clients: AwsClients, queue_url: str, letters: Mapping[int, DeadLetter]) -> dict[int, str]:
    """Send messages in one call. Returns the errors of those that were not accepted."""
    entries: list[SendMessageBatchRequestEntryTypeDef] = [
        {"Id": str(number), "MessageBody": letter.body, "MessageAttributes": letter.attributes}
        for number, letter in letters.items()
    ]
    try:
        response = clients.sqs.send_message_batch(QueueUrl=queue_url, Entries=entries)
    except AWS_ERRORS as error:
        return dict.fromkeys(letters, describe_error(error))
    return {int(failure["Id"]): failure["Code"] for failure in response.get("Failed", [])}


def dead_letter_attributes(
    result: Result, delivery: Delivery, failed_at: datetime, rejected_parts: int | None = None
) -> "dict[str, MessageAttributeValueTypeDef]":
    """Return the message attributes that explain a dead letter without the logs; empty ones are left out."""
    attributes = {
        "reason": result.reason_text,
        "provider_code": result.provider_code,
        "provider_message": result.provider_message,
        "failed_at": failed_at.isoformat(timespec="seconds"),
        "source_message_id": delivery.message_id,
        "rejected_parts": rejected_parts,
    }
    sanitized = {
        name: _sanitize(str(value), result.own_numbers) for name, value in attributes.items() if value is not None
    }
    return {name: {"DataType": "String", "StringValue": value} for name, value in sanitized.items() if value}


def _sanitize(text: str, own_numbers: tuple[str, ...]) -> str:
    """Remove refused characters first: they may stand between a number's digits."""
    return mask_numbers(_REFUSED_CHARACTERS.sub("", text), *own_numbers)[:MAX_ATTRIBUTE_CHARACTERS].strip()
