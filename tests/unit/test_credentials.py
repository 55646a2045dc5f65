"""NXCloud's credentials: parsed from the secret, cached, served during an outage, read again after a refusal."""

import json
import re
import traceback
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from media_cleanup.aws.clients import AwsClients
from media_cleanup.aws.credentials import CredentialsStore, parse_secret
from media_cleanup.errors import DependencyUnavailable
from media_cleanup.outcome import Reason
from nxcloud import Credentials
from tests.conftest import PHONE

OLD, NEW = Credentials("key", "old"), Credentials("key", "new")
OWN = Credentials("own-key", "own-secret")
OTHER_PHONE, MASKED = "4915112345678", "49151****5678"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.just("accounts"), inner, max_size=3),
)
CANARY = "canary-7f3a"


def pair(credentials: Credentials) -> dict[str, str]:
    return {"accessKey": credentials.access_key, "accessSecret": credentials.access_secret}


class FakeSecretsManager:
    """Secrets Manager with one secret, a clock in seconds, and a store that uses both."""

    def __init__(self) -> None:
        self.value: str | None = self.text(OLD)
        self.reads = 0
        self.now_s = -1000.0  # a monotonic clock may begin anywhere
        self.failure_code = "ThrottlingException"
        self.store = CredentialsStore(cast("AwsClients", SimpleNamespace(secretsmanager=self)), "s", lambda: self.now_s)

    @staticmethod
    def text(common: Credentials | None, **accounts: Credentials) -> str:
        own = {"accounts": {number.removeprefix("n"): pair(each) for number, each in accounts.items()}}
        return json.dumps((pair(common) if common else {}) | (own if accounts else {}))

    def get_secret_value(self, SecretId: str) -> dict[str, Any]:  # noqa: N803 (boto3's own name)
        assert SecretId == "s"
        self.reads += 1
        if self.value is None:
            raise ClientError({"Error": {"Code": self.failure_code}}, "GetSecretValue")
        return {"SecretString": self.value}


@pytest.fixture
def secret() -> FakeSecretsManager:
    return FakeSecretsManager()


def test_secret_with_both_fields_is_parsed() -> None:
    text = '{"accessKey": "key", "accessSecret": "secret", "note": "more is ignored"}'
    assert parse_secret("s", text).get(PHONE) == Credentials("key", "secret")


@pytest.mark.parametrize(
    "value",
    [
        '\ufeff{"accessKey": "key", "accessSecret": "secret"}',
        '{"accessKey": " key\\n", "accessSecret": "\\tsecret "}',
        '\n {"accessKey": "key", "accessSecret": "\u00a0secret"}\n',
        b'{"accessKey": "key", "accessSecret": "secret"}',
        b'\xef\xbb\xbf{"accessKey": "key", "accessSecret": "secret"}',
    ],
    ids=["byte-order-mark", "white-space", "no-break-space", "binary", "binary-with-byte-order-mark"],
)
def test_harmless_faults_of_a_secret_are_accepted(value: str | bytes) -> None:
    assert parse_secret("s", value).get(PHONE) == Credentials("key", "secret")


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        (None, "not JSON"),
        ("", "not JSON"),
        (CANARY, "not JSON"),
        (f'["{CANARY}"]', "not JSON"),
        (f'{{"accessKey": "{CANARY}"}}', "accessSecret"),
        (f'{{"accessSecret": "{CANARY}"}}', "accessKey"),
        (f'{{"accessKey": "", "accessSecret": "{CANARY}"}}', "accessKey"),
        (f'{{"accessKey": "{CANARY}", "accessSecret": "  "}}', "accessSecret"),
        (f'{{"accessKey": "{CANARY}", "accessSecret": 7}}', "accessSecret"),
        (f'{{"accessKey": "{CANARY} {CANARY}", "accessSecret": "s"}}', "white space, a control character or"),
        (f'{{"accessKey": "k", "accessSecret": "{CANARY}\\u0000"}}', "in its field accessSecret"),
        (f'{{"accessKey": "k", "accessSecret": "{CANARY}\\ud800"}}', "beyond ASCII in its field accessSecret"),
        (f'{{"accessKey": "{CANARY}\u200b", "accessSecret": "s"}}', "beyond ASCII in its field accessKey"),
        (f'{{"accessKey": "“{CANARY}”", "accessSecret": "s"}}', "beyond ASCII in its field accessKey"),
        (f'{{"accessKey": "k", "accessSecret": "\\"{CANARY}\\""}}', "quotation mark around its field accessSecret"),
        (f'{{"accessKey": "\'{CANARY}", "accessSecret": "s"}}', "quotation mark around its field accessKey"),
        (f'{{"accessKey": "k", "accessSecret": "{CANARY}`"}}', "quotation mark around its field accessSecret"),
        (b"\xff" + CANARY.encode(), "binary and no UTF-8 text"),
        (CANARY.encode("utf-16"), "binary and no UTF-8 text"),
        (b"{}", "accessKey"),
        (f'{{"accessKey": "k", "accessSecret": "{CANARY}", "accessSecret": "s"}}', "its field accessSecret twice"),
        ('{"accessKey": "REPLACE_ME", "accessSecret": "REPLACE_ME"}', "placeholder in its field accessKey"),
        (f'{{"accessKey": "{CANARY}", "accessSecret": "<your secret>"}}', "placeholder in its field accessSecret"),
        (f'{{"accessKey": "{CANARY}", "accessSecret": "changeme"}}', "placeholder in its field accessSecret"),
        (f'{{"accessKey": "{CANARY}", "accessSecret": "…"}}', "placeholder in its field accessSecret"),
    ],
)
def test_secret_unusable_is_refused_without_the_value(text: str | bytes | None, detail: str) -> None:
    with pytest.raises(DependencyUnavailable) as caught:
        parse_secret("nxcloud/credentials", text)
    assert caught.value.reason is Reason.CREDENTIALS_UNUSABLE
    assert caught.value.detail is not None
    assert caught.value.detail.startswith("secret nxcloud/credentials")
    assert detail in caught.value.detail
    assert CANARY not in "".join(traceback.format_exception(caught.value))


