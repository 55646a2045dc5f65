"""Faults one by one: what becomes of each, what is mended on the spot, and what is remembered."""

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from localdev.fake_nxcloud import FakeNxCloud, Fault
from media_cleanup.aws.idempotency import ConfirmedDeletions
from media_cleanup.model import Media
from media_cleanup.outcome import Outcome
from media_cleanup.result import Result
from tests.conftest import CREDENTIALS, MEDIA_ID, PHONE
from tests.integration.conftest import MEDIA_MESSAGE, RECORDS, SECRET, World, failed, forbid, sqs

MEDIA = Media(PHONE, MEDIA_ID)
UNAVAILABLE: list[tuple[Fault, str]] = [
    (Fault("code", code=-1), "provider_failed"),
    (Fault("code", code=9001), "provider_failed"),
    (Fault("code", code=4711), "provider_failed"),
    (Fault("unconfirmed"), "provider_failed"),
    (Fault("status", status=500), "invalid_answer"),
    (Fault("status", status=503), "invalid_answer"),
    (Fault("status", status=429), "invalid_answer"),
    (Fault("redirect", location="http://127.0.0.1:9/"), "invalid_answer"),
    (Fault("raw", status=200, body="<html>"), "invalid_answer"),
    (Fault("raw", status=200, body='{"code": "0", "data": {"success": true}}'), "invalid_answer"),
    (Fault("oversized"), "invalid_answer"),
    (Fault("truncated"), "no_answer"),
    (Fault("reset"), "no_answer"),
    (Fault("close"), "no_answer"),
    (Fault("code", code=1004, times=2), "clock_skewed"),
    (Fault("code", code=1003, times=2), "credentials_refused"),
    (Fault("code", code=1005, times=2), "credentials_refused"),
    (Fault("code", code=1008, times=2), "credentials_refused"),
]


def named(fault: Fault) -> str:
    return f"{fault.kind}-{fault.code}-{fault.status}"


@pytest.mark.parametrize(
    ("fault", "reason"), UNAVAILABLE, ids=lambda value: named(value) if isinstance(value, Fault) else None
)
def test_what_may_pass_comes_again(world: World, fault: Fault, reason: str) -> None:
    world.fake_nxcloud.misbehave(fault)
    assert failed(world.invoke(sqs(MEDIA_MESSAGE))) == ["message-0"]
    assert world.outcomes == [("unavailable", reason)]
    assert world.dead_letters() == []
    assert ("AuthenticationFailed" in world.metrics) == (reason == "credentials_refused")
    world.fake_nxcloud.behave()


@pytest.mark.parametrize(
    ("fault", "reason"), UNAVAILABLE, ids=lambda value: named(value) if isinstance(value, Fault) else None
)
def test_on_its_last_receive_a_message_is_given_up_with_the_last_reason(
    world: World, fault: Fault, reason: str
) -> None:
    world.fake_nxcloud.misbehave(fault)
    assert failed(world.invoke(sqs(MEDIA_MESSAGE, receives=15))) == []
    assert world.outcomes == [("rejected", "gave_up")]
    [(body, attributes)] = world.dead_letters()
    assert json.loads(body) == MEDIA_MESSAGE
    assert attributes["reason"].startswith(f"gave_up: {reason}")
    world.fake_nxcloud.behave()


@pytest.mark.parametrize("code", [1001, 1002, 9000, 9002, 9006])
def test_what_can_never_succeed_is_rejected_at_once(world: World, code: int) -> None:
    world.fake_nxcloud.misbehave(Fault("code", code=code))
    assert failed(world.invoke(sqs(MEDIA_MESSAGE))) == []
    assert world.outcomes == [("rejected", "refused_by_provider")]
    [(_, attributes)] = world.dead_letters()
    assert attributes["provider_code"] == str(code)


# The clock


def test_a_wrong_clock_is_mended_once_and_for_all(world: World) -> None:
    provider = world.fake_nxcloud.provider
    true_ms = provider.now_ms
    provider.now_ms = lambda: true_ms() + 10 * 60_000
    other = provider.add_media(PHONE)
    world.invoke(sqs(MEDIA_MESSAGE, {"business_phone": PHONE, "media_id": other}))
    assert world.outcomes == [("deleted", None), ("deleted", None)]
    assert [call.code for call in provider.calls] == [1004, 0, 0]


