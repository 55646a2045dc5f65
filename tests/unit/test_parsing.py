"""What arrives, in all its envelopes, read as requests."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_cleanup.errors import MalformedError
from media_cleanup.model import Media, S3Object
from media_cleanup.request import LinkRequest, Malformed, ObjectEvent, ObjectEventType, Request
from media_cleanup.triggers.parsing import Nothing, detect_trigger, parse_batch_tasks, parse_body, parse_payload
from tests.conftest import EVENTS, MEDIA_ID, PHONE, sample

BUCKET = "example-bucket"
KEY = f"{PHONE}/{MEDIA_ID}.jpg"
FILE = S3Object(BUCKET, KEY)
MEDIA = Media(PHONE, MEDIA_ID)
SECOND_ID = "0b54f2c0-6f5b-4d2f-9a52-2b1d0f6f0d11"
THIRD_KEY = f"{PHONE}/5c9e9e0e-3d0c-4a55-8f0a-7a1f3b8c2d42.jpg"
HAPPENED_MS = 1768469213589  # 2026-01-15T09:26:53.589Z
IN_EVENTBRIDGE_MS = 1768469213000  # which tells whole seconds


def read(event: Any) -> list[Request]:  # noqa: ANN401 (whatever JSON holds)
    """The requests of an event, through SQS where the event comes from there."""
    if detect_trigger(event) == "sqs":
        return [request for record in event["Records"] for request in parse_body(record["body"], None)]
    return parse_payload(event, None)


def about_an_object(event: Any) -> ObjectEvent:  # noqa: ANN401 (whatever JSON holds)
    """The first request of an event, which must be about an object."""
    subject = read(event)[0].action
    assert isinstance(subject, ObjectEvent)
    return subject


@pytest.mark.parametrize("path", sorted(EVENTS.glob("*.json")), ids=lambda path: path.stem)
def test_a_samples_name_begins_with_its_trigger(path: Any) -> None:  # noqa: ANN401
    assert detect_trigger(json.loads(path.read_text())) == path.stem.partition("-")[0]


ASKED = ObjectEvent(ObjectEventType.REQUESTED, "request", FILE)
REMOVED = ObjectEvent(ObjectEventType.REMOVED, "ObjectRemoved:Delete", FILE, sequencer="0068796A6D2A1B3C4D")
REMOVED_BY_EVENTBRIDGE = replace(REMOVED, name="Object Deleted")
ETAG = "0123456789abcdef0123456789abcdef"
MARKER = replace(
    REMOVED,
    name="ObjectRemoved:DeleteMarkerCreated",
    etag="d41d8cd98f00b204e9800998ecf8427e",
    sequencer="0068796A6D2A1B3C51",
)
CREATED = ObjectEvent(ObjectEventType.CREATED, "ObjectCreated:Put", FILE, ETAG, "0068796A6D2A1B3C40")
TAGGED = ObjectEvent(ObjectEventType.TAGGED, "ObjectTagging:Put", FILE, ETAG)


@pytest.mark.parametrize(
    ("name", "subjects"),
    [
        ("direct-media", [MEDIA]),
        ("direct-object", [ASKED]),
        (
            "sqs-messages",
            [MEDIA, replace(MEDIA, media_id=SECOND_ID), replace(ASKED, file=replace(FILE, key=THIRD_KEY))],
        ),
        ("sqs-s3-removed", [REMOVED]),
        ("sqs-s3-test-event", [Nothing("test_event")]),
        ("sqs-eventbridge", [REMOVED_BY_EVENTBRIDGE]),
        ("sqs-sns-s3", [REMOVED]),
        ("sqs-sns-raw-s3", [REMOVED]),
        ("sqs-failure-destination", [REMOVED]),
        ("sqs-not-understood", [Malformed("the body is no JSON")]),
        ("s3-removed", [REMOVED]),
        ("s3-delete-marker", [MARKER]),  # whose version is its own, not that of the file
        ("s3-created", [CREATED]),
        ("s3-tagged", [TAGGED]),
        ("eventbridge-deleted", [REMOVED_BY_EVENTBRIDGE]),
        ("sns-s3", [REMOVED]),
    ],
)
def test_samples(name: str, subjects: list[object]) -> None:
    assert [request.action for request in read(sample(name))] == subjects


def test_times_are_taken_from_the_event() -> None:
    assert [request.occurred_ms for request in read(sample("sqs-sns-s3"))] == [HAPPENED_MS]
    assert [request.occurred_ms for request in read(sample("eventbridge-deleted"))] == [IN_EVENTBRIDGE_MS]
    assert [request.occurred_ms for request in read(sample("direct-object"))] == [None]


def test_a_strange_time_costs_the_lag_and_not_the_deletion() -> None:
    event = sample("s3-removed")
    event["Records"][0]["eventTime"] = "yesterday"
    assert read(event) == [Request(REMOVED)]


def test_keys_are_decoded_once_in_notifications_and_not_at_all_in_eventbridge() -> None:
    expected = f"menus & prices/100%+tax/{PHONE}/{MEDIA_ID}.pdf"
    notification, eventbridge = sample("sqs-s3-several-records"), sample("eventbridge-lifecycle")
    files = [subject.file for subject in map(about_an_object, (notification, eventbridge))]
    assert [file and file.key for file in files] == [expected] * 2


def test_each_of_several_records_can_stand_as_a_message_of_its_own() -> None:
    body = sample("sqs-s3-several-records")["Records"][0]["body"]
    requests = parse_body(body, None)
    assert [request.message for request in requests] == [
        {"Records": [record]} for record in json.loads(body)["Records"]
    ]
    for request in requests:
        assert parse_payload(request.message, None) == [
            Request(request.action, request.occurred_ms)  # the same, and the whole of its message
        ]


def test_one_bad_record_does_not_spoil_its_neighbours() -> None:
    event = sample("s3-removed")
    event["Records"] += ["nonsense", {}, event["Records"][0]]
    subjects = [request.action for request in parse_payload(event, None)]
    assert subjects[0] == subjects[3] == REMOVED
    assert isinstance(subjects[1], Malformed)
    assert isinstance(subjects[2], Malformed)


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
def test_both_families_of_deletions(name: str) -> None:
    event = sample("s3-removed")
    event["Records"][0]["eventName"] = name
    assert about_an_object(event) == replace(REMOVED, name=name)


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
        "SomethingNew:Deleted",
    ],
)
def test_what_is_no_deletion(name: str) -> None:
    event = sample("s3-removed")
    event["Records"][0]["eventName"] = name
    assert about_an_object(event) == replace(REMOVED, happening=ObjectEventType.UNKNOWN, name=name)


@pytest.mark.parametrize(
    ("what", "happening"),
    [
        ("Object Created", ObjectEventType.CREATED),
        ("Object Tags Added", ObjectEventType.TAGGED),
        ("Object Tags Deleted", ObjectEventType.UNKNOWN),
        ("Object Restore Expired", ObjectEventType.UNKNOWN),
        ("Object Storage Class Changed", ObjectEventType.UNKNOWN),
    ],
)
def test_what_happened_in_eventbridges_words(what: str, happening: ObjectEventType) -> None:
    event = sample("eventbridge-deleted") | {"detail-type": what}
    assert about_an_object(event) == replace(REMOVED, happening=happening, name=what)


@pytest.mark.parametrize("kind", ["Put", "Post", "Copy", "CompleteMultipartUpload"])
def test_every_kind_of_store(kind: str) -> None:
    event = sample("s3-created")
    event["Records"][0]["eventName"] = f"ObjectCreated:{kind}"
    assert about_an_object(event) == replace(CREATED, name=f"ObjectCreated:{kind}")


@pytest.mark.parametrize("version", ["null", "", None])
def test_the_null_version_is_none(version: str | None) -> None:
    event = sample("s3-created")
    event["Records"][0]["s3"]["object"]["versionId"] = version
    assert about_an_object(event) == CREATED


def test_a_permanent_deletion_names_its_version_and_a_delete_marker_does_not() -> None:
    event = sample("eventbridge-deleted")
    event["detail"]["object"]["version-id"] = "some-version"
    event["detail"]["deletion-type"] = "Permanently Deleted"
    assert about_an_object(event).file == S3Object(BUCKET, KEY, "some-version")
    event["detail"]["deletion-type"] = "Delete Marker Created"
    assert about_an_object(event).file == FILE


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
def test_only_a_delete_markers_version_is_not_the_objects(name: str, version: str | None) -> None:
    event = sample("s3-removed")
    event["Records"][0]["eventName"] = name
    event["Records"][0]["s3"]["object"]["versionId"] = "some-version"
    assert about_an_object(event).file == S3Object(BUCKET, KEY, version)


@pytest.mark.parametrize("kind", ["", None, "Deleted", "Another Marker Created"])
def test_an_unknown_type_of_deletion_is_taken_for_permanent(kind: str | None) -> None:
    event = sample("eventbridge-deleted")
    event["detail"]["object"]["version-id"] = "some-version"
    event["detail"]["deletion-type"] = kind
    assert about_an_object(event).file == S3Object(BUCKET, KEY, "some-version")


@pytest.mark.parametrize("detail", ["", " ", "a b", "ü", 7, None, ["0"], "0" * 300])
def test_strange_sequencers_and_etags_count_as_left_out(detail: object) -> None:
    event = sample("s3-created")
    event["Records"][0]["s3"]["object"] |= {"sequencer": detail, "eTag": detail}
    assert about_an_object(event) == replace(CREATED, etag=None, sequencer=None)


def test_an_event_of_an_unknown_kind_need_not_name_an_object() -> None:
    event = sample("s3-removed")
    event["Records"][0] |= {"eventName": "ObjectRestore:Completed", "s3": None}
    assert about_an_object(event) == ObjectEvent(ObjectEventType.UNKNOWN, "ObjectRestore:Completed", None)


def test_an_event_that_deletes_nothing_need_not_name_an_object() -> None:
    event = sample("s3-created")
    event["Records"][0]["s3"] = None
    assert about_an_object(event) == replace(CREATED, file=None, etag=None, sequencer=None)


@pytest.mark.parametrize("version", ["2.0", "2.1", "2.6", "2.99", None])
def test_every_minor_version_is_understood(version: str | None) -> None:
    event = sample("s3-removed")
    event["Records"][0]["eventVersion"] = version
    if version is None:
        del event["Records"][0]["eventVersion"]
    assert about_an_object(event) == REMOVED


@pytest.mark.parametrize("version", ["3.0", "1.0", "10.2"])
def test_another_major_version_is_not_guessed_at(version: str) -> None:
    event = sample("s3-removed")
    event["Records"][0]["eventVersion"] = version
    assert read(event)[0].action == Malformed(f"an S3 event of version {version}; version 2 is understood")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"eventName": None}, "eventName"),
        ({"s3": None}, "bucket"),
        ({"s3": {"bucket": {"name": BUCKET}, "object": {}}}, "key"),
        ({"s3": {"bucket": {"name": BUCKET}, "object": {"key": "%FF"}}}, "key"),
        ({"s3": {"bucket": {"name": BUCKET}, "object": {"key": 7}}}, "key"),
    ],
)
def test_a_deletion_that_does_not_say_of_what(change: dict[str, Any], why: str) -> None:
    event = sample("s3-removed")
    event["Records"][0] |= change
    subject = read(event)[0].action
    assert isinstance(subject, Malformed)
    assert why in subject.reason


def test_absent_and_empty_details_of_an_unversioned_bucket() -> None:
    event = sample("s3-removed")
    event["Records"][0]["s3"]["object"] |= {"versionId": "", "eTag": "", "size": ""}
    assert about_an_object(event) == REMOVED


@pytest.mark.parametrize(
    "message",
    [
        {"business_phone": PHONE, "media_id": MEDIA_ID, "note": "withdrawn", "priority": 7},
        {"business_phone": "+" + PHONE, "Media-ID": MEDIA_ID, "messaging_product": "whatsapp"},
        {"business_phone": PHONE, "Media-ID": MEDIA_ID, "media_id": MEDIA_ID},
    ],
)
def test_media_in_our_words_and_in_the_providers(message: object) -> None:
    assert parse_payload(message, None) == [Request(MEDIA)]


def test_a_media_and_an_object_are_a_link() -> None:
    message = {"bucket": BUCKET, "key": KEY, "business_phone": PHONE, "media_id": MEDIA_ID}
    assert parse_payload(message, None) == [Request(LinkRequest(FILE, MEDIA))]
    versioned = S3Object(BUCKET, KEY, "some-version")
    assert parse_payload(message | {"version_id": "some-version"}, None) == [Request(LinkRequest(versioned, MEDIA))]


def test_a_media_without_a_phone_takes_the_default_one() -> None:
    assert parse_payload({"media_id": MEDIA_ID}, PHONE) == [Request(MEDIA)]


@pytest.mark.parametrize(
    ("message", "why"),
    [
        ({"media_id": MEDIA_ID}, "business_phone is missing, and DEFAULT_BUSINESS_PHONE is not set"),
        ({"business_phone": PHONE, "media_id": 7}, "media_id must be"),
        ({"business_phone": int(PHONE), "media_id": MEDIA_ID}, "business_phone must be"),
        ({"business_phone": "", "media_id": MEDIA_ID}, "business_phone must be"),
        ({"business_phone": PHONE, "media_id": MEDIA_ID, "Media-ID": "other"}, "differ"),
        ({"business_phone": PHONE, "media_id": "other", "Media-ID": MEDIA_ID}, "differ"),
        ({"bucket": BUCKET, "business_phone": PHONE, "media_id": MEDIA_ID}, "key must be"),
        ({"key": KEY, "business_phone": PHONE, "media_id": MEDIA_ID}, "bucket must be"),
        ({"bucket": BUCKET, "key": ""}, "key must be"),
        ({"bucket": BUCKET}, "neither a media"),
        ({"business_phone": PHONE}, "neither a media"),
        ({"Records": "all of them"}, "neither a media"),
        ({"Records": [{"eventSource": "aws:sqs", "body": "{}"}]}, "neither a media"),
        ({"source": "aws.ec2", "detail-type": "Object Deleted", "detail": {}}, "neither a media"),
        ({"Type": "Notification", "Message": {"media_id": MEDIA_ID}}, "no text"),
        ([], "neither a media"),
        (None, "neither a media"),
        (7, "neither a media"),
    ],
)
def test_what_nobody_can_act_on_says_why(message: object, why: str) -> None:
    [request] = parse_payload(message, None)
    assert isinstance(request.action, Malformed)
    assert why in request.action.reason


@pytest.mark.parametrize("body", [None, "", "{", "\x00", "[" * 200_000, "9" * 5_000, '"\ud800"', 7])
def test_bodies_that_are_no_json(body: object) -> None:
    [request] = parse_body(body, None)
    assert isinstance(request.action, Malformed)


def test_no_records_at_all_delete_nothing() -> None:
    assert parse_payload({"Records": []}, None) == [Request(Nothing("empty"))]


def test_envelopes_may_nest_but_not_without_end() -> None:
    message: dict[str, Any] = {"business_phone": PHONE, "media_id": MEDIA_ID}
    for _ in range(7):  # and the message itself
        message = {"requestPayload": message}
    assert parse_payload(message, None) == [Request(MEDIA)]
    [request] = parse_payload({"requestPayload": message}, None)
    assert isinstance(request.action, Malformed)


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
def test_nothing_that_json_can_hold_raises(payload: object) -> None:
    assert parse_payload(payload, PHONE)
    assert parse_body(json.dumps(payload), None)
    detect_trigger(payload)


JOB = sample("index/s3-batch-job")
TASK = {"taskId": "1", "s3Bucket": BUCKET, "s3Key": KEY, "s3VersionId": None}


def test_a_job_names_objects_task_by_task() -> None:
    assert detect_trigger(JOB) == "s3_batch"
    assert list(parse_batch_tasks(JOB).values()) == [
        Request(ObjectEvent(ObjectEventType.REQUESTED, "task", S3Object(BUCKET, f"photos/{name}.jpg")))
        for name in ("house", "tagged")
    ]
    assert list(parse_batch_tasks(JOB)) == [task["taskId"] for task in JOB["tasks"]]


@pytest.mark.parametrize(
    ("words", "file"),
    [
        ({}, FILE),
        ({"s3VersionId": "null"}, FILE),
        ({"s3VersionId": "v1"}, replace(FILE, version_id="v1")),
        ({"s3Key": "a+b%2B%25%C3%BC.jpg"}, replace(FILE, key="a b+%ü.jpg")),
    ],
)
def test_the_object_of_a_task(words: dict[str, Any], file: S3Object) -> None:
    assert parse_batch_tasks(JOB | {"tasks": [TASK | words]}) == {
        "1": Request(ObjectEvent(ObjectEventType.REQUESTED, "task", file))
    }


@pytest.mark.parametrize("words", [{"s3Key": None}, {"s3Key": "%FF"}, {"s3Bucket": None}, {"s3VersionId": 7}])
def test_a_task_that_names_no_object_says_so(words: dict[str, Any]) -> None:
    [good, bad] = parse_batch_tasks(JOB | {"tasks": [TASK | {"taskId": "0"}, TASK | words]}).values()
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
def test_another_schema_is_named(version: object, shown: str) -> None:
    with pytest.raises(MalformedError) as raised:
        parse_batch_tasks(JOB | {"invocationSchemaVersion": version})
    expected = (
        f"S3 Batch Operations spoke its schema {shown}; create the job with " + '"InvocationSchemaVersion": "2.0"'
    )
    assert str(raised.value) == expected


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ({"tasks": None}, "no invocationId, or no list of tasks"),
        ({"tasks": []}, "no invocationId, or no list of tasks"),
        ({"invocationId": 7}, "no invocationId, or no list of tasks"),
        ({"tasks": [7]}, "no taskId"),
        ({"tasks": [{"taskId": 7}]}, "no taskId"),
    ],
)
def test_a_job_that_cannot_be_answered(words: dict[str, Any], what: str) -> None:
    with pytest.raises(MalformedError, match=f"^S3 Batch Operations named {what}$"):
        parse_batch_tasks(JOB | words)
