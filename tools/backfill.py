"""`make backfill STACK=… BUCKET=…`: has the index read the files that a bucket held before it was connected."""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tools.stacks import outputs_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

PAGE = 1000  # as many versions as S3 lists at once
BATCH = 10  # as many messages as SQS takes at once


class BackfillError(Exception):
    """The backfill stopped; the message says why and what to do."""


@dataclass(frozen=True)
class Page:
    """What S3 listed at once: a message for each version of an object, and where the next page begins."""

    messages: list[str]
    following: dict[str, str] | None


def pages(s3: "S3Client", bucket: str, prefix: str, start: dict[str, str]) -> Iterator[Page]:
    """All versions of all objects under a prefix, from a place on. What is hidden by a delete marker is there too."""
    following: dict[str, str] | None = start
    while following is not None:
        listed: Any = s3.list_object_versions(Bucket=bucket, Prefix=prefix, MaxKeys=PAGE, **following)  # type: ignore[arg-type]  # markers
        messages = [_message(bucket, version) for version in listed.get("Versions", [])]
        markers = {"KeyMarker": "NextKeyMarker", "VersionIdMarker": "NextVersionIdMarker"}
        following = (
            {name: listed[of] for name, of in markers.items() if of in listed} if listed["IsTruncated"] else None
        )
        yield Page(messages, following)


def _message(bucket: str, version: dict[str, str]) -> str:
    version_id = {} if version["VersionId"] == "null" else {"version_id": version["VersionId"]}
    return json.dumps({"bucket": bucket, "key": version["Key"], **version_id})


class Pace:
    """Lets so many messages pass in a second."""

    def __init__(
        self, rate: float, now_s: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._rate = rate
        self._now_s = now_s
        self._sleep = sleep
        self._next_s = now_s()

    def wait_for(self, messages: int) -> None:
        """Waits until so many more may pass."""
        now_s = self._now_s()
        self._sleep(max(0, self._next_s - now_s))
        self._next_s = max(now_s, self._next_s) + messages / self._rate


def send(sqs: "SQSClient", queue_url: str, messages: list[str], pace: Pace) -> Iterator[int]:
    """Sends messages to the queue, and tells of each batch how many it took. Raises BackfillError."""
    for first in range(0, len(messages), BATCH):
        batch = messages[first : first + BATCH]
        pace.wait_for(len(batch))
        entries = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(batch)]
        answer = sqs.send_message_batch(QueueUrl=queue_url, Entries=entries)  # type: ignore[arg-type]  # two names of many
        if failed := answer.get("Failed"):
            raise BackfillError(f"SQS did not take {len(failed)} messages ({failed[0]['Code']}); run the command again")
        yield len(batch)


class Bookmark:
    """Remembers in a file how far the backfill of a bucket has come; `of` is what else it is about."""

    def __init__(self, folder: Path, bucket: str, of: list[str]) -> None:
        self._file = folder / f".backfill-{bucket}.json"
        self._of = of

    def place(self) -> dict[str, str]:
        """Where to go on: at the beginning where nothing is remembered of this."""
        try:
            remembered = json.loads(self._file.read_text())
        except FileNotFoundError:
            return {}
        place: dict[str, str] = remembered["place"]
        return place if remembered["of"] == self._of else {}

    def move_to(self, place: dict[str, str] | None) -> None:
        """Remembers a place, or at the end forgets all."""
        if place is None:
            self._file.unlink(missing_ok=True)
        else:
            new = self._file.with_suffix(".new")
            new.write_text(json.dumps({"of": self._of, "place": place}))
            new.replace(self._file)


def backfill(
    s3: "S3Client", bucket: str, prefix: str, bookmark: Bookmark, deliver: Callable[[list[str]], None]
) -> None:
    """Delivers a message for each version, page by page; a page that was not delivered whole comes again."""
    for page in pages(s3, bucket, prefix, bookmark.place()):
        deliver(page.messages)
        bookmark.move_to(page.following)


def queue_for(outputs: dict[str, str], bucket: str) -> str:
    """The index queue of a stack that may read this bucket. Raises BackfillError."""
    followed = outputs.get("SourceBucketName")
    if followed is None or not fnmatchcase(bucket, followed):
        what = f"follows {followed}" if followed else "follows no bucket"
        raise BackfillError(f"the stack {what}, so it may not read {bucket}: set SourceBucketName first")
    return outputs["IndexQueueUrl"]


def main() -> None:
    """Names all objects of a bucket to the stack's index queue."""
    parser = argparse.ArgumentParser(prog="make backfill", description=__doc__)
    parser.add_argument("--stack", required=True, help="the stack's name")
    parser.add_argument("--bucket", required=True, help="a bucket that the stack follows")
    parser.add_argument("--prefix", default="", help="only objects whose keys begin so")
    parser.add_argument("--rate", type=float, default=100, help="messages a second (default: 100)")
    options = parser.parse_args()
    if not options.bucket or not options.rate > 0:
        parser.error("name a BUCKET, and a RATE above 0")
    try:
        _run(options)
    except (BackfillError, ClientError, BotoCoreError) as error:
        parser.exit(1, f"make backfill: {error}\n")
    except KeyboardInterrupt:
        parser.exit(130, "stopped; the same command goes on from here\n")


def _run(options: argparse.Namespace) -> None:
    queue_url = queue_for(outputs_of(boto3.client("cloudformation"), options.stack), options.bucket)
    s3, sqs, pace = boto3.client("s3"), boto3.client("sqs"), Pace(options.rate)
    bookmark = Bookmark(Path(), options.bucket, [queue_url, options.prefix])
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        bar = progress.add_task("counting", total=None)
        total = 0
        for page in pages(s3, options.bucket, options.prefix, bookmark.place()):
            total += len(page.messages)
            progress.update(bar, completed=total)
        progress.reset(bar, total=total, description="naming")

        def deliver(messages: list[str]) -> None:
            for sent in send(sqs, queue_url, messages, pace):
                progress.advance(bar, sent)

        backfill(s3, options.bucket, options.prefix, bookmark, deliver)


if __name__ == "__main__":
    main()