@pytest.mark.parametrize("days", [-400, -2, 2, 400])
def test_an_absurd_date_changes_nothing(world: World, days: int) -> None:
    provider = world.fake_nxcloud.provider
    true_ms = provider.now_ms
    provider.now_ms = lambda: true_ms() + days * 86_400_000
    world.invoke(sqs(MEDIA_MESSAGE))
    assert world.outcomes == [("unavailable", "clock_skewed")]
    provider.now_ms = true_ms
    world.invoke(sqs(MEDIA_MESSAGE))
    assert [call.code for call in provider.calls] == [1004, 0]


# The credentials


def test_a_rotated_secret_is_read_afresh(world: World) -> None:
    media = [world.fake_nxcloud.provider.add_media(PHONE) for _ in range(3)]
    messages = [{"business_phone": PHONE, "media_id": media_id} for media_id in media]
    world.invoke(sqs(messages[0]))
    world.fake_nxcloud.provider.access_secret = "rotated"  # noqa: S105 (the fake NXCloud's own)
    secret = {"accessKey": CREDENTIALS.access_key, "accessSecret": "rotated"}
    boto3.client("secretsmanager").put_secret_value(SecretId=SECRET, SecretString=json.dumps(secret))
    world.invoke(sqs(*messages[1:]))
    assert world.outcomes == [("deleted", None), ("deleted", None)]
    assert [call.code for call in world.fake_nxcloud.provider.calls] == [0, 1003, 0, 0]


def test_while_the_credentials_stay_refused_nobody_is_called(world: World) -> None:
    world.fake_nxcloud.provider.access_key = "another"
    assert failed(world.invoke(sqs(*[MEDIA_MESSAGE] * 3))) == ["message-0", "message-1", "message-2"]
    assert world.outcomes == [("unavailable", "credentials_refused")] * 3
    assert [call.code for call in world.fake_nxcloud.provider.calls] == [1005, 1005]
    assert world.metrics["AuthenticationFailed"] == [1.0, 1.0, 1.0]


# What is remembered


def test_a_confirmed_deletion_is_remembered_and_calls_nobody_again(world: World) -> None:
    world.invoke(sqs(MEDIA_MESSAGE))
    assert failed(world.invoke(sqs(MEDIA_MESSAGE, MEDIA_MESSAGE | {"business_phone": "+" + PHONE}))) == []
    assert world.outcomes == [("already_gone", "remembered")] * 2
    assert world.calls == [MEDIA_ID]
    [record] = boto3.client("dynamodb").scan(TableName=RECORDS)["Items"]
    remembered_s = int(record["expiration"]["N"]) - world.fake_nxcloud.provider.now_ms() // 1000
    assert 30 * 86_400 - 60 <= remembered_s <= 30 * 86_400
    assert PHONE not in json.dumps(record)


def test_nothing_but_a_confirmation_is_remembered(world: World) -> None:
    world.fake_nxcloud.misbehave(Fault("code", code=9001), Fault("code", code=9002))
    for outcome in (("unavailable", "provider_failed"), ("rejected", "refused_by_provider"), ("deleted", None)):
        world.invoke(sqs(MEDIA_MESSAGE))
        assert world.outcomes == [outcome]


def test_a_dry_run_remembers_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRY_RUN", "true")
    world.invoke(sqs(MEDIA_MESSAGE))
    assert boto3.client("dynamodb").scan(TableName=RECORDS)["Items"] == []


def test_two_workers_on_one_media_do_not_both_call(world: World) -> None:
    confirmed, calls = ConfirmedDeletions(world.aws, RECORDS), []

    def deleted_while_another_comes() -> Result:
        calls.append(confirmed.once(MEDIA, no_call, a_minute))
        return Result(outcome=Outcome.DELETED, media=MEDIA)

    assert confirmed.once(MEDIA, deleted_while_another_comes, a_minute).result is Outcome.DELETED
    assert [(outcome.outcome, outcome.reason) for outcome in calls] == [(Outcome.UNAVAILABLE, "in_progress")]
    assert confirmed.once(MEDIA, no_call, a_minute).reason == "remembered"


