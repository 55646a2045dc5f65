"""Runs a function's invocation one call at a time, so that a test decides what happens between any two calls."""

import _thread
import threading
from collections.abc import Callable
from typing import Self


class AbandonedError(BaseException):
    """The history ends before this invocation does; no error handler of the code may catch this."""


class SteppedThread:
    """Work on a thread of its own that pauses before each of its calls to the outside.

    Exactly one thread runs at any time: `step` hands over to the work, and the work hands back at its next call.
    """

    def __init__(self, work: Callable[[Self], None]) -> None:
        self.finished = False
        self.fails_next = False
        self._abandoned = False
        self._go, self._back = threading.Lock(), threading.Lock()
        self._go.acquire()
        self._back.acquire()
        _thread.start_new_thread(self._run, (work,))  # Thread.start would wait for it, thousands of times

    def step(self, *, failing: bool = False) -> None:
        """Let the pending call happen (or fail), and let the work run to its next call, or its end."""
        self.fails_next = failing
        self._go.release()
        self._back.acquire()

    def pause(self) -> None:
        """Pause the work until the next step; abandoned work goes no further on any of its threads."""
        if self._abandoned:
            raise AbandonedError
        self._back.release()
        self._go.acquire()
        if self._abandoned:
            raise AbandonedError

    def abandon(self) -> None:
        """End the work at its pending call."""
        if not self.finished:
            self._abandoned = True
            self.step()

    def _run(self, work: Callable[[Self], None]) -> None:
        try:
            self._go.acquire()
            if not self._abandoned:
                work(self)
        except AbandonedError:
            pass
        finally:
            self.finished = True
            self._back.release()
