"""The media index on the local cloud: what files are linked to, by whatever way, goes with them and not before."""

import hashlib
import json
import uuid
from dataclasses import dataclass
from typing import Any

import pytest

from localdev.cloud import LocalCloud
from localdev.fake_nxcloud import FakeNxCloud, Fault
from localdev.stack import Stack
from tests.conftest import PHONE, sample
from tests.e2e.conftest import assert_logs_keep_secrets, dead_letter, eventually, send, story

pytestmark = pytest.mark.usefixtures("well_behaved")

KEY = "photos/house & garden 100%+tax.jpg"


@dataclass(frozen=True)
class Bucket:
    """A bucket whose events reach the stack's queues; those for one queue can be held back for a while."""

    stack: Stack
    name: str
    held: str  # the URL of the queue where events wait

    @property
    def s3(self) -> Any:  # noqa: ANN401 (boto3's clients are made at run time)
        return self.stack.cloud.client("s3")

    def keep_versions(self) -> None:
        self.s3.put_bucket_versioning(Bucket=self.name, VersioningConfiguration={"Status": "Enabled"})

    def store(self, *media: str, content: bytes = b"a picture") -> str | None:
        """Stores the file, linked by its metadata to these media, and returns its version."""
        labels = {"whatsapp-media-id": " ".join(media), "whatsapp-business-phone": PHONE} if media else {}
        version: str | None = self.s3.put_object(Bucket=self.name, Key=KEY, Body=content, Metadata=labels).get(
            "VersionId"
        )
        return version

    def delete(self, version: str | None = None) -> Any:  # noqa: ANN401 (boto3's answer)
        return self.s3.delete_object(Bucket=self.name, Key=KEY, **({"VersionId": version} if version else {}))

    def link(self, media_id: str, **version: str) -> None:
        """Sends the message of an uploader that has learned its Media-ID."""
        names = {"bucket": self.name, "key": KEY, "business_phone": PHONE, "media_id": media_id}
        send(self.stack, names | version, "IndexQueue")

    def connect(self, hold: str | None = None) -> None:
        """Notifies the queues as the stack's own bucket does; events for the queue to hold wait elsewhere."""
        own = self.stack.outputs["SourceBucketName"]
        queues = self.s3.get_bucket_notification_configuration(Bucket=own)["QueueConfigurations"]
        if hold:
            waiting = self.stack.cloud.client("sqs").get_queue_attributes(
                QueueUrl=self.held, AttributeNames=["QueueArn"]
            )
            held = self.stack.resources[hold].rpartition("/")[2]
            for queue in queues:
                if queue["QueueArn"].endswith(f":{held}"):
                    queue["QueueArn"] = waiting["Attributes"]["QueueArn"]
        self.s3.put_bucket_notification_configuration(
            Bucket=self.name, NotificationConfiguration={"QueueConfigurations": queues}
        )

    def release(self, queue: str, events: int = 1) -> None:
        """Hands over so many events that were held back, in whatever order."""
        for body in eventually(lambda: self._waiting(events)):
            send(self.stack, body, queue)

    def _waiting(self, events: int) -> list[str] | None:
        received = self.stack.cloud.client("sqs").receive_message(
            QueueUrl=self.held, MaxNumberOfMessages=10, VisibilityTimeout=0
        )
        bodies = [message["Body"] for message in received.get("Messages", [])]
        found = [body for body in bodies if "Records" in body]  # no s3:TestEvent
        return found if len(found) == events else None


@pytest.fixture
def bucket(own_bucket: Stack) -> Bucket:
    """A bucket of the test's own."""
    # Logs mask runs of digits, in a bucket's name too, and tests look for the name
    name = f"photos-{uuid.uuid4().hex.translate(str.maketrans('0123456789', 'ghijklmnop'))}"
    cloud = own_bucket.cloud
    cloud.client("s3").create_bucket(Bucket=name)
    admit_s3 = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [admit_s3]})
    held = cloud.client("sqs").create_queue(QueueName=name, Attributes={"Policy": policy})
    made = Bucket(own_bucket, name, held["QueueUrl"])
    made.connect()
    return made


