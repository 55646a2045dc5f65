"""After a repair, whatever lies in the dead-letter queue reaches NXCloud by `make redrive`."""

import json
from typing import Any

import pytest

from localdev.cloud import LocalCloud
from localdev.fake_nxcloud import FakeNxCloud, Fault
from localdev.stack import Stack
from tests.conftest import PHONE
from tests.e2e.conftest import dead_letter, deployed, eventually, send
from tools.redrive import QUEUES, Redrive
from tools.stacks import outputs_of


@pytest.fixture(scope="module")
def stack(cloud: LocalCloud, nxcloud: FakeNxCloud) -> Stack:
    return deployed(cloud, nxcloud, "redrive")


@pytest.fixture
def media(nxcloud: FakeNxCloud, well_behaved: None) -> dict[str, str]:  # noqa: ARG001 (for what it does)
    return {"business_phone": PHONE, "media_id": nxcloud.provider.add_media(PHONE)}


def send_back(stack: Stack) -> int:
    """Does what `make redrive` does; how many letters it moved."""
    names = QUEUES["deletion"]
    outputs = outputs_of(stack.cloud.client("cloudformation"), stack.name, *names)
    summary = Redrive(stack.cloud.client("sqs"), *(outputs[name] for name in names), return_s=0).run()
    return summary.moved.total()


def assert_reaches_nxcloud(nxcloud: FakeNxCloud, media: dict[str, str]) -> None:
    eventually(lambda: (media["business_phone"], media["media_id"]) not in nxcloud.provider.media)


def test_redrive_of_rejected_message_deletes_media(stack: Stack, nxcloud: FakeNxCloud, media: dict[str, str]) -> None:
    nxcloud.misbehave(Fault("code", code=9006, action="deleteMedia"))  # the number is not bound to an application
    send(stack, media)
    dead_letter(stack, media["media_id"])
    assert send_back(stack) == 1
    assert_reaches_nxcloud(nxcloud, media)
    assert send_back(stack) == 0


def test_redrive_of_failure_destination_event_deletes_media(
    stack: Stack, nxcloud: FakeNxCloud, media: dict[str, str]
) -> None:
    put(stack, {"version": "1.0", "requestContext": {"condition": "RetriesExhausted"}, "requestPayload": media})
    assert send_back(stack) == 1
    assert_reaches_nxcloud(nxcloud, media)


def test_redrive_of_message_without_reason_deletes_media(
    stack: Stack, nxcloud: FakeNxCloud, media: dict[str, str]
) -> None:
    put(stack, media)
    assert send_back(stack) == 1
    assert_reaches_nxcloud(nxcloud, media)


def put(stack: Stack, letter: dict[str, Any]) -> None:
    """Puts a letter where SQS, Lambda and EventBridge put theirs."""
    url = stack.resources["DeletionDeadLetterQueue"]
    stack.cloud.client("sqs").send_message(QueueUrl=url, MessageBody=json.dumps(letter))
