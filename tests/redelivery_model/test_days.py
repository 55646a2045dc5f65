"""Whatever fails, and however often a message comes: nothing is lost, nothing is repeated, nothing stays stuck."""

from itertools import pairwise

import pytest
from hypothesis import HealthCheck, example, given, note, settings
from hypothesis import strategies as st

from nxcloud import ApiError, InvalidResponseError, NxCloudError
from tests.redelivery_model.history import HOPELESS, MEDIA, UNAVAILABLE, History
from tests.redelivery_model.queue import LONGEST_HIDDEN_S
from tests.redelivery_model.world import MAX_RECEIVES, RETENTION_S, TIMEOUT_S, VISIBILITY_S, Fault, Run, World

HOUR_S = 3600
DAY_S = 24 * HOUR_S
PICKS = 300  # bytes for a history to pick by
ONE, UNKNOWN = MEDIA[:2]
MINUS_ONE = ApiError("", provider_code=-1, http_status=200)


def times(examples: int) -> settings:
    """So many cases, the same in each run."""
    return settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


@times(400)
@given(picks=st.binary(min_size=PICKS, max_size=PICKS), jitter=st.random_module())
def test_whatever_happens_all_is_done_or_dead_lettered_and_nobody_is_called_again(picks: bytes, jitter: object) -> None:
    numbers = iter(picks)
    history = History(lambda options: next(numbers, 0) % options)
    broken = history.play()
    note("\n".join([f"jitter by {jitter}", *history.world.told]))
    assert broken == []


@times(100)
@given(errors=st.lists(st.sampled_from(UNAVAILABLE), min_size=15, max_size=15), jitter=st.random_module())
def test_what_is_always_unavailable_is_received_15_times_over_a_day_and_then_given_up(
    errors: list[NxCloudError], jitter: object
) -> None:
    note(f"jitter by {jitter}")
    answers = iter(errors * 3)  # some are asked for twice within one receive
    with World(lambda _: next(answers)) as world:
        message = world.ask(HOPELESS)
        world.come_to_rest()
    received_s = world.received[message.message_id]
    assert len(received_s) == 15
    assert DAY_S <= received_s[-1] - received_s[0] < RETENTION_S
    assert [(reason or "").partition(":")[0] for reason in world.reasons()] == ["gave_up"]
    assert world.broken_at_rest() == []


@times(100)
@given(asked_s=st.lists(st.none() | st.integers(0, 10**6), min_size=14, max_size=14), jitter=st.random_module())
@example(asked_s=[10**9] * 14, jitter=None)
def test_nobody_comes_again_before_retry_after_has_passed_but_all_do_within_hours(
    asked_s: list[int | None], jitter: object
) -> None:
    note(f"jitter by {jitter}")
    answers = iter([InvalidResponseError("HTTP 429", http_status=429, retry_after_s=wait_s) for wait_s in asked_s])
    with World(lambda _: next(answers, MINUS_ONE)) as world:
        message = world.ask(HOPELESS)
        world.come_to_rest()
    received_s = world.received[message.message_id]
    waited_s = [later - earlier for earlier, later in pairwise(received_s)]
    assert len(waited_s) == 14
    for number, (waited, wait_s) in enumerate(zip(waited_s, asked_s, strict=True)):
        usual_s = min(30 * 2**number, 4 * HOUR_S)
        least_s = max(usual_s, min(wait_s or 0, 4 * HOUR_S))
        assert least_s <= waited <= max(least_s, 1.2 * usual_s) < LONGEST_HIDDEN_S
    assert world.broken_at_rest() == []


@times(100)
@given(later_s=st.integers(0, 40 * DAY_S))
@example(later_s=30 * DAY_S - 2)
@example(later_s=30 * DAY_S + 2)
def test_a_confirmation_is_remembered_for_30_days_and_no_longer(later_s: int) -> None:
    with World() as world:
        for wait_s in (0, later_s):
            world.pass_time(wait_s)
            world.ask(ONE)
            world.come_to_rest()
    if abs(later_s - 30 * DAY_S) >= 2:
        assert len(world.calls) == (1 if later_s < 30 * DAY_S else 2)
    assert world.broken_at_rest() == []


