"""SQS: handles a batch of messages, then finishes each: done, redelivered after a delay, or dead-lettered."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
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
from media_cleanup.triggers.dead_letters import DeadLetter, dead_letter_attributes, dead_letters, send_dead_letters
from media_cleanup.triggers.failures import count_failed_receives
from media_cleanup.triggers.outcome_events import Publication, publications, publish
from media_cleanup.triggers.parsing import parse_body
from media_cleanup.triggers.runner import RequestHandler, error_location, handle_all

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import ChangeMessageVisibilityBatchRequestEntryTypeDef

MAX_BATCH_ENTRIES = 10


@dataclass(frozen=True, slots=True)
class _Message:
    """A message, `age_s` seconds after it was sent, and its requests as they are handled."""

    message_id: str
    receipt_handle: str
    body: str
    delivery: Delivery
    attempt: Attempt
    age_s: float
    parts: list[WorkItem]

    @property
    def results(self) -> list[Result]:
        """The results of all parts."""
        return [result for part in self.parts for result in part.results]


@dataclass(frozen=True, slots=True)
class _NextStep:
    """What to do with a message: redeliver it; else it is done, once its dead letters are accepted."""

    redelivery: Redelivery | None = None
    dead_letters: Sequence[DeadLetter] = ()


def process_sqs_batch(
    event: dict[str, Any], handler: RequestHandler, deadline: Deadline, now_s: Callable[[], float] = time.time
) -> dict[str, Any]:
    """Handle the messages of an SQS event, and return the partial batch response. `now_s` returns Unix seconds."""
    messages = _parse_messages(event["Records"], handler, deadline, now_s())
    handle_all(handler, [part for message in messages for part in message.parts])
    steps = [_finish_safely(handler, message) for message in messages]
    steps = _send_all_dead_letters(handler, steps, deadline)
    if handler.event_bus:
        steps = _publish_all(handler, handler.event_bus, messages, steps, deadline)
        steps = _send_all_dead_letters(handler, steps, deadline)  # of messages whose events were given up
    redelivered = [(message, step.redelivery) for message, step in zip(messages, steps, strict=True) if step.redelivery]
    _set_visibility_timeouts(handler, redelivered, deadline)
    return {"batchItemFailures": [{"itemIdentifier": message.message_id} for message, _ in redelivered]}


def _parse_messages(
    records: Sequence[dict[str, Any]], handler: RequestHandler, deadline: Deadline, now_s: float
) -> list[_Message]:
    requests = [parse_body(record.get("body"), handler.settings.default_business_phone) for record in records]
    reserve_ms = FINISH_MS_PER_REQUEST * sum(map(len, requests))
    return [
        _parse_message(record, its_requests, deadline, reserve_ms, now_s)
        for record, its_requests in zip(records, requests, strict=True)
    ]


def _parse_message(
    record: dict[str, Any], requests: Sequence[Request], deadline: Deadline, reserve_ms: int, now_s: float
) -> _Message:
    attributes = record.get("attributes") or {}
    sent = attributes.get("SentTimestamp")
    delivery = Delivery(
        trigger="sqs",
        receive_count=int(attributes.get("ApproximateReceiveCount", 1)),
        message_id=record["messageId"],
        sent_ms=None if sent is None else int(sent),
    )
    attempt = Attempt(delivery.receive_count, deadline, delivery.message_id, reserve_ms)
    return _Message(
        message_id=record["messageId"],
        receipt_handle=record.get("receiptHandle", ""),
        body=record.get("body") or "",
        delivery=delivery,
        attempt=attempt,
        age_s=delivery.age_s(now_s),
        parts=[WorkItem(request, attempt) for request in requests],
    )


def _finish_safely(handler: RequestHandler, message: _Message) -> _NextStep:
    """Finish a message. Never raises, so that no message can fail another."""
    try:
        return _finish(handler, message)
    except Exception as error:  # noqa: BLE001 (a bug: its location is logged, its text may hold secrets)
        extra = {"error": error_location(error), "message_id": message.message_id}
        logger.error("message_processing_failed", extra=extra)
        count_internal_error()
        return _NextStep(AFTER_VISIBILITY_TIMEOUT)


def _finish(handler: RequestHandler, message: _Message) -> _NextStep:
    """Write a message's log lines, then decide: redelivered, dead-lettered, or done."""
    failed_receives = count_failed_receives(handler, message.results, message.attempt)
    for part in message.parts:
        part.results[:] = [give_up_if_exhausted(result, failed_receives, message.age_s) for result in part.results]
    for result in message.results:
        report(handler.log_profile, result, message.delivery)
    unavailable = [result for result in message.results if result.outcome is Outcome.UNAVAILABLE]
    if unavailable:
        return _NextStep(Redelivery(max(_delay_s(result, message) for result in unavailable)))
    return _NextStep(dead_letters=_letters_of(handler, message))


