"""Requests parsed from events and messages, in all their envelopes."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_cleanup.errors import MalformedError
from media_cleanup.model import Media, S3Object
from media_cleanup.outcome import Reason
from media_cleanup.request import Ignored, LinkRequest, Malformed, ObjectEvent, ObjectEventType, Origin, Request
from media_cleanup.triggers.parsing import detect_trigger, parse_batch_tasks, parse_body, parse_payload
from tests.conftest import EVENTS, MEDIA_ID, PHONE, sample

BUCKET = "example-bucket"
KEY = f"{PHONE}/{MEDIA_ID}.jpg"
FILE = S3Object(BUCKET, KEY)
MEDIA = Media(PHONE, MEDIA_ID)
SECOND_ID = "0b54f2c0-6f5b-4d2f-9a52-2b1d0f6f0d11"
THIRD_KEY = f"{PHONE}/5c9e9e0e-3d0c-4a55-8f0a-7a1f3b8c2d42.jpg"
OCCURRED_MS = 1768469213589  # 2026-01-15T09:26:53.589Z
OCCURRED_S_MS = 1768469213000  # EventBridge gives whole seconds


def parse(event: Any) -> list[Request]:  # noqa: ANN401 (any JSON)
    """The requests of an event; those of its messages where it is an SQS event."""
    if detect_trigger(event) == "sqs":
        return [request for record in event["Records"] for request in parse_body(record["body"], None)]
    return parse_payload(event, None)


def parse_object_event(event: Any) -> ObjectEvent:  # noqa: ANN401 (any JSON)
    """The first request of an event, which must be an object event."""
    action = parse(event)[0].action
    assert isinstance(action, ObjectEvent)
    return action


@pytest.mark.parametrize("path", sorted(EVENTS.glob("*.json")), ids=lambda path: path.stem)
def test_sample_name_begins_with_trigger(path: Path) -> None:
    assert detect_trigger(json.loads(path.read_text())) == path.stem.partition("-")[0]


REQUESTED = ObjectEvent(ObjectEventType.REQUESTED, "request", FILE)
REMOVED = ObjectEvent(ObjectEventType.REMOVED, "ObjectRemoved:Delete", FILE, sequencer="0068796A6D2A1B3C4D")
REMOVED_BY_EVENTBRIDGE = replace(REMOVED, name="Object Deleted")
ETAG = "0123456789abcdef0123456789abcdef"
DELETE_MARKER = replace(
    REMOVED,
    name="ObjectRemoved:DeleteMarkerCreated",
    etag="d41d8cd98f00b204e9800998ecf8427e",
    sequencer="0068796A6D2A1B3C51",
)
CREATED = ObjectEvent(ObjectEventType.CREATED, "ObjectCreated:Put", FILE, ETAG, "0068796A6D2A1B3C40")
TAGGED = ObjectEvent(ObjectEventType.TAGGED, "ObjectTagging:Put", FILE, ETAG)


@pytest.mark.parametrize(
    ("name", "actions"),
    [
        ("direct-media", [MEDIA]),
        ("direct-object", [REQUESTED]),
        (
            "sqs-messages",
            [MEDIA, replace(MEDIA, media_id=SECOND_ID), replace(REQUESTED, obj=replace(FILE, key=THIRD_KEY))],
        ),
        ("sqs-s3-removed", [REMOVED]),
        ("sqs-s3-test-event", [Ignored(Reason.TEST_EVENT)]),
        ("sqs-eventbridge", [REMOVED_BY_EVENTBRIDGE]),
        ("sqs-sns-s3", [REMOVED]),
        ("sqs-sns-raw-s3", [REMOVED]),
        ("sqs-failure-destination", [REMOVED]),
        ("sqs-failure-bus", [REMOVED_BY_EVENTBRIDGE]),
        ("sqs-not-understood", [Malformed("the body is not JSON")]),
        ("s3-removed", [REMOVED]),
        ("s3-delete-marker", [DELETE_MARKER]),  # the version in its event is the delete marker's own
        ("s3-created", [CREATED]),
        ("s3-tagged", [TAGGED]),
        ("eventbridge-deleted", [REMOVED_BY_EVENTBRIDGE]),
        ("sns-s3", [REMOVED]),
    ],
)
def test_sample_is_parsed_to_actions(name: str, actions: list[object]) -> None:
    assert [request.action for request in parse(sample(name))] == actions


def test_event_time_is_kept() -> None:
    assert [request.occurred_ms for request in parse(sample("sqs-sns-s3"))] == [OCCURRED_MS]
    assert [request.occurred_ms for request in parse(sample("eventbridge-deleted"))] == [OCCURRED_S_MS]
    assert [request.occurred_ms for request in parse(sample("direct-object"))] == [None]


@pytest.mark.parametrize(
    "time", ["yesterday", "", None, 7, "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00", "0001-01-01"]
)
def test_event_time_invalid_leaves_the_request(time: object) -> None:
    event = sample("s3-removed")
    event["Records"][0]["eventTime"] = time
    assert parse(event) == [Request(REMOVED, origin=Origin(requester="AWS:AIDAEXAMPLEPRINCIPAL"))]


def test_key_is_form_decoded_in_notifications_only() -> None:
    expected = f"menus & prices/100%+tax/{PHONE}/{MEDIA_ID}.pdf"
    notification, eventbridge = sample("sqs-s3-several-records"), sample("eventbridge-lifecycle")
    objects = [event.obj for event in map(parse_object_event, (notification, eventbridge))]
    assert [obj and obj.key for obj in objects] == [expected] * 2


def test_record_among_several_has_a_separate_message() -> None:
    body = sample("sqs-s3-several-records")["Records"][0]["body"]
    requests = parse_body(body, None)
    assert [request.message for request in requests] == [
        {"Records": [record]} for record in json.loads(body)["Records"]
    ]
    for request in requests:
        assert parse_payload(request.message, None) == [
            Request(request.action, request.occurred_ms, origin=request.origin)  # parsed alone, it is the whole message
        ]


def test_malformed_record_leaves_the_other_records() -> None:
    event = sample("s3-removed")
    event["Records"] += ["nonsense", {}, event["Records"][0]]
    actions = [request.action for request in parse_payload(event, None)]
    assert actions[0] == actions[3] == REMOVED
    assert isinstance(actions[1], Malformed)
    assert isinstance(actions[2], Malformed)


@pytest.mark.parametrize(
    "name",
    [
        "ObjectRemoved:Delete",
        "ObjectRemoved:DeleteMarkerCreated",
        "LifecycleExpiration:Delete",
        "LifecycleExpiration:DeleteMarkerCreated",
        "s3:ObjectRemoved:Delete",
    ],
)
def test_deletion_and_lifecycle_events_are_removals(name: str) -> None:
    event = sample("s3-removed")
    event["Records"][0]["eventName"] = name
    assert parse_object_event(event) == replace(REMOVED, name=name)


@pytest.mark.parametrize(
    "name",
    [
        "ObjectTagging:Delete",
        "ObjectAcl:Put",
        "ObjectRestore:Completed",
        "ObjectRestore:Delete",  # the end of a restored copy; the object itself stays
        "LifecycleTransition",
        "IntelligentTiering",
        "ReducedRedundancyLostObject",
        "Replication:OperationFailedReplication",
    ],
)
def test_other_s3_event_has_an_unknown_type(name: str) -> None:
    event = sample("s3-removed")
    event["Records"][0]["eventName"] = name
    assert parse_object_event(event) == replace(REMOVED, type=ObjectEventType.UNKNOWN, name=name)


@pytest.mark.parametrize("name", ["SomethingNew:Deleted", "ObjectExpired:ByRule", "s3:ObjectsRemovedInBulk"])
def test_unknown_event_named_like_a_deletion_is_unsupported(name: str) -> None:
    event = sample("s3-removed")
    event["Records"][0]["eventName"] = name
    assert parse_object_event(event) == replace(REMOVED, type=ObjectEventType.UNSUPPORTED_REMOVAL, name=name)


@pytest.mark.parametrize(
    ("name", "event_type"),
    [
        ("DeleteObject", ObjectEventType.UNSUPPORTED_REMOVAL),
        ("DeleteObjects", ObjectEventType.UNSUPPORTED_REMOVAL),
        ("DeleteObjectTagging", ObjectEventType.UNKNOWN),
        ("DeleteBucketPolicy", ObjectEventType.UNKNOWN),
        ("PutObject", ObjectEventType.UNKNOWN),
        (None, ObjectEventType.UNKNOWN),
        (["DeleteObject"], ObjectEventType.UNKNOWN),
    ],
)
def test_cloudtrail_record_of_a_deletion_is_unsupported(name: object, event_type: ObjectEventType) -> None:
    event = json.loads(sample("sqs-cloudtrail")["Records"][0]["body"])
    event["detail"]["eventName"] = name
    expected = ObjectEvent(event_type, f"{name} in an AWS API Call via CloudTrail", None)
    assert parse_object_event(event) == expected
    assert parse_payload({"Type": "Notification", "Message": json.dumps(event)}, None)[0].action == expected


def test_unknown_event_is_no_cloudtrail_record() -> None:
    event = parse_object_event(sample("eventbridge-deleted") | {"detail-type": "A new event"})
    assert (event.type, event.name) == (ObjectEventType.UNKNOWN, "A new event")


@pytest.mark.parametrize(
    ("payload", "error"),
    [
        (
            {"EventName": "s3:ObjectRemoved:Delete", "Key": "a/b", "Records": [{"eventSource": "minio:s3"}]},
            "an event of MinIO; only events of Amazon S3 are supported",
        ),
        ({"Records": [{"eventSource": "minio:s3"}]}, "an event of MinIO; only events of Amazon S3 are supported"),
        ({"Records": [{"eventSource": "ceph:s3"}]}, "an event of Ceph; only events of Amazon S3 are supported"),
        (
            {"account": "1", "action": "DeleteObject", "bucket": "b", "object": {"key": "k"}, "eventTime": "now"},
            "an event of Cloudflare R2; only events of Amazon S3 are supported",
        ),
        (
            ["software.amazon.payloadoffloading.PayloadS3Pointer", {"s3BucketName": "b", "s3Key": "k"}],
            "a pointer of the Amazon SQS Extended Client Library; send the message itself",
        ),
        (
            ["com.amazon.sqs.javamessaging.MessageS3Pointer", {"s3BucketName": "b", "s3Key": "k"}],
            "a pointer of the Amazon SQS Extended Client Library; send the message itself",
        ),
        ([{"media_id": MEDIA_ID}], "a JSON list; send one message for each of its items"),
        (json.dumps({"media_id": MEDIA_ID}), "JSON text inside JSON text; encode the message once"),
        (7, "JSON of the type int; a message is a JSON object"),
        (None, "JSON of the type NoneType; a message is a JSON object"),
    ],
)
def test_foreign_envelope_is_named(payload: object, error: str) -> None:
    assert parse_body(json.dumps(payload), None) == [Request(Malformed(error))]


def test_each_part_of_foreign_records_is_named() -> None:
    requests = parse_payload({"Records": [{"eventSource": "minio:s3"}] * 2}, None)
    assert {request.action for request in requests} == {
        Malformed("an event of MinIO; only events of Amazon S3 are supported")
    }


@pytest.mark.parametrize(
    ("name", "event_type"),
    [
        ("Object Created", ObjectEventType.CREATED),
        ("Object Tags Added", ObjectEventType.TAGGED),
        ("Object Tags Deleted", ObjectEventType.UNKNOWN),
        ("Object Restore Expired", ObjectEventType.UNKNOWN),
        ("Object Storage Class Changed", ObjectEventType.UNKNOWN),
    ],
)
def test_eventbridge_event_name_maps_to_type(name: str, event_type: ObjectEventType) -> None:
    event = sample("eventbridge-deleted") | {"detail-type": name}
    assert parse_object_event(event) == replace(REMOVED, type=event_type, name=name)


@pytest.mark.parametrize("kind", ["Put", "Post", "Copy", "CompleteMultipartUpload"])
def test_created_event_of_each_kind_is_a_store(kind: str) -> None:
    event = sample("s3-created")
    event["Records"][0]["eventName"] = f"ObjectCreated:{kind}"
    assert parse_object_event(event) == replace(CREATED, name=f"ObjectCreated:{kind}")


@pytest.mark.parametrize("version", ["", None])
def test_event_version_absent_or_empty_is_none(version: str | None) -> None:
    event = sample("s3-created")
    event["Records"][0]["s3"]["object"]["versionId"] = version
    assert parse_object_event(event) == CREATED


def test_event_version_null_is_kept_as_a_name() -> None:
    event = sample("s3-created")
    event["Records"][0]["s3"]["object"]["versionId"] = "null"
    assert parse_object_event(event).obj == replace(FILE, version_id="null")


def test_eventbridge_deletion_has_a_version_if_permanent() -> None:
    event = sample("eventbridge-deleted")
    event["detail"]["object"]["version-id"] = "some-version"
    event["detail"]["deletion-type"] = "Permanently Deleted"
    assert parse_object_event(event).obj == S3Object(BUCKET, KEY, "some-version")
    event["detail"]["deletion-type"] = "Delete Marker Created"
    assert parse_object_event(event).obj == FILE


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("ObjectRemoved:Delete", "some-version"),
        ("ObjectRemoved:DeleteMarkerCreated", None),
        ("LifecycleExpiration:Delete", "some-version"),
        ("LifecycleExpiration:DeleteMarkerCreated", None),
        ("ObjectCreated:Put", "some-version"),
    ],
)
def test_notification_has_a_version_unless_delete_marker(name: str, version: str | None) -> None:
    event = sample("s3-removed")
    event["Records"][0]["eventName"] = name
    event["Records"][0]["s3"]["object"]["versionId"] = "some-version"
    assert parse_object_event(event).obj == S3Object(BUCKET, KEY, version)


@pytest.mark.parametrize("kind", ["", None, "Deleted", "Another Marker Created"])
def test_eventbridge_deletion_of_unknown_type_is_permanent(kind: str | None) -> None:
    event = sample("eventbridge-deleted")
    event["detail"]["object"]["version-id"] = "some-version"
    event["detail"]["deletion-type"] = kind
    assert parse_object_event(event).obj == S3Object(BUCKET, KEY, "some-version")


@pytest.mark.parametrize("detail", ["", " ", "a b", "ü", 7, None, ["0"], "0" * 300])
def test_sequencer_and_etag_invalid_are_none(detail: object) -> None:
    event = sample("s3-created")
    event["Records"][0]["s3"]["object"] |= {"sequencer": detail, "eTag": detail}
    assert parse_object_event(event) == replace(CREATED, etag=None, sequencer=None)


def test_unknown_event_without_object_is_accepted() -> None:
    event = sample("s3-removed")
    event["Records"][0] |= {"eventName": "ObjectRestore:Completed", "s3": None}
    assert parse_object_event(event) == ObjectEvent(ObjectEventType.UNKNOWN, "ObjectRestore:Completed", None)


def test_created_event_without_object_is_accepted() -> None:
    event = sample("s3-created")
    event["Records"][0]["s3"] = None
    assert parse_object_event(event) == replace(CREATED, obj=None, etag=None, sequencer=None)


@pytest.mark.parametrize("version", ["2.0", "2.1", "2.6", "2.99", None])
def test_event_of_any_minor_version_is_accepted(version: str | None) -> None:
    event = sample("s3-removed")
    event["Records"][0]["eventVersion"] = version
    if version is None:
        del event["Records"][0]["eventVersion"]
    assert parse_object_event(event) == REMOVED


@pytest.mark.parametrize("version", ["3.0", "1.0", "10.2"])
def test_event_of_another_major_version_is_malformed(version: str) -> None:
    event = sample("s3-removed")
    event["Records"][0]["eventVersion"] = version
    assert parse(event)[0].action == Malformed(f"an S3 event of version {version}; version 2 is understood")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"eventName": None}, "eventName"),
        ({"s3": None}, "bucket"),
        ({"s3": {"bucket": {"name": BUCKET}, "object": {}}}, "key"),
        ({"s3": {"bucket": {"name": BUCKET}, "object": {"key": "%FF"}}}, "key"),
        ({"s3": {"bucket": {"name": BUCKET}, "object": {"key": 7}}}, "key"),
    ],
)
def test_deletion_without_object_is_malformed(change: dict[str, Any], error: str) -> None:
    event = sample("s3-removed")
    event["Records"][0] |= change
    action = parse(event)[0].action
    assert isinstance(action, Malformed)
    assert error in action.detail


def test_event_of_unversioned_bucket_may_have_empty_fields() -> None:
    event = sample("s3-removed")
    event["Records"][0]["s3"]["object"] |= {"versionId": "", "eTag": "", "size": ""}
    assert parse_object_event(event) == REMOVED


FIELDS_OF_ENVELOPES: list[dict[str, object]] = [
    {"Records": []},
    {"Records": [{}, {}]},
    {"requestPayload": {"why": "withdrawn"}},
    {"source": "lambda", "detail": {"requestPayload": None}},
    {"Type": "Notification", "Message": "withdrawn"},
]


@pytest.mark.parametrize("fields", FIELDS_OF_ENVELOPES)
def test_object_message_ignores_fields_of_envelopes(fields: dict[str, object]) -> None:
    [request] = parse_payload({"bucket": BUCKET, "key": KEY} | fields, None)
    assert request == Request(ObjectEvent(ObjectEventType.REQUESTED, "request", FILE))


@pytest.mark.parametrize(
    "message",
    [
        {"business_phone": PHONE, "media_id": MEDIA_ID, "note": "withdrawn", "priority": 7},
        {"business_phone": "+" + PHONE, "Media-ID": MEDIA_ID, "messaging_product": "whatsapp"},
        {"business_phone": PHONE, "Media-ID": MEDIA_ID, "media_id": MEDIA_ID},
        *({"business_phone": PHONE, "media_id": MEDIA_ID} | fields for fields in FIELDS_OF_ENVELOPES),
    ],
)
def test_media_message_in_both_spellings_is_parsed(message: object) -> None:
    assert parse_payload(message, None) == [Request(MEDIA)]


def test_message_with_media_and_object_is_a_link_request() -> None:
    message = {"bucket": BUCKET, "key": KEY, "business_phone": PHONE, "media_id": MEDIA_ID}
    assert parse_payload(message, None) == [Request(LinkRequest(FILE, MEDIA))]
    versioned = S3Object(BUCKET, KEY, "some-version")
    request = Request(LinkRequest(versioned, MEDIA), origin=Origin("some-version"))
    assert parse_payload(message | {"version_id": "some-version"}, None) == [request]


def test_media_message_without_phone_uses_the_default() -> None:
    assert parse_payload({"media_id": MEDIA_ID}, PHONE) == [Request(MEDIA)]
    [request] = parse_payload({"business_phone": None, "media_id": MEDIA_ID}, PHONE)  # not left out, but lost
    assert isinstance(request.action, Malformed)


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ({"media_id": MEDIA_ID}, "business_phone is missing, and DEFAULT_BUSINESS_PHONE is not set"),
        ({"business_phone": PHONE, "media_id": 7}, "media_id must be"),
        ({"business_phone": int(PHONE), "media_id": MEDIA_ID}, "business_phone must be text, not JSON of the type int"),
        ({"business_phone": "", "media_id": MEDIA_ID}, "business_phone must be"),
        ({"business_phone": None, "media_id": MEDIA_ID}, "business_phone must be text, not JSON of the type NoneType"),
        ({"business_phone": PHONE, "media_id": float("nan")}, "media_id must be text, not JSON of the type float"),
        ({"business_phone": PHONE, "media_id": MEDIA_ID, "Media-ID": "other"}, "differ"),
        ({"business_phone": PHONE, "media_id": "other", "Media-ID": MEDIA_ID}, "differ"),
        ({"bucket": BUCKET, "business_phone": PHONE, "media_id": MEDIA_ID}, "key must be"),
        ({"key": KEY, "business_phone": PHONE, "media_id": MEDIA_ID}, "bucket name must be"),
        ({"bucket": BUCKET, "key": ""}, "key must be"),
        ({"bucket": BUCKET}, "neither a media"),
        ({"business_phone": PHONE}, "neither a media"),
        ({"Records": "all of them"}, "neither a media"),
        ({"Records": [{"eventSource": "aws:sqs", "body": "{}"}]}, "neither a media"),
        ({"source": "aws.ec2", "detail-type": "Object Deleted", "detail": {}}, "neither a media"),
        ({"Type": "Notification", "Message": {"media_id": MEDIA_ID}}, "not text"),
    ],
)
def test_malformed_message_names_the_error(message: object, error: str) -> None:
    [request] = parse_payload(message, None)
    assert isinstance(request.action, Malformed)
    assert error in request.action.detail


@pytest.mark.parametrize("body", [None, "", "{", "\x00", "[" * 200_000, "9" * 5_000, '"\ud800"', 7])
def test_body_other_than_json_is_malformed(body: object) -> None:
    [request] = parse_body(body, None)
    assert isinstance(request.action, Malformed)


@pytest.mark.parametrize(
    "body",
    [
        f'{{"business_phone": "{PHONE}", "media_id": "another", "media_id": "{MEDIA_ID}"}}',
        f'{{"bucket": "{BUCKET}", "key": "another", "key": "{KEY}"}}',
        '{"requestPayload": {"Records": [], "Records": []}}',
    ],
)
def test_body_with_a_name_twice_is_malformed(body: str) -> None:
    assert parse_body(body, None) == [Request(Malformed("the body is JSON that has a name twice in one object"))]


def test_body_with_many_names_is_parsed() -> None:
    message = {"business_phone": PHONE, "media_id": MEDIA_ID} | {f"note-{number}": number for number in range(1000)}
    assert parse_body(json.dumps(message), None) == [Request(MEDIA)]


def test_media_ids_that_differ_are_malformed_with_the_default_phone() -> None:
    [request] = parse_payload({"media_id": MEDIA_ID, "Media-ID": "other"}, PHONE)
    assert isinstance(request.action, Malformed)


def test_event_without_records_is_ignored() -> None:
    assert parse_payload({"Records": []}, None) == [Request(Ignored(Reason.EMPTY))]


def test_envelopes_may_nest_up_to_a_limit() -> None:
    message: dict[str, Any] = {"business_phone": PHONE, "media_id": MEDIA_ID}
    for _ in range(7):  # and the message itself
        message = {"requestPayload": message}
    assert parse_payload(message, None) == [Request(MEDIA)]
    [request] = parse_payload({"requestPayload": message}, None)
    assert isinstance(request.action, Malformed)


DELETED_BY_PRINCIPAL = Origin(requester="AWS:AIDAEXAMPLEPRINCIPAL")
DELETED_BY_ACCOUNT = Origin(requester="123456789012", deletion_reason="DeleteObject")


@pytest.mark.parametrize(
    ("name", "origins"),
    [
        ("sqs-s3-removed", [DELETED_BY_PRINCIPAL]),  # a notification names no reason
        ("sqs-sns-s3", [DELETED_BY_PRINCIPAL]),
        ("sqs-failure-destination", [DELETED_BY_PRINCIPAL]),
        ("s3-lifecycle-expiration", [Origin(None, "s3.amazonaws.com", "Lifecycle Expiration")]),
        ("s3-delete-marker", [replace(DELETED_BY_PRINCIPAL, version_id="096fKKXTRTtl3on89fVO.nfljtsv6qko")]),
        ("eventbridge-deleted", [DELETED_BY_ACCOUNT]),
        ("sqs-failure-bus", [DELETED_BY_ACCOUNT]),
        (
            "eventbridge-lifecycle",
            [Origin("WDKyrWSfzMfqfpZTzTUgDPVQzKO8TPzC", "s3.amazonaws.com", "Lifecycle Expiration")],
        ),
        ("index/eventbridge-created", [Origin(requester="123456789012")]),  # its reason is that of a store
        ("sqs-messages", [Origin(requested_by="privacy-desk"), Origin(), Origin(requested_by="ticket 4711")]),
        ("sqs-s3-test-event", [Origin()]),
    ],
)
def test_sample_names_its_origin(name: str, origins: list[Origin]) -> None:
    assert [request.origin for request in parse(sample(name))] == origins


@pytest.mark.parametrize("detail_type", ["Object Created", "Object Tags Added", "Object Tags Deleted"])
def test_reason_of_an_event_other_than_a_deletion_is_ignored(detail_type: str) -> None:
    event = sample("eventbridge-deleted") | {"detail-type": detail_type}
    assert [request.origin for request in parse(event)] == [Origin(requester="123456789012")]


@pytest.mark.parametrize("name", ["IntelligentTiering", "LifecycleTransition", "ObjectRemoved:Delete"])
def test_notification_other_than_an_expiration_names_no_reason(name: str) -> None:
    event = sample("s3-removed")
    event["Records"][0]["eventName"] = name
    assert [request.origin for request in parse(event)] == [DELETED_BY_PRINCIPAL]


@pytest.mark.parametrize("value", [None, "", 7, ["a"], {"a": "b"}, True])
def test_origin_of_another_type_is_ignored(value: object) -> None:
    message = {"bucket": BUCKET, "key": KEY, "requested_by": value}
    assert parse_payload(message, None) == [Request(REQUESTED)]
    event = sample("eventbridge-deleted")
    event["detail"] |= {"requester": value, "reason": value}
    assert parse(event) == [Request(REMOVED_BY_EVENTBRIDGE, OCCURRED_S_MS)]
    event = sample("s3-removed")
    for user_identity in (value, {"principalId": value}, {}):
        event["Records"][0]["userIdentity"] = user_identity
        assert parse(event) == [Request(REMOVED, OCCURRED_MS)]


def test_origin_is_cut_to_a_length() -> None:
    [request] = parse_payload({"bucket": BUCKET, "key": KEY, "requested_by": "x" * 257, "version_id": "v" * 1024}, None)
    assert request.origin == Origin("v" * 1024, requested_by="x" * 256)
    [request] = parse_payload({"bucket": BUCKET, "key": KEY, "version_id": "v" * 1025}, None)
    assert isinstance(request.action, Malformed)
    assert request.origin == Origin("v" * 1024)


def test_malformed_message_keeps_its_origin() -> None:
    [request] = parse_payload({"media_id": 7, "business_phone": PHONE, "requested_by": "privacy-desk"}, None)
    assert isinstance(request.action, Malformed)
    assert request.origin == Origin(requested_by="privacy-desk")


def test_link_message_has_an_origin() -> None:
    message = {"bucket": BUCKET, "key": KEY, "business_phone": PHONE, "media_id": MEDIA_ID, "requested_by": "uploader"}
    [request] = parse_payload(message | {"version_id": "v1"}, None)
    assert request.origin == Origin("v1", requested_by="uploader")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text()
            | st.sampled_from(
                [
                    "Records",
                    "eventSource",
                    "EventSource",
                    "Sns",
                    "Message",
                    "Type",
                    "s3",
                    "bucket",
                    "object",
                    "key",
                    "name",
                    "detail",
                    "detail-type",
                    "source",
                    "requestPayload",
                    "media_id",
                    "business_phone",
                    "eventName",
                    "Event",
                ]
            ),
            inner | st.sampled_from(["aws:s3", "aws:sns", "aws.s3", "Notification", "ObjectRemoved:Delete", "2.1"]),
            max_size=5,
        )
    ),
    max_leaves=30,
)


@given(JSON)
def test_any_json_is_parsed_without_an_error(payload: object) -> None:
    assert parse_payload(payload, PHONE)
    assert parse_body(json.dumps(payload), None)
    detect_trigger(payload)


JOB = sample("index/s3-batch-job")
TASK = {"taskId": "1", "s3Bucket": BUCKET, "s3Key": KEY, "s3VersionId": None}


def test_batch_tasks_are_requests_by_task_id() -> None:
    assert detect_trigger(JOB) == "s3_batch"
    assert list(parse_batch_tasks(JOB).values()) == [
        Request(ObjectEvent(ObjectEventType.REQUESTED, "task", S3Object(BUCKET, f"photos/{name}.jpg")))
        for name in ("house", "tagged")
    ]
    assert list(parse_batch_tasks(JOB)) == [task["taskId"] for task in JOB["tasks"]]


@pytest.mark.parametrize(
    ("fields", "obj"),
    [
        ({}, FILE),
        ({"s3VersionId": "null"}, replace(FILE, version_id="null")),
        ({"s3VersionId": "v1"}, replace(FILE, version_id="v1")),
        ({"s3Key": "a+b%2B%25%C3%BC.jpg"}, replace(FILE, key="a b+%ü.jpg")),
    ],
)
def test_batch_task_is_parsed_to_object(fields: dict[str, Any], obj: S3Object) -> None:
    assert parse_batch_tasks(JOB | {"tasks": [TASK | fields]}) == {
        "1": Request(ObjectEvent(ObjectEventType.REQUESTED, "task", obj))
    }


@pytest.mark.parametrize("fields", [{"s3Key": None}, {"s3Key": "%FF"}, {"s3Bucket": None}, {"s3VersionId": 7}])
def test_batch_task_without_object_is_malformed(fields: dict[str, Any]) -> None:
    [good, bad] = parse_batch_tasks(JOB | {"tasks": [TASK | {"taskId": "0"}, TASK | fields]}).values()
    assert isinstance(good.action, ObjectEvent)
    assert isinstance(bad.action, Malformed)


@pytest.mark.parametrize(
    ("version", "shown"),
    [
        ("1.0", "1.0"),
        (None, "None"),
        ("2", "2"),
        (2.0, "2.0"),
        ("2.00", "2.00"),
        (f"{PHONE} and more", "86158****1795 an"),
    ],
)
def test_batch_job_of_another_schema_is_refused(version: object, shown: str) -> None:
    with pytest.raises(MalformedError) as raised:
        parse_batch_tasks(JOB | {"invocationSchemaVersion": version})
    expected = (
        f'S3 Batch Operations sent an event of its schema {shown}; create the job with "InvocationSchemaVersion": "2.0"'
    )
    assert str(raised.value) == expected


@pytest.mark.parametrize(
    ("fields", "missing"),
    [
        ({"tasks": None}, "no invocationId, or no list of tasks"),
        ({"tasks": []}, "no invocationId, or no list of tasks"),
        ({"invocationId": 7}, "no invocationId, or no list of tasks"),
        ({"tasks": [7]}, "no taskId"),
        ({"tasks": [{"taskId": 7}]}, "no taskId"),
    ],
)
def test_batch_job_without_ids_is_refused(fields: dict[str, Any], missing: str) -> None:
    with pytest.raises(MalformedError, match=f"^S3 Batch Operations named {missing}$"):
        parse_batch_tasks(JOB | fields)
