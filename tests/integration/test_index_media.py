"""The index function, and the deletion function that reads its links."""

import hashlib
import json
from typing import Any
from urllib.parse import urlencode

import pytest

from delete_media import app as delete_media_app
from localdev.fake_nxcloud import Fault
from media_cleanup.errors import RequestsFailedError
from tests.conftest import MEDIA_ID, PHONE, sample
from tests.integration.conftest import (
    AWS,
    BUCKET,
    MASKED,
    TABLE,
    Environment,
    aws_error,
    failed_ids,
    inject_aws_error,
    sqs_event,
)

OTHER_ID = "a75c6d9b-a7c8-4f41-8f61-94548e92cbee"
PHOTO = "photos/house & garden.jpg"
LABELS = {"whatsapp-media-id": MEDIA_ID, "whatsapp-business-phone": PHONE}
LINK = {"bucket": BUCKET, "key": PHOTO, "business_phone": PHONE, "media_id": MEDIA_ID}
DELETION = {"bucket": BUCKET, "key": PHOTO}


def store_photo(content: bytes = b"a picture", **labels: str) -> dict[str, Any]:
    """Store the photo with this metadata (underscores for hyphens). Returns the event that S3 sends."""
    metadata = {name.replace("_", "-"): value for name, value in labels.items()}
    stored = AWS.s3.put_object(Bucket=BUCKET, Key=PHOTO, Body=content, Metadata=metadata)
    return photo_event("ObjectCreated:Put", content, version_id=stored.get("VersionId"))


def photo_event(
    name: str, content: bytes = b"a picture", *, sequencer: str = "01", **details: str | None
) -> dict[str, Any]:
    """Return S3's event notification of this name for the photo."""
    notification: dict[str, Any] = sample("s3-created")
    [record] = notification["Records"]
    record["eventName"] = name
    record["s3"]["object"] = {
        "key": "photos/house+%26+garden.jpg",
        "eTag": hashlib.md5(content, usedforsecurity=False).hexdigest(),
        "sequencer": sequencer,
    }
    if details.get("version_id"):
        record["s3"]["object"]["versionId"] = details["version_id"]
    return notification


def delete_photo() -> None:
    AWS.s3.delete_object(Bucket=BUCKET, Key=PHOTO)


def enable_versioning() -> None:
    AWS.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})


def store_linked_photo(environment: Environment, content: bytes = b"a picture", **labels: str) -> dict[str, Any]:
    """Store the photo with a Media-ID in its metadata, and link it. Returns the event that S3 sent."""
    stored = store_photo(content, whatsapp_media_id=labels.get("media_id", MEDIA_ID), whatsapp_business_phone=PHONE)
    assert environment.index_media(sqs_event(stored)) == {"batchItemFailures": []}
    return stored


def test_stored_object_is_linked_by_its_metadata(environment: Environment) -> None:
    store_linked_photo(environment)
    [line] = environment.log_lines
    assert (line["message"], line["outcome"], line["trigger"]) == ("media_linking", "linked", "sqs")
    assert (line["media_id"], line["business_phone"], line["object_key"]) == (MEDIA_ID, MASKED, PHOTO)
    assert environment.metrics["Linked"] == [1.0]
    etag = hashlib.md5(b"a picture", usedforsecurity=False).hexdigest()
    content = {"etag": etag, "size": "9", "etag_is_digest": "true"}
    assert environment.links() == [{"business_phone": PHONE, "media_id": MEDIA_ID, "sequencer": "01"} | content]
    assert environment.deletion_requests() == []


def test_deleted_object_loses_media_then_link(environment: Environment) -> None:
    store_linked_photo(environment)
    delete_photo()
    assert failed_ids(environment.delete_media(sqs_event(photo_event("ObjectRemoved:Delete", sequencer="02")))) == []
    assert environment.outcomes == [("deleted", None)]
    assert environment.deletion_calls == [MEDIA_ID]
    assert environment.links() == []


def test_object_without_labels_costs_one_head(environment: Environment) -> None:
    calls: list[str] = []
    clients = environment.index_media_clients
    for client in (clients.s3, clients.dynamodb, clients.sqs):
        client.meta.events.register("before-call", lambda model, **_: calls.append(model.name))
    environment.index_media(sqs_event(store_photo(other_label="7")))
    assert environment.outcomes == [("skipped", "no_media")]
    assert calls == ["HeadObject"]