def _delay_s(result: Result, message: _Message) -> int:
    return backoff_s(result, message.attempt.number, random())  # noqa: S311 (jitter)


def _letters_of(handler: RequestHandler, message: _Message) -> list[DeadLetter]:
    """Return the dead letters of a message, none if an earlier receive has sent them, and only an event is missing."""
    parts = [(part.request, part.results) for part in message.parts]
    letters = dead_letters(message.body, parts, message.delivery, datetime.now(UTC))
    if handler.letter_records is None or not letters or message.attempt.number == 1:
        return letters
    try:
        message.attempt.require_time(MIN_AWS_CALL_MS)
        return [] if handler.letter_records.is_dead_lettered(message.message_id) else letters
    except DependencyUnavailable as error:
        logger.warning("dead_letters_unknown", extra={"error": str(error), "message_id": message.message_id})
        return letters


def _send_all_dead_letters(handler: RequestHandler, steps: Sequence[_NextStep], deadline: Deadline) -> list[_NextStep]:
    """Send all dead letters of a batch. A message stays on its queue until all of its dead letters are accepted."""
    letters = [(number, letter) for number, step in enumerate(steps) for letter in step.dead_letters]
    try:
        unsent = send_dead_letters(handler, [letter for _, letter in letters], deadline)
    except Exception as error:  # noqa: BLE001 (a bug, which must not fail the messages without dead letters)
        logger.error("message_processing_failed", extra={"error": error_location(error)})
        count_internal_error()
        unsent = set(range(len(letters)))
    failed = {letters[position][0] for position in unsent}
    return [
        _NextStep(AFTER_VISIBILITY_TIMEOUT) if number in failed else replace(step, dead_letters=())
        for number, step in enumerate(steps)
    ]


def _set_visibility_timeouts(
    handler: RequestHandler, redeliveries: Sequence[tuple[_Message, Redelivery]], deadline: Deadline
) -> None:
    """Set the visibility timeouts until redelivery; where that fails, the queue's own applies."""
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
            if deadline.get_remaining_time_in_millis() < MIN_AWS_CALL_MS:
                logger.warning("visibility_timeout_failed", extra=extra | {"error": Reason.OUT_OF_TIME})
                return
            response = handler.clients.sqs.change_message_visibility_batch(
                QueueUrl=handler.queue_url, Entries=entries[first : first + MAX_BATCH_ENTRIES]
            )
            for failure in response.get("Failed", []):
                logger.warning("visibility_timeout_failed", extra=extra | {"error": failure["Code"]})
    except AWS_ERRORS as error:
        logger.warning("visibility_timeout_failed", extra=extra | {"error": describe_error(error)})


def _publish_all(
    handler: RequestHandler,
    event_bus: str,
    messages: Sequence[_Message],
    steps: Sequence[_NextStep],
    deadline: Deadline,
) -> list[_NextStep]:
    """Publish all outcome events of a batch. A message stays on its queue until all of its events are accepted."""
    ends = list(zip(messages, steps, strict=True))
    now_ms = round(time.time() * 1000)
    try:
        items = [(number, item) for number, end in enumerate(ends) for item in _publications(*end, now_ms)]
        errors = publish(handler, event_bus, [item for _, item in items], deadline)
        failed = {items[position][0]: error for position, error in errors.items()}
    except Exception as error:  # noqa: BLE001 (a bug, which must not lose an event)
        logger.error("message_processing_failed", extra={"error": error_location(error)})
        count_internal_error()
        failed = dict.fromkeys(range(len(ends)), Reason.INTERNAL_ERROR.value)
    return [
        _not_published(handler, message, failed[number]) if number in failed and end.redelivery is None else end
        for number, (message, end) in enumerate(ends)
    ]


def _publications(message: _Message, end: _NextStep, now_ms: int) -> list[Publication]:
    redelivered = end.redelivery is not None
    return publications(message.parts, message.delivery, message.message_id, now_ms, redelivered=redelivered)


def _not_published(handler: RequestHandler, message: _Message, error: str) -> _NextStep:
    """Redeliver a message whose events were not accepted; at the last receive, dead-letter it."""
    result = Result(outcome=Outcome.UNAVAILABLE, reason=Reason.EVENT_NOT_PUBLISHED, detail=error)
    failed_receives = count_failed_receives(handler, [result], message.attempt)
    if give_up_if_exhausted(result, failed_receives, message.age_s).outcome is Outcome.UNAVAILABLE:
        if handler.letter_records and any(each.outcome is Outcome.REJECTED for each in message.results):
            handler.letter_records.put_dead_lettered(message.message_id)
        return _NextStep(Redelivery(_delay_s(result, message)))
    attributes = dead_letter_attributes(result, message.delivery, datetime.now(UTC))
    return _NextStep(dead_letters=[DeadLetter(message.body, attributes)])
