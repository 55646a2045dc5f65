"""The credentials over time: read once for many, served while Secrets Manager is down, refreshed after a refusal."""

import json
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from media_cleanup.aws.clients import AwsClients
from media_cleanup.aws.credentials import CredentialsStore
from media_cleanup.errors import DependencyUnavailable
from nxcloud import Credentials

OLD, NEW = Credentials("key", "old"), Credentials("key", "new")


class Secret:
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
def secret() -> Secret:
    return Secret()


def test_it_is_read_once_in_five_minutes(secret: Secret) -> None:
    for _ in range(3):
        assert secret.store.get() == OLD
    secret.value = Secret.text(NEW)
    secret.now_s += 299
    assert secret.store.get() == OLD
    secret.now_s += 2
    assert (secret.store.get(), secret.reads) == (NEW, 2)


def test_concurrent_workers_read_it_once(secret: Secret) -> None:
    with ThreadPoolExecutor(8) as workers:
        assert set(workers.map(lambda _: secret.store.get(), range(50))) == {OLD}
    assert secret.reads == 1


def test_the_last_good_value_is_served_while_secrets_manager_is_down(secret: Secret) -> None:
    assert secret.store.get() == OLD
    secret.value = None
    secret.now_s += 10_000
    assert [secret.store.get() for _ in range(3)] == [OLD] * 3
    assert secret.reads == 2  # and it is not asked again for each
    secret.value = Secret.text(NEW)
    secret.now_s += 5
    assert secret.store.get() == NEW


def test_without_a_last_good_value_the_failure_is_told_and_not_repeated_for_each(secret: Secret) -> None:
    secret.value = None
    for _ in range(3):
        with pytest.raises(DependencyUnavailable, match="answered ThrottlingException for secret s"):
            secret.store.get()
    assert secret.reads == 1
    secret.value = Secret.text(OLD)
    secret.now_s += 5
    assert secret.store.get() == OLD


def test_a_secret_that_became_unusable_is_not_covered_up(secret: Secret) -> None:
    assert secret.store.get() == OLD
    secret.value = "nonsense"
    secret.now_s += 301
    with pytest.raises(DependencyUnavailable, match="not JSON"):
        secret.store.get()


def test_after_a_refusal_it_is_read_afresh_at_most_once_a_minute(secret: Secret) -> None:
    assert secret.store.get() == OLD
    assert secret.store.after_refusal_of(OLD) == OLD
    assert secret.store.after_refusal_of(OLD) is None
    assert secret.reads == 2
    secret.now_s += 60
    secret.value = Secret.text(NEW)
    assert secret.store.after_refusal_of(OLD) == NEW
    assert secret.store.after_refusal_of(OLD) == NEW  # another worker's error_for_code; no need to read again
    assert secret.reads == 3


def test_an_unusable_secret_after_a_refusal_is_told(secret: Secret) -> None:
    assert secret.store.get() == OLD
    secret.value = "{}"
    with pytest.raises(DependencyUnavailable, match="accessKey"):
        secret.store.after_refusal_of(OLD)


def test_refused_credentials_rest_for_a_minute_or_until_there_are_new_ones(secret: Secret) -> None:
    assert secret.store.get() == OLD
    secret.store.refuse(OLD)
    with pytest.raises(DependencyUnavailable, match="secret s within the last 60 s"):
        secret.store.get()
    secret.now_s += 60
    assert secret.store.get() == OLD
    secret.store.refuse(OLD)
    secret.value = Secret.text(NEW)
    assert secret.store.after_refusal_of(OLD) == NEW
    assert secret.store.get() == NEW
