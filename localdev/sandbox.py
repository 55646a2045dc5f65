"""The resources that the samples in events/ name: secret, queues, bucket, tables, and media files at NXCloud.

As a program, it serves them on the fixed ports that localdev/env.json names, for `sam local invoke`.
"""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import cast
from urllib.parse import urlencode

from localdev.cloud import REGION, LocalCloud, local_cloud
from localdev.fake_nxcloud import FakeNxCloud
from localdev.tables import create_idempotency_table, create_index_table
from media_cleanup.aws.clients import AwsClients
from media_cleanup.aws.media_index import MediaIndex
from media_cleanup.model import Content, Link, Media, S3Object
from tools.program import one_line_errors

CLOUD_PORT = 4566
NXCLOUD_PORT = 8080
SECRET = "nxcloud/credentials"  # noqa: S105 (the name of the secret)
TABLE = "media-index"
RECORDS = "confirmed-deletions"
BUCKET = "example-bucket"
PHONE = "8615800001795"
MORE_DELETED_MEDIA = ("0b54f2c0-6f5b-4d2f-9a52-2b1d0f6f0d11", "5c9e9e0e-3d0c-4a55-8f0a-7a1f3b8c2d42")
DELETED_MEDIA = "fd81acff-eea8-4d9d-acc9-6c62904d6615"
EXISTING_MEDIA = "a75c6d9b-a7c8-4f41-8f61-94548e92cbee"
EXISTING_KEY = f"{PHONE}/{EXISTING_MEDIA}.jpg"
PHOTO_MEDIA = "1fa0a5f0-7b52-4a3c-9d0e-5d9a8a5c2b17"
PHOTO = b"a picture"  # the samples of IndexMediaFunction have its MD5 as eTag
LABELS = {"whatsapp-media-id": PHOTO_MEDIA, "whatsapp-business-phone": PHONE}


@dataclass(frozen=True)
class Sandbox:
    """The local cloud and the fake NXCloud, with the resources of the samples."""

    cloud: LocalCloud
    fake_nxcloud: FakeNxCloud
    deletion_queue_url: str
    dead_letter_queue_url: str

    def forget(self) -> None:
        """Remove all records and links, so that a sample can be run again as if for the first time."""
        dynamodb = self.cloud.client("dynamodb")
        for table, keys in ((RECORDS, ["id"]), (TABLE, ["object", "link"])):
            for item in dynamodb.scan(TableName=table)["Items"]:
                dynamodb.delete_item(TableName=table, Key={key: item[key] for key in keys})
        _link_deleted_object(self.cloud)

    def environment(self, host: str = "127.0.0.1") -> dict[str, str]:
        """Return the functions' environment variables; `host` is this machine's name where the functions run."""
        settings = {
            "NXCLOUD_BASE_URL": self.fake_nxcloud.url,
            "NXCLOUD_SECRET_ID": SECRET,
            "MEDIA_INDEX_TABLE": TABLE,
            "IDEMPOTENCY_TABLE": RECORDS,
            "DELETION_QUEUE_URL": self.deletion_queue_url,
            "DEAD_LETTER_QUEUE_URL": self.dead_letter_queue_url,
            "AWS_ENDPOINT_URL": self.cloud.url,
        }
        return {name: value.replace("127.0.0.1", host).replace("localhost", host) for name, value in settings.items()}


@contextmanager
def sandbox(host: str = "127.0.0.1", cloud_port: int = 0, nxcloud_port: int = 0) -> Iterator[Sandbox]:
    """Start a sandbox. `host` is the address to listen on; containers cannot reach the loopback address."""
    with local_cloud(host, cloud_port) as cloud, FakeNxCloud(host=host, port=nxcloud_port) as fake_nxcloud:
        provider = fake_nxcloud.provider
        secret = json.dumps({"accessKey": provider.access_key, "accessSecret": provider.access_secret})
        cloud.client("secretsmanager").create_secret(Name=SECRET, SecretString=secret)
        sqs = cloud.client("sqs")
        queues = [sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("deletions", "dead-letters")]
        for media_id in (DELETED_MEDIA, *MORE_DELETED_MEDIA, EXISTING_MEDIA, PHOTO_MEDIA):
            provider.add_media(PHONE, media_id)
            provider.evergreen.add((PHONE, media_id))
        _store_objects(cloud)
        _create_tables(cloud)
        _link_deleted_object(cloud)
        yield Sandbox(cloud, fake_nxcloud, *queues)


def _store_objects(cloud: LocalCloud) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key=EXISTING_KEY, Body=b"alive")
    s3.put_object(Bucket=BUCKET, Key="photos/house.jpg", Body=PHOTO, Metadata=LABELS)
    s3.put_object(Bucket=BUCKET, Key="photos/tagged.jpg", Body=PHOTO, Tagging=urlencode(LABELS))


def _create_tables(cloud: LocalCloud) -> None:
    create_index_table(cloud.client("dynamodb"), TABLE)
    create_idempotency_table(cloud.client("dynamodb"), RECORDS)


def _link_deleted_object(cloud: LocalCloud) -> None:
    clients = cast("AwsClients", SimpleNamespace(dynamodb=cloud.client("dynamodb")))
    content = Content(etag="101a0e3e2f58188b3e2ffc1057316c13")
    link = Link(S3Object(BUCKET, "photos/gone.jpg"), content, Media(PHONE, DELETED_MEDIA))
    MediaIndex(clients, TABLE).put(link)


def main() -> None:
    """Serve a sandbox until interrupted."""
    with sandbox("0.0.0.0", CLOUD_PORT, NXCLOUD_PORT):  # noqa: S104 (for the function's container)
        print(f"The local cloud listens on http://127.0.0.1:{CLOUD_PORT} (region {REGION}),")
        print(f"the fake NXCloud on http://127.0.0.1:{NXCLOUD_PORT}. In another terminal, run:\n")
        print("    sam build && sam local invoke DeleteMediaFunction -e events/direct-media.json\n")
        print("Samples in events/index are for IndexMediaFunction, the one in events/sweep is for SweepIndexFunction.")
        print("Press Ctrl-C to stop both.", flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    with one_line_errors("make local"):
        main()
