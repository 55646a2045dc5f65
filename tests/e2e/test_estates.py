"""README, "You already have files": buckets that were full before the stack came, and events that never did."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus

from localdev.cloud import ROOT, LocalCloud
from localdev.fake_nxcloud import FakeNxCloud
from localdev.stack import Stack, deploy
from tests.conftest import PHONE, sample
from tests.e2e.conftest import deployed, eventually, story

NAME = "estate"
BUCKETS = "old-*"
A_SLICE_S = 150  # the schedule comes once a minute, and a slice is patient


@dataclass
class Estate:
    """A bucket that has been there for years."""

    cloud: LocalCloud
    nxcloud: FakeNxCloud
    bucket: str
    media: dict[str, str] = field(default_factory=dict)  # by a name of the test's own

    def __post_init__(self) -> None:
        self.s3: Any = self.cloud.client("s3")
        self.s3.create_bucket(Bucket=self.bucket)

    def keep_versions(self) -> None:
        self.s3.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": "Enabled"})

    def labels(self, name: str) -> dict[str, str]:
        self.media[name] = self.nxcloud.provider.add_media(PHONE)
        return {"whatsapp-media-id": self.media[name], "whatsapp-business-phone": PHONE}

    def store(self, key: str, by_metadata: str = "", by_tags: str = "") -> str | None:
        """Stores a file that stands for new media of these names; its version."""
        metadata = self.labels(by_metadata) if by_metadata else {}
        content = f"{by_metadata} {by_tags}".encode()  # the same content would keep the old media
        stored = self.s3.put_object(Bucket=self.bucket, Key=key, Body=content, Metadata=metadata)
        if by_tags:
            tags = [{"Key": name, "Value": value} for name, value in self.labels(by_tags).items()]
            self.s3.put_object_tagging(Bucket=self.bucket, Key=key, Tagging={"TagSet": tags})
        version: str | None = stored.get("VersionId")
        return version

    def notify(self, **configuration: Any) -> None:  # noqa: ANN401 (boto3's own words)
        self.s3.put_bucket_notification_configuration(Bucket=self.bucket, NotificationConfiguration=configuration)

    def delete(self, key: str, version: str | None = None) -> None:
        self.s3.delete_object(Bucket=self.bucket, Key=key, **({"VersionId": version} if version else {}))

    @property
    def left(self) -> set[str]:
        """The names of the media that are still at the provider."""
        return {name for name, media_id in self.media.items() if (PHONE, media_id) in self.nxcloud.provider.media}


def make_backfill(stack: Stack, bucket: str) -> None:
    """Runs what `make backfill` runs."""
    command = [sys.executable, "-m", "tools.backfill", "--stack", stack.name, "--bucket", bucket]
    subprocess.run(command, cwd=ROOT, env={**os.environ, **stack.cloud.environment}, check=True)


def run_job(stack: Stack, estate: Estate) -> None:
    """Does what S3 Batch Operations does with all versions of a bucket, some at once."""
    versions = estate.s3.list_object_versions(Bucket=estate.bucket)["Versions"]
    tasks = [
        {
            "taskId": str(number),
            "s3Key": quote_plus(version["Key"], safe="/"),
            "s3VersionId": version["VersionId"],
            "s3Bucket": estate.bucket,
        }
        for number, version in enumerate(versions)
    ]
    for first in range(0, len(tasks), 2):
        event = sample("index/s3-batch-job") | {"tasks": tasks[first : first + 2]}
        answer = stack.cloud.client("lambda").invoke(
            FunctionName=stack.outputs["IndexMediaFunctionArn"], Payload=json.dumps(event)
        )
        results = json.load(answer["Payload"])["results"]
        assert [result for result in results if result["resultCode"] != "Succeeded"] == []


def test_backfill_indexes_objects_and_sweep_finds_missed_events(cloud: LocalCloud, nxcloud: FakeNxCloud) -> None:
    nxcloud.behave()
    plain = Estate(cloud, nxcloud, "old-photos")
    plain.store("a/metadata & more 100%+.jpg", by_metadata="metadata")
    plain.store("a/tags.jpg", by_tags="tags")
    plain.store("a/kept.jpg", by_metadata="kept", by_tags="kept too")
    plain.store("a/nothing.jpg")
    plain.store("a/early.jpg", by_metadata="early")
    versioned = Estate(cloud, nxcloud, "old-versions")
    versioned.keep_versions()
    old = versioned.store("two.jpg", by_metadata="old version")
    versioned.store("two.jpg", by_metadata="new version")
    versioned.store("marked.jpg", by_metadata="marked")
    estates = (plain, versioned)

    stack = deployed(cloud, nxcloud, NAME, SourceBucketName=BUCKETS, DryRun="true")
    for estate in estates:
        estate.notify(EventBridgeConfiguration={})
    make_backfill(stack, plain.bucket)
    run_job(stack, versioned)
    for media_id in (*plain.media.values(), *versioned.media.values()):
        assert [line["outcome"] for line in story(stack, media_id, function="IndexMediaFunction")] == ["linked"]
    plain.delete("a/early.jpg")
    [rehearsed] = story(stack, plain.media["early"])
    assert (rehearsed["outcome"], rehearsed["reason"]) == ("skipped", "dry_run")

    for estate in estates:
        estate.notify()  # another program overwrites the bucket's notifications
    for key in ("a/metadata & more 100%+.jpg", "a/tags.jpg", "a/nothing.jpg"):
        plain.delete(key)
    versioned.delete("two.jpg", old)
    versioned.delete("marked.jpg")
    assert [estate.left for estate in estates] == [estate.media.keys() for estate in estates]

    deploy(cloud, NAME, NxCloudBaseUrl=nxcloud.url, SourceBucketName=BUCKETS, DryRun="false", SweepEveryDays="1")
    [swept] = eventually(lambda: stack.log_lines("SweepIndexFunction"), A_SLICE_S)
    assert swept["counts"] == {
        "SweptLinks": 8,
        "SweptGone": 5,
        "SweptReplaced": 0,
        "SweptRefused": 0,
        "SweptUnknown": 0,
    }
    kept = [{"kept", "kept too"}, {"new version"}]
    eventually(lambda: [estate.left for estate in estates] == kept)
    for estate in estates:
        for name in estate.media.keys() - estate.left:
            assert story(stack, estate.media[name])[-1]["outcome"] == "deleted"
    assert [estate.left for estate in estates] == kept
