"""How messages are settled, with a task that answers as it is told and an SQS that writes down what it hears."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from media_cleanup.aws.clients import AwsClients
from media_cleanup.model import Media
from media_cleanup.outcome import Outcome
from media_cleanup.reporting import DELETION
from media_cleanup.request import Action
from media_cleanup.result import Result
from media_cleanup.triggers.sqs import process_sqs_batch

PHONE = "8615800001795"
QUEUE, DEAD = "https://queue", "https://dead"


@dataclass
class Sqs:
    """SQS's client; `fails` is what it raises when it is asked to send or to delay."""

    sent: list[dict[str, Any]] = field(default_factory=list)
    delayed: list[list[dict[str, Any]]] = field(default_factory=list)
    fails: Exception | None = None
    refused: int = 0

    def send_message(self, **message: Any) -> None:  # noqa: ANN401 (whatever is sent)
        if self.fails:
            raise self.fails
        self.sent.append(message)

    def change_message_visibility_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 (AWS's names)
        assert QueueUrl == QUEUE
        if self.fails:
            raise self.fails
        self.delayed.append(Entries)
        return {"Failed": [{"Id": "0", "Code": "InvalidParameterValue"}] * self.refused}


@dataclass
class Settings:
    """What settling asks of the settings."""

    default_business_phone: str | None = None
    dead_letter_queue_url: str = DEAD
    concurrent_calls: int = 1


@dataclass
class Clients:
    """The one client that settling uses."""

    sqs: Sqs = field(default_factory=Sqs)


@dataclass
class Told:
    """A task whose requests come to what their Media-IDs say."""

    clients: Clients = field(default_factory=Clients)
    settings: Settings = field(default_factory=Settings)
    queue_url: str | None = QUEUE
    answers: dict[str, Result] = field(default_factory=dict)
    story = DELETION

    @property
    def aws(self) -> AwsClients:
        return cast("AwsClients", self.clients)

    @property
    def sqs(self) -> Sqs:
        return self.clients.sqs

    def outcomes(self, subject: Action, _attempt: int, _time_left_ms: Callable[[], int]) -> list[Result]:
        name = subject.media_id if isinstance(subject, Media) else "not_understood"
        result = Outcome(name.partition("-")[0]) if isinstance(subject, Media) else Outcome.REJECTED
        return [self.answers.get(name, Result(outcome=result, reason="as told"))]


@pytest.fixture
def task() -> Told:
    return Told()


def record(number: int, body: object, receives: int | None = 1) -> dict[str, Any]:
    attributes = {"SentTimestamp": "1700000000000"}
    attributes |= {} if receives is None else {"ApproximateReceiveCount": str(receives)}
    text = body if isinstance(body, str) else json.dumps(body)
    return {"messageId": f"m{number}", "receiptHandle": f"h{number}", "body": text, "attributes": attributes}


def media(name: str) -> dict[str, str]:
    return {"business_phone": PHONE, "media_id": name}


def settle(task: Told, *records: dict[str, Any]) -> list[str]:
    answer = process_sqs_batch({"Records": list(records)}, task, lambda: 60_000)
    assert answer.keys() == {"batchItemFailures"}
    assert all(failure.keys() == {"itemIdentifier"} for failure in answer["batchItemFailures"])
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def test_exactly_what_is_unavailable_comes_again_after_its_delay(task: Told) -> None:
    names = ["deleted", "unavailable-1", "already_gone", "skipped", "unavailable-2"]
    assert settle(task, *(record(number, media(name), number + 1) for number, name in enumerate(names))) == ["m1", "m4"]
    [entries] = task.sqs.delayed
    assert [(entry["Id"], entry["ReceiptHandle"]) for entry in entries] == [("0", "h1"), ("1", "h4")]
    assert 60 <= entries[0]["VisibilityTimeout"] <= 72
    assert 480 <= entries[1]["VisibilityTimeout"] <= 576
    assert task.sqs.sent == []


def test_a_message_without_its_count_is_taken_for_new(task: Told) -> None:
    settle(task, record(0, media("unavailable"), None))
    [[entry]] = task.sqs.delayed
    assert 30 <= entry["VisibilityTimeout"] <= 36


def test_sqs_is_told_of_ten_delays_at_once(task: Told) -> None:
    settle(task, *(record(number, media(f"unavailable-{number}")) for number in range(21)))
    assert [len(entries) for entries in task.sqs.delayed] == [10, 10, 1]
    assert [entry["ReceiptHandle"] for entries in task.sqs.delayed for entry in entries] == [f"h{n}" for n in range(21)]


def test_without_a_schedule_of_its_own_the_queues_time_counts(task: Told) -> None:
    task.queue_url = None
    assert settle(task, record(0, media("unavailable"))) == ["m0"]
    assert task.sqs.delayed == []


def test_nobody_is_told_of_no_delays(task: Told) -> None:
    assert settle(task, record(0, media("deleted"))) == []
    assert task.sqs.delayed == []


@pytest.mark.parametrize(
    "failure", [ClientError({"Error": {"Code": "Throttling"}}, "any"), EndpointConnectionError(endpoint_url=QUEUE)]
)
def test_a_delay_that_fails_is_told_and_the_message_comes_again(
    task: Told, failure: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    task.sqs.fails = failure
    assert settle(task, record(0, media("unavailable"))) == ["m0"]
    [line] = [line for line in lines(capsys) if line["message"] == "visibility_timeout_failed"]
    assert line["error"] == type(failure).__name__


def test_a_delay_that_sqs_refuses_is_told_too(task: Told, capsys: pytest.CaptureFixture[str]) -> None:
    task.sqs.refused = 1
    assert settle(task, record(0, media("unavailable"))) == ["m0"]
    [line] = [line for line in lines(capsys) if line["message"] == "visibility_timeout_failed"]
    assert line["error"] == "InvalidParameterValue"


def test_what_is_rejected_lies_in_the_dead_letter_queue_and_is_done(task: Told) -> None:
    assert settle(task, record(0, media("rejected"))) == []
    [letter] = task.sqs.sent
    assert (letter["QueueUrl"], json.loads(letter["MessageBody"])) == (DEAD, media("rejected"))
    attributes = {name: value["StringValue"] for name, value in letter["MessageAttributes"].items()}
    assert attributes.pop("failed_at")
    assert attributes == {"reason": "as told", "source_message_id": "m0"}


def test_what_is_unavailable_at_the_15th_receive_is_rejected(task: Told) -> None:
    assert settle(task, record(0, media("unavailable"), 14), record(1, media("unavailable"), 15)) == ["m0"]
    [letter] = task.sqs.sent
    assert letter["MessageAttributes"]["reason"]["StringValue"] == "gave_up: as told"


def test_a_letter_that_cannot_be_sent_keeps_its_message_by_the_queues_own_time(task: Told) -> None:
    task.sqs.fails = EndpointConnectionError(endpoint_url=DEAD)
    assert settle(task, record(0, media("rejected")), record(1, media("deleted"))) == ["m0"]
    assert task.sqs.delayed == []


def test_a_message_of_several_parts_waits_for_all_and_then_dead_letters_the_rejected_ones() -> None:
    parts = [parts_of("a"), parts_of("b"), parts_of("c")]
    body = {"Records": parts}
    outcomes = {"rejected": Outcome.REJECTED, "unavailable": Outcome.UNAVAILABLE, "deleted": Outcome.DELETED}

    class Parts(Told):
        def outcomes(self, subject: Any, _attempt: int, _time_left_ms: Callable[[], int]) -> list[Result]:  # noqa: ANN401 (an object's event)
            return [Result(outcome=outcomes[said[subject.file.key]], reason="as told")]

    several = Parts()
    said = {"a": "rejected", "b": "unavailable", "c": "deleted"}
    assert settle(several, record(0, body)) == ["m0"]
    assert several.sqs.sent == []
    said["b"] = "deleted"
    assert settle(several, record(0, body)) == []
    [letter] = several.sqs.sent
    assert json.loads(letter["MessageBody"]) == {"Records": [parts[0]]}


def test_the_first_of_several_reasons_is_told() -> None:
    class Reasons(Told):
        def outcomes(self, *_: object) -> list[Result]:
            return [Result(outcome=Outcome.REJECTED, reason=reason) for reason in ("first", "second")]

    task = Reasons()
    assert settle(task, record(0, media("any"))) == []
    [letter] = task.sqs.sent
    assert letter["MessageAttributes"]["reason"]["StringValue"] == "first"


def test_the_longest_delay_of_its_parts_counts() -> None:
    class Parts(Told):
        def outcomes(self, subject: Any, _attempt: int, _time_left_ms: Callable[[], int]) -> list[Result]:  # noqa: ANN401 (an object's event)
            return [Result(outcome=Outcome.UNAVAILABLE, retry_after_s=900 if subject.file.key == "a" else None)]

    task = Parts()
    settle(task, record(0, {"Records": [parts_of("a"), parts_of("b")]}))
    assert [entry["VisibilityTimeout"] for [entry] in task.sqs.delayed] == [900]


def test_a_bug_in_settling_one_message_holds_up_no_other(task: Told, capsys: pytest.CaptureFixture[str]) -> None:
    task.sqs.fails = RuntimeError("a bug, whose text may hold what logs must not")
    assert settle(task, record(0, media("rejected")), record(1, media("deleted"))) == ["m0"]
    [line] = [line for line in lines(capsys) if line["message"] == "message_processing_failed"]
    assert line["message_id"] == "m0"
    assert line["error"].startswith("RuntimeError in send_message, line ")


def test_two_messages_with_the_same_id_are_settled_each(task: Told) -> None:
    assert settle(task, record(0, media("unavailable")), record(0, media("deleted"))) == ["m0"]


def test_lag_counts_from_the_sending(task: Told, capsys: pytest.CaptureFixture[str]) -> None:
    task.answers["deleted"] = Result(outcome=Outcome.DELETED, confirmed_ms=1_700_000_000_250)
    settle(task, record(0, media("deleted"), 3))
    [line] = [line for line in lines(capsys) if line["message"] == "media_deletion"]
    assert (line["lag_ms"], line["attempt"], line["trigger"], line["message_id"]) == (250, 3, "sqs", "m0")


def parts_of(key: str) -> dict[str, Any]:
    return {
        "eventSource": "aws:s3",
        "eventName": "ObjectRemoved:Delete",
        "s3": {"bucket": {"name": "bucket"}, "object": {"key": key}},
    }


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]
