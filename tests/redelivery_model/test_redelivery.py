"""Generated failures and redeliveries: no message is lost or stuck, and no call is repeated."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, example, given, note, settings
from hypothesis import strategies as st

from nxcloud import ApiError, InvalidResponseError, NxCloudError
from tests.redelivery_model.history import ALWAYS_UNAVAILABLE, MEDIA, UNAVAILABLE, History
from tests.redelivery_model.queue import MAX_VISIBILITY_TIMEOUT_S
from tests.redelivery_model.system import (
    MAX_RECEIVES,
    RETENTION_S,
    SETTINGS,
    TIMEOUT_S,
    VISIBILITY_S,
    Fault,
    Invocation,
    RedeliverySystem,
)

PUBLISHING = replace(SETTINGS, outcome_event_bus="outcomes")
HOUR_S = 3600
DAY_S = 24 * HOUR_S
PICKS = 300  # bytes for a history to pick by
ONE, OTHER = MEDIA[:2]
MINUS_ONE = ApiError("", provider_code=-1, http_status=200)


def examples_of(count: int) -> settings:
    """Return settings for this number of examples, the same in each run."""
    return settings(
        max_examples=count,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


@examples_of(400)
@given(picks=st.binary(min_size=PICKS, max_size=PICKS), jitter=st.random_module())
def test_history_ends_all_messages_and_repeats_no_call(picks: bytes, jitter: object) -> None:
    numbers = iter(picks)
    history = History(lambda options: next(numbers, 0) % options)
    violations = history.play()
    note("\n".join([f"jitter by {jitter}", *history.system.trace]))
    assert violations == []


@examples_of(300)
@given(picks=st.binary(min_size=PICKS, max_size=PICKS), jitter=st.random_module())
def test_history_publishes_each_outcome_and_no_other(picks: bytes, jitter: object) -> None:
    numbers = iter(picks)
    history = History(lambda options: next(numbers, 0) % options, settings=PUBLISHING)
    violations = history.play()
    note("\n".join([f"jitter by {jitter}", *history.system.trace]))
    assert violations == []


@pytest.mark.parametrize(("refusals", "events", "reasons"), [(14, 1, []), (15, 0, ["event_not_published"])])
def test_event_is_published_again_up_to_the_15th_receive(refusals: int, events: int, reasons: list[str]) -> None:
    def finish(invocation: Invocation) -> None:
        nonlocal refusals
        while not invocation.finished:
            refuse = invocation.next == "put_events" and refusals > 0
            refusals -= refuse
            system.advance(invocation, Fault.REFUSED if refuse else None)

    with RedeliverySystem(settings=PUBLISHING) as system:
        system.request_deletion(ONE)
        system.drain(finish)
    assert (len(system.calls), len(system.events)) == (1, events)
    assert [(reason or "").partition(":")[0] for reason in system.dead_letter_reasons()] == reasons
    assert system.violations_at_rest() == []


@examples_of(100)
@given(errors=st.lists(st.sampled_from(UNAVAILABLE), min_size=15, max_size=15), jitter=st.random_module())
def test_always_unavailable_is_given_up_at_receive_15_after_24_h(errors: list[NxCloudError], jitter: object) -> None:
    note(f"jitter by {jitter}")
    responses = iter(errors * 3)  # some calls are repeated within one receive
    with RedeliverySystem(lambda _: next(responses)) as system:
        message = system.request_deletion(ALWAYS_UNAVAILABLE)
        system.drain()
    received_s = system.received[message.message_id]
    assert len(received_s) == 15
    assert DAY_S <= received_s[-1] - received_s[0] < RETENTION_S
    assert [(reason or "").partition(":")[0] for reason in system.dead_letter_reasons()] == ["gave_up"]
    assert system.violations_at_rest() == []


@examples_of(100)
@given(retry_afters_s=st.lists(st.none() | st.integers(0, 10**6), min_size=14, max_size=14), jitter=st.random_module())
@example(retry_afters_s=[10**9] * 14, jitter=None)
def test_redelivery_waits_for_retry_after_up_to_4_h(retry_afters_s: list[int | None], jitter: object) -> None:
    note(f"jitter by {jitter}")
    responses = iter(
        [InvalidResponseError("HTTP 429", http_status=429, retry_after_s=wait_s) for wait_s in retry_afters_s]
    )
    with RedeliverySystem(lambda _: next(responses, MINUS_ONE)) as system:
        message = system.request_deletion(ALWAYS_UNAVAILABLE)
        system.drain()
    received_s = system.received[message.message_id]
    waited_s = [later - earlier for earlier, later in pairwise(received_s)]
    assert len(waited_s) == 14
    for number, (waited, wait_s) in enumerate(zip(waited_s, retry_afters_s, strict=True)):
        usual_s = min(30 * 2**number, 4 * HOUR_S)
        least_s = max(usual_s, min(wait_s or 0, 4 * HOUR_S))
        assert least_s <= waited <= max(least_s, 1.2 * usual_s) < MAX_VISIBILITY_TIMEOUT_S
    assert system.violations_at_rest() == []


@examples_of(100)
@given(later_s=st.integers(0, 40 * DAY_S))
@example(later_s=30 * DAY_S - 2)
@example(later_s=30 * DAY_S + 2)
def test_confirmation_is_recorded_for_30_days(later_s: int) -> None:
    with RedeliverySystem() as system:
        for wait_s in (0, later_s):
            system.pass_time(wait_s)
            system.request_deletion(ONE)
            system.drain()
    if abs(later_s - 30 * DAY_S) >= 2:
        assert len(system.calls) == (1 if later_s < 30 * DAY_S else 2)
    assert system.violations_at_rest() == []


@examples_of(400)
@given(
    calls=st.integers(0, 8),
    at_once=st.booleans(),
    media=st.sampled_from([[(ONE,)], [(ONE, OTHER)], [(ONE,), (OTHER,)], [(ONE,), (ONE,)]]),
    repeat_s=st.none() | st.integers(0, VISIBILITY_S - 1),
)
def test_crash_at_any_call_delays_by_visibility_timeout_at_most(
    calls: int, *, at_once: bool, media: list[tuple[str, ...]], repeat_s: int | None
) -> None:
    with RedeliverySystem() as system:
        messages = [system.request_deletion(*media_ids) for media_ids in media]
        invocation = system.deliver()
        assert invocation
        for _ in range(calls):
            if not invocation.finished:
                system.advance(invocation)
        if not invocation.finished and at_once:
            system.crash(invocation)
        if repeat_s is not None:  # another request for the same media file
            system.pass_time(repeat_s)
            messages.append(system.request_deletion(ONE))
            while other := system.deliver():
                system.finish(other)
        system.pass_time(max(0, TIMEOUT_S - system.clock.now_s))  # Lambda kills what has not crashed
        system.drain()
    assert system.violations_at_rest() == []
    assert system.dead_letter_reasons() == []
    for message in messages:
        assert system.done_s[message.message_id] <= message.sent_s + VISIBILITY_S


@examples_of(200)
@given(turns=st.lists(st.integers(0, 4), max_size=40), confirmed=st.booleans())
def test_two_workers_on_one_media_make_one_call(turns: list[int], *, confirmed: bool) -> None:
    with RedeliverySystem(lambda _: None if confirmed else MINUS_ONE) as system:
        system.request_deletion(ONE)
        system.request_deletion(ONE, OTHER)
        workers = [invocation for invocation in (system.deliver(1), system.deliver(1)) if invocation]
        assert len(workers) == 2
        for turn in turns:
            if turn == 4:
                system.pass_time(5)
            elif not workers[turn % 2].finished and workers[turn % 2] in system.invocations:
                system.advance(workers[turn % 2])
        for worker in workers:
            if worker in system.invocations:
                system.finish(worker)
        system.respond = lambda _: None
        system.drain()
    assert system.violations_at_rest() == []


@examples_of(100)
@given(
    crashes=st.integers(0, MAX_RECEIVES),
    calls=st.lists(st.integers(0, 3), min_size=25, max_size=25),
    confirmed=st.booleans(),
)
@example(crashes=MAX_RECEIVES - 1, calls=[0] * 25, confirmed=True)
@example(crashes=MAX_RECEIVES - 1, calls=[0] * 25, confirmed=False)
@example(crashes=MAX_RECEIVES, calls=[0] * 25, confirmed=True)
def test_only_crashes_reach_max_receive_count(crashes: int, calls: list[int], *, confirmed: bool) -> None:
    crashed = 0

    def crash_or_finish(invocation: Invocation) -> None:
        nonlocal crashed
        if crashed == crashes:
            system.finish(invocation)
            return
        for _ in range(calls[crashed % len(calls)]):
            system.advance(invocation)
        crashed += 1
        system.crash(invocation)

    with RedeliverySystem(lambda _: None if confirmed else MINUS_ONE) as system:
        message = system.request_deletion(ONE)
        system.drain(crash_or_finish)
    needed = crashes + 1 if confirmed else max(crashes + 1, 15)
    assert len(system.received[message.message_id]) == min(needed, MAX_RECEIVES)
    gave_up = [] if confirmed else ["gave_up: provider_failed"]
    assert system.dead_letter_reasons() == (gave_up if crashes < MAX_RECEIVES else [None])
    assert all(dead.sent_s == message.sent_s for dead in system.dead_letters.messages if not dead.attributes)
    assert system.violations_at_rest() == []


@pytest.mark.parametrize(
    ("refusals", "reasons"),
    [(MAX_RECEIVES - 15, ["gave_up: provider_failed"]), (MAX_RECEIVES - 14, [None])],
)
def test_message_not_dead_lettered_stays_until_sqs_moves_it(refusals: int, reasons: list[str | None]) -> None:
    refused = 0

    def finish(invocation: Invocation) -> None:
        nonlocal refused
        while not invocation.finished:
            refuse = invocation.next == "send_message_batch" and refused < refusals
            refused += refuse
            system.advance(invocation, Fault.REFUSED if refuse else None)

    with RedeliverySystem(lambda _: MINUS_ONE) as system:
        system.request_deletion(ALWAYS_UNAVAILABLE)
        system.drain(finish)
    assert system.dead_letter_reasons() == reasons
    assert system.violations_at_rest() == []