def test_failed_media_does_not_delay_others_of_same_object(environment: Environment) -> None:
    environment.fake_nxcloud.provider.add_media(PHONE, OTHER_ID)
    store_linked_photo(environment, media_id=f"{MEDIA_ID} {OTHER_ID}")
    assert environment.outcomes == [("linked", None), ("linked", None)]
    delete_photo()
    environment.fake_nxcloud.misbehave(Fault("code", code=9001))
    removed = sqs_event(photo_event("ObjectRemoved:Delete", sequencer="02"))
    assert failed_ids(environment.delete_media(removed)) == ["message-0"]
    assert sorted(environment.outcomes) == [("deleted", None), ("unavailable", "provider_failed")]
    assert len(environment.links()) == 1  # the one without a confirmed deletion
    assert failed_ids(environment.delete_media(removed)) == []
    assert environment.links() == []
    assert not environment.fake_nxcloud.provider.media


def test_invalid_id_is_dead_lettered_and_others_are_linked(environment: Environment) -> None:
    stored = store_photo(whatsapp_media_id=f"{MEDIA_ID} {129 * 'x'}", whatsapp_business_phone=PHONE)
    assert failed_ids(environment.index_media(sqs_event(stored))) == []
    assert environment.outcomes == [("linked", None), ("rejected", "not_understood")]
    [(_, attributes)] = environment.dead_letters()
    assert attributes["reason"].startswith("not_understood: media_id must be")


def test_object_deleted_before_indexing_is_skipped(environment: Environment) -> None:
    stored = store_photo(whatsapp_media_id=MEDIA_ID, whatsapp_business_phone=PHONE)
    delete_photo()
    assert failed_ids(environment.index_media(sqs_event(stored))) == []
    assert environment.outcomes == [("skipped", "gone_or_replaced")]
    assert (environment.links(), environment.deletion_requests()) == ([], [])


def test_event_of_replaced_object_is_skipped(environment: Environment) -> None:
    first = store_photo(b"first", whatsapp_media_id=MEDIA_ID, whatsapp_business_phone=PHONE)
    second = store_photo(b"second", whatsapp_media_id=OTHER_ID, whatsapp_business_phone=PHONE)
    environment.index_media(sqs_event(first))
    assert environment.outcomes == [("skipped", "gone_or_replaced")]
    environment.index_media(sqs_event(second))
    assert [link["media_id"] for link in environment.links()] == [OTHER_ID]


def test_each_version_has_its_own_link(environment: Environment) -> None:
    enable_versioning()
    for _ in range(2):
        store_linked_photo(environment)  # the same media file and the same content
    assert len(environment.links()) == 2
    assert len({link["version_id"] for link in environment.links()}) == 2


def test_deleted_old_version_loses_only_its_own_media(environment: Environment) -> None:
    enable_versioning()
    old = store_linked_photo(environment, b"old")
    store_linked_photo(environment, b"new", media_id=OTHER_ID)
    version_id = old["Records"][0]["s3"]["object"]["versionId"]
    AWS.s3.delete_object(Bucket=BUCKET, Key=PHOTO, VersionId=version_id)
    environment.delete_media(sqs_event(photo_event("ObjectRemoved:Delete", sequencer="09", version_id=version_id)))
    assert environment.deletion_calls == [MEDIA_ID]
    assert [link["media_id"] for link in environment.links()] == [OTHER_ID]


def test_undeleted_object_keeps_its_media(environment: Environment) -> None:
    enable_versioning()
    store_linked_photo(environment)
    marker = AWS.s3.delete_object(Bucket=BUCKET, Key=PHOTO)
    AWS.s3.delete_object(Bucket=BUCKET, Key=PHOTO, VersionId=marker["VersionId"])
    for name in ("ObjectRemoved:DeleteMarkerCreated", "ObjectRemoved:Delete"):
        environment.delete_media(sqs_event(photo_event(name, sequencer="02", version_id=marker["VersionId"])))
        assert environment.outcomes == [("skipped", "object_exists")]
    assert environment.deletion_calls == []


