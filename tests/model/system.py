"""The functions with hand-written fakes of S3, DynamoDB, the queues and NXCloud, and the oracle of the histories.

The oracle knows the deletion rules by their promises, not by their implementation. *The object stands for* a media file
by its metadata, its tags, its key, its own links, and the links of the same content.

Safety, checked at each deletion of a media file at NXCloud. Where the request named the media file, every deletion is
right. Where it named an object:
1. The current object, if any, did not stand for the media file when the function looked, at its HEAD and its read of
   the tags.
2. A link of the key, or the key itself, named the media file. For the permanent deletion of a version whose object
   exists, it was a link of this version. A link that is known to be newer than the deletion does not count while the
   object exists.

Liveness, checked once everything is delivered and finished:
1. Of an object that does not exist, each media file that a link was ever written for is deleted, and the media file in
   the key of one that was ever stored. Metadata without a link were lost to the index function, and are not checked.
   (The media file in the key is not checked where the event of the key's deletion was lost.)
2. Of a deleted object, each linked media file is deleted whatever was stored later, unless an object of that key that
   was current since then stood for it.
3. Of a version that was deleted permanently, the same.
4. A link disappears only after its media file was deleted, or for another link of the key to that media file.

No residue, checked after a whole pass of the sweep: the object of each link exists, and the next pass requests nothing.
Media files that NXCloud refuses permanently are exempt, and are not requested.

Two races are allowed, and each has its name here:
- AFTER_THE_LOOK: what becomes current after the function looked, such as an old version that a rollback makes current,
  loses a media file that the deletion covers. Safety 1 is checked as of the look.
- LATE_LINK: an index event is handled after the deletion, and after the key was stored again. Its media file goes with
  the next deletion of the key or of its version, or with the sweep. Liveness 2 and 3 leave out such links.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import unquote_plus

from botocore.exceptions import ClientError

from media_cleanup.aws.clients import AwsClients
from media_cleanup.aws.idempotency import DeletionRecords
from media_cleanup.delete_media import DeleteMedia
from media_cleanup.errors import DependencyUnavailable
from media_cleanup.index_media import IndexMedia
from media_cleanup.model import Media
from media_cleanup.outcome import Outcome, Reason
from media_cleanup.provider.absence import AbsenceExperiments
from media_cleanup.provider.gateway import NxCloudGateway
from media_cleanup.request import Attempt
from media_cleanup.result import Result
from media_cleanup.settings import DeleteMediaSettings, IndexMediaSettings, SweepIndexSettings
from media_cleanup.sweep_index import SweepIndex
from media_cleanup.triggers.parsing import parse_body
from media_cleanup.triggers.runner import RequestHandler, handle_safely
from tests.conftest import Context
from tests.model.bucket import BUCKET, Bucket, Stored, Version, Versioning
from tests.model.interleaving import SteppedThread
from tests.model.reference import as_fraction

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
MAX_STEPS = 10_000  # of a history, far more than any takes
SLICE_LINKS = 2  # so that a pass takes several slices
TIME_TO_FINISH_MS = 20_000  # enough for the requests of a slice, and too little for further links
REFUSED = "media-refused"  # NXCloud refuses its deletion permanently


@dataclass(frozen=True)
class Message:
    """A message with its queue's name; a run of the sweep's schedule counts as one."""

    queue: str
    body: str


@dataclass(frozen=True)
class WrittenLink:
    """A link that was written: the version's id is "null" where it has none, `stored` is None where it was gone."""

    key: str
    version_id: str
    stored: Stored | None
    media: str

    def is_own_of(self, version: Version) -> bool:
        """Whether it is a link of this version; a `null` version has its eTag besides."""
        if (self.key, self.version_id) != (version.key, version.version_id) or version.is_marker:
            return False
        return version.version_id != "null" or (self.stored is not None and self.stored.etag == version.stored.etag)

    def has_content_of(self, version: Version) -> bool:
        """Whether its object had the same content, as far as S3 shows it: the eTag, with SSE-KMS the size."""
        if self.key != version.key or self.stored is None or version.is_marker:
            return False
        sizes_count = self.stored.kms or version.stored.kms
        return self.stored.etag == version.stored.etag or (sizes_count and self.stored.size == version.stored.size)