def test_a_worker_that_was_killed_blocks_nobody_beyond_its_invocation(world: World) -> None:
    confirmed = ConfirmedDeletions(world.aws, RECORDS)

    def killed() -> Result:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        confirmed.once(MEDIA, killed, a_minute)
    assert confirmed.once(MEDIA, no_call, a_minute).reason == "in_progress"
    boto3.client("dynamodb").update_item(  # the invocation's time is over
        TableName=RECORDS,
        Key={"id": boto3.client("dynamodb").scan(TableName=RECORDS)["Items"][0]["id"]},
        UpdateExpression="SET in_progress_expiration = :then",
        ExpressionAttributeValues={":then": {"N": "1"}},
    )
    outcome = confirmed.once(MEDIA, lambda: Result(outcome=Outcome.DELETED, media=MEDIA), a_minute)
    assert outcome.outcome is Outcome.DELETED


def no_call() -> Result:
    raise AssertionError("called although the media is gone or being deleted")


def a_minute() -> int:
    return 60_000


def test_a_record_that_cannot_be_written_does_not_undo_the_deletion(world: World) -> None:
    forbid(world.aws.dynamodb, "UpdateItem", 400)
    assert failed(world.invoke(sqs(MEDIA_MESSAGE))) == []
    assert [line["message"] for line in world.lines] == ["idempotency_record_not_saved", "media_deletion"]
    assert world.outcomes == [("deleted", None)]


def test_without_the_record_nobody_is_called(world: World) -> None:
    forbid(world.aws.dynamodb, "PutItem", 400, "ThrottlingException")
    assert failed(world.invoke(sqs(MEDIA_MESSAGE))) == ["message-0"]
    assert world.outcomes == [("unavailable", "idempotency_unreachable")]
    assert world.calls == []


def test_a_failure_that_leaves_its_record_behind_is_still_told(world: World) -> None:
    forbid(world.aws.dynamodb, "DeleteItem", 400)
    world.fake_nxcloud.misbehave(Fault("code", code=9001))
    world.invoke(sqs(MEDIA_MESSAGE))
    assert world.outcomes == [("unavailable", "provider_failed")]


# What is gone already


def alive(world: World) -> None:
    """Lets NXCloud confirm something."""
    media_id = world.fake_nxcloud.provider.add_media(PHONE)
    world.invoke(sqs({"business_phone": PHONE, "media_id": media_id}))
    assert world.outcomes == [("deleted", None)]


def test_a_media_that_can_neither_be_deleted_nor_found_is_gone(world: World) -> None:
    world.fake_nxcloud.provider.media.clear()
    alive(world)
    assert failed(world.invoke(sqs(MEDIA_MESSAGE, receives=2))) == []
    assert world.outcomes == [("already_gone", "verified_absent")]
    assert [call.action for call in world.fake_nxcloud.provider.calls[-2:]] == ["deleteMedia", "getMedia"]
    assert world.metrics["AlreadyGone"] == [1.0]


def test_an_outage_that_begins_is_not_taken_for_absence(world: World) -> None:
    alive(world)
    world.fake_nxcloud.misbehave(Fault("code", code=-1, times=4))
    other = {"business_phone": PHONE, "media_id": world.fake_nxcloud.provider.add_media(PHONE)}
    world.invoke(sqs(other))
    assert failed(world.invoke(sqs(MEDIA_MESSAGE, receives=2))) == ["message-0"]
    assert world.outcomes == [("unavailable", "provider_failed")]


def test_a_confirmation_between_two_misses_tells_absence_from_an_outage(world: World) -> None:
    world.fake_nxcloud.provider.media.clear()
    alive(world)
    world.fake_nxcloud.misbehave(Fault("code", code=-1))
    world.invoke(sqs({"business_phone": PHONE, "media_id": "another"}))
    assert failed(world.invoke(sqs(MEDIA_MESSAGE, receives=2))) == ["message-0"]
    alive(world)
    assert failed(world.invoke(sqs(MEDIA_MESSAGE, receives=3))) == []
    assert world.outcomes == [("already_gone", "verified_absent")]


def test_on_the_first_receive_it_is_not_taken_for_gone(world: World) -> None:
    world.fake_nxcloud.provider.media.clear()
    alive(world)
    assert failed(world.invoke(sqs(MEDIA_MESSAGE))) == ["message-0"]
    assert world.outcomes == [("unavailable", "provider_failed")]


