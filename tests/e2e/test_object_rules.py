"""Deletion rules on the local cloud: tags with stores, in-place copies, late deletions, `null` versions, residue."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from localdev.cloud import LocalCloud
from localdev.fake_nxcloud import FakeNxCloud, Fault
from localdev.stack import Stack, deploy
from tests.conftest import PHONE
from tests.e2e.conftest import deployed, eventually, send, story
from tests.e2e.test_estates import Estate, make_backfill, run_job
from tests.e2e.test_index import KEY, Bucket, bucket, gone, linked, some_media

__all__ = ["bucket"]  # a fixture
pytestmark = pytest.mark.usefixtures("well_behaved")


def labels(media_id: str) -> dict[str, str]:
    return {"whatsapp-media-id": media_id, "whatsapp-business-phone": PHONE}


def links(stack: Stack, bucket_name: str) -> list[dict[str, str]]:
    """The links of a bucket's objects in the index."""
    items = stack.cloud.client("dynamodb").scan(TableName=stack.resources["MediaIndexTable"])["Items"]
    found = [{name: value["S"] for name, value in item.items() if "S" in value} for item in items]
    return [link for link in found if link["object"].startswith(f"{bucket_name}/")]


def copy_onto_itself(bucket: Bucket, **options: Any) -> str:  # noqa: ANN401 (boto3's parameters)
    """Copy the object onto itself. Returns the new version's id."""
    source = {"Bucket": bucket.name, "Key": KEY}
    options = options or {"StorageClass": "STANDARD_IA"}
    version: str = bucket.s3.copy_object(Bucket=bucket.name, Key=KEY, CopySource=source, **options)["VersionId"]
    return version


def test_tags_given_with_the_store_link_object(bucket: Bucket, nxcloud: FakeNxCloud) -> None:
    [media_id] = some_media(nxcloud, 1)
    bucket.s3.put_object(Bucket=bucket.name, Key=KEY, Body=b"a picture", Tagging=urlencode(labels(media_id)))
    linked(bucket.stack, media_id)
    bucket.delete()
    gone(nxcloud, media_id)


def test_tags_of_a_copied_object_link_the_copy(bucket: Bucket, nxcloud: FakeNxCloud) -> None:
    [media_id] = some_media(nxcloud, 1)
    tags = urlencode(labels(media_id))
    bucket.s3.put_object(Bucket=bucket.name, Key="original.jpg", Body=b"a picture", Tagging=tags)
    linked(bucket.stack, media_id)
    bucket.s3.copy_object(Bucket=bucket.name, Key=KEY, CopySource={"Bucket": bucket.name, "Key": "original.jpg"})
    assert eventually(lambda: len(links(bucket.stack, bucket.name)) == 2)


@pytest.mark.parametrize("way", ["tags", "message"])
def test_in_place_copy_keeps_media_when_old_version_expires(bucket: Bucket, nxcloud: FakeNxCloud, way: str) -> None:
    bucket.keep_versions()
    [media_id] = some_media(nxcloud, 1)
    tags = urlencode(labels(media_id)) if way == "tags" else ""
    old = bucket.s3.put_object(Bucket=bucket.name, Key=KEY, Body=b"a picture", Tagging=tags)["VersionId"]
    if way == "message":
        bucket.link(media_id)
    linked(bucket.stack, media_id)
    current = copy_onto_itself(bucket)
    bucket.delete(old)
    [line] = story(bucket.stack, bucket.name)
    assert (line["outcome"], line["reason"]) == ("skipped", "object_exists")
    assert eventually(lambda: [link["version_id"] for link in links(bucket.stack, bucket.name)] == [current])
    bucket.delete()
    gone(nxcloud, media_id)


def test_deletion_in_outage_holds_after_the_next_store(bucket: Bucket, nxcloud: FakeNxCloud) -> None:
    old, new = some_media(nxcloud, 2)
    bucket.store()
    bucket.link(old)
    linked(bucket.stack, old)
    nxcloud.misbehave(Fault("status", status=503))
    bucket.delete()
    [line] = story(bucket.stack, bucket.name)
    assert line["outcome"] == "unavailable"
    bucket.store(new, content=b"another picture")
    linked(bucket.stack, new)
    gone(nxcloud, old)
    assert (PHONE, new) in nxcloud.provider.media


