"""SQS: handles a batch of messages, then finishes each: done, redelivered after a delay, or dead-lettered."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from random import random
from typing import TYPE_CHECKING, Any

from media_cleanup.aws.clients import AWS_ERRORS, describe_error
from media_cleanup.errors import DependencyUnavailable
from media_cleanup.outcome import Outcome, Reason
from media_cleanup.reporting import Delivery, report
from media_cleanup.request import FINISH_MS_PER_REQUEST, MIN_AWS_CALL_MS, Attempt, Deadline, Request
from media_cleanup.result import Result, WorkItem
from media_cleanup.telemetry import count_internal_error, logger
from media_cleanup.triggers.backoff import AFTER_VISIBILITY_TIMEOUT, Redelivery, backoff_s, give_up_if_exhausted
from media_cleanup.triggers.dead_letters import (
    DeadLetter,
    create_dead_letters,
    dead_letter_attributes,
    send_dead_letters,
)
from media_cleanup.triggers.failures import count_failed_receives
from media_cleanup.triggers.outcome_events import Publication, publications, publish
from media_cleanup.triggers.parsing import parse_body
from media_cleanup.triggers.runner import RequestHandler, error_location, handle_all

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import ChangeMessageVisibilityBatchRequestEntryTypeDef

MAX_BATCH_ENTRIES = 10


@dataclass(slots=True, eq=False)
class _Message:
    """A message, `age_s` seconds after it was sent; its parts are its requests as they are handled.

    `redelivery` and `dead_letters` say what SQS has to do with it at the end: without either, it is done.
    """

    message_id: str
    receipt_handle: str
    body: str
    delivery: Delivery
    attempt: Attempt
    age_s: float
    parts: Sequence[WorkItem]
    dead_letters: Sequence[DeadLetter] = ()
    redelivery: Redelivery | None = None

    @property
    def results(self) -> list[Result]:
        """The results of all parts."""
        return [result for part in self.parts for result in part.results]


def process_sqs_batch(
    event: dict[str, Any], use_case: RequestHandler, deadline: Deadline, now_s: Callable[[], float] = time.time
) -> dict[str, Any]:
    """Handle the messages of an SQS event, and return the partial batch response. `now_s` returns Unix seconds."""
    messages = _parse_messages(event["Records"], use_case, deadline, now_s())
    handle_all(use_case, [part for message in messages for part in message.parts])
    for message in messages:
        _finish_safely(use_case, message)
    _send_dead_letters(use_case, messages, deadline)
    _publish_outcome_events(use_case, messages, deadline)
    redelivered = [message for message in messages if message.redelivery]
    _set_visibility_timeouts(use_case, redelivered, deadline)
    return {"batchItemFailures": [{"itemIdentifier": message.message_id} for message in redelivered]}


def _parse_messages(
    records: Sequence[dict[str, Any]], use_case: RequestHandler, deadline: Deadline, now_s: float
) -> list[_Message]:
    """Parse SQS's records. At the end of the invocation, time is reserved for the log lines of all requests."""
    default_phone = use_case.settings.default_business_phone
    requests_by_record = [parse_body(record.get("body"), default_phone) for record in records]
    reserve_ms = FINISH_MS_PER_REQUEST * sum(map(len, requests_by_record))
    return [
        _create_message(record, requests, deadline, reserve_ms, now_s)
        for record, requests in zip(records, requests_by_record, strict=True)
    ]


def _create_message(
    record: dict[str, Any], requests: Sequence[Request], deadline: Deadline, reserve_ms: int, now_s: float
) -> _Message:
    message_id = record["messageId"]
    attributes = record.get("attributes") or {}
    receives = int(attributes.get("ApproximateReceiveCount", 1))
    sent = attributes.get("SentTimestamp")
    delivery = Delivery("sqs", receives, message_id, None if sent is None else int(sent))
    attempt = Attempt(receives, deadline, message_id, reserve_ms)
    parts = [WorkItem(request, attempt) for request in requests]
    handle, body = record.get("receiptHandle", ""), record.get("body") or ""
    return _Message(message_id, handle, body, delivery, attempt, delivery.age_s(now_s), parts)


def _finish_safely(use_case: RequestHandler, message: _Message) -> None:
    """Finish a message. Never raises: an error affects this message alone."""
    try:
        _finish(use_case, message)
    except Exception as error:  # noqa: BLE001 (a bug, which must not fail the other messages)
        _log_bug(error, message_id=message.message_id)
        message.redelivery = AFTER_VISIBILITY_TIMEOUT


def _finish(use_case: RequestHandler, message: _Message) -> None:
    """Write a message's log lines, then decide: it is redelivered, dead-lettered, or done."""
    _give_up_if_exhausted(use_case, message)
    for result in message.results:
        report(use_case.log_profile, result, message.delivery)
    unavailable = [result for result in message.results if result.outcome is Outcome.UNAVAILABLE]
    if unavailable:
        message.redelivery = Redelivery(max(_delay_s(result, message) for result in unavailable))
    else:
        message.dead_letters = _dead_letters_of(use_case, message)


def _give_up_if_exhausted(use_case: RequestHandler, message: _Message) -> None:
    """Reject what is still unavailable after the last receive that may fail."""
    failed_receives = count_failed_receives(use_case, message.results, message.attempt)
    for part in message.parts:
        part.results[:] = [give_up_if_exhausted(result, failed_receives, message.age_s) for result in part.results]


