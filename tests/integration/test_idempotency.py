"""Records of confirmed deletions: a repeat makes no call, and one worker at a time deletes a media file."""

import json

import pytest

from localdev.fake_nxcloud import Fault
from media_cleanup.aws.idempotency import ConfirmedDeletions
from media_cleanup.model import Media
from media_cleanup.outcome import Outcome, Reason
from media_cleanup.request import Attempt
from media_cleanup.result import Result
from tests.conftest import MEDIA_ID, PHONE, Context
from tests.integration.conftest import (
    AWS,
    MEDIA_MESSAGE,
    RECORDS,
    Environment,
    failed_ids,
    inject_aws_error,
    sqs_event,
)

MEDIA = Media(PHONE, MEDIA_ID)
ATTEMPT = Attempt(1, Context(time_left_ms=60_000))


def test_repeat_of_recorded_deletion_makes_no_call(environment: Environment) -> None:
    environment.delete_media(sqs_event(MEDIA_MESSAGE))
    repeats = sqs_event(MEDIA_MESSAGE, MEDIA_MESSAGE | {"business_phone": "+" + PHONE})
    assert failed_ids(environment.delete_media(repeats)) == []
    assert environment.outcomes == [("already_gone", "remembered")] * 2
    assert environment.deletion_calls == [MEDIA_ID]
    [record] = AWS.dynamodb.scan(TableName=RECORDS)["Items"]
    recorded_s = int(record["expiration"]["N"]) - environment.fake_nxcloud.provider.now_ms() // 1000
    assert 30 * 86_400 - 60 <= recorded_s <= 30 * 86_400
    assert PHONE not in json.dumps(record)


def test_failed_deletion_is_not_recorded(environment: Environment) -> None:
    environment.fake_nxcloud.misbehave(Fault("code", code=9001), Fault("code", code=9002))
    for outcome in (("unavailable", "provider_failed"), ("rejected", "refused_by_provider"), ("deleted", None)):
        environment.delete_media(sqs_event(MEDIA_MESSAGE))
        assert environment.outcomes == [outcome]


def test_dry_run_records_nothing(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRY_RUN", "true")
    environment.delete_media(sqs_event(MEDIA_MESSAGE))
    assert AWS.dynamodb.scan(TableName=RECORDS)["Items"] == []


def test_second_worker_on_same_media_makes_no_call(environment: Environment) -> None:
    confirmed, results = ConfirmedDeletions(environment.delete_media_clients, RECORDS), []

    def delete_while_second_worker_tries() -> Result:
        results.append(confirmed.once(MEDIA, ATTEMPT, no_call))
        return Result(outcome=Outcome.DELETED, media=MEDIA)

    assert confirmed.once(MEDIA, ATTEMPT, delete_while_second_worker_tries).outcome is Outcome.DELETED
    assert [(result.outcome, result.reason) for result in results] == [(Outcome.UNAVAILABLE, Reason.IN_PROGRESS)]
    assert confirmed.once(MEDIA, ATTEMPT, no_call).reason is Reason.REMEMBERED


def test_record_of_killed_worker_expires_with_its_invocation(environment: Environment) -> None:
    def be_killed() -> Result:
        raise KeyboardInterrupt

    # A killed process removes no record
    inject_aws_error(environment.delete_media_clients.dynamodb, "DeleteItem", 400)
    with pytest.raises(KeyboardInterrupt):
        ConfirmedDeletions(environment.delete_media_clients, RECORDS).once(MEDIA, ATTEMPT, be_killed)
    confirmed = ConfirmedDeletions(AWS, RECORDS)
    assert confirmed.once(MEDIA, ATTEMPT, no_call).reason is Reason.IN_PROGRESS
    [record] = AWS.dynamodb.scan(TableName=RECORDS)["Items"]
    assert 0 < int(record["in_progress_expiration"]["N"]) - environment.fake_nxcloud.provider.now_ms() <= 60_000
    AWS.dynamodb.update_item(  # as if the invocation had ended
        TableName=RECORDS,
        Key={"id": record["id"]},
        UpdateExpression="SET in_progress_expiration = :then",
        ExpressionAttributeValues={":then": {"N": "1"}},
    )
    result = confirmed.once(MEDIA, ATTEMPT, lambda: Result(outcome=Outcome.DELETED, media=MEDIA))
    assert result.outcome is Outcome.DELETED


def no_call() -> Result:
    raise AssertionError("called although the media file is deleted or being deleted")


def test_failed_record_write_does_not_change_the_result(environment: Environment) -> None:
    inject_aws_error(environment.delete_media_clients.dynamodb, "UpdateItem", 400)
    assert failed_ids(environment.delete_media(sqs_event(MEDIA_MESSAGE))) == []
    assert [line["message"] for line in environment.log_lines] == ["idempotency_record_not_saved", "media_deletion"]
    assert environment.outcomes == [("deleted", None)]


def test_unreachable_idempotency_table_prevents_the_call(environment: Environment) -> None:
    inject_aws_error(environment.delete_media_clients.dynamodb, "PutItem", 400, "ThrottlingException")
    assert failed_ids(environment.delete_media(sqs_event(MEDIA_MESSAGE))) == ["message-0"]
    assert environment.outcomes == [("unavailable", "idempotency_unreachable")]
    assert environment.deletion_calls == []


def test_failed_record_removal_does_not_change_the_result(environment: Environment) -> None:
    inject_aws_error(environment.delete_media_clients.dynamodb, "DeleteItem", 400)
    environment.fake_nxcloud.misbehave(Fault("code", code=9001))
    environment.delete_media(sqs_event(MEDIA_MESSAGE))
    assert environment.outcomes == [("unavailable", "provider_failed")]
