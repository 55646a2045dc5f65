"""The example uploaders: store, upload, link; safe to repeat; nothing stays in WhatsApp that is not linked."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

import on_store
from localdev.fake_nxcloud import Account as FakeAccount
from localdev.fake_nxcloud import Fault
from nxcloud import ApiError, MediaClient
from nxcloud.files import load_file
from tests.conftest import CREDENTIALS, PHONE
from tests.integration.conftest import AWS, BUCKET, SECRET, Environment, inject_aws_error, sqs_event
from uploader import Account, StoredObject, Uploader, UploadError

KEY = "offers/house & garden.jpg"
FILE = load_file(b"a picture", "house.jpg")


class Uploads:
    """An uploader with clients of its own, and the queue of its links."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.provider = environment.fake_nxcloud.provider
        self.provider.media.clear()
        self.queue_url = AWS.sqs.create_queue(QueueName="links")["QueueUrl"]
        clients = environment.index_media_clients  # of an execution environment, so that errors can be injected
        self.s3, self.sqs = clients.s3, clients.sqs
        self.uploader = Uploader(
            self.s3, self.sqs, MediaClient(environment.fake_nxcloud.url), Account(PHONE, CREDENTIALS), self.queue_url
        )

    def run(self) -> str:
        obj = self.uploader.store(FILE, BUCKET, KEY)
        return self.uploader.find_upload(obj) or self.uploader.upload(obj, FILE)

    def tags(self) -> dict[str, str]:
        return {tag["Key"]: tag["Value"] for tag in AWS.s3.get_object_tagging(Bucket=BUCKET, Key=KEY)["TagSet"]}

    def links(self) -> list[dict[str, str]]:
        received = AWS.sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10).get("Messages", [])
        for message in received:
            AWS.sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in received]


@pytest.fixture
def uploads(environment: Environment) -> Uploads:
    return Uploads(environment)


def test_uploaded_file_is_deleted_with_its_object(uploads: Uploads) -> None:
    media_id = uploads.run()
    [link] = uploads.links()
    assert link == {"bucket": BUCKET, "key": KEY, "business_phone": PHONE, "media_id": media_id}
    uploads.environment.index_media(sqs_event(link))
    assert uploads.environment.outcomes == [("linked", None)]
    AWS.s3.delete_object(Bucket=BUCKET, Key=KEY)
    uploads.environment.delete_media(sqs_event({"bucket": BUCKET, "key": KEY}))
    assert uploads.environment.outcomes == [("deleted", None)]
    assert uploads.provider.media == {}


def test_steps_are_in_the_safe_order(uploads: Uploads) -> None:
    steps: list[str] = []
    for client in (uploads.s3, uploads.sqs):
        client.meta.events.register(
            "before-call", lambda model, **_: steps.append(f"{model.name} {len(uploads.provider.media)}")
        )
    uploads.run()
    assert [step for step in steps if not step.startswith(("Get", "Head"))] == [
        "PutObject 0",
        "SendMessage 1",
        "PutObjectTagging 1",
    ]


def test_repeated_run_uploads_nothing(uploads: Uploads) -> None:
    assert uploads.run() == uploads.run()
    assert uploads.environment.actions == ["uploadMedia"]
    assert len(uploads.links()) == 1


def test_run_after_a_crash_does_not_store_again(uploads: Uploads) -> None:
    AWS.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    stored = uploads.uploader.store(FILE, BUCKET, KEY)  # and crashed
    assert stored.version_id
    uploads.run()
    assert [link["version_id"] for link in uploads.links()] == [stored.version_id]
    assert len(AWS.s3.list_object_versions(Bucket=BUCKET)["Versions"]) == 1


def test_other_content_under_the_key_is_stored_and_uploaded(uploads: Uploads) -> None:
    first = uploads.run()
    other = load_file(b"another picture", "house.jpg")
    obj = uploads.uploader.store(other, BUCKET, KEY)
    assert uploads.uploader.find_upload(obj) is None
    assert uploads.uploader.upload(obj, other) != first


def test_media_is_deleted_where_its_link_cannot_be_sent(uploads: Uploads) -> None:
    inject_aws_error(uploads.sqs, "SendMessage", 403)
    with pytest.raises(ClientError):
        uploads.run()
    assert uploads.environment.actions == ["uploadMedia", "deleteMedia"]
    assert uploads.provider.media == {}
    assert uploads.tags() == {}


def test_media_is_deleted_after_an_interrupt(uploads: Uploads) -> None:
    def interrupt(**_: Any) -> None:  # noqa: ANN401 (an event of botocore)
        raise KeyboardInterrupt

    uploads.sqs.meta.events.register("before-call.sqs.SendMessage", interrupt)
    with pytest.raises(KeyboardInterrupt):
        uploads.run()
    assert uploads.provider.media == {}


def test_media_that_stays_without_a_link_is_named(uploads: Uploads) -> None:
    inject_aws_error(uploads.sqs, "SendMessage", 403)
    uploads.environment.fake_nxcloud.misbehave(Fault("code", code=9003, action="deleteMedia"))
    with pytest.raises(ClientError) as caught:
        uploads.run()
    [(_, media_id)] = uploads.provider.media
    assert f"the media file {media_id} is not linked, and could not be deleted" in caught.value.__notes__[0]


