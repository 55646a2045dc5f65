"""Outcome events, at the boundary of EventBridge's client; tests/e2e/test_evidence.py has a bus and its targets."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from localdev.fake_nxcloud import Fault
from media_cleanup.errors import RequestsFailedError
from tests.conftest import MEDIA_ID, PHONE, sample
from tests.integration.conftest import (
    AWS,
    BUCKET,
    KEY,
    MASKED,
    MEDIA_MESSAGE,
    RECORDS,
    TABLE,
    Environment,
    failed_ids,
    inject_aws_error,
    sqs_event,
)
from tests.integration.test_idempotency import OTHER_ID, removals
from tests.unit.test_outcome_events import VALIDATOR

BUS = "outcomes"
LINKED = {"bucket": BUCKET, "key": "offers/a.jpg", "requested_by": "privacy-desk"}


class Bus:
    """The event bus of the deletion function's client: it takes all events but those at `refused` in a call."""

    def __init__(self, environment: Environment) -> None:
        self.refused: tuple[int, ...] = ()
        self.calls = 0
        self._entries: list[dict[str, Any]] = []
        environment.delete_media_clients.events.meta.events.register("before-call.events.PutEvents", self._put)

    def _put(self, params: dict[str, Any], **_: object) -> Any:  # noqa: ANN401 (as botocore takes it)
        """Respond as botocore's event `before-call` takes it."""
        self.calls += 1
        entries = json.loads(params["body"])["Entries"]
        self._entries += [entry for number, entry in enumerate(entries) if number not in self.refused]
        answers = [
            {"ErrorCode": "Throttled"} if number in self.refused else {"EventId": str(number)}
            for number in range(len(entries))
        ]
        response = SimpleNamespace(status_code=200, headers={}, content=b"")
        return response, {"FailedEntryCount": len(self.refused), "Entries": answers, "ResponseMetadata": {}}

    def events(self) -> list[dict[str, Any]]:
        """Return all events since the last call, by their Media-IDs."""
        entries, self._entries = self._entries, []
        events = [entry | {"Detail": json.loads(entry["Detail"])} for entry in entries]
        for event in events:
            assert (event["EventBusName"], event["Source"]) == (BUS, "whatsapp-media-cleanup")
            VALIDATOR.validate(event["Detail"])
        return sorted(events, key=lambda event: str(event["Detail"].get("media_id")))

    def details(self) -> list[dict[str, Any]]:
        """Return the details of all events since the last call."""
        return [event["Detail"] for event in self.events()]


