"""Sends rejected requests to the dead-letter queue, with the reason in message attributes."""

import re
from datetime import datetime
from typing import TYPE_CHECKING

from media_cleanup.aws.clients import AWS_ERRORS, describe_error
from media_cleanup.masking import mask_numbers
from media_cleanup.reporting import Delivery
from media_cleanup.result import Result
from media_cleanup.telemetry import logger
from media_cleanup.triggers.runner import RequestHandler

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageAttributeValueTypeDef

MAX_ATTRIBUTE_CHARACTERS = 256
# Characters that SQS refuses in an attribute (source: Amazon SQS API Reference, "SendMessage")
_REFUSED_CHARACTERS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def send_dead_letter(handler: RequestHandler, body: str, attributes: "dict[str, MessageAttributeValueTypeDef]") -> bool:
    """Send a message to the dead-letter queue. Returns whether it was accepted; only then may the original go."""
    queue_url = handler.settings.dead_letter_queue_url
    try:
        handler.clients.sqs.send_message(QueueUrl=queue_url, MessageBody=body, MessageAttributes=attributes)
    except AWS_ERRORS as error:
        extra = {"error": describe_error(error), "queue_url": queue_url}
        logger.error("dead_letter_send_failed", extra=extra)
        return False
    return True


def dead_letter_attributes(
    result: Result, delivery: Delivery, failed_at: datetime
) -> "dict[str, MessageAttributeValueTypeDef]":
    """Return the message attributes that explain a dead letter without the logs; empty ones are left out."""
    attributes = {
        "reason": result.reason_text,
        "provider_code": result.provider_code,
        "provider_message": result.provider_message,
        "failed_at": failed_at.isoformat(timespec="seconds"),
        "source_message_id": delivery.message_id,
    }
    sanitized = {name: _sanitize(str(value)) for name, value in attributes.items() if value is not None}
    return {name: {"DataType": "String", "StringValue": value} for name, value in sanitized.items() if value}


def _sanitize(text: str) -> str:
    return _REFUSED_CHARACTERS.sub("", mask_numbers(text))[:MAX_ATTRIBUTE_CHARACTERS].strip()
