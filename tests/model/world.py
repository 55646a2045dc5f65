"""Everything around the functions: S3, DynamoDB, the queues, Secrets Manager and NXCloud, and who breaks which promise.

What is checked, derived from what the README promises:

Safety, at each deletion of a media at the provider. Where the request named the media, anything goes. Where it named an
object, two things hold as of the function's last look at that object (at the deletion itself, if it never looked):
1. The object that could be read, if any, did not stand for the media: by its metadata, by a link of its version (of its
   eTag, where it has no version id) in the table, or by its key.
2. The object could not be read at all, or some version of it that once stood for the media had ended (see `Version`).
Other objects that stand for the same media do not matter: a media goes with the first of its objects.

Liveness, at rest:
1. Of an object that cannot be read, each media that a link was ever written for is deleted, and the media in the key of
   one that was ever stored. Metadata that no link was written for were lost to the index function, and are not asked.
   (The media in the key went unheard of where the key's deletion was lost.)
2. Of a version that was deleted for good while its object could be read, then and ever since, each media that a link of
   it was ever written for is deleted, unless the object's key or another version of it ever stood for it, and so may
   have kept it. (Had the object been gone in between, the media may be left over until its next deletion.)
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
from media_cleanup.outcome import Outcome
from media_cleanup.result import Result
from media_cleanup.settings import DeleteMediaSettings, IndexMediaSettings, SweepIndexSettings
from media_cleanup.sweep_index import SweepIndex
from media_cleanup.triggers.parsing import parse_body
from media_cleanup.triggers.runner import RequestHandler, handle_safely
from tests.model.bucket import BUCKET, Bucket, Version, Versioning
from tests.model.interleaving import Invocation

PHONE = "8615800001795"
SPELLED = "fd81acff-eea8-4d9d-acc9-6c62904d6615"
PLAIN_KEY = "files/a b+c.pdf"
SPELLING_KEY = f"{PHONE}/{SPELLED}.pdf"
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
SWEEP = {"S": "sweep"}
SLICE_LINKS = 2  # so that a pass takes several slices


@dataclass(frozen=True)
class Message:
    """What lies in a queue, by the queue's name; the schedule of the sweep counts as one."""

    queue: str
    body: str


@dataclass(frozen=True)
class Written:
    """A link that was written: the version's id is "null" where it has none."""

    key: str
    version_id: str
    etag: str | None
    media: str

    def means(self, version: Version) -> bool:
        """Whether it was made for this version, or for this content where versions have no ids."""
        if (self.key, self.version_id) != (version.key, version.version_id) or version.is_marker:
            return False
        return version.version_id != "null" or self.etag == version.etag


@dataclass(frozen=True)
class Look:
    """Of an object at one moment: whether it could be read, what it stood for, and what an ended version did."""

    readable: bool
    standing: set[str]
    ended: set[str]


class Run(Invocation):
    """An invocation for one message, with its last look at each key."""

    def __init__(self, work: Callable[[Any], None], message: Message) -> None:
        self.message = message
        self.looks: dict[str, Look] = {}
        super().__init__(work)


