"""The model of SQS follows the rules that AWS documents."""

from typing import Any

import pytest

from tests.redelivery_model.queue import Clock, Message, Queue, Receipt, RequestRefusedError, failed_ids

HOUR_S = 3600


@pytest.fixture
def clock() -> Clock:
    return Clock()


def receive_one(queue: Queue) -> Receipt:
    [receipt] = queue.receive()
    return receipt


def test_received_message_is_hidden_then_redelivered_with_count(clock: Clock) -> None:
    queue = Queue(clock, visibility_s=360)
    queue.send("body")
    assert receive_one(queue).receives == 1
    clock.now_s = 359
    assert queue.receive() == []
    assert queue.in_flight() == 1
    clock.now_s = 360
    assert queue.in_flight() == 0
    assert receive_one(queue).receives == 2


def test_receive_returns_at_most_ten_messages(clock: Clock) -> None:
    queue = Queue(clock)
    for _ in range(12):
        queue.send("body")
    assert [len(queue.receive()), len(queue.receive()), len(queue.receive(1))] == [10, 2, 0]


def test_visibility_timeout_starts_at_its_change(clock: Clock) -> None:
    queue = Queue(clock, visibility_s=360)
    queue.send("body")
    handle = receive_one(queue).handle
    clock.now_s = 100
    queue.change_visibility(handle, 30)
    clock.now_s = 130
    assert receive_one(queue).receives == 2


def test_maximum_of_twelve_hours_starts_at_the_receive(clock: Clock) -> None:
    queue = Queue(clock, visibility_s=360)
    queue.send("body")
    handle = receive_one(queue).handle
    clock.now_s = 60
    with pytest.raises(RequestRefusedError, match="TotalVisibilityTimeout"):
        queue.change_visibility(handle, 12 * HOUR_S - 59)
    queue.change_visibility(handle, 12 * HOUR_S - 60)


def test_only_latest_receipt_handle_is_valid(clock: Clock) -> None:
    queue = Queue(clock, visibility_s=30)
    queue.send("body")
    stale = receive_one(queue).handle
    clock.now_s = 30
    with pytest.raises(RequestRefusedError, match="MessageNotInflight"):
        queue.change_visibility(stale, 60)
    receive_one(queue)
    queue.delete(stale)
    assert len(queue.messages) == 1
    with pytest.raises(RequestRefusedError, match="InvalidParameterValue"):
        queue.change_visibility(stale, 60)


def test_message_after_max_receives_is_dead_lettered(clock: Clock) -> None:
    dead = Queue(clock, retention_s=14 * 24 * HOUR_S)
    queue = Queue(clock, visibility_s=10, max_receives=2, dead_letters=dead)
    queue.send("body")
    for clock.now_s in (5, 15):
        receive_one(queue)
    clock.now_s = 25
    assert queue.receive() == []
    assert [(message.body, message.sent_s, message.attributes) for message in dead.messages] == [("body", 0, {})]


def test_dead_letter_retention_starts_at_first_sending(clock: Clock) -> None:
    dead = Queue(clock, retention_s=100)
    queue = Queue(clock, visibility_s=10, max_receives=1, dead_letters=dead)
    queue.send("body")
    queue.receive()
    clock.now_s = 90
    queue.receive()
    clock.now_s = 100
    assert dead.receive() == []
    assert len(dead.expired) == 1


def test_expired_message_is_deleted_unreceived(clock: Clock) -> None:
    queue = Queue(clock, retention_s=100)
    queue.send("body")
    clock.now_s = 100
    assert queue.receive() == []
    assert len(queue.expired) == 1


def test_hidden_or_deleted_message_can_be_redelivered(clock: Clock) -> None:
    queue = Queue(clock)
    message: Message = queue.send("body")
    first = receive_one(queue)
    queue.redeliver(message)
    second = receive_one(queue)
    assert (first.receives, second.receives) == (1, 2)
    queue.delete(second.handle)
    assert queue.receive() == []
    queue.redeliver(message)
    assert receive_one(queue).receives == 3


def test_messages_beyond_in_flight_limit_wait(clock: Clock) -> None:
    queue = Queue(clock, max_in_flight=2)
    for _ in range(3):
        queue.send("body")
    receipts = queue.receive()
    assert len(receipts) == 2
    queue.delete(receipts[0].handle)
    assert len(queue.receive()) == 1


@pytest.mark.parametrize("response", [None, {}, {"batchItemFailures": None}, {"batchItemFailures": []}])
def test_response_without_ids_means_all_succeeded(response: Any) -> None:  # noqa: ANN401 (any response of a function)
    assert failed_ids(response, ["a", "b"]) == set()


@pytest.mark.parametrize(
    "response",
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
def test_invalid_response_means_all_failed(response: Any) -> None:  # noqa: ANN401 (any response of a function)
    assert failed_ids(response, ["a", "b"]) == {"a", "b"}


def test_response_with_ids_means_these_failed() -> None:
    assert failed_ids({"batchItemFailures": [{"itemIdentifier": "b"}]}, ["a", "b"]) == {"b"}
