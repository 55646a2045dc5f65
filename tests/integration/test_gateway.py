"""The gateway to NXCloud: transient faults, clock correction, credentials, and verified absence."""

import json

import pytest

from localdev.fake_nxcloud import FakeNxCloud, Fault
from tests.conftest import CREDENTIALS, PHONE
from tests.integration.conftest import AWS, MEDIA_MESSAGE, SECRET, Environment, failed_ids, sqs_event

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


def fault_id(fault: Fault) -> str:
    return f"{fault.kind}-{fault.code}-{fault.status}"


@pytest.mark.parametrize(
    ("fault", "reason"), UNAVAILABLE, ids=lambda value: fault_id(value) if isinstance(value, Fault) else None
)
def test_transient_fault_is_redelivered(environment: Environment, fault: Fault, reason: str) -> None:
    environment.fake_nxcloud.misbehave(fault)
    assert failed_ids(environment.delete_media(sqs_event(MEDIA_MESSAGE))) == ["message-0"]
    assert environment.outcomes == [("unavailable", reason)]
    assert environment.dead_letters() == []
    assert (environment.metrics["AuthenticationFailed"] != [0.0]) == (reason == "credentials_refused")
    environment.fake_nxcloud.behave()


@pytest.mark.parametrize(
    ("fault", "reason"), UNAVAILABLE, ids=lambda value: fault_id(value) if isinstance(value, Fault) else None
)
def test_transient_fault_at_last_receive_is_given_up(environment: Environment, fault: Fault, reason: str) -> None:
    environment.fake_nxcloud.misbehave(fault)
    assert failed_ids(environment.delete_media(sqs_event(MEDIA_MESSAGE, receives=15))) == []
    assert environment.outcomes == [("rejected", "gave_up")]
    [(body, attributes)] = environment.dead_letters()
    assert json.loads(body) == MEDIA_MESSAGE
    assert attributes["reason"].startswith(f"gave_up: {reason}")
    environment.fake_nxcloud.behave()


@pytest.mark.parametrize("code", [1001, 1002, 9000, 9002, 9006])
def test_invalid_request_code_is_rejected_at_once(environment: Environment, code: int) -> None:
    environment.fake_nxcloud.misbehave(Fault("code", code=code))
    assert failed_ids(environment.delete_media(sqs_event(MEDIA_MESSAGE))) == []
    assert environment.outcomes == [("rejected", "refused_by_provider")]
    [(_, attributes)] = environment.dead_letters()
    assert attributes["provider_code"] == str(code)


def test_redirect_is_not_followed(environment: Environment) -> None:
    with FakeNxCloud() as elsewhere:
        environment.fake_nxcloud.misbehave(Fault("redirect", location=f"{elsewhere.url}/api/wa/deleteMedia"))
        environment.delete_media(sqs_event(MEDIA_MESSAGE))
        assert environment.outcomes == [("unavailable", "invalid_answer")]
        assert elsewhere.connections == 0


# Clock


def test_skewed_clock_is_corrected_for_later_calls(environment: Environment) -> None:
    provider = environment.fake_nxcloud.provider
    true_ms = provider.now_ms
    provider.now_ms = lambda: true_ms() + 10 * 60_000
    other = provider.add_media(PHONE)
    environment.delete_media(sqs_event(MEDIA_MESSAGE, {"business_phone": PHONE, "media_id": other}))
    assert environment.outcomes == [("deleted", None), ("deleted", None)]
    assert [call.code for call in provider.calls] == [1004, 0, 0]


@pytest.mark.parametrize("days", [-400, -2, 2, 400])
def test_date_over_a_day_off_does_not_correct_the_clock(environment: Environment, days: int) -> None:
    provider = environment.fake_nxcloud.provider
    true_ms = provider.now_ms
    provider.now_ms = lambda: true_ms() + days * 86_400_000
    environment.delete_media(sqs_event(MEDIA_MESSAGE))
    assert environment.outcomes == [("unavailable", "clock_skewed")]
    provider.now_ms = true_ms
    environment.delete_media(sqs_event(MEDIA_MESSAGE))
    assert [call.code for call in provider.calls] == [1004, 0]


# Credentials


def test_rotated_secret_is_read_again(environment: Environment) -> None:
    media = [environment.fake_nxcloud.provider.add_media(PHONE) for _ in range(3)]
    messages = [{"business_phone": PHONE, "media_id": media_id} for media_id in media]
    environment.delete_media(sqs_event(messages[0]))
    environment.fake_nxcloud.provider.access_secret = "rotated"  # noqa: S105 (the secret of the fake)
    secret = {"accessKey": CREDENTIALS.access_key, "accessSecret": "rotated"}
    AWS.secretsmanager.put_secret_value(SecretId=SECRET, SecretString=json.dumps(secret))
    environment.delete_media(sqs_event(*messages[1:]))
    assert environment.outcomes == [("deleted", None), ("deleted", None)]
    assert [call.code for call in environment.fake_nxcloud.provider.calls] == [0, 1003, 0, 0]


