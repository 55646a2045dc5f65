"""The stack under verification: what a step does to it, what a step observes, and what is removed at the end."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from media_cleanup.aws.clients import AwsClients
from media_cleanup.aws.media_index import MediaIndex
from media_cleanup.model import Link, Media, S3Object
from media_cleanup.settings import DeleteMediaSettings
from tools.command import client, is_local
from tools.deployment import Deployment
from tools.verify.batch_job import MANIFEST_FOLDER
from tools.verify.media import MediaSource
from tools.verify.results import NotApplicableError, StepFailedError

Found = TypeVar("Found")
POLL_S = 0.5
LOG_DELAY_MS = 60_000  # of clocks that differ
MESSAGES = {"DeleteMediaFunction": "media_deletion", "IndexMediaFunction": "media_linking"}
OBJECT_FOLDER = "media-cleanup-verify"


@dataclass
class Subject:
    """A deployed stack, the media files of this run, and the bucket to store objects in, if there is one.

    `run` names everything that this run creates, `keys` holds the keys of its objects. A wait ends after `patience_s`
    seconds.
    """

    deployment: Deployment
    settings: DeleteMediaSettings
    media: MediaSource
    bucket: str | None
    run: str
    patience_s: float
    started_ms: int = field(default_factory=lambda: time.time_ns() // 1_000_000 - LOG_DELAY_MS)
    keys: set[str] = field(default_factory=set)

    @cached_property
    def s3(self) -> Any:  # noqa: ANN401 (boto3 creates clients at run time)
        """The client of S3."""
        return client("s3")

    @cached_property
    def sqs(self) -> Any:  # noqa: ANN401 (boto3 creates clients at run time)
        """The client of SQS."""
        return client("sqs")

    @cached_property
    def functions(self) -> Any:  # noqa: ANN401 (boto3 creates clients at run time)
        """The client of Lambda."""
        return client("lambda")

    @cached_property
    def _logs(self) -> Any:  # noqa: ANN401 (boto3 creates clients at run time)
        return client("logs")

    @cached_property
    def _index(self) -> MediaIndex:
        return MediaIndex(AwsClients(), self.settings.media_index_table)

    @property
    def on_local_cloud(self) -> bool:
        """Whether AWS is the local cloud."""
        return is_local(self.s3.meta.endpoint_url)

    def require_bucket(self) -> str:
        """Return the bucket. Raises NotApplicableError."""
        if self.bucket is None:
            pattern = self.deployment.bucket_pattern
            raise NotApplicableError(
                f"name one bucket of {pattern}: BUCKET=…" if pattern else "the stack has no bucket"
            )
        return self.bucket

    def key(self, name: str) -> str:
        """Return a key of this run."""
        return f"{self.settings.object_key_prefix}{OBJECT_FOLDER}/{self.run}/{name}"

    def labels(self, *media_ids: str) -> dict[str, str]:
        """Return the metadata or tags that name these media files."""
        return {"whatsapp-media-id": " ".join(media_ids), "whatsapp-business-phone": self.media.business_phone}

    def store(self, name: str, **fields: Any) -> str:  # noqa: ANN401 (boto3's own words)
        """Store an object, and return its key. Raises NotApplicableError."""
        key = self.key(name)
        self.keys.add(key)
        self.s3.put_object(Bucket=self.require_bucket(), Key=key, Body=self.run.encode(), **fields)
        return key

    def missing_object(self, name: str) -> str:
        """Return the key of an object that was never stored; its links are removed at the end."""
        key = self.key(name)
        self.keys.add(key)
        return key

    def delete(self, key: str) -> str | None:
        """Delete an object, and return the version id of its delete marker, if there is one."""
        answer = self.s3.delete_object(Bucket=self.bucket, Key=key)
        marker: str | None = answer.get("VersionId") if answer.get("DeleteMarker") else None
        return marker

    def send(self, queue: str, message: object) -> None:
        """Send a message, as JSON unless it is text."""
        body = message if isinstance(message, str) else json.dumps(message)
        self.sqs.send_message(QueueUrl=self.deployment.physical_id(queue), MessageBody=body)

    def send_link(self, key: str, media_id: str) -> None:
        """Send a link message, as an uploader does."""
        phone = self.media.business_phone
        link = {"bucket": self.bucket, "key": key, "business_phone": phone, "media_id": media_id}
        self.send("IndexQueue", link)

    def put_link(self, key: str, media_id: str) -> None:
        """Write a link into the index, without any event."""
        link = Link(S3Object(self.require_bucket(), key), None, Media(self.media.business_phone, media_id))
        self._index.put(link)

    def invoke(self, function: str, payload: str) -> Any:  # noqa: ANN401 (any JSON)
        """Invoke the live version of a function, and return its answer. Raises StepFailedError."""
        name = f"{self.deployment.physical_id(function)}:live"
        answer = self.functions.invoke(FunctionName=name, Payload=payload)
        result = json.load(answer["Payload"])
        if "FunctionError" in answer:
            raise StepFailedError(f"{function} raised {result.get('errorType')}: {result.get('errorMessage')}")
        return result

    def await_deletion(self, media_id: str) -> None:
        """Wait until a media file is deleted; in a dry run, until it would have been. Raises StepFailedError."""
        self._await_outcome("DeleteMediaFunction", media_id, self.media.deletion)
        if self.media.exists(media_id):
            raise StepFailedError(f"NXCloud still has {media_id}, although its deletion was confirmed")

    def await_link(self, media_id: str, **fields: str) -> None:
        """Wait until a media file is linked. Raises StepFailedError."""
        self._await_outcome("IndexMediaFunction", media_id, ("linked", None), **fields)

    def require_kept(self, media_id: str) -> None:
        """Raise StepFailedError if a media file was deleted."""
        deletions = [line for line in self.lines("DeleteMediaFunction", media_id) if self._is_deletion(line)]
        if deletions or self.media.exists(media_id) is False:
            raise StepFailedError(f"{media_id} was deleted, although its object exists")

    def _is_deletion(self, line: Mapping[str, Any]) -> bool:
        return (line["outcome"], line.get("reason")) == self.media.deletion

    def _await_outcome(self, function: str, media_id: str, expected: tuple[str, str | None], **fields: str) -> None:
        def look() -> bool:
            lines = self.lines(function, media_id)
            matching = [line for line in lines if all(line.get(name) == value for name, value in fields.items())]
            if any((line["outcome"], line.get("reason")) == expected for line in matching):
                return True
            if rejected := [line for line in lines if line["outcome"] == "rejected"]:
                raise StepFailedError(f"{media_id}: {outcome_text(rejected[-1])}")
            return False

        self.wait_for(look, lambda: self._history(function, media_id, expected))

    def _history(self, function: str, media_id: str, expected: tuple[str, str | None]) -> str:
        outcomes = [outcome_text(line) for line in self.lines(function, media_id)]
        return f"{media_id}: expected {expected[0]}; {function} logged {', '.join(outcomes) or 'nothing'}"

    def lines(self, function: str, text: str) -> list[dict[str, Any]]:
        """Return a function's log lines of this run that contain a text, oldest first."""
        pages = self._logs.get_paginator("filter_log_events").paginate(
            logGroupName=self._log_groups[function], startTime=self.started_ms, filterPattern=f'"{text}"'
        )
        texts = [one for page in pages for event in page["events"] for one in event["message"].splitlines()]
        lines = [json.loads(one) for one in texts if one.startswith("{") and text in one]
        return [line for line in lines if line.get("message") == MESSAGES[function]]

    @cached_property
    def _log_groups(self) -> dict[str, str]:
        return {function: self._log_group(function) for function in MESSAGES}

    def _log_group(self, function: str) -> str:
        settings = self.functions.get_function_configuration(FunctionName=self.deployment.physical_id(function))
        group: str = settings["LoggingConfig"]["LogGroup"]
        return group

    def wait_for(self, look: Callable[[], Found | None], failure: Callable[[], str]) -> Found:
        """Return what `look` finds, as soon as it finds something. Raises StepFailedError after the patience."""
        until = time.monotonic() + self.patience_s
        while True:
            if found := look():
                return found
            if time.monotonic() > until:
                raise StepFailedError(f"{failure()}, within {self.patience_s:g} s")
            time.sleep(POLL_S)

    def clean_up(self) -> list[str]:
        """Remove what this run created, and return what could not be removed."""
        actions: Sequence[tuple[str, Callable[[], None]]] = (
            ("objects", self._remove_objects),
            ("links", self._remove_links),
            ("media files", self.media.remove_all),
        )
        failures = []
        for name, action in actions:
            try:
                action()
            except Exception as error:  # noqa: BLE001 (the others are still to be removed)
                failures.append(f"{name}: {error}")
        return failures

    def _remove_objects(self) -> None:
        if self.bucket is None:
            return
        for prefix in (self.key(""), f"{MANIFEST_FOLDER}/{self.run}"):
            for page in self.s3.get_paginator("list_object_versions").paginate(Bucket=self.bucket, Prefix=prefix):
                for one in (*page.get("Versions", []), *page.get("DeleteMarkers", [])):
                    self.s3.delete_object(Bucket=self.bucket, Key=one["Key"], VersionId=one["VersionId"])

    def _remove_links(self) -> None:
        if self.bucket is None:
            return
        for key in self.keys:
            for link in self._index.get_links(S3Object(self.bucket, key)):
                self._index.remove(link)


def outcome_text(line: Mapping[str, Any]) -> str:
    """Return the outcome of a log line, with its reason."""
    return f"{line['outcome']}: {line['reason']}" if line.get("reason") else str(line["outcome"])
