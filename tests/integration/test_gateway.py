"""The gateway to NXCloud: transient faults, clock correction, credentials, and verified absence."""

import json
from typing import Any

import pytest

from localdev.fake_nxcloud import THROTTLING, Account, FakeNxCloud, Fault, RateLimit
from media_cleanup.provider import absence
from tests.conftest import CREDENTIALS, MEDIA_ID, PHONE
from tests.integration.conftest import AWS, BUCKET, MEDIA_MESSAGE, SECRET, Environment, failed_ids, sqs_event

UNAVAILABLE: list[tuple[Fault, str]] = [
    (Fault("code", code=-1), "provider_failed"),
    (Fault("code", code=9001), "provider_failed"),
    (Fault("code", code=4711), "provider_failed"),
    (Fault("unconfirmed"), "provider_failed"),
    (Fault("status", status=500), "invalid_answer"),
    (Fault("status", status=503), "invalid_answer"),
    (Fault("status", status=429), "throttled"),
    (Fault("code", code=27), "throttled"),
    (Fault("code", code=28), "throttled"),
    (Fault("code", code=88), "throttled"),
    *((Fault("code", code=code), "provider_failed") for code in (9003, 9004, 9005, 9007, 9099)),
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


def test_missing_right_for_one_number_stops_no_other(environment: Environment) -> None:
    other = "4915112345678"
    messages = [
        {"business_phone": phone, "media_id": environment.fake_nxcloud.provider.add_media(phone)}
        for phone in (PHONE, PHONE, other, other)
    ]
    environment.fake_nxcloud.misbehave(Fault("code", code=1005, times=2))
    environment.delete_media(sqs_event(*messages))
    assert environment.outcomes == [("unavailable", "credentials_refused")] * 2 + [("deleted", None)] * 2
    assert [call.business_phone for call in environment.fake_nxcloud.provider.calls] == [other, other]


def test_wrong_signature_stops_every_number(environment: Environment) -> None:
    messages = [{"business_phone": phone, "media_id": MEDIA_ID} for phone in (PHONE, "4915112345678")]
    environment.fake_nxcloud.misbehave(Fault("code", code=1003, times=2))
    environment.delete_media(sqs_event(*messages))
    assert environment.outcomes == [("unavailable", "credentials_refused")] * 2
    assert environment.fake_nxcloud.provider.calls == []


OTHER_PHONE = "4915112345678"


def add_account(environment: Environment, access_secret: str = "other-secret") -> dict[str, str]:  # noqa: S107 (the secret of the fake)
    """Give another business phone an account of its own, and return a message for its media file."""
    provider = environment.fake_nxcloud.provider
    provider.accounts["other-key"] = Account("other-secret", {OTHER_PHONE})
    store_accounts(access_secret)
    return {"business_phone": OTHER_PHONE, "media_id": provider.add_media(OTHER_PHONE)}


def store_accounts(access_secret: str) -> None:
    own = {"accessKey": "other-key", "accessSecret": access_secret}
    common = {"accessKey": CREDENTIALS.access_key, "accessSecret": CREDENTIALS.access_secret}
    text = json.dumps(common | {"accounts": {f"+{OTHER_PHONE}": own}})
    AWS.secretsmanager.put_secret_value(SecretId=SECRET, SecretString=text)


def test_each_number_is_called_for_with_its_own_account(environment: Environment) -> None:
    other = add_account(environment)
    environment.delete_media(sqs_event(MEDIA_MESSAGE, other))
    assert environment.outcomes == [("deleted", None)] * 2
    assert [call.code for call in environment.fake_nxcloud.provider.calls] == [0, 0]


def test_account_with_wrong_secret_stops_no_other(environment: Environment) -> None:
    other = add_account(environment, access_secret="wrong")  # noqa: S106 (the secret of the fake)
    environment.delete_media(sqs_event(other, MEDIA_MESSAGE, other))
    refused = ("unavailable", "credentials_refused")
    assert environment.outcomes == [refused, ("deleted", None), refused]
    assert [call.code for call in environment.fake_nxcloud.provider.calls] == [1003, 1003, 0]


def test_rotated_pair_of_one_account_is_read_again(environment: Environment) -> None:
    other = add_account(environment)
    environment.delete_media(sqs_event(MEDIA_MESSAGE))
    environment.fake_nxcloud.provider.accounts["other-key"].access_secret = "rotated"  # noqa: S105 (the secret of the fake)
    store_accounts("rotated")
    environment.delete_media(sqs_event(other))
    assert environment.outcomes == [("deleted", None)]
    assert [call.code for call in environment.fake_nxcloud.provider.calls] == [0, 1003, 0]


def test_number_without_account_is_named_masked(environment: Environment) -> None:
    text = json.dumps({"accounts": {PHONE: {"accessKey": CREDENTIALS.access_key, "accessSecret": "REPLACE_ME"}}})
    AWS.secretsmanager.put_secret_value(SecretId=SECRET, SecretString=text)
    environment.delete_media(sqs_event(MEDIA_MESSAGE, {"business_phone": OTHER_PHONE, "media_id": MEDIA_ID}))
    reasons = [line["reason"] for line in environment.log_lines if "reason" in line]
    assert reasons[0].startswith("credentials_unusable: no usable credentials for 86158****1795: ")
    assert "placeholder in its field accessSecret" in reasons[0]
    assert reasons[1].startswith("credentials_unusable: no usable credentials for 49151****5678: ")
    assert environment.fake_nxcloud.provider.calls == []


def test_answer_about_missing_media_ends_a_pause(environment: Environment) -> None:
    environment.fake_nxcloud.misbehave(Fault("code", code=1005, times=2))
    environment.delete_media(sqs_event(MEDIA_MESSAGE))
    for state in environment.delete_media_handler._gateway._flow.pauses._states.values():  # noqa: SLF001 (a test does not wait for the pause of a minute)
        state.paused_until = 0.0  # the minute is over
    missing = {"business_phone": PHONE, "media_id": "missing"}
    environment.delete_media(sqs_event(missing, MEDIA_MESSAGE))
    assert environment.outcomes == [("unavailable", "provider_failed"), ("deleted", None)]


# Retry-After


@pytest.mark.parametrize("code", [-1, 9001, 9003, 1003, 1004, 1005, 28])
def test_retry_after_with_a_code_hides_the_message(environment: Environment, code: int) -> None:
    body = json.dumps({"code": code, "message": "later", "data": None})
    environment.fake_nxcloud.misbehave(Fault("raw", status=200, body=body, retry_after=1000))
    environment.delete_media_clients.sqs.meta.events.register(
        "before-parameter-build.sqs.ChangeMessageVisibilityBatch", lambda params, **_: timeouts.append(params)
    )
    timeouts: list[Any] = []
    environment.delete_media(sqs_event(MEDIA_MESSAGE, receives=3))
    assert [entry["VisibilityTimeout"] for each in timeouts for entry in each["Entries"]] == [1000]
    assert environment.actions == []  # no second call, and no question: it never means absent


# Verified absence


EXPERIMENT = ["getMedia", "uploadMedia", *["getMedia"] * 5, "deleteMedia", "getMedia"]


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The experiment without its waits, and its second proof at once."""
    monkeypatch.setattr(absence, "PROCESSING_S", 0)  # constants of the module, which no setting changes
    monkeypatch.setattr(absence, "CHECK_INTERVAL_S", 0)
    monkeypatch.setenv("ABSENCE_PROOF_INTERVAL_S", "0")


@pytest.fixture
def missing(environment: Environment, no_waiting: None) -> Environment:  # noqa: ARG001 (no test waits)
    """The functions, with NXCloud's media files expired."""
    environment.fake_nxcloud.provider.lifetime_ms = 0
    environment.delete_media(sqs_event(MEDIA_MESSAGE))
    environment.fake_nxcloud.provider.lifetime_ms = 10**9
    environment.fake_nxcloud.provider.calls.clear()
    return environment


def test_missing_media_is_already_gone_after_two_proofs(missing: Environment) -> None:
    assert failed_ids(missing.delete_media(sqs_event(MEDIA_MESSAGE, receives=3))) == ["message-0"]
    assert missing.actions == ["deleteMedia", *EXPERIMENT]
    assert missing.log_lines[0]["reason"] == "provider_failed: absence proven once of twice"
    assert failed_ids(missing.delete_media(sqs_event(MEDIA_MESSAGE, receives=4))) == []
    assert missing.actions == ["deleteMedia", *EXPERIMENT] * 2
    assert missing.outcomes == [("already_gone", "verified_absent")]
    assert missing.metrics["AlreadyGone"] == [1.0]
    assert "DeletionLag" not in missing.metrics
    assert missing.fake_nxcloud.provider.media == {}  # no control stays


def test_verified_absence_is_recorded_like_a_confirmation(missing: Environment) -> None:
    for receives in (3, 4):
        missing.delete_media(sqs_event(MEDIA_MESSAGE, receives=receives))
    missing.fake_nxcloud.provider.calls.clear()
    missing.delete_media(sqs_event(MEDIA_MESSAGE))
    assert missing.outcomes == [("already_gone", "remembered")]
    assert missing.actions == []


def test_first_proof_hides_the_message_for_an_hour(missing: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ABSENCE_PROOF_INTERVAL_S", "3600")
    timeouts: list[Any] = []
    missing.delete_media_clients.sqs.meta.events.register(
        "before-parameter-build.sqs.ChangeMessageVisibilityBatch", lambda params, **_: timeouts.append(params)
    )
    for receives in (3, 4):
        missing.delete_media(sqs_event(MEDIA_MESSAGE, receives=receives))
        assert missing.outcomes == [("unavailable", "provider_failed")]
    [[first], [second]] = ([entry["VisibilityTimeout"] for entry in each["Entries"]] for each in timeouts)
    assert first == 3600
    assert 3590 <= second <= 3600
    assert missing.actions == ["deleteMedia", *EXPERIMENT, "deleteMedia"]


def test_links_of_verified_absent_media_are_removed(missing: Environment) -> None:
    AWS.s3.put_object(Bucket=BUCKET, Key="file.jpg", Body=b"x")
    missing.index_media(sqs_event({"bucket": BUCKET, "key": "file.jpg", **MEDIA_MESSAGE}))
    AWS.s3.delete_object(Bucket=BUCKET, Key="file.jpg")
    for receives in (3, 4):
        assert len(missing.links()) == 1
        missing.delete_media(sqs_event({"bucket": BUCKET, "key": "file.jpg"}, receives=receives))
    assert missing.outcomes == [("already_gone", "verified_absent")]
    assert missing.links() == []


@pytest.mark.parametrize("receives", [1, 2])
def test_absence_is_not_verified_before_the_third_receive(missing: Environment, receives: int) -> None:
    missing.delete_media(sqs_event(MEDIA_MESSAGE, receives=receives))
    assert missing.outcomes == [("unavailable", "provider_failed")]
    assert missing.actions == ["deleteMedia"]


def test_media_of_a_number_out_of_order_is_not_gone(environment: Environment, no_waiting: None) -> None:  # noqa: ARG001 (no test waits)
    environment.fake_nxcloud.provider.out_of_order.add(PHONE)
    for receives in range(3, 7):
        environment.delete_media(sqs_event(MEDIA_MESSAGE, receives=receives))
        assert environment.outcomes[0][0] == "unavailable"
    assert environment.outcomes == [("unavailable", "verification_paused")]
    environment.fake_nxcloud.provider.out_of_order.clear()
    environment.delete_media(sqs_event(MEDIA_MESSAGE, receives=7))
    assert environment.outcomes == [("deleted", None)]


@pytest.mark.parametrize("style", THROTTLING)
def test_throttled_media_is_not_gone(environment: Environment, no_waiting: None, style: str) -> None:  # noqa: ARG001 (no test waits)
    environment.fake_nxcloud.provider.rate_limit = RateLimit(0, 0, THROTTLING[style])
    for receives in range(3, 6):
        environment.delete_media(sqs_event(MEDIA_MESSAGE, receives=receives))
    reason = "provider_failed" if style == "code -1" else "throttled"
    assert environment.outcomes == [("unavailable", reason)]
    assert (environment.actions.count("uploadMedia") > 0) == (style == "code -1")


@pytest.mark.parametrize(("action", "code"), [("uploadMedia", 1005), ("uploadMedia", 9003), ("getMedia", 1005)])
def test_account_without_a_right_is_given_up_with_the_reason(missing: Environment, action: str, code: int) -> None:
    missing.fake_nxcloud.provider.refused_actions[action] = code
    missing.delete_media(sqs_event(MEDIA_MESSAGE, receives=3))
    assert missing.outcomes == [("unavailable", "provider_failed")]
    assert failed_ids(missing.delete_media(sqs_event(MEDIA_MESSAGE, receives=15))) == []
    [(_, attributes)] = missing.dead_letters()
    assert attributes["reason"].startswith("gave_up: provider_failed: absence not verified: ")
    assert f"{action}" in attributes["reason"]
    assert f"code {code}" in attributes["reason"]


def test_refusal_while_verifying_causes_neither_pause_nor_alarm(missing: Environment) -> None:
    missing.fake_nxcloud.provider.refused_actions["uploadMedia"] = 1003
    reads: list[object] = []
    missing.delete_media_clients.secretsmanager.meta.events.register(
        "before-call.secretsmanager.GetSecretValue", lambda **_: reads.append(1)
    )
    missing.delete_media(sqs_event(MEDIA_MESSAGE, receives=3))
    assert missing.metrics["AuthenticationFailed"] == [0.0]
    living = {"business_phone": PHONE, "media_id": missing.fake_nxcloud.provider.add_media(PHONE)}
    missing.delete_media(sqs_event(living))
    assert missing.outcomes == [("deleted", None)]
    assert reads == []


def test_media_found_by_get_media_is_not_gone(environment: Environment, no_waiting: None) -> None:  # noqa: ARG001 (no test waits)
    environment.fake_nxcloud.misbehave(Fault("code", code=-1, action="deleteMedia"))
    environment.delete_media(sqs_event(MEDIA_MESSAGE, receives=3))
    assert environment.outcomes == [("unavailable", "provider_failed")]
    assert environment.actions == ["getMedia"]


@pytest.mark.parametrize(
    "fault", [Fault("status", status=500), Fault("unconfirmed"), Fault("raw", status=404, body='{"code": -1}')]
)
def test_other_deletion_failure_asks_nothing(missing: Environment, fault: Fault) -> None:
    missing.fake_nxcloud.misbehave(fault)
    missing.delete_media(sqs_event(MEDIA_MESSAGE, receives=3))
    assert missing.outcomes[0][0] == "unavailable"
    assert missing.actions == []


def test_missing_media_of_a_batch_shares_one_control(missing: Environment) -> None:
    messages = [{"business_phone": PHONE, "media_id": f"missing-{number}"} for number in range(10)]
    missing.delete_media(sqs_event(*messages, receives=3))
    assert missing.actions.count("uploadMedia") == 1
    assert len(missing.actions) == 10 + 3 * 10 + 6
    missing.delete_media(sqs_event(*messages, receives=4))
    assert missing.outcomes == [("already_gone", "verified_absent")] * 10


def test_verify_absence_false_uploads_and_concludes_nothing(
    missing: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VERIFY_ABSENCE", "false")
    for receives in (3, 4):
        missing.delete_media(sqs_event(MEDIA_MESSAGE, receives=receives))
    assert missing.outcomes == [("unavailable", "provider_failed")]
    assert missing.actions == ["deleteMedia"] * 2