@dataclass
class Writing:
    """When a link was first written, as a time of the bucket; `sequencers` are those it had, `late` see LATE_LINK."""

    at: int
    late: bool
    sequencers: set[str | None] = field(default_factory=set)


@dataclass(frozen=True)
class Look:
    """The current object at one moment: whether it exists, the media files it stands for, and those of its tags."""

    exists: bool
    standing: frozenset[str]
    tags: frozenset[str] = frozenset()


class Invocation(SteppedThread):
    """An invocation for one message, with its last look at the current object; `queried`: it has read the links."""

    def __init__(self, work: Callable[[Any], None], message: Message) -> None:
        self.message = message
        self.look: Look | None = None
        self.queried = False
        super().__init__(work)


class SliceDeadline:
    """The deadline of an invocation of the sweep; it ends the slice after SLICE_LINKS links."""

    def __init__(self) -> None:
        self._links_left = iter(range(SLICE_LINKS))

    def get_remaining_time_in_millis(self) -> int:
        """Return the time left, as the sweep asks for it before each link and each request."""
        return 60_000 if next(self._links_left, None) is not None else TIME_TO_FINISH_MS


class ModelSystem:
    """All functions over fakes. `running` is the invocation that holds the turn; `violations` are broken promises."""

    def __init__(self, versioning: Versioning) -> None:
        self.messages: list[Message] = []
        self.invocations: list[Invocation] = []
        self.running: Invocation | None = None
        self.deleted: set[str] = set()
        self.outage = False
        self._being_deleted: set[Media] = set()
        self.violations: list[str] = []
        self.trace: list[str] = []
        self.keys_of_lost_events: set[str] = set()
        self.now_s = 0
        self.sent_by_sweep = 0
        self.bucket = Bucket(versioning, self.send)
        self.table = FakeIndexTable(self._pause_before, self._note_link)
        self.writings: dict[WrittenLink, Writing] = {}
        clients = cast(
            "AwsClients",
            SimpleNamespace(
                s3=SimpleNamespace(head_object=self._head_object, get_object_tagging=self._get_object_tagging),
                dynamodb=self.table,
                sqs=SimpleNamespace(send_message=self._send_message),
            ),
        )
        gateway = cast("NxCloudGateway", SimpleNamespace(delete=self._delete, blocking_error=lambda _: None))
        records = cast("DeletionRecords", SimpleNamespace(once=self._once, now_s=lambda: 0.0))
        verifier = cast("AbsenceExperiments", None)  # verification follows a batch, apart from the rules
        index_settings = IndexMediaSettings.from_environment(ENVIRONMENT)
        deletion_settings = DeleteMediaSettings.from_environment(ENVIRONMENT)
        # Each invocation runs in an execution environment of its own, and so waits for no other
        self._use_cases: dict[str, Callable[[], RequestHandler]] = {
            "index": lambda: IndexMedia(index_settings, clients),
            "deletion": lambda: DeleteMedia(deletion_settings, clients, gateway, verifier, records),
        }
        self._sweep_index = SweepIndex(
            SweepIndexSettings.from_environment(ENVIRONMENT), clients, lambda: self.now_s, lambda _: None
        )

    # Actions of a test

    def send(self, queue: str, body: str) -> None:
        """Put a message into a queue."""
        self.messages.append(Message(queue, body))

    def send_request(self, queue: str, **fields: str | None) -> None:
        """Put a request into a queue."""
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
        """End the outage, and deliver and finish everything, one after another."""
        self.outage = False
        for _ in range(MAX_STEPS):
            if self.invocations:
                self.advance(self.invocations[0])
            elif self.messages:
                self.deliver(self.messages[0])
            else:
                return
        raise AssertionError(f"the queues are not empty after {MAX_STEPS} steps: {self.messages}")

    def sweep_whole_index(self) -> None:
        """Finish the current pass of the sweep, sweep once through the whole index, and check for residue."""
        self._sweep_pass()
        self._sweep_pass()
        self.violations += [f"residue: {link}" for link in self.table.links() if not self._has_object(link)]
        sent = self.sent_by_sweep
        self._sweep_pass()
        if self.sent_by_sweep != sent:
            self.violations.append("residue: the last pass of the sweep requests deletions")

    def _sweep_pass(self) -> None:
        self.now_s += DAY_S
        slices = 0
        while self.table.pass_unfinished or not slices:
            slices += 1
            if slices > len(self.writings) + 1:
                self.violations.append("residue: the sweep does not end")
                return
            self.send("sweep", "{}")
            self.drain()

    def _has_object(self, link: WrittenLink) -> bool:
        """Whether a link's object exists, or its content is that of an object without a version of its own."""
        current = self.bucket.current(link.key)
        if link.media == REFUSED:
            return True
        if current is None:
            return False
        own = any(link.is_own_of(version) for version in self.bucket.versions(link.key))
        return own or (link.version_id == "null" and link.has_content_of(current))

    def abandon(self) -> None:
        """End all invocations at their pending calls."""
        for invocation in self.invocations:
            invocation.abandon()

    def violations_at_rest(self) -> list[str]:
        """Return all broken promises, now that everything is delivered and finished."""
        self.bucket.tick()
        for link, writing in self.writings.items():
            if link.media in self.deleted or link.media == REFUSED:
                continue
            if not any((left.key, left.media) == (link.key, link.media) for left in self.table.links()):
                self.violations.append(f"liveness: no link is left to {link.media}, which is not deleted")
            if self.bucket.current(link.key) is None:
                self.violations.append(f"liveness: {link.key} does not exist, and {link.media} is not deleted")
            elif not self._losing_events and self._must_be_deleted(link, writing):
                self.violations.append(f"liveness: {link} was deleted, and its media file is not")
        was_stored = any(each.key == KEY_WITH_MEDIA and not each.is_marker for each in self.bucket.all_versions)
        expected = was_stored and KEY_WITH_MEDIA not in self.keys_of_lost_events
        if expected and MEDIA_IN_KEY not in self.deleted and self.bucket.current(KEY_WITH_MEDIA) is None:
            self.violations.append(f"liveness: {KEY_WITH_MEDIA} does not exist, and its media file is not deleted")
        return self.violations

    @property
    def _losing_events(self) -> bool:
        """Whether events were lost: then the residue of the sweep is what counts."""
        return bool(self.keys_of_lost_events)

    def _must_be_deleted(self, link: WrittenLink, writing: Writing) -> bool:
        """Whether a link's object was deleted, and no object that was current since stood for its media file."""
        versions = [version for version in self.bucket.all_versions if link.is_own_of(version)]
        if not versions or (link.key, link.media) == (KEY_WITH_MEDIA, MEDIA_IN_KEY):
            return False
        newest = versions[-1]  # objects without a version may have the same eTag one after another
        removed_at = [] if newest.removed_at is None else [newest.removed_at]
        deletions = [at for at in newest.ended_at + removed_at if at > newest.stored_at]
        handled = [at for at in deletions if not writing.late or at > writing.at]
        return any(not self._was_kept_since(at, link) for at in handled)

    def _was_kept_since(self, at: int, link: WrittenLink) -> bool:
        """Whether an object that was current at this time or later ever stood for a link's media file."""
        since = [each for each in self.bucket.all_versions if each.key == link.key and each.last_current_at >= at]
        own = (each for each in self.writings if each.media == link.media)
        return any(
            link.media in version.labelled
            or any(each.is_own_of(version) or each.has_content_of(version) for each in own)
            for version in since
        )

    # Lambda and the fakes

    def _invoke(self, message: Message) -> None:
        if message.queue == "sweep":
            self._sweep_slice()
            return
        use_case = self._use_cases[message.queue]()
        attempt = Attempt(1, Context())
        requests = parse_body(message.body, PHONE)
        results = [result for request in requests for result in handle_safely(use_case, request, attempt)]
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
        invocation.queried |= call.startswith("links of") and not invocation.fails_next
        if invocation.fails_next:
            raise _client_error(status, call)

    def _head_object(self, **parameters: str) -> dict[str, Any]:
        self._pause_before(f"HEAD {parameters}", 403)  # which is inconclusive
        if self.running and not parameters.keys() & {"VersionId", "IfMatch"}:
            self.running.look = self._look(parameters["Key"])
        version = self._find("HeadObject", parameters)
        if parameters.get("IfMatch", f'"{version.stored.etag}"') != f'"{version.stored.etag}"':
            raise _client_error(412, "HeadObject")
        response = {
            "ETag": f'"{version.stored.etag}"',
            "ContentLength": version.stored.size,
            "Metadata": _labels(version.media),
            "ResponseMetadata": {},
        }
        response |= {"ServerSideEncryption": "aws:kms"} if version.stored.kms else {}
        response |= {"TagCount": 1} if version.tags else {}
        if self.bucket.versioning is not Versioning.UNVERSIONED:
            response["VersionId"] = version.version_id
        return response

    def _get_object_tagging(self, **parameters: str) -> dict[str, Any]:
        self._pause_before(f"tags of {parameters}")
        version = self._find("GetObjectTagging", parameters)
        if self.running and self.running.look:
            self.running.look = replace(self.running.look, tags=version.tags)
        return {"TagSet": [{"Key": name, "Value": value} for name, value in _labels(version.tags).items()]}

    def _find(self, operation: str, parameters: dict[str, str]) -> Version:
        version = self.bucket.find(parameters["Key"], parameters.get("VersionId"))
        if version is None or parameters["Bucket"] != BUCKET:
            raise _client_error(404, operation)
        if version.is_marker:
            raise _client_error(405 if "VersionId" in parameters else 404, operation)
        return version

    def _send_message(self, **parameters: str) -> dict[str, str]:
        self._pause_before(f"send {parameters}")
        self.sent_by_sweep += self.running is not None and self.running.message.queue == "sweep"
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
            self._pause_before(f"delete {media}{' in an outage' if self.outage else ''}")
        except ClientError:
            return Result(outcome=Outcome.UNAVAILABLE, reason=Reason.NO_ANSWER, media=media)
        if self.outage:
            return Result(outcome=Outcome.UNAVAILABLE, reason=Reason.PROVIDER_FAILED, media=media)
        if media.media_id == REFUSED:
            return Result(outcome=Outcome.REJECTED, reason=Reason.REFUSED_BY_PROVIDER, media=media)
        self._check_safety(media.media_id)
        self.deleted.add(media.media_id)
        return Result(outcome=Outcome.DELETED, media=media)

    # Checks

    def _look(self, key: str) -> Look:
        current = self.bucket.current(key)
        if current is None:
            return Look(exists=False, standing=frozenset())
        links = {link.media for link in self.table.links() if link.is_own_of(current) or link.has_content_of(current)}
        in_key = {MEDIA_IN_KEY} if key == KEY_WITH_MEDIA else set()
        return Look(exists=True, standing=frozenset(current.media | links | in_key), tags=current.tags)

    def _note_link(self, link: WrittenLink, sequencer: str | None) -> None:
        """Note when a link is first written, and whether it is a LATE_LINK: then no deletion will see it any more."""
        if link not in self.writings:
            versions = [version for version in self.bucket.all_versions if link.is_own_of(version)]
            ended = bool(versions) and versions[-1] not in self.bucket.versions(link.key)
            late = ended or any(at > version.stored_at for version in versions for at in version.ended_at)
            expected = any(key_in(message) == link.key for message in self._unseen_deletions())
            self.writings[link] = Writing(self.bucket.now, late and not expected)
        self.writings[link].sequencers.add(sequencer)

    def _unseen_deletions(self) -> list[Message]:
        """Return the deletions of objects that have not read the links yet."""
        messages = self.messages + [each.message for each in self.invocations if not each.queried]
        return [each for each in messages if each.queue == "deletion" and "business_phone" not in json.loads(each.body)]

    def _check_safety(self, media: str) -> None:
        if self.running is None:
            raise AssertionError("a media file was deleted outside of an invocation")
        request = json.loads(self.running.message.body)
        if "media_id" in request:
            if request["media_id"] != media:
                self.violations.append(f"safety: {media} is deleted in place of {request['media_id']}")
            return
        key = key_in(self.running.message)
        look = self.running.look or self._look(key)
        if media in look.standing | look.tags:
            self.violations.append(f"safety: {media} is deleted, and {key} existed and stood for it")
        if not (self._is_covered(media, request, key) if look.exists else self._was_linked(media, key)):
            self.violations.append(f"safety: {media} is deleted, and the deletion of {key} does not cover it")

    def _was_linked(self, media: str, key: str) -> bool:
        return (key, media) == (KEY_WITH_MEDIA, MEDIA_IN_KEY) or any(
            (link.key, link.media) == (key, media) for link in self.writings
        )

    def _is_covered(self, media: str, request: dict[str, Any], key: str) -> bool:
        """Whether a deletion covers a link to a media file while the object exists."""
        version_id, sequencer = request.get("version_id"), None
        if "Records" in request:
            obj = request["Records"][0]["s3"]["object"]
            is_marker = request["Records"][0]["eventName"].endswith("DeleteMarkerCreated")
            version_id, sequencer = None if is_marker else obj.get("versionId"), obj["sequencer"]
        return any(
            (version_id is None or version_id == link.version_id)
            and (version_id not in (None, "null") or any(not _is_newer(own, sequencer) for own in writing.sequencers))
            for link, writing in self.writings.items()
            if (link.key, link.media) == (key, media)
        )