def test_tagged_object_is_linked_without_sequencer(environment: Environment) -> None:
    store_photo()
    AWS.s3.put_object_tagging(
        Bucket=BUCKET, Key=PHOTO, Tagging={"TagSet": [{"Key": name, "Value": value} for name, value in LABELS.items()]}
    )
    tagged = photo_event("ObjectTagging:Put", sequencer="")
    environment.index_media(sqs_event(tagged))
    assert environment.outcomes == [("linked", None)]
    assert "sequencer" not in environment.links()[0]
    delete_photo()
    environment.delete_media(sqs_event(photo_event("ObjectRemoved:Delete", sequencer="02")))
    assert environment.deletion_calls == [MEDIA_ID]


def test_link_message_links_current_object(environment: Environment) -> None:
    store_photo()
    environment.index_media(sqs_event(LINK))
    assert environment.outcomes == [("linked", None)]
    delete_photo()
    environment.delete_media(sqs_event(photo_event("ObjectRemoved:Delete", sequencer="02")))
    assert environment.deletion_calls == [MEDIA_ID]


@pytest.mark.parametrize("version_id", [None, "some-version"])
def test_deletion_before_link_is_requested_again(environment: Environment, version_id: str | None) -> None:
    if version_id:
        enable_versioning()
        version_id = AWS.s3.put_object(Bucket=BUCKET, Key=PHOTO, Body=b"x")["VersionId"]
        AWS.s3.delete_object(Bucket=BUCKET, Key=PHOTO, VersionId=version_id)
    link = LINK | ({"version_id": version_id} if version_id else {})
    assert failed_ids(environment.index_media(sqs_event(link))) == []
    assert environment.outcomes == [("linked", None)]
    [request] = environment.deletion_requests()
    assert request == DELETION | ({"version_id": version_id} if version_id else {})
    environment.delete_media(sqs_event(request))
    assert environment.deletion_calls == [MEDIA_ID]
    assert environment.links() == []


def test_missing_version_of_existing_object_is_requested(environment: Environment) -> None:
    enable_versioning()
    old = store_photo(b"old")["Records"][0]["s3"]["object"]["versionId"]
    AWS.s3.delete_object(Bucket=BUCKET, Key=PHOTO, VersionId=old)
    store_photo(b"new")
    environment.index_media(sqs_event(LINK | {"version_id": old}))
    [request] = environment.deletion_requests()
    assert request == DELETION | {"version_id": old}
    environment.delete_media(sqs_event(request))
    assert environment.deletion_calls == [MEDIA_ID]


def test_failed_second_head_is_retried_after_redelivery(environment: Environment) -> None:
    stored = store_photo(whatsapp_media_id=MEDIA_ID, whatsapp_business_phone=PHONE)
    statuses = iter([200, 500])

    def respond(**_: object) -> Any:  # noqa: ANN401 (None, or a response as botocore takes it)
        return aws_error(500) if next(statuses, 200) == 500 else None

    environment.index_media_clients.s3.meta.events.register("before-call.s3.HeadObject", respond)
    assert failed_ids(environment.index_media(sqs_event(stored))) == ["message-0"]
    assert environment.outcomes == [("unavailable", "object_unknown")]
    delete_photo()
    assert failed_ids(environment.index_media(sqs_event(stored))) == []
    assert environment.deletion_requests() == [DELETION]


@pytest.mark.parametrize(
    ("client", "operation", "reason"),
    [
        ("s3", "HeadObject", "object_unknown: S3 answered 403 to HeadObject"),
        ("dynamodb", "UpdateItem", f"index_unreachable: the table {TABLE} answered Refused"),
    ],
)
def test_failed_aws_call_is_redelivered(environment: Environment, client: str, operation: str, reason: str) -> None:
    stored = store_photo(whatsapp_media_id=MEDIA_ID, whatsapp_business_phone=PHONE)
    inject_aws_error(getattr(environment.index_media_clients, client), operation, 403)
    assert failed_ids(environment.index_media(sqs_event(stored))) == ["message-0"]
    assert environment.log_lines[0]["reason"].startswith(reason)
    assert environment.metrics["LinkUnavailable"] == [1.0]


