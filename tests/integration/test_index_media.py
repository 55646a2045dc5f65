"""Both functions and the index between them, in this process."""

import hashlib
import json
from typing import Any

import boto3
import pytest

from localdev.fake_nxcloud import Fault
from media_cleanup.errors import RequestsFailedError
from tests.conftest import MEDIA_ID, PHONE, sample
from tests.integration.conftest import BUCKET, MASKED, TABLE, World, failed, forbid, sqs

OTHER_ID = "a75c6d9b-a7c8-4f41-8f61-94548e92cbee"
PHOTO = "photos/house & garden.jpg"
LABELS = {"whatsapp-media-id": MEDIA_ID, "whatsapp-business-phone": PHONE}
LINK = {"bucket": BUCKET, "key": PHOTO, "business_phone": PHONE, "media_id": MEDIA_ID}
DELETION = {"bucket": BUCKET, "key": PHOTO}


def store(content: bytes = b"a picture", **labels: str) -> dict[str, Any]:
    """Stores the photo with this metadata (underscores for hyphens), and the event that S3 sends."""
    metadata = {name.replace("_", "-"): value for name, value in labels.items()}
    stored = boto3.client("s3").put_object(Bucket=BUCKET, Key=PHOTO, Body=content, Metadata=metadata)
    return event("ObjectCreated:Put", content, version_id=stored.get("VersionId"))


def event(name: str, content: bytes = b"a picture", *, sequencer: str = "01", **details: str | None) -> dict[str, Any]:
    """S3's notification of something that happened to the photo."""
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


def remove() -> None:
    boto3.client("s3").delete_object(Bucket=BUCKET, Key=PHOTO)


def versioned() -> None:
    boto3.client("s3").put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})


def labelled(world: World, **labels: str) -> dict[str, Any]:
    """The photo stored with a media in its metadata, and already linked."""
    stored = store(whatsapp_media_id=labels.get("media_id", MEDIA_ID), whatsapp_business_phone=PHONE)
    assert world.index(sqs(stored)) == {"batchItemFailures": []}
    return stored


def test_a_stored_object_is_linked_as_its_metadata_say(world: World) -> None:
    labelled(world)
    [line] = world.lines
    assert (line["message"], line["outcome"], line["trigger"]) == ("media_linking", "linked", "sqs")
    assert (line["media_id"], line["business_phone"], line["object_key"]) == (MEDIA_ID, MASKED, PHOTO)
    assert world.metrics["Linked"] == [1.0]
    etag = hashlib.md5(b"a picture", usedforsecurity=False).hexdigest()
    assert world.links() == [{"business_phone": PHONE, "media_id": MEDIA_ID, "etag": etag, "sequencer": "01"}]
    assert world.asked() == []


def test_a_deleted_object_takes_its_media_and_then_its_link_along(world: World) -> None:
    labelled(world)
    remove()
    assert failed(world.invoke(sqs(event("ObjectRemoved:Delete", sequencer="02")))) == []
    assert world.outcomes == [("deleted", None)]
    assert world.calls == [MEDIA_ID]
    assert world.links() == []


def test_an_object_without_metadata_costs_one_head_and_nothing_else(world: World) -> None:
    calls: list[str] = []
    for client in (world.index_aws.s3, world.index_aws.dynamodb, world.index_aws.sqs):
        client.meta.events.register("before-call", lambda model, **_: calls.append(model.name))
    world.index(sqs(store(other_label="7")))
    assert world.outcomes == [("skipped", "no_media")]
    assert calls == ["HeadObject"]


def test_several_media_of_an_object_do_not_hold_each_other_back(world: World) -> None:
    world.fake_nxcloud.provider.add_media(PHONE, OTHER_ID)
    labelled(world, media_id=f"{MEDIA_ID} {OTHER_ID}")
    assert world.outcomes == [("linked", None), ("linked", None)]
    remove()
    world.fake_nxcloud.misbehave(Fault("code", code=9001))
    removed = sqs(event("ObjectRemoved:Delete", sequencer="02"))
    assert failed(world.invoke(removed)) == ["message-0"]
    assert sorted(world.outcomes) == [("deleted", None), ("unavailable", "provider_failed")]
    assert len(world.links()) == 1  # not before the confirmation
    assert failed(world.invoke(removed)) == []
    assert world.links() == []
    assert not world.fake_nxcloud.provider.media


def test_one_bad_id_is_dead_lettered_and_the_others_are_linked(world: World) -> None:
    stored = store(whatsapp_media_id=f"{MEDIA_ID} {129 * 'x'}", whatsapp_business_phone=PHONE)
    assert failed(world.index(sqs(stored))) == []
    assert world.outcomes == [("linked", None), ("rejected", "not_understood")]
    [(_, attributes)] = world.dead_letters()
    assert attributes["reason"].startswith("not_understood: media_id must be")


