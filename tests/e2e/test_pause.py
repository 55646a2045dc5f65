"""Pause, brake and pace on the local cloud: messages wait, and the doctor names the pause."""

import pytest

from localdev.cloud import LocalCloud
from localdev.fake_nxcloud import FakeNxCloud
from localdev.stack import Stack
from tests.conftest import PHONE
from tests.e2e.commands import run
from tests.e2e.conftest import deployed, eventually, send, story

pytestmark = pytest.mark.usefixtures("well_behaved")


@pytest.fixture(scope="module")
def stack(cloud: LocalCloud, nxcloud: FakeNxCloud) -> Stack:
    return deployed(cloud, nxcloud, "paused")


def pause(stack: Stack, *options: str) -> str:
    """The output of `make pause`, or of `make resume`."""
    done = run(stack.cloud, "pause", "--stack", stack.name, *options)
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def test_paused_messages_wait_until_resumed(stack: Stack, nxcloud: FakeNxCloud) -> None:
    media = {"business_phone": PHONE, "media_id": nxcloud.provider.add_media(PHONE)}
    text = pause(stack)
    assert "is kept until" in text
    assert "UTC (10 days)" in text
    assert "make resume STACK=paused" in text
    send(stack, media)
    eventually(lambda: "1 visible" in pause(stack))  # a second time changes nothing
    assert stack.log_lines("DeleteMediaFunction") == []
    doctor = run(stack.cloud, "doctor", "--stack", stack.name, "--phone", PHONE)
    [line] = [line for line in doctor.stdout.splitlines() if line.startswith("problem")]
    assert "paused: no deletion request is processed" in line
    assert line.endswith("→ make resume STACK=paused")
    assert pause(stack, "--resume").startswith("Resumed paused: ")
    assert story(stack, media["media_id"])[-1]["outcome"] == "deleted"
    pause(stack, "--resume")


def test_pause_of_unknown_stack_is_one_line(stack: Stack) -> None:
    done = run(stack.cloud, "pause", "--stack", "unknown")
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith("make pause: there is no stack unknown ")


def test_deletions_beyond_the_limit_wait_for_the_next_hour(cloud: LocalCloud, nxcloud: FakeNxCloud) -> None:
    flow = {"MaxDeletionsPerHour": "1", "CallsPerSecond": "50", "UndoSeconds": "1"}
    stack = deployed(cloud, nxcloud, "braked", **flow)
    media = [{"business_phone": PHONE, "media_id": nxcloud.provider.add_media(PHONE)} for _ in range(4)]
    for each in media:
        send(stack, each)
    ends = [story(stack, each["media_id"])[0] for each in media]
    reasons = sorted((end.get("reason") or "deleted").partition(":")[0] for end in ends)
    assert reasons in (
        ["braked"] * 3 + ["deleted"],
        ["braked"] * 2 + ["deleted"] * 2,
    )  # where a new hour begins meanwhile
    attributes = cloud.client("sqs").get_queue_attributes(
        QueueUrl=stack.outputs["DeletionQueueUrl"], AttributeNames=["DelaySeconds"]
    )
    assert attributes["Attributes"]["DelaySeconds"] == "1"
