"""The functions with hand-written fakes of S3, DynamoDB, the queues and NXCloud, and checks of the README's promises.

Safety, checked at each deletion of a media file at NXCloud. Where the request named the media file, every deletion is
right. Where it named an object, two conditions hold as of the function's last HEAD of that object (as of the deletion
itself, without one):
1. The current object, if any, did not stand for the media file: by its metadata, by a link of its version (of its eTag,
   where it has no version id) in the table, or by its key.
2. There was no current object, or some version of it that once stood for the media file had ended (see `Version`).
Other objects that stand for the same media file do not matter: it is deleted with the first of its objects.

Liveness, checked once everything is delivered and finished:
1. Of an object that does not exist, each media file that a link was ever written for is deleted, and the media file in
   the key of one that was ever stored. Metadata without a link were lost to the index function, and are not checked.
   (The media file in the key is not checked where the event of the key's deletion was lost.)
2. Of a version that was deleted permanently while its object existed, then and ever since, each media file that a link
   of it was ever written for is deleted, unless the object's key or another version of it ever stood for it, and so may
   have kept it. (Had the object not existed in between, the media file may be left until the key's next deletion.)
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import unquote_plus

from botocore.exceptions import ClientError

from media_cleanup.aws.clients import AwsClients
from media_cleanup.aws.idempotency import ConfirmedDeletions
from media_cleanup.delete_media import DeleteMedia
from media_cleanup.errors import DependencyUnavailable
from media_cleanup.index_media import IndexMedia
from media_cleanup.model import Media
from media_cleanup.outcome import Outcome, Reason
from media_cleanup.provider.gateway import NxCloudGateway
from media_cleanup.request import Attempt
from media_cleanup.result import Result
from media_cleanup.settings import DeleteMediaSettings, IndexMediaSettings, SweepIndexSettings
from media_cleanup.sweep_index import SweepIndex
from media_cleanup.triggers.parsing import parse_body
from media_cleanup.triggers.runner import RequestHandler, handle_safely
from tests.conftest import Context
from tests.model.bucket import BUCKET, Bucket, Version, Versioning
from tests.model.interleaving import SteppedThread

PHONE = "8615800001795"
MEDIA_IN_KEY = "fd81acff-eea8-4d9d-acc9-6c62904d6615"
PLAIN_KEY = "files/a b+c.pdf"
KEY_WITH_MEDIA = f"{PHONE}/{MEDIA_IN_KEY}.pdf"
ENVIRONMENT = {
    "NXCLOUD_BASE_URL": "https://nxcloud.example",
    "NXCLOUD_SECRET_ID": "secret",
    "MEDIA_INDEX_TABLE": "index",
    "IDEMPOTENCY_TABLE": "confirmed",
    "DELETION_QUEUE_URL": "deletion",
    "DEAD_LETTER_QUEUE_URL": "dead",
    "DEFAULT_BUSINESS_PHONE": PHONE,
    "SWEEP_EVERY_DAYS": "1",
}
DAY_S = 24 * 3600
CHECKPOINT = {"S": "sweep"}
SLICE_LINKS = 2  # so that a pass takes several slices


@dataclass(frozen=True)
class Message:
    """A message with its queue's name; a run of the sweep's schedule counts as one."""

    queue: str
    body: str


@dataclass(frozen=True)
class WrittenLink:
    """A link that was written: the version's id is "null" where it has none."""

    key: str
    version_id: str
    etag: str | None
    media: str

    def matches(self, version: Version) -> bool:
        """Whether it was written for this version, or for this content where versions have no ids."""
        if (self.key, self.version_id) != (version.key, version.version_id) or version.is_marker:
            return False
        return version.version_id != "null" or self.etag == version.etag


@dataclass(frozen=True)
class Snapshot:
    """An object at one moment: whether it exists, the media files it stands for, and those its ended versions did."""

    exists: bool
    standing: set[str]
    ended: set[str]


