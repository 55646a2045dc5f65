"""What calls to NXCloud wait for: pauses after refusals, the circuit, and the pace, for one execution environment."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import random

from media_cleanup.errors import DependencyUnavailable
from media_cleanup.provider.breaker import CircuitBreaker
from media_cleanup.provider.pacing import Pacer
from media_cleanup.provider.pauses import Pauses
from media_cleanup.request import MIN_STEP_MS, Attempt
from nxcloud import Credentials


class FlowControl:
    """Pauses, circuit and pace over one clock. `clock` and `sleep` count seconds; 0 `calls_per_s` means no limit."""

    def __init__(
        self,
        calls_per_s: float = 0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random,
    ) -> None:
        self.clock = clock
        self.pauses = Pauses(clock)
        self.breaker = CircuitBreaker(clock)
        self.pacer = Pacer(calls_per_s, clock, sleep, jitter)

    def blocking_error(self, attempt: Attempt) -> DependencyUnavailable | None:
        """Return the error of a call that circuit or pace would not admit in this invocation, else None."""
        return self.breaker.open_error() or self.pacer.turn_error(_max_wait_s(attempt))

    @contextmanager
    def admit(self, credentials: Credentials, business_phone: str, attempt: Attempt) -> Iterator[None]:
        """Make the call in the block when circuit and pace admit it; its response opens or closes circuit and pauses.

        Raises DependencyUnavailable.
        """
        turn = self.breaker.guard(_max_wait_s(attempt), lambda: self.pacer.wait_for_turn(_max_wait_s(attempt)))
        with turn, self.pauses.record_response(credentials, business_phone):
            yield


def _max_wait_s(attempt: Attempt) -> float:
    """The seconds until a call has to begin."""
    return (attempt.remaining_ms - MIN_STEP_MS) / 1000
