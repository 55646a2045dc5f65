"""A world of one deletion queue: the real code over fakes of AWS and NXCloud, and the promises that it must keep."""

import json
import logging
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum, auto
from types import SimpleNamespace
from typing import Any, Self, cast
from urllib.parse import quote_plus

from botocore.exceptions import ClientError, ReadTimeoutError
from samcli.yamlhelper import yaml_parse

from media_cleanup.aws.clients import AwsClients
from media_cleanup.aws.credentials import CredentialsStore
from media_cleanup.aws.idempotency import ConfirmedDeletions
from media_cleanup.delete_media import DeleteMedia
from media_cleanup.provider.gateway import NxCloudGateway
from media_cleanup.settings import DeleteMediaSettings
from media_cleanup.telemetry import metrics
from media_cleanup.triggers.sqs import process_sqs_batch
from nxcloud import ApiResponse, CorrectedClock, Credentials, MediaClient, NoResponseError, NxCloudError
from tests.conftest import CREDENTIALS, EVENTS, PHONE
from tests.model.interleaving import Invocation
from tests.redelivery_model.queue import Clock, Message, Queue, Receipt, RequestRefusedError, failed_ids
from tests.redelivery_model.records import Records

TEMPLATE = yaml_parse((EVENTS.parent / "template.yaml").read_text())
RESOURCES = TEMPLATE["Resources"]
TIMEOUT_S: int = TEMPLATE["Globals"]["Function"]["Timeout"]
VISIBILITY_S: int = RESOURCES["DeletionQueue"]["Properties"]["VisibilityTimeout"]
RETENTION_S: int = RESOURCES["DeletionQueue"]["Properties"]["MessageRetentionPeriod"]
DEAD_RETENTION_S: int = RESOURCES["DeletionDeadLetterQueue"]["Properties"]["MessageRetentionPeriod"]
MAX_RECEIVES: int = RESOURCES["DeletionQueue"]["Properties"]["RedrivePolicy"]["maxReceiveCount"]
REMEMBERED_S = 30 * 24 * 3600
SETTINGS = DeleteMediaSettings.from_environment(
    {
        "NXCLOUD_BASE_URL": "https://nxcloud.example",
        "NXCLOUD_SECRET_ID": "secret",
        "MEDIA_INDEX_TABLE": "index",
        "IDEMPOTENCY_TABLE": "confirmed",
        "DELETION_QUEUE_URL": "deletions",
        "DEAD_LETTER_QUEUE_URL": "dead letters",
        "CONCURRENT_CALLS": "1",  # calls in a known order; workers meet each other in different invocations
        "VERIFY_ABSENCE": "false",  # its evidence is of the last minute by the machine's clock: the storm's business
    }
)


class Fault(Enum):
    """How a call fails: without effect, or with its effect and no answer."""

    REFUSED = auto()
    UNANSWERED = auto()


class Run(Invocation):
    """An invocation for a batch of messages; it stands before the call `next`, and `fault` is how that one fails.

    `calling` is the media that it calls for, until the confirmation is written down; `confirmed` are those confirmed to
    it, and when, save where the table refused to take that in.
    """

    def __init__(self, work: Callable[[Any], None], batch: list[Receipt], ends_s: int, task: DeleteMedia) -> None:
        self.batch = batch
        self.ends_s = ends_s
        self.task = task
        self.next = ""
        self.fault: Fault | None = None
        self.calling: str | None = None
        self.confirmed: dict[str, int] = {}
        super().__init__(work)


def asks_for(*media_ids: str) -> str:
    """A message for one media, or an S3 notification of as many removed objects whose keys spell theirs."""
    if len(media_ids) == 1:
        return json.dumps({"business_phone": PHONE, "media_id": media_ids[0]})
    keys = [quote_plus(f"{PHONE}/{media_id}.jpg") for media_id in media_ids]
    return json.dumps(
        {
            "Records": [
                {
                    "eventVersion": "2.1",
                    "eventSource": "aws:s3",
                    "eventName": "ObjectRemoved:Delete",
                    "s3": {"bucket": {"name": "example-bucket"}, "object": {"key": key}},
                }
                for key in keys
            ]
        }
    )


