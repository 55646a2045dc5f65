"""The deletion function in this process: its own code and libraries, moto for AWS, the fake NXCloud for the provider."""

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from localdev.fake_nxcloud import Fault
from media_cleanup.errors import RequestsFailedError, SettingsError
from tests.conftest import CREDENTIALS, MEDIA_ID, PHONE, sample
from tests.integration.conftest import BUCKET, KEY, MASKED, MEDIA_MESSAGE, SECRET, World, failed, forbid, sqs


def test_the_whole_log_line_and_answer_of_a_deletion(world: World) -> None:
    event = sample("sqs-s3-removed")
    assert world.invoke(event) == {"batchItemFailures": []}
    [line] = world.lines
    assert line.pop("latency_ms") >= 0
    assert line.pop("lag_ms") > 0
    assert isinstance(line.pop("timestamp"), str)
    assert isinstance(line.pop("cold_start"), bool)
    assert line == {
        "level": "INFO",
        "message": "media_deletion",
        "service": "media-cleanup",
        "function_name": "DeleteMedia",
        "function_memory_size": 256,
        "function_arn": "arn:aws:lambda:us-east-1:123456789012:function:DeleteMedia",
        "function_request_id": "5b441b59-a550-11d8-8b1e-a8e4d9f4e3b2",
        "outcome": "deleted",
        "trigger": "sqs",
        "media_id": MEDIA_ID,
        "business_phone": MASKED,
        "bucket": BUCKET,
        "object_key": f"{MASKED}/{MEDIA_ID}.jpg",
        "attempt": 1,
        "provider_code": 0,
        "provider_message": "success",
        "http_status": 200,
        "message_id": event["Records"][0]["messageId"],
    }
    assert world.calls == [MEDIA_ID]


def test_metrics_have_the_service_as_their_only_dimension(world: World) -> None:
    world.invoke(sample("sqs-s3-removed"))
    [directive] = world.metrics["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "MediaCleanup"
    assert directive["Dimensions"] == [["service"]]
    units = {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]}
    assert units == {"Deleted": "Count", "ProviderLatency": "Milliseconds", "DeletionLag": "Milliseconds"}
    assert world.metrics["service"] == "media-cleanup"
    assert world.metrics["Deleted"] == [1.0]


def test_a_caller_without_a_queue_gets_the_lines_fields(world: World) -> None:
    [result] = world.invoke(sample("direct-media"))["results"]
    assert result.pop("latency_ms") >= 0
    assert result == {
        "outcome": "deleted",
        "reason": None,
        "trigger": "direct",
        "media_id": MEDIA_ID,
        "business_phone": MASKED,
        "bucket": None,
        "object_key": None,
        "attempt": 1,
        "provider_code": 0,
        "provider_message": "success",
        "http_status": 200,
        "lag_ms": None,
        "message_id": None,
    }


def test_a_messages_lag_counts_from_its_sending(world: World) -> None:
    world.invoke(sqs(MEDIA_MESSAGE))
    assert world.lines[0]["lag_ms"] > 0
    assert world.lines[0]["attempt"] == 1


@pytest.mark.parametrize("name", ["s3-undelete", "s3-removed", "eventbridge-deleted", "sns-s3", "direct-object"])
def test_an_object_that_can_be_read_keeps_its_media(world: World, name: str) -> None:
    for media_id in (MEDIA_ID, "a75c6d9b-a7c8-4f41-8f61-94548e92cbee"):
        boto3.client("s3").put_object(Bucket=BUCKET, Key=f"{PHONE}/{media_id}.jpg", Body=b"alive")
    world.invoke(sample(name))
    assert world.outcomes == [("skipped", "object_exists")]
    assert world.calls == []


def test_a_delete_marker_makes_an_object_unreadable(world: World) -> None:
    s3 = boto3.client("s3")
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"old version")
    s3.delete_object(Bucket=BUCKET, Key=KEY)
    world.invoke(sample("s3-delete-marker"))
    assert world.outcomes == [("deleted", None)]


