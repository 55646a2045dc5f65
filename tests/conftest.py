"""Shared by tests of several kinds: the samples in events/, the fake NXCloud, and Lambda's context."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, settings

from localdev.fake_nxcloud import FakeNxCloud
from nxcloud import Credentials

EVENTS = Path(__file__).parents[1] / "events"
# Each process begins with one of the first six, and one of the second six, in this order
LONG_FILES = [
    "e2e/test_estates.py",
    "e2e/test_permissions.py",
    "model/test_histories.py",
    "e2e/test_object_rules.py",
    "e2e/test_deployed.py",
    "redelivery_model/test_redelivery.py",
    "e2e/test_runbook.py",
    "e2e/test_two_stacks.py",
    "e2e/test_connect.py",
    "e2e/test_index.py",
    "e2e/test_verify.py",
    "chaos/test_chaos.py",
]
PHONE = "8615800001795"
MEDIA_ID = "fd81acff-eea8-4d9d-acc9-6c62904d6615"
CREDENTIALS = Credentials("test-access-key", "test-access-secret")

# For planted bugs: any failing example is enough, so no time is spent on shrinking it
settings.register_profile("first-failure", phases=[Phase.explicit, Phase.generate])


def pytest_xdist_auto_num_workers() -> int:
    """Three processes for each processor: the end-to-end tests mostly wait for queues, schedules and deployments."""
    return 3 * (os.cpu_count() or 1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run long files first, so that no process has one left when the others end."""
    places = {name: place for place, name in enumerate(LONG_FILES)}
    items.sort(key=lambda item: places.get(f"{item.path.parent.name}/{item.path.name}", len(places)))


def sample(name: str) -> Any:  # noqa: ANN401 (any JSON)
    """The event in events/<name>.json."""
    return json.loads((EVENTS / f"{name}.json").read_text())


@dataclass
class Context:
    """The part of Lambda's context that the functions use."""

    function_name: str = "DeleteMedia"
    memory_limit_in_mb: int = 256
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:DeleteMedia"
    aws_request_id: str = "5b441b59-a550-11d8-8b1e-a8e4d9f4e3b2"
    time_left_ms: int = 60_000

    def get_remaining_time_in_millis(self) -> int:
        return self.time_left_ms


@pytest.fixture
def fake_nxcloud() -> Iterator[FakeNxCloud]:
    with FakeNxCloud(CREDENTIALS.access_key, CREDENTIALS.access_secret) as running:
        running.provider.add_media(PHONE, MEDIA_ID)
        yield running
