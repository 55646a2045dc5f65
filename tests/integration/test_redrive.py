"""`make redrive` moves what was there at the start, once; it reports and leaves the rest."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytest

from localdev.cloud import ROOT
from media_cleanup.aws.clients import AwsClients
from tests.integration.conftest import AWS, inject_aws_error
from tools import redrive
from tools.redrive import Redrive, Summary

LARGE = 262_145  # bytes, one more than the source queue accepts


class Queues:
    """A dead-letter queue, its source queue, and a function that refuses each message of it."""

    def __init__(self) -> None:
        sqs = AWS.sqs
        self.dead_letter_url = sqs.create_queue(QueueName="dead-letters", Attributes={"MaximumMessageSize": "1048576"})[
            "QueueUrl"
        ]
        self.url = sqs.create_queue(QueueName="source", Attributes={"MaximumMessageSize": "262144"})["QueueUrl"]

    def dead_letter(self, body: str, reason: str | None = None, **attributes: str) -> str:
        texts = attributes | ({"reason": reason} if reason else {})
        return AWS.sqs.send_message(
            QueueUrl=self.dead_letter_url,
            MessageBody=body,
            MessageAttributes={name: {"DataType": "String", "StringValue": text} for name, text in texts.items()},
        )["MessageId"]

    def receive(self) -> list[tuple[str, str]]:
        """Receive and delete the messages of the source queue; their ids and bodies."""
        messages = AWS.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages", [])
        for message in messages:
            AWS.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return [(message["MessageId"], message["Body"]) for message in messages]

    def bodies(self) -> list[str]:
        return sorted(body for _, body in iter_until_empty(self.receive))

    def visible_dead_letters(self) -> int:
        name: Literal["ApproximateNumberOfMessages"] = "ApproximateNumberOfMessages"
        response = AWS.sqs.get_queue_attributes(QueueUrl=self.dead_letter_url, AttributeNames=[name])
        return int(response["Attributes"][name])

    def run(self, **options: Any) -> Summary:  # noqa: ANN401 (the options of Redrive)
        return Redrive(AWS.sqs, self.dead_letter_url, self.url, **{"return_s": 0, **options}).run()


def iter_until_empty(receive: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 (a method of Queues)
    while messages := receive():
        yield from messages


@pytest.fixture
def queues(empty_aws: None, monkeypatch: pytest.MonkeyPatch) -> Queues:  # noqa: ARG001 (before the queues are created)
    monkeypatch.setattr(redrive, "WAIT_S", 0)
    return Queues()


def test_messages_are_moved_without_their_attributes(queues: Queues) -> None:
    for number in range(23):
        queues.dead_letter(str(number), "gave_up: no_answer" if number < 20 else None)
    summary = queues.run()
    assert queues.bodies() == sorted(map(str, range(23)))
    assert (summary.moved, summary.status) == ({"gave_up": 20, "none": 3}, 0)
    assert queues.visible_dead_letters() == 0


def test_messages_that_are_refused_again_are_moved_once(queues: Queues) -> None:
    for number in range(3):
        queues.dead_letter(str(number), "refused_by_provider")
    calls: list[str] = []
    sqs = AwsClients().sqs
    sqs.meta.events.register("before-call.sqs.*", lambda model, **_: calls.append(model.name))
    ended = threading.Event()

    def refuse() -> None:
        while not ended.is_set():
            for message_id, body in queues.receive():
                queues.dead_letter(body, "refused_by_provider: code 9006", source_message_id=message_id)

    function = threading.Thread(target=refuse)
    function.start()
    try:
        summary = Redrive(sqs, queues.dead_letter_url, queues.url, return_s=1).run()
    finally:
        ended.set()
        function.join()
    assert (summary.moved, summary.returned, summary.status) == (
        {"refused_by_provider": 3},
        {"refused_by_provider": 3},
        1,
    )
    assert calls.count("SendMessage") == 3
    assert queues.visible_dead_letters() == 3  # for the next run, or for the console
    assert "returned, because they failed again: 3, refused_by_provider 3" in list(summary.lines())


def test_message_that_sqs_dead_letters_again_has_returned(queues: Queues) -> None:
    queues.dead_letter("a")
    run = Redrive(AWS.sqs, queues.dead_letter_url, queues.url, return_s=0)
    [letter] = run._receive()  # noqa: SLF001 (SQS keeps the id, which moto does only with a redrive policy)
    run._sent.add(letter.id)  # noqa: SLF001 (as if it had been sent before)
    run._handle([letter])  # noqa: SLF001 (the second delivery)
    assert run.summary.returned == {"none": 1}


def test_message_that_arrives_after_the_start_is_left(queues: Queues, monkeypatch: pytest.MonkeyPatch) -> None:
    queues.dead_letter("old")
    run = Redrive(AWS.sqs, queues.dead_letter_url, queues.url, return_s=0)
    monkeypatch.setattr(run, "_started_ms", run._started_ms - 60_000)  # noqa: SLF001 (instead of a minute's wait)
    assert run.run().newer == {"none": 1}
    assert (queues.bodies(), queues.visible_dead_letters()) == ([], 1)


def test_too_large_message_is_left_and_the_others_are_moved(queues: Queues) -> None:
    queues.dead_letter("small", "gave_up")
    large = queues.dead_letter("x" * LARGE, "gave_up")
    queues.dead_letter("small too", "gave_up")
    summary = queues.run()
    assert queues.bodies() == ["small", "small too"]
    [line] = summary.not_accepted
    assert line.startswith(f"{large} (gave_up): SendMessage: InvalidParameterValue: ")
    assert (summary.status, queues.visible_dead_letters()) == (1, 1)


@pytest.mark.parametrize(
    ("reason", "bodies"), [("gave_up", ["a", "b"]), ("gave_up: no_answer", ["b"]), ("none", ["d"]), ("gave", [])]
)
def test_reason_selects_dead_letters(queues: Queues, reason: str, bodies: list[str]) -> None:
    for body, its_reason in (
        ("a", "gave_up"),
        ("b", "gave_up: no_answer: timeout"),
        ("c", "not_understood"),
        ("d", None),
    ):
        queues.dead_letter(body, its_reason)
    summary = queues.run(reason=reason)
    assert queues.bodies() == bodies
    assert (summary.not_selected.total(), summary.status) == (4 - len(bodies), 0)
    assert queues.visible_dead_letters() == 4 - len(bodies)


def test_error_of_the_queue_stops_the_run_and_keeps_the_dead_letters(queues: Queues) -> None:
    queues.dead_letter("a")
    sqs = AwsClients().sqs
    inject_aws_error(sqs, "SendMessage", 403, "AccessDenied")
    with pytest.raises(sqs.exceptions.ClientError, match="AccessDenied"):
        Redrive(sqs, queues.dead_letter_url, queues.url).run()
    assert queues.visible_dead_letters() == 1


@pytest.fixture
def program(queues: Queues, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """The program over these queues; returns its exit status."""
    outputs = {"DeletionDeadLetterQueueUrl": queues.dead_letter_url, "DeletionQueueUrl": queues.url}
    monkeypatch.setattr(redrive, "outputs_of", lambda *_: outputs)
    monkeypatch.setattr(redrive, "RETURN_S", 0)

    def run(*options: str) -> int:
        monkeypatch.setattr(sys, "argv", ["redrive", "--stack", "s", "--queue", "deletion", *options])
        return redrive.main()

    return run


def test_program_reports_what_it_did(
    queues: Queues, program: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    ids = [queues.dead_letter("a", "gave_up: \x1b[31mno_answer"), queues.dead_letter("x" * LARGE, "gave_up")]

    assert program("--dry-run") == 0
    output = capsys.readouterr().out
    assert all(each in output for each in ids)
    assert "would move: 2, gave_up 2" in output
    assert "\x1b[31mno_answer" not in output
    assert queues.visible_dead_letters() == 2

    assert program("--reason", "none") == 0
    assert "left, because of another reason: 2, gave_up 2" in capsys.readouterr().out
    assert queues.visible_dead_letters() == 2

    assert program("--reason", "") == 1  # as make passes it
    output = capsys.readouterr().out
    assert "moved: 1, gave_up 1" in output
    assert f"left, because the queue does not accept it: {ids[1]} (gave_up)" in output
    assert queues.visible_dead_letters() == 1


def command(target: str, *variables: str) -> str:
    """The command of a target, as make would run it."""
    make = ["/usr/bin/env", "make", "--dry-run", "--old-file=.venv/.installed", target, "STACK=s", *variables]
    return " ".join(subprocess.run(make, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split())


def test_make_passes_dry_and_reason() -> None:
    assert '--dry-run --reason "gave_up"' in command("redrive", "DRY=1", "REASON=gave_up")
    assert "--dry-run" not in command("redrive")


@pytest.mark.parametrize(
    ("target", "variable", "option"),
    [
        ("redrive", "DRY", "--dry-run"),
        ("connect", "YES", "--yes"),
        ("connect", "DIRECT", "--direct"),
        ("disconnect", "YES", "--yes"),
        ("backfill", "AGAIN", "--again"),
    ],
)
def test_make_takes_no_for_no(target: str, variable: str, option: str) -> None:
    assert option in command(target, f"{variable}=1").split()
    for value in ("", "0", "no", "false"):
        assert option not in command(target, f"{variable}={value}").split()
