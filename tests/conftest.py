"""Shared by tests of several kinds: the samples in events/, the fake NXCloud, and Lambda's context."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from coverage import Coverage
from hypothesis import Phase, settings

from localdev.fake_nxcloud import FakeNxCloud
from nxcloud import Credentials

EVENTS = Path(__file__).parents[1] / "events"
SIMULATIONS = {"test_capacity.py", "test_time.py"}
PHONE = "8615800001795"
MEDIA_ID = "fd81acff-eea8-4d9d-acc9-6c62904d6615"
CREDENTIALS = Credentials("test-access-key", "test-access-secret")

# For planted bugs: any failing example is enough, so no time is spent on shrinking it
settings.register_profile("first-failure", phases=[Phase.explicit, Phase.generate])


def pytest_xdist_auto_num_workers() -> int:
    """Three processes for each processor: the end-to-end tests mostly wait for queues, schedules and deployments."""
    return 3 * (os.cpu_count() or 1)


def pytest_configure() -> None:
    """End the first measurement in a process of pytest-xdist: pytest-cov 7.1 starts two there, and pauses one."""
    if "PYTEST_XDIST_WORKER" in os.environ and (first := Coverage.current()):
        first.stop()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Measure coverage by unit and integration tests without simulations, which tracing would slow several times."""
    for item in items:
        if item.path.parent.name not in {"unit", "integration"} or item.path.name in SIMULATIONS:
            item.add_marker(pytest.mark.no_cover)


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
