"""SQS batches, with a use case of configured results and a fake SQS client that records its calls."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from media_cleanup.aws.clients import AwsClients
from media_cleanup.aws.idempotency import DeletionRecords
from media_cleanup.aws.wait_records import WaitRecords
from media_cleanup.model import Media
from media_cleanup.outcome import Outcome, Reason
from media_cleanup.reporting import DELETION
from media_cleanup.request import Action, Attempt, ObjectEvent
from media_cleanup.result import Result, WorkItem
from media_cleanup.triggers.sqs import process_sqs_batch
from tests.conftest import PHONE, Context

QUEUE, DEAD_LETTERS = "https://queue", "https://dead-letters"


@dataclass
class FakeSqs:
    """SQS's client; `failure` is raised by every call.

    `failed_entries` is the number of refused timeouts, `refused_letters` are the ids of refused dead letters. `batches`
    are the dead letters of each call, `sent` all together.
    """

    batches: list[list[dict[str, Any]]] = field(default_factory=list)
    refused_letters: tuple[str, ...] = ()
    timeouts: list[list[dict[str, Any]]] = field(default_factory=list)
    failure: Exception | None = None
    failed_entries: int = 0

    @property
    def sent(self) -> list[dict[str, Any]]:
        return [letter for batch in self.batches for letter in batch]

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 (boto3's own names)
        assert QueueUrl == DEAD_LETTERS
        if self.failure:
            raise self.failure
        self.batches.append([entry for entry in Entries if entry["Id"] not in self.refused_letters])
        failed = [entry["Id"] for entry in Entries if entry["Id"] in self.refused_letters]
        return {"Failed": [{"Id": failed_id, "Code": "InternalError"} for failed_id in failed]} if failed else {}

    def change_message_visibility_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 (boto3's own names)
        assert QueueUrl == QUEUE
        if self.failure:
            raise self.failure
        self.timeouts.append(Entries)
        return {"Failed": [{"Id": "0", "Code": "InvalidParameterValue"}] * self.failed_entries}


@dataclass
class FakeSettings:
    """The settings that SQS batches use."""

    default_business_phone: str | None = None
    dead_letter_queue_url: str = DEAD_LETTERS
    concurrent_calls: int = 1


@dataclass
class FakeClients:
    """The one AWS client that SQS batches use."""

    sqs: FakeSqs = field(default_factory=FakeSqs)


@dataclass
class FakeUseCase:
    """A use case with the result in `results`, else with the outcome that the Media-ID begins with."""

    fake_clients: FakeClients = field(default_factory=FakeClients)
    settings: FakeSettings = field(default_factory=FakeSettings)
    queue_url: str | None = QUEUE
    event_bus: str | None = None
    results: dict[str, Result] = field(default_factory=dict)
    settled: list[Result] = field(default_factory=list)
    wait_records: WaitRecords | None = None
    letter_records: DeletionRecords | None = None
    log_profile = DELETION

    @property
    def clients(self) -> AwsClients:
        return cast("AwsClients", self.fake_clients)

    @property
    def sqs(self) -> FakeSqs:
        return self.fake_clients.sqs

    def begin_invocation(self, requests: int) -> None:
        """Do nothing."""

    def verify(self, handled: Sequence[WorkItem]) -> None:
        """Leave the results as they are."""

    def on_event_accepted(self, result: Result, attempt: Attempt) -> None:  # noqa: ARG002 (as RequestHandler declares it)
        self.settled.append(result)

    def handle(self, action: Action, attempt: Attempt) -> list[Result]:  # noqa: ARG002 (as RequestHandler declares it)
        if not isinstance(action, Media):
            return [Result(outcome=Outcome.REJECTED, reason=Reason.NOT_UNDERSTOOD)]
        if action.media_id in self.results:
            return [self.results[action.media_id]]
        outcome = Outcome(action.media_id.partition("-")[0])
        return [Result(outcome=outcome, reason=Reason.PROVIDER_FAILED, detail="as configured")]


@pytest.fixture
def use_case() -> FakeUseCase:
    return FakeUseCase()


def record(number: int, body: object, receives: int | None = 1) -> dict[str, Any]:
    attributes = {"SentTimestamp": "1700000000000"}
    attributes |= {} if receives is None else {"ApproximateReceiveCount": str(receives)}
    text = body if isinstance(body, str) else json.dumps(body)
    return {"messageId": f"m{number}", "receiptHandle": f"h{number}", "body": text, "attributes": attributes}


def media(name: str) -> dict[str, str]:
    return {"business_phone": PHONE, "media_id": name}


def removal(key: str) -> dict[str, Any]:
    return {
        "eventSource": "aws:s3",
        "eventName": "ObjectRemoved:Delete",
        "s3": {"bucket": {"name": "bucket"}, "object": {"key": key}},
    }


def key_of(action: Action) -> str:
    assert isinstance(action, ObjectEvent)
    assert action.obj
    return action.obj.key


def process(use_case: FakeUseCase, *records: dict[str, Any], time_left_ms: int = 60_000) -> list[str]:
    """The ids of failed messages in the partial batch response."""
    response = process_sqs_batch({"Records": list(records)}, use_case, Context(time_left_ms=time_left_ms))
    assert response.keys() == {"batchItemFailures"}
    assert all(failure.keys() == {"itemIdentifier"} for failure in response["batchItemFailures"])
    return [failure["itemIdentifier"] for failure in response["batchItemFailures"]]


def log_lines(capsys: pytest.CaptureFixture[str], message: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [line for line in lines if line.get("message") == message]


def test_unavailable_messages_alone_are_redelivered_by_backoff(use_case: FakeUseCase) -> None:
    names = ["deleted", "unavailable-1", "already_gone", "skipped", "unavailable-2"]
    records = [record(number, media(name), number + 1) for number, name in enumerate(names)]
    assert process(use_case, *records) == ["m1", "m4"]
    [entries] = use_case.sqs.timeouts
    assert [(entry["Id"], entry["ReceiptHandle"]) for entry in entries] == [("0", "h1"), ("1", "h4")]
    assert 60 <= entries[0]["VisibilityTimeout"] <= 72
    assert 480 <= entries[1]["VisibilityTimeout"] <= 576
    assert use_case.sqs.sent == []


def test_message_without_receive_count_is_a_first_attempt(use_case: FakeUseCase) -> None:
    process(use_case, record(0, media("unavailable"), None))
    [[entry]] = use_case.sqs.timeouts
    assert 30 <= entry["VisibilityTimeout"] <= 36


def test_visibility_timeouts_are_set_ten_at_once(use_case: FakeUseCase) -> None:
    process(use_case, *(record(number, media(f"unavailable-{number}")) for number in range(21)))
    assert [len(entries) for entries in use_case.sqs.timeouts] == [10, 10, 1]
    handles = [entry["ReceiptHandle"] for entries in use_case.sqs.timeouts for entry in entries]
    assert handles == [f"h{number}" for number in range(21)]


def test_use_case_without_queue_url_sets_no_visibility_timeout(use_case: FakeUseCase) -> None:
    use_case.queue_url = None
    assert process(use_case, record(0, media("unavailable"))) == ["m0"]
    assert use_case.sqs.timeouts == []


def test_batch_without_redelivery_sets_no_visibility_timeout(use_case: FakeUseCase) -> None:
    assert process(use_case, record(0, media("deleted"))) == []
    assert use_case.sqs.timeouts == []


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (ClientError({"Error": {"Code": "Throttling"}}, "any"), "answered Throttling"),
        (EndpointConnectionError(endpoint_url=QUEUE), "did not answer: EndpointConnectionError"),
    ],
)
def test_visibility_timeout_failure_is_logged(
    use_case: FakeUseCase, failure: Exception, error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    use_case.sqs.failure = failure
    assert process(use_case, record(0, media("unavailable"))) == ["m0"]
    [line] = log_lines(capsys, "visibility_timeout_failed")
    assert line["error"] == error


def test_visibility_timeout_refused_for_an_entry_is_logged(
    use_case: FakeUseCase, capsys: pytest.CaptureFixture[str]
) -> None:
    use_case.sqs.failed_entries = 1
    assert process(use_case, record(0, media("unavailable"))) == ["m0"]
    [line] = log_lines(capsys, "visibility_timeout_failed")
    assert line["error"] == "InvalidParameterValue"


def test_rejected_message_is_dead_lettered_and_done(use_case: FakeUseCase) -> None:
    assert process(use_case, record(0, media("rejected"))) == []
    [letter] = use_case.sqs.sent
    assert json.loads(letter["MessageBody"]) == media("rejected")
    attributes = {name: value["StringValue"] for name, value in letter["MessageAttributes"].items()}
    assert attributes.pop("failed_at")
    assert attributes == {"reason": "provider_failed: as configured", "source_message_id": "m0"}


def test_unavailable_message_at_15th_receive_is_dead_lettered(use_case: FakeUseCase) -> None:
    assert process(use_case, record(0, media("unavailable"), 14), record(1, media("unavailable"), 15)) == ["m0"]
    [letter] = use_case.sqs.sent
    assert letter["MessageAttributes"]["reason"]["StringValue"] == "gave_up: provider_failed: as configured"


def test_dead_letter_failure_keeps_the_message_without_backoff(
    use_case: FakeUseCase, capsys: pytest.CaptureFixture[str]
) -> None:
    use_case.sqs.failure = EndpointConnectionError(endpoint_url=DEAD_LETTERS)
    assert process(use_case, record(0, media("rejected")), record(1, media("deleted"))) == ["m0"]
    assert use_case.sqs.timeouts == []
    [line] = log_lines(capsys, "dead_letter_send_failed")
    assert (line["error"], line["queue_url"]) == ("did not answer: EndpointConnectionError", DEAD_LETTERS)


def test_rejected_part_is_dead_lettered_once_all_are_final() -> None:
    outcomes = {"a": Outcome.REJECTED, "b": Outcome.UNAVAILABLE, "c": Outcome.DELETED}

    class UseCaseByKey(FakeUseCase):
        def handle(self, action: Action, attempt: Attempt) -> list[Result]:  # noqa: ARG002 (as RequestHandler declares it)
            return [Result(outcome=outcomes[key_of(action)], reason=Reason.PROVIDER_FAILED)]

    use_case = UseCaseByKey()
    parts = [removal("a"), removal("b"), removal("c")]
    assert process(use_case, record(0, {"Records": parts})) == ["m0"]
    assert use_case.sqs.sent == []
    outcomes["b"] = Outcome.DELETED
    assert process(use_case, record(0, {"Records": parts})) == []
    [letter] = use_case.sqs.sent
    assert json.loads(letter["MessageBody"]) == {"Records": [parts[0]]}


def test_dead_letter_of_several_results_has_the_first_reason() -> None:
    class UseCaseOfSeveral(FakeUseCase):
        def handle(self, *_: object) -> list[Result]:
            reasons = (Reason.INVALID_KEY, Reason.REFUSED_BY_PROVIDER)
            return [Result(outcome=Outcome.REJECTED, reason=reason) for reason in reasons]

    use_case = UseCaseOfSeveral()
    assert process(use_case, record(0, media("any"))) == []
    [letter] = use_case.sqs.sent
    assert letter["MessageAttributes"]["reason"]["StringValue"] == "invalid_key"


def test_message_of_several_parts_waits_for_the_longest_backoff() -> None:
    class UseCaseByKey(FakeUseCase):
        def handle(self, action: Action, attempt: Attempt) -> list[Result]:  # noqa: ARG002 (as RequestHandler declares it)
            return [Result(outcome=Outcome.UNAVAILABLE, retry_after_s=900 if key_of(action) == "a" else None)]

    use_case = UseCaseByKey()
    process(use_case, record(0, {"Records": [removal("a"), removal("b")]}))
    assert [entry["VisibilityTimeout"] for [entry] in use_case.sqs.timeouts] == [900]


def test_bug_in_sending_a_dead_letter_keeps_its_message(
    use_case: FakeUseCase, capsys: pytest.CaptureFixture[str]
) -> None:
    use_case.sqs.failure = RuntimeError("bug")
    assert process(use_case, record(0, media("rejected")), record(1, media("deleted"))) == ["m0"]
    [line] = log_lines(capsys, "message_processing_failed")
    assert line["error"].startswith("RuntimeError in ")


def test_bug_in_publishing_events_keeps_all_messages(use_case: FakeUseCase, capsys: pytest.CaptureFixture[str]) -> None:
    use_case.event_bus = "bus"  # for which the fake has no client
    assert process(use_case, record(0, media("deleted")), record(1, media("rejected"))) == ["m0", "m1"]
    [line] = log_lines(capsys, "message_processing_failed")
    assert line["error"].startswith("AttributeError in ")
    assert len(use_case.sqs.sent) == 1


def test_bug_in_finishing_a_message_fails_no_other(use_case: FakeUseCase, capsys: pytest.CaptureFixture[str]) -> None:
    use_case.results["bug"] = Result(outcome=Outcome.LINKED, detail="secret")  # an outcome that no deletion has
    assert process(use_case, record(0, media("bug")), record(1, media("deleted"))) == ["m0"]
    [line] = log_lines(capsys, "message_processing_failed")
    assert line["message_id"] == "m0"
    assert line["error"].startswith("KeyError in _count, line ")
    assert "secret" not in json.dumps(line)


def rejected_parts(number: int, receives: int = 1, message: int = 0) -> dict[str, Any]:
    return record(message, {"Records": [removal(f"{part}") for part in range(number)]}, receives)


@pytest.mark.parametrize(("parts", "letters"), [(2, 2), (10, 10), (11, 1), (5_000, 1)])
def test_more_than_ten_rejected_parts_are_one_dead_letter(use_case: FakeUseCase, parts: int, letters: int) -> None:
    message = rejected_parts(parts)
    assert process(use_case, message) == []
    assert len(use_case.sqs.sent) == letters
    if letters == 1:
        [letter] = use_case.sqs.sent
        assert letter["MessageBody"] == message["body"]
        assert letter["MessageAttributes"]["rejected_parts"]["StringValue"] == str(parts)


def test_dead_letters_of_all_messages_are_sent_ten_at_once(use_case: FakeUseCase) -> None:
    assert process(use_case, *(rejected_parts(3, message=number) for number in range(7))) == []
    assert [len(batch) for batch in use_case.sqs.batches] == [10, 10, 1]


def test_large_dead_letters_are_sent_in_several_batches(use_case: FakeUseCase) -> None:
    emoji = "\U0001f3e0" * 60_000  # 240,000 bytes; escaped in JSON they are 720,000
    bodies = [json.dumps({"media_id": "rejected-" + "x" * 200_000}), json.dumps({"note": emoji}, ensure_ascii=False)]
    assert process(use_case, *(record(number, bodies[number % 2]) for number in range(6))) == []
    sizes = [sum(len(letter["MessageBody"].encode()) for letter in batch) for batch in use_case.sqs.batches]
    assert len(use_case.sqs.sent) == 6
    assert max(sizes) < 1024 * 1024 - 10 * 2048  # with ten letters' attributes it fits into 1 MiB


def test_message_with_a_refused_dead_letter_stays(use_case: FakeUseCase, capsys: pytest.CaptureFixture[str]) -> None:
    use_case.sqs.refused_letters = ("1",)
    assert process(use_case, rejected_parts(2), record(1, media("rejected"))) == ["m0"]
    assert len(use_case.sqs.sent) == 2  # the first part was accepted, and will be there twice: none is lost
    [line] = log_lines(capsys, "dead_letter_send_failed")
    assert line["error"] == "InternalError"


def test_dead_letters_without_time_left_stay(use_case: FakeUseCase, capsys: pytest.CaptureFixture[str]) -> None:
    messages = [record(number, media("unavailable"), 15) for number in range(2)]
    assert process(use_case, *messages, time_left_ms=1_999) == ["m0", "m1"]
    assert use_case.sqs.batches == []
    assert use_case.sqs.timeouts == []
    [line] = log_lines(capsys, "dead_letter_send_failed")
    assert line["error"] == "out_of_time"


def test_visibility_timeouts_without_time_left_are_not_set(
    use_case: FakeUseCase, capsys: pytest.CaptureFixture[str]
) -> None:
    assert process(use_case, record(0, media("unavailable")), time_left_ms=1_999) == ["m0"]
    assert use_case.sqs.timeouts == []
    [line] = log_lines(capsys, "visibility_timeout_failed")
    assert line["error"] == "out_of_time"


def test_visibility_timeouts_with_just_enough_time_are_set(use_case: FakeUseCase) -> None:
    assert process(use_case, record(0, media("unavailable")), time_left_ms=2_000) == ["m0"]
    assert len(use_case.sqs.timeouts) == 1


def test_parts_of_a_huge_message_leave_time_to_report_them(use_case: FakeUseCase) -> None:
    started: list[str] = []

    class SlowUseCase(FakeUseCase):
        def handle(self, action: Action, attempt: Attempt) -> list[Result]:  # noqa: ARG002 (as RequestHandler declares it)
            started.append(key_of(action))
            clock.left_ms -= 20
            return [Result(outcome=Outcome.DELETED)]

    @dataclass
    class Clock:
        left_ms: int = 60_000

        def get_remaining_time_in_millis(self) -> int:
            return self.left_ms

    clock, use_case = Clock(), SlowUseCase()
    response = process_sqs_batch({"Records": [rejected_parts(5_000)]}, use_case, clock)
    assert response == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    # 6 s for the last step, and 2 ms for each part's log line
    assert len(started) == (60_000 - 6_000 - 2 * 5_000) // 20 + 1


def test_messages_with_the_same_id_are_finished_separately(use_case: FakeUseCase) -> None:
    assert process(use_case, record(0, media("unavailable")), record(0, media("deleted"))) == ["m0"]


def test_lag_starts_at_the_messages_send_time(use_case: FakeUseCase, capsys: pytest.CaptureFixture[str]) -> None:
    use_case.results["deleted"] = Result(outcome=Outcome.DELETED, confirmed_ms=1_700_000_000_250)
    process(use_case, record(0, media("deleted"), 3))
    [line] = log_lines(capsys, "media_deletion")
    assert (line["lag_ms"], line["attempt"], line["trigger"], line["message_id"]) == (250, 3, "sqs", "m0")


@pytest.mark.parametrize(("age_s", "failed"), [(777_599, ["m0"]), (777_600, [])])
def test_message_nine_days_old_is_given_up(use_case: FakeUseCase, age_s: int, failed: list[str]) -> None:
    event = {"Records": [record(0, media("unavailable"))]}
    response = process_sqs_batch(event, use_case, Context(), lambda: 1_700_000_000 + age_s)
    assert [failure["itemIdentifier"] for failure in response["batchItemFailures"]] == failed
    assert len(use_case.sqs.sent) == 1 - len(failed)