@pytest.fixture
def bus(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> Bus:
    monkeypatch.setenv("OUTCOME_EVENT_BUS", BUS)
    return Bus(environment)


def link(environment: Environment) -> None:
    """Link the object that LINKED names."""
    environment.index_media(sqs_event({name: LINKED[name] for name in ("bucket", "key")} | MEDIA_MESSAGE))
    environment.deletion_requests()


def test_deletion_publishes_one_whole_event(environment: Environment, bus: Bus) -> None:
    event = sample("sqs-s3-removed")
    environment.delete_media(event)
    [published] = bus.events()
    detail = published["Detail"]
    assert published["DetailType"] == "WhatsApp Media Deleted"
    assert detail.pop("id")
    assert detail.pop("time") > "2026"
    assert detail == {
        "schema_version": 1,
        "outcome": "deleted",
        "provider_code": 0,
        "requested_at": "2026-01-15T09:26:53.589Z",
        "service": "media-cleanup",
        "trigger": "sqs",
        "media_id": MEDIA_ID,
        "business_phone": MASKED,
        "bucket": BUCKET,
        "object_key": f"{MASKED}/{MEDIA_ID}.jpg",
        "requester": "AWS:AIDAEXAMPLEPRINCIPAL",
        "message_id": event["Records"][0]["messageId"],
    }


def test_repeat_publishes_the_same_event(environment: Environment, bus: Bus) -> None:
    environment.delete_media(sqs_event(MEDIA_MESSAGE))
    environment.delete_media(sqs_event(MEDIA_MESSAGE, receives=2))
    assert environment.outcomes == [("already_gone", "remembered")]
    first, second = bus.details()
    assert first == second
    [record] = AWS.dynamodb.scan(TableName=RECORDS)["Items"]
    assert PHONE not in json.dumps(record)


def test_record_of_an_earlier_version_has_an_event(environment: Environment, bus: Bus) -> None:
    environment.delete_media(sqs_event(MEDIA_MESSAGE))
    [record] = AWS.dynamodb.scan(TableName=RECORDS)["Items"]
    AWS.dynamodb.put_item(TableName=RECORDS, Item=record | {"data": {"S": "{}"}})
    bus.events()
    for _ in range(2):
        environment.delete_media(sqs_event(MEDIA_MESSAGE))
    first, second = bus.details()
    assert first == second
    assert (first["outcome"], first["reason"]) == ("already_gone", "remembered")


def test_event_not_accepted_redelivers_without_a_second_call(environment: Environment, bus: Bus) -> None:
    link(environment)
    bus.refused = (0,)
    assert failed_ids(environment.delete_media(sqs_event(LINKED))) == ["message-0"]
    assert environment.outcomes == [("deleted", None)]
    assert len(environment.links()) == 1  # a repeat finds the media file by it
    bus.refused = ()
    assert failed_ids(environment.delete_media(sqs_event(LINKED, receives=2))) == []
    assert environment.outcomes == [("already_gone", "remembered")]
    assert environment.deletion_calls == [MEDIA_ID]
    [detail] = bus.details()
    assert (detail["outcome"], detail["requested_by"]) == ("deleted", "privacy-desk")
    assert environment.links() == []


def test_failed_call_keeps_all_messages(environment: Environment, bus: Bus) -> None:
    inject_aws_error(environment.delete_media_clients.events, "PutEvents", 400, "AccessDeniedException")
    assert failed_ids(environment.delete_media(sqs_event(MEDIA_MESSAGE))) == ["message-0"]
    [line] = [each for each in environment.log_lines if each["message"] == "outcome_event_not_accepted"]
    assert (line["error"], line["event_bus"]) == ("answered AccessDeniedException", BUS)
    assert bus.events() == []


def test_message_stays_only_where_its_own_event_fails(environment: Environment, bus: Bus) -> None:
    environment.fake_nxcloud.provider.add_media(PHONE, OTHER_ID)
    bus.refused = (1,)
    event = sqs_event(MEDIA_MESSAGE, MEDIA_MESSAGE | {"media_id": OTHER_ID})
    assert failed_ids(environment.delete_media(event)) == ["message-1"]


def test_event_not_published_at_the_15th_receive_is_dead_lettered(environment: Environment, bus: Bus) -> None:
    bus.refused = (0,)
    assert failed_ids(environment.delete_media(sqs_event(MEDIA_MESSAGE, receives=14))) == ["message-0"]
    assert failed_ids(environment.delete_media(sqs_event(MEDIA_MESSAGE, receives=15))) == []
    [(body, attributes)] = environment.dead_letters()
    assert json.loads(body) == MEDIA_MESSAGE
    assert attributes["reason"] == "event_not_published: Throttled"
    bus.refused = ()
    environment.delete_media(sqs_event(body))  # redriven
    assert [detail["outcome"] for detail in bus.details()] == ["deleted"]
    assert environment.deletion_calls == [MEDIA_ID]


def test_message_stays_while_the_dead_letter_of_its_event_fails(environment: Environment, bus: Bus) -> None:
    bus.refused = (0,)
    inject_aws_error(environment.delete_media_clients.sqs, "SendMessageBatch", 400)
    assert failed_ids(environment.delete_media(sqs_event(MEDIA_MESSAGE, receives=15))) == ["message-0"]


def test_rejected_message_is_dead_lettered_before_its_event(environment: Environment, bus: Bus) -> None:
    calls: list[str] = []
    for client, operation in (
        (environment.delete_media_clients.sqs, "SendMessageBatch"),
        (environment.delete_media_clients.events, "PutEvents"),
    ):
        client.meta.events.register(f"before-call.*.{operation}", lambda model, **_: calls.append(model.name))
    environment.delete_media(sqs_event({"media_id": 7, "requested_by": "privacy-desk"}))
    assert calls == ["SendMessageBatch", "PutEvents"]
    [event] = bus.events()
    assert event["DetailType"] == "WhatsApp Media Deletion Failed"
    assert event["Detail"]["reason"].startswith("not_understood: ")
    assert event["Detail"]["requested_by"] == "privacy-desk"


def test_message_without_event_is_dead_lettered_once(environment: Environment, bus: Bus) -> None:
    bus.refused = (0,)
    message = {"media_id": 7}
    for receives in (1, 2, 3):
        assert failed_ids(environment.delete_media(sqs_event(message, receives=receives))) == ["message-0"]
    bus.refused = ()
    assert failed_ids(environment.delete_media(sqs_event(message, receives=4))) == []
    assert [attributes["reason"].partition(":")[0] for _, attributes in environment.dead_letters()] == [
        "not_understood"
    ]
    assert len(bus.events()) == 1


def test_message_is_dead_lettered_again_where_the_table_fails(environment: Environment, bus: Bus) -> None:
    bus.refused = (0,)
    inject_aws_error(environment.delete_media_clients.dynamodb, "UpdateItem", 400)
    inject_aws_error(environment.delete_media_clients.dynamodb, "GetItem", 400)
    for receives in (1, 2):
        environment.delete_media(sqs_event({"media_id": 7}, receives=receives))
    assert {"dead_letters_unknown", "idempotency_record_not_saved"} <= {
        line["message"] for line in environment.log_lines
    }
    assert len(environment.dead_letters()) == 2


def test_no_event_while_the_dead_letter_is_not_accepted(environment: Environment, bus: Bus) -> None:
    inject_aws_error(environment.delete_media_clients.sqs, "SendMessageBatch", 400)
    assert failed_ids(environment.delete_media(sqs_event({"media_id": 7}))) == ["message-0"]
    assert bus.events() == []


def test_batch_publishes_its_events_in_one_call(environment: Environment, bus: Bus) -> None:
    media = [environment.fake_nxcloud.provider.add_media(PHONE) for _ in range(10)]
    environment.delete_media(sqs_event(*(MEDIA_MESSAGE | {"media_id": media_id} for media_id in media)))
    assert (bus.calls, [detail["media_id"] for detail in bus.details()]) == (1, sorted(media))


def test_skipped_and_unavailable_requests_have_no_event(environment: Environment, bus: Bus) -> None:
    environment.fake_nxcloud.misbehave(Fault("code", code=9003))
    environment.delete_media(sqs_event(MEDIA_MESSAGE, {"bucket": BUCKET, "key": "none"}))
    assert bus.events() == []


def test_dry_run_has_no_event(environment: Environment, bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRY_RUN", "true")
    environment.delete_media(sqs_event(MEDIA_MESSAGE))
    assert bus.events() == []


def test_part_is_published_at_once_and_with_its_message(environment: Environment, bus: Bus) -> None:
    environment.fake_nxcloud.provider.add_media(PHONE, OTHER_ID)
    environment.fake_nxcloud.misbehave(Fault("code", code=-1))
    message = removals(OTHER_ID, MEDIA_ID)
    assert failed_ids(environment.delete_media(sqs_event(message))) == ["message-0"]
    [first] = bus.details()
    assert failed_ids(environment.delete_media(sqs_event(message, receives=2))) == []
    [again, other] = sorted(bus.details(), key=lambda detail: detail["media_id"] == OTHER_ID)
    assert again == first
    assert (other["media_id"], other["outcome"]) == (OTHER_ID, "deleted")


def test_direct_invocation_publishes(environment: Environment, bus: Bus) -> None:
    environment.delete_media(sample("eventbridge-deleted"))
    [detail] = bus.details()
    assert (detail["trigger"], detail["requester"]) == ("eventbridge", "123456789012")
    assert detail["deletion_reason"] == "DeleteObject"


def test_direct_invocation_raises_where_its_event_is_not_accepted(environment: Environment, bus: Bus) -> None:
    bus.refused = (0,)
    with pytest.raises(RequestsFailedError, match="1 outcome events were not accepted by the event bus outcomes: Thr"):
        environment.delete_media(sample("direct-media"))
    bus.refused = ()
    [result] = environment.delete_media(sample("direct-media"))["results"]
    assert (result["outcome"], result["reason"]) == ("already_gone", "remembered")
    assert [detail["outcome"] for detail in bus.details()] == ["deleted"]


def test_direct_failure_has_one_id_in_all_retries(environment: Environment, bus: Bus) -> None:
    for request in ("one", "one", "two"):
        with pytest.raises(RequestsFailedError, match="not_understood"):
            environment.delete_media({"media_id": 7}, aws_request_id=request)
    first, retried, other = sorted(detail["id"] for detail in bus.details())
    assert len({first, retried, other}) == 2


def test_verified_absence_is_published_and_its_link_removed(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ABSENCE_PROOF_INTERVAL_S", "0")
    monkeypatch.setenv("OUTCOME_EVENT_BUS", BUS)
    bus = Bus(environment)
    link(environment)
    environment.fake_nxcloud.provider.media.clear()
    for receives in (3, 4):
        environment.delete_media(sqs_event(LINKED, receives=receives))
    assert environment.outcomes == [("already_gone", "verified_absent")]
    [detail] = bus.details()
    assert (detail["outcome"], detail["reason"]) == ("already_gone", "verified_absent")
    assert environment.links() == []
    environment.delete_media(sqs_event(MEDIA_MESSAGE))
    [repeated] = bus.details()
    assert repeated["id"] == detail["id"]


def test_without_a_bus_no_client_of_eventbridge_is_made(environment: Environment) -> None:
    link(environment)
    environment.delete_media(sqs_event(LINKED))
    assert environment.links() == []
    assert "events" not in environment.delete_media_clients._clients  # noqa: SLF001 (each client costs a cold start time)
    assert AWS.dynamodb.scan(TableName=TABLE)["Items"] == []


def test_invalid_bus_name_fails_the_invocation(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTCOME_EVENT_BUS", f"arn:{KEY}")
    with pytest.raises(Exception, match="OUTCOME_EVENT_BUS must be the name of an event bus"):
        environment.delete_media(sample("direct-media"))
