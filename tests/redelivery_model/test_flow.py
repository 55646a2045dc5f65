"""Deletions that wait for days: none is given up by waiting, and none is lost by the queue's retention."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from uuid import UUID

import pytest

from media_cleanup.settings import DeleteMediaSettings
from nxcloud import ApiError, NoResponseError, NxCloudError
from tests.redelivery_model.system import MAX_RECEIVES, RETENTION_S, SETTINGS, Invocation, RedeliverySystem

HOUR_S = 3600
DAY_S = 24 * HOUR_S
FAILED = ApiError("", provider_code=9003, http_status=200)
MEDIA = [str(UUID(int=number)) for number in range(1, 61)]
ONE_AN_HOUR = replace(SETTINGS, max_deletions_per_hour=1)


def drained(
    respond: Callable[[str], NxCloudError | None] = lambda _: None, settings: DeleteMediaSettings = SETTINGS
) -> RedeliverySystem:
    """Request 60 deletions at once, and play the queue until it is empty."""
    with RedeliverySystem(respond, settings) as system:
        for media_id in MEDIA:
            system.request_deletion(media_id)
        system.drain()
    assert system.violations_at_rest() == []
    assert max(map(len, system.received.values())) < 0.75 * MAX_RECEIVES
    return system


@pytest.mark.parametrize("limit", [1, 3])
def test_braked_deletions_are_made_hour_by_hour(limit: int) -> None:
    system = drained(settings=replace(SETTINGS, max_deletions_per_hour=limit))
    hours = Counter(called_s // HOUR_S for called_s, _ in system.calls)
    assert max(hours.values()) <= limit
    assert len(system.deleted) == len(MEDIA)
    assert system.dead_letter_reasons() == []


def test_deletion_that_waits_for_nine_days_is_given_up() -> None:
    with RedeliverySystem(settings=ONE_AN_HOUR) as system:
        message = system.request_deletion(MEDIA[0])
        system.drain(exhausting(system, lambda _: True))
    [reason] = system.dead_letter_reasons()
    assert reason
    assert reason.startswith("gave_up: braked: MaxDeletionsPerHour (1) is reached")
    assert RETENTION_S - DAY_S <= system.done_s[message.message_id] < RETENTION_S - DAY_S / 2
    assert system.violations_at_rest() == []


@pytest.mark.parametrize("every", [2, 3, 5])
def test_message_that_also_waits_is_given_up_at_its_15th_failure(every: int) -> None:
    with RedeliverySystem(lambda _: FAILED, ONE_AN_HOUR) as system:
        message = system.request_deletion(MEDIA[0])
        system.drain(exhausting(system, lambda receives: receives % every == 0))
    assert len(system.calls) == 15
    assert len(system.received[message.message_id]) > 15
    assert system.dead_letter_reasons() == ["gave_up: provider_failed"]
    assert system.violations_at_rest() == []


def test_paced_deletions_are_all_made() -> None:
    system = drained(settings=replace(SETTINGS, calls_per_s=0.25))
    assert len(system.deleted) == len(MEDIA)
    assert system.dead_letter_reasons() == []
    assert all(later - earlier >= 4 for (earlier, _), (later, _) in pairwise(system.calls))


def test_open_circuit_counts_as_failure_and_saves_calls() -> None:
    system = drained(lambda _: NoResponseError("no complete answer"))
    reasons = Counter((reason or "").split(": ")[1] for reason in system.dead_letter_reasons())
    assert reasons.keys() <= {"no_answer", "circuit_open"}
    assert sum(reasons.values()) == len(MEDIA)
    assert {len(received) for received in system.received.values()} == {15}
    assert len(system.calls) < len(MEDIA) * 15 / 2


def exhausting(system: RedeliverySystem, is_exhausted: Callable[[int], bool]) -> Callable[[Invocation], None]:
    """Finish invocations; before those at these receives, other requests have used up the deletions of the hour."""

    def finish(invocation: Invocation) -> None:
        [receipt] = invocation.batch
        system.set_deletions_of_hour(1 if is_exhausted(receipt.receives) else 0)
        system.finish(invocation)

    return finish