def _delay_s(result: Result, message: _Message) -> int:
    return backoff_s(result, message.attempt.number, random())  # noqa: S311 (jitter)


def _dead_letters_of(use_case: RequestHandler, message: _Message) -> list[DeadLetter]:
    """Return the dead letters of a message, none if an earlier receive has sent them, and only an event is missing."""
    parts = [(part.request, part.results) for part in message.parts]
    letters = create_dead_letters(message.body, parts, message.delivery, datetime.now(UTC))
    if use_case.letter_records is None or not letters or message.attempt.number == 1:
        return letters
    try:
        message.attempt.require_time(MIN_AWS_CALL_MS)
        return [] if use_case.letter_records.is_dead_lettered(message.message_id) else letters
    except DependencyUnavailable as error:
        logger.warning("dead_letters_unknown", extra={"error": str(error), "message_id": message.message_id})
        return letters


def _send_dead_letters(use_case: RequestHandler, messages: Sequence[_Message], deadline: Deadline) -> None:
    """Send all dead letters. A message stays on its queue until all of its dead letters are accepted."""
    letters = [(message, letter) for message in messages for letter in message.dead_letters]
    try:
        unsent = send_dead_letters(use_case, [letter for _, letter in letters], deadline)
    except Exception as error:  # noqa: BLE001 (a bug, which must not fail the messages without dead letters)
        _log_bug(error)
        unsent = set(range(len(letters)))
    for position in unsent:
        letters[position][0].redelivery = AFTER_VISIBILITY_TIMEOUT


def _set_visibility_timeouts(use_case: RequestHandler, redelivered: Sequence[_Message], deadline: Deadline) -> None:
    """Set the visibility timeouts until redelivery; where that fails, the queue's own applies."""
    entries: list[ChangeMessageVisibilityBatchRequestEntryTypeDef] = [
        {"Id": str(number), "ReceiptHandle": each.receipt_handle, "VisibilityTimeout": each.redelivery.delay_s}
        for number, each in enumerate(redelivered)
        if each.redelivery and each.redelivery.delay_s is not None
    ]
    if use_case.queue_url is None:
        return
    extra = {"queue_url": use_case.queue_url}
    try:
        for first in range(0, len(entries), MAX_BATCH_ENTRIES):
            if deadline.get_remaining_time_in_millis() < MIN_AWS_CALL_MS:
                logger.warning("visibility_timeout_failed", extra=extra | {"error": Reason.OUT_OF_TIME})
                return
            response = use_case.clients.sqs.change_message_visibility_batch(
                QueueUrl=use_case.queue_url, Entries=entries[first : first + MAX_BATCH_ENTRIES]
            )
            for failure in response.get("Failed", []):
                logger.warning("visibility_timeout_failed", extra=extra | {"error": failure["Code"]})
    except AWS_ERRORS as error:
        logger.warning("visibility_timeout_failed", extra=extra | {"error": describe_error(error)})


def _publish_outcome_events(use_case: RequestHandler, messages: Sequence[_Message], deadline: Deadline) -> None:
    """Publish the outcome events of all messages, if there is an event bus.

    A message stays on its queue until all of its events are accepted, or given up.
    """
    if use_case.event_bus is None:
        return
    now_ms = round(time.time() * 1000)
    try:
        items = [(message, item) for message in messages for item in _publications(message, now_ms)]
        errors = publish(use_case, use_case.event_bus, [item for _, item in items], deadline)
        failed = {items[position][0]: error for position, error in errors.items()}
    except Exception as error:  # noqa: BLE001 (a bug, which must not lose an event)
        _log_bug(error)
        failed = dict.fromkeys(messages, Reason.INTERNAL_ERROR.value)
    unpublished = [message for message in failed if message.redelivery is None]
    for message in unpublished:
        _keep_unpublished(use_case, message, failed[message])
    _send_dead_letters(use_case, unpublished, deadline)


def _publications(message: _Message, now_ms: int) -> list[Publication]:
    redelivered = message.redelivery is not None
    return publications(message.parts, message.delivery, message.message_id, now_ms, redelivered=redelivered)


def _keep_unpublished(use_case: RequestHandler, message: _Message, error: str) -> None:
    """Redeliver a message whose events were not accepted; at the last receive, dead-letter it."""
    result = Result(outcome=Outcome.UNAVAILABLE, reason=Reason.EVENT_NOT_PUBLISHED, detail=error)
    failed_receives = count_failed_receives(use_case, [result], message.attempt)
    if give_up_if_exhausted(result, failed_receives, message.age_s).outcome is Outcome.REJECTED:
        attributes = dead_letter_attributes(result, message.delivery, datetime.now(UTC))
        message.dead_letters = [DeadLetter(message.body, attributes)]
        return
    if use_case.letter_records and any(each.outcome is Outcome.REJECTED for each in message.results):
        use_case.letter_records.put_dead_lettered(message.message_id)
    message.dead_letters = ()
    message.redelivery = Redelivery(_delay_s(result, message))


def _log_bug(error: Exception, **extra: str) -> None:
    """Log and count a bug: its location, since its text may hold secrets."""
    logger.error("message_processing_failed", extra={"error": error_location(error), **extra})
    count_internal_error()
