"""Parses events and messages, in any of their envelopes, to requests. Raw AWS records do not travel past this module.

Envelopes nest: SQS may hold SNS holding S3, and a failure destination's message holds the event that failed.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_plus

from media_cleanup.errors import InvalidMediaError, InvalidObjectError, MalformedError
from media_cleanup.masking import mask_numbers
from media_cleanup.model import Media, S3Object
from media_cleanup.outcome import Reason
from media_cleanup.request import (
    NO_ORIGIN,
    Ignored,
    LinkRequest,
    Malformed,
    ObjectEvent,
    ObjectEventType,
    Origin,
    Request,
)

MAX_ENVELOPES = 8
MAX_NAME_CHARACTERS = 256  # of a requester, a reason, and a name in a message
MAX_VERSION_ID_CHARACTERS = 1024
S3_EVENT_MAJOR_VERSION = "2"
S3_BATCH_SCHEMA = "2.0"
_ETAG = re.compile(r"[!#-~]{1,256}")
_SEQUENCER = re.compile(r"[0-9A-Za-z]{1,128}")
_EVENT_TYPES = {  # by family or whole name of S3's own notifications, and by EventBridge's detail-type
    "ObjectRemoved": ObjectEventType.REMOVED,
    "LifecycleExpiration": ObjectEventType.REMOVED,
    "Object Deleted": ObjectEventType.REMOVED,
    "ObjectCreated": ObjectEventType.CREATED,
    "Object Created": ObjectEventType.CREATED,
    "ObjectTagging:Put": ObjectEventType.TAGGED,
    "Object Tags Added": ObjectEventType.TAGGED,
    # Deletions, but not of objects
    "ObjectTagging:Delete": ObjectEventType.UNKNOWN,
    "Object Tags Deleted": ObjectEventType.UNKNOWN,
    "ObjectRestore:Delete": ObjectEventType.UNKNOWN,
    "Object Restore Expired": ObjectEventType.UNKNOWN,
}
_LIFECYCLE_EXPIRATION = "Lifecycle Expiration"  # in EventBridge's words
_REMOVAL_WORDS = re.compile("delet|remov|expir", re.IGNORECASE)
_CLOUDTRAIL = "AWS API Call via CloudTrail"
_CLOUDTRAIL_REMOVALS = {"DeleteObject", "DeleteObjects"}  # no other call deletes objects
_S3_POINTER = "S3Pointer"  # of the Amazon SQS Extended Client Library, in a Java class name that its versions changed


def detect_trigger(event: object) -> str:
    """Return the trigger of an event: `sqs`, `s3`, `s3_batch`, `eventbridge`, `sns` or `direct`."""
    match event:
        case {"Records": [{"eventSource": "aws:sqs"}, *_]}:
            return "sqs"
        case {"Records": [{"eventSource": "aws:s3"}, *_]} | {"Event": "s3:TestEvent"}:
            return "s3"
        case {"Records": [{"EventSource": "aws:sns"}, *_]}:
            return "sns"
        case {"detail-type": _, "source": _}:
            return "eventbridge"
        case {"invocationSchemaVersion": _, "tasks": _}:
            return "s3_batch"
        case _:
            return "direct"


def parse_body(body: object, default_business_phone: str | None) -> list[Request]:
    """Parse a message's body to requests. Never raises: a malformed body is a request with the error."""
    try:
        payload = _load_json(body)
    except MalformedError as error:
        return [Request(Malformed(str(error)))]
    return parse_payload(payload, default_business_phone)


