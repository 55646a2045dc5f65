"""Records of media files: a repeat makes no call, one worker deletes at a time, refusals and proofs are remembered."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from samcli.yamlhelper import yaml_parse

from localdev.fake_nxcloud import Fault
from media_cleanup.aws.idempotency import DeletionRecords
from media_cleanup.errors import DependencyUnavailable
from media_cleanup.model import Media
from media_cleanup.outcome import Outcome, Reason
from media_cleanup.request import Attempt
from media_cleanup.result import Result
from tests.conftest import EVENTS, MEDIA_ID, PHONE, Context, sample
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

RESOURCES = yaml_parse((EVENTS.parent / "template.yaml").read_text())["Resources"]
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
    records, results = DeletionRecords(environment.delete_media_clients, RECORDS), []

    def delete_while_second_worker_tries() -> Result:
        results.append(records.once(MEDIA, ATTEMPT, no_call))
        return Result(outcome=Outcome.DELETED, media=MEDIA)

    assert records.once(MEDIA, ATTEMPT, delete_while_second_worker_tries).outcome is Outcome.DELETED
    assert [(result.outcome, result.reason) for result in results] == [(Outcome.UNAVAILABLE, Reason.IN_PROGRESS)]
    assert records.once(MEDIA, ATTEMPT, no_call).reason is Reason.REMEMBERED


def test_record_of_killed_worker_expires_with_its_invocation(environment: Environment) -> None:
    def be_killed() -> Result:
        raise KeyboardInterrupt

    # A killed process removes no record
    inject_aws_error(environment.delete_media_clients.dynamodb, "DeleteItem", 400)
    with pytest.raises(KeyboardInterrupt):
        DeletionRecords(environment.delete_media_clients, RECORDS).once(MEDIA, ATTEMPT, be_killed)
    records = DeletionRecords(AWS, RECORDS)
    assert records.once(MEDIA, ATTEMPT, no_call).reason is Reason.IN_PROGRESS
    [record] = AWS.dynamodb.scan(TableName=RECORDS)["Items"]
    assert 0 < int(record["in_progress_expiration"]["N"]) - environment.fake_nxcloud.provider.now_ms() <= 60_000
    AWS.dynamodb.update_item(  # as if the invocation had ended
        TableName=RECORDS,
        Key={"id": record["id"]},
        UpdateExpression="SET in_progress_expiration = :then",
        ExpressionAttributeValues={":then": {"N": "1"}},
    )
    result = records.once(MEDIA, ATTEMPT, lambda: Result(outcome=Outcome.DELETED, media=MEDIA))
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


# Records of another version of this application, which a deployment or a rollback leaves


def replace_data(data: str) -> None:
    [record] = AWS.dynamodb.scan(TableName=RECORDS)["Items"]
    AWS.dynamodb.put_item(TableName=RECORDS, Item=record | {"data": {"S": data}})


@pytest.mark.parametrize(
    "data",
    [
        "{}",
        "null",
        "[7]",
        '{"outcome": "of_later", "reason": null, "provider_code": 0, "confirmed_ms": 1768469213000}',
        '{"outcome": "already_gone", "reason": "of_later", "provider_code": 0, "confirmed_ms": 1768469213000}',
        '{"outcome": "deleted", "reason": null, "provider_code": 0, "confirmed_ms": null}',
    ],
)
def test_confirmation_of_another_form_makes_no_call(environment: Environment, data: str) -> None:
    environment.delete_media(sqs_event(MEDIA_MESSAGE))
    replace_data(data)
    assert failed_ids(environment.delete_media(sqs_event(MEDIA_MESSAGE))) == []
    assert environment.outcomes == [("already_gone", "remembered")]
    assert environment.deletion_calls == [MEDIA_ID]


@pytest.mark.parametrize(
    ("data", "outcome"),
    [
        ('{"provider_code": 9006, "provider_message": "", "http_status": 200, "of_later": 7}', "rejected"),
        ('{"of_later": 7}', "deleted"),
        ("null", "deleted"),
    ],
)
def test_refusal_of_another_form_is_used_as_known(environment: Environment, data: str, outcome: str) -> None:
    environment.fake_nxcloud.misbehave(Fault("code", code=9006))
    environment.delete_media(sqs_event(MEDIA_MESSAGE))
    replace_data(data)
    environment.delete_media(sqs_event(MEDIA_MESSAGE, receives=2))
    assert [found for found, _ in environment.outcomes] == [outcome]


@pytest.mark.parametrize("data", ["{}", "null", '{"proved_s": "soon"}'])
def test_proof_of_another_form_is_no_proof(environment: Environment, data: str) -> None:
    records = DeletionRecords(environment.delete_media_clients, RECORDS)
    records.put_proof(MEDIA)
    replace_data(data)
    assert records.get_proof_age_s(MEDIA) is None


# Refusals


def removals(*media_ids: str) -> dict[str, Any]:
    """An S3 notification of removed objects whose keys name these media files."""
    record = sample("s3-removed")["Records"][0]
    s3 = [{"bucket": {"name": BUCKET}, "object": {"key": f"{PHONE}/{media_id}.jpg"}} for media_id in media_ids]
    return {"Records": [record | {"s3": each} for each in s3]}


OTHER_ID = "a75c6d9b-a7c8-4f41-8f61-94548e92cbee"


def test_refused_part_is_not_called_for_when_redelivered(environment: Environment) -> None:
    environment.fake_nxcloud.provider.add_media(PHONE, OTHER_ID)
    environment.fake_nxcloud.misbehave(Fault("code", code=9006, message="not bound"), Fault("code", code=-1))
    message = removals(MEDIA_ID, OTHER_ID)
    assert failed_ids(environment.delete_media(sqs_event(message))) == ["message-0"]
    assert environment.outcomes == [("rejected", "refused_by_provider"), ("unavailable", "provider_failed")]
    assert environment.dead_letters() == []
    assert failed_ids(environment.delete_media(sqs_event(message, receives=2))) == []
    assert environment.outcomes == [("rejected", "refused_by_provider"), ("deleted", None)]
    assert environment.deletion_calls == [OTHER_ID]
    [(body, attributes)] = environment.dead_letters()
    assert json.loads(body) == {"Records": message["Records"][:1]}
    assert (attributes["provider_code"], attributes["provider_message"]) == ("9006", "not bound")


def test_refusal_is_of_its_message_alone(environment: Environment) -> None:
    environment.fake_nxcloud.misbehave(Fault("code", code=9006))
    event = sqs_event(MEDIA_MESSAGE)
    environment.delete_media(event)
    event["Records"][0]["messageId"] = "message-redriven"
    event["Records"][0]["attributes"]["ApproximateReceiveCount"] = "2"
    environment.delete_media(event)
    assert environment.outcomes == [("deleted", None)]


def test_refusal_is_remembered_as_long_as_its_message_may_stay(environment: Environment) -> None:
    environment.fake_nxcloud.misbehave(Fault("code", code=9006))
    environment.delete_media(sqs_event(MEDIA_MESSAGE))
    [record] = AWS.dynamodb.scan(TableName=RECORDS)["Items"]
    days = (int(record["expiration"]["N"]) - environment.fake_nxcloud.provider.now_ms() // 1000) / 86_400
    assert days == pytest.approx(RESOURCES["DeletionQueue"]["Properties"]["MessageRetentionPeriod"] / 86_400, abs=0.01)
    assert PHONE not in json.dumps(record)


def test_refusal_is_not_looked_up_at_the_first_receive(environment: Environment) -> None:
    reads: list[object] = []
    environment.delete_media_clients.dynamodb.meta.events.register(
        "before-call.dynamodb.GetItem", lambda **_: reads.append(1)
    )
    environment.delete_media(sqs_event(MEDIA_MESSAGE))
    assert reads == []
    environment.delete_media(sqs_event(MEDIA_MESSAGE, receives=2))
    assert reads == [1]


def test_unsaved_refusal_does_not_change_the_result(environment: Environment) -> None:
    inject_aws_error(environment.delete_media_clients.dynamodb, "UpdateItem", 400)
    environment.fake_nxcloud.misbehave(Fault("code", code=9002))
    assert failed_ids(environment.delete_media(sqs_event(MEDIA_MESSAGE))) == []
    assert environment.outcomes == [("rejected", "refused_by_provider")]
    assert "idempotency_record_not_saved" in environment.output


# Proofs of absence


def test_first_proof_is_remembered_for_two_days(environment: Environment) -> None:
    now_s = environment.fake_nxcloud.provider.now_ms() / 1000
    records = DeletionRecords(environment.delete_media_clients, RECORDS, lambda: now_s)
    assert records.get_proof_age_s(MEDIA) is None
    records.put_proof(MEDIA)
    assert DeletionRecords(AWS, RECORDS, lambda: now_s + 3600).get_proof_age_s(MEDIA) == 3600
    [record] = AWS.dynamodb.scan(TableName=RECORDS)["Items"]
    assert int(record["expiration"]["N"]) - now_s == pytest.approx(2 * 86_400, abs=60)
    AWS.dynamodb.update_item(  # as if two days had passed
        TableName=RECORDS,
        Key={"id": record["id"]},
        UpdateExpression="SET expiration = :then",
        ExpressionAttributeValues={":then": {"N": "1"}},
    )
    assert records.get_proof_age_s(MEDIA) is None


def test_proof_is_removed(environment: Environment) -> None:
    records = DeletionRecords(environment.delete_media_clients, RECORDS)
    records.put_proof(MEDIA)
    records.remove_proof(MEDIA)
    assert records.get_proof_age_s(MEDIA) is None
    assert AWS.dynamodb.scan(TableName=RECORDS)["Items"] == []


@pytest.mark.parametrize(
    ("operation", "use"),
    [
        ("GetItem", lambda records: records.get_proof_age_s(MEDIA)),
        ("GetItem", lambda records: records.once(MEDIA, Attempt(2, Context(), "message-0"), no_call)),
        ("UpdateItem", lambda records: records.put_proof(MEDIA)),
        ("DeleteItem", lambda records: records.remove_proof(MEDIA)),
    ],
)
def test_unreachable_table_is_named(
    environment: Environment, operation: str, use: Callable[[DeletionRecords], object]
) -> None:
    inject_aws_error(environment.delete_media_clients.dynamodb, operation, 400, "ThrottlingException")
    with pytest.raises(DependencyUnavailable, match=f"the table {RECORDS} answered ThrottlingException") as caught:
        use(DeletionRecords(environment.delete_media_clients, RECORDS))
    assert caught.value.reason is Reason.IDEMPOTENCY_UNREACHABLE


# Requests for the same media file within one invocation


def test_requests_for_one_media_file_run_one_after_another(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONCURRENT_CALLS", "10")
    environment.fake_nxcloud.misbehave(Fault("latency", seconds=0.2))
    by_key = removals(MEDIA_ID)
    environment.delete_media(sqs_event(MEDIA_MESSAGE, by_key, MEDIA_MESSAGE, by_key))
    assert sorted(environment.outcomes, key=str) == [("already_gone", "remembered")] * 3 + [("deleted", None)]
    assert environment.deletion_calls == [MEDIA_ID]