def test_an_object_that_is_gone_by_then_is_no_error(world: World) -> None:
    stored = store(whatsapp_media_id=MEDIA_ID, whatsapp_business_phone=PHONE)
    remove()
    assert failed(world.index(sqs(stored))) == []
    assert world.outcomes == [("skipped", "gone_or_replaced")]
    assert (world.links(), world.asked()) == ([], [])


def test_a_later_store_is_not_mistaken_for_the_events(world: World) -> None:
    first = store(b"first", whatsapp_media_id=MEDIA_ID, whatsapp_business_phone=PHONE)
    second = store(b"second", whatsapp_media_id=OTHER_ID, whatsapp_business_phone=PHONE)
    world.index(sqs(first))
    assert world.outcomes == [("skipped", "gone_or_replaced")]
    world.index(sqs(second))
    assert [link["media_id"] for link in world.links()] == [OTHER_ID]


def test_of_several_versions_each_keeps_its_own_link(world: World) -> None:
    versioned()
    for _ in range(2):
        labelled(world)  # the same media and the same content
    assert len(world.links()) == 2
    assert len({link["version_id"] for link in world.links()}) == 2


def test_the_permanent_deletion_of_an_old_version_takes_that_versions_media_alone(world: World) -> None:
    versioned()
    old = labelled(world)
    labelled(world, media_id=OTHER_ID)
    version_id = old["Records"][0]["s3"]["object"]["versionId"]
    boto3.client("s3").delete_object(Bucket=BUCKET, Key=PHOTO, VersionId=version_id)
    world.invoke(sqs(event("ObjectRemoved:Delete", sequencer="09", version_id=version_id)))
    assert world.calls == [MEDIA_ID]
    assert [link["media_id"] for link in world.links()] == [OTHER_ID]


def test_an_undeleted_object_keeps_its_media(world: World) -> None:
    versioned()
    labelled(world)
    marker = boto3.client("s3").delete_object(Bucket=BUCKET, Key=PHOTO)
    boto3.client("s3").delete_object(Bucket=BUCKET, Key=PHOTO, VersionId=marker["VersionId"])
    for name in ("ObjectRemoved:DeleteMarkerCreated", "ObjectRemoved:Delete"):
        world.invoke(sqs(event(name, sequencer="02", version_id=marker["VersionId"])))
        assert world.outcomes == [("skipped", "object_exists")]
    assert world.calls == []


def test_tags_link_too_and_need_not_come_with_a_sequencer(world: World) -> None:
    store()
    boto3.client("s3").put_object_tagging(
        Bucket=BUCKET, Key=PHOTO, Tagging={"TagSet": [{"Key": name, "Value": value} for name, value in LABELS.items()]}
    )
    tagged = event("ObjectTagging:Put", sequencer="")
    world.index(sqs(tagged))
    assert world.outcomes == [("linked", None)]
    assert "sequencer" not in world.links()[0]
    remove()
    world.invoke(sqs(event("ObjectRemoved:Delete", sequencer="02")))
    assert world.calls == [MEDIA_ID]


def test_a_link_message_links_the_object_as_it_is(world: World) -> None:
    store()
    world.index(sqs(LINK))
    assert world.outcomes == [("linked", None)]
    remove()
    world.invoke(sqs(event("ObjectRemoved:Delete", sequencer="02")))
    assert world.calls == [MEDIA_ID]


@pytest.mark.parametrize("version_id", [None, "some-version"])
def test_a_deletion_that_overtook_the_link_is_asked_for_again(world: World, version_id: str | None) -> None:
    if version_id:
        versioned()
        version_id = boto3.client("s3").put_object(Bucket=BUCKET, Key=PHOTO, Body=b"x")["VersionId"]
        boto3.client("s3").delete_object(Bucket=BUCKET, Key=PHOTO, VersionId=version_id)
    link = LINK | ({"version_id": version_id} if version_id else {})
    assert failed(world.index(sqs(link))) == []
    assert world.outcomes == [("linked", None)]
    [request] = world.asked()
    assert request == DELETION
    world.invoke(sqs(request))
    assert world.calls == [MEDIA_ID]
    assert world.links() == []


def test_a_version_that_is_gone_under_a_living_object_is_asked_for_by_its_name(world: World) -> None:
    versioned()
    old = store(b"old")["Records"][0]["s3"]["object"]["versionId"]
    boto3.client("s3").delete_object(Bucket=BUCKET, Key=PHOTO, VersionId=old)
    store(b"new")
    world.index(sqs(LINK | {"version_id": old}))
    [request] = world.asked()
    assert request == DELETION | {"version_id": old}
    world.invoke(sqs(request))
    assert world.calls == [MEDIA_ID]


def test_a_link_whose_second_look_failed_is_looked_at_again(world: World) -> None:
    stored = store(whatsapp_media_id=MEDIA_ID, whatsapp_business_phone=PHONE)
    looks = iter([200, 500])

    def answer(**_: object) -> Any:  # noqa: ANN401 (what botocore takes for the answer)
        return forbidden(500) if next(looks, 200) == 500 else None

    world.index_aws.s3.meta.events.register("before-call.s3.HeadObject", answer)
    assert failed(world.index(sqs(stored))) == ["message-0"]
    assert world.outcomes == [("unavailable", "object_unknown")]
    remove()
    assert failed(world.index(sqs(stored))) == []
    assert world.asked() == [DELETION]


