"""The local cloud, the fake NXCloud, and the built and deployed template, once for all end-to-end tests."""

import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest

from localdev.cloud import LocalCloud, local_cloud
from localdev.fake_nxcloud import FakeNxCloud
from localdev.stack import Stack, build, create_stack
from tests.conftest import CREDENTIALS, PHONE

Found = TypeVar("Found")
PATIENCE_S = 60.0
SOON_S = 20  # longer than a cold start on a busy machine takes, which would otherwise see its message delivered twice
FIRST_TICK_S, MAX_TICK_S = 0.05, 0.5
BUCKETS = "team-*"
FURTHER_BUCKETS = "photos-*"
ROLES = ("DeleteMediaRole", "IndexMediaRole", "SweepIndexRole")
QUEUES = ("DeletionQueue", "IndexQueue")


@pytest.fixture(scope="session", autouse=True)
def _built() -> None:
    build()


@pytest.fixture(scope="session")
def cloud() -> Iterator[LocalCloud]:
    with local_cloud(enforcing=True) as running:
        yield running


@pytest.fixture(scope="session")
def nxcloud() -> Iterator[FakeNxCloud]:
    with FakeNxCloud(CREDENTIALS.access_key, CREDENTIALS.access_secret) as running:
        yield running


@pytest.fixture
def well_behaved(nxcloud: FakeNxCloud) -> None:
    nxcloud.behave()


@pytest.fixture(scope="session")
def own_bucket(cloud: LocalCloud, nxcloud: FakeNxCloud) -> Stack:
    """A stack that made its own bucket, and is connected to the buckets that tests make besides."""
    stack = deployed(cloud, nxcloud, "own", CreateSourceBucket="true")
    connect(stack, FURTHER_BUCKETS)
    return stack


@pytest.fixture(scope="session")
def existing_buckets(cloud: LocalCloud, nxcloud: FakeNxCloud) -> Stack:
    """A stack that is connected to all buckets that match a pattern."""
    return deployed(cloud, nxcloud, "existing", SourceBucketName=BUCKETS, SignatureAlgorithm="sha256")


def deployed(cloud: LocalCloud, nxcloud: FakeNxCloud, name: str, **parameters: str) -> Stack:
    """A new stack with its credentials."""
    stack = create_stack(cloud, name, NxCloudBaseUrl=nxcloud.url, **parameters)
    stack.store_credentials(CREDENTIALS.access_key, CREDENTIALS.access_secret)
    redeliver_after(stack, SOON_S)
    for role, policy, document in policies(stack):
        # MiniStack checks an action of its own for batches, where AWS checks the action for one message
        text = re.sub(
            r'"Action": "sqs:SendMessage"',
            '"Action": ["sqs:SendMessage", "sqs:SendMessageBatch"]',
            json.dumps(document),
        )
        one = '"sqs:ChangeMessageVisibility"'
        text = text.replace(one, f'{one}, {one[:-1]}Batch"')
        # and checks the ARN of a log group without the suffix :*, which AWS checks for log streams
        text = re.sub(r'("arn:[^"]*:log-group:[^":]*):\*"', r'[\g<0>, \1"]', text)
        stack.put_policy(role, policy, json.loads(text))
    return stack


def policies(stack: Stack) -> list[tuple[str, str, Any]]:
    """Each policy of the functions' roles once, with a role that has it, its name or ARN, and its document."""
    each = {policy: (role, policy, document) for role in ROLES for policy, document in stack.policies(role).items()}
    return [*each.values()]


def connect(stack: Stack, buckets: str) -> None:
    """Lets roles and queues admit further buckets in the way that they admit the stack's own."""
    sqs, own = stack.cloud.client("sqs"), stack.outputs["SourceBucketName"]

    def widened(policy: str) -> str:
        statements = json.loads(policy)["Statement"] + json.loads(policy.replace(own, buckets))["Statement"]
        return json.dumps({"Version": "2012-10-17", "Statement": statements})

    for role, policy, document in policies(stack):
        stack.put_policy(role, policy, json.loads(widened(json.dumps(document))))
    for queue in QUEUES:
        url = stack.resources[queue]
        policy = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]["Policy"]
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": widened(policy)})


def redeliver_after(stack: Stack, seconds: int) -> None:
    """Lets what failed come again after so many seconds; the template's own six minutes would outlast patience."""
    for queue in QUEUES:
        stack.cloud.client("sqs").set_queue_attributes(
            QueueUrl=stack.resources[queue], Attributes={"VisibilityTimeout": str(seconds)}
        )


def eventually(look: Callable[[], Found | None], patience_s: float = PATIENCE_S) -> Found:
    """What look finds, as soon as it finds something; fails the test when patience ends."""
    until, tick_s = time.monotonic() + patience_s, FIRST_TICK_S
    while time.monotonic() < until:
        if found := look():
            return found
        time.sleep(tick_s)  # the local cloud works in the background
        tick_s = min(1.2 * tick_s, MAX_TICK_S)
    pytest.fail(f"nothing happened within {patience_s:g} s")


def send(stack: Stack, message: object, queue: str = "DeletionQueue") -> None:
    """Sends a message, as JSON where it is not text, to a queue of the stack."""
    body = message if isinstance(message, str) else json.dumps(message)
    stack.cloud.client("sqs").send_message(QueueUrl=stack.resources[queue], MessageBody=body)


def story(stack: Stack, name: str, length: int = 1, function: str = "DeleteMediaFunction") -> list[dict[str, Any]]:
    """A function's log lines with this name (of a media, or a bucket) in them, once there are so many."""

    def look() -> list[dict[str, Any]] | None:
        lines = [line for line in stack.log_lines(function) if name in json.dumps(line)]
        return lines if len(lines) >= length else None

    return eventually(look)


def dead_letter(stack: Stack, text: str, queue: str = "DeletionDeadLetterQueue") -> dict[str, Any]:
    """The dead-lettered message with this text in its body, once it is there."""
    sqs, url = stack.cloud.client("sqs"), stack.resources[queue]

    def look() -> dict[str, Any] | None:
        received = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0, MessageAttributeNames=["All"]
        )
        return next((message for message in received.get("Messages", []) if text in message["Body"]), None)

    return eventually(look)


def assert_logs_keep_secrets(cloud: LocalCloud, message: str) -> None:
    """No log of any function, among them lines with this message, holds a secret or a whole number."""
    logs = cloud.client("logs")
    printed = ""
    for group in logs.describe_log_groups()["logGroups"]:
        for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"]):
            printed += "\n".join(event["message"] for event in page["events"])
    assert message in printed
    for secret in (CREDENTIALS.access_key, CREDENTIALS.access_secret, PHONE):
        assert secret not in printed
