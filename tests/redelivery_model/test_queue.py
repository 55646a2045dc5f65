"""The model of SQS keeps the rules that AWS documents."""

from typing import Any

import pytest

from tests.redelivery_model.queue import Clock, Message, Queue, Receipt, RefusedError, failed_ids

HOUR_S = 3600


@pytest.fixture
def clock() -> Clock:
    return Clock()


def receive_one(queue: Queue) -> Receipt:
    [receipt] = queue.receive()
    return receipt


def test_a_received_message_is_hidden_and_then_comes_again_with_its_count(clock: Clock) -> None:
    queue = Queue(clock, visibility_s=360)
    queue.send("body")
    assert receive_one(queue).receives == 1
    clock.now_s = 359
    assert queue.receive() == []
    assert queue.in_flight() == 1
    clock.now_s = 360
    assert queue.in_flight() == 0
    assert receive_one(queue).receives == 2


def test_no_more_than_ten_are_received_at_once(clock: Clock) -> None:
    queue = Queue(clock)
    for _ in range(12):
        queue.send("body")
    assert [len(queue.receive()), len(queue.receive()), len(queue.receive(1))] == [10, 2, 0]


def test_visibility_counts_from_its_change(clock: Clock) -> None:
    queue = Queue(clock, visibility_s=360)
    queue.send("body")
    handle = receive_one(queue).handle
    clock.now_s = 100
    queue.change_visibility(handle, 30)
    clock.now_s = 130
    assert receive_one(queue).receives == 2


def test_twelve_hours_count_from_the_receipt(clock: Clock) -> None:
    queue = Queue(clock, visibility_s=360)
    queue.send("body")
    handle = receive_one(queue).handle
    clock.now_s = 60
    with pytest.raises(RefusedError, match="TotalVisibilityTimeout"):
        queue.change_visibility(handle, 12 * HOUR_S - 59)
    queue.change_visibility(handle, 12 * HOUR_S - 60)


def test_only_the_latest_receipt_counts(clock: Clock) -> None:
    queue = Queue(clock, visibility_s=30)
    queue.send("body")
    stale = receive_one(queue).handle
    clock.now_s = 30
    with pytest.raises(RefusedError, match="MessageNotInflight"):
        queue.change_visibility(stale, 60)
    receive_one(queue)
    queue.delete(stale)
    assert len(queue.messages) == 1
    with pytest.raises(RefusedError, match="InvalidParameterValue"):
        queue.change_visibility(stale, 60)


def test_a_message_goes_to_the_dead_letters_in_place_of_one_receipt_too_many(clock: Clock) -> None:
    dead = Queue(clock, retention_s=14 * 24 * HOUR_S)
    queue = Queue(clock, visibility_s=10, max_receives=2, dead_letters=dead)
    queue.send("body")
    for clock.now_s in (5, 15):
        receive_one(queue)
    clock.now_s = 25
    assert queue.receive() == []
    assert [(message.body, message.sent_s, message.attributes) for message in dead.messages] == [("body", 0, {})]


def test_dead_letters_are_kept_from_their_first_sending(clock: Clock) -> None:
    dead = Queue(clock, retention_s=100)
    queue = Queue(clock, visibility_s=10, max_receives=1, dead_letters=dead)
    queue.send("body")
    queue.receive()
    clock.now_s = 90
    queue.receive()
    clock.now_s = 100
    assert dead.receive() == []
    assert len(dead.expired) == 1


def test_what_is_too_old_is_gone_even_if_it_was_never_received(clock: Clock) -> None:
    queue = Queue(clock, retention_s=100)
    queue.send("body")
    clock.now_s = 100
    assert queue.receive() == []
    assert len(queue.expired) == 1


def test_a_standard_queue_may_deliver_what_is_hidden_or_deleted(clock: Clock) -> None:
    queue = Queue(clock)
    message: Message = queue.send("body")
    first = receive_one(queue)
    queue.deliver_again(message)
    second = receive_one(queue)
    assert (first.receives, second.receives) == (1, 2)
    queue.delete(second.handle)
    assert queue.receive() == []
    queue.deliver_again(message)
    assert receive_one(queue).receives == 3


def test_beyond_what_may_be_in_flight_messages_wait(clock: Clock) -> None:
    queue = Queue(clock, most_in_flight=2)
    for _ in range(3):
        queue.send("body")
    receipts = queue.receive()
    assert len(receipts) == 2
    queue.delete(receipts[0].handle)
    assert len(queue.receive()) == 1


@pytest.mark.parametrize("answer", [None, {}, {"batchItemFailures": None}, {"batchItemFailures": []}])
def test_nothing_named_means_that_all_succeeded(answer: Any) -> None:  # noqa: ANN401 (whatever a function answers)
    assert failed_ids(answer, ["a", "b"]) == set()


@pytest.mark.parametrize(
    "answer",
    [
        "not an object",
        {"batchItemFailures": "a"},
        {"batchItemFailures": ["a"]},
        {"batchItemFailures": [{"itemIdentifier": ""}]},
        {"batchItemFailures": [{"itemIdentifier": None}]},
        {"batchItemFailures": [{"identifier": "a"}]},
        {"batchItemFailures": [{"itemIdentifier": "a"}, {"itemIdentifier": "unknown"}]},
    ],
)
def test_what_cannot_be_understood_means_that_all_failed(answer: Any) -> None:  # noqa: ANN401 (likewise)
    assert failed_ids(answer, ["a", "b"]) == {"a", "b"}


def test_the_named_ones_come_again() -> None:
    assert failed_ids({"batchItemFailures": [{"itemIdentifier": "b"}]}, ["a", "b"]) == {"b"}