class World:
    """One history's world. `running` is the invocation whose turn it is; `broken` are the promises not kept."""

    def __init__(self, versioning: Versioning) -> None:
        self.messages: list[Message] = []
        self.runs: list[Run] = []
        self.running: Run | None = None
        self.deleted: set[str] = set()
        self._being_deleted: set[Media] = set()
        self.broken: list[str] = []
        self.told: list[str] = []
        self.has_lost: set[str] = set()
        self.now_s = 0
        self.bucket = Bucket(versioning, self.send)
        self.table = Table(self._call)
        aws = cast(
            "AwsClients",
            SimpleNamespace(
                s3=SimpleNamespace(head_object=self._head_object, get_object_tagging=self._get_object_tagging),
                dynamodb=self.table,
                sqs=SimpleNamespace(send_message=self._send_message),
            ),
        )
        provider = cast("Provider", SimpleNamespace(delete=self._delete))
        confirmed = cast("ConfirmedDeletions", SimpleNamespace(once=self._once))
        self._tasks: dict[str, RequestHandler] = {
            "index": IndexMedia(IndexMediaSettings.from_environment(ENVIRONMENT), aws),
            "deletion": DeleteMedia(DeleteMediaSettings.from_environment(ENVIRONMENT), aws, provider, confirmed),
        }
        self._sweep = SweepIndex(
            SweepIndexSettings.from_environment(ENVIRONMENT), aws, lambda: self.now_s, lambda _: None
        )

    # What a test does

    def send(self, queue: str, body: str) -> None:
        """Puts a message into a queue."""
        self.messages.append(Message(queue, body))

    def ask(self, queue: str, **words: str | None) -> None:
        """Puts a request into a queue; one for a version's deletion ends that version."""
        for version in self.bucket.ever:
            if queue == "deletion" and (version.key, version.version_id) == (words.get("key"), words.get("version_id")):
                version.ended = True
        self.send(queue, json.dumps({name: word for name, word in words.items() if word}))

    def lose(self, message: Message) -> None:
        """Takes a message out of its queue, as if it had never come."""
        self.messages.remove(message)
        self.has_lost.add(key_in(message))

    def deliver(self, message: Message, *, again: bool = False) -> None:
        """Begins an invocation for a message, which stays in its queue if it is to come again."""
        if not again:
            self.messages.remove(message)
        run = Run(lambda _: self._invoke(message), message)
        self.runs.append(run)
        self.advance(run)

    def advance(self, run: Run, *, failing: bool = False) -> None:
        """Lets an invocation make the call that it stands before."""
        self.running = run
        run.step(failing=failing)
        self.running = None
        if run.finished:
            self.runs.remove(run)

    def come_to_rest(self) -> None:
        """Delivers and finishes everything, one after another."""
        while self.runs or self.messages:
            if self.runs:
                self.advance(self.runs[0])
            else:
                self.deliver(self.messages[0])

    def sweep_through(self) -> None:
        """Sweeps until the pass that is under way has ended, and then once through the whole index."""
        for _ in range(2):
            self.now_s += DAY_S
            slices = 0
            while self.table.is_being_swept or not slices:
                slices += 1
                if slices > len(self.table.ever) + 1:
                    self.broken.append("liveness: the sweep does not end")
                    return
                self.send("sweep", "{}")
                self.come_to_rest()

    def abandon(self) -> None:
        """Ends all invocations where they stand."""
        for run in self.runs:
            run.abandon()

    def broken_at_rest(self) -> list[str]:
        """All promises that were not kept, now that nothing is under way any more."""
        for link in (link for link in self.table.ever if link.media not in self.deleted):
            if self.bucket.readable(link.key) is None:
                self.broken.append(f"liveness: {link.key} cannot be read, and {link.media} is not deleted")
            elif self._left_a_readable_object(link) and not (link.key == SPELLING_KEY and link.media == SPELLED):
                others = [one for one in self.bucket.ever if one.key == link.key and not link.means(one)]
                if not any(link.media in self._ever_stood_for(one) for one in others):
                    self.broken.append(f"liveness: {link.version_id} is gone, and {link.media} is not deleted")
        was_stored = any(one.key == SPELLING_KEY and not one.is_marker for one in self.bucket.ever)
        told = was_stored and SPELLING_KEY not in self.has_lost
        if told and SPELLED not in self.deleted and self.bucket.readable(SPELLING_KEY) is None:
            self.broken.append(f"liveness: {SPELLING_KEY} cannot be read, and the media in its key is not deleted")
        return self.broken

    # What the functions meet

    def _invoke(self, message: Message) -> None:
        if message.queue == "sweep":
            self._sweep_on()
            return
        task = self._tasks[message.queue]
        requests = parse_body(message.body, PHONE)
        outcomes = [outcome for request in requests for outcome in handle_safely(task, request, 1, lambda: 60_000)]
        self.told.append(f"{message} -> {[(str(one.outcome), one.reason, one.media) for one in outcomes]}")
        self.broken += [str(one.reason) for one in outcomes if "internal_error" in str(one.reason)]
        if any(one.outcome is Outcome.UNAVAILABLE for one in outcomes):
            self.messages.append(message)

    def _sweep_on(self) -> None:
        """What the schedule does; it tries nothing again."""
        links_left = iter(range(SLICE_LINKS))
        try:
            found = self._sweep.sweep_on(lambda: 60_000 if next(links_left, None) is not None else 0)
        except DependencyUnavailable as error:
            self.told.append(f"sweep -> {error}")
        else:
            self.told.append(f"sweep -> {found}")

    def _call(self, what: str, status: int = 503) -> None:
        """Stands still before a call; then lets it fail, if it is to."""
        run = self.running
        if run is None:
            raise AssertionError(f"{what} was called by nobody")
        run.pause()
        self.told.append(f"  {what}{' fails' if run.fails_next else ''}")
        if run.fails_next:
            raise _error(status, what)

    def _head_object(self, **named: str) -> dict[str, Any]:
        self._call(f"HEAD {named}", 403)  # which tells nothing
        if "VersionId" not in named and self.running:
            self.running.looks[named["Key"]] = self._look(named["Key"])
        version = self._found("HeadObject", named)
        if named.get("IfMatch", f'"{version.etag}"') != f'"{version.etag}"':
            raise _error(412, "HeadObject")
        answer = {"ETag": f'"{version.etag}"', "Metadata": _labels(version.media)}
        if self.bucket.versioning is not Versioning.UNVERSIONED:
            answer["VersionId"] = version.version_id
        return answer

    def _get_object_tagging(self, **named: str) -> dict[str, Any]:
        self._call(f"tags of {named}")
        tags = _labels(self._found("GetObjectTagging", named).tags)
        return {"TagSet": [{"Key": name, "Value": value} for name, value in tags.items()]}

    def _found(self, what: str, named: dict[str, str]) -> Version:
        version = self.bucket.named(named["Key"], named.get("VersionId"))
        if version is None or named["Bucket"] != BUCKET:
            raise _error(404, what)
        if version.is_marker:
            raise _error(405 if "VersionId" in named else 404, what)
        return version

    def _send_message(self, **message: str) -> dict[str, str]:
        self._call(f"ask {message}")
        self.send(message["QueueUrl"], message["MessageBody"])
        return {"MessageId": "asked"}

    def _once(self, media: Media, delete: Callable[[], Result], _: Callable[[], int]) -> Result:
        """What the record of confirmed deletions does."""
        try:
            self._call(f"record of {media}")
        except ClientError:
            return Result(outcome=Outcome.UNAVAILABLE, reason="idempotency_unreachable", media=media)
        if media.media_id in self.deleted:
            return Result(outcome=Outcome.ALREADY_GONE, reason="remembered", media=media)
        if media in self._being_deleted:
            return Result(outcome=Outcome.UNAVAILABLE, reason="in_progress", media=media)
        self._being_deleted.add(media)
        try:
            return delete()
        finally:
            self._being_deleted.remove(media)

    def _delete(self, media: Media, _attempt: int, _time_left_ms: Callable[[], int], *, dry_run: bool) -> Result:
        """What NXCloud does, unless the connection breaks."""
        if dry_run:
            raise AssertionError("no history is a dry run")
        try:
            self._call(f"delete {media}")
        except ClientError:
            return Result(outcome=Outcome.UNAVAILABLE, reason="no_answer", media=media)
        self._check_safety(media.media_id)
        self.deleted.add(media.media_id)
        return Result(outcome=Outcome.DELETED, media=media)

    # What is true

    def _look(self, key: str) -> Look:
        readable = self.bucket.readable(key)
        standing: set[str] = set()
        if readable:
            standing |= readable.media | {link.media for link in self.table.links() if link.means(readable)}
            standing |= {SPELLED} if key == SPELLING_KEY else set()
        ended = {link.media for link in self.table.ever if link.key == key and self._is_of_a_gone_version(link)}
        for version in self.bucket.ever:
            ended |= self._ever_stood_for(version) if version.key == key and version.ended else set()
        return Look(readable is not None, standing, ended)

    def _is_of_a_gone_version(self, link: Written) -> bool:
        """Whether a link names a version that is not there, or is a delete marker, as messages may."""
        version = self.bucket.named(link.key, link.version_id)
        return link.version_id != "null" and (version is None or version.is_marker)

    def _left_a_readable_object(self, link: Written) -> bool:
        """Whether a link's version is deleted for good, and its object could be read at each moment since."""
        return any(one.left_readable for one in self.bucket.ever if one.version_id != "null" and link.means(one))

    def _ever_stood_for(self, version: Version) -> set[str]:
        return version.stood_for | {link.media for link in self.table.ever if link.means(version)}

    def _check_safety(self, media: str) -> None:
        if self.running is None:
            raise AssertionError("a media was deleted by nobody")
        request = json.loads(self.running.message.body)
        if "media_id" in request:
            if request["media_id"] != media:
                self.broken.append(f"safety: {media} is deleted in place of {request['media_id']}")
            return
        key = key_in(self.running.message)
        look = self.running.looks.get(key) or self._look(key)
        if media in look.standing:
            self.broken.append(f"safety: {media} is deleted, and {key} could be read and stood for it")
        elif look.readable and media not in look.ended:
            self.broken.append(f"safety: {media} is deleted, and no version of {key} that stood for it had ended")