def test_a_provider_that_confirms_nothing_at_all_proves_nothing(world: World) -> None:
    world.fake_nxcloud.provider.media.clear()
    world.invoke(sqs(MEDIA_MESSAGE, receives=2))
    assert world.outcomes == [("unavailable", "provider_failed")]


def test_a_media_that_can_be_found_is_not_gone(world: World) -> None:
    alive(world)
    world.fake_nxcloud.misbehave(Fault("code", code=-1, action="deleteMedia"))
    world.invoke(sqs(MEDIA_MESSAGE, receives=2))
    assert world.outcomes == [("unavailable", "provider_failed")]


@pytest.mark.parametrize(
    "second",
    [
        Fault("status", action="getMedia"),
        Fault("reset", times=2, action="getMedia"),  # a kept-alive connection is given one more chance
        Fault("code", code=1002, action="getMedia"),
    ],
    ids=named,
)
def test_a_get_media_that_fails_otherwise_proves_nothing(world: World, second: Fault) -> None:
    world.fake_nxcloud.provider.media.clear()
    alive(world)
    world.fake_nxcloud.misbehave(second)
    world.invoke(sqs(MEDIA_MESSAGE, receives=2))
    assert world.outcomes == [("unavailable", "provider_failed")]


@pytest.mark.parametrize(
    "first", [Fault("status", status=500), Fault("unconfirmed"), Fault("raw", status=404, body='{"code": -1}')]
)
def test_only_a_well_formed_refusal_may_mean_absence(world: World, first: Fault) -> None:
    world.fake_nxcloud.provider.media.clear()
    alive(world)
    world.fake_nxcloud.misbehave(first)
    world.invoke(sqs(MEDIA_MESSAGE, receives=2))
    assert world.outcomes[0][0] == "unavailable"


