"""Buckets in another account and another Region: their events are forwarded, and their objects are read there."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from localdev.cloud import ROOT, LocalCloud
from localdev.fake_nxcloud import FakeNxCloud
from localdev.stack import Stack
from tests.conftest import PHONE
from tests.e2e.commands import run
from tests.e2e.conftest import deployed, eventually, story

pytestmark = pytest.mark.usefixtures("well_behaved")

OWN, TRUSTED, UNTRUSTED = "000000000000", "111122223333", "444455556666"
FAR = "eu-west-1"


@dataclass
class Abroad:
    """A bucket in an account and in another Region than the stack's, with the stack that forwards its events."""

    stack: Stack
    account: str
    bucket: str
    profiles: Path

    def __post_init__(self) -> None:
        s3 = self.client("s3")
        s3.create_bucket(Bucket=self.bucket, CreateBucketConfiguration={"LocationConstraint": FAR})

    def client(self, service: str) -> Any:  # noqa: ANN401 (boto3 creates clients at run time)
        cloud = self.stack.cloud
        return boto3.client(
            service,  # type: ignore[call-overload]  # the overloads need literals
            endpoint_url=cloud.url,
            region_name=FAR,
            aws_access_key_id=self.account,  # which identifies the account in the local cloud
            aws_secret_access_key="local",  # noqa: S106 (the local cloud's root credentials)
            verify=str(cloud.certificate),
        )

    def tool(self, name: str, *arguments: str) -> str:
        """Run a tool with a profile of the bucket's account. Returns its output."""
        self.profiles.write_text(
            f"[profile abroad]\naws_access_key_id = {self.account}\naws_secret_access_key = local\nregion = {FAR}\n"
        )
        environment = {"AWS_CONFIG_FILE": str(self.profiles)}
        done = run(
            self.stack.cloud, name, "--stack", self.stack.name, "--bucket-profile", "abroad", *arguments, **environment
        )
        assert "Traceback" not in done.stderr, done
        return done.stdout + done.stderr

    def connect(self) -> str:
        return self.tool("connect", "--bucket", self.bucket, "--yes")

    def forward(self) -> None:
        """Deploy the example at the bucket's place."""
        stack = self.stack.cloud.client("sts").get_caller_identity()["Account"]
        parameters = {
            "SourceBucketName": self.bucket,
            "EventBusArn": f"arn:aws:events:us-east-1:{stack}:event-bus/default",
        }
        self.client("cloudformation").create_stack(
            StackName=f"forward-{self.bucket}",
            TemplateBody=(ROOT / "examples/forward-events.yaml").read_text(),
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
            Capabilities=["CAPABILITY_IAM"],
        )
        self.client("cloudformation").get_waiter("stack_create_complete").wait(
            StackName=f"forward-{self.bucket}", WaiterConfig={"Delay": 1}
        )

    def store(self, media_id: str) -> None:
        labels = {"whatsapp-media-id": media_id, "whatsapp-business-phone": PHONE}
        self.client("s3").put_object(Bucket=self.bucket, Key=f"{media_id}.jpg", Body=media_id.encode(), Metadata=labels)

    def delete(self, media_id: str) -> None:
        self.client("s3").delete_object(Bucket=self.bucket, Key=f"{media_id}.jpg")


@pytest.fixture(scope="module")
def stack(cloud: LocalCloud, nxcloud: FakeNxCloud) -> Stack:
    return deployed(cloud, nxcloud, "central", SourceBucketName="abroad-*", TrustedAccounts=TRUSTED)


@pytest.fixture(scope="module")
def abroad(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Abroad]:
    profiles = tmp_path_factory.mktemp("profiles") / "config"
    return lambda account, bucket: Abroad(stack, account, bucket, profiles)


def printed_policy(output: str) -> Any:  # noqa: ANN401 (any JSON)
    """The bucket policy that `make connect` prints, without the condition that the local cloud does not evaluate."""
    policy = json.loads(output[output.index("{\n") :])
    for statement in policy["Statement"]:
        assert [arn.rpartition("-")[0] for arn in statement.pop("Condition")["ArnEquals"]["aws:PrincipalArn"]]
    return policy


def test_media_goes_with_object_elsewhere(
    abroad: Callable[[str, str], Abroad], stack: Stack, nxcloud: FakeNxCloud
) -> None:
    bucket = abroad(TRUSTED, "abroad-photos")
    output = bucket.connect()
    assert f"aws cloudformation deploy --region {FAR} --template-file examples/forward-events.yaml" in output
    assert "no rule forwards its events" in bucket.tool("doctor")
    bucket.forward()
    assert "Its events are forwarded by forward-abroad-photos-events" in bucket.connect()
    assert "abroad-photos, in account 111122223333, eu-west-1: forwarded" in bucket.tool("doctor")

    unreadable, media_id = (nxcloud.provider.add_media(PHONE) for _ in range(2))
    bucket.store(unreadable)
    [line] = story(stack, unreadable, function="IndexMediaFunction")
    assert (line["outcome"], "s3:GetObject and s3:ListBucket on the bucket abroad-photos" in line["reason"]) == (
        "unavailable",
        True,
    )

    bucket.client("s3").put_bucket_policy(Bucket=bucket.bucket, Policy=json.dumps(printed_policy(output)))
    bucket.store(media_id)
    assert story(stack, media_id, function="IndexMediaFunction")[-1]["outcome"] == "linked"
    bucket.delete(media_id)
    assert story(stack, media_id)[-1]["outcome"] == "deleted"
    assert (PHONE, unreadable) in nxcloud.provider.media
    eventually(lambda: story(stack, unreadable, function="IndexMediaFunction")[-1]["outcome"] == "linked")


def test_bucket_of_another_region_needs_no_policy(
    abroad: Callable[[str, str], Abroad], stack: Stack, nxcloud: FakeNxCloud
) -> None:
    bucket, media_id = abroad(OWN, "abroad-offers"), nxcloud.provider.add_media(PHONE)
    assert "bucket's policy" not in bucket.connect()
    bucket.forward()
    bucket.store(media_id)
    assert story(stack, media_id, function="IndexMediaFunction")[-1]["outcome"] == "linked"
    bucket.delete(media_id)
    assert story(stack, media_id)[-1]["outcome"] == "deleted"


def test_events_of_an_untrusted_account_do_not_arrive(
    abroad: Callable[[str, str], Abroad], stack: Stack, nxcloud: FakeNxCloud
) -> None:
    foreign, own = abroad(UNTRUSTED, "abroad-foreign"), abroad(OWN, "abroad-own")
    assert f"TrustedAccounts={TRUSTED},{UNTRUSTED}" in foreign.connect()
    foreign.client("s3").put_bucket_notification_configuration(
        Bucket=foreign.bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    own.connect()
    media_ids = [nxcloud.provider.add_media(PHONE) for _ in range(2)]
    for bucket, media_id in zip((foreign, own), media_ids, strict=True):
        bucket.forward()
        bucket.store(media_id)
    assert story(stack, media_ids[1], function="IndexMediaFunction")
    assert media_ids[0] not in json.dumps(stack.log_lines("IndexMediaFunction"))