def test_object_deleted_meanwhile_is_linked_all_the_same(uploads: Uploads) -> None:
    obj = uploads.uploader.store(FILE, BUCKET, KEY)
    AWS.s3.delete_object(Bucket=BUCKET, Key=KEY)
    media_id = uploads.uploader.upload(obj, FILE)
    [link] = uploads.links()
    uploads.environment.index_media(sqs_event(link))
    [request] = uploads.environment.deletion_requests()
    uploads.environment.delete_media(sqs_event(request))
    assert uploads.environment.deletion_calls == [media_id]


def test_tags_are_kept_and_must_leave_room(uploads: Uploads) -> None:
    uploads.uploader.store(FILE, BUCKET, KEY)
    tags: list[Any] = [{"Key": f"tag-{number}", "Value": "x"} for number in range(9)]
    AWS.s3.put_object_tagging(Bucket=BUCKET, Key=KEY, Tagging={"TagSet": tags})
    with pytest.raises(UploadError, match="has 9 tags, and needs two more"):
        uploads.run()
    AWS.s3.put_object_tagging(Bucket=BUCKET, Key=KEY, Tagging={"TagSet": tags[1:]})
    media_id = uploads.run()
    own = {"whatsapp-media-id": media_id, "whatsapp-business-phone": PHONE}
    assert uploads.tags() == {tag["Key"]: tag["Value"] for tag in tags[1:]} | own


def test_number_uploads_with_its_own_account() -> None:
    pairs = {
        "accessKey": "common",
        "accessSecret": "s",
        "accounts": {f"+{PHONE}": {"accessKey": "own", "accessSecret": "s"}},
    }
    assert Account.from_secret(PHONE, json.dumps(pairs)).credentials.access_key == "own"
    assert Account.from_secret("4915112345678", json.dumps(pairs)).credentials.access_key == "common"


# The function


@pytest.fixture
def on_store_function(uploads: Uploads, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Store an object, and invoke the function with its event."""
    on_store._clients.cache_clear()  # noqa: SLF001 (the next invocation is a cold start)
    monkeypatch.setenv("BUSINESS_PHONE", PHONE)
    monkeypatch.setenv("INDEX_QUEUE_URL", uploads.queue_url)

    def invoke(*, etag: str | None = None, content_type: str = "image/jpeg") -> None:
        stored = AWS.s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"a picture", ContentType=content_type)
        detail = {"bucket": {"name": BUCKET}, "object": {"key": KEY, "etag": etag or stored["ETag"].strip('"')}}
        deliver(detail)

    return invoke


def deliver(detail: object) -> None:
    on_store.lambda_handler({"Records": [{"body": json.dumps({"detail": detail})}]}, None)


@pytest.mark.parametrize("content_type", ["image/jpeg", "binary/octet-stream"])
def test_stored_object_is_uploaded_and_linked(
    uploads: Uploads, on_store_function: Callable[..., None], content_type: str
) -> None:
    on_store_function(content_type=content_type)
    [(_, media_id)] = uploads.provider.media
    assert uploads.provider.media[PHONE, media_id]["file_name"] == "house & garden.jpg"
    assert b"Content-Type: image/jpeg" in uploads.provider.calls[0].body
    assert [link["media_id"] for link in uploads.links()] == [media_id]


def test_event_delivered_twice_uploads_once(uploads: Uploads, on_store_function: Callable[..., None]) -> None:
    on_store_function()
    deliver(
        {
            "bucket": {"name": BUCKET},
            "object": {"key": KEY, "etag": AWS.s3.head_object(Bucket=BUCKET, Key=KEY)["ETag"].strip('"')},
        }
    )
    assert uploads.environment.actions == ["uploadMedia"]


def test_event_of_a_replaced_or_deleted_object_uploads_nothing(
    uploads: Uploads, on_store_function: Callable[..., None]
) -> None:
    on_store_function(etag="0123456789abcdef0123456789abcdef")
    deliver({"bucket": {"name": BUCKET}, "object": {"key": "deleted.jpg", "etag": "0"}})
    assert uploads.environment.actions == []


def test_failed_upload_is_raised_for_sqs_to_retry(uploads: Uploads, on_store_function: Callable[..., None]) -> None:
    uploads.environment.fake_nxcloud.misbehave(Fault("code", code=9003))
    with pytest.raises(ApiError):
        on_store_function()
    assert uploads.links() == []


def test_function_uploads_with_the_account_of_its_number(
    uploads: Uploads, on_store_function: Callable[..., None]
) -> None:
    uploads.provider.accounts["own-key"] = FakeAccount("own-secret", {PHONE})
    own = {PHONE: {"accessKey": "own-key", "accessSecret": "own-secret"}}
    AWS.secretsmanager.put_secret_value(SecretId=SECRET, SecretString=json.dumps({"accounts": own}))
    on_store_function()
    assert [call.code for call in uploads.provider.calls] == [0]


def test_object_names_its_version() -> None:
    assert StoredObject("b", "k").parameters == {"Bucket": "b", "Key": "k"}
    assert StoredObject("b", "k", "v").parameters == {"Bucket": "b", "Key": "k", "VersionId": "v"}