def parse_payload(payload: object, default_business_phone: str | None) -> list[Request]:
    """Parse a payload to requests, at least one. Never raises: a malformed payload is a request with the error."""
    content = None  # names no origin, if the error is in the envelopes
    try:
        content = _unwrap(payload)
        match content:
            case {"media_id": _} | {"Media-ID": _}:
                action = _parse_media_message(content, default_business_phone)
                return [Request(action, origin=_origin_of_message(content))]
            case {"bucket": _, "key": _}:
                requested = ObjectEvent(ObjectEventType.REQUESTED, "request", _parse_object(content))
                return [Request(requested, origin=_origin_of_message(content))]
            case {"Event": "s3:TestEvent"}:
                return [Request(Ignored(Reason.TEST_EVENT))]
            case {"Records": [{"eventSource": "aws:s3"} as record]}:
                return [_parse_s3_record(record)]
            case {"source": "aws.s3", "detail-type": str(name), "detail": {} as detail}:
                return [_parse_eventbridge_event(name, detail, content.get("time"))]
            case {"Records": [_, _, *_] as records}:  # two or more
                return [part for record in records for part in _parse_part(record, default_business_phone)]
            case {"Records": []}:
                return [Request(Ignored(Reason.EMPTY))]
            case _:
                return [Request(Malformed(_describe_unknown(content)))]
    except (MalformedError, InvalidMediaError, InvalidObjectError) as error:
        return [Request(Malformed(str(error)), origin=_origin_of_message(content))]


def _parse_s3_record(record: Mapping[str, Any]) -> Request:
    """Parse a record of S3's own notifications, which form-encode keys."""
    version = record.get("eventVersion", S3_EVENT_MAJOR_VERSION)
    if str(version).partition(".")[0] != S3_EVENT_MAJOR_VERSION:
        raise MalformedError(f"an S3 event of version {version}; version {S3_EVENT_MAJOR_VERSION} is understood")
    name = record.get("eventName")
    if not isinstance(name, str):
        raise MalformedError("an S3 event without its eventName")
    family, _, kind = name.removeprefix("s3:").partition(":")
    bucket, obj = _bucket_and_object(record.get("s3"))
    event = _object_event(
        _event_type(name=f"{family}:{kind}", family=family),
        name,
        bucket=bucket,
        key=_form_decode(obj.get("key")),
        version_id=obj.get("versionId"),
        etag=obj.get("eTag"),
        sequencer=obj.get("sequencer"),
        delete_marker=kind == "DeleteMarkerCreated",
    )
    reason = _LIFECYCLE_EXPIRATION if family == "LifecycleExpiration" else None  # other events name none
    # As S3 sent it: event.obj has no version where a delete marker was created
    origin = Origin(_version_id(obj.get("versionId")), _principal_id(record.get("userIdentity")), reason)
    return Request(event, _unix_ms(record.get("eventTime")), origin=origin)


def _unwrap(payload: object) -> Any:  # noqa: ANN401 (any JSON)
    """Remove all envelopes around a payload."""
    for _ in range(MAX_ENVELOPES):
        match payload:
            case {"media_id": _} | {"Media-ID": _} | {"bucket": _, "key": _}:  # whatever its further fields
                return payload
            case {"requestPayload": event}:  # Lambda's failure destination
                payload = event
            case {"source": "lambda", "detail": {"requestPayload": event}}:  # an EventBridge bus as failure destination
                payload = event
            case {"Type": "Notification", "Message": text}:  # SNS, as SQS receives it
                payload = _load_json(text)
            case {"Records": [{"EventSource": "aws:sns", "Sns": {"Message": text}}]}:  # SNS, as Lambda receives it
                payload = _load_json(text)
            case _:
                return payload
    raise MalformedError(f"{MAX_ENVELOPES} envelopes around one another")


def _parse_part(record: object, default_business_phone: str | None) -> list[Request]:
    """Parse one record among several; each request can stand as a message of its own."""
    message = {"Records": [record]}
    return [
        replace(request, message=request.message or message)
        for request in parse_payload(message, default_business_phone)
    ]


def _principal_id(user_identity: object) -> str | None:
    match user_identity:
        case {"principalId": principal_id}:
            return _bounded(principal_id)
        case _:
            return None


