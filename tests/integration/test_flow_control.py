"""Flow control of the deletion function: pace, circuit, and what waits without being given up."""

import json
import re
import time
from typing import Any
from urllib.parse import unquote_plus

import pytest

from localdev.fake_nxcloud import Fault
from media_cleanup.aws.hourly_deletions import HourlyDeletions
from media_cleanup.errors import DependencyUnavailable
from media_cleanup.provider.breaker import MAX_FAILURES
from media_cleanup.request import QUEUE_RETENTION_S
from tests.conftest import PHONE, sample
from tests.integration.conftest import (
    AWS,
    BUCKET,
    MEDIA_MESSAGE,
    RECORDS,
    Environment,
    failed_ids,
    inject_aws_error,
    sqs_event,
)

TOO_SHORT_MS = 10_000  # for the first turn of the slowest pace


def media(number: int) -> dict[str, str]:
    return MEDIA_MESSAGE | {"media_id": f"fd81acff-eea8-4d9d-acc9-6c6290{number:06}"}


def sent_before(event: dict[str, Any], seconds: float) -> dict[str, Any]:
    for record in event["Records"]:
        record["attributes"] |= {"SentTimestamp": str(round((time.time() - seconds) * 1000))}
    return event


@pytest.fixture
def paced(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """A deletion function with the slowest pace; no test waits for a turn."""
    monkeypatch.setenv("CALLS_PER_SECOND", "1.25")
    monkeypatch.setenv("MAX_CONCURRENCY", "5")
    return environment


def test_call_without_turn_in_the_invocation_waits(paced: Environment) -> None:
    event = sqs_event(MEDIA_MESSAGE, receives=3)
    assert failed_ids(paced.delete_media(event, time_left_ms=TOO_SHORT_MS)) == ["message-0"]
    assert paced.outcomes == [("unavailable", "paced")]
    assert paced.actions == []
    [record] = AWS.dynamodb.scan(TableName=RECORDS)["Items"]
    assert record.pop("expiration")
    assert record == {"id": {"S": "waits#message-0"}, "waits": {"NS": ["3"]}}


def test_waiting_message_is_not_given_up_at_receive_15(paced: Environment) -> None:
    for receive in (14, 15, 16, 60):
        event = sqs_event(MEDIA_MESSAGE, receives=receive)
        assert failed_ids(paced.delete_media(event, time_left_ms=TOO_SHORT_MS)) == ["message-0"]
    assert paced.dead_letters() == []


def test_message_that_waited_is_given_up_at_failed_receive_15(
    paced: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    for receive in (2, 3):
        paced.delete_media(sqs_event(MEDIA_MESSAGE, receives=receive), time_left_ms=TOO_SHORT_MS)
    monkeypatch.setenv("CALLS_PER_SECOND", "0")
    paced.fake_nxcloud.misbehave(Fault("code", code=9003, times=3))
    for receive in (15, 16, 17):
        paced.delete_media(sqs_event(MEDIA_MESSAGE, receives=receive))
        assert paced.outcomes == [("unavailable", "provider_failed") if receive < 17 else ("rejected", "gave_up")]


def test_message_that_waits_until_its_last_day_is_given_up(paced: Environment) -> None:
    day_s = 24 * 3600
    event = sent_before(sqs_event(MEDIA_MESSAGE, receives=50), QUEUE_RETENTION_S - day_s - 60)
    assert failed_ids(paced.delete_media(event, time_left_ms=TOO_SHORT_MS)) == ["message-0"]
    event = sent_before(event, QUEUE_RETENTION_S - day_s + 1)
    assert failed_ids(paced.delete_media(event, time_left_ms=TOO_SHORT_MS)) == []
    assert paced.outcomes == [("rejected", "gave_up")]
    [(_, attributes)] = paced.dead_letters()
    assert attributes["reason"].startswith("gave_up: paced: CallsPerSecond")


def test_deletions_beyond_the_limit_of_the_hour_wait(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_DELETIONS_PER_HOUR", "2")
    for number in range(4):
        environment.fake_nxcloud.provider.add_media(PHONE, media(number)["media_id"])
    event = sqs_event(*(media(number) for number in range(4)))
    assert failed_ids(environment.delete_media(event)) == ["message-2", "message-3"]
    assert environment.outcomes == [("deleted", None)] * 2 + [("unavailable", "braked")] * 2
    assert len(environment.deletion_calls) == 2
    assert environment.metrics["Braked"] == [1.0, 1.0]
    assert environment.metrics["Unavailable"] == [1.0, 1.0]
    monkeypatch.setenv("MAX_DELETIONS_PER_HOUR", "3")  # a new environment, in the same hour
    environment.delete_media(sqs_event(media(2), media(3)))
    assert environment.outcomes == [("deleted", None), ("unavailable", "braked")]
    monkeypatch.setenv("MAX_DELETIONS_PER_HOUR", "0")
    environment.delete_media(sqs_event(media(3)))
    assert environment.outcomes == [("deleted", None)]


def test_braked_deletion_of_a_restored_object_is_skipped(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAX_DELETIONS_PER_HOUR", "1")
    environment.fake_nxcloud.provider.add_media(PHONE, media(1)["media_id"])
    environment.delete_media(sqs_event(media(1)))
    environment.delete_media(sample("sqs-s3-removed"))
    assert environment.outcomes == [("unavailable", "braked")]
    [record] = sample("sqs-s3-removed")["Records"]
    key = json.loads(record["body"])["Records"][0]["s3"]["object"]["key"]
    AWS.s3.put_object(Bucket=BUCKET, Key=unquote_plus(key))
    environment.delete_media(sample("sqs-s3-removed"))
    assert environment.outcomes == [("skipped", "object_exists")]


def test_deletion_is_not_braked_without_the_table(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_DELETIONS_PER_HOUR", "1")
    counter = HourlyDeletions(environment.delete_media_clients, RECORDS, 1)
    inject_aws_error(environment.delete_media_clients.dynamodb, "UpdateItem", 400, "ThrottlingException")
    with pytest.raises(DependencyUnavailable, match="idempotency_unreachable"):
        counter.reserve(1, 1)
    environment.delete_media(sqs_event(MEDIA_MESSAGE))
    assert environment.outcomes == [("unavailable", "idempotency_unreachable")]
    assert environment.actions == []


def test_repeated_failures_stop_calls_and_count_as_failures(environment: Environment) -> None:
    environment.fake_nxcloud.misbehave(Fault("status", status=503, times=MAX_FAILURES))
    environment.delete_media(sqs_event(*(media(number) for number in range(MAX_FAILURES + 2)), receives=14))
    reasons = [reason for _, reason in environment.outcomes]
    assert reasons == ["invalid_answer"] * MAX_FAILURES + ["circuit_open"] * 2
    assert failed_ids(environment.delete_media(sqs_event(MEDIA_MESSAGE, receives=15))) == []
    assert environment.outcomes == [("rejected", "gave_up")]
    [(_, attributes)] = environment.dead_letters()
    assert attributes["reason"].startswith("gave_up: circuit_open: NXCloud did not answer 5 calls in a row")


def test_recorded_deletion_is_remembered_while_the_circuit_is_open(environment: Environment) -> None:
    environment.delete_media(sqs_event(MEDIA_MESSAGE))
    environment.fake_nxcloud.misbehave(Fault("status", status=503, times=MAX_FAILURES))
    environment.delete_media(sqs_event(*(media(number) for number in range(MAX_FAILURES))))
    environment.delete_media(sqs_event(MEDIA_MESSAGE, media(0)))
    assert environment.outcomes == [("already_gone", "remembered"), ("unavailable", "circuit_open")]
    records = [item for item in AWS.dynamodb.scan(TableName=RECORDS)["Items"] if "status" in item]
    assert [record["status"]["S"] for record in records] == ["COMPLETED"]


def test_calls_that_verify_absence_never_open_the_circuit(environment: Environment) -> None:
    numbers = MAX_FAILURES + 1
    environment.fake_nxcloud.misbehave(
        Fault("code", code=-1, times=numbers, action="deleteMedia"), Fault("status", times=numbers, action="getMedia")
    )
    messages = [media(number) | {"business_phone": f"4930100{number}"} for number in range(numbers)]
    environment.delete_media(sqs_event(*messages, receives=3))
    reasons = [line.get("reason", "") for line in environment.log_lines if line["message"] == "media_deletion"]
    assert [re.search("getMedia.*503", reason) is not None for reason in reasons] == [True] * numbers
    environment.delete_media(sqs_event(MEDIA_MESSAGE))
    assert environment.outcomes == [("deleted", None)]
