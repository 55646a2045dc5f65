"""Receives the outcome events of a chaos test, and compares them with what NXCloud and the queues have seen."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import jsonschema

from localdev.cloud import ROOT, LocalCloud
from media_cleanup.masking import mask_number
from media_cleanup.triggers.outcome_events import DELETED, FAILED, SOURCE
from tests.chaos.fault_profile import FaultyNxCloud

BUS = "chaos-outcomes"
VALIDATOR = jsonschema.Draft202012Validator(json.loads((ROOT / "docs/schemas/outcome-event-1.json").read_text()))
FINAL = {"deleted": DELETED, "already_gone": DELETED, "rejected": FAILED}


@dataclass(frozen=True)
class ReceivedEvent:
    """An event as the bus delivered it; `received_ms` is a Unix time."""

    detail_type: str
    detail: dict[str, Any]
    received_ms: int

    @property
    def subject(self) -> tuple[str, str]:
        """The media file, else the message."""
        return self.detail.get("business_phone", ""), self.detail.get("media_id") or self.detail["message_id"]

    @property
    def time_ms(self) -> int:
        """The time of the outcome."""
        return round(datetime.fromisoformat(self.detail["time"]).timestamp() * 1000)


class EventQueue:
    """A queue that receives all outcome events of a bus."""

    def __init__(self, cloud: LocalCloud) -> None:
        self._sqs, events = cloud.client("sqs"), cloud.client("events")
        self._url = self._sqs.create_queue(QueueName=BUS)["QueueUrl"]
        attributes = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])["Attributes"]
        events.create_event_bus(Name=BUS)
        events.put_rule(Name=BUS, EventBusName=BUS, EventPattern=json.dumps({"source": [SOURCE]}))
        events.put_targets(Rule=BUS, EventBusName=BUS, Targets=[{"Id": BUS, "Arn": attributes["QueueArn"]}])

    def receive(self) -> list[ReceivedEvent]:
        """Receive all events."""
        found = []
        while messages := self._sqs.receive_message(
            QueueUrl=self._url, MaxNumberOfMessages=10, VisibilityTimeout=3600, AttributeNames=["SentTimestamp"]
        ).get("Messages"):
            for message in messages:
                event, sent_ms = json.loads(message["Body"]), int(message["Attributes"]["SentTimestamp"])
                found.append(ReceivedEvent(event["detail-type"], event["detail"], sent_ms))
        return found


def event_violations(
    events: Sequence[ReceivedEvent],
    lines: Sequence[dict[str, Any]],
    fake_nxcloud: FaultyNxCloud,
    rejected: set[str],
) -> dict[str, list[str]]:
    """Return the violations of the promises about events; `rejected` are the ids of dead-lettered messages."""
    published = {(event.detail_type, event.subject) for event in events}
    return {
        "final outcomes without an event": sorted(
            {f"{line['outcome']}: {line.get('media_id')}" for line in lines if _missing(line, published)}
        ),
        "events without an outcome, or before it": [
            f"{event.detail_type}: {event.detail}" for event in events if not _is_true(event, fake_nxcloud, rejected)
        ],
        "events with one id and different outcomes": _contradictions(events),
        "events that do not follow the schema": [
            str(event.detail) for event in events if not VALIDATOR.is_valid(event.detail)
        ],
    }


def _missing(line: dict[str, Any], published: set[tuple[str, tuple[str, str]]]) -> bool:
    detail_type = FINAL.get(line["outcome"])
    subject = (line.get("business_phone", ""), line.get("media_id") or line["message_id"])
    return detail_type is not None and (detail_type, subject) not in published


def _is_true(event: ReceivedEvent, fake_nxcloud: FaultyNxCloud, rejected: set[str]) -> bool:
    """Whether the outcome was there before its event."""
    if event.detail_type == FAILED:
        return event.detail["message_id"] in rejected
    gone_ms = _gone_ms(event, fake_nxcloud)
    return gone_ms is not None and gone_ms <= event.time_ms <= event.received_ms


def _gone_ms(event: ReceivedEvent, fake_nxcloud: FaultyNxCloud) -> int | None:
    """The time at which NXCloud received the deletion; 0 for a media file that has expired."""
    phone, media_id = event.subject
    if any((mask_number(number), each) == (phone, media_id) for number, each in fake_nxcloud.provider.expired):
        return 0
    calls = [
        call.received_ms
        for call in list(fake_nxcloud.provider.calls)
        if (call.action, call.code, call.media_id) == ("deleteMedia", 0, media_id)
        and mask_number(call.business_phone) == phone
    ]
    return min(calls, default=None)


def _contradictions(events: Sequence[ReceivedEvent]) -> list[str]:
    facts: dict[str, set[tuple[str, str]]] = {}
    for event in events:
        time = "" if event.detail_type == FAILED else event.detail["time"]  # of a failure, that of the attempt
        facts.setdefault(event.detail["id"], set()).add((event.detail["outcome"], time))
    return [f"{event_id}: {found}" for event_id, found in facts.items() if len(found) > 1]
