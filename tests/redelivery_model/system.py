"""The deletion function's redelivery over a model of its queue and fakes of AWS and NXCloud, with its promises."""

import json
import logging
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum, auto
from math import ceil
from types import SimpleNamespace
from typing import Any, Self, cast
from urllib.parse import quote_plus

from botocore.exceptions import ClientError, ReadTimeoutError
from samcli.yamlhelper import yaml_parse

from media_cleanup.aws.clients import AwsClients
from media_cleanup.aws.credentials import CredentialsStore
from media_cleanup.aws.idempotency import DeletionRecords
from media_cleanup.delete_media import DeleteMedia
from media_cleanup.provider.absence import AbsenceExperiments
from media_cleanup.provider.flow_control import FlowControl
from media_cleanup.provider.gateway import NxCloudGateway
from media_cleanup.settings import DeleteMediaSettings
from media_cleanup.telemetry import metrics
from media_cleanup.triggers.sqs import process_sqs_batch
from nxcloud import ApiResponse, CorrectedClock, Credentials, MediaClient, NoResponseError, NxCloudError
from tests.conftest import CREDENTIALS, EVENTS, PHONE
from tests.model.interleaving import SteppedThread
from tests.redelivery_model.idempotency_table import FakeIdempotencyTable
from tests.redelivery_model.queue import Clock, Message, Queue, Receipt, RequestRefusedError, failed_ids

TEMPLATE = yaml_parse((EVENTS.parent / "template.yaml").read_text())
RESOURCES = TEMPLATE["Resources"]
TIMEOUT_S: int = TEMPLATE["Globals"]["Function"]["Timeout"]
VISIBILITY_S: int = RESOURCES["DeletionQueue"]["Properties"]["VisibilityTimeout"]
RETENTION_S: int = RESOURCES["DeletionQueue"]["Properties"]["MessageRetentionPeriod"]
DEAD_LETTER_RETENTION_S: int = RESOURCES["DeletionDeadLetterQueue"]["Properties"]["MessageRetentionPeriod"]
MAX_RECEIVES: int = RESOURCES["DeletionQueue"]["Properties"]["RedrivePolicy"]["maxReceiveCount"]
RECORD_TTL_S = 30 * 24 * 3600
SETTINGS = DeleteMediaSettings.from_environment(
    {
        "NXCLOUD_BASE_URL": "https://nxcloud.example",
        "NXCLOUD_SECRET_ID": "secret",
        "MEDIA_INDEX_TABLE": "index",
        "IDEMPOTENCY_TABLE": "confirmed",
        "DELETION_QUEUE_URL": "deletions",
        "DEAD_LETTER_QUEUE_URL": "dead letters",
        "CONCURRENT_CALLS": "1",  # calls in a known order; workers meet each other in different invocations
        "VERIFY_ABSENCE": "false",  # its evidence is of the last minute by the machine's clock: chaos tests cover it
    }
)


class Fault(Enum):
    """The failure of a call: without effect, or with its effect and no response."""

    REFUSED = auto()
    UNANSWERED = auto()


class Invocation(SteppedThread):
    """An invocation for a batch of messages; its pending call is `next`, and `fault` is how that one fails.

    `calling` is the media file of its call to NXCloud, until the confirmation is recorded; `confirmed` are those
    confirmed to it, with the time, except where the table refused the record.
    """

    def __init__(self, work: Callable[[Any], None], batch: list[Receipt], ends_s: int, use_case: DeleteMedia) -> None:
        self.batch = batch
        self.ends_s = ends_s
        self.use_case = use_case
        self.next = ""
        self.fault: Fault | None = None
        self.calling: str | None = None
        self.confirmed: dict[str, int] = {}
        super().__init__(work)


class InvocationDeadline:
    """The end of an invocation by the model's clock."""

    def __init__(self, clock: Clock, ends_s: int) -> None:
        self._clock = clock
        self._ends_s = ends_s

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds left, as Lambda's context does."""
        return (self._ends_s - self._clock.now_s) * 1000


def message_body(*media_ids: str) -> str:
    """Return a message for one media file, or an S3 notification of several removed objects whose keys name theirs."""
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