def _parse_eventbridge_event(name: str, detail: Mapping[str, Any], time: object) -> Request:
    if name == _CLOUDTRAIL:
        call = detail.get("eventName")
        removal = isinstance(call, str) and call in _CLOUDTRAIL_REMOVALS
        event_type = ObjectEventType.UNSUPPORTED_REMOVAL if removal else ObjectEventType.UNKNOWN
        return Request(ObjectEvent(event_type, f"{call} in an {_CLOUDTRAIL}", None), _unix_ms(time))
    bucket, obj = _bucket_and_object(detail)
    event = _object_event(
        _event_type(name),
        name,
        bucket=bucket,
        key=obj.get("key"),  # raw
        version_id=obj.get("version-id"),
        etag=obj.get("etag"),
        sequencer=obj.get("sequencer"),
        delete_marker=detail.get("deletion-type") == "Delete Marker Created",
    )
    reason = _bounded(detail.get("reason")) if event.type is ObjectEventType.REMOVED else None
    origin = Origin(_version_id(obj.get("version-id")), _bounded(detail.get("requester")), reason)
    return Request(event, _unix_ms(time), origin=origin)


def _event_type(name: str, family: str = "") -> ObjectEventType:
    """The type of an event, by its family or its name; an unknown one that indicates a deletion must not be ignored."""
    known = _EVENT_TYPES.get(family) or _EVENT_TYPES.get(name)
    if known:
        return known
    return ObjectEventType.UNSUPPORTED_REMOVAL if _REMOVAL_WORDS.search(name) else ObjectEventType.UNKNOWN


def _object_event(  # noqa: PLR0913 (the facts of both kinds of events, each by its own name)
    event_type: ObjectEventType,
    name: str,
    *,
    bucket: object,
    key: object,
    version_id: object,
    etag: object,
    sequencer: object,
    delete_marker: bool,
) -> ObjectEvent:
    """Create the event; only a removal must have a valid object."""
    try:
        obj = S3Object.parse(bucket, key, version_id)
    except InvalidObjectError:
        if event_type is ObjectEventType.REMOVED:
            raise
        return ObjectEvent(event_type, name, None)
    if delete_marker:  # the version in the event is the marker's own
        obj = replace(obj, version_id=None)
    return ObjectEvent(event_type, name, obj, _if_valid(etag, _ETAG), _if_valid(sequencer, _SEQUENCER))


def _parse_object(names: Mapping[str, Any]) -> S3Object:
    return S3Object.parse(names.get("bucket"), names.get("key"), names.get("version_id"))


def _bucket_and_object(entry: object) -> tuple[str | None, Mapping[str, Any]]:
    """The bucket's name and the object's entry, as far as they are present."""
    match entry:
        case {"bucket": {"name": str(bucket)}, "object": {} as obj}:
            return bucket, obj
        case _:
            return None, {}


def _form_decode(key: object) -> str | None:
    """Decode a key of a notification, where S3 form-encodes it: a space is a plus. None for text that is not UTF-8."""
    try:
        return unquote_plus(key, errors="strict") if isinstance(key, str) else None
    except UnicodeDecodeError:
        return None


def _parse_media_message(message: Mapping[str, Any], default_business_phone: str | None) -> Media | LinkRequest:
    """Parse a message that names a media file, by our names or the provider's, and maybe an object to link."""
    if {"media_id", "Media-ID"} <= message.keys() and message["media_id"] != message["Media-ID"]:
        raise MalformedError("media_id and Media-ID differ")
    business_phone = message.get("business_phone", default_business_phone)
    if business_phone is None and "business_phone" not in message:
        raise MalformedError("business_phone is missing, and DEFAULT_BUSINESS_PHONE is not set")
    media = Media.parse(business_phone, message.get("media_id", message.get("Media-ID")))
    return LinkRequest(_parse_object(message), media) if "bucket" in message or "key" in message else media


def _origin_of_message(message: Any) -> Origin:  # noqa: ANN401 (any JSON)
    """What a message, even a malformed one, says about its origin."""
    match message:
        case {"media_id": _} | {"Media-ID": _} | {"bucket": _, "key": _}:
            requested_by = _bounded(message.get("requested_by"))
            return Origin(_version_id(message.get("version_id")), requested_by=requested_by)
        case _:
            return NO_ORIGIN


