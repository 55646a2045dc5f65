"""The circuit opens after repeated failures, lets one call probe, and closes at any response."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from media_cleanup.errors import DependencyUnavailable
from media_cleanup.outcome import Reason
from media_cleanup.provider.breaker import CircuitBreaker
from nxcloud import ApiError, InvalidResponseError, NoResponseError, NxCloudError, RequestFailedError, ThrottledError

MAX_FAILURES, OPEN_S = 5, 60
DOWN = NoResponseError("no complete answer")


def no_turn() -> None:
    """Take a turn at once."""


class Caller:
    """Makes calls through a circuit whose clock the tests move; a monotonic clock may begin anywhere."""

    def __init__(self) -> None:
        self.now_s = -1000.0
        self.made = 0
        self.breaker = CircuitBreaker(lambda: self.now_s)

    def call(self, error: NxCloudError | None = None, wait_for_turn: Callable[[], None] = no_turn) -> str | None:
        """Make a call that ends with this error. Returns the circuit's refusal, None where the call was made."""
        try:
            with self.breaker.guard(1, wait_for_turn):
                self.made += 1
                if error:
                    raise error
        except NxCloudError:
            return None
        except DependencyUnavailable as refusal:
            return refusal.reason
        return None

    def open(self) -> None:
        for _ in range(MAX_FAILURES):
            assert self.call(DOWN) is None


@pytest.fixture
def caller() -> Caller:
    return Caller()


@pytest.mark.parametrize(
    "error", [DOWN, InvalidResponseError("", http_status=500), InvalidResponseError("", http_status=503)]
)
def test_repeated_failures_open_the_circuit_for_a_while(caller: Caller, error: NxCloudError) -> None:
    for _ in range(MAX_FAILURES):
        assert caller.call(error) is None
    assert caller.call() == Reason.CIRCUIT_OPEN
    caller.now_s += OPEN_S - 1
    assert caller.call() == Reason.CIRCUIT_OPEN
    assert caller.made == MAX_FAILURES


@pytest.mark.parametrize(
    "error",
    [
        None,
        ApiError("", provider_code=9003, http_status=200),
        RequestFailedError("", provider_code=-1, http_status=200),
        ThrottledError("", http_status=429),
        InvalidResponseError("", http_status=302),
        InvalidResponseError("", http_status=200),
        InvalidResponseError("", provider_code=9001, http_status=500),
    ],
)
def test_any_response_begins_the_count_again(caller: Caller, error: NxCloudError | None) -> None:
    for _ in range(3):
        for _ in range(MAX_FAILURES - 1):
            assert caller.call(DOWN) is None
        assert caller.call(error) is None


@pytest.mark.parametrize("later_s", [0, 1])
@pytest.mark.parametrize("error", [None, RequestFailedError("", provider_code=-1, http_status=200)])
def test_answered_probe_closes_the_circuit(caller: Caller, error: NxCloudError | None, later_s: float) -> None:
    caller.open()
    caller.now_s += OPEN_S + later_s
    assert caller.call(error) is None
    for _ in range(MAX_FAILURES - 1):
        assert caller.call(DOWN) is None
    assert caller.call() is None
    caller.open()
    assert caller.call() == Reason.CIRCUIT_OPEN


def test_refusal_is_known_without_a_call_until_a_probe_is_due(caller: Caller) -> None:
    assert caller.breaker.open_error() is None
    caller.open()
    refusal = caller.breaker.open_error()
    assert refusal
    assert refusal.reason is Reason.CIRCUIT_OPEN
    for passed_s in (OPEN_S, 1):  # a probe is due from then on
        caller.now_s += passed_s
        assert caller.breaker.open_error() is None


def test_failed_probe_opens_the_circuit_again(caller: Caller) -> None:
    caller.open()
    for _ in range(3):
        caller.now_s += OPEN_S
        assert caller.call(DOWN) is None
        assert caller.call() == Reason.CIRCUIT_OPEN


def test_probe_that_is_not_made_leaves_the_next_one_to_probe(caller: Caller) -> None:
    def no_time() -> None:
        raise DependencyUnavailable(Reason.PACED)

    caller.open()
    caller.now_s += OPEN_S
    assert caller.call(wait_for_turn=no_time) == Reason.PACED
    assert caller.call() is None
    assert caller.call() is None


def test_circuit_opened_during_the_wait_for_a_turn_refuses_the_call(caller: Caller) -> None:
    assert caller.call(wait_for_turn=caller.open) == Reason.CIRCUIT_OPEN
    assert caller.made == MAX_FAILURES


def test_failures_of_calls_before_the_last_response_do_not_count(caller: Caller) -> None:
    def fail_late() -> None:
        with caller.breaker.guard(1, no_turn):
            caller.now_s += 5
            assert caller.call() is None
            raise DOWN

    for _ in range(MAX_FAILURES):
        with pytest.raises(NoResponseError):
            fail_late()
    assert caller.call() is None


def test_others_wait_for_the_response_to_a_probe(caller: Caller) -> None:
    caller.open()
    caller.now_s += OPEN_S
    probing, answered = Event(), Event()

    def probe() -> None:
        with caller.breaker.guard(30, no_turn):
            probing.set()
            assert answered.wait(30)

    with ThreadPoolExecutor() as workers:
        first = workers.submit(probe)
        assert probing.wait(30)
        with pytest.raises(DependencyUnavailable), caller.breaker.guard(0.01, no_turn):  # it has no time to wait
            raise AssertionError("a second probe")
        others = [workers.submit(caller.call) for _ in range(3)]
        answered.set()
        first.result()
        assert [other.result() for other in others] == [None, None, None]