class World:
    """Clock, queues, NXCloud, and a function with as many environments as are needed at once.

    `answers` tells how NXCloud answers for a media: with an error, or None for a confirmation. `broken` are the
    promises that were not kept, `told` is what happened.
    """

    def __init__(self, answers: Callable[[str], NxCloudError | None] = lambda _: None) -> None:
        self.clock = Clock()
        self.dead = Queue(self.clock, retention_s=DEAD_RETENTION_S)
        self.queue = Queue(
            self.clock,
            visibility_s=VISIBILITY_S,
            retention_s=RETENTION_S,
            max_receives=MAX_RECEIVES,
            dead_letters=self.dead,
        )
        self.answers = answers
        self.runs: list[Run] = []
        self.running: Run | None = None
        self.calls: list[tuple[int, str]] = []
        self.deleted: set[str] = set()
        self.received: dict[str, list[int]] = defaultdict(list)
        self.done_s: dict[str, int] = {}
        self.broken: list[str] = []
        self.told: list[str] = []
        self._asked: list[tuple[Message, tuple[str, ...]]] = []
        self._hindered: set[tuple[str, int]] = set()
        self._remembered_s: dict[str, int] = {}
        self._records = Records(self.clock, self._call_of_table)
        self._free: list[DeleteMedia] = []

    def __enter__(self) -> Self:
        logging.disable()  # thousands of lines
        return self

    def __exit__(self, *_: object) -> None:
        while self.runs:
            self._abandon(self.runs[0])
        logging.disable(logging.NOTSET)

    # What a test does

    def ask(self, *media_ids: str) -> Message:
        """Sends a message for these media."""
        message = self.queue.send(asks_for(*media_ids))
        self._asked.append((message, media_ids))
        return message

    def deliver(self, most: int = 10) -> Run | None:
        """Begins an invocation for what is visible, which then stands before its first call; None for nothing."""
        batch = self.queue.receive(most)
        if not batch:
            return None
        for receipt in batch:
            self.received[receipt.message_id].append(self.clock.now_s)
        task = self._free.pop() if self._free else self._environment()
        run = Run(self._work, batch, self.clock.now_s + TIMEOUT_S, task)
        self.runs.append(run)
        self.told.append(f"{self.clock.now_s} s: receives {[(one.message_id, one.receives) for one in batch]}")
        self.advance(run)
        return run

    def advance(self, run: Run, fault: Fault | None = None) -> None:
        """Lets an invocation make the call that it stands before."""
        self.running, run.fault = run, fault
        run.step()
        self.running = None
        if run.finished:
            self.runs.remove(run)
            self._free.append(run.task)
            self._remembered_s |= run.confirmed
            metrics.clear_metrics()  # as Lambda's handler does, after it has written them

    def finish(self, run: Run) -> None:
        """Lets an invocation run to its end."""
        while not run.finished:
            self.advance(run)

    def crash(self, run: Run) -> None:
        """Ends an invocation where it stands; Lambda then leaves its messages in the queue."""
        self.told.append(f"{self.clock.now_s} s: crash of {[one.message_id for one in run.batch]}")
        self._hinder(run)
        self._abandon(run)

    def pass_time(self, seconds: int) -> None:
        """Moves the clock; an invocation whose time is over on the way is killed."""
        until_s = self.clock.now_s + seconds
        for run in sorted(self.runs, key=lambda run: run.ends_s):
            if run.ends_s <= until_s:
                self.clock.now_s = run.ends_s
                self.crash(run)
        self.clock.now_s = until_s

    def pass_time_to_next(self) -> None:
        """Moves the clock to when the next message is visible."""
        self.pass_time(max(0, min(message.visible_s for message in self.queue.messages) - self.clock.now_s))

    def come_to_rest(self, finish: Callable[[Run], None] | None = None) -> None:
        """Finishes everything, and receives what comes again, until the queue is empty."""
        while self.runs:
            self.finish(self.runs[0])
        while self.queue.messages:
            self.pass_time_to_next()
            while run := self.deliver():
                (finish or self.finish)(run)

    def reasons(self) -> list[str | None]:
        """Why messages are in the dead-letter queue; None for those that SQS put there."""
        return [message.attributes.get("reason") for message in self.dead.messages]

    def broken_at_rest(self) -> list[str]:
        """All promises that were not kept, now that the queue is empty."""
        self.broken += [f"lost: {message.body} was kept too long" for message in self.queue.expired]
        for message, media_ids in self._asked:
            for media_id in set(media_ids) - self.deleted:
                if not any(media_id in dead.body for dead in self.dead.messages):
                    self.broken.append(f"lost: {media_id}, asked for by {message.message_id}")
        for dead in self.dead.messages:
            source = dead.attributes.get("source_message_id", dead.message_id)
            receives = len(self.received[source])
            if dead.attributes.get("reason", "gave_up").startswith("gave_up") and receives < 15:
                self.broken.append(f"given up: {source} after {receives} receives")
            if not dead.attributes and source not in self.done_s:  # by SQS itself
                answered = {receives for receives in range(15, 21) if (source, receives) not in self._hindered}
                self.broken += [f"dead-lettered by SQS: {source}, receives {answered} went well"] if answered else []
        return self.broken

    def _abandon(self, run: Run) -> None:
        self.running = run
        run.abandon()
        self.running = None
        self.runs.remove(run)

    # What the function meets

    def _environment(self) -> DeleteMedia:
        aws = cast(
            "AwsClients",
            SimpleNamespace(
                s3=SimpleNamespace(head_object=self._head_object),
                dynamodb=self._records,
                secretsmanager=SimpleNamespace(get_secret_value=self._get_secret_value),
                sqs=SimpleNamespace(
                    send_message=self._send_message,
                    change_message_visibility_batch=self._change_message_visibility_batch,
                ),
            ),
        )
        nxcloud = cast("MediaClient", SimpleNamespace(delete_media=self._delete_media))
        credentials = CredentialsStore(aws, SETTINGS.secret_id, clock=lambda: self.clock.now_s)
        provider = NxCloudGateway(nxcloud, CorrectedClock(), credentials, verify_absence=SETTINGS.verify_absence)
        return DeleteMedia(SETTINGS, aws, provider, ConfirmedDeletions(aws, SETTINGS.idempotency_table))

    def _work(self, run: Run) -> None:
        """What Lambda does with a batch: it hands over the event, and takes what succeeded out of the queue."""
        event = {"Records": [_record(receipt) for receipt in run.batch]}
        try:
            answer: object = process_sqs_batch(event, run.task, lambda: (run.ends_s - self.clock.now_s) * 1000)
            with self._call("answer"):
                pass
        except Exception as error:  # noqa: BLE001 (a bug, whatever it is)
            self.broken.append(f"the function raised {error!r}")
            answer = "none"
        failed = failed_ids(answer, [receipt.message_id for receipt in run.batch])
        for receipt in run.batch:
            if receipt.message_id not in failed:
                self.queue.delete(receipt.handle)
                self.done_s[receipt.message_id] = self.clock.now_s

    @contextmanager
    def _call(self, what: str) -> Iterator[None]:
        """Stands still before a call, which then has its effect and its answer, or not."""
        run = self._run()
        run.next = what
        run.pause()
        fault, run.fault = (None if what == "answer" else run.fault), None
        self.told.append(f"{self.clock.now_s} s:   {what} {fault.name if fault else ''}")
        if fault is Fault.REFUSED:
            raise ClientError({"Error": {"Code": "ThrottlingException"}}, what)
        yield
        if fault is Fault.UNANSWERED:
            raise ReadTimeoutError(endpoint_url="https://aws.example")

    @contextmanager
    def _call_of_table(self, what: str) -> Iterator[None]:
        """Likewise; what is written down there is remembered from then on, whatever becomes of the invocation."""
        run = self._run()
        try:
            with self._call(what):
                yield
                if what == "update_item":
                    self._remembered_s |= run.confirmed
        except ClientError:
            if what == "update_item" and run.calling:
                run.confirmed.pop(run.calling, None)
            raise
        finally:
            if what == "update_item":
                run.calling = None

    def _run(self) -> Run:
        if self.running is None:
            raise AssertionError("a call was made by nobody")
        return self.running

    def _get_secret_value(self, **_: str) -> dict[str, str]:
        with self._call("get_secret_value"):
            return {
                "SecretString": json.dumps(
                    {"accessKey": CREDENTIALS.access_key, "accessSecret": CREDENTIALS.access_secret}
                )
            }

    def _head_object(self, **_: str) -> None:
        with self._call("head_object"):
            error = {"Error": {"Code": "404"}, "ResponseMetadata": {"HTTPStatusCode": 404}}
            raise ClientError(error, "HeadObject")  # type: ignore[arg-type]  # as S3 has it

    def _send_message(self, *, MessageBody: str, MessageAttributes: dict[str, dict[str, str]], **_: str) -> None:  # noqa: N803 (boto3's own words)
        try:
            with self._call("send_message"):
                values = {name: attribute["StringValue"] for name, attribute in MessageAttributes.items()}
                if not values.get("reason") or not all(values.values()):
                    self.broken.append(f"dead-lettered with the attributes {values}")
                self.dead.send(MessageBody, values)
        except (ClientError, ReadTimeoutError):
            self._hinder(self._run())
            raise

    def _change_message_visibility_batch(self, *, Entries: list[dict[str, Any]], **_: str) -> dict[str, Any]:  # noqa: N803 (likewise)
        failed = []
        with self._call("change_message_visibility_batch"):
            if len(Entries) > 10:
                self.broken.append(f"visibility of {len(Entries)} messages at once")
            for entry in Entries:
                try:
                    self.queue.change_visibility(entry["ReceiptHandle"], entry["VisibilityTimeout"])
                except RequestRefusedError as error:
                    failed.append({"Id": entry["Id"], "Code": str(error)})
                    if "TotalVisibilityTimeout" in str(error):
                        self.broken.append(f"visibility of {entry['VisibilityTimeout']} s")
        return {"Successful": [], "Failed": failed}

    def _delete_media(self, _credentials: Credentials, _phone: str, media_id: str, *, deadline_s: float) -> ApiResponse:
        run, began_s = self._run(), self.clock.now_s
        self._check_call(media_id)
        self.calls.append((began_s, media_id))
        run.calling = media_id
        try:
            with self._call(f"deleteMedia {media_id}"):
                error = self.answers(media_id)
                if self.clock.now_s - began_s > deadline_s:
                    error = NoResponseError("no complete answer from NXCloud: the deadline passed")
                if error is None:
                    self.deleted.add(media_id)
        except (ClientError, ReadTimeoutError):
            error = NoResponseError("no complete answer from NXCloud")
        if error:
            run.calling = None
            raise error
        run.confirmed[media_id] = self.clock.now_s
        return ApiResponse(0, "success", {"success": True}, 200)

    # What is true

    def _check_call(self, media_id: str) -> None:
        """No other worker is on it, and it was not confirmed within 30 days to one that could write it down."""
        if any(run is not self.running and run.calling == media_id for run in self.runs):
            self.broken.append(f"two workers call for {media_id}")
        # Powertools counts whole seconds
        if self.clock.now_s < self._remembered_s.get(media_id, -REMEMBERED_S) + REMEMBERED_S - 1:
            self.broken.append(f"{media_id} is called for again")

    def _hinder(self, run: Run) -> None:
        """Notes that an invocation could not settle its messages, whatever it would have made of them."""
        self._hindered |= {(receipt.message_id, receipt.receives) for receipt in run.batch}


def _record(receipt: Receipt) -> dict[str, Any]:
    """The message as Lambda hands it over."""
    return {
        "messageId": receipt.message_id,
        "receiptHandle": receipt.handle,
        "body": receipt.body,
        "attributes": {
            "ApproximateReceiveCount": str(receipt.receives),
            "SentTimestamp": str(receipt.sent_s * 1000),
        },
        "eventSource": "aws:sqs",
    }