class RedeliverySystem:
    """Clock, queues, NXCloud, and a function with as many execution environments as are needed at once.

    `respond` returns NXCloud's response for a media file: an error, or None for a confirmation. With an event bus
    in the settings, the function publishes outcome events, whose details `events` has. `violations` are the broken
    promises, `trace` is the history.
    """

    def __init__(
        self,
        respond: Callable[[str], NxCloudError | None] = lambda _: None,
        settings: DeleteMediaSettings = SETTINGS,
    ) -> None:
        self._settings = settings
        self.events: list[dict[str, Any]] = []
        self.clock = Clock()
        self.dead_letters = Queue(self.clock, retention_s=DEAD_LETTER_RETENTION_S)
        self.queue = Queue(
            self.clock,
            visibility_s=VISIBILITY_S,
            retention_s=RETENTION_S,
            max_receives=MAX_RECEIVES,
            dead_letters=self.dead_letters,
        )
        self.respond = respond
        self.invocations: list[Invocation] = []
        self.running: Invocation | None = None
        self.calls: list[tuple[int, str]] = []
        self.deleted: set[str] = set()
        self.received: dict[str, list[int]] = defaultdict(list)
        self.done_s: dict[str, int] = {}
        self.violations: list[str] = []
        self.trace: list[str] = []
        self._requests: list[tuple[Message, tuple[str, ...]]] = []
        self._disturbed: set[tuple[str, int]] = set()
        self._recorded_s: dict[str, int] = {}
        self._table = FakeIdempotencyTable(self.clock, self._call_of_table)
        self._idle_use_cases: list[DeleteMedia] = []

    def __enter__(self) -> Self:
        logging.disable()  # thousands of lines
        return self

    def __exit__(self, *_: object) -> None:
        while self.invocations:
            self._abandon(self.invocations[0])
        logging.disable(logging.NOTSET)

    # Actions of a test

    def request_deletion(self, *media_ids: str) -> Message:
        """Send a message for these media files."""
        message = self.queue.send(message_body(*media_ids))
        self._requests.append((message, media_ids))
        return message

    def deliver(self, max_messages: int = 10) -> Invocation | None:
        """Start an invocation for visible messages, and pause it before its first call; None without messages."""
        batch = self.queue.receive(max_messages)
        if not batch:
            return None
        for receipt in batch:
            self.received[receipt.message_id].append(self.clock.now_s)
        use_case = self._idle_use_cases.pop() if self._idle_use_cases else self._create_use_case()
        invocation = Invocation(self._invoke, batch, self.clock.now_s + TIMEOUT_S, use_case)
        self.invocations.append(invocation)
        self.trace.append(f"{self.clock.now_s} s: receives {[(each.message_id, each.receives) for each in batch]}")
        self.advance(invocation)
        return invocation

    def advance(self, invocation: Invocation, fault: Fault | None = None) -> None:
        """Let an invocation make its pending call."""
        self.running, invocation.fault = invocation, fault
        invocation.step()
        self.running = None
        if invocation.finished:
            self.invocations.remove(invocation)
            self._idle_use_cases.append(invocation.use_case)
            self._recorded_s |= invocation.confirmed
            metrics.clear_metrics()  # as the function's handler does, after it has written them

    def finish(self, invocation: Invocation) -> None:
        """Let an invocation run to its end."""
        while not invocation.finished:
            self.advance(invocation)

    def crash(self, invocation: Invocation) -> None:
        """End an invocation at its pending call; Lambda then leaves its messages in the queue."""
        self.trace.append(f"{self.clock.now_s} s: crash of {[each.message_id for each in invocation.batch]}")
        self._mark_disturbed(invocation)
        self._abandon(invocation)

    def pass_time(self, seconds: int) -> None:
        """Move the clock; an invocation that times out on the way is killed."""
        until_s = self.clock.now_s + seconds
        for invocation in sorted(self.invocations, key=lambda invocation: invocation.ends_s):
            if invocation.ends_s <= until_s:
                self.clock.now_s = invocation.ends_s
                self.crash(invocation)
        self.clock.now_s = until_s

    def pass_time_to_next(self) -> None:
        """Move the clock until the next message is visible."""
        self.pass_time(max(0, min(message.visible_s for message in self.queue.messages) - self.clock.now_s))

    def drain(self, finish: Callable[[Invocation], None] | None = None) -> None:
        """Finish everything, and receive redelivered messages, until the queue is empty."""
        while self.invocations:
            self.finish(self.invocations[0])
        while self.queue.messages:
            self.pass_time_to_next()
            while invocation := self.deliver():
                (finish or self.finish)(invocation)

    def set_deletions_of_hour(self, deletions: int) -> None:
        """Set the number of deletions that all invocations have reserved in the present hour."""
        self._table.fill(f"deletions#{self.clock.now_s // 3600}", {"deletions": {"N": str(deletions)}})

    def dead_letter_reasons(self) -> list[str | None]:
        """Return the reasons of the messages in the dead-letter queue; None for those that SQS moved there."""
        return [message.attributes.get("reason") for message in self.dead_letters.messages]

    def violations_at_rest(self) -> list[str]:
        """Return all broken promises, now that the queue is empty."""
        self.violations += [f"lost: {message.body} was kept too long" for message in self.queue.expired]
        for message, media_ids in self._requests:
            for media_id in set(media_ids) - self.deleted:
                if not any(media_id in dead.body for dead in self.dead_letters.messages):
                    self.violations.append(f"lost: {media_id}, requested by {message.message_id}")
        for dead in self.dead_letters.messages:
            source = dead.attributes.get("source_message_id", dead.message_id)
            receives = len(self.received[source])
            if dead.attributes.get("reason", "gave_up").startswith("gave_up") and receives < 15:
                self.violations.append(f"given up: {source} after {receives} receives")
            if not dead.attributes and source not in self.done_s:  # by SQS itself
                undisturbed = {
                    number for number in range(15, MAX_RECEIVES + 1) if (source, number) not in self._disturbed
                }
                if undisturbed:
                    self.violations.append(f"dead-lettered by SQS: {source}, although receives {undisturbed} finished")
        if self._settings.outcome_event_bus:
            self._check_events()
        return self.violations

    def _check_events(self) -> None:
        """Check that each outcome has an event, or a dead letter that says that there is none."""
        gone = {event["media_id"] for event in self.events if event["outcome"] != "rejected"}
        failed = {event["message_id"] for event in self.events if event["outcome"] == "rejected"}
        reasons = [(dead, dead.attributes.get("reason", "")) for dead in self.dead_letters.messages]
        unpublished = [dead for dead, reason in reasons if not reason or reason.startswith("event_not_published")]
        # After a crash before the record, the outcome is that of the repeated call
        repeated = {event.get("media_id") for event in self.events} - self._recorded_s.keys()
        for media_id in self.deleted - gone - repeated:
            if not any(media_id in dead.body for dead in unpublished):
                self.violations.append(f"deleted without an event: {media_id}")
        sources = {dead.attributes["source_message_id"] for dead, reason in reasons if reason}
        sources -= {dead.attributes.get("source_message_id", "") for dead in unpublished}
        self.violations += [
            f"rejected without an event: {source}" for source in (sources & self.done_s.keys()) - failed
        ]

    def _abandon(self, invocation: Invocation) -> None:
        self.running = invocation
        invocation.abandon()
        self.running = None
        self.invocations.remove(invocation)

    # Lambda and the fakes

    def _create_use_case(self) -> DeleteMedia:
        clients = cast(
            "AwsClients",
            SimpleNamespace(
                s3=SimpleNamespace(head_object=self._head_object),
                dynamodb=self._table,
                secretsmanager=SimpleNamespace(get_secret_value=self._get_secret_value),
                sqs=SimpleNamespace(
                    send_message_batch=self._send_message_batch,
                    change_message_visibility_batch=self._change_message_visibility_batch,
                ),
                events=SimpleNamespace(put_events=self._put_events),
            ),
        )
        client = cast("MediaClient", SimpleNamespace(delete_media=self._delete_media))
        credentials = CredentialsStore(clients, SETTINGS.secret_id, clock=lambda: self.clock.now_s)
        flow = FlowControl(self._settings.calls_per_s, lambda: self.clock.now_s, self._sleep)
        gateway = NxCloudGateway(client, CorrectedClock(), credentials, flow)
        records = DeletionRecords(clients, SETTINGS.idempotency_table, lambda: self.clock.now_s)
        return DeleteMedia(self._settings, clients, gateway, AbsenceExperiments(client, credentials), records)

    def _sleep(self, seconds: float) -> None:
        """Pass the time of a turn; nothing else happens meanwhile."""
        self.clock.now_s += ceil(seconds)

    def _invoke(self, invocation: Invocation) -> None:
        """Invoke the function as Lambda does, and delete the messages that succeeded."""
        event = {"Records": [_sqs_record(receipt) for receipt in invocation.batch]}
        deadline = InvocationDeadline(self.clock, invocation.ends_s)
        try:
            response: object = process_sqs_batch(event, invocation.use_case, deadline, lambda: self.clock.now_s)
            with self._call("response"):
                pass
        except Exception as error:  # noqa: BLE001 (any exception of the function is a bug)
            self.violations.append(f"the function raised {error!r}")
            response = "none"
        failed = failed_ids(response, [receipt.message_id for receipt in invocation.batch])
        for receipt in invocation.batch:
            if receipt.message_id not in failed:
                self.queue.delete(receipt.handle)
                self.done_s[receipt.message_id] = self.clock.now_s

    @contextmanager
    def _call(self, name: str) -> Iterator[None]:
        """Pause before a call, which then has its effect and its response, or not."""
        invocation = self._running_invocation()
        invocation.next = name
        invocation.pause()
        fault, invocation.fault = (None if name == "response" else invocation.fault), None
        self.trace.append(f"{self.clock.now_s} s:   {name} {fault.name if fault else ''}")
        if fault is Fault.REFUSED:
            raise ClientError({"Error": {"Code": "ThrottlingException"}}, name)
        yield
        if fault is Fault.UNANSWERED:
            raise ReadTimeoutError(endpoint_url="https://aws.example")

    @contextmanager
    def _call_of_table(self, name: str) -> Iterator[None]:
        """Pause before a call of the table; what it records counts from then on, even if the invocation crashes."""
        invocation = self._running_invocation()
        try:
            with self._call(name):
                yield
                if name == "update_item":
                    self._recorded_s |= invocation.confirmed
        except ClientError:
            if name == "update_item" and invocation.calling:
                invocation.confirmed.pop(invocation.calling, None)
            raise
        finally:
            if name == "update_item":
                invocation.calling = None

    def _running_invocation(self) -> Invocation:
        if self.running is None:
            raise AssertionError("a call outside of an invocation")
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
            raise ClientError(error, "HeadObject")  # type: ignore[arg-type]  # as S3 answers

    def _send_message_batch(self, *, Entries: list[dict[str, Any]], **_: str) -> dict[str, Any]:  # noqa: N803 (boto3's parameters)
        try:
            with self._call("send_message_batch"):
                if len(Entries) > 10:
                    self.violations.append(f"{len(Entries)} dead letters at once")
                for entry in Entries:
                    attributes = entry["MessageAttributes"].items()
                    values = {name: attribute["StringValue"] for name, attribute in attributes}
                    if not values.get("reason") or not all(values.values()):
                        self.violations.append(f"dead-lettered with the attributes {values}")
                    self.dead_letters.send(entry["MessageBody"], values)
        except (ClientError, ReadTimeoutError):
            self._mark_disturbed(self._running_invocation())
            raise
        return {}

    def _put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 (boto3's parameters)
        with self._call("put_events"):
            for entry in Entries:
                detail = json.loads(entry["Detail"])
                self.events.append(detail)
                if detail["outcome"] != "rejected" and detail["media_id"] not in self.deleted:
                    self.violations.append(f"an event before its outcome: {detail}")
                if detail["outcome"] == "rejected" and not self._is_dead_lettered(detail["message_id"]):
                    self.violations.append(f"an event before its dead letter: {detail}")
        return {"FailedEntryCount": 0, "Entries": [{"EventId": "accepted"}] * len(Entries)}

    def _is_dead_lettered(self, message_id: str) -> bool:
        return any(dead.attributes.get("source_message_id") == message_id for dead in self.dead_letters.messages)

    def _change_message_visibility_batch(self, *, Entries: list[dict[str, Any]], **_: str) -> dict[str, Any]:  # noqa: N803 (boto3's parameters)
        failed = []
        with self._call("change_message_visibility_batch"):
            if len(Entries) > 10:
                self.violations.append(f"visibility timeouts of {len(Entries)} messages at once")
            for entry in Entries:
                try:
                    self.queue.change_visibility(entry["ReceiptHandle"], entry["VisibilityTimeout"])
                except RequestRefusedError as error:
                    failed.append({"Id": entry["Id"], "Code": str(error)})
                    if "TotalVisibilityTimeout" in str(error):
                        self.violations.append(f"a visibility timeout of {entry['VisibilityTimeout']} s")
        return {"Successful": [], "Failed": failed}

    def _delete_media(self, _credentials: Credentials, _phone: str, media_id: str, *, deadline_s: float) -> ApiResponse:
        invocation, started_s = self._running_invocation(), self.clock.now_s
        self._check_call(media_id)
        self.calls.append((started_s, media_id))
        invocation.calling = media_id
        try:
            with self._call(f"deleteMedia {media_id}"):
                error = self.respond(media_id)
                if self.clock.now_s - started_s > deadline_s:
                    error = NoResponseError("no complete answer from NXCloud: the deadline passed")
                if error is None:
                    self.deleted.add(media_id)
        except (ClientError, ReadTimeoutError):
            error = NoResponseError("no complete answer from NXCloud")
        if error:
            invocation.calling = None
            raise error
        invocation.confirmed[media_id] = self.clock.now_s
        return ApiResponse(0, "success", {"success": True}, 200)

    # Checks

    def _check_call(self, media_id: str) -> None:
        """Check that no other worker calls for it, and that no confirmation was recorded within 30 days."""
        if any(each is not self.running and each.calling == media_id for each in self.invocations):
            self.violations.append(f"two workers call for {media_id}")
        # Powertools counts whole seconds
        if self.clock.now_s < self._recorded_s.get(media_id, -RECORD_TTL_S) + RECORD_TTL_S - 1:
            self.violations.append(f"a repeated call for {media_id}")

    def _mark_disturbed(self, invocation: Invocation) -> None:
        """Record that an invocation could not finish its messages."""
        self._disturbed |= {(receipt.message_id, receipt.receives) for receipt in invocation.batch}


def _sqs_record(receipt: Receipt) -> dict[str, Any]:
    """Return the message as Lambda's event has it."""
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
