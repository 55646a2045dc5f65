"""Reads what arrives, in any of its envelopes, as requests; AWS's raw records do not travel past this module.

Envelopes nest: SQS may hold SNS holding S3, and a failure destination's message holds the event that failed.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from urllib.parse import unquote_plus

from media_cleanup.masking import mask_numbers
from media_cleanup.media import InvalidMediaError, InvalidObjectError, Media, S3Object

MAX_ENVELOPES = 8
S3_EVENT_MAJOR_VERSION = "2"
S3_BATCH_SCHEMA = "2.0"
_ETAG = re.compile(r"[!#-~]{1,256}")
_SEQUENCER = re.compile(r"[0-9A-Za-z]{1,128}")


class Happening(StrEnum):
    """What an event tells of its object; a request that names one and says no more leaves it at that."""

    REMOVED = "removed"
    STORED = "stored"
    TAGGED = "tagged"
    NAMED = "named"
    OTHER = "other"


_HAPPENINGS = {
    "ObjectRemoved": Happening.REMOVED,
    "LifecycleExpiration": Happening.REMOVED,
    "Object Deleted": Happening.REMOVED,
    "ObjectCreated": Happening.STORED,
    "Object Created": Happening.STORED,
    "ObjectTagging:Put": Happening.TAGGED,
    "Object Tags Added": Happening.TAGGED,
}


@dataclass(frozen=True, slots=True)
class ObjectEvent:
    """Something happened to an object, by S3's word or by a request's; `name` is the sender's own name for it.

    `file` names a version where one version was meant; where a delete marker was placed, that is none. It is None where
    an event other than a removal does not name an object properly.
    """

    happening: Happening
    name: str
    file: S3Object | None
    etag: str | None = None
    sequencer: str | None = None


@dataclass(frozen=True, slots=True)
class LinkRequest:
    """The wish to link an object to a media."""

    file: S3Object
    media: Media


@dataclass(frozen=True, slots=True)
class Nothing:
    """Something that was understood and asks for nothing."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotUnderstood:
    """Something that nobody can act on, with what is wrong with it."""

    reason: str


Subject = Media | ObjectEvent | LinkRequest | Nothing | NotUnderstood


@dataclass(frozen=True, slots=True)
class Request:
    """One part of what arrived.

    `happened_ms` is when S3 says that it happened, as Unix milliseconds. `message` is the part as a message of its own,
    None where it is the whole of what arrived.
    """

    subject: Subject
    happened_ms: int | None = None
    message: Mapping[str, Any] | None = None


class NotUnderstoodError(ValueError):
    """What arrived has a form that no trigger has."""


def trigger_of(event: object) -> str:
    """Who invoked the function with this event: `sqs`, `s3`, `s3_batch`, `eventbridge`, `sns` or `direct`."""
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


def requests_in_text(body: object, default_business_phone: str | None) -> list[Request]:
    """The requests in a message's body. Never raises: what cannot be understood is a request that says so."""
    try:
        payload = _parsed(body)
    except NotUnderstoodError as error:
        return [Request(NotUnderstood(str(error)))]
    return requests_in(payload, default_business_phone)


def requests_in(payload: object, default_business_phone: str | None) -> list[Request]:
    """The requests in a payload, at least one. Never raises, likewise."""
    try:
        opened = _out_of_envelopes(payload)
        match opened:
            case {"Records": [_, _, *_] as records}:
                return [part for record in records for part in _parts(record, default_business_phone)]
            case {"Records": []}:
                return [Request(Nothing("empty"))]
            case {"media_id": _} | {"Media-ID": _}:
                return [Request(_of_message(opened, default_business_phone))]
            case {"bucket": _, "key": _}:
                return [Request(ObjectEvent(Happening.NAMED, "request", _file(opened)))]
            case _:
                return [_of_event(opened)]
    except (NotUnderstoodError, InvalidMediaError, InvalidObjectError) as error:
        return [Request(NotUnderstood(str(error)))]


def tasks_in(event: Mapping[str, Any]) -> dict[str, Request]:
    """The requests by which S3 Batch Operations names a job's objects, by the ids of their tasks.

    Raises NotUnderstoodError where the event is not of this schema; a task that names no object says so by itself.
    """
    version = event.get("invocationSchemaVersion")
    if version != S3_BATCH_SCHEMA:
        raise NotUnderstoodError(
            f"S3 Batch Operations spoke its schema {mask_numbers(str(version))[:16]}; create the job with "
            f'"InvocationSchemaVersion": "{S3_BATCH_SCHEMA}"'
        )
    match event:
        case {"invocationId": str(), "tasks": [_, *_] as tasks}:
            return {_task_id(task): _of_task(task) for task in tasks}
    raise NotUnderstoodError("S3 Batch Operations named no invocationId, or no list of tasks")


def _task_id(task: object) -> str:
    match task:
        case {"taskId": str(task_id)}:
            return task_id
    raise NotUnderstoodError("S3 Batch Operations named no taskId")


def _of_task(task: Mapping[str, Any]) -> Request:
    try:  # keys are form-encoded, as in notifications
        file = S3Object.checked(task.get("s3Bucket"), _form_decoded(task.get("s3Key")), task.get("s3VersionId"))
    except InvalidObjectError as error:
        return Request(NotUnderstood(str(error)))
    return Request(ObjectEvent(Happening.NAMED, "task", file))