def test_failed_deletion_request_is_redelivered(environment: Environment) -> None:
    AWS.sqs.delete_queue(QueueUrl=environment.deletion_queue_url)
    assert failed_ids(environment.index_media(sqs_event(LINK))) == ["message-0"]
    assert environment.outcomes == [("unavailable", "deletion_not_asked")]


def test_unreadable_index_redelivers_the_deletion(environment: Environment) -> None:
    inject_aws_error(environment.delete_media_clients.dynamodb, "Query", 400)
    assert failed_ids(environment.delete_media(sqs_event(DELETION))) == ["message-0"]
    assert environment.outcomes == [("unavailable", "index_unreachable")]


def test_failed_link_removal_does_not_change_the_result(environment: Environment) -> None:
    store_linked_photo(environment)
    delete_photo()
    inject_aws_error(environment.delete_media_clients.dynamodb, "DeleteItem", 400)
    assert failed_ids(environment.delete_media(sqs_event(DELETION))) == []
    assert [line["message"] for line in environment.log_lines] == ["link_not_removed", "media_deletion"]


def test_invalid_index_item_is_logged_and_ignored(environment: Environment) -> None:
    store_linked_photo(environment)
    item = {"object": {"S": f"{BUCKET}/{PHOTO}"}, "link": {"S": "by hand"}, "media_id": {"N": "7"}}
    AWS.dynamodb.put_item(TableName=TABLE, Item=item)
    delete_photo()
    assert failed_ids(environment.delete_media(sqs_event(DELETION))) == []
    assert [line["message"] for line in environment.log_lines] == ["index_item_invalid", "media_deletion"]
    assert environment.log_lines[0]["link"] == "by hand"
    assert environment.deletion_calls == [MEDIA_ID]


def test_media_in_metadata_of_current_object_is_kept(environment: Environment) -> None:
    store_linked_photo(environment)
    delete_photo()
    store_photo(b"again", **{name.replace("-", "_"): value for name, value in LABELS.items()})
    environment.delete_media(sqs_event(photo_event("ObjectRemoved:Delete", sequencer="02")))
    assert environment.outcomes == [("skipped", "object_exists")]
    assert environment.deletion_calls == []


def test_media_of_replaced_object_is_deleted(environment: Environment) -> None:
    store_linked_photo(environment)
    delete_photo()
    store_photo(b"another")
    environment.delete_media(sqs_event(photo_event("ObjectRemoved:Delete", sequencer="02")))
    assert environment.deletion_calls == [MEDIA_ID]


@pytest.mark.parametrize(
    ("message", "outcome"),
    [
        (sample("s3-removed"), ("skipped", "not_a_store")),
        (sample("sqs-s3-test-event")["Records"][0]["body"], ("skipped", "test_event")),
        ({"business_phone": PHONE, "media_id": MEDIA_ID}, ("rejected", "not_understood")),
        ("nonsense", ("rejected", "not_understood")),
        ({"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put"}]}, ("rejected", "not_understood")),
    ],
)
def test_unlinkable_message_is_skipped_or_rejected(
    environment: Environment, message: object, outcome: tuple[str, str]
) -> None:
    assert failed_ids(environment.index_media(sqs_event(message))) == []
    assert environment.outcomes == [outcome]
    assert len(environment.dead_letters()) == (outcome[0] == "rejected")