def test_a_key_with_a_space_and_a_plus_is_looked_at_by_its_real_name(world: World) -> None:
    key = f"menus & prices/100%+tax/{PHONE}/{MEDIA_ID}.pdf"
    boto3.client("s3").put_object(Bucket=BUCKET, Key=key, Body=b"alive")
    world.invoke(sample("eventbridge-lifecycle"))
    assert world.outcomes == [("skipped", "object_exists")]
    world.invoke(sample("sqs-s3-several-records"))
    assert world.outcomes[0] == ("skipped", "object_exists")


def test_a_403_tells_nothing_and_names_the_missing_permission(world: World) -> None:
    forbid(world.aws.s3, "HeadObject", 403)
    assert failed(world.invoke(sqs({"bucket": BUCKET, "key": KEY}))) == ["message-0"]
    assert world.outcomes == [("unavailable", "object_unknown")]
    assert f"s3:GetObject and s3:ListBucket on the bucket {BUCKET}" in world.lines[0]["reason"]
    assert world.calls == []


@pytest.mark.parametrize("status", [301, 400, 405, 500, 503])
def test_any_other_answer_of_s3_tells_nothing_either(world: World, status: int) -> None:
    forbid(world.aws.s3, "HeadObject", status)
    assert failed(world.invoke(sqs({"bucket": BUCKET, "key": KEY}))) == ["message-0"]
    assert world.lines[0]["reason"] == f"object_unknown: S3 answered {status} to HeadObject"
    assert world.calls == []


@pytest.mark.parametrize(
    ("key", "outcome"),
    [
        (f"offers/{KEY}", ("deleted", None)),
        (KEY, ("skipped", "outside_prefix")),
        ("offers/readme.txt", ("skipped", "no_media")),
    ],
)
def test_the_prefix_narrows_what_is_looked_at(
    world: World, monkeypatch: pytest.MonkeyPatch, key: str, outcome: tuple[str, str | None]
) -> None:
    monkeypatch.setenv("OBJECT_KEY_PREFIX", "offers/")
    world.invoke({"bucket": BUCKET, "key": key})
    assert world.outcomes == [outcome]


def test_a_pattern_of_ones_own_and_a_default_phone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OBJECT_KEY_PATTERN", "^photos/(?P<media_id>.+)[.]jpg$")
    monkeypatch.setenv("DEFAULT_BUSINESS_PHONE", "+" + PHONE)
    world.invoke({"bucket": BUCKET, "key": f"photos/{MEDIA_ID}.jpg"})
    assert world.outcomes == [("deleted", None)]


