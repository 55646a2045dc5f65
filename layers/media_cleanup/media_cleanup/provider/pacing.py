"""Paces the calls to NXCloud: the share of one execution environment, evenly."""

import time
from collections.abc import Callable
from math import inf
from random import random
from threading import Lock

from media_cleanup.errors import DependencyUnavailable
from media_cleanup.outcome import Reason

MARGIN = 1.05  # sleeps and networks vary, so that two calls may arrive closer together than they were made


class Pacer:
    """Gives each call of an execution environment its turn, for concurrent workers. `clock` and `sleep` count seconds.

    Turns are an interval apart; 0 `calls_per_s` means no limit. The first turn of an invocation comes one to two
    intervals after its start: the environment that ran before it may have called just now, and others start with it.
    """

    def __init__(
        self,
        calls_per_s: float = 0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random,
    ) -> None:
        self.interval_s = MARGIN / calls_per_s if calls_per_s else 0.0
        self._clock = clock
        self._sleep = sleep
        self._jitter = jitter
        self._lock = Lock()
        self._next_turn = -inf

    def begin_invocation(self) -> None:
        """Delay the first turn of an invocation."""
        with self._lock:
            first_turn = self._clock() + self.interval_s * (1 + self._jitter())
            self._next_turn = max(self._next_turn, first_turn)

    def turn_error(self, within_s: float) -> DependencyUnavailable | None:
        """Return the error of a call whose turn is not within this time."""
        with self._lock:
            return _paced() if self.interval_s and self._next_turn - self._clock() > within_s else None

    def wait_for_turn(self, within_s: float) -> None:
        """Sleep until the turn of a call. Raises DependencyUnavailable, at once, if that is not within this time."""
        if not self.interval_s:
            return
        with self._lock:
            now = self._clock()
            turn = max(self._next_turn, now)
            if turn - now > within_s:
                raise _paced()
            self._next_turn = turn + self.interval_s
        self._sleep(turn - now)


def _paced() -> DependencyUnavailable:
    return DependencyUnavailable(Reason.PACED, "CallsPerSecond allows no call in the rest of the invocation")
