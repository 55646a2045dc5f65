"""The brake: an hour has a limited number of deletions, since a deletion at WhatsApp cannot be undone."""

import time
from collections.abc import Callable
from threading import Lock
from typing import ParamSpec

from media_cleanup.errors import DependencyUnavailable
from media_cleanup.outcome import Outcome, Reason
from media_cleanup.result import Result

P = ParamSpec("P")
HOUR_S = 3600
MAX_UNUSED = 0.1  # of the hour's permits, held by execution environments that do not use them
MAY_HAVE_DELETED = {Reason.NO_ANSWER, Reason.INVALID_ANSWER}


class Brake:
    """The permits of one execution environment, for concurrent workers; a `limit` of 0 means no brake.

    `reserve` takes a number of permits from those of an hour since 1970, and returns how many there were. Permits are
    reserved for all requests of an invocation at once; those left over are used by later invocations within the hour.
    """

    def __init__(
        self,
        limit: int,
        environments: int,
        reserve: Callable[[int, int], int],
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._limit = limit
        self._max_reservation = max(1, int(MAX_UNUSED * limit) // environments)
        self._reserve = reserve
        self._now_s = now_s
        self._lock = Lock()
        self._hour: int | None = None
        self._permits = 0
        self._requests = 1
        self._reached = False

    def begin_invocation(self, requests: int) -> None:
        """Expect this many requests. If the limit was reached, the counter is read again."""
        with self._lock:
            self._requests = max(1, requests)
            self._reached = False

    def limit_error(self) -> DependencyUnavailable | None:
        """Return the error of a deletion where the invocation has already met the limit; makes no call."""
        with self._lock:
            return self._braked() if self._reached and not self._permits else None

    def delete_with_permit(self, delete: Callable[P, Result], *args: P.args, **kwargs: P.kwargs) -> Result:
        """Delete with a permit, and return it if nothing can have been deleted. Raises DependencyUnavailable."""
        if not self._limit:
            return delete(*args, **kwargs)
        hour = self._take()
        used = False
        try:
            result = delete(*args, **kwargs)
            used = result.outcome is Outcome.DELETED or result.reason in MAY_HAVE_DELETED
        finally:
            if not used:
                self._give_back(hour)
        return result

    def _take(self) -> int:
        """Take a permit. Returns its hour."""
        with self._lock:
            hour = int(self._now_s()) // HOUR_S
            if hour != self._hour:
                self._hour, self._permits, self._reached = hour, 0, False
            if not self._permits and not self._reached:
                self._permits = self._reserve(hour, min(self._requests, self._max_reservation))
                self._reached = not self._permits
            if not self._permits:
                raise self._braked()
            self._permits -= 1
            return hour

    def _give_back(self, hour: int) -> None:
        """Return a permit, which is of no use in a later hour."""
        with self._lock:
            self._permits += hour == self._hour

    def _braked(self) -> DependencyUnavailable:
        detail = f"MaxDeletionsPerHour ({self._limit:,}) is reached; see docs/operations/braked.md"
        return DependencyUnavailable(Reason.BRAKED, detail)
