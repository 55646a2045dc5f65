"""`make backfill STACK=… BUCKET=…`: indexes the files that a bucket contained before it was connected."""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tools.program import ToolError, one_line_errors
from tools.stacks import outputs_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

PAGE = 1000  # the most versions in one response of S3
BATCH = 10  # the most messages in one call to SQS


class BackfillError(ToolError):
    """The backfill stopped; the message says why, and what to do."""


@dataclass(frozen=True)
class Page:
    """A page of S3's listing: a message for each version of an object, and the start of the next page."""

    messages: list[str]
    next_start: dict[str, str] | None


def pages(s3: "S3Client", bucket: str, prefix: str, start: dict[str, str]) -> Iterator[Page]:
    """List all versions of all objects under a prefix from `start` on, also those hidden by a delete marker."""
    next_start: dict[str, str] | None = start
    while next_start is not None:
        listed: Any = s3.list_object_versions(Bucket=bucket, Prefix=prefix, MaxKeys=PAGE, **next_start)  # type: ignore[arg-type]  # markers
        messages = [_message(bucket, version) for version in listed.get("Versions", [])]
        markers = {"KeyMarker": "NextKeyMarker", "VersionIdMarker": "NextVersionIdMarker"}
        next_start = (
            {name: listed[source] for name, source in markers.items() if source in listed}
            if listed["IsTruncated"]
            else None
        )
        yield Page(messages, next_start)


def _message(bucket: str, version: dict[str, str]) -> str:
    """Name the version, also where that is `null`: it may lie below newer versions, or under a delete marker."""
    return json.dumps({"bucket": bucket, "key": version["Key"], "version_id": version["VersionId"]})


class RateLimiter:
    """Limits the messages per second to `rate`."""

    def __init__(
        self, rate: float, now_s: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._rate = rate
        self._now_s = now_s
        self._sleep = sleep
        self._next_s = now_s()

    def wait_for(self, messages: int) -> None:
        """Wait until this number of messages may be sent."""
        now_s = self._now_s()
        self._sleep(max(0, self._next_s - now_s))
        self._next_s = max(now_s, self._next_s) + messages / self._rate


def send(sqs: "SQSClient", queue_url: str, messages: list[str], rate_limiter: RateLimiter) -> Iterator[int]:
    """Send messages to the queue in batches, and yield the size of each. Raises BackfillError."""
    for first in range(0, len(messages), BATCH):
        batch = messages[first : first + BATCH]
        rate_limiter.wait_for(len(batch))
        entries = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(batch)]
        response = sqs.send_message_batch(QueueUrl=queue_url, Entries=entries)  # type: ignore[arg-type]  # two of the entries' names
        if failed := response.get("Failed"):
            raise BackfillError(
                f"SQS did not accept {len(failed)} messages ({failed[0]['Code']}); run the command again"
            )
        yield len(batch)


class Checkpoint:
    """The progress of a bucket's backfill, in a file. It counts only for the same `scope`: queue and prefix."""

    def __init__(self, folder: Path, bucket: str, scope: list[str], now_s: Callable[[], float] = time.time) -> None:
        self._file = folder / f".backfill-{bucket}.json"
        self._scope = scope
        self._now_s = now_s

    def load(self) -> dict[str, str]:
        """Return the start of the next page; empty for the beginning, if nothing was saved for this scope.

        Raises BackfillError where the file cannot be used.
        """
        try:
            match json.loads(self._file.read_text()):
                case {"of": list(scope), "place": {"KeyMarker": str()} as start}:
                    return start if scope == self._scope else {}
        except FileNotFoundError:
            return {}
        except ValueError:  # no JSON, or no UTF-8
            pass
        raise BackfillError(f"the checkpoint {self._file.name} is damaged; AGAIN=1 starts over")

    def save(self, start: dict[str, str] | None) -> None:
        """Save the start of the next page, or remove the checkpoint after the last one."""
        if start is None:
            self._file.unlink(missing_ok=True)
        else:
            new = self._file.with_suffix(".new")
            new.write_text(json.dumps({"of": self._scope, "place": start}))
            new.replace(self._file)

    def describe(self) -> str:
        """Describe where the backfill starts, in one line. Raises BackfillError."""
        if not self.load():
            return "starting at the first object"
        age = timedelta(seconds=round(self._now_s() - self._file.stat().st_mtime))
        return f"continuing where a run stopped {age} (h:mm:ss) ago; AGAIN=1 starts over"


def backfill(
    s3: "S3Client", bucket: str, prefix: str, checkpoint: Checkpoint, send_page: Callable[[list[str]], None]
) -> None:
    """Send a message for each version, page by page; a page that was sent in part is sent again as a whole."""
    for page in pages(s3, bucket, prefix, checkpoint.load()):
        send_page(page.messages)
        checkpoint.save(page.next_start)


def queue_for(outputs: dict[str, str], bucket: str) -> str:
    """Return the index queue of a stack that may read this bucket. Raises BackfillError."""
    connected = outputs.get("SourceBucketName")
    if connected is None or not fnmatchcase(bucket, connected):
        state = f"is connected to {connected}" if connected else "is connected to no bucket"
        raise BackfillError(f"the stack {state}, so it may not read {bucket}: set SourceBucketName first")
    return outputs["IndexQueueUrl"]


def main() -> None:
    """Send a message for each object of a bucket to the stack's index queue."""
    parser = argparse.ArgumentParser(prog="make backfill", description=__doc__)
    parser.add_argument("--stack", required=True, help="the stack's name")
    parser.add_argument("--bucket", required=True, help="a bucket that the stack is connected to")
    parser.add_argument("--prefix", default="", help="only objects whose keys begin with it")
    parser.add_argument("--again", action="store_true", help="start over, even though a run stopped before its end")
    parser.add_argument("--rate", type=float, default=100, help="messages a second (default: 100)")
    options = parser.parse_args()
    if not options.bucket or not options.rate > 0:
        parser.error("name a BUCKET, and a RATE above 0")
    with one_line_errors(parser.prog, "stopped; run the same command again to continue"):
        _run(options)


def _run(options: argparse.Namespace) -> None:
    queue_url = queue_for(outputs_of(boto3.client("cloudformation"), options.stack, "IndexQueueUrl"), options.bucket)
    s3, sqs, rate_limiter = boto3.client("s3"), boto3.client("sqs"), RateLimiter(options.rate)
    checkpoint = Checkpoint(Path(), options.bucket, [queue_url, options.prefix])
    if options.again:
        checkpoint.save(None)
    print(checkpoint.describe())
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        bar = progress.add_task("counting", total=None)
        total = 0
        for page in pages(s3, options.bucket, options.prefix, checkpoint.load()):
            total += len(page.messages)
            progress.update(bar, completed=total)
        progress.reset(bar, total=total, description="sending")

        def send_page(messages: list[str]) -> None:
            for sent in send(sqs, queue_url, messages, rate_limiter):
                progress.advance(bar, sent)

        backfill(s3, options.bucket, options.prefix, checkpoint, send_page)


if __name__ == "__main__":
    main()
