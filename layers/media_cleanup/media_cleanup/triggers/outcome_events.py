"""Publishes final outcomes as events on an event bus, each of them at least once.

The detail of an event is described by docs/schemas/outcome-event-1.json.
"""

import json
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from media_cleanup.aws.clients import AWS_ERRORS, AwsClients, describe_error
from media_cleanup.outcome import Outcome
from media_cleanup.reporting import Delivery, log_fields
from media_cleanup.request import Attempt, Deadline
from media_cleanup.result import Result, WorkItem
from media_cleanup.telemetry import SERVICE, logger
from media_cleanup.triggers.batches import send_in_batches
from media_cleanup.triggers.runner import RequestHandler

if TYPE_CHECKING:
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef

SOURCE = "whatsapp-media-cleanup"
DELETED = "WhatsApp Media Deleted"
FAILED = "WhatsApp Media Deletion Failed"
SCHEMA_VERSION = 1
IDS = uuid.UUID("5f6e2d43-52b5-4f27-9d4c-3a1c5f0f8a10")  # the namespace of the events' ids
# Of the log line; the fields of the confirmation replace those of the result
_FIELDS = (
    "trigger",
    "media_id",
    "business_phone",
    "bucket",
    "object_key",
    "version_id",
    "requester",
    "deletion_reason",
    "requested_by",
    "message_id",
)
_FIELDS_OF_FAILURE = ("reason", "provider_code", "provider_message")


@dataclass(frozen=True, slots=True)
class OutcomeEvent:
    """An event of an outcome: its type, the outcome's time in Unix milliseconds, and its detail as JSON."""

    detail_type: str
    time_ms: int
    detail: str


@dataclass(frozen=True, slots=True)
class Publication:
    """An event to publish, with the result that it is of."""

    result: Result
    attempt: Attempt
    event: OutcomeEvent


def outcome_event(result: Result, delivery: Delivery, request_id: str, now_ms: int) -> OutcomeEvent:
    """Create the event of a final result.

    A confirmation has the same id whatever request repeats it; a failure, whenever the same request is repeated. Ids
    come from masked numbers: the rest of a phone number could be guessed from its hash.
    """
    fields, confirmation = log_fields(result, delivery), result.confirmation
    names = [fields["business_phone"], fields["media_id"], result.outcome]
    facts: dict[str, Any]
    requested_ms = delivery.sent_ms if result.occurred_ms is None else result.occurred_ms
    if confirmation:
        time_ms = confirmation.confirmed_ms
        names[2:] = [confirmation.outcome, time_ms]
        facts = {"outcome": confirmation.outcome, "reason": confirmation.reason}
        facts["provider_code"] = confirmation.provider_code
    else:
        time_ms = now_ms
        names += [result.reason, request_id]
        facts = {"outcome": result.outcome, **{name: fields[name] for name in _FIELDS_OF_FAILURE}}
    detail = {
        "schema_version": SCHEMA_VERSION,
        "id": str(uuid.uuid5(IDS, json.dumps(names))),
        **facts,
        "time": _iso(time_ms),
        "requested_at": None if requested_ms is None else _iso(requested_ms),
        "service": SERVICE,
        **{name: fields[name] for name in _FIELDS},
    }
    return OutcomeEvent(FAILED if result.outcome is Outcome.REJECTED else DELETED, time_ms, _to_json(detail))


def publications(
    parts: Sequence[WorkItem],
    delivery: Delivery,
    request_id: str,
    now_ms: int,
    *,
    redelivered: bool = False,
) -> list[Publication]:
    """Create the events of all final results of a message or invocation.

    Of a message that is `redelivered`, only what was confirmed just now: the rest is published when none of its parts
    is unavailable. A failure is identified by its part and its media file: once the part's other media files are gone,
    they have no results any more.
    """
    return [
        Publication(result, part.attempt, outcome_event(result, delivery, f"{request_id} {number}", now_ms))
        for number, part in enumerate(parts)
        for result in part.results
        if (result.confirmed_ms is not None if redelivered else result.is_gone or result.outcome is Outcome.REJECTED)
    ]


def publish(
    use_case: RequestHandler, event_bus: str, items: Sequence[Publication], deadline: Deadline
) -> dict[int, str]:
    """Publish events, and settle the results whose events are accepted.

    Returns the errors of those that are not, by their positions.
    """

    def send(batch: list[int]) -> dict[int, str]:
        return _put_events(use_case.clients, event_bus, {number: items[number].event for number in batch})

    errors = send_in_batches([len(item.event.detail.encode()) for item in items], send, deadline)
    for error in sorted(set(errors.values())):
        logger.warning("outcome_event_not_accepted", extra={"error": error, "event_bus": event_bus})
    accepted = [item for number, item in enumerate(items) if number not in errors]
    with ThreadPoolExecutor(use_case.settings.concurrent_calls) as workers:
        for future in [workers.submit(use_case.on_event_accepted, item.result, item.attempt) for item in accepted]:
            future.result()
    return errors


def _put_events(clients: AwsClients, event_bus: str, events: dict[int, OutcomeEvent]) -> dict[int, str]:
    """Publish events in one call. Returns the errors of those that were not accepted."""
    entries: list[PutEventsRequestEntryTypeDef] = [
        {
            "EventBusName": event_bus,
            "Source": SOURCE,
            "DetailType": event.detail_type,
            "Time": datetime.fromtimestamp(event.time_ms / 1000, UTC),
            "Detail": event.detail,
        }
        for event in events.values()
    ]
    try:
        response = clients.events.put_events(Entries=entries)
    except AWS_ERRORS as error:
        return dict.fromkeys(events, describe_error(error))
    answers = dict(zip(events, response["Entries"], strict=True))  # in the order of the request
    return {
        number: answer.get("ErrorCode", "no EventId") for number, answer in answers.items() if "EventId" not in answer
    }


def _iso(unix_ms: int) -> str:
    return datetime.fromtimestamp(unix_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _to_json(detail: dict[str, Any]) -> str:
    """The detail without empty fields; a lone surrogate, which UTF-8 cannot hold, becomes a question mark."""
    text = json.dumps({name: value for name, value in detail.items() if value is not None}, ensure_ascii=False)
    return text.encode(errors="replace").decode()
