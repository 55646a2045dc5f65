"""What a dead-lettered message tells of itself."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_cleanup.outcome import Outcome
from media_cleanup.reporting import Delivery
from media_cleanup.result import Result
from media_cleanup.triggers.backoff import MAX_ATTEMPTS, backoff_s, give_up
from media_cleanup.triggers.dead_letters import dead_letter_attributes

FAILED_AT = datetime(2026, 1, 15, 9, 26, 53, tzinfo=UTC)


def told(outcome: Result, delivery: Delivery) -> dict[str, str]:
    attributes = dead_letter_attributes(outcome, delivery, FAILED_AT)
    assert {attribute["DataType"] for attribute in attributes.values()} == {"String"}
    return {name: attribute["StringValue"] for name, attribute in attributes.items()}


def test_everything_that_makes_it_readable_without_logs() -> None:
    outcome = Result(
        result=Outcome.REJECTED, reason="refused_by_provider", provider_code=9002, provider_message="wrong number"
    )
    assert told(outcome, Delivery("sqs", message_id="m-1")) == {
        "reason": "refused_by_provider",
        "provider_code": "9002",
        "provider_message": "wrong number",
        "failed_at": "2026-01-15T09:26:53+00:00",
        "source_message_id": "m-1",
    }


def test_no_attribute_is_empty_since_sqs_takes_none() -> None:
    outcome = Result(outcome=Outcome.REJECTED, reason="not_understood", provider_message=" \x00\x1b ")
    assert told(outcome, Delivery("sqs")).keys() == {"reason", "failed_at"}


def test_attributes_are_cleaned_cut_and_masked() -> None:
    outcome = Result(
        result=Outcome.REJECTED, reason="a\x00b\ud800c\uffff", provider_message="8615800001795 " + "x" * 300
    )
    attributes = told(outcome, Delivery("sqs"))
    assert attributes["reason"] == "abc"
    assert attributes["provider_message"] == "86158****1795 " + "x" * 242


UNAVAILABLE = Result(outcome=Outcome.UNAVAILABLE, reason="provider_failed")
HOUR_S = 3600


@pytest.mark.parametrize(
    ("attempt", "jitter", "delay_s"),
    [
        (1, 0, 30),
        (1, 1, 36),
        (2, 0, 60),
        (2, 0.5, 66),
        (9, 0, 7_680),
        (10, 0, 14_400),
        (14, 1, 17_280),
        (10_000, 0, 14_400),
    ],
)
def test_delays_double_up_to_four_hours_and_a_fifth(attempt: int, jitter: float, delay_s: int) -> None:
    assert backoff_s(UNAVAILABLE, attempt, jitter) == delay_s


@pytest.mark.parametrize(
    ("retry_after_s", "delay_s"), [(None, 30), (0, 30), (29, 30), (31, 31), (14_400, 14_400), (10**9, 14_400)]
)
def test_what_the_provider_asks_for_counts_where_it_is_longer(retry_after_s: int | None, delay_s: int) -> None:
    assert backoff_s(replace(UNAVAILABLE, retry_after_s=retry_after_s), 1, 0) == delay_s


def test_what_another_worker_is_on_comes_again_soon() -> None:
    assert backoff_s(replace(UNAVAILABLE, reason="in_progress"), 9, 1) == 30


@given(st.lists(st.tuples(st.floats(0, 1), st.none() | st.integers(0, 10**6)), min_size=30, max_size=30))
def test_a_message_that_never_succeeds_is_tried_for_24_hours_and_then_given_up(
    draws: list[tuple[float, int | None]],
) -> None:
    clock_s, attempt, hidden_s = 0, 0, 0
    for jitter, retry_after_s in draws:  # a message in SQS: received, hidden for its delay, received again
        attempt += 1
        outcome = give_up(replace(UNAVAILABLE, retry_after_s=retry_after_s), attempt)
        if outcome.outcome is Outcome.REJECTED:
            break
        hidden_s = backoff_s(outcome, attempt, jitter)
        assert hidden_s <= 12 * HOUR_S  # as long as SQS can hide one
        clock_s += hidden_s
    assert attempt == MAX_ATTEMPTS < 20  # SQS's own limit is the backstop for crashes
    assert outcome.reason == "gave_up: provider_failed"
    assert 24 * HOUR_S <= clock_s <= 4 * 24 * HOUR_S  # the queue keeps a message for four days


@pytest.mark.parametrize("result", [Outcome.DELETED, Outcome.ALREADY_GONE, Outcome.SKIPPED, Outcome.REJECTED])
def test_only_what_is_unavailable_is_given_up(result: Outcome) -> None:
    outcome = Result(outcome=result, reason="r")
    assert give_up(outcome, 15) == outcome
    assert give_up(UNAVAILABLE, 14) == UNAVAILABLE
