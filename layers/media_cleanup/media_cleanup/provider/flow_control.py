"""What calls of NXCloud wait for: pauses after refusals, the circuit, and the pace, for one execution environment."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from random import random

from media_cleanup.errors import DependencyUnavailable
from media_cleanup.provider.breaker import CircuitBreaker
from media_cleanup.provider.pacing import Pacer
from media_cleanup.provider.pauses import Pauses


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

    def blocking_error(self, max_wait_s: float) -> DependencyUnavailable | None:
        """Return the error of a call that circuit or pace would not admit within this time, else None."""
        return self.breaker.open_error() or self.pacer.turn_error(max_wait_s)

    def admit(self, max_wait_s: Callable[[], float]) -> AbstractContextManager[None]:
        """Make the call in the block when circuit and pace admit it, within the time that there is to wait.

        Raises DependencyUnavailable.
        """
        return self.breaker.guard(max_wait_s(), lambda: self.pacer.wait_for_turn(max_wait_s()))