class Invocation(SteppedThread):
    """An invocation for one message, with a snapshot of each key at its last HEAD."""

    def __init__(self, work: Callable[[Any], None], message: Message) -> None:
        self.message = message
        self.snapshots: dict[str, Snapshot] = {}
        super().__init__(work)


class SliceDeadline:
    """The deadline of an invocation of the sweep; it ends the slice after SLICE_LINKS links."""

    def __init__(self) -> None:
        self._links_left = iter(range(SLICE_LINKS))

    def get_remaining_time_in_millis(self) -> int:
        """Return the time left, as the sweep asks for it before each link."""
        return 60_000 if next(self._links_left, None) is not None else 0


class ModelSystem:
    """All functions over fakes. `running` is the invocation that holds the turn; `violations` are broken promises."""

    def __init__(self, versioning: Versioning) -> None:
        self.messages: list[Message] = []
        self.invocations: list[Invocation] = []
        self.running: Invocation | None = None
        self.deleted: set[str] = set()
        self._being_deleted: set[Media] = set()
        self.violations: list[str] = []
        self.trace: list[str] = []
        self.keys_of_lost_events: set[str] = set()
        self.now_s = 0
        self.bucket = Bucket(versioning, self.send)
        self.table = FakeIndexTable(self._pause_before)
        clients = cast(
            "AwsClients",
            SimpleNamespace(
                s3=SimpleNamespace(head_object=self._head_object, get_object_tagging=self._get_object_tagging),
                dynamodb=self.table,
                sqs=SimpleNamespace(send_message=self._send_message),
            ),
        )
        gateway = cast("NxCloudGateway", SimpleNamespace(delete=self._delete))
        confirmed = cast("ConfirmedDeletions", SimpleNamespace(once=self._once))
        self._handlers: dict[str, RequestHandler] = {
            "index": IndexMedia(IndexMediaSettings.from_environment(ENVIRONMENT), clients),
            "deletion": DeleteMedia(DeleteMediaSettings.from_environment(ENVIRONMENT), clients, gateway, confirmed),
        }
        self._sweep_index = SweepIndex(
            SweepIndexSettings.from_environment(ENVIRONMENT), clients, lambda: self.now_s, lambda _: None
        )

    # Actions of a test

    def send(self, queue: str, body: str) -> None:
        """Put a message into a queue."""
        self.messages.append(Message(queue, body))

    def send_request(self, queue: str, **fields: str | None) -> None:
        """Put a request into a queue; one for a version's deletion ends that version."""
        named = (fields.get("key"), fields.get("version_id"))
        for version in self.bucket.all_versions:
            if queue == "deletion" and (version.key, version.version_id) == named:
                version.ended = True
        self.send(queue, json.dumps({name: value for name, value in fields.items() if value}))

    def lose(self, message: Message) -> None:
        """Take a message out of its queue, undelivered."""
        self.messages.remove(message)
        self.keys_of_lost_events.add(key_in(message))

    def deliver(self, message: Message, *, repeated: bool = False) -> None:
        """Start an invocation for a message, which stays in its queue for another delivery if it is `repeated`."""
        if not repeated:
            self.messages.remove(message)
        invocation = Invocation(lambda _: self._invoke(message), message)
        self.invocations.append(invocation)
        self.advance(invocation)

    def advance(self, invocation: Invocation, *, failing: bool = False) -> None:
        """Let an invocation make its pending call."""
        self.running = invocation
        invocation.step(failing=failing)
        self.running = None
        if invocation.finished:
            self.invocations.remove(invocation)

    def drain(self) -> None:
        """Deliver and finish everything, one after another."""
        while self.invocations or self.messages:
            if self.invocations:
                self.advance(self.invocations[0])
            else:
                self.deliver(self.messages[0])

    def sweep_whole_index(self) -> None:
        """Finish the current pass of the sweep, and then sweep once through the whole index."""
        for _ in range(2):
            self.now_s += DAY_S
            slices = 0
            while self.table.pass_unfinished or not slices:
                slices += 1
                if slices > len(self.table.ever_written) + 1:
                    self.violations.append("liveness: the sweep does not end")
                    return
                self.send("sweep", "{}")
                self.drain()

    def abandon(self) -> None:
        """End all invocations at their pending calls."""
        for invocation in self.invocations:
            invocation.abandon()

    def violations_at_rest(self) -> list[str]:
        """Return all broken promises, now that everything is delivered and finished."""
        for link in (link for link in self.table.ever_written if link.media not in self.deleted):
            if self.bucket.current(link.key) is None:
                self.violations.append(f"liveness: {link.key} does not exist, and {link.media} is not deleted")
            elif self._was_removed_while_readable(link) and (link.key, link.media) != (KEY_WITH_MEDIA, MEDIA_IN_KEY):
                versions = [each for each in self.bucket.all_versions if each.key == link.key]
                others = [version for version in versions if not link.matches(version)]
                if not any(link.media in self._ever_stood_for(version) for version in others):
                    self.violations.append(f"liveness: {link.version_id} is gone, and {link.media} is not deleted")
        was_stored = any(each.key == KEY_WITH_MEDIA and not each.is_marker for each in self.bucket.all_versions)
        expected = was_stored and KEY_WITH_MEDIA not in self.keys_of_lost_events
        if expected and MEDIA_IN_KEY not in self.deleted and self.bucket.current(KEY_WITH_MEDIA) is None:
            self.violations.append(f"liveness: {KEY_WITH_MEDIA} does not exist, and its media file is not deleted")
        return self.violations

    # Lambda and the fakes

    def _invoke(self, message: Message) -> None:
        if message.queue == "sweep":
            self._sweep_slice()
            return
        handler = self._handlers[message.queue]
        attempt = Attempt(1, Context())
        requests = parse_body(message.body, PHONE)
        results = [result for request in requests for result in handle_safely(handler, request, attempt)]
        self.trace.append(f"{message} -> {[(str(each.outcome), each.reason_text, each.media) for each in results]}")
        self.violations += [str(each.reason_text) for each in results if each.reason is Reason.INTERNAL_ERROR]
        if any(each.outcome is Outcome.UNAVAILABLE for each in results):
            self.messages.append(message)

    def _sweep_slice(self) -> None:
        """Run the sweep as its schedule does: a failure is not retried."""
        try:
            counts = self._sweep_index.sweep_slice(SliceDeadline())
        except DependencyUnavailable as error:
            self.trace.append(f"sweep -> {error}")
        else:
            self.trace.append(f"sweep -> {counts}")

    def _pause_before(self, call: str, status: int = 503) -> None:
        """Pause before a call; then let it fail, if it is to."""
        invocation = self.running
        if invocation is None:
            raise AssertionError(f"{call} outside of an invocation")
        invocation.pause()
        self.trace.append(f"  {call}{' fails' if invocation.fails_next else ''}")
        if invocation.fails_next:
            raise _client_error(status, call)

    def _head_object(self, **parameters: str) -> dict[str, Any]:
        self._pause_before(f"HEAD {parameters}", 403)  # which is inconclusive
        if "VersionId" not in parameters and self.running:
            self.running.snapshots[parameters["Key"]] = self._snapshot(parameters["Key"])
        version = self._find("HeadObject", parameters)
        if parameters.get("IfMatch", f'"{version.etag}"') != f'"{version.etag}"':
            raise _client_error(412, "HeadObject")
        response = {"ETag": f'"{version.etag}"', "Metadata": _labels(version.media)}
        if self.bucket.versioning is not Versioning.UNVERSIONED:
            response["VersionId"] = version.version_id
        return response

    def _get_object_tagging(self, **parameters: str) -> dict[str, Any]:
        self._pause_before(f"tags of {parameters}")
        tags = _labels(self._find("GetObjectTagging", parameters).tags)
        return {"TagSet": [{"Key": name, "Value": value} for name, value in tags.items()]}

    def _find(self, operation: str, parameters: dict[str, str]) -> Version:
        version = self.bucket.find(parameters["Key"], parameters.get("VersionId"))
        if version is None or parameters["Bucket"] != BUCKET:
            raise _client_error(404, operation)
        if version.is_marker:
            raise _client_error(405 if "VersionId" in parameters else 404, operation)
        return version

    def _send_message(self, **parameters: str) -> dict[str, str]:
        self._pause_before(f"send {parameters}")
        self.send(parameters["QueueUrl"], parameters["MessageBody"])
        return {"MessageId": "sent"}

    def _once(self, media: Media, _: Attempt, delete: Callable[[], Result]) -> Result:
        """Stand in for the records of confirmed deletions."""
        try:
            self._pause_before(f"record of {media}")
        except ClientError:
            raise DependencyUnavailable(Reason.IDEMPOTENCY_UNREACHABLE) from None
        if media.media_id in self.deleted:
            return Result(outcome=Outcome.ALREADY_GONE, reason=Reason.REMEMBERED, media=media)
        if media in self._being_deleted:
            return Result(outcome=Outcome.UNAVAILABLE, reason=Reason.IN_PROGRESS, media=media)
        self._being_deleted.add(media)
        try:
            return delete()
        finally:
            self._being_deleted.remove(media)

    def _delete(self, media: Media, _: Attempt) -> Result:
        """Stand in for NXCloud, which deletes unless the connection fails."""
        try:
            self._pause_before(f"delete {media}")
        except ClientError:
            return Result(outcome=Outcome.UNAVAILABLE, reason=Reason.NO_ANSWER, media=media)
        self._check_safety(media.media_id)
        self.deleted.add(media.media_id)
        return Result(outcome=Outcome.DELETED, media=media)

    # Checks

    def _snapshot(self, key: str) -> Snapshot:
        current = self.bucket.current(key)
        standing: set[str] = set()
        if current:
            standing |= current.media | {link.media for link in self.table.links() if link.matches(current)}
            standing |= {MEDIA_IN_KEY} if key == KEY_WITH_MEDIA else set()
        written = [link for link in self.table.ever_written if link.key == key]
        ended = {link.media for link in written if self._is_of_missing_version(link)}
        for version in self.bucket.all_versions:
            ended |= self._ever_stood_for(version) if version.key == key and version.ended else set()
        return Snapshot(current is not None, standing, ended)

    def _is_of_missing_version(self, link: WrittenLink) -> bool:
        """Whether a link names a version that does not exist, or is a delete marker, as messages may."""
        version = self.bucket.find(link.key, link.version_id)
        return link.version_id != "null" and (version is None or version.is_marker)

    def _was_removed_while_readable(self, link: WrittenLink) -> bool:
        """Whether a link's version is deleted permanently, and its object could be read at each moment since."""
        versions = [version for version in self.bucket.all_versions if link.matches(version)]
        return any(version.removed_while_readable for version in versions if version.version_id != "null")

    def _ever_stood_for(self, version: Version) -> set[str]:
        return version.stood_for | {link.media for link in self.table.ever_written if link.matches(version)}

    def _check_safety(self, media: str) -> None:
        if self.running is None:
            raise AssertionError("a media file was deleted outside of an invocation")
        request = json.loads(self.running.message.body)
        if "media_id" in request:
            if request["media_id"] != media:
                self.violations.append(f"safety: {media} is deleted in place of {request['media_id']}")
            return
        key = key_in(self.running.message)
        snapshot = self.running.snapshots.get(key) or self._snapshot(key)
        if media in snapshot.standing:
            self.violations.append(f"safety: {media} is deleted, and {key} existed and stood for it")
        elif snapshot.exists and media not in snapshot.ended:
            self.violations.append(f"safety: {media} is deleted, and no version of {key} that stood for it had ended")


