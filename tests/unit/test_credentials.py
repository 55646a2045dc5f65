"""NXCloud's credentials: parsed from the secret, cached, served during an outage, read again after a refusal."""

import json
import traceback
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from media_cleanup.aws.clients import AwsClients
from media_cleanup.aws.credentials import CredentialsStore, parse_secret
from media_cleanup.errors import DependencyUnavailable
from media_cleanup.outcome import Reason
from nxcloud import Credentials

OLD, NEW = Credentials("key", "old"), Credentials("key", "new")
CANARY = "canary-7f3a"


class FakeSecretsManager:
    """Secrets Manager with one secret, a clock in seconds, and a store that uses both."""

    def __init__(self) -> None:
        self.value: str | None = self.text(OLD)
        self.reads = 0
        self.now_s = 1000.0
        self.store = CredentialsStore(cast("AwsClients", SimpleNamespace(secretsmanager=self)), "s", lambda: self.now_s)

    @staticmethod
    def text(credentials: Credentials) -> str:
        return json.dumps({"accessKey": credentials.access_key, "accessSecret": credentials.access_secret})

    def get_secret_value(self, SecretId: str) -> dict[str, Any]:  # noqa: N803 (boto3's own name)
        assert SecretId == "s"
        self.reads += 1
        if self.value is None:
            raise ClientError({"Error": {"Code": "ThrottlingException"}}, "GetSecretValue")
        return {"SecretString": self.value}


@pytest.fixture
def secret() -> FakeSecretsManager:
    return FakeSecretsManager()


def test_secret_with_both_fields_is_parsed() -> None:
    text = '{"accessKey": "key", "accessSecret": "secret", "note": "more is ignored"}'
    assert parse_secret("s", text) == Credentials("key", "secret")


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
    assert parse_secret("s", value) == Credentials("key", "secret")


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
        (b"\xff" + CANARY.encode(), "binary and no UTF-8 text"),
        (CANARY.encode("utf-16"), "binary and no UTF-8 text"),
        (b"{}", "accessKey"),
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
        assert secret.store.get() == OLD
    secret.value = FakeSecretsManager.text(NEW)
    secret.now_s += 299
    assert secret.store.get() == OLD
    secret.now_s += 2
    assert (secret.store.get(), secret.reads) == (NEW, 2)


def test_credentials_are_read_once_by_concurrent_workers(secret: FakeSecretsManager) -> None:
    with ThreadPoolExecutor(8) as workers:
        assert set(workers.map(lambda _: secret.store.get(), range(50))) == {OLD}
    assert secret.reads == 1


def test_last_credentials_are_served_while_throttled(secret: FakeSecretsManager) -> None:
    assert secret.store.get() == OLD
    secret.value = None
    secret.now_s += 10_000
    assert [secret.store.get() for _ in range(3)] == [OLD] * 3
    assert secret.reads == 2  # the failure is cached for a while
    secret.value = FakeSecretsManager.text(NEW)
    secret.now_s += 5
    assert secret.store.get() == NEW


def test_failure_without_last_credentials_is_cached_and_raised(secret: FakeSecretsManager) -> None:
    secret.value = None
    for _ in range(3):
        with pytest.raises(DependencyUnavailable, match="for secret s, answered ThrottlingException") as caught:
            secret.store.get()
        assert caught.value.reason is Reason.SECRET_UNREACHABLE
    assert secret.reads == 1
    secret.value = FakeSecretsManager.text(OLD)
    secret.now_s += 5
    assert secret.store.get() == OLD


def test_secret_unusable_after_expiry_is_refused(secret: FakeSecretsManager) -> None:
    assert secret.store.get() == OLD
    secret.value = "nonsense"
    secret.now_s += 301
    with pytest.raises(DependencyUnavailable, match="not JSON") as caught:
        secret.store.get()
    assert caught.value.reason is Reason.CREDENTIALS_UNUSABLE


def test_secret_is_read_again_after_a_refusal_once_a_minute(secret: FakeSecretsManager) -> None:
    assert secret.store.get() == OLD
    assert secret.store.refresh_after_refusal(OLD) == OLD
    assert secret.store.refresh_after_refusal(OLD) is None
    assert secret.reads == 2
    secret.now_s += 60
    secret.value = FakeSecretsManager.text(NEW)
    assert secret.store.refresh_after_refusal(OLD) == NEW
    assert secret.store.refresh_after_refusal(OLD) == NEW  # another worker's refusal; the secret was just read
    assert secret.reads == 3


def test_secret_unusable_after_a_refusal_is_refused(secret: FakeSecretsManager) -> None:
    assert secret.store.get() == OLD
    secret.value = "{}"
    with pytest.raises(DependencyUnavailable, match="accessKey") as caught:
        secret.store.refresh_after_refusal(OLD)
    assert caught.value.reason is Reason.CREDENTIALS_UNUSABLE