def test_a_key_that_spells_half_a_media_is_rejected_with_the_reason(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OBJECT_KEY_PATTERN", "^photos/(?P<media_id>.+)[.]jpg$")
    assert failed(world.invoke(sqs({"bucket": BUCKET, "key": "photos/a.jpg"}))) == []
    [(_, attributes)] = world.dead_letters()
    assert "DEFAULT_BUSINESS_PHONE is not set" in attributes["reason"]


def test_a_dry_run_does_everything_but_the_call(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRY_RUN", "true")
    world.invoke(sample("sqs-messages"))
    assert world.outcomes == [("skipped", "dry_run")] * 3
    assert world.fake_nxcloud.provider.calls == []


def test_exactly_the_failed_messages_come_again(world: World) -> None:
    world.fake_nxcloud.misbehave(Fault("code", code=9001))
    second = world.fake_nxcloud.provider.add_media(PHONE)
    answer = world.invoke(
        sqs(MEDIA_MESSAGE, {"business_phone": PHONE, "media_id": second}, sample("s3-created"), "nonsense", receives=3)
    )
    assert failed(answer) == ["message-0"]
    assert world.outcomes == [
        ("unavailable", "provider_failed"),
        ("deleted", None),
        ("skipped", "not_a_deletion"),
        ("rejected", "not_understood"),
    ]
    assert world.lines[0]["attempt"] == 3
    assert (world.metrics["Unavailable"], world.metrics["Deleted"]) == ([1.0], [1.0])


def test_a_wholly_failed_batch_names_its_messages_instead_of_raising(world: World) -> None:
    world.fake_nxcloud.misbehave(Fault("status", times=2))
    assert failed(world.invoke(sqs(MEDIA_MESSAGE, MEDIA_MESSAGE))) == ["message-0", "message-1"]


def test_a_message_succeeds_only_when_all_its_records_have(world: World) -> None:
    other = world.fake_nxcloud.provider.add_media(PHONE)
    records = [sample("s3-removed")["Records"][0] for _ in range(3)]
    records[1]["s3"]["object"]["key"] = f"{PHONE}/{other}.jpg"
    records[2]["s3"]["object"]["key"] = "%FF"
    world.fake_nxcloud.misbehave(Fault("status"))
    assert failed(world.invoke(sqs({"Records": records}))) == ["message-0"]
    assert world.outcomes == [("unavailable", "invalid_answer"), ("deleted", None), ("rejected", "not_understood")]
    assert world.dead_letters() == []  # not before the message goes


def test_only_the_rejected_part_of_a_message_is_dead_lettered(world: World) -> None:
    records = [sample("s3-removed")["Records"][0] for _ in range(2)]
    records[1]["s3"]["object"]["key"] = "%FF"
    assert failed(world.invoke(sqs({"Records": records}))) == []
    [(body, attributes)] = world.dead_letters()
    assert json.loads(body) == {"Records": [records[1]]}
    assert attributes["source_message_id"] == "message-0"


def test_what_can_never_succeed_is_dead_lettered_as_it_came(world: World) -> None:
    world.fake_nxcloud.misbehave(Fault("code", code=9002, message=f"{PHONE} is wrong"))
    body = json.dumps(MEDIA_MESSAGE, indent=3)
    assert failed(world.invoke(sqs(body))) == []
    [(dead, attributes)] = world.dead_letters()
    assert dead == body
    assert attributes.pop("failed_at")
    assert attributes == {
        "reason": "refused_by_provider",
        "provider_code": "9002",
        "provider_message": f"{MASKED} is wrong",
        "source_message_id": "message-0",
    }


def test_a_message_that_cannot_be_dead_lettered_stays(world: World) -> None:
    boto3.client("sqs").delete_queue(QueueUrl=world.dead_letter_queue_url)
    assert failed(world.invoke(sqs("nonsense"))) == ["message-0"]
    assert world.lines[-1]["message"] == "dead_letter_send_failed"


@pytest.mark.parametrize("trigger", ["s3", "eventbridge", "sns", "direct"])
def test_without_a_queue_a_failure_raises_after_all_were_tried(world: World, trigger: str) -> None:
    records = [sample("s3-removed")["Records"][0] for _ in range(2)]
    other = world.fake_nxcloud.provider.add_media(PHONE)
    records[1]["s3"]["object"]["key"] = f"{PHONE}/{other}.jpg"
    sns = sample("sns-s3")
    sns["Records"][0]["Sns"]["Message"] = json.dumps({"Records": records})
    event = {
        "s3": {"Records": records},
        "eventbridge": sample("eventbridge-deleted"),
        "sns": sns,
        "direct": {"requestPayload": {"Records": records}},
    }[trigger]
    world.fake_nxcloud.misbehave(Fault("code", code=9001))
    with pytest.raises(
        RequestsFailedError, match=r"^1 of [12] requests failed: unavailable: provider_failed"
    ) as caught:
        world.invoke(event)
    assert PHONE not in str(caught.value)
    assert (
        world.outcomes
        == [("unavailable", "provider_failed"), ("deleted", None)][: 1 if trigger == "eventbridge" else 2]
    )
    assert {line["trigger"] for line in world.lines} == {trigger}


def test_without_a_queue_what_can_never_succeed_raises_too(world: World) -> None:
    with pytest.raises(RequestsFailedError, match="1 of 1 requests failed: rejected: not_understood"):
        world.invoke({"please": "delete"})


@pytest.mark.parametrize("name", ["s3-created", "s3-tagged", "sqs-s3-test-event"])
def test_what_is_no_deletion_calls_nobody(world: World, name: str) -> None:
    world.invoke(sample(name))
    assert {outcome for outcome, _ in world.outcomes} == {"skipped"}
    assert world.fake_nxcloud.provider.calls == []


def test_no_call_starts_that_cannot_end_in_time(world: World) -> None:
    assert failed(world.invoke(sqs(MEDIA_MESSAGE), time_left_ms=2_900)) == ["message-0"]
    assert world.outcomes == [("unavailable", "out_of_time")]
    assert world.calls == []


@pytest.mark.parametrize(
    ("break_it", "why"),
    [
        (lambda secrets: secrets.delete_secret(SecretId=SECRET, ForceDeleteWithoutRecovery=True), "does not exist"),
        (lambda secrets: secrets.put_secret_value(SecretId=SECRET, SecretString="canary"), "not JSON"),
        (lambda secrets: secrets.put_secret_value(SecretId=SECRET, SecretBinary=b"canary"), "not JSON"),
    ],
    ids=["missing", "no-json", "binary"],
)
def test_a_broken_secret_is_named_and_the_message_waits(
    world: World, break_it: Callable[[Any], object], why: str
) -> None:
    break_it(boto3.client("secretsmanager"))
    assert failed(world.invoke(sqs(MEDIA_MESSAGE))) == ["message-0"]
    assert world.outcomes == [("unavailable", "credentials_unusable")]
    assert SECRET in world.lines[0]["reason"]
    assert why in world.lines[0]["reason"]
    assert world.metrics["AuthenticationFailed"] == [1.0]
    assert "canary" not in world.output


def test_a_throttled_secrets_manager_is_no_fault_of_the_credentials(world: World) -> None:
    forbid(world.aws.secretsmanager, "GetSecretValue", 400, "ThrottlingException")
    assert failed(world.invoke(sqs(MEDIA_MESSAGE))) == ["message-0"]
    assert (
        world.lines[0]["reason"]
        == f"secret_unreachable: Secrets Manager answered ThrottlingException for secret {SECRET}"
    )
    assert "AuthenticationFailed" not in world.metrics


def test_the_secret_is_read_once_for_many_requests(world: World) -> None:
    reads: list[object] = []
    world.aws.secretsmanager.meta.events.register(
        "before-call.secretsmanager.GetSecretValue", lambda **_: reads.append(1)
    )
    world.invoke(sqs(*[MEDIA_MESSAGE] * 3))
    world.invoke(sqs(MEDIA_MESSAGE))
    assert len(reads) == 1


def test_connections_to_the_provider_outlive_an_invocation(world: World) -> None:
    world.fake_nxcloud.provider.evergreen.add((PHONE, MEDIA_ID))
    world.invoke(sqs(MEDIA_MESSAGE, MEDIA_MESSAGE))
    world.invoke(sqs(MEDIA_MESSAGE))
    assert world.fake_nxcloud.connections == 1


@pytest.mark.filterwarnings("ignore:No application metrics")  # Powertools': there were no requests to count
def test_a_wrong_setting_stops_everything_and_is_named(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OBJECT_KEY_PATTERN", "(")
    with pytest.raises(SettingsError, match="OBJECT_KEY_PATTERN does not compile"):
        world.invoke(sample("sqs-messages"))
    assert world.calls == []


@pytest.mark.parametrize(
    "key",
    [
        f"\x1b[31m/{KEY}",
        f"a\u2028b\nc/{KEY}",
        f"{{}}{KEY}",
        f"🏠/{KEY}",
        f"\ud800/{KEY}",
        f"\x00/{KEY}",
    ],
    ids=["ansi", "line-separators", "braces", "emoji", "lone-surrogate", "nul"],
)
def test_whatever_the_key_each_line_is_one_line_of_json(world: World, key: str) -> None:
    world.invoke(sqs({"bucket": BUCKET, "key": key}))
    assert world.output.isascii()
    assert [line["message"] for line in world.lines][:1] == ["media_deletion"]


def test_neither_secrets_nor_numbers_are_printed(world: World) -> None:
    secrets = f"{CREDENTIALS.access_key} {CREDENTIALS.access_secret} {PHONE}"
    world.fake_nxcloud.misbehave(*(Fault("code", code=code, message=secrets) for code in (9001, 9002, 1003)))
    printed = ""
    for event in (sqs(*[MEDIA_MESSAGE] * 3, sample("s3-removed"), sample("s3-created")), sample("sqs-s3-removed")):
        world.invoke(event)
        printed += world.output + json.dumps([attributes for _, attributes in world.dead_letters()])
    assert "provider_message" in printed
    for secret in (CREDENTIALS.access_key, CREDENTIALS.access_secret, PHONE):
        assert secret not in printed