def linked(stack: Stack, *media: str) -> None:
    """Waits until the media are linked."""
    for media_id in media:
        assert [line["outcome"] for line in story(stack, media_id, function="IndexMediaFunction")] == ["linked"]


def gone(nxcloud: FakeNxCloud, *media: str) -> None:
    """Waits until the media are gone."""
    eventually(lambda: not any((PHONE, media_id) in nxcloud.provider.media for media_id in media))


def some_media(nxcloud: FakeNxCloud, number: int) -> list[str]:
    return [nxcloud.provider.add_media(PHONE) for _ in range(number)]


def test_metadata_links_object_of_source_bucket(own_bucket: Stack, nxcloud: FakeNxCloud) -> None:
    [media_id] = some_media(nxcloud, 1)
    own = Bucket(own_bucket, own_bucket.outputs["SourceBucketName"], held="")
    own.store(media_id)
    [line] = story(own_bucket, media_id, function="IndexMediaFunction")
    assert (line["outcome"], line["trigger"], line["bucket"]) == ("linked", "sqs", own.name)
    assert (line["object_key"], line["business_phone"]) == (KEY, "86158****1795")
    assert (PHONE, media_id) in nxcloud.provider.media
    own.delete()
    gone(nxcloud, media_id)
    [line] = story(own_bucket, media_id)
    assert (line["outcome"], line["object_key"]) == ("deleted", KEY)


def test_link_message_links_stored_object(bucket: Bucket, nxcloud: FakeNxCloud) -> None:
    [media_id] = some_media(nxcloud, 1)
    bucket.store()
    bucket.link(media_id)
    linked(bucket.stack, media_id)
    bucket.delete()
    gone(nxcloud, media_id)


def test_deleted_object_deletes_all_its_media(bucket: Bucket, nxcloud: FakeNxCloud) -> None:
    media = some_media(nxcloud, 4)
    bucket.store(*media[:3])
    bucket.link(media[3])
    linked(bucket.stack, *media)
    bucket.delete()
    gone(nxcloud, *media)


@pytest.mark.parametrize("name", ["sqs-s3-tagged", "sqs-eventbridge-tagged"])
def test_tags_link_object(bucket: Bucket, nxcloud: FakeNxCloud, name: str) -> None:
    [media_id] = some_media(nxcloud, 1)
    bucket.store()
    tags = {"whatsapp-media-id": media_id, "whatsapp-business-phone": PHONE}
    bucket.s3.put_object_tagging(
        Bucket=bucket.name,
        Key=KEY,
        Tagging={"TagSet": [{"Key": key, "Value": value} for key, value in tags.items()]},
    )
    send(bucket.stack, tagged(bucket, name), "IndexQueue")  # the local cloud sends no such events
    lines = story(bucket.stack, media_id, function="IndexMediaFunction")
    assert {line["outcome"] for line in lines} == {"linked"}  # the event of the store may read the tags, too
    bucket.delete()
    gone(nxcloud, media_id)


def tagged(bucket: Bucket, name: str) -> str:
    """The body of a sample, told of the bucket's file."""
    [record] = sample(f"index/{name}")["Records"]
    form = "photos/house+%26+garden+100%25%2Btax.jpg"
    body = record["body"].replace("photos/tagged.jpg", KEY if "eventbridge" in name else form)
    told: str = body.replace("example-bucket", bucket.name)
    assert hashlib.md5(b"a picture", usedforsecurity=False).hexdigest() in told
    return told