def test_null_version_is_deleted_under_its_name(bucket: Bucket, nxcloud: FakeNxCloud) -> None:
    old, new = some_media(nxcloud, 2)
    bucket.store(old)
    linked(bucket.stack, old)
    bucket.keep_versions()
    bucket.store(new, content=b"another picture")
    linked(bucket.stack, new)
    bucket.delete("null")
    gone(nxcloud, old)
    assert (PHONE, new) in nxcloud.provider.media


def test_documented_order_leaves_nothing_of_existing_files(cloud: LocalCloud, nxcloud: FakeNxCloud) -> None:
    estate = Estate(cloud, nxcloud, "older-files")
    estate.store("a/null.jpg", by_metadata="null below")
    estate.store("a/marked.jpg", by_tags="null under a marker")
    estate.keep_versions()
    estate.s3.put_object(Bucket=estate.bucket, Key="a/null.jpg", Body=b"another", Metadata=estate.labels("current"))
    estate.delete("a/marked.jpg")
    daily = estate.labels("daily")
    versions = [
        estate.s3.put_object(Bucket=estate.bucket, Key="a/daily.jpg", Body=f"{day}".encode(), Metadata=daily)
        for day in range(5)
    ]
    refused = estate.store("a/refused.jpg", by_metadata="refused")
    plain = Estate(cloud, nxcloud, "older-plain-files")
    plain.store("b/replaced.jpg", by_metadata="replaced")
    plain.store("b/kept.jpg", by_metadata="kept")

    parameters = {"NxCloudBaseUrl": nxcloud.url, "SourceBucketName": "older-*"}
    stack = deployed(cloud, nxcloud, "rules", SourceBucketName="older-*", DryRun="true")
    for each in (estate, plain):
        each.notify(EventBridgeConfiguration={})
    make_backfill(stack, estate.bucket)
    run_job(stack, plain)
    for media_id in (*estate.media.values(), *plain.media.values()):
        story(stack, media_id, function="IndexMediaFunction")
    assert eventually(lambda: len(links(stack, estate.bucket)) == 3 + len(versions) + 1)

    for each in (estate, plain):
        each.notify()  # the bucket's notifications are overwritten, and events are missed
    for version in versions[:3]:
        estate.delete("a/daily.jpg", version["VersionId"])
    estate.delete("a/refused.jpg", refused)
    plain.delete("b/replaced.jpg")
    plain.s3.put_object(Bucket=plain.bucket, Key="b/replaced.jpg", Body=b"another")

    nxcloud.provider.refused.add((PHONE, estate.media["refused"]))
    stack = deploy(cloud, "rules", DryRun="false", SweepEveryDays="0", **parameters)
    # The object under the delete marker was requested by the backfill; the dry run left it to the sweep
    assert sweep(stack) == {"SweptLinks": 11, "SweptGone": 5, "SweptReplaced": 1, "SweptRefused": 0, "SweptUnknown": 0}
    eventually(lambda: (estate.left, plain.left) == ({"null below", "current", "daily", "refused"}, {"kept"}))
    eventually(lambda: len(links(stack, estate.bucket)) == 5)  # two of null.jpg, two of daily.jpg, the refused one

    eventually(lambda: "rejected" in {line["outcome"] for line in story(stack, estate.media["refused"])})
    assert sweep(stack) == {"SweptLinks": 6, "SweptGone": 0, "SweptReplaced": 0, "SweptRefused": 1, "SweptUnknown": 0}
    send(stack, {"bucket": estate.bucket, "key": "a/null.jpg", "version_id": "null"})
    eventually(lambda: "null below" not in estate.left)


def sweep(stack: Stack) -> Any:  # noqa: ANN401 (whatever the function answers)
    """Invoke the sweep function, whose schedule is off: without one, each pass is due at once. Returns its counts."""
    answer = stack.cloud.client("lambda").invoke(FunctionName=stack.outputs["SweepIndexFunctionArn"])
    return json.load(answer["Payload"])
