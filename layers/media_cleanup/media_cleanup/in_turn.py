"""Runs work on the same thing one after another within an execution environment."""

from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from threading import Lock


class InTurn:
    """One lock for each thing, for as long as there is work on it; `with in_turn(thing, timeout_s): …`."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._turns: dict[Hashable, Lock] = {}
        self._users: Counter[Hashable] = Counter()

    @contextmanager
    def __call__(self, thing: Hashable, timeout_s: float) -> Iterator[None]:
        """Wait for earlier work on this thing, then run the block. Raises TimeoutError after `timeout_s` seconds."""
        with self._lock:
            turn = self._turns.setdefault(thing, Lock())
            self._users[thing] += 1
        try:
            if not turn.acquire(timeout=max(0.0, timeout_s)):
                raise TimeoutError
            try:
                yield
            finally:
                turn.release()
        finally:
            with self._lock:
                self._users[thing] -= 1
                if not self._users[thing]:
                    del self._turns[thing], self._users[thing]
