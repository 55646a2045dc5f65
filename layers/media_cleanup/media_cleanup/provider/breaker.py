"""Stops calls to NXCloud for a while when it is down, for one execution environment."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from threading import Condition
from time import monotonic

from media_cleanup.errors import DependencyUnavailable
from media_cleanup.outcome import Reason
from media_cleanup.provider.classification import shows_outage
from nxcloud import NxCloudError

MAX_FAILURES = 5  # in a row
OPEN_S = 60


class CircuitBreaker:
    """The circuit of an execution environment, for concurrent workers. `clock` counts seconds.

    Repeated failures open it: calls are refused. After a while one call probes, while the others wait for its response.
    Any response of NXCloud closes the circuit. Failures count by the time of their request.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._changed = Condition()
        self._failures = 0
        self._answered_at = -inf
        self._open_until: float | None = None
        self._probing = False

    def open_error(self) -> DependencyUnavailable | None:
        """Return the error of a call, where the circuit is open and no probe is due."""
        with self._changed:
            is_open = self._open_until is not None and self._clock() < self._open_until
            return _circuit_open() if is_open else None

    @contextmanager
    def guard(self, within_s: float, wait_for_turn: Callable[[], None]) -> Iterator[None]:
        """Make the call in the block after its turn, and count its failure. Raises DependencyUnavailable.

        It waits at most `within_s` seconds for the response to another worker's probe.
        """
        probes = self._enter(within_s)
        asked_at = self._clock()
        answered: bool | None = None  # no call was made
        try:
            wait_for_turn()
            self._refuse_if_opened(probes=probes)
            asked_at = self._clock()
            yield
            answered = True
        except NxCloudError as error:
            answered = not shows_outage(error)
            raise
        finally:
            self._leave(probes=probes, answered=answered, asked_at=asked_at)

    def _enter(self, within_s: float) -> bool:
        """Pass a closed circuit. Returns whether the call probes an open one; raises DependencyUnavailable."""
        with self._changed:
            self._changed.wait_for(lambda: not self._probing, within_s)
            if self._open_until is None:
                return False
            if self._probing or self._clock() < self._open_until:
                raise _circuit_open()
            self._probing = True
            return True

    def _refuse_if_opened(self, *, probes: bool) -> None:
        """Refuse a call whose circuit was opened while it waited for its turn."""
        with self._changed:
            if self._open_until is not None and not probes:
                raise _circuit_open()

    def _leave(self, *, probes: bool, answered: bool | None, asked_at: float) -> None:
        with self._changed:
            if answered:
                self._failures, self._open_until = 0, None
                self._answered_at = max(self._answered_at, asked_at)
            elif answered is False and asked_at >= self._answered_at:
                self._failures += 1
                if self._failures >= MAX_FAILURES:
                    self._open_until = self._clock() + OPEN_S
            if probes:
                self._probing = False
                self._changed.notify_all()


def _circuit_open() -> DependencyUnavailable:
    detail = f"NXCloud did not answer {MAX_FAILURES} calls in a row; the next one is made within {OPEN_S} s"
    return DependencyUnavailable(Reason.CIRCUIT_OPEN, detail)
