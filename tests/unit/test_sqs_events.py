"""SQS batches with an event bus: dead letter first, then the event, then the message is done."""

import time
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from media_cleanup.aws.idempotency import DeletionRecords
from media_cleanup.errors import DependencyUnavailable
from media_cleanup.outcome import Outcome, Reason
from media_cleanup.request import Action, Attempt
from media_cleanup.result import Result
from tests.unit.test_outcome_events import FakeEvents, PublishingUseCase
from tests.unit.test_sqs import key_of, log_lines, media, process, record, removal

ALL = tuple(range(100))


@dataclass
class FakeLetterRecords:
    """The messages that are dead-lettered; `reads` counts the questions for them."""

    messages: set[str] = field(default_factory=set)
    reads: int = 0
    failure: DependencyUnavailable | None = None

    def put_dead_lettered(self, message_id: str) -> None:
        self.messages.add(message_id)

    def is_dead_lettered(self, message_id: str) -> bool:
        self.reads += 1
        if self.failure:
            raise self.failure
        return message_id in self.messages


@pytest.fixture
def letters() -> FakeLetterRecords:
    return FakeLetterRecords()


@pytest.fixture
def use_case(letters: FakeLetterRecords) -> PublishingUseCase:
    return PublishingUseCase(event_bus="outcomes", letter_records=cast("DeletionRecords", letters))


def reasons_of_letters(use_case: PublishingUseCase) -> list[str]:
    return [letter["MessageAttributes"]["reason"]["StringValue"] for letter in use_case.sqs.sent]


def published(use_case: PublishingUseCase) -> list[dict[str, Any]]:
    return [entry for batch in use_case.events.batches for entry in batch]


def test_final_outcomes_are_published_and_done(use_case: PublishingUseCase) -> None:
    names = ("deleted", "rejected", "skipped", "unavailable")
    assert process(use_case, *(record(number, media(name)) for number, name in enumerate(names))) == ["m3"]
    assert len(published(use_case)) == 2
    assert len(use_case.sqs.sent) == 1
    assert [result.outcome for result in use_case.settled] == [Outcome.DELETED, Outcome.REJECTED]


def test_event_of_a_failure_has_the_present_time(use_case: PublishingUseCase) -> None:
    earliest = time.time()
    process(use_case, record(0, media("rejected")))
    [entry] = published(use_case)
    assert int(earliest) <= entry["Time"].timestamp() <= time.time() + 1


def test_message_without_its_event_is_redelivered_by_backoff(
    use_case: PublishingUseCase, letters: FakeLetterRecords
) -> None:
    use_case.events.refused = (0,)
    assert process(use_case, record(0, media("deleted"), 2), record(1, media("deleted"))) == ["m0"]
    [[entry]] = use_case.sqs.timeouts
    assert entry["ReceiptHandle"] == "h0"
    assert 60 <= entry["VisibilityTimeout"] <= 72
    assert (use_case.sqs.sent, letters.messages) == ([], set())
    assert process(use_case, record(0, media("deleted"), 3)) == []
    assert letters.reads == 0  # there is no dead letter that could have been sent


def test_redelivery_for_an_event_sends_no_second_dead_letter(
    use_case: PublishingUseCase, letters: FakeLetterRecords
) -> None:
    use_case.events.refused = (0,)
    assert process(use_case, record(0, media("rejected"))) == ["m0"]
    assert (len(use_case.sqs.sent), letters.messages, letters.reads) == (1, {"m0"}, 0)
    assert process(use_case, record(0, media("rejected"), 2)) == []
    assert (len(use_case.sqs.sent), letters.reads) == (1, 1)
    assert len(published(use_case)) == 2


def test_event_refused_without_letter_records_redelivers(use_case: PublishingUseCase) -> None:
    use_case.letter_records = None
    use_case.events.refused = (0,)
    assert process(use_case, record(0, media("rejected"))) == ["m0"]
    assert process(use_case, record(0, media("rejected"), 2)) == []
    assert len(use_case.sqs.sent) == 2