def test_eventbridge_event_of_existing_bucket_links_object(existing_buckets: Stack, nxcloud: FakeNxCloud) -> None:
    [media_id] = some_media(nxcloud, 1)
    bucket = Bucket(existing_buckets, "team-photos", held="")
    bucket.s3.create_bucket(Bucket=bucket.name)
    bucket.s3.put_bucket_notification_configuration(
        Bucket=bucket.name, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    bucket.store(media_id)
    linked(existing_buckets, media_id)
    bucket.delete()
    gone(nxcloud, media_id)


def test_direct_eventbridge_event_links_object(existing_buckets: Stack, nxcloud: FakeNxCloud) -> None:
    [media_id] = some_media(nxcloud, 1)
    bucket = Bucket(existing_buckets, "team-straight", held="")
    bucket.s3.create_bucket(Bucket=bucket.name)
    bucket.store(media_id)
    event = sample("index/eventbridge-created")
    event["detail"] |= {"bucket": {"name": bucket.name}}
    event["detail"]["object"] |= {"key": KEY}
    answer = existing_buckets.cloud.client("lambda").invoke(
        FunctionName=existing_buckets.resources["IndexMediaFunction"], Payload=json.dumps(event)
    )
    [result] = json.load(answer["Payload"])["results"]
    assert (result["outcome"], result["trigger"], result["media_id"]) == ("linked", "eventbridge", media_id)
    bucket.delete()
    send(existing_buckets, {"bucket": bucket.name, "key": KEY})
    gone(nxcloud, media_id)


def test_deleted_version_deletes_media_of_that_version_only(bucket: Bucket, nxcloud: FakeNxCloud) -> None:
    bucket.keep_versions()
    olds, current = some_media(nxcloud, 2)
    version = bucket.store(olds)
    bucket.store(current, content=b"another picture")
    linked(bucket.stack, olds, current)
    bucket.delete(version)
    gone(nxcloud, olds)
    [line] = story(bucket.stack, bucket.name)
    assert (line["outcome"], line["media_id"]) == ("deleted", olds)
    assert (PHONE, current) in nxcloud.provider.media


def test_delete_marker_deletes_media_of_all_versions(bucket: Bucket, nxcloud: FakeNxCloud) -> None:
    bucket.keep_versions()
    media = some_media(nxcloud, 2)
    for media_id in media:
        bucket.store(media_id)
    linked(bucket.stack, *media)
    bucket.delete()
    gone(nxcloud, *media)


def test_undelete_keeps_media(bucket: Bucket, nxcloud: FakeNxCloud) -> None:
    bucket.keep_versions()
    [media_id] = some_media(nxcloud, 1)
    bucket.store(media_id)
    linked(bucket.stack, media_id)
    bucket.connect(hold="DeletionQueue")
    marker = bucket.delete()
    bucket.delete(marker["VersionId"])
    bucket.release("DeletionQueue", events=2)
    lines = story(bucket.stack, bucket.name, length=2)
    assert [(line["outcome"], line["reason"]) for line in lines] == [("skipped", "object_exists")] * 2
    assert (PHONE, media_id) in nxcloud.provider.media


def test_overwritten_object_keeps_media_until_deletion(bucket: Bucket, nxcloud: FakeNxCloud) -> None:
    media = some_media(nxcloud, 2)
    for media_id in media:
        bucket.store(media_id, content=media_id.encode())
        linked(bucket.stack, media_id)
    assert all((PHONE, media_id) in nxcloud.provider.media for media_id in media)
    bucket.delete()
    gone(nxcloud, *media)


def test_late_deletion_deletes_older_media_and_keeps_newer(bucket: Bucket, nxcloud: FakeNxCloud) -> None:
    before, after = some_media(nxcloud, 2)
    bucket.connect(hold="DeletionQueue")
    bucket.store(before, content=b"a first picture")
    linked(bucket.stack, before)
    bucket.delete()
    bucket.store(after, content=b"a second picture")
    linked(bucket.stack, after)
    bucket.release("DeletionQueue")
    gone(nxcloud, before)
    [line] = story(bucket.stack, bucket.name)
    assert (line["outcome"], line["media_id"]) == ("deleted", before)
    assert (PHONE, after) in nxcloud.provider.media


def test_deletion_before_creation_event_deletes_media(bucket: Bucket, nxcloud: FakeNxCloud) -> None:
    bucket.keep_versions()
    [media_id] = some_media(nxcloud, 1)
    bucket.connect(hold="IndexQueue")
    bucket.store(media_id)
    bucket.delete()
    [line] = story(bucket.stack, bucket.name)
    assert (line["outcome"], line["reason"]) == ("skipped", "no_media")
    assert (PHONE, media_id) in nxcloud.provider.media
    bucket.release("IndexQueue")
    gone(nxcloud, media_id)


def test_link_message_for_deleted_object_deletes_media(bucket: Bucket, nxcloud: FakeNxCloud) -> None:
    [media_id] = some_media(nxcloud, 1)
    bucket.store()
    bucket.delete()
    [line] = story(bucket.stack, bucket.name)
    assert (line["outcome"], line["reason"]) == ("skipped", "no_media")
    bucket.link(media_id)
    gone(nxcloud, media_id)


def test_link_message_for_object_not_yet_stored_deletes_media(bucket: Bucket, nxcloud: FakeNxCloud) -> None:
    [media_id] = some_media(nxcloud, 1)
    bucket.link(media_id)
    gone(nxcloud, media_id)
    bucket.store()
    bucket.delete()
    lines = story(bucket.stack, bucket.name, length=2)
    assert [(line["outcome"], line.get("reason")) for line in lines] == [("deleted", None), ("skipped", "no_media")]


def test_link_message_for_deleted_version_deletes_media(bucket: Bucket, nxcloud: FakeNxCloud) -> None:
    bucket.keep_versions()
    olds, current = some_media(nxcloud, 2)
    version = bucket.store()
    bucket.store(current)
    linked(bucket.stack, current)
    assert version
    bucket.delete(version)
    bucket.link(olds, version_id=version)
    gone(nxcloud, olds)
    assert (PHONE, current) in nxcloud.provider.media


def test_metadata_of_overwritten_version_is_read(bucket: Bucket, nxcloud: FakeNxCloud) -> None:
    bucket.keep_versions()
    media = some_media(nxcloud, 2)
    bucket.connect(hold="IndexQueue")
    for media_id in media:
        bucket.store(media_id)
    bucket.release("IndexQueue", events=2)
    linked(bucket.stack, *media)
    bucket.delete()
    gone(nxcloud, *media)


def test_metadata_of_overwritten_object_is_not_used(bucket: Bucket, nxcloud: FakeNxCloud) -> None:
    lost, current = some_media(nxcloud, 2)
    bucket.connect(hold="IndexQueue")
    bucket.store(lost, content=b"a first picture")
    bucket.store(current)
    bucket.release("IndexQueue", events=2)
    lines = story(bucket.stack, bucket.name, length=2, function="IndexMediaFunction")
    assert sorted((line["outcome"], line.get("media_id"), line.get("reason")) for line in lines) == [
        ("linked", current, None),
        ("skipped", None, "gone_or_replaced"),
    ]
    bucket.delete()
    gone(nxcloud, current)
    assert (PHONE, lost) in nxcloud.provider.media


def test_redelivered_deletion_finds_link(bucket: Bucket, nxcloud: FakeNxCloud) -> None:
    [media_id] = some_media(nxcloud, 1)
    bucket.store(media_id)
    linked(bucket.stack, media_id)
    nxcloud.misbehave(Fault("status", status=503))
    bucket.delete()
    gone(nxcloud, media_id)
    lines = story(bucket.stack, bucket.name, length=2)
    assert [line["outcome"] for line in lines] == ["unavailable", "deleted"]


def test_malformed_link_message_is_dead_lettered_with_reason(own_bucket: Stack) -> None:
    media_id = str(uuid.uuid4())
    send(own_bucket, {"business_phone": PHONE, "media_id": media_id}, "IndexQueue")
    message = dead_letter(own_bucket, media_id, "IndexDeadLetterQueue")
    reason = message["MessageAttributes"]["reason"]["StringValue"]
    assert reason.startswith("not_understood: names a media file and no object")


def test_logs_contain_no_secret_and_no_phone_number(bucket: Bucket, nxcloud: FakeNxCloud, cloud: LocalCloud) -> None:
    [media_id] = some_media(nxcloud, 1)
    bucket.link(media_id)
    gone(nxcloud, media_id)
    assert_logs_keep_secrets(cloud, "media_linking")