def _bounded(value: object, characters: int = MAX_NAME_CHARACTERS) -> str | None:
    """Text of an event or message, cut to a length; None for another type, or nothing."""
    return value[:characters] or None if isinstance(value, str) else None


def _version_id(value: object) -> str | None:
    return _bounded(value, MAX_VERSION_ID_CHARACTERS)


def _load_json(text: object) -> Any:  # noqa: ANN401 (any JSON)
    if not isinstance(text, str):
        raise MalformedError("the body is not text")
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except MalformedError:  # a ValueError, too
        raise
    except (ValueError, RecursionError):
        raise MalformedError("the body is not JSON") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; what it asks for must not depend on which of two equal names a parser takes."""
    unique = dict(pairs)
    if len(unique) < len(pairs):
        raise MalformedError("the body is JSON that has a name twice in one object")
    return unique


def _if_valid(value: object, form: re.Pattern[str]) -> str | None:
    """The value if it has this form. S3 leaves values out, or empty; an invalid one counts as absent."""
    return value if isinstance(value, str) and form.fullmatch(value) else None


def _unix_ms(time: object) -> int | None:
    """An ISO 8601 time as Unix milliseconds; with an invalid one, the lag is unknown."""
    try:
        in_utc = datetime.fromisoformat(str(time)).astimezone(UTC)  # where its year, too, must be one that exists
        return int(in_utc.timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def _describe_unknown(payload: object) -> str:
    """Describe a payload of no known form, by its sender where that is known."""
    match payload:
        case {"Records": [{"eventSource": "minio:s3"}, *_]} | {"EventName": _, "Key": _}:
            return "an event of MinIO; only events of Amazon S3 are supported"
        case {"Records": [{"eventSource": "ceph:s3"}, *_]}:
            return "an event of Ceph; only events of Amazon S3 are supported"
        case {"account": _, "action": _, "bucket": _, "object": _}:
            return "an event of Cloudflare R2; only events of Amazon S3 are supported"
        case [str(kind), {"s3BucketName": _, "s3Key": _}] if _S3_POINTER in kind:
            return "a pointer of the Amazon SQS Extended Client Library; send the message itself"
        case list():
            return "a JSON list; send one message for each of its items"
        case str():
            return "JSON text inside JSON text; encode the message once"
        case dict():
            return "neither a media file {business_phone, media_id}, nor an object {bucket, key}, nor an event of S3"
        case _:
            return f"JSON of the type {type(payload).__name__}; a message is a JSON object"


def parse_batch_tasks(event: Mapping[str, Any]) -> dict[str, Request]:
    """Parse the tasks of S3 Batch Operations to requests, by their task ids.

    Raises MalformedError for an event of another schema; a malformed task is a request with the error.
    """
    version = event.get("invocationSchemaVersion")
    if version != S3_BATCH_SCHEMA:
        raise MalformedError(
            f"S3 Batch Operations sent an event of its schema {mask_numbers(str(version))[:16]}; create the job with "
            f'"InvocationSchemaVersion": "{S3_BATCH_SCHEMA}"'
        )
    match event:
        case {"invocationId": str(), "tasks": [_, *_] as tasks}:
            return {_parse_task_id(task): _parse_task(task) for task in tasks}
    raise MalformedError("S3 Batch Operations named no invocationId, or no list of tasks")


def _parse_task_id(task: object) -> str:
    match task:
        case {"taskId": str(task_id)}:
            return task_id
    raise MalformedError("S3 Batch Operations named no taskId")


def _parse_task(task: Mapping[str, Any]) -> Request:
    try:  # keys are form-encoded, as in notifications
        obj = S3Object.parse(task.get("s3Bucket"), _form_decode(task.get("s3Key")), task.get("s3VersionId"))
    except InvalidObjectError as error:
        return Request(Malformed(str(error)))
    return Request(ObjectEvent(ObjectEventType.REQUESTED, "task", obj))