def test_refused_credentials_pause_all_calls(environment: Environment) -> None:
    environment.fake_nxcloud.provider.access_key = "another"
    response = environment.delete_media(sqs_event(*[MEDIA_MESSAGE] * 3))
    assert failed_ids(response) == ["message-0", "message-1", "message-2"]
    assert environment.outcomes == [("unavailable", "credentials_refused")] * 3
    assert [call.code for call in environment.fake_nxcloud.provider.calls] == [1005, 1005]
    assert environment.metrics["AuthenticationFailed"] == [1.0, 1.0, 1.0]


# Verified absence


def confirm_a_deletion(environment: Environment) -> None:
    """Let NXCloud confirm the deletion of another media file, as its proof of life."""
    media_id = environment.fake_nxcloud.provider.add_media(PHONE)
    environment.delete_media(sqs_event({"business_phone": PHONE, "media_id": media_id}))
    assert environment.outcomes == [("deleted", None)]


def test_media_neither_deletable_nor_found_is_already_gone(environment: Environment) -> None:
    environment.fake_nxcloud.provider.media.clear()
    confirm_a_deletion(environment)
    assert failed_ids(environment.delete_media(sqs_event(MEDIA_MESSAGE, receives=2))) == []
    assert environment.outcomes == [("already_gone", "verified_absent")]
    assert [call.action for call in environment.fake_nxcloud.provider.calls[-2:]] == ["deleteMedia", "getMedia"]
    assert environment.metrics["AlreadyGone"] == [1.0]


def test_beginning_outage_is_no_proof_of_absence(environment: Environment) -> None:
    confirm_a_deletion(environment)
    environment.fake_nxcloud.misbehave(Fault("code", code=-1, times=4))
    other = {"business_phone": PHONE, "media_id": environment.fake_nxcloud.provider.add_media(PHONE)}
    environment.delete_media(sqs_event(other))
    assert failed_ids(environment.delete_media(sqs_event(MEDIA_MESSAGE, receives=2))) == ["message-0"]
    assert environment.outcomes == [("unavailable", "provider_failed")]


def test_confirmation_between_two_misses_proves_absence(environment: Environment) -> None:
    environment.fake_nxcloud.provider.media.clear()
    confirm_a_deletion(environment)
    environment.fake_nxcloud.misbehave(Fault("code", code=-1))
    environment.delete_media(sqs_event({"business_phone": PHONE, "media_id": "another"}))
    assert failed_ids(environment.delete_media(sqs_event(MEDIA_MESSAGE, receives=2))) == ["message-0"]
    confirm_a_deletion(environment)
    assert failed_ids(environment.delete_media(sqs_event(MEDIA_MESSAGE, receives=3))) == []
    assert environment.outcomes == [("already_gone", "verified_absent")]


def test_absence_is_not_verified_at_first_receive(environment: Environment) -> None:
    environment.fake_nxcloud.provider.media.clear()
    confirm_a_deletion(environment)
    assert failed_ids(environment.delete_media(sqs_event(MEDIA_MESSAGE))) == ["message-0"]
    assert environment.outcomes == [("unavailable", "provider_failed")]


def test_absence_is_not_proved_without_any_confirmation(environment: Environment) -> None:
    environment.fake_nxcloud.provider.media.clear()
    environment.delete_media(sqs_event(MEDIA_MESSAGE, receives=2))
    assert environment.outcomes == [("unavailable", "provider_failed")]


def test_media_found_by_get_media_is_not_gone(environment: Environment) -> None:
    confirm_a_deletion(environment)
    environment.fake_nxcloud.misbehave(Fault("code", code=-1, action="deleteMedia"))
    environment.delete_media(sqs_event(MEDIA_MESSAGE, receives=2))
    assert environment.outcomes == [("unavailable", "provider_failed")]


@pytest.mark.parametrize(
    "fault",
    [
        Fault("status", action="getMedia"),
        Fault("reset", times=2, action="getMedia"),  # twice: a kept-alive connection is replaced once
        Fault("code", code=1002, action="getMedia"),
    ],
    ids=fault_id,
)
def test_other_get_media_failure_is_no_proof_of_absence(environment: Environment, fault: Fault) -> None:
    environment.fake_nxcloud.provider.media.clear()
    confirm_a_deletion(environment)
    environment.fake_nxcloud.misbehave(fault)
    environment.delete_media(sqs_event(MEDIA_MESSAGE, receives=2))
    assert environment.outcomes == [("unavailable", "provider_failed")]


@pytest.mark.parametrize(
    "fault", [Fault("status", status=500), Fault("unconfirmed"), Fault("raw", status=404, body='{"code": -1}')]
)
def test_other_deletion_failure_is_no_proof_of_absence(environment: Environment, fault: Fault) -> None:
    environment.fake_nxcloud.provider.media.clear()
    confirm_a_deletion(environment)
    environment.fake_nxcloud.misbehave(fault)
    environment.delete_media(sqs_event(MEDIA_MESSAGE, receives=2))
    assert environment.outcomes[0][0] == "unavailable"


def test_verify_absence_false_disables_verification(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERIFY_ABSENCE", "false")
    environment.fake_nxcloud.provider.media.clear()
    confirm_a_deletion(environment)
    environment.delete_media(sqs_event(MEDIA_MESSAGE, receives=2))
    assert environment.outcomes == [("unavailable", "provider_failed")]