def test_credentials_are_cached_for_five_minutes(secret: FakeSecretsManager) -> None:
    for _ in range(3):
        assert secret.store.get(PHONE) == OLD
    secret.value = FakeSecretsManager.text(NEW)
    secret.now_s += 299
    assert secret.store.get(PHONE) == OLD
    secret.now_s += 1
    assert (secret.store.get(PHONE), secret.reads) == (NEW, 2)


def test_credentials_are_read_once_by_concurrent_workers(secret: FakeSecretsManager) -> None:
    with ThreadPoolExecutor(8) as workers:
        assert set(workers.map(lambda _: secret.store.get(PHONE), range(50))) == {OLD}
    assert secret.reads == 1


def test_last_credentials_are_served_while_throttled(secret: FakeSecretsManager) -> None:
    assert secret.store.get(PHONE) == OLD
    secret.value = None
    secret.now_s += 10_000
    assert [secret.store.get(PHONE) for _ in range(3)] == [OLD] * 3
    secret.value = FakeSecretsManager.text(NEW)
    secret.now_s += 4
    assert secret.store.get(PHONE) == OLD
    assert secret.reads == 2  # the failure is cached for a while
    secret.now_s += 1
    assert secret.store.get(PHONE) == NEW


def test_failure_without_last_credentials_is_cached_and_raised(secret: FakeSecretsManager) -> None:
    secret.value = None
    for _ in range(3):
        with pytest.raises(DependencyUnavailable, match="for secret s, answered ThrottlingException") as caught:
            secret.store.get(PHONE)
        assert caught.value.reason is Reason.SECRET_UNREACHABLE
    assert secret.reads == 1
    secret.value = FakeSecretsManager.text(OLD)
    secret.now_s += 5
    assert secret.store.get(PHONE) == OLD


@pytest.mark.parametrize(
    ("code", "reason", "detail"),
    [
        ("AccessDeniedException", Reason.SECRET_UNREACHABLE, "answered AccessDeniedException"),
        ("ResourceNotFoundException", Reason.CREDENTIALS_UNUSABLE, "secret s does not exist or has no value"),
        ("ThrottlingException", Reason.SECRET_UNREACHABLE, "answered ThrottlingException"),
    ],
)
def test_missing_secret_alone_is_unusable(secret: FakeSecretsManager, code: str, reason: Reason, detail: str) -> None:
    secret.value, secret.failure_code = None, code
    with pytest.raises(DependencyUnavailable, match=detail) as caught:
        secret.store.get(PHONE)
    assert caught.value.reason is reason


def test_prepared_secret_is_not_read_by_the_first_request(secret: FakeSecretsManager) -> None:
    secret.store.prepare()
    assert secret.store.get(PHONE) == OLD
    assert secret.reads == 1


