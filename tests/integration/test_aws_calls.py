"""The number of AWS calls per batch: no message costs a call that the batch can make once."""

from collections import Counter
from typing import Any

import pytest

from localdev.fake_nxcloud import Fault
from tests.conftest import PHONE
from tests.integration.conftest import Environment, failed_ids, sqs_event

SERVICES = ("dynamodb", "s3", "secretsmanager", "sqs")


@pytest.fixture
def calls(environment: Environment) -> Counter[str]:
    """The number of calls of each AWS operation by the deletion function."""
    counted: Counter[str] = Counter()

    def count(model: Any, **_: object) -> None:  # noqa: ANN401 (botocore declares no public type)
        counted[model.name] += 1

    for service in SERVICES:
        getattr(environment.delete_media_clients, service).meta.events.register("before-call", count)
    return counted


def messages(environment: Environment, count: int) -> list[dict[str, str]]:
    return [
        {"business_phone": PHONE, "media_id": environment.fake_nxcloud.provider.add_media(PHONE)} for _ in range(count)
    ]


def test_deletion_costs_two_writes_and_the_secret_one_read(environment: Environment, calls: Counter[str]) -> None:
    environment.delete_media(sqs_event(*messages(environment, 10)))
    assert calls == {"GetSecretValue": 1, "PutItem": 10, "UpdateItem": 10}
    environment.delete_media(sqs_event(*messages(environment, 10)))
    assert calls == {"GetSecretValue": 1, "PutItem": 20, "UpdateItem": 20}


def test_repeated_deletion_costs_one_call(environment: Environment, calls: Counter[str]) -> None:
    media = messages(environment, 1)
    environment.delete_media(sqs_event(*media))
    calls.clear()
    environment.delete_media(sqs_event(*media))
    assert calls == {"PutItem": 1}


def test_failed_batch_sets_visibility_timeouts_in_one_call(environment: Environment, calls: Counter[str]) -> None:
    environment.fake_nxcloud.misbehave(Fault("status", times=10))
    assert len(failed_ids(environment.delete_media(sqs_event(*messages(environment, 10))))) == 10
    assert calls == {"GetSecretValue": 1, "PutItem": 10, "DeleteItem": 10, "ChangeMessageVisibilityBatch": 1}


def test_object_without_media_costs_one_call(environment: Environment, calls: Counter[str]) -> None:
    environment.delete_media(sqs_event({"bucket": "some-bucket", "key": "plain.txt"}))
    assert calls == {"Query": 1}


def test_dry_run_reads_only_the_secret(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRY_RUN", "true")
    counted: Counter[str] = Counter()
    for service in SERVICES:
        getattr(environment.delete_media_clients, service).meta.events.register(
            "before-call", lambda model, **_: counted.update([model.name])
        )
    environment.delete_media(sqs_event(*messages(environment, 3)))
    assert counted == {"GetSecretValue": 1}
