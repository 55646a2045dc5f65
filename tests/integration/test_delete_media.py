"""The deletion function: log lines, metrics, responses, and dead letters."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from localdev.fake_nxcloud import Fault
from media_cleanup.delete_media import DeleteMedia
from media_cleanup.errors import RequestsFailedError, SettingsError
from media_cleanup.reporting import DELETION
from tests.conftest import CREDENTIALS, MEDIA_ID, PHONE, sample
from tests.integration.conftest import (
    AWS,
    BUCKET,
    KEY,
    MASKED,
    MEDIA_MESSAGE,
    SECRET,
    Environment,
    failed_ids,
    inject_aws_error,
    sqs_event,
)


def test_deletion_writes_whole_log_line(environment: Environment) -> None:
    event = sample("sqs-s3-removed")
    assert environment.delete_media(event) == {"batchItemFailures": []}
    [line] = environment.log_lines
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
        "requester": "AWS:AIDAEXAMPLEPRINCIPAL",
        "attempt": 1,
        "provider_code": 0,
        "provider_message": "success",
        "http_status": 200,
        "message_id": event["Records"][0]["messageId"],
    }
    assert environment.deletion_calls == [MEDIA_ID]


def test_metrics_have_service_as_only_dimension(environment: Environment) -> None:
    environment.delete_media(sample("sqs-s3-removed"))
    [directive] = environment.metrics["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "MediaCleanup"
    assert directive["Dimensions"] == [["service"]]
    units = {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]}
    assert units == dict.fromkeys(DELETION.counts, "Count") | dict.fromkeys(
        ("ProviderLatency", "DeletionLag"), "Milliseconds"
    )
    assert environment.metrics["service"] == "media-cleanup"
    assert {name: environment.metrics[name] for name in DELETION.counts} == {
        name: [1.0 if name == "Deleted" else 0.0] for name in DELETION.counts
    }


def test_counts_of_skipped_request_are_zeros(environment: Environment) -> None:
    environment.delete_media(sqs_event({"bucket": BUCKET, "key": "none"}))
    assert environment.metrics["Skipped"] == [1.0]
    assert environment.metrics["Unavailable"] == environment.metrics["Deleted"] == [0.0]


def test_dry_run_counts_skipped_deletions(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRY_RUN", "true")
    environment.delete_media(sqs_event(MEDIA_MESSAGE))
    assert (environment.metrics["DryRunSkipped"], environment.metrics["Skipped"]) == ([1.0], [1.0])


def test_internal_error_is_counted_for_version(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "DeleteMedia")
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_VERSION", "7")
    monkeypatch.setattr(DeleteMedia, "handle", lambda *_: 1 // 0)
    environment.delete_media(sqs_event(MEDIA_MESSAGE))
    of_version, of_service = [line for line in map(json.loads, environment.output.splitlines()) if "_aws" in line]
    assert [each["_aws"]["CloudWatchMetrics"][0]["Namespace"] for each in (of_version, of_service)] == [
        "MediaCleanup"
    ] * 2
    assert of_service["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service"]]
    [dimensions] = of_version["_aws"]["CloudWatchMetrics"][0]["Dimensions"]
    assert {name: of_version[name] for name in dimensions} == {
        "service": "media-cleanup",
        "function_name": "DeleteMedia",
        "function_version": "7",
    }
    assert of_version["InternalError"] == of_service["InternalError"] == [1.0]
    assert environment.outcomes == [("unavailable", "internal_error")]


def test_direct_invocation_returns_log_fields(environment: Environment) -> None:
    [result] = environment.delete_media(sample("direct-media"))["results"]
    assert result.pop("latency_ms") >= 0
    assert result == {
        "outcome": "deleted",
        "reason": None,
        "trigger": "direct",
        "media_id": MEDIA_ID,
        "business_phone": MASKED,
        "bucket": None,
        "object_key": None,
        "version_id": None,
        "requester": None,
        "deletion_reason": None,
        "requested_by": None,
        "attempt": 1,
        "provider_code": 0,
        "provider_message": "success",
        "http_status": 200,
        "lag_ms": None,
        "message_id": None,
    }


def test_log_line_names_version_requester_and_reason(environment: Environment) -> None:
    environment.delete_media(sample("eventbridge-lifecycle"))
    [line] = environment.log_lines
    assert {name: line.get(name) for name in ("version_id", "requester", "deletion_reason", "requested_by")} == {
        "version_id": "WDKyrWSfzMfqfpZTzTUgDPVQzKO8TPzC",
        "requester": "s3.amazonaws.com",
        "deletion_reason": "Lifecycle Expiration",
        "requested_by": None,
    }
    assert "203.0.113.7" not in environment.output


def test_requester_in_a_message_is_logged_and_answered(environment: Environment) -> None:
    [result] = environment.delete_media({"bucket": BUCKET, "key": KEY, "requested_by": f"call of {PHONE}"})["results"]
    assert result["requested_by"] == environment.log_lines[0]["requested_by"] == f"call of {MASKED}"


def test_lag_of_media_message_counts_from_send_time(environment: Environment) -> None:
    environment.delete_media(sqs_event(MEDIA_MESSAGE))
    assert environment.log_lines[0]["lag_ms"] > 0
    assert environment.log_lines[0]["attempt"] == 1


@pytest.mark.parametrize("name", ["s3-undelete", "s3-removed", "eventbridge-deleted", "sns-s3", "direct-object"])
def test_existing_object_keeps_its_media(environment: Environment, name: str) -> None:
    for media_id in (MEDIA_ID, "a75c6d9b-a7c8-4f41-8f61-94548e92cbee"):
        AWS.s3.put_object(Bucket=BUCKET, Key=f"{PHONE}/{media_id}.jpg", Body=b"alive")
    environment.delete_media(sample(name))
    assert environment.outcomes == [("skipped", "object_exists")]
    assert environment.deletion_calls == []


def test_object_under_delete_marker_loses_its_media(environment: Environment) -> None:
    AWS.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    AWS.s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"old version")
    AWS.s3.delete_object(Bucket=BUCKET, Key=KEY)
    environment.delete_media(sample("s3-delete-marker"))
    assert environment.outcomes == [("deleted", None)]


def test_key_with_space_and_plus_is_decoded(environment: Environment) -> None:
    key = f"menus & prices/100%+tax/{PHONE}/{MEDIA_ID}.pdf"
    AWS.s3.put_object(Bucket=BUCKET, Key=key, Body=b"alive")
    environment.delete_media(sample("eventbridge-lifecycle"))
    assert environment.outcomes == [("skipped", "object_exists")]
    environment.delete_media(sample("sqs-s3-several-records"))
    assert environment.outcomes[0] == ("skipped", "object_exists")


def test_head_403_is_unavailable_and_names_missing_permission(environment: Environment) -> None:
    inject_aws_error(environment.delete_media_clients.s3, "HeadObject", 403)
    assert failed_ids(environment.delete_media(sqs_event({"bucket": BUCKET, "key": KEY}))) == ["message-0"]
    assert environment.outcomes == [("unavailable", "object_unknown")]
    assert f"s3:GetObject and s3:ListBucket on the bucket {BUCKET}" in environment.log_lines[0]["reason"]
    assert environment.deletion_calls == []


@pytest.mark.parametrize("status", [301, 405, 500, 503])
def test_other_head_status_is_unavailable(environment: Environment, status: int) -> None:
    inject_aws_error(environment.delete_media_clients.s3, "HeadObject", status, str(status))
    assert failed_ids(environment.delete_media(sqs_event({"bucket": BUCKET, "key": KEY}))) == ["message-0"]
    assert environment.log_lines[0]["reason"] == f"object_unknown: S3 HeadObject answered {status}"
    assert environment.deletion_calls == []


def test_sse_c_object_is_rejected_at_once_with_the_way_out(environment: Environment) -> None:
    inject_aws_error(environment.delete_media_clients.s3, "HeadObject", 400, "400")
    assert failed_ids(environment.delete_media(sqs_event({"bucket": BUCKET, "key": KEY}))) == []
    assert environment.outcomes == [("rejected", "sse_c_object")]
    assert environment.deletion_calls == []
    [(_, attributes)] = environment.dead_letters()
    assert attributes["reason"].endswith("or request the deletion by business_phone and media_id")


@pytest.mark.parametrize(
    ("key", "outcome"),
    [
        (f"offers/{KEY}", ("deleted", None)),
        (KEY, ("skipped", "outside_prefix")),
        ("offers/readme.txt", ("skipped", "no_media")),
    ],
)
def test_object_key_prefix_limits_deletions(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, key: str, outcome: tuple[str, str | None]
) -> None:
    monkeypatch.setenv("OBJECT_KEY_PREFIX", "offers/")
    environment.delete_media({"bucket": BUCKET, "key": key})
    assert environment.outcomes == [outcome]


def test_custom_key_pattern_uses_default_business_phone(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OBJECT_KEY_PATTERN", "^photos/(?P<media_id>.+)[.]jpg$")
    monkeypatch.setenv("DEFAULT_BUSINESS_PHONE", "+" + PHONE)
    environment.delete_media({"bucket": BUCKET, "key": f"photos/{MEDIA_ID}.jpg"})
    assert environment.outcomes == [("deleted", None)]


def test_key_without_business_phone_is_dead_lettered(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OBJECT_KEY_PATTERN", "^photos/(?P<media_id>.+)[.]jpg$")
    assert failed_ids(environment.delete_media(sqs_event({"bucket": BUCKET, "key": "photos/a.jpg"}))) == []
    [(_, attributes)] = environment.dead_letters()
    assert "DEFAULT_BUSINESS_PHONE is not set" in attributes["reason"]


def test_dry_run_makes_no_call(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRY_RUN", "true")
    environment.delete_media(sample("sqs-messages"))
    assert environment.outcomes == [("skipped", "dry_run")] * 3
    assert environment.fake_nxcloud.provider.calls == []


def test_batch_response_names_only_failed_messages(environment: Environment) -> None:
    environment.fake_nxcloud.misbehave(Fault("code", code=9001))
    second = environment.fake_nxcloud.provider.add_media(PHONE)
    bodies = (MEDIA_MESSAGE, {"business_phone": PHONE, "media_id": second}, sample("s3-created"), "nonsense")
    assert failed_ids(environment.delete_media(sqs_event(*bodies, receives=3))) == ["message-0"]
    assert environment.outcomes == [
        ("unavailable", "provider_failed"),
        ("deleted", None),
        ("skipped", "not_a_deletion"),
        ("rejected", "not_understood"),
    ]
    assert environment.log_lines[0]["attempt"] == 3
    assert (environment.metrics["Unavailable"], environment.metrics["Deleted"]) == ([1.0], [1.0])


def test_wholly_failed_batch_is_answered_and_not_raised(environment: Environment) -> None:
    environment.fake_nxcloud.misbehave(Fault("status", times=2))
    response = environment.delete_media(sqs_event(MEDIA_MESSAGE, MEDIA_MESSAGE))
    assert failed_ids(response) == ["message-0", "message-1"]


def test_message_with_failed_record_is_redelivered(environment: Environment) -> None:
    other = environment.fake_nxcloud.provider.add_media(PHONE)
    records = [sample("s3-removed")["Records"][0] for _ in range(3)]
    records[1]["s3"]["object"]["key"] = f"{PHONE}/{other}.jpg"
    records[2]["s3"]["object"]["key"] = "%FF"
    environment.fake_nxcloud.misbehave(Fault("status"))
    assert failed_ids(environment.delete_media(sqs_event({"Records": records}))) == ["message-0"]
    assert environment.outcomes == [
        ("unavailable", "invalid_answer"),
        ("deleted", None),
        ("rejected", "not_understood"),
    ]
    assert environment.dead_letters() == []  # not before the message is done


def test_only_rejected_record_of_message_is_dead_lettered(environment: Environment) -> None:
    records = [sample("s3-removed")["Records"][0] for _ in range(2)]
    records[1]["s3"]["object"]["key"] = "%FF"
    assert failed_ids(environment.delete_media(sqs_event({"Records": records}))) == []
    [(body, attributes)] = environment.dead_letters()
    assert json.loads(body) == {"Records": [records[1]]}
    assert attributes["source_message_id"] == "message-0"


def test_rejected_message_is_dead_lettered_with_unchanged_body(environment: Environment) -> None:
    environment.fake_nxcloud.misbehave(Fault("code", code=9002, message=f"{PHONE} is wrong"))
    body = json.dumps(MEDIA_MESSAGE, indent=3)
    assert failed_ids(environment.delete_media(sqs_event(body))) == []
    [(dead, attributes)] = environment.dead_letters()
    assert dead == body
    assert attributes.pop("failed_at")
    assert attributes == {
        "reason": "refused_by_provider",
        "provider_code": "9002",
        "provider_message": f"{MASKED} is wrong",
        "source_message_id": "message-0",
    }


def test_message_is_redelivered_when_dead_letter_send_fails(environment: Environment) -> None:
    AWS.sqs.delete_queue(QueueUrl=environment.dead_letter_queue_url)
    assert failed_ids(environment.delete_media(sqs_event("nonsense"))) == ["message-0"]
    assert environment.log_lines[-1]["message"] == "dead_letter_send_failed"


@pytest.mark.parametrize("trigger", ["s3", "eventbridge", "sns", "direct"])
def test_direct_failure_raises_after_all_requests_were_tried(environment: Environment, trigger: str) -> None:
    records = [sample("s3-removed")["Records"][0] for _ in range(2)]
    other = environment.fake_nxcloud.provider.add_media(PHONE)
    records[1]["s3"]["object"]["key"] = f"{PHONE}/{other}.jpg"
    sns = sample("sns-s3")
    sns["Records"][0]["Sns"]["Message"] = json.dumps({"Records": records})
    event = {
        "s3": {"Records": records},
        "eventbridge": sample("eventbridge-deleted"),
        "sns": sns,
        "direct": {"requestPayload": {"Records": records}},
    }[trigger]
    environment.fake_nxcloud.misbehave(Fault("code", code=9001))
    with pytest.raises(
        RequestsFailedError, match=r"^1 of [12] requests failed: unavailable: provider_failed"
    ) as caught:
        environment.delete_media(event)
    assert PHONE not in str(caught.value)
    assert (
        environment.outcomes
        == [("unavailable", "provider_failed"), ("deleted", None)][: 1 if trigger == "eventbridge" else 2]
    )
    assert {line["trigger"] for line in environment.log_lines} == {trigger}


def test_direct_malformed_event_raises(environment: Environment) -> None:
    with pytest.raises(RequestsFailedError, match="1 of 1 requests failed: rejected: not_understood"):
        environment.delete_media({"please": "delete"})


@pytest.mark.parametrize("name", ["s3-created", "s3-tagged", "sqs-s3-test-event"])
def test_event_other_than_deletion_makes_no_call(environment: Environment, name: str) -> None:
    environment.delete_media(sample(name))
    assert {outcome for outcome, _ in environment.outcomes} == {"skipped"}
    assert environment.fake_nxcloud.provider.calls == []


def test_no_call_starts_with_too_little_time_left(environment: Environment) -> None:
    assert failed_ids(environment.delete_media(sqs_event(MEDIA_MESSAGE), time_left_ms=2_900)) == ["message-0"]
    assert environment.outcomes == [("unavailable", "out_of_time")]
    assert environment.deletion_calls == []


@pytest.mark.parametrize(
    ("make_unusable", "detail"),
    [
        (lambda secrets: secrets.delete_secret(SecretId=SECRET, ForceDeleteWithoutRecovery=True), "does not exist"),
        (lambda secrets: secrets.put_secret_value(SecretId=SECRET, SecretString="canary"), "not JSON"),
        (lambda secrets: secrets.put_secret_value(SecretId=SECRET, SecretBinary=b"canary"), "not JSON"),
    ],
    ids=["missing", "no-json", "binary"],
)
def test_unusable_secret_is_named_and_message_is_redelivered(
    environment: Environment, make_unusable: Callable[[Any], object], detail: str
) -> None:
    make_unusable(AWS.secretsmanager)
    assert failed_ids(environment.delete_media(sqs_event(MEDIA_MESSAGE))) == ["message-0"]
    assert environment.outcomes == [("unavailable", "credentials_unusable")]
    assert SECRET in environment.log_lines[0]["reason"]
    assert detail in environment.log_lines[0]["reason"]
    assert environment.metrics["AuthenticationFailed"] == [1.0]
    assert "canary" not in environment.output


def test_throttled_secret_is_no_authentication_failure(environment: Environment) -> None:
    inject_aws_error(environment.delete_media_clients.secretsmanager, "GetSecretValue", 400, "ThrottlingException")
    assert failed_ids(environment.delete_media(sqs_event(MEDIA_MESSAGE))) == ["message-0"]
    assert (
        environment.log_lines[0]["reason"]
        == f"secret_unreachable: Secrets Manager, for secret {SECRET}, answered ThrottlingException"
    )
    assert environment.metrics["AuthenticationFailed"] == [0.0]


def test_secret_is_read_once_for_many_requests(environment: Environment) -> None:
    reads: list[object] = []
    environment.delete_media_clients.secretsmanager.meta.events.register(
        "before-call.secretsmanager.GetSecretValue", lambda **_: reads.append(1)
    )
    environment.delete_media(sqs_event(*[MEDIA_MESSAGE] * 3))
    environment.delete_media(sqs_event(MEDIA_MESSAGE))
    assert len(reads) == 1


def test_connection_to_nxcloud_outlives_an_invocation(environment: Environment) -> None:
    environment.fake_nxcloud.provider.evergreen.add((PHONE, MEDIA_ID))
    environment.delete_media(sqs_event(MEDIA_MESSAGE, MEDIA_MESSAGE))
    environment.delete_media(sqs_event(MEDIA_MESSAGE))
    assert environment.fake_nxcloud.connections == 1


@pytest.mark.filterwarnings("ignore:No application metrics")  # of Powertools: there is no request to count
def test_invalid_setting_fails_invocation_and_is_named(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OBJECT_KEY_PATTERN", "(")
    with pytest.raises(SettingsError, match="OBJECT_KEY_PATTERN does not compile"):
        environment.delete_media(sample("sqs-messages"))
    assert environment.deletion_calls == []


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
def test_log_line_of_unusual_key_is_one_line_of_json(environment: Environment, key: str) -> None:
    environment.delete_media(sqs_event({"bucket": BUCKET, "key": key}))
    assert environment.output.isascii()
    assert [line["message"] for line in environment.log_lines][:1] == ["media_deletion"]


def test_secrets_and_phone_numbers_are_not_logged(environment: Environment) -> None:
    secrets = f"{CREDENTIALS.access_key} {CREDENTIALS.access_secret} {PHONE}"
    environment.fake_nxcloud.misbehave(*(Fault("code", code=code, message=secrets) for code in (9001, 9002, 1003)))
    printed = ""
    for event in (
        sqs_event(*[MEDIA_MESSAGE] * 3, sample("s3-removed"), sample("s3-created")),
        sample("sqs-s3-removed"),
    ):
        environment.delete_media(event)
        printed += environment.output + json.dumps([attributes for _, attributes in environment.dead_letters()])
    assert "provider_message" in printed
    for secret in (CREDENTIALS.access_key, CREDENTIALS.access_secret, PHONE):
        assert secret not in printed