def test_failed_preparation_leaves_the_first_request_to_read(secret: FakeSecretsManager) -> None:
    text, secret.value = secret.value, None
    with pytest.raises(DependencyUnavailable, match="answered ThrottlingException"):
        secret.store.prepare()
    secret.value = text
    assert secret.store.get(PHONE) == OLD
    assert secret.reads == 2


def test_secret_unusable_after_expiry_is_refused(secret: FakeSecretsManager) -> None:
    assert secret.store.get(PHONE) == OLD
    secret.value = "nonsense"
    secret.now_s += 301
    with pytest.raises(DependencyUnavailable, match="not JSON") as caught:
        secret.store.get(PHONE)
    assert caught.value.reason is Reason.CREDENTIALS_UNUSABLE


def test_secret_is_read_again_after_a_refusal_once_a_minute(secret: FakeSecretsManager) -> None:
    assert secret.store.get(PHONE) == OLD
    assert secret.store.refresh_after_refusal(PHONE, OLD) == OLD
    assert secret.store.refresh_after_refusal(PHONE, OLD) is None
    secret.now_s += 59
    assert secret.store.refresh_after_refusal(PHONE, OLD) is None
    assert secret.reads == 2
    secret.now_s += 1
    secret.value = FakeSecretsManager.text(NEW)
    assert secret.store.refresh_after_refusal(PHONE, OLD) == NEW
    assert secret.store.refresh_after_refusal(PHONE, OLD) == NEW  # another worker's refusal; the secret was just read
    assert secret.reads == 3


def test_secret_unusable_after_a_refusal_is_refused(secret: FakeSecretsManager) -> None:
    assert secret.store.get(PHONE) == OLD
    secret.value = "{}"
    with pytest.raises(DependencyUnavailable, match="accessKey") as caught:
        secret.store.refresh_after_refusal(PHONE, OLD)
    assert caught.value.reason is Reason.CREDENTIALS_UNUSABLE


# Accounts of single business phones


def accounts(entries: str, common: str = "") -> str:
    return f'{{{common}"accounts": {{{entries}}}}}'


COMMON = '"accessKey": "key", "accessSecret": "old", '
ENTRY = '{"accessKey": "own-key", "accessSecret": "own-secret"}'


@pytest.mark.parametrize("name", [PHONE, f"+{PHONE}", f" {PHONE}\\n"], ids=["digits", "plus", "white-space"])
def test_number_has_its_own_account_and_others_the_common(name: str) -> None:
    parsed = parse_secret("s", accounts(f'"{name}": {ENTRY}', COMMON))
    assert (parsed.get(PHONE), parsed.get(OTHER_PHONE)) == (OWN, OLD)


def test_number_without_any_credentials_is_named_masked() -> None:
    parsed = parse_secret("s", accounts(f'"{PHONE}": {ENTRY}'))
    assert parsed.get(PHONE) == OWN
    with pytest.raises(
        DependencyUnavailable, match=rf"for {re.escape(MASKED)}: .* no text in its field accessKey"
    ) as caught:
        parsed.get(OTHER_PHONE)
    assert caught.value.reason is Reason.CREDENTIALS_UNUSABLE
    assert OTHER_PHONE not in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "detail"),
    [
        ("null", "no JSON object for this number"),
        (f'"{CANARY}"', "no JSON object for this number"),
        ("{}", "no text in its field accessKey"),
        (f'{{"accessKey": "{CANARY}"}}', "no text in its field accessSecret"),
        (f'{{"accessKey": "{CANARY}", "accessSecret": "REPLACE_ME"}}', "placeholder in its field accessSecret"),
        (f'{{"accessKey": "“{CANARY}”", "accessSecret": "s"}}', "beyond ASCII in its field accessKey"),
        (f'{{"accessKey": "k", "accessKey": "{CANARY}", "accessSecret": "s"}}', "its field accessKey twice"),
        (f'{ENTRY}, "{PHONE}": {ENTRY}', "this number twice"),
        (f'{ENTRY}, "+{PHONE}": {{"accessKey": "{CANARY}", "accessSecret": "s"}}', "this number twice"),
    ],
)
def test_damaged_account_concerns_its_own_number_alone(entry: str, detail: str) -> None:
    parsed = parse_secret("s", accounts(f'"{OTHER_PHONE}": {ENTRY}, "{PHONE}": {entry}', COMMON))
    assert (parsed.get(OTHER_PHONE), parsed.get("other")) == (OWN, OLD)
    with pytest.raises(DependencyUnavailable, match=f"secret s, in its field accounts, .*{detail}") as caught:
        parsed.get(PHONE)
    assert caught.value.reason is Reason.CREDENTIALS_UNUSABLE
    assert CANARY not in "".join(traceback.format_exception(caught.value))