def test_verifying_absence_can_be_turned_off(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERIFY_ABSENCE", "false")
    world.fake_nxcloud.provider.media.clear()
    alive(world)
    world.invoke(sqs(MEDIA_MESSAGE, receives=2))
    assert world.outcomes == [("unavailable", "provider_failed")]


# When messages come again


def received(world: World, *bodies: object) -> dict[str, Any]:
    """Messages as the deletion queue really hands them over."""
    client, event = boto3.client("sqs"), sqs(*bodies)
    for body in bodies:
        client.send_message(QueueUrl=world.deletion_queue_url, MessageBody=json.dumps(body))
    messages = client.receive_message(QueueUrl=world.deletion_queue_url, MaxNumberOfMessages=10)["Messages"]
    for record, message in zip(event["Records"], messages, strict=True):
        record |= {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
        }
    return event


def delays(world: World) -> list[list[int]]:
    """The delays that each call to SQS asks for, from now on."""
    asked: list[list[int]] = []

    def record(params: dict[str, Any], **_: object) -> None:
        asked.append([entry["VisibilityTimeout"] for entry in params["Entries"]])

    world.aws.sqs.meta.events.register("before-parameter-build.sqs.ChangeMessageVisibilityBatch", record)
    return asked


def test_all_that_comes_again_is_delayed_in_one_call(world: World) -> None:
    asked = delays(world)
    world.fake_nxcloud.misbehave(
        Fault("status", status=429, retry_after=1000), Fault("code"), Fault("status", status=429, retry_after=10**9 - 1)
    )
    others = [{"business_phone": PHONE, "media_id": world.fake_nxcloud.provider.add_media(PHONE)} for _ in range(3)]
    event = received(world, MEDIA_MESSAGE, *others)
    assert len(failed(world.invoke(event))) == 3
    [[after, usual, longest]] = asked
    assert (after, longest) == (1000, 4 * 3600)
    assert 30 <= usual <= 36
    assert "visibility_timeout_failed" not in world.output


def test_a_delay_that_sqs_does_not_take_is_told_and_loses_nothing(world: World) -> None:
    world.fake_nxcloud.misbehave(Fault("code"))
    assert failed(world.invoke(sqs(MEDIA_MESSAGE))) == ["message-0"]  # its receipt handle is made up
    assert [line["message"] for line in world.lines] == ["media_deletion", "visibility_timeout_failed"]


def test_a_message_of_several_parts_comes_again_until_none_is_unavailable(world: World) -> None:
    other = world.fake_nxcloud.provider.add_media(PHONE)
    record = {"eventSource": "aws:s3", "eventName": "ObjectRemoved:Delete"}
    s3 = [
        {"bucket": {"name": "example-bucket"}, "object": {"key": f"{PHONE}/{media_id}"}}
        for media_id in (MEDIA_ID, other)
    ]
    body = {"Records": [record | {"s3": s3[0]}, record | {"s3": s3[1]}, record]}
    world.fake_nxcloud.misbehave(Fault("code"))
    assert failed(world.invoke(sqs(body))) == ["message-0"]
    assert world.dead_letters() == []
    assert failed(world.invoke(sqs(body, receives=2))) == []
    assert world.outcomes == [("deleted", None), ("already_gone", "remembered"), ("rejected", "not_understood")]
    assert [json.loads(dead) for dead, _ in world.dead_letters()] == [{"Records": [record]}]


# Many at once


def test_the_messages_of_a_batch_are_worked_on_at_once_and_settled_each_for_itself(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONCURRENT_CALLS", "10")
    media = [world.fake_nxcloud.provider.add_media(PHONE) for _ in range(7)]
    messages: list[object] = [{"business_phone": PHONE, "media_id": media_id} for media_id in media]
    world.fake_nxcloud.misbehave(Fault("latency", times=7, seconds=0.2))
    assert failed(world.invoke(sqs(*messages, "nonsense", MEDIA_MESSAGE, MEDIA_MESSAGE))) == []
    outcomes = [("deleted", None)] * 7 + [("rejected", "not_understood"), ("deleted", None)]
    assert world.outcomes == [*outcomes, ("already_gone", "remembered")]  # in the order of the messages
    assert [line["message_id"] for line in world.lines] == [f"message-{number}" for number in range(10)]
    assert world.metrics["Deleted"] == [1.0] * 8
    assert sorted(world.calls) == sorted([*media, MEDIA_ID])
    assert 1 < world.fake_nxcloud.connections <= 10


# What may arrive

BAD_BODIES: list[object] = [
    "",
    " ",
    "null",
    "[]",
    "7",
    "{}",
    "[" * 100_000,
    '{"media_id":' * 20_000,
    "\x00",
    '{"media_id": "\\u0000", "business_phone": "1"}',
    '{"media_id": "\\ud800", "business_phone": "1"}',
    '{"media_id": "\\u001b[31m", "business_phone": "1"}',
    '{"media_id": "a\\nb", "business_phone": "1"}',
    '{"media_id": {"a": 1}, "business_phone": ["1"]}',
    '{"media_id": "x", "business_phone": 8615800001795}',
    '{"bucket": "example-bucket", "key": "\\ud800"}',
    '{"bucket": 7, "key": []}',
    '{"Records": {"0": 1}}',
    '{"Records": [[], null, 7, "x", {}]}',
    '{"Type": "Notification", "Message": "{"}',
    '{"requestPayload": {"requestPayload": null}}',
    '{"detail-type": "Object Deleted", "source": "aws.s3", "detail": []}',
]


@pytest.mark.parametrize("body", BAD_BODIES, ids=range(len(BAD_BODIES)))
@pytest.mark.parametrize("function", [World.invoke, World.index], ids=["deletion", "index"])
def test_bad_input_is_rejected_in_one_line_of_json_and_calls_nobody(
    world: World, function: Callable[[World, object], Any], body: object
) -> None:
    assert failed(function(world, sqs(body))) == []
    assert {outcome for outcome, _ in world.outcomes} == {"rejected"}
    assert all(line["reason"] for line in world.lines)
    assert world.output.isascii()
    assert len(world.dead_letters()) == len(world.outcomes)
    assert world.fake_nxcloud.provider.calls == []


def test_a_redirect_reaches_nobody(world: World) -> None:
    with FakeNxCloud() as elsewhere:
        world.fake_nxcloud.misbehave(Fault("redirect", location=f"{elsewhere.url}/api/wa/deleteMedia"))
        world.invoke(sqs(MEDIA_MESSAGE))
        assert world.outcomes == [("unavailable", "invalid_answer")]
        assert elsewhere.connections == 0
