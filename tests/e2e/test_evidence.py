"""Outcome events of the deployed function, and the evidence store of examples/evidence.yaml, on the local cloud.

MiniStack 1.5.33 sends no events from a rule to Data Firehose, and ignores Object Lock in templates. So a queue receives
the events as a second target of the rule, and the test hands them to the stream with the rule's own role.
"""

import gzip
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localdev.cloud import ROOT, LocalCloud
from localdev.fake_nxcloud import FakeNxCloud
from localdev.stack import Stack
from tests.conftest import PHONE
from tests.e2e.commands import run
from tests.e2e.conftest import deployed, eventually, send, story
from tests.unit.test_outcome_events import VALIDATOR

STORE = "evidence-store"
DENIED = "AccessDenied|not authorized"


class Store:
    """The deployed evidence store, with a queue that receives the events of its rule."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.cloud = cloud
        formation = cloud.client("cloudformation")
        template = (ROOT / "examples/evidence.yaml").read_text()
        formation.create_stack(StackName=STORE, TemplateBody=template, Capabilities=["CAPABILITY_IAM"])
        formation.get_waiter("stack_create_complete").wait(StackName=STORE, WaiterConfig={"Delay": 1})
        resources = formation.describe_stack_resources(StackName=STORE)["StackResources"]
        self.ids = {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in resources}
        self._sqs = cloud.client("sqs")
        self._url = self._sqs.create_queue(QueueName=STORE)["QueueUrl"]
        arn = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        rule = {"Rule": self.ids["OutcomesRule"].rpartition("/")[2], "EventBusName": self.ids["EventBus"]}
        cloud.client("events").put_targets(**rule, Targets=[{"Id": "queue", "Arn": arn}])

    def event(self, text: str) -> dict[str, Any]:
        """The next event with this text in it."""

        def look() -> dict[str, Any] | None:
            received = self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10).get("Messages", [])
            return next((json.loads(message["Body"]) for message in received if text in message["Body"]), None)

        return eventually(look)

    def as_role(self, role: str, service: str) -> Any:  # noqa: ANN401 (boto3's clients are made at run time)
        """A client with the credentials of a role; the services' condition `aws:SourceAccount` is removed first."""
        iam = self.cloud.client("iam")
        found = iam.get_role(RoleName=self.ids[role])["Role"]
        trust = found["AssumeRolePolicyDocument"]
        for statement in trust["Statement"]:
            statement.pop("Condition", None)
        iam.update_assume_role_policy(RoleName=self.ids[role], PolicyDocument=json.dumps(trust))
        arn = found["Arn"]
        keys = self.cloud.client("sts").assume_role(RoleArn=arn, RoleSessionName="a-service")["Credentials"]
        return self.cloud.client_of(service, keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])

    def deliver(self, event: dict[str, Any]) -> None:
        """Send an event to the stream, as EventBridge does."""
        record = {"Data": json.dumps(event).encode()}
        self.as_role("RuleRole", "firehose").put_record(DeliveryStreamName=self.ids["EvidenceStream"], Record=record)

    def stored(self) -> list[dict[str, Any]]:
        """All events in the bucket; MiniStack stores each as an object, and does not compress it."""
        s3, bucket = self.cloud.client("s3"), self.ids["EvidenceBucket"]
        keys = [each["Key"] for each in s3.list_objects_v2(Bucket=bucket, Prefix="outcomes/20").get("Contents", [])]
        contents = [s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys]
        return [json.loads(gzip.decompress(each) if each.startswith(b"\x1f\x8b") else each) for each in contents]


@pytest.fixture(scope="module")
def store(cloud: LocalCloud) -> Store:
    return Store(cloud)


@pytest.fixture(scope="module")
def stack(cloud: LocalCloud, nxcloud: FakeNxCloud, store: Store) -> Stack:
    return deployed(cloud, nxcloud, "evident", CreateSourceBucket="true", OutcomeEventBusName=store.ids["EventBus"])


@pytest.mark.usefixtures("well_behaved")
def test_deletion_is_published_and_stored(stack: Stack, nxcloud: FakeNxCloud, store: Store) -> None:
    media_id = nxcloud.provider.add_media(PHONE)
    bucket, key = stack.outputs["SourceBucketName"], f"{PHONE}/{media_id}.jpg"
    s3 = stack.cloud.client("s3")
    s3.put_object(Bucket=bucket, Key=key, Body=b"a picture")
    s3.delete_object(Bucket=bucket, Key=key)
    event = store.event(media_id)
    assert (event["source"], event["detail-type"]) == ("whatsapp-media-cleanup", "WhatsApp Media Deleted")
    VALIDATOR.validate(event["detail"])
    [line] = [line for line in story(stack, media_id) if line["outcome"] == "deleted"]
    same = ("bucket", "object_key", "requester", "provider_code", "message_id")
    assert {name: event["detail"][name] for name in same} == {name: line[name] for name in same}
    assert PHONE not in json.dumps(event)
    store.deliver(event)
    assert eventually(store.stored) == [event]


@pytest.mark.usefixtures("well_behaved")
def test_rejected_message_is_published(stack: Stack, store: Store) -> None:
    send(stack, {"media_id": 4711, "requested_by": "privacy-desk"})
    event = store.event("privacy-desk")
    assert event["detail-type"] == "WhatsApp Media Deletion Failed"
    assert event["detail"]["reason"].startswith("not_understood: ")


def test_stream_can_write_evidence_and_neither_read_nor_delete_it(store: Store) -> None:
    s3, one = store.as_role("StreamRole", "s3"), {"Bucket": store.ids["EvidenceBucket"], "Key": "errors/one"}
    s3.put_object(**one, Body=b"{}")
    for forbidden in (s3.get_object, s3.delete_object):
        with pytest.raises(ClientError, match=DENIED):
            forbidden(**one)


def test_rule_can_only_send_to_the_stream(store: Store) -> None:
    with pytest.raises(ClientError, match=DENIED):
        store.as_role("RuleRole", "firehose").describe_delivery_stream(DeliveryStreamName=store.ids["EvidenceStream"])


def test_doctor_finds_the_event_bus(stack: Stack) -> None:
    done = run(stack.cloud, "doctor", "--stack", stack.name)
    [line] = [line for line in done.stdout.splitlines() if " Events " in line]
    assert line.startswith("ok"), line
