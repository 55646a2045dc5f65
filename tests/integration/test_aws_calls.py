"""How many calls of AWS a batch makes: what can be asked once is not asked for each message."""

from collections import Counter
from typing import Any

import pytest

from localdev.fake_nxcloud import Fault
from tests.conftest import PHONE
from tests.integration.conftest import World, failed, sqs

SERVICES = ("dynamodb", "s3", "secretsmanager", "sqs")


@pytest.fixture
def calls(world: World) -> Counter[str]:
    """The operations that the deletion function asks AWS for, counted as they are asked."""
    counted: Counter[str] = Counter()

    def count(model: Any, **_: object) -> None:  # noqa: ANN401 (botocore's, without a public type)
        counted[model.name] += 1

    for service in SERVICES:
        getattr(world.aws, service).meta.events.register("before-call", count)
    return counted


def messages(world: World, count: int) -> list[dict[str, str]]:
    return [{"business_phone": PHONE, "media_id": world.fake_nxcloud.provider.add_media(PHONE)} for _ in range(count)]


def test_a_deletion_costs_two_calls_and_the_secret_is_read_once(world: World, calls: Counter[str]) -> None:
    world.invoke(sqs(*messages(world, 10)))
    assert calls == {"GetSecretValue": 1, "PutItem": 10, "UpdateItem": 10}
    world.invoke(sqs(*messages(world, 10)))
    assert calls == {"GetSecretValue": 1, "PutItem": 20, "UpdateItem": 20}


def test_a_repeat_costs_one_call(world: World, calls: Counter[str]) -> None:
    media = messages(world, 1)
    world.invoke(sqs(*media))
    calls.clear()
    world.invoke(sqs(*media))
    assert calls == {"PutItem": 1}


def test_all_that_come_again_are_delayed_by_one_call(world: World, calls: Counter[str]) -> None:
    world.fake_nxcloud.misbehave(Fault("status", times=10))
    assert len(failed(world.invoke(sqs(*messages(world, 10))))) == 10
    assert calls == {"GetSecretValue": 1, "PutItem": 10, "DeleteItem": 10, "ChangeMessageVisibilityBatch": 1}


def test_an_object_that_stood_for_nothing_costs_one_call(world: World, calls: Counter[str]) -> None:
    world.invoke(sqs({"bucket": "some-bucket", "key": "plain.txt"}))
    assert calls == {"Query": 1}


def test_dry_run_asks_for_the_secret_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRY_RUN", "true")
    counted: Counter[str] = Counter()
    for service in SERVICES:
        getattr(world.aws, service).meta.events.register("before-call", lambda model, **_: counted.update([model.name]))
    world.invoke(sqs(*messages(world, 3)))
    assert counted == {"GetSecretValue": 1}