class FakeIndexTable:
    """The index table, as far as the functions call it; a read that is not consistent misses the last write."""

    def __init__(self, pause_before: Callable[[str], None]) -> None:
        self.ever_written: set[WrittenLink] = set()
        self._pause_before = pause_before
        self._items: dict[str, dict[str, Any]] = {}
        self._items_before_last_write: dict[str, dict[str, Any]] = {}

    def links(self) -> list[WrittenLink]:
        """Return the links as they are now."""
        return [_written_link(item) for item in self._items.values() if item["object"] != CHECKPOINT]

    @property
    def pass_unfinished(self) -> bool:
        """Whether a pass of the sweep has started and not finished."""
        return any("ended" in item and not item["ended"]["BOOL"] for item in self._items.values())

    def get_paginator(self, operation: str) -> SimpleNamespace:
        """Return the paginator of `query`, with one item per page."""
        return SimpleNamespace(paginate={"query": self._query}[operation])

    def update_item(self, **parameters: Any) -> None:  # noqa: ANN401 (boto3's parameters)
        """Set attributes, each `name = :value`."""
        key, values = parameters["Key"], parameters["ExpressionAttributeValues"]
        self._pause_before(f"write {values}")
        sets = (pair.split(" = ") for pair in parameters["UpdateExpression"].removeprefix("SET ").split(", "))
        self._items_before_last_write = dict(self._items)
        self._items[str(key)] = self._items.get(str(key), {}) | key | {name: values[value] for name, value in sets}
        self.ever_written.add(_written_link(self._items[str(key)]))

    def delete_item(self, **parameters: Any) -> None:  # noqa: ANN401 (boto3's parameters)
        """Remove an item."""
        self._pause_before(f"remove {parameters['Key']}")
        self._items_before_last_write = dict(self._items)
        self._items.pop(str(parameters["Key"]), None)

    def scan(self, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401 (boto3's parameters)
        """Return one item per page, in the order of their keys."""
        after = str(parameters.get("ExclusiveStartKey", ""))
        self._pause_before(f"scan after {after}")
        found = [(key, item) for key, item in sorted(self._items.items()) if key > after][:1]
        if not found:
            return {"Items": []}
        [(_, item)] = found
        return {"Items": [item], "LastEvaluatedKey": {name: item[name] for name in ("object", "link")}}

    def get_item(self, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401 (boto3's parameters)
        """Return an item by its key."""
        self._pause_before(f"read {parameters['Key']}")
        item = self._items.get(str(parameters["Key"]))
        return {"Item": item} if item else {}

    def put_item(self, **parameters: Any) -> None:  # noqa: ANN401 (boto3's parameters)
        """Write an item."""
        item = parameters["Item"]
        self._pause_before(f"put {item}")
        self._items[str({name: item[name] for name in ("object", "link")})] = item

    def _query(self, **parameters: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 (boto3's parameters)
        partition = parameters["ExpressionAttributeValues"][":object"]
        self._pause_before(f"links of {partition}")
        items = self._items if parameters.get("ConsistentRead") else self._items_before_last_write
        return iter([{"Items": [item]} for item in items.values() if item["object"] == partition])


def key_in(message: Message) -> str:
    """Return the key of the object that a deletion is about."""
    request = json.loads(message.body)
    key: str = request["key"] if "key" in request else unquote_plus(request["Records"][0]["s3"]["object"]["key"])
    return key


def _written_link(item: dict[str, Any]) -> WrittenLink:
    text = {name: value["S"] for name, value in item.items()}
    key = text["object"].partition("/")[2]
    return WrittenLink(key, text.get("version_id", "null"), text.get("etag"), text["media_id"])


def _labels(media: frozenset[str]) -> dict[str, str]:
    return {"whatsapp-media-id": " ".join(sorted(media))} if media else {}


def _client_error(status: int, operation: str) -> ClientError:
    response = {"Error": {"Code": str(status)}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, operation)  # type: ignore[arg-type]  # the stub requires more than any reader uses
