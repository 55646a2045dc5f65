"""The local cloud, the simulator, and the built and deployed template, once for all end-to-end tests."""

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest

from tests.conftest import CREDENTIALS
from tests.local.cloud import LocalCloud, local_cloud
from tests.local.stack import Stack, build, deploy
from tests.simulator import Simulator

Found = TypeVar("Found")
PATIENCE_S = 60.0
TICK_S = 0.05
BUCKETS = "team-*"


@pytest.fixture(scope="session", autouse=True)
def _built() -> None:
    build()


@pytest.fixture(scope="session")
def cloud() -> Iterator[LocalCloud]:
    with local_cloud() as running:
        yield running


@pytest.fixture(scope="session")
def nxcloud() -> Iterator[Simulator]:
    with Simulator(CREDENTIALS.access_key, CREDENTIALS.access_secret) as running:
        yield running


@pytest.fixture(scope="session")
def own_bucket(cloud: LocalCloud, nxcloud: Simulator) -> Stack:
    """A stack that made its own bucket."""
    return deployed(cloud, nxcloud, "own", CreateSourceBucket="true")


@pytest.fixture(scope="session")
def existing_buckets(cloud: LocalCloud, nxcloud: Simulator) -> Stack:
    """A stack that is connected to all buckets that match a pattern."""
    return deployed(cloud, nxcloud, "existing", SourceBucketName=BUCKETS, SignatureAlgorithm="sha256")


def deployed(cloud: LocalCloud, nxcloud: Simulator, name: str, **parameters: str) -> Stack:
    """A deployed stack with its credentials; what fails comes again after a second, so that tests need not wait."""
    stack = deploy(cloud, name, NxCloudBaseUrl=nxcloud.url, **parameters)
    stack.store_credentials(CREDENTIALS.access_key, CREDENTIALS.access_secret)
    queue = stack.outputs["DeletionQueueUrl"]
    cloud.client("sqs").set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "1"})
    return stack


def eventually(look: Callable[[], Found | None]) -> Found:
    """What look finds, as soon as it finds something; fails the test when patience ends."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        if found := look():
            return found
        time.sleep(TICK_S)  # the local cloud works in the background
    pytest.fail(f"nothing happened within {PATIENCE_S:g} s")