def _out_of_envelopes(payload: object) -> Any:  # noqa: ANN401 (whatever JSON holds)
    for _ in range(MAX_ENVELOPES):
        match payload:
            case {"requestPayload": event}:  # Lambda's failure destination
                payload = event
            case {"Type": "Notification", "Message": text}:  # SNS, as SQS receives it
                payload = _parsed(text)
            case {"Records": [{"EventSource": "aws:sns", "Sns": {"Message": text}}]}:  # SNS, as Lambda receives it
                payload = _parsed(text)
            case _:
                return payload
    raise NotUnderstoodError(f"{MAX_ENVELOPES} envelopes around one another")


def _parts(record: object, default_business_phone: str | None) -> list[Request]:
    """The requests of one record among several, each able to stand as a message of its own."""
    message = {"Records": [record]}
    return [
        replace(request, message=request.message or message) for request in requests_in(message, default_business_phone)
    ]


def _of_event(event: Any) -> Request:  # noqa: ANN401 (whatever JSON holds)
    match event:
        case {"Event": "s3:TestEvent"}:
            return Request(Nothing("test_event"))
        case {"Records": [{"eventSource": "aws:s3"} as record]}:
            return _of_notification(record)
        case {"source": "aws.s3", "detail-type": str(what), "detail": {} as detail}:
            return _of_eventbridge(what, detail, event.get("time"))
    raise NotUnderstoodError(
        "neither a media {business_phone, media_id}, nor an object {bucket, key}, nor an S3 event in any known envelope"
    )


def _of_notification(record: Mapping[str, Any]) -> Request:
    version, name = record.get("eventVersion", S3_EVENT_MAJOR_VERSION), record.get("eventName")
    if str(version).partition(".")[0] != S3_EVENT_MAJOR_VERSION:
        raise NotUnderstoodError(f"an S3 event of version {version}; version {S3_EVENT_MAJOR_VERSION} is understood")
    if not isinstance(name, str):
        raise NotUnderstoodError("an S3 event without its eventName")
    family, _, kind = name.removeprefix("s3:").partition(":")
    bucket, file = _bucket_and_file(record.get("s3"))
    event = _object_event(
        _HAPPENINGS.get(family) or _HAPPENINGS.get(f"{family}:{kind}", Happening.OTHER),
        name,
        {"bucket": bucket, "key": _form_decoded(file.get("key")), "version_id": file.get("versionId")},
        file.get("eTag"),
        file.get("sequencer"),
        marker=kind == "DeleteMarkerCreated",
    )
    return Request(event, _unix_ms(record.get("eventTime")))


def _of_eventbridge(name: str, detail: Mapping[str, Any], time: object) -> Request:
    bucket, file = _bucket_and_file(detail)
    event = _object_event(
        _HAPPENINGS.get(name, Happening.OTHER),
        name,
        {"bucket": bucket, "key": file.get("key"), "version_id": file.get("version-id")},  # raw, as it is
        file.get("etag"),
        file.get("sequencer"),
        marker=detail.get("deletion-type") == "Delete Marker Created",
    )
    return Request(event, _unix_ms(time))


def _object_event(  # noqa: PLR0913 (what both kinds of events tell, each by its own name)
    happening: Happening, name: str, names: Mapping[str, Any], etag: object, sequencer: object, *, marker: bool
) -> ObjectEvent:
    """The event, with an object that its details name properly; only a removal must."""
    try:
        file = _file(names)
    except InvalidObjectError:
        if happening is Happening.REMOVED:
            raise
        return ObjectEvent(happening, name, None)
    if marker:  # the version in the event is the marker's own
        file = replace(file, version_id=None)
    return ObjectEvent(happening, name, file, _if_sound(etag, _ETAG), _if_sound(sequencer, _SEQUENCER))


def _file(names: Mapping[str, Any]) -> S3Object:
    return S3Object.checked(names.get("bucket"), names.get("key"), names.get("version_id"))


def _bucket_and_file(entry: object) -> tuple[str | None, Mapping[str, Any]]:
    """The bucket's name and the entry of the object, as far as they are there."""
    match entry:
        case {"bucket": {"name": str(bucket)}, "object": {} as file}:
            return bucket, file
        case _:
            return None, {}


def _form_decoded(key: object) -> str | None:
    """S3 form-encodes keys in notifications, so a space is a plus. Text that is no UTF-8 is no key of S3."""
    try:
        return unquote_plus(key, errors="strict") if isinstance(key, str) else None
    except UnicodeDecodeError:
        return None


def _of_message(message: Mapping[str, Any], default_business_phone: str | None) -> Media | LinkRequest:
    """The media of a message, in our own words or in the provider's, and the object that it shall be linked to."""
    if message.get("media_id", message.get("Media-ID")) != message.get("Media-ID", message.get("media_id")):
        raise NotUnderstoodError("media_id and Media-ID differ")
    business_phone = message.get("business_phone", default_business_phone)
    if business_phone is None:
        raise NotUnderstoodError("business_phone is missing, and DEFAULT_BUSINESS_PHONE is not set")
    media = Media.checked(business_phone, message.get("media_id", message.get("Media-ID")))
    return LinkRequest(_file(message), media) if "bucket" in message or "key" in message else media


def _parsed(text: object) -> Any:  # noqa: ANN401 (whatever JSON holds)
    if not isinstance(text, str):
        raise NotUnderstoodError("the body is no text")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise NotUnderstoodError("the body is no JSON") from None


def _if_sound(value: object, form: re.Pattern[str]) -> str | None:
    """The detail if it has this form. S3 leaves details out, or empty; a strange one counts as left out."""
    return value if isinstance(value, str) and form.fullmatch(value) else None


def _unix_ms(time: object) -> int | None:
    """An ISO 8601 time as Unix milliseconds. A strange one costs the lag, not the deletion."""
    try:
        return int(datetime.fromisoformat(str(time)).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
