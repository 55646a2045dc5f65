"""`make redrive STACK=… QUEUE=deletion`: moves dead letters back to their source queue, after a repair.

Each dead letter that was there at the start is moved once. A message that fails again returns to the dead-letter queue,
and stays there.
"""

import argparse
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from tools.program import explain, one_line_errors
from tools.stacks import outputs_of

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

QUEUES = {
    "deletion": ("DeletionDeadLetterQueueUrl", "DeletionQueueUrl"),
    "index": ("IndexDeadLetterQueueUrl", "IndexQueueUrl"),
}
BATCH = 10
VISIBILITY_TIMEOUT_S = 300  # after a crash of this program, a dead letter that was not moved is visible again
WAIT_S = 2  # for the next batch, so that SQS asks all of its servers
RETURN_S = 20  # a message that is refused again is usually back by then
MAX_NEWER = 100  # more than were there, and were not moved by this run: the queue fills faster than it is read
NO_REASON = "none"  # of dead letters that SQS, Lambda or EventBridge sent
NOT_ACCEPTED = {"InvalidParameterValue", "InvalidMessageContents", "MessageTooLong"}  # of one message, such as its size


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A received dead letter; `origin` is the id of the message that failed, `sent_ms` is Unix milliseconds."""

    id: str
    body: str
    receipt_handle: str
    sent_ms: int
    reason: str
    origin: str

    @classmethod
    def parse(cls, message: "MessageTypeDef") -> "DeadLetter":
        """Parse a received message. SQS keeps a message's id where it dead-letters it itself."""
        attributes = {name: value["StringValue"] for name, value in message.get("MessageAttributes", {}).items()}
        return cls(
            id=message["MessageId"],
            body=message["Body"],
            receipt_handle=message["ReceiptHandle"],
            sent_ms=int(message["Attributes"]["SentTimestamp"]),
            reason=re.sub("[^ -~]", "?", attributes.get("reason") or NO_REASON),
            origin=attributes.get("source_message_id") or message["MessageId"],
        )

    @property
    def word(self) -> str:
        """The reason without its details."""
        return self.reason.partition(":")[0]

    def has_reason(self, reason: str | None) -> bool:
        """Whether it has this reason, with or without details; None for any."""
        return reason is None or f"{self.reason}:".startswith(f"{reason}:")


@dataclass(slots=True)
class Summary:
    """The dead letters of a run: moved, not accepted by the source queue, returned, and others, by reason."""

    moved: Counter[str] = field(default_factory=Counter)
    not_accepted: list[str] = field(default_factory=list)
    returned: Counter[str] = field(default_factory=Counter)
    not_selected: Counter[str] = field(default_factory=Counter)
    newer: Counter[str] = field(default_factory=Counter)

    @property
    def status(self) -> int:
        """The exit status: 1 where messages were not accepted or have returned."""
        return 1 if self.not_accepted or self.returned else 0

    def lines(self) -> Iterator[str]:
        """Yield the summary as text."""
        yield f"moved: {_by_reason(self.moved)}"
        for line in self.not_accepted:
            yield f"left, because the queue does not accept it: {line}"
        for label, counts in (
            ("returned, because they failed again", self.returned),
            ("left, because of another reason", self.not_selected),
            ("left, because they arrived after the start", self.newer),
        ):
            if counts:
                yield f"{label}: {_by_reason(counts)}"


def _by_reason(counts: Counter[str]) -> str:
    return f"{counts.total()}" + "".join(f", {reason} {count}" for reason, count in counts.most_common())


