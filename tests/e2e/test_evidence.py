"""Outcome events of the deployed function, and the evidence store of examples/evidence.yaml, on the local cloud."""

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest

from localdev.cloud import ROOT, LocalCloud
from localdev.fake_nxcloud import FakeNxCloud
from localdev.stack import Stack
from tests.conftest import PHONE
from tests.e2e.conftest import deployed, eventually, send, story
from tests.unit.test_outcome_events import VALIDATOR

STORE = "evidence-store"


@pytest.fixture(scope="module")
def store(cloud: LocalCloud) -> dict[str, str]:
    """The outputs of the evidence store."""
    formation = cloud.client("cloudformation")
    formation.create_stack(
        StackName=STORE,
        TemplateBody=(ROOT / "examples/evidence.yaml").read_text(),
        Capabilities=["CAPABILITY_IAM"],
    )
    formation.get_waiter("stack_create_complete").wait(StackName=STORE, WaiterConfig={"Delay": 1})
    outputs = formation.describe_stacks(StackName=STORE)["Stacks"][0]["Outputs"]
    return {output["OutputKey"]: output["OutputValue"] for output in outputs}


@pytest.fixture(scope="module")
def stack(cloud: LocalCloud, nxcloud: FakeNxCloud, store: dict[str, str]) -> Stack:
    return deployed(
        cloud, nxcloud, "evident", CreateSourceBucket="true", OutcomeEventBusName=store["OutcomeEventBusName"]
    )


def stored_events(cloud: LocalCloud, bucket: str) -> Iterator[dict[str, Any]]:
    """All events in the evidence store; MiniStack stores each as an object, and does not compress it."""
    s3 = cloud.client("s3")
    for each in s3.list_objects_v2(Bucket=bucket, Prefix="outcomes/").get("Contents", []):
        content = s3.get_object(Bucket=bucket, Key=each["Key"])["Body"].read()
        yield json.loads(gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content)


def event_of(cloud: LocalCloud, bucket: str, media_id: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        events = (event for event in stored_events(cloud, bucket) if event["detail"].get("media_id") == media_id)
        return next(events, None)

    return eventually(look)


@pytest.mark.usefixtures("well_behaved")
def test_deletion_reaches_the_evidence_store(stack: Stack, nxcloud: FakeNxCloud, store: dict[str, str]) -> None:
    media_id = nxcloud.provider.add_media(PHONE)
    bucket, key = stack.outputs["SourceBucketName"], f"{PHONE}/{media_id}.jpg"
    s3 = stack.cloud.client("s3")
    s3.put_object(Bucket=bucket, Key=key, Body=b"a picture")
    s3.delete_object(Bucket=bucket, Key=key)
    event = event_of(stack.cloud, store["EvidenceBucketName"], media_id)
    assert (event["source"], event["detail-type"]) == ("whatsapp-media-cleanup", "WhatsApp Media Deleted")
    VALIDATOR.validate(event["detail"])
    [line] = [line for line in story(stack, media_id) if line["outcome"] == "deleted"]
    assert {name: event["detail"][name] for name in ("bucket", "object_key", "requester", "provider_code")} == {
        name: line[name] for name in ("bucket", "object_key", "requester", "provider_code")
    }
    assert PHONE not in json.dumps(event)


@pytest.mark.usefixtures("well_behaved")
def test_rejected_message_reaches_the_evidence_store(stack: Stack, store: dict[str, str]) -> None:
    send(stack, {"media_id": 4711, "requested_by": "privacy-desk"})

    def look() -> dict[str, Any] | None:
        events = stored_events(stack.cloud, store["EvidenceBucketName"])
        return next((event for event in events if event["detail"].get("requested_by") == "privacy-desk"), None)

    event = eventually(look)
    assert event["detail-type"] == "WhatsApp Media Deletion Failed"
    assert event["detail"]["reason"].startswith("not_understood: ")


def test_bucket_of_the_evidence_store_has_versions(cloud: LocalCloud, store: dict[str, str]) -> None:
    versioning = cloud.client("s3").get_bucket_versioning(Bucket=store["EvidenceBucketName"])
    assert versioning["Status"] == "Enabled"