class Table:
    """The index table, as far as the functions call it; a read that is not consistent misses the last write."""

    def __init__(self, call: Callable[[str], None]) -> None:
        self.ever: set[Written] = set()
        self._call = call
        self._items: dict[str, dict[str, Any]] = {}
        self._before: dict[str, dict[str, Any]] = {}

    def links(self) -> list[Written]:
        """The links as they are now."""
        return [_written(item) for item in self._items.values() if item["object"] != SWEEP]

    @property
    def is_being_swept(self) -> bool:
        """Whether a pass of the sweep is under way."""
        return any("ended" in item and not item["ended"]["BOOL"] for item in self._items.values())

    def get_paginator(self, operation: str) -> SimpleNamespace:
        """The paginator of `query`, with one item a page."""
        return SimpleNamespace(paginate={"query": self._query}[operation])

    def update_item(self, **asked: Any) -> None:  # noqa: ANN401 (boto3's own words)
        """Sets attributes, each `name = :value`."""
        key, values = asked["Key"], asked["ExpressionAttributeValues"]
        self._call(f"write {values}")
        sets = (pair.split(" = ") for pair in asked["UpdateExpression"].removeprefix("SET ").split(", "))
        self._before = dict(self._items)
        self._items[str(key)] = self._items.get(str(key), {}) | key | {name: values[value] for name, value in sets}
        self.ever.add(_written(self._items[str(key)]))

    def delete_item(self, **asked: Any) -> None:  # noqa: ANN401 (boto3's own words)
        """Removes an item."""
        self._call(f"remove {asked['Key']}")
        self._before = dict(self._items)
        self._items.pop(str(asked["Key"]), None)

    def scan(self, **asked: Any) -> dict[str, Any]:  # noqa: ANN401 (boto3's own words)
        """One item a page, in the order of their keys."""
        after = str(asked.get("ExclusiveStartKey", ""))
        self._call(f"scan after {after}")
        found = [(key, item) for key, item in sorted(self._items.items()) if key > after][:1]
        if not found:
            return {"Items": []}
        [(_, item)] = found
        return {"Items": [item], "LastEvaluatedKey": {name: item[name] for name in ("object", "link")}}

    def get_item(self, **asked: Any) -> dict[str, Any]:  # noqa: ANN401 (boto3's own words)
        """An item by its key."""
        self._call(f"read {asked['Key']}")
        found = self._items.get(str(asked["Key"]))
        return {"Item": found} if found else {}

    def put_item(self, **asked: Any) -> None:  # noqa: ANN401 (boto3's own words)
        """Writes an item."""
        self._call(f"put {asked['Item']}")
        self._items[str({name: asked["Item"][name] for name in ("object", "link")})] = asked["Item"]

    def _query(self, **asked: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 (boto3's own words)
        wanted = asked["ExpressionAttributeValues"][":object"]
        self._call(f"links of {wanted}")
        items = self._items if asked.get("ConsistentRead") else self._before
        return iter([{"Items": [item]} for item in items.values() if item["object"] == wanted])


def key_in(message: Message) -> str:
    """The key of the object that a deletion is about."""
    request = json.loads(message.body)
    key: str = request["key"] if "key" in request else unquote_plus(request["Records"][0]["s3"]["object"]["key"])
    return key


def _written(item: dict[str, Any]) -> Written:
    text = {name: value["S"] for name, value in item.items()}
    key = text["object"].partition("/")[2]
    return Written(key, text.get("version_id", "null"), text.get("etag"), text["media_id"])


def _labels(media: frozenset[str]) -> dict[str, str]:
    return {"whatsapp-media-id": " ".join(sorted(media))} if media else {}


def _error(status: int, what: str) -> ClientError:
    return ClientError({"Error": {"Code": str(status)}, "ResponseMetadata": {"HTTPStatusCode": status}}, what)  # type: ignore[typeddict-item]  # the stub asks for more than any reader needs
