"""Outcome events: their ids, what they say, and which results have one."""

import json
from dataclasses import dataclass, field, replace
from typing import Any, cast

import jsonschema
import pytest
from botocore.exceptions import ClientError

from localdev.cloud import ROOT
from media_cleanup.aws.clients import AwsClients
from media_cleanup.model import Media
from media_cleanup.outcome import Outcome, Reason
from media_cleanup.reporting import Delivery
from media_cleanup.request import Attempt, Origin, Request
from media_cleanup.result import Confirmation, Result, WorkItem
from media_cleanup.triggers.outcome_events import DELETED, FAILED, SOURCE, outcome_event, publications, publish
from tests.conftest import EVENTS, MEDIA_ID, PHONE, Context
from tests.unit.test_sqs import FakeUseCase

SCHEMA = json.loads((ROOT / "docs/schemas/outcome-event-1.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
SAMPLES = {path.stem: json.loads(path.read_text()) for path in EVENTS.glob("outcomes/*.json")}
SENT_MS, CONFIRMED_MS, NOW_MS = 1_768_469_213_589, 1_768_469_214_793, 1_768_557_731_004
MESSAGE_ID = "059f36b4-87a3-44ab-83d2-661970000001"
DELIVERY = Delivery("sqs", 1, MESSAGE_ID, SENT_MS)
DONE = Result(
    outcome=Outcome.DELETED,
    media=Media(PHONE, MEDIA_ID),
    bucket="example-bucket",
    key=f"{PHONE}/{MEDIA_ID}.jpg",
    origin=Origin(requester="AWS:AIDAEXAMPLEPRINCIPAL"),
    provider_code=0,
    provider_message="success",
    confirmed_ms=CONFIRMED_MS,
)
REFUSED = Result(
    outcome=Outcome.REJECTED,
    reason=Reason.REFUSED_BY_PROVIDER,
    media=Media(PHONE, "0b54f2c0-6f5b-4d2f-9a52-2b1d0f6f0d11"),
    origin=Origin(requested_by="privacy-desk"),
    provider_code=9006,
    provider_message="the phone number is not bound",
)
OTHER = "059f36b4-87a3-44ab-83d2-661970000002"


def part(*results: Result) -> WorkItem:
    """A part of a message, with these results."""
    return WorkItem(Request(Media(PHONE, MEDIA_ID)), Attempt(1, Context()), list(results))


def detail_of(result: Result, delivery: Delivery = DELIVERY, now_ms: int = NOW_MS) -> dict[str, Any]:
    detail: dict[str, Any] = json.loads(outcome_event(result, delivery, f"{delivery.message_id} 0", now_ms).detail)
    VALIDATOR.validate(detail)
    return detail


def test_schema_is_valid_and_allows_only_known_fields_in_samples() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SAMPLES.keys() == {"deleted", "failed"}
    for sample in SAMPLES.values():
        VALIDATOR.validate(sample["detail"])
        assert sample["detail"].keys() <= SCHEMA["properties"].keys()
        assert sample["source"] == SOURCE


def test_samples_are_what_is_published() -> None:
    assert detail_of(DONE) == SAMPLES["deleted"]["detail"] | {"service": "media-cleanup"}
    delivery = Delivery("sqs", 1, OTHER, 1_768_557_730_000)
    assert detail_of(REFUSED, delivery) == SAMPLES["failed"]["detail"] | {"service": "media-cleanup"}
    for name, result, detail_type in (("deleted", DONE, DELETED), ("failed", REFUSED, FAILED)):
        assert outcome_event(result, DELIVERY, "", NOW_MS).detail_type == SAMPLES[name]["detail-type"] == detail_type


@pytest.mark.parametrize(
    "change",
    [
        {"id": "7"},
        {"outcome": "skipped"},
        {"time": "2026-01-15"},
        {"reason": "gave_up"},  # deleted needs none
        {"schema_version": 2},
        {"business_phone": PHONE},
    ],
)
def test_schema_refuses_other_details(change: dict[str, object]) -> None:
    assert not VALIDATOR.is_valid(SAMPLES["deleted"]["detail"] | change)


def test_repeat_has_the_event_of_the_confirmation() -> None:
    repeat = replace(DONE, outcome=Outcome.ALREADY_GONE, reason=Reason.REMEMBERED, provider_code=None)
    repeat = replace(repeat, provider_message=None, confirmed_ms=None, earlier_confirmation=DONE.confirmation)
    assert outcome_event(repeat, DELIVERY, "", NOW_MS) == outcome_event(DONE, DELIVERY, "", CONFIRMED_MS)
    by_another = detail_of(replace(repeat, origin=Origin(requested_by="audit")), Delivery("sqs", 1, OTHER))
    assert by_another["id"] == detail_of(DONE)["id"]
    assert (by_another["outcome"], by_another["time"]) == ("deleted", "2026-01-15T09:26:54.793Z")


def test_id_reveals_no_more_than_the_masked_number() -> None:
    other = replace(DONE, media=Media(f"{PHONE[:5]}9999{PHONE[-4:]}", MEDIA_ID))
    assert detail_of(other)["id"] == detail_of(DONE)["id"]


def test_later_confirmation_has_another_id() -> None:
    assert detail_of(DONE)["id"] != detail_of(replace(DONE, confirmed_ms=CONFIRMED_MS + 1))["id"]
    assert detail_of(DONE)["id"] != detail_of(replace(DONE, media=Media(PHONE, OTHER)))["id"]


def test_verified_absence_has_no_code() -> None:
    absent = replace(DONE, outcome=Outcome.ALREADY_GONE, reason=Reason.VERIFIED_ABSENT, provider_code=-1)
    detail = detail_of(absent)
    assert (detail["outcome"], detail["reason"]) == ("already_gone", "verified_absent")
    assert "provider_code" not in detail
    assert absent.confirmation == Confirmation(Outcome.ALREADY_GONE, Reason.VERIFIED_ABSENT, None, CONFIRMED_MS)


def test_failure_has_the_same_id_when_repeated() -> None:
    first, later = detail_of(REFUSED), detail_of(REFUSED, replace(DELIVERY, receive_count=2), NOW_MS + 60_000)
    assert first["id"] == later["id"]
    gave_up = replace(REFUSED, reason=Reason.GAVE_UP, last_reason=Reason.NO_ANSWER)
    assert detail_of(gave_up)["id"] != first["id"]
    assert detail_of(gave_up)["reason"] == "gave_up: no_answer"
    of_other_part = outcome_event(REFUSED, DELIVERY, f"{MESSAGE_ID} 1", NOW_MS)
    assert json.loads(of_other_part.detail)["id"] != first["id"]


def test_failure_without_media_is_valid() -> None:
    detail = detail_of(Result(outcome=Outcome.REJECTED, reason=Reason.NOT_UNDERSTOOD, detail="the body is not JSON"))
    assert detail["reason"] == "not_understood: the body is not JSON"
    assert "media_id" not in detail


def test_detail_holds_no_whole_number_and_no_surrogate() -> None:
    result = replace(
        REFUSED, provider_message=f"{PHONE}\ud800é", detail=PHONE, origin=Origin(PHONE, PHONE, PHONE, PHONE)
    )
    event = outcome_event(result, DELIVERY, "", NOW_MS)
    assert PHONE not in event.detail
    assert json.loads(event.detail)["provider_message"] == "86158****1795?é"


@pytest.mark.parametrize(
    ("outcome", "once", "again"),
    [
        (Outcome.DELETED, True, True),
        (Outcome.ALREADY_GONE, True, True),
        (Outcome.REJECTED, True, False),
        (Outcome.LINKED, False, False),
        (Outcome.SKIPPED, False, False),
        (Outcome.UNAVAILABLE, False, False),
    ],
)
def test_only_final_outcomes_have_events(outcome: Outcome, *, once: bool, again: bool) -> None:
    confirmed_ms = CONFIRMED_MS if outcome in {Outcome.DELETED, Outcome.ALREADY_GONE} else None
    result = replace(DONE, outcome=outcome, reason=Reason.OBJECT_EXISTS, confirmed_ms=confirmed_ms)
    assert bool(publications([part(result)], DELIVERY, MESSAGE_ID, NOW_MS)) is once
    assert bool(publications([part(result)], DELIVERY, MESSAGE_ID, NOW_MS, redelivered=True)) is again


def test_repeat_in_a_redelivered_message_waits() -> None:
    repeat = Result(
        outcome=Outcome.ALREADY_GONE, reason=Reason.REMEMBERED, media=DONE.media, earlier_confirmation=DONE.confirmation
    )
    assert publications([part(repeat)], DELIVERY, MESSAGE_ID, NOW_MS, redelivered=True) == []


def test_failure_has_one_id_whatever_else_its_part_deletes() -> None:
    first = publications([part(DONE), part(DONE, REFUSED)], DELIVERY, MESSAGE_ID, NOW_MS)
    later = publications([part(), part(REFUSED)], DELIVERY, MESSAGE_ID, NOW_MS)
    assert first[-1].event == later[-1].event


@dataclass
class FakeEvents:
    """EventBridge's client, which refuses the entries at `refused`."""

    refused: tuple[int, ...] = ()
    batches: list[list[dict[str, Any]]] = field(default_factory=list)

    def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 (boto3's own name)
        first = sum(map(len, self.batches))
        self.batches.append(Entries)
        answers = [
            {"ErrorCode": "InternalFailure"} if first + number in self.refused else {"EventId": str(number)}
            for number in range(len(Entries))
        ]
        return {"FailedEntryCount": len(self.refused), "Entries": answers}


class ThrottledEvents(FakeEvents):
    """EventBridge's client, throttled."""

    def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 (boto3's own name)
        raise ClientError({"Error": {"Code": "ThrottlingException", "Message": f"{len(Entries)}"}}, "PutEvents")


class ForgetfulEvents(FakeEvents):
    """EventBridge's client, whose response lacks an entry."""

    def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 (boto3's own name)
        return {"FailedEntryCount": 0, "Entries": super().put_events(Entries=Entries)["Entries"][1:]}


@dataclass
class PublishingUseCase(FakeUseCase):
    """A use case whose AWS clients publish to a fake of EventBridge."""

    events: FakeEvents = field(default_factory=FakeEvents)

    @property
    def clients(self) -> AwsClients:
        return cast("AwsClients", self)


def published(use_case: PublishingUseCase, results: list[Result], time_left_ms: int = 60_000) -> dict[int, str]:
    items = publications([part(each) for each in results], DELIVERY, MESSAGE_ID, NOW_MS)
    return publish(use_case, "outcomes", items, Context(time_left_ms=time_left_ms))


def test_events_are_published_ten_at_once() -> None:
    use_case = PublishingUseCase()
    assert published(use_case, [DONE] * 25) == {}
    assert [len(batch) for batch in use_case.events.batches] == [10, 10, 5]
    entry = use_case.events.batches[0][0]
    assert (entry["EventBusName"], entry["Source"], entry["DetailType"]) == ("outcomes", SOURCE, DELETED)
    assert entry["Time"].timestamp() == CONFIRMED_MS / 1000
    assert len(use_case.settled) == 25


def test_large_events_are_published_in_several_calls() -> None:
    use_case = PublishingUseCase()
    long = replace(REFUSED, provider_message="é" * 1024, detail="好" * 1024, key="好" * 1024, bucket="好" * 1024)
    published(use_case, [long] * 25)
    assert all(len(batch) <= 10 for batch in use_case.events.batches)
    assert all(sum(len(entry["Detail"].encode()) for entry in batch) <= 200_000 for batch in use_case.events.batches)


def test_only_accepted_events_are_settled(capsys: pytest.CaptureFixture[str]) -> None:
    use_case = PublishingUseCase(events=FakeEvents(refused=(1, 11)))
    results = [replace(DONE, confirmed_ms=CONFIRMED_MS + number) for number in range(12)]
    assert published(use_case, results) == {1: "InternalFailure", 11: "InternalFailure"}
    settled = {result.confirmed_ms for result in use_case.settled}
    assert settled == {CONFIRMED_MS + number for number in range(12)} - {CONFIRMED_MS + 1, CONFIRMED_MS + 11}
    assert capsys.readouterr().out.count("outcome_event_not_accepted") == 1


def test_events_of_a_failed_call_are_not_settled() -> None:
    use_case = PublishingUseCase(events=ThrottledEvents())
    errors = published(use_case, [DONE] * 2)
    assert errors.keys() == {0, 1}
    assert all("ThrottlingException" in error for error in errors.values())
    assert use_case.settled == []


def test_response_that_lacks_an_entry_settles_nothing() -> None:
    use_case = PublishingUseCase(events=ForgetfulEvents())
    with pytest.raises(ValueError, match="shorter"):
        published(use_case, [DONE] * 2)
    assert use_case.settled == []


def test_events_without_time_left_are_not_published() -> None:
    use_case = PublishingUseCase()
    assert published(use_case, [DONE], time_left_ms=1_999) == {0: "out_of_time"}
    assert use_case.events.batches == []
    assert use_case.settled == []
