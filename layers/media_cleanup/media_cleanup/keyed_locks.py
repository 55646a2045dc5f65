"""One lock for each key, within an execution environment: work on the same media file runs one after another."""

from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from threading import Lock

from media_cleanup.errors import DependencyUnavailable
from media_cleanup.outcome import Reason


class KeyedLocks:
    """The locks; each exists for as long as a thread holds it or waits for it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._locks: dict[Hashable, Lock] = {}
        self._users: Counter[Hashable] = Counter()

    @contextmanager
    def hold(self, key: Hashable, timeout_s: float) -> Iterator[None]:
        """Hold the lock of a key. Raises DependencyUnavailable after `timeout_s` seconds of waiting."""
        with self._lock:
            lock = self._locks.setdefault(key, Lock())
            self._users[key] += 1
        try:
            if not lock.acquire(timeout=max(0.0, timeout_s)):
                raise DependencyUnavailable(Reason.OUT_OF_TIME)
            try:
                yield
            finally:
                lock.release()
        finally:
            with self._lock:
                self._users[key] -= 1
                if not self._users[key]:
                    del self._locks[key], self._users[key]
