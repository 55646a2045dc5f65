"""SQS batches: visibility timeouts, concurrency, and malformed messages."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from localdev.fake_nxcloud import Fault
from tests.conftest import MEDIA_ID, PHONE
from tests.integration.conftest import AWS, MEDIA_MESSAGE, Environment, failed_ids, sqs_event


def receive(environment: Environment, *bodies: object) -> dict[str, Any]:
    """Send and receive messages by the deletion queue. Returns an event with their real receipt handles."""
    client, event = AWS.sqs, sqs_event(*bodies)
    for body in bodies:
        client.send_message(QueueUrl=environment.deletion_queue_url, MessageBody=json.dumps(body))
    messages = client.receive_message(QueueUrl=environment.deletion_queue_url, MaxNumberOfMessages=10)["Messages"]
    for record, message in zip(event["Records"], messages, strict=True):
        record |= {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
        }
    return event


def record_visibility_timeouts(environment: Environment) -> list[list[int]]:
    """Return a list to which each later call to SQS adds the visibility timeouts that it sets."""
    recorded: list[list[int]] = []

    def record(params: dict[str, Any], **_: object) -> None:
        recorded.append([entry["VisibilityTimeout"] for entry in params["Entries"]])

    environment.delete_media_clients.sqs.meta.events.register(
        "before-parameter-build.sqs.ChangeMessageVisibilityBatch", record
    )
    return recorded


def test_visibility_timeouts_are_set_in_one_call(environment: Environment) -> None:
    recorded = record_visibility_timeouts(environment)
    environment.fake_nxcloud.misbehave(
        Fault("status", status=429, retry_after=1000), Fault("code"), Fault("status", status=429, retry_after=10**9 - 1)
    )
    others = [
        {"business_phone": PHONE, "media_id": environment.fake_nxcloud.provider.add_media(PHONE)} for _ in range(3)
    ]
    event = receive(environment, MEDIA_MESSAGE, *others)
    assert len(failed_ids(environment.delete_media(event))) == 3
    [[after, usual, longest]] = recorded
    assert (after, longest) == (1000, 4 * 3600)
    assert 30 <= usual <= 36
    assert "visibility_timeout_failed" not in environment.output


def test_failed_visibility_timeout_is_logged(environment: Environment) -> None:
    environment.fake_nxcloud.misbehave(Fault("code"))
    event = sqs_event(MEDIA_MESSAGE)  # with an invalid receipt handle
    assert failed_ids(environment.delete_media(event)) == ["message-0"]
    assert [line["message"] for line in environment.log_lines] == ["media_deletion", "visibility_timeout_failed"]


def test_message_is_redelivered_until_no_part_is_unavailable(environment: Environment) -> None:
    other = environment.fake_nxcloud.provider.add_media(PHONE)
    record = {"eventSource": "aws:s3", "eventName": "ObjectRemoved:Delete"}
    s3 = [
        {"bucket": {"name": "example-bucket"}, "object": {"key": f"{PHONE}/{media_id}"}}
        for media_id in (MEDIA_ID, other)
    ]
    body = {"Records": [record | {"s3": s3[0]}, record | {"s3": s3[1]}, record]}
    environment.fake_nxcloud.misbehave(Fault("code"))
    assert failed_ids(environment.delete_media(sqs_event(body))) == ["message-0"]
    assert environment.dead_letters() == []
    assert failed_ids(environment.delete_media(sqs_event(body, receives=2))) == []
    assert environment.outcomes == [("deleted", None), ("already_gone", "remembered"), ("rejected", "not_understood")]
    assert [json.loads(dead) for dead, _ in environment.dead_letters()] == [{"Records": [record]}]


def test_messages_of_a_batch_are_handled_concurrently(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONCURRENT_CALLS", "10")
    media = [environment.fake_nxcloud.provider.add_media(PHONE) for _ in range(7)]
    messages: list[object] = [{"business_phone": PHONE, "media_id": media_id} for media_id in media]
    environment.fake_nxcloud.misbehave(Fault("latency", times=7, seconds=0.2))
    assert failed_ids(environment.delete_media(sqs_event(*messages, "nonsense", MEDIA_MESSAGE, MEDIA_MESSAGE))) == []
    outcomes = [("deleted", None)] * 7 + [("rejected", "not_understood"), ("deleted", None)]
    assert environment.outcomes == [*outcomes, ("already_gone", "remembered")]  # in the order of the messages
    assert [line["message_id"] for line in environment.log_lines] == [f"message-{number}" for number in range(10)]
    assert environment.metrics["Deleted"] == [1.0] * 8
    assert sorted(environment.deletion_calls) == sorted([*media, MEDIA_ID])
    assert 1 < environment.fake_nxcloud.connections <= 10


MALFORMED_BODIES: list[object] = [
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


@pytest.mark.parametrize("body", MALFORMED_BODIES, ids=range(len(MALFORMED_BODIES)))
@pytest.mark.parametrize("function", [Environment.delete_media, Environment.index_media], ids=["deletion", "index"])
def test_malformed_body_is_rejected_without_call(
    environment: Environment, function: Callable[[Environment, object], Any], body: object
) -> None:
    assert failed_ids(function(environment, sqs_event(body))) == []
    assert {outcome for outcome, _ in environment.outcomes} == {"rejected"}
    assert all(line["reason"] for line in environment.log_lines)
    assert environment.output.isascii()
    assert len(environment.dead_letters()) == len(environment.outcomes)
    assert environment.fake_nxcloud.provider.calls == []