class FakeIndexTable:
    """The index table, as far as the functions call it; a read that is not consistent misses the last write.

    `note_link` is called with each link that is written, and its sequencer.
    """

    def __init__(
        self, pause_before: Callable[[str], None], note_link: Callable[[WrittenLink, str | None], None]
    ) -> None:
        self._pause_before = pause_before
        self._note_link = note_link
        self._items: dict[str, dict[str, Any]] = {}
        self._items_before_last_write: dict[str, dict[str, Any]] = {}

    def links(self) -> list[WrittenLink]:
        """Return the links as they are now."""
        return [_written_link(item) for item in self._items.values() if item["object"] != CHECKPOINT]

    @property
    def pass_unfinished(self) -> bool:
        """Whether a pass of the sweep has started and not finished."""
        return any("ended" in item and not item["ended"]["BOOL"] for item in self._items.values())

    @property
    def checkpoint_revision(self) -> str:
        """The number of times that the sweep's checkpoint was saved."""
        [revision] = [item["revision"]["N"] for item in self._items.values() if "revision" in item]
        return str(revision)

    def get_paginator(self, operation: str) -> SimpleNamespace:
        """Return the paginator of `query`, with one item per page."""
        return SimpleNamespace(paginate={"query": self._query}[operation])

    def update_item(self, **parameters: Any) -> None:  # noqa: ANN401 (boto3's parameters)
        """Set attributes, each `name = :value`, and remove one."""
        key, values = parameters["Key"], parameters["ExpressionAttributeValues"]
        self._pause_before(f"write {values}")
        if "ConditionExpression" in parameters and "media_id" not in self._items.get(str(key), {}):
            raise _client_error(400, "UpdateItem", "ConditionalCheckFailedException")
        sets, _, removed = parameters["UpdateExpression"].removeprefix("SET ").partition(" REMOVE ")
        names = parameters.get("ExpressionAttributeNames", {})
        assigned = {
            names.get(name, name): values[value] for name, value in (each.split(" = ") for each in sets.split(", "))
        }
        item = self._items.get(str(key), {}) | key | assigned
        item.pop(removed, None)
        self._items_before_last_write = dict(self._items)
        self._items[str(key)] = item
        self._note_link(_written_link(item), assigned.get("sequencer", {}).get("S"))

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
        key = str({name: item[name] for name in ("object", "link")})
        loaded = parameters["ExpressionAttributeValues"][":loaded"]  # of the checkpoint's condition
        if self._items.get(key, {"revision": loaded})["revision"] != loaded:
            raise _client_error(400, "PutItem", "ConditionalCheckFailedException")
        self._items[key] = item

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
    stored = Stored(text["etag"], int(text["size"]), text["etag_is_digest"] == "false") if "etag" in text else None
    key = text["object"].partition("/")[2]
    return WrittenLink(key, text.get("version_id", "null"), stored, text["media_id"])


def _is_newer(sequencer: str | None, other: str | None) -> bool:
    """Whether one sequencer is known to be newer than another: as fractions, whose zeros on the right do not matter."""
    return sequencer is not None and other is not None and as_fraction(sequencer) > as_fraction(other)


def _labels(media: frozenset[str]) -> dict[str, str]:
    return {"whatsapp-media-id": " ".join(sorted(media))} if media else {}


def _client_error(status: int, operation: str, code: str = "") -> ClientError:
    response = {"Error": {"Code": code or str(status)}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, operation)  # type: ignore[arg-type]  # the stub requires more than any reader uses
