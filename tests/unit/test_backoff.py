"""The redelivery schedule: delays, Retry-After, and giving up."""

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from media_cleanup.outcome import Outcome, Reason
from media_cleanup.request import QUEUE_RETENTION_S
from media_cleanup.result import Result
from media_cleanup.triggers.backoff import MAX_ATTEMPTS, backoff_s, give_up_if_exhausted

UNAVAILABLE = Result(outcome=Outcome.UNAVAILABLE, reason=Reason.PROVIDER_FAILED)
HOUR_S = 3600
DAY_S = 24 * HOUR_S
MAX_RECEIVES = 100  # the queue's maxReceiveCount


@pytest.mark.parametrize("attempt", [15, 16, 20])
def test_unavailable_from_the_15th_attempt_is_given_up(attempt: int) -> None:
    unavailable = Result(outcome=Outcome.UNAVAILABLE, reason=Reason.NO_ANSWER, detail="silence")
    assert give_up_if_exhausted(unavailable, attempt) == Result(
        outcome=Outcome.REJECTED, reason=Reason.GAVE_UP, last_reason=Reason.NO_ANSWER, detail="silence"
    )


@pytest.mark.parametrize("attempt", [1, 14])
def test_unavailable_before_the_15th_attempt_is_unchanged(attempt: int) -> None:
    assert give_up_if_exhausted(UNAVAILABLE, attempt) == UNAVAILABLE


@pytest.mark.parametrize("reason", [Reason.PACED, Reason.BRAKED])
def test_waiting_request_is_never_given_up_for_its_receives(reason: Reason) -> None:
    waiting = replace(UNAVAILABLE, reason=reason)
    assert give_up_if_exhausted(waiting, 99) == waiting


@pytest.mark.parametrize("reason", [Reason.PACED, Reason.BRAKED, Reason.CIRCUIT_OPEN])
def test_unavailable_is_given_up_a_day_before_retention_ends(reason: Reason) -> None:
    unavailable = replace(UNAVAILABLE, reason=reason)
    assert give_up_if_exhausted(unavailable, 1, QUEUE_RETENTION_S - DAY_S - 1) == unavailable
    assert give_up_if_exhausted(unavailable, 1, QUEUE_RETENTION_S - DAY_S).reason_text == f"gave_up: {reason}"
    assert give_up_if_exhausted(unavailable, 1, 14 * DAY_S - 1).outcome is Outcome.REJECTED
    assert (
        give_up_if_exhausted(unavailable, 1, 14 * DAY_S) == unavailable
    )  # SQS keeps nothing for so long: a sample event


@pytest.mark.parametrize("outcome", [each for each in Outcome if each is not Outcome.UNAVAILABLE])
def test_final_outcome_is_never_given_up(outcome: Outcome) -> None:
    result = Result(outcome=outcome, reason=Reason.REMEMBERED)
    assert give_up_if_exhausted(result, 15) == result


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
def test_backoff_doubles_up_to_four_hours_plus_a_fifth(attempt: int, jitter: float, delay_s: int) -> None:
    assert backoff_s(UNAVAILABLE, attempt, jitter) == delay_s


@pytest.mark.parametrize(
    ("retry_after_s", "delay_s"), [(None, 30), (0, 30), (29, 30), (31, 31), (14_400, 14_400), (10**9, 14_400)]
)
def test_retry_after_longer_than_the_backoff_is_used(retry_after_s: int | None, delay_s: int) -> None:
    assert backoff_s(replace(UNAVAILABLE, retry_after_s=retry_after_s), 1, 0) == delay_s


@pytest.mark.parametrize(("attempt", "jitter", "delay_s"), [(1, 0, 30), (1, 1, 36), (9, 1, 9_216), (14, 0, 14_400)])
def test_media_in_progress_follows_the_backoff_with_jitter(attempt: int, jitter: float, delay_s: int) -> None:
    assert backoff_s(replace(UNAVAILABLE, reason=Reason.IN_PROGRESS), attempt, jitter) == delay_s


@given(st.lists(st.tuples(st.floats(0, 1), st.none() | st.integers(0, 10**6)), min_size=30, max_size=30))
def test_message_always_unavailable_is_retried_for_24_hours(draws: list[tuple[float, int | None]]) -> None:
    clock_s, attempt = 0, 0
    for jitter, retry_after_s in draws:  # a message in SQS: received, hidden for its delay, received again
        attempt += 1
        result = give_up_if_exhausted(replace(UNAVAILABLE, retry_after_s=retry_after_s), attempt)
        if result.outcome is Outcome.REJECTED:
            break
        hidden_s = backoff_s(result, attempt, jitter)
        assert hidden_s <= 12 * HOUR_S  # the longest visibility timeout of SQS
        clock_s += hidden_s
    assert attempt == MAX_ATTEMPTS < MAX_RECEIVES
    assert (result.reason, result.last_reason) == (Reason.GAVE_UP, Reason.PROVIDER_FAILED)
    assert DAY_S <= clock_s < QUEUE_RETENTION_S - DAY_S


@given(st.lists(st.floats(0, 1), min_size=MAX_RECEIVES, max_size=MAX_RECEIVES))
@example([0.0] * MAX_RECEIVES)
@example([1.0] * MAX_RECEIVES)
def test_message_that_always_waits_is_given_up_in_its_last_day(jitters: list[float]) -> None:
    waiting, age_s, attempt = replace(UNAVAILABLE, reason=Reason.BRAKED), 0, 1
    while (result := give_up_if_exhausted(waiting, attempt, age_s)).outcome is not Outcome.REJECTED:
        age_s += backoff_s(result, attempt, jitters[attempt])
        attempt += 1
    assert result.reason_text == "gave_up: braked"
    assert attempt < 0.75 * MAX_RECEIVES  # some are left for crashes
    assert QUEUE_RETENTION_S - DAY_S <= age_s < QUEUE_RETENTION_S - DAY_S + 5 * HOUR_S