class Redrive:
    """One run over a dead-letter queue. `report` is called with each dead letter that is moved, or would be."""

    def __init__(  # noqa: PLR0913 (the options of the program)
        self,
        sqs: "SQSClient",
        dead_letter_url: str,
        queue_url: str,
        *,
        reason: str | None = None,
        dry_run: bool = False,
        return_s: float | None = None,
        report: Callable[[DeadLetter], None] = lambda _: None,
    ) -> None:
        self.summary = Summary()
        self._sqs = sqs
        self._dead_letter_url = dead_letter_url
        self._queue_url = queue_url
        self._reason = reason
        self._dry_run = dry_run
        self._return_s = RETURN_S if return_s is None else return_s
        self._report = report
        self._left: dict[str, str] = {}  # receipt handles by message id, to make them visible at the end
        self._moved: set[str] = set()
        self._sent: set[str] = set()
        self.total, self._started_ms = self._look()

    def _look(self) -> tuple[int, int]:
        """Return the approximate number of dead letters, and the end of the current second by the clock of SQS."""
        response = self._sqs.get_queue_attributes(
            QueueUrl=self._dead_letter_url, AttributeNames=["ApproximateNumberOfMessages"]
        )
        date = response["ResponseMetadata"]["HTTPHeaders"].get("date")
        now_s = parsedate_to_datetime(date).timestamp() if date else time.time()
        return int(response["Attributes"]["ApproximateNumberOfMessages"]), int(now_s) * 1000 + 999

    def run(self) -> Summary:
        """Move all dead letters that were there at the start, and wait a while for those that return."""
        until = None
        try:
            while self.summary.newer.total() <= self.total + MAX_NEWER:
                letters = self._receive()
                if not letters:
                    until = until or time.monotonic() + (self._return_s if self._sent else 0)
                    if time.monotonic() >= until:
                        break
                self._handle(letters)
        finally:
            self._release()
        return self.summary

    def _receive(self) -> list[DeadLetter]:
        response = self._sqs.receive_message(
            QueueUrl=self._dead_letter_url,
            MaxNumberOfMessages=BATCH,
            VisibilityTimeout=VISIBILITY_TIMEOUT_S,
            WaitTimeSeconds=WAIT_S,
            MessageSystemAttributeNames=["SentTimestamp"],
            MessageAttributeNames=["reason", "source_message_id"],
        )
        return [DeadLetter.parse(message) for message in response.get("Messages", [])]

    def _handle(self, letters: list[DeadLetter]) -> None:
        due = []
        for letter in letters:
            known = letter.id in self._left
            if letter.id in self._moved:  # its deletion was lost
                self._delete(letter)
            elif not known and self._is_due(letter):
                due.append(letter)
            else:
                self._left[letter.id] = letter.receipt_handle
        if self._dry_run:
            self._left |= {letter.id: letter.receipt_handle for letter in due}
            for letter in due:
                self._count(letter)
        elif due:
            self._move_all(due)

    def _is_due(self, letter: DeadLetter) -> bool:
        """Whether a dead letter is to be moved; the others are counted."""
        counts = self.summary
        if letter.origin in self._sent:
            counts.returned[letter.word] += 1
        elif letter.sent_ms > self._started_ms:
            counts.newer[letter.word] += 1
        elif not letter.has_reason(self._reason):
            counts.not_selected[letter.word] += 1
        else:
            return True
        return False

    def _count(self, letter: DeadLetter) -> None:
        self.summary.moved[letter.word] += 1
        self._report(letter)

    def _move_all(self, letters: list[DeadLetter]) -> None:
        with ThreadPoolExecutor(BATCH) as workers:
            results = list(workers.map(self._move, letters))
        failures = []
        for letter, result in zip(letters, results, strict=True):
            if isinstance(result, str):
                self._moved.add(letter.id)
                self._sent.add(result)
                self._count(letter)
                continue
            self._left[letter.id] = letter.receipt_handle
            if isinstance(result, ClientError) and result.response["Error"]["Code"] in NOT_ACCEPTED:
                self.summary.not_accepted.append(f"{letter.id} ({letter.word}): {explain(result)}")
            else:
                failures.append(result)
        if failures:
            raise failures[0]

    def _move(self, letter: DeadLetter) -> str | ClientError | BotoCoreError:
        """Send the message to the source queue, and delete the dead letter only then, so that none is lost.

        Returns the message's new id, or the error. The attributes are not moved: they describe the repaired failure.
        """
        try:
            # Without the delay of UndoSeconds, which would outlast the wait for messages that fail again
            sent = self._sqs.send_message(QueueUrl=self._queue_url, MessageBody=letter.body, DelaySeconds=0)
            self._delete(letter)
        except (ClientError, BotoCoreError) as error:
            return error
        return sent["MessageId"]

    def _delete(self, letter: DeadLetter) -> None:
        self._sqs.delete_message(QueueUrl=self._dead_letter_url, ReceiptHandle=letter.receipt_handle)

    def _release(self) -> None:
        """Make the dead letters that stay visible again."""
        handles = list(self._left.values())
        for first in range(0, len(handles), BATCH):
            self._sqs.change_message_visibility_batch(
                QueueUrl=self._dead_letter_url,
                Entries=[
                    {"Id": str(number), "ReceiptHandle": handle, "VisibilityTimeout": 0}
                    for number, handle in enumerate(handles[first : first + BATCH])
                ],
            )


def main() -> int:
    """Run the program. Returns its exit status."""
    parser = argparse.ArgumentParser(prog="make redrive", description=__doc__)
    parser.add_argument("--stack", required=True, help="the stack's name")
    parser.add_argument("--queue", required=True, choices=QUEUES, help="source queue of the dead letters")
    parser.add_argument("--reason", help=f"move only dead letters with this reason, such as gave_up, or {NO_REASON}")
    parser.add_argument("--dry-run", action="store_true", help="list the dead letters, and move none")
    options = parser.parse_args()
    with one_line_errors(parser.prog, "stopped; run the same command again for the rest"):
        return _run(options)


def _run(options: argparse.Namespace) -> int:
    names = QUEUES[options.queue]
    outputs = outputs_of(boto3.client("cloudformation"), options.stack, *names)
    dead_letter_url, queue_url = (outputs[name] for name in names)
    with Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()) as progress:

        def report(letter: DeadLetter) -> None:
            progress.advance(bar)
            if options.dry_run:
                progress.console.print(letter.id, letter.reason, markup=False, highlight=False, soft_wrap=True)

        redrive = Redrive(
            boto3.client("sqs"),
            dead_letter_url,
            queue_url,
            reason=options.reason or None,
            dry_run=options.dry_run,
            report=report,
        )
        bar = progress.add_task("would move" if options.dry_run else "moving", total=redrive.total)
        try:
            return redrive.run().status
        finally:
            for line in redrive.summary.lines():
                text = line.replace("moved:", "would move:", 1) if options.dry_run else line
                progress.console.print(text, markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