def test_object_key_prefix_limits_links(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OBJECT_KEY_PREFIX", "offers/")
    environment.index_media(sqs_event(store_photo(whatsapp_media_id=MEDIA_ID, whatsapp_business_phone=PHONE), LINK))
    assert environment.outcomes == [("skipped", "outside_prefix"), ("rejected", "not_understood")]
    assert environment.links() == []


def test_direct_invocation_returns_results_or_raises(environment: Environment) -> None:
    [result] = environment.index_media(store_photo(whatsapp_media_id=MEDIA_ID, whatsapp_business_phone=PHONE))[
        "results"
    ]
    assert (result["outcome"], result["trigger"]) == ("linked", "s3")
    with pytest.raises(RequestsFailedError, match="1 of 1 requests failed: rejected"):
        environment.index_media({"please": "link"})


def test_link_message_on_deletion_queue_is_rejected(environment: Environment) -> None:
    assert failed_ids(environment.delete_media(sqs_event(LINK))) == []
    [(body, attributes)] = environment.dead_letters()
    assert json.loads(body) == LINK
    assert "send it to the index queue" in attributes["reason"]
    assert environment.deletion_calls == []


@pytest.mark.parametrize("message", [{"bucket": BUCKET, "key": PHOTO}, LINK])
def test_sse_c_object_is_not_linked_and_rejected_at_once(environment: Environment, message: dict[str, str]) -> None:
    store_photo(whatsapp_media_id=MEDIA_ID, whatsapp_business_phone=PHONE)
    inject_aws_error(environment.index_media_clients.s3, "HeadObject", 400, "400")
    assert failed_ids(environment.index_media(sqs_event(message))) == []
    assert environment.outcomes == [("rejected", "sse_c_object")]
    assert environment.links() == []


def test_sse_c_object_stored_meanwhile_does_not_cost_the_link(environment: Environment) -> None:
    enable_versioning()
    event = store_photo(whatsapp_media_id=MEDIA_ID, whatsapp_business_phone=PHONE)

    def refuse_current(params: dict[str, Any], **_: Any) -> Any:  # noqa: ANN401 (an event handler of botocore)
        return None if "versionId" in params["query_string"] else aws_error(400, "400")

    environment.index_media_clients.s3.meta.events.register("before-call.s3.HeadObject", refuse_current)
    environment.index_media(event)
    assert environment.outcomes == [("linked", None)]
    assert environment.deletion_requests() == []


def tag_set(**labels: str) -> dict[str, Any]:
    return {"TagSet": [{"Key": name, "Value": value} for name, value in labels.items()]}


def test_tags_given_with_the_store_link_object(environment: Environment) -> None:
    tags = urlencode({"WhatsApp-Media-ID": MEDIA_ID, "whatsapp-business-phone": PHONE})  # in any letter case
    AWS.s3.put_object(Bucket=BUCKET, Key=PHOTO, Body=b"a picture", Tagging=tags)
    environment.index_media(sqs_event(photo_event("ObjectCreated:Put")))
    assert environment.outcomes == [("linked", None)]
    assert [link["sequencer"] for link in environment.links()] == ["01"]


def test_tags_of_a_copy_link_object(environment: Environment) -> None:
    AWS.s3.put_object(Bucket=BUCKET, Key="original.jpg", Body=b"a picture", Tagging=urlencode(LABELS))
    AWS.s3.copy_object(Bucket=BUCKET, Key=PHOTO, CopySource={"Bucket": BUCKET, "Key": "original.jpg"})
    environment.index_media(sqs_event(photo_event("ObjectCreated:Copy")))
    assert environment.outcomes == [("linked", None)]


def test_tags_without_permission_are_named(environment: Environment) -> None:
    AWS.s3.put_object(Bucket=BUCKET, Key=PHOTO, Body=b"a picture", Tagging=urlencode(LABELS))
    inject_aws_error(environment.index_media_clients.s3, "GetObjectTagging", 403)
    assert failed_ids(environment.index_media(sqs_event(photo_event("ObjectCreated:Put")))) == ["message-0"]
    assert "the function's role needs s3:GetObjectTagging and s3:ListBucket" in environment.log_lines[0]["reason"]


def test_object_replaced_while_its_tags_are_read_is_retried(environment: Environment) -> None:
    AWS.s3.put_object(Bucket=BUCKET, Key=PHOTO, Body=b"a picture", Tagging=urlencode(LABELS))
    environment.index_media_clients.s3.meta.events.register(
        "before-call.s3.GetObjectTagging",
        lambda **_: AWS.s3.put_object(Bucket=BUCKET, Key=PHOTO, Body=b"another", Tagging=urlencode(LABELS)) and None,
    )
    assert failed_ids(environment.index_media(sqs_event(photo_event("ObjectCreated:Put")))) == ["message-0"]
    assert environment.outcomes == [("unavailable", "object_unknown")]
    assert environment.links() == []


@pytest.mark.parametrize("value", ["=?UTF-8?B?w7w=?=", "=?UTF-8?Q?cut of", "x" * 129])
def test_label_that_no_media_can_have_is_rejected(environment: Environment, value: str) -> None:
    stored = store_photo(whatsapp_media_id=value, whatsapp_business_phone=PHONE)
    environment.index_media(sqs_event(stored))
    assert environment.outcomes == [("rejected", "not_understood")]
    assert environment.links() == []
    assert len(environment.dead_letters()) == 1


@pytest.mark.parametrize("marker", [False, True], ids=["below newer versions", "under a delete marker"])
def test_null_version_is_read_by_its_name(environment: Environment, *, marker: bool) -> None:
    store_photo(whatsapp_media_id=MEDIA_ID, whatsapp_business_phone=PHONE)
    enable_versioning()
    if marker:
        delete_photo()
    else:
        store_photo(b"newer")
    environment.index_media(sqs_event(DELETION | {"version_id": "null"}))
    assert environment.outcomes == [("linked", None)]
    [link] = environment.links()
    assert "version_id" not in link
    assert environment.deletion_requests() == ([DELETION] if marker else [])
    if not marker:
        AWS.s3.delete_object(Bucket=BUCKET, Key=PHOTO, VersionId="null")
        removed = photo_event("ObjectRemoved:Delete", sequencer="09", version_id="null")
        environment.delete_media(sqs_event(removed))
        assert environment.deletion_calls == [MEDIA_ID]


def copy_onto_itself() -> dict[str, Any]:
    """Copy the photo onto itself, with new metadata. Returns the event that S3 sends."""
    copied = AWS.s3.copy_object(
        Bucket=BUCKET,
        Key=PHOTO,
        CopySource={"Bucket": BUCKET, "Key": PHOTO},
        MetadataDirective="REPLACE",
        Metadata={"note": "new"},
    )
    return photo_event("ObjectCreated:Copy", sequencer="05", version_id=copied["VersionId"])


@pytest.mark.parametrize("way", ["tags", "message"])
def test_in_place_copy_keeps_media_and_gets_the_link(environment: Environment, way: str) -> None:
    enable_versioning()
    old = AWS.s3.put_object(
        Bucket=BUCKET, Key=PHOTO, Body=b"a picture", Tagging=urlencode(LABELS if way == "tags" else {})
    )["VersionId"]
    environment.index_media(sqs_event(LINK if way == "message" else photo_event("ObjectCreated:Put", version_id=old)))
    copied = copy_onto_itself()
    environment.index_media(sqs_event(copied))
    AWS.s3.delete_object(Bucket=BUCKET, Key=PHOTO, VersionId=old)  # a month later
    environment.delete_media(sqs_event(photo_event("ObjectRemoved:Delete", sequencer="09", version_id=old)))
    assert environment.outcomes == [("skipped", "object_exists")]
    current = copied["Records"][0]["s3"]["object"]["versionId"]
    assert [link["version_id"] for link in environment.links()] == [current]
    delete_photo()
    environment.delete_media(sqs_event(photo_event("ObjectRemoved:DeleteMarkerCreated", sequencer="10")))
    assert environment.deletion_calls == [MEDIA_ID]


def test_tags_of_current_version_keep_media(environment: Environment) -> None:
    enable_versioning()
    old = store_linked_photo(environment)["Records"][0]["s3"]["object"]["versionId"]
    AWS.s3.put_object(Bucket=BUCKET, Key=PHOTO, Body=b"another", Tagging=urlencode(LABELS))  # not indexed yet
    AWS.s3.delete_object(Bucket=BUCKET, Key=PHOTO, VersionId=old)
    environment.delete_media(sqs_event(photo_event("ObjectRemoved:Delete", sequencer="09", version_id=old)))
    assert environment.outcomes == [("skipped", "object_exists")]
    assert len(environment.links()) == 1


def test_object_replaced_while_tags_keep_media_is_retried(environment: Environment) -> None:
    enable_versioning()
    old = store_linked_photo(environment)["Records"][0]["s3"]["object"]["versionId"]
    new = AWS.s3.put_object(Bucket=BUCKET, Key=PHOTO, Body=b"another", Tagging=urlencode(LABELS))["VersionId"]
    environment.delete_media_clients.s3.meta.events.register(
        "before-call.s3.GetObjectTagging",
        lambda **_: AWS.s3.delete_object(Bucket=BUCKET, Key=PHOTO, VersionId=new) and None,
    )
    request = sqs_event(DELETION | {"version_id": old})
    assert failed_ids(environment.delete_media(request)) == ["message-0"]
    assert environment.outcomes == [("unavailable", "object_unknown")]


def test_noncurrent_version_keeps_its_link(environment: Environment) -> None:
    enable_versioning()
    for content in (b"first", b"second"):
        store_linked_photo(environment, content)  # with the same media file
    environment.delete_media(sqs_event(DELETION))
    assert environment.outcomes == [("skipped", "object_exists")]
    assert len(environment.links()) == 2


def test_dry_run_moves_no_link(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    store_linked_photo(environment, b"first")
    store_photo(b"second", whatsapp_media_id=MEDIA_ID, whatsapp_business_phone=PHONE)
    before = environment.links()
    with monkeypatch.context() as dry_run:
        dry_run.setenv("DRY_RUN", "true")
        delete_media_app._create_use_case.cache_clear()  # noqa: SLF001 (a cold start, with the setting)
        environment.delete_media(sqs_event(DELETION))
    assert environment.links() == before
    delete_media_app._create_use_case.cache_clear()  # noqa: SLF001 (as above)
    environment.delete_media(sqs_event(DELETION))
    assert [link["etag"] for link in environment.links()] != [link["etag"] for link in before]


def test_deletion_holds_after_an_outage_and_a_new_store(environment: Environment) -> None:
    store_photo()
    environment.index_media(sqs_event(LINK))
    delete_photo()
    environment.fake_nxcloud.misbehave(Fault("status", status=503))
    removed = sqs_event(photo_event("ObjectRemoved:Delete", sequencer="02"))
    assert failed_ids(environment.delete_media(removed)) == ["message-0"]
    store_photo(b"another")
    assert failed_ids(environment.delete_media(removed)) == []
    assert environment.deletion_calls == [MEDIA_ID]
    assert environment.links() == []


def test_refused_media_marks_its_link_until_linked_anew(environment: Environment) -> None:
    store_linked_photo(environment)
    delete_photo()
    environment.fake_nxcloud.misbehave(Fault("code", code=9002))
    environment.delete_media(sqs_event(DELETION))
    assert environment.outcomes == [("rejected", "refused_by_provider")]
    assert [link["refused"] for link in environment.links()] == ["yes"]
    store_linked_photo(environment)
    assert "refused" not in environment.links()[0]


def test_link_removed_before_its_refusal_stays_removed(environment: Environment) -> None:
    store_linked_photo(environment)
    delete_photo()
    item = AWS.dynamodb.scan(TableName=TABLE)["Items"][0]
    key = {name: item[name] for name in ("object", "link")}
    environment.delete_media_clients.dynamodb.meta.events.register(
        "before-call.dynamodb.UpdateItem", lambda **_: AWS.dynamodb.delete_item(TableName=TABLE, Key=key) and None
    )
    environment.fake_nxcloud.misbehave(Fault("code", code=9002))
    environment.delete_media(sqs_event(DELETION))
    assert environment.links() == []
    assert [line["message"] for line in environment.log_lines] == ["media_deletion"]


def test_refusal_that_cannot_be_marked_is_logged(environment: Environment) -> None:
    store_linked_photo(environment)
    delete_photo()
    inject_aws_error(environment.delete_media_clients.dynamodb, "UpdateItem", 400)
    environment.fake_nxcloud.misbehave(Fault("code", code=9002))
    environment.delete_media(sqs_event(DELETION))
    assert "link_not_marked" in [line["message"] for line in environment.log_lines]


@pytest.mark.parametrize("name", ["sqs-cloudtrail", "unknown"])
def test_unsupported_removal_names_the_events_to_send(environment: Environment, name: str) -> None:
    event = sample("sqs-cloudtrail")
    if name == "unknown":
        record = sample("s3-removed")["Records"][0] | {"eventName": "ObjectVanished:Deleted"}
        event = sqs_event({"Records": [record]})
    assert failed_ids(environment.delete_media(event)) == []
    assert environment.outcomes == [("rejected", "not_understood")]
    [(_, attributes)] = environment.dead_letters()
    assert (
        "ObjectRemoved and LifecycleExpiration notifications, or EventBridge's Object Deleted" in attributes["reason"]
    )
    environment.index_media(event)
    assert environment.outcomes == [("skipped", "not_a_store")]