def forbidden(status: int) -> tuple[Any, dict[str, Any]]:
    """An error of AWS, as botocore has it."""

    class Answer:
        status_code = status

    return Answer(), {"Error": {"Code": "Refused"}, "ResponseMetadata": {"HTTPStatusCode": status}}


@pytest.mark.parametrize(
    ("client", "operation", "reason"),
    [
        ("s3", "HeadObject", "object_unknown: S3 answered 403 to HeadObject"),
        ("dynamodb", "UpdateItem", f"index_unreachable: DynamoDB answered Refused for the table {TABLE}"),
    ],
)
def test_what_aws_does_not_do_comes_again(world: World, client: str, operation: str, reason: str) -> None:
    stored = store(whatsapp_media_id=MEDIA_ID, whatsapp_business_phone=PHONE)
    forbid(getattr(world.index_aws, client), operation, 403)
    assert failed(world.index(sqs(stored))) == ["message-0"]
    assert world.lines[0]["reason"].startswith(reason)
    assert world.metrics["LinkUnavailable"] == [1.0]


def test_a_deletion_queue_that_takes_nothing_lets_the_link_come_again(world: World) -> None:
    boto3.client("sqs").delete_queue(QueueUrl=world.deletion_queue_url)
    assert failed(world.index(sqs(LINK))) == ["message-0"]
    assert world.outcomes == [("unavailable", "deletion_not_asked")]


def test_an_index_that_cannot_be_read_lets_the_deletion_come_again(world: World) -> None:
    forbid(world.aws.dynamodb, "Query", 400)
    assert failed(world.invoke(sqs(DELETION))) == ["message-0"]
    assert world.outcomes == [("unavailable", "index_unreachable")]


def test_a_link_that_cannot_be_removed_does_not_undo_the_deletion(world: World) -> None:
    labelled(world)
    remove()
    forbid(world.aws.dynamodb, "DeleteItem", 400)
    assert failed(world.invoke(sqs(DELETION))) == []
    assert [line["message"] for line in world.lines] == ["link_not_removed", "media_deletion"]


def test_an_item_that_makes_no_sense_is_reported_and_harms_nobody(world: World) -> None:
    labelled(world)
    item = {"object": {"S": f"{BUCKET}/{PHOTO}"}, "link": {"S": "by hand"}, "media_id": {"N": "7"}}
    boto3.client("dynamodb").put_item(TableName=TABLE, Item=item)
    remove()
    assert failed(world.invoke(sqs(DELETION))) == []
    assert [line["message"] for line in world.lines] == ["index_item_invalid", "media_deletion"]
    assert world.lines[0]["link"] == "by hand"
    assert world.calls == [MEDIA_ID]


def test_a_media_that_the_living_object_names_stays(world: World) -> None:
    labelled(world)
    remove()
    store(b"again", **{name.replace("-", "_"): value for name, value in LABELS.items()})
    world.invoke(sqs(event("ObjectRemoved:Delete", sequencer="02")))
    assert world.outcomes == [("skipped", "object_exists")]
    assert world.calls == []


def test_what_a_new_store_replaced_goes_with_the_old_deletion(world: World) -> None:
    labelled(world)
    remove()
    store(b"another")
    world.invoke(sqs(event("ObjectRemoved:Delete", sequencer="02")))
    assert world.calls == [MEDIA_ID]


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
def test_what_the_index_function_has_no_use_for(world: World, message: object, outcome: tuple[str, str]) -> None:
    assert failed(world.index(sqs(message))) == []
    assert world.outcomes == [outcome]
    assert len(world.dead_letters()) == (outcome[0] == "rejected")


def test_the_prefix_narrows_what_is_linked(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OBJECT_KEY_PREFIX", "offers/")
    world.index(sqs(store(whatsapp_media_id=MEDIA_ID, whatsapp_business_phone=PHONE), LINK))
    assert world.outcomes == [("skipped", "outside_prefix"), ("rejected", "not_understood")]
    assert world.links() == []


def test_without_a_queue_the_index_function_answers_or_raises(world: World) -> None:
    [result] = world.index(store(whatsapp_media_id=MEDIA_ID, whatsapp_business_phone=PHONE))["results"]
    assert (result["outcome"], result["trigger"]) == ("linked", "s3")
    with pytest.raises(RequestsFailedError, match="1 of 1 requests failed: rejected"):
        world.index({"please": "link"})


def test_a_link_message_on_the_deletion_queue_is_rejected(world: World) -> None:
    assert failed(world.invoke(sqs(LINK))) == []
    [(body, attributes)] = world.dead_letters()
    assert json.loads(body) == LINK
    assert "send it to the index queue" in attributes["reason"]
    assert world.calls == []