@times(400)
@given(
    calls=st.integers(0, 8),
    at_once=st.booleans(),
    media=st.sampled_from([[(ONE,)], [(ONE, UNKNOWN)], [(ONE,), (UNKNOWN,)], [(ONE,), (ONE,)]]),
    repeat_s=st.none() | st.integers(0, VISIBILITY_S - 1),
)
def test_a_crash_at_any_call_holds_nothing_up_for_longer_than_the_visibility_timeout(
    calls: int, *, at_once: bool, media: list[tuple[str, ...]], repeat_s: int | None
) -> None:
    with World() as world:
        asked = [world.ask(*its_media) for its_media in media]
        run = world.deliver()
        assert run
        for _ in range(calls):
            if not run.finished:
                world.advance(run)
        if not run.finished and at_once:
            world.crash(run)
        if repeat_s is not None:  # somebody else asks for the same
            world.pass_time(repeat_s)
            asked.append(world.ask(ONE))
            while again := world.deliver():
                world.finish(again)
        world.pass_time(max(0, TIMEOUT_S - world.clock.now_s))  # Lambda kills what has not crashed
        world.come_to_rest()
    assert world.broken_at_rest() == []
    assert world.reasons() == []
    for message in asked:
        assert world.done_s[message.message_id] <= message.sent_s + VISIBILITY_S


@times(200)
@given(turns=st.lists(st.integers(0, 4), max_size=40), confirmed=st.booleans())
def test_two_workers_on_one_media_do_not_both_call(turns: list[int], *, confirmed: bool) -> None:
    with World(lambda _: None if confirmed else MINUS_ONE) as world:
        world.ask(ONE)
        world.ask(ONE, UNKNOWN)
        workers = [run for run in (world.deliver(1), world.deliver(1)) if run]
        assert len(workers) == 2
        for turn in turns:
            if turn == 4:
                world.pass_time(5)
            elif not workers[turn % 2].finished and workers[turn % 2] in world.runs:
                world.advance(workers[turn % 2])
        for worker in workers:
            if worker in world.runs:
                world.finish(worker)
        world.answers = lambda _: None
        world.come_to_rest()
    assert world.broken_at_rest() == []


@times(100)
@given(crashes=st.integers(0, 25), calls=st.lists(st.integers(0, 3), min_size=25, max_size=25), confirmed=st.booleans())
@example(crashes=MAX_RECEIVES - 1, calls=[0] * 25, confirmed=True)
@example(crashes=MAX_RECEIVES - 1, calls=[0] * 25, confirmed=False)
@example(crashes=MAX_RECEIVES, calls=[0] * 25, confirmed=True)
def test_only_crashes_bring_a_message_to_sqss_own_limit(crashes: int, calls: list[int], *, confirmed: bool) -> None:
    crashed = 0

    def crash_or_finish(run: Run) -> None:
        nonlocal crashed
        if crashed == crashes:
            world.finish(run)
            return
        for _ in range(calls[crashed]):
            world.advance(run)
        crashed += 1
        world.crash(run)

    with World(lambda _: None if confirmed else MINUS_ONE) as world:
        message = world.ask(ONE)
        world.come_to_rest(crash_or_finish)
    needed = crashes + 1 if confirmed else max(crashes + 1, 15)
    assert len(world.received[message.message_id]) == min(needed, MAX_RECEIVES)
    gave_up = [] if confirmed else ["gave_up: provider_failed"]
    assert world.reasons() == (gave_up if crashes < MAX_RECEIVES else [None])
    assert all(dead.sent_s == message.sent_s for dead in world.dead.messages if not dead.attributes)
    assert world.broken_at_rest() == []


@pytest.mark.parametrize(("refusals", "reasons"), [(5, ["gave_up: provider_failed"]), (6, [None])])
def test_what_cannot_be_dead_lettered_stays_until_sqs_itself_moves_it(refusals: int, reasons: list[str | None]) -> None:
    refused = 0

    def finish(run: Run) -> None:
        nonlocal refused
        while not run.finished:
            refuse = run.next == "send_message" and refused < refusals
            refused += refuse
            world.advance(run, Fault.REFUSED if refuse else None)

    with World(lambda _: MINUS_ONE) as world:
        world.ask(HOPELESS)
        world.come_to_rest(finish)
    assert world.reasons() == reasons
    assert world.broken_at_rest() == []