def test_damaged_common_pair_leaves_accounts_usable() -> None:
    parsed = parse_secret("s", accounts(f'"{PHONE}": {ENTRY}', '"accessKey": "REPLACE_ME", "accessSecret": "x", '))
    assert parsed.get(PHONE) == OWN
    with pytest.raises(DependencyUnavailable, match=f"for {re.escape(MASKED)}: .* placeholder in its field accessKey"):
        parsed.get(OTHER_PHONE)


@pytest.mark.parametrize("value", ["null", "{}"])
def test_secret_without_accounts_is_the_common_pair(value: str) -> None:
    assert parse_secret("s", f'{{{COMMON}"accounts": {value}}}').get(PHONE) == OLD


@pytest.mark.parametrize("value", ["[]", '"x"', "7", '{}, "accounts": {}'])
def test_accounts_of_another_form_are_refused(value: str) -> None:
    with pytest.raises(DependencyUnavailable, match="secret s must have one JSON object in its field accounts"):
        parse_secret("s", f'{{{COMMON}"accounts": {value}}}')


def test_secret_of_64_kib_holds_hundreds_of_accounts() -> None:
    numbers = [str(8615800000000 + number) for number in range(600)]
    text = accounts(
        ", ".join(f'"{number}": {{"accessKey": "key-{number}", "accessSecret": "{"s" * 32}"}}' for number in numbers)
    )
    assert 60_000 < len(text) <= 65_536
    parsed = parse_secret("s", text)
    assert all(parsed.get(number).access_key == f"key-{number}" for number in numbers)


@given(JSON | st.fixed_dictionaries({"accounts": JSON}, optional={"accessKey": JSON, "accessSecret": JSON}), st.text())
def test_any_secret_is_parsed_or_refused_by_name(value: object, phone: str) -> None:
    refusal = "no refusal"
    try:
        assert parse_secret("the-secret", json.dumps(value)).get(phone).access_key.isascii()
    except DependencyUnavailable as error:
        refusal = str(error)
    assert refusal == "no refusal" or re.match("credentials_unusable: .*secret the-secret", refusal, re.DOTALL)


@given(st.text() | st.binary())
def test_any_text_is_parsed_or_refused(value: str | bytes) -> None:
    with pytest.raises(DependencyUnavailable, match="secret s "):
        parse_secret("s", value)


def test_rotation_of_one_account_reaches_its_number(secret: FakeSecretsManager) -> None:
    rotated = Credentials("own-key", "rotated")
    secret.value = FakeSecretsManager.text(OLD, **{f"n{PHONE}": OWN})
    assert (secret.store.get(PHONE), secret.store.get(OTHER_PHONE)) == (OWN, OLD)
    secret.value = FakeSecretsManager.text(OLD, **{f"n{PHONE}": rotated})
    assert secret.store.refresh_after_refusal(PHONE, OWN) == rotated
    assert (secret.store.get(PHONE), secret.store.get(OTHER_PHONE)) == (rotated, OLD)
    assert secret.reads == 2


def test_refresh_is_limited_for_each_credentials(secret: FakeSecretsManager) -> None:
    secret.value = FakeSecretsManager.text(OLD, **{f"n{PHONE}": OWN})
    assert secret.store.get(PHONE) == OWN
    assert secret.store.refresh_after_refusal(PHONE, OWN) == OWN
    secret.value = FakeSecretsManager.text(NEW, **{f"n{PHONE}": OWN})
    secret.now_s += 10
    assert secret.store.refresh_after_refusal(PHONE, OWN) is None
    assert secret.store.refresh_after_refusal(OTHER_PHONE, OLD) == NEW  # its own refresh, not used up by the other
    assert secret.reads == 3


def test_times_of_refreshes_are_forgotten_after_a_minute(secret: FakeSecretsManager) -> None:
    for number in range(5):
        secret.value = FakeSecretsManager.text(Credentials("key", str(number)))
        secret.now_s += 400
        secret.store.refresh_after_refusal(PHONE, secret.store.get(PHONE))
    assert len(secret.store._refreshed_at) == 1  # noqa: SLF001 (its size is what is tested)