def test_dead_letter_of_a_later_receive_is_sent(use_case: PublishingUseCase, letters: FakeLetterRecords) -> None:
    assert process(use_case, record(0, media("rejected"), 2)) == []
    assert (len(use_case.sqs.sent), letters.reads) == (1, 1)


def test_unknown_dead_letters_are_sent_again(
    use_case: PublishingUseCase, letters: FakeLetterRecords, capsys: pytest.CaptureFixture[str]
) -> None:
    letters.messages.add("m0")
    letters.failure = DependencyUnavailable(Reason.IDEMPOTENCY_UNREACHABLE)
    assert process(use_case, record(0, media("rejected"), 2)) == []
    assert len(use_case.sqs.sent) == 1
    [line] = log_lines(capsys, "dead_letters_unknown")
    assert (line["error"], line["message_id"]) == ("idempotency_unreachable", "m0")


@pytest.mark.parametrize(("receive", "failed"), [(14, ["m0"]), (15, [])])
def test_event_refused_at_the_15th_receive_is_dead_lettered(
    use_case: PublishingUseCase, receive: int, failed: list[str]
) -> None:
    use_case.events.refused = ALL
    assert process(use_case, record(0, media("deleted"), receive)) == failed
    assert reasons_of_letters(use_case) == ["event_not_published: InternalFailure"] * (1 - len(failed))


@dataclass
class UseCaseByKey(PublishingUseCase):
    """A use case with a result for each object key."""

    def handle(self, action: Action, attempt: Attempt) -> list[Result]:  # noqa: ARG002 (as RequestHandler declares it)
        return [self.results[key_of(action)]]


def test_message_with_an_unavailable_part_keeps_its_redelivery() -> None:
    use_case = UseCaseByKey(event_bus="outcomes", events=FakeEvents(refused=ALL))
    use_case.results["a"] = Result(outcome=Outcome.DELETED, confirmed_ms=1_700_000_000_250)
    use_case.results["b"] = Result(outcome=Outcome.UNAVAILABLE, retry_after_s=900)
    assert process(use_case, record(0, {"Records": [removal("a"), removal("b")]})) == ["m0"]
    assert [entry["VisibilityTimeout"] for [entry] in use_case.sqs.timeouts] == [900]
    assert len(published(use_case)) == 1


@pytest.mark.parametrize(("outcome", "recorded"), [(Outcome.SKIPPED, set()), (Outcome.REJECTED, {"m0"})])
def test_only_dead_lettered_messages_are_recorded(
    letters: FakeLetterRecords, outcome: Outcome, recorded: set[str]
) -> None:
    records = cast("DeletionRecords", letters)
    use_case = UseCaseByKey(event_bus="outcomes", letter_records=records, events=FakeEvents(refused=ALL))
    use_case.results["a"] = Result(outcome=Outcome.DELETED, confirmed_ms=1_700_000_000_250)
    use_case.results["b"] = Result(outcome=outcome, reason=Reason.OBJECT_EXISTS)
    assert process(use_case, record(0, {"Records": [removal("a"), removal("b")]})) == ["m0"]
    assert letters.messages == recorded


class BrokenEvents(FakeEvents):
    """EventBridge's client with a bug."""

    def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 (boto3's own name)
        raise RuntimeError(f"{len(Entries)}")


def test_bug_in_publishing_loses_no_event(use_case: PublishingUseCase, capsys: pytest.CaptureFixture[str]) -> None:
    use_case.events = BrokenEvents()
    messages = [record(0, media("deleted")), record(1, media("deleted"), 15), record(2, media("unavailable"))]
    assert process(use_case, *messages) == ["m0", "m2"]
    assert reasons_of_letters(use_case) == ["event_not_published: internal_error"]
    [line] = log_lines(capsys, "message_processing_failed")
    assert line["error"].startswith("RuntimeError in ")
