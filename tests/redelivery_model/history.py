"""Plays one history of a queue: generated requests, failures, crashes and time, interleaved with calls.

Turns are picked by hand: hypothesis's RuleBasedStateMachine is slower (see `tests.model.history`), and its rules cannot
pick NXCloud's response at the moment of the call.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from media_cleanup.settings import DeleteMediaSettings
from nxcloud import (
    ApiError,
    ClockSkewError,
    CredentialsRefusedError,
    InvalidRequestError,
    InvalidResponseError,
    NoResponseError,
    NxCloudError,
    system_clock_ms,
)
from tests.redelivery_model.system import SETTINGS, Fault, Invocation, RedeliverySystem

MEDIA = [f"fd81acff-eea8-4d9d-acc9-6c62904d661{number}" for number in range(5)]
*_, ALWAYS_UNAVAILABLE, CRASHING = MEDIA
MAX_REQUESTS = 6
MAX_TURNS = 80
UNAVAILABLE: tuple[NxCloudError, ...] = (
    ApiError("", provider_code=-1, http_status=200),
    NoResponseError("no complete answer"),
    InvalidResponseError("HTTP 503", http_status=503),
    InvalidResponseError("HTTP 429", http_status=429, retry_after_s=3600),
    InvalidResponseError("HTTP 429", http_status=429, retry_after_s=10**9),
    CredentialsRefusedError("", provider_code=1003, http_status=200),
    ClockSkewError("", provider_code=1004, http_status=200, server_time_ms=system_clock_ms()),
)
REFUSED = InvalidRequestError("", provider_code=9002, http_status=200)

T = TypeVar("T")
Turn = Callable[[], None]


class History:
    """A system with its history; `pick` returns a number below its argument, and so picks one of the options.

    NXCloud never deletes ALWAYS_UNAVAILABLE. In some histories each invocation with CRASHING crashes, once all other
    turns are over.
    """

    def __init__(self, pick: Callable[[int], int], settings: DeleteMediaSettings = SETTINGS) -> None:
        self._pick = pick
        self.system = RedeliverySystem(self._response, settings)
        self._errors_left, self._faults_left, self._crashes_left, self._repeats_left = 6, 3, 3, 3
        self._requests_left = 1 + pick(MAX_REQUESTS)

    def play(self) -> list[str]:
        """Play the whole history until the queue is empty; return the broken promises."""
        has_crashing = self._pick(3) == 2
        with self.system:
            for _ in range(MAX_TURNS):
                self._one_of(self._turns())()
            self.system.drain(self._crash_or_finish if has_crashing else None)
            return self.system.violations_at_rest()

    def _response(self, media_id: str) -> NxCloudError | None:
        if media_id == ALWAYS_UNAVAILABLE:
            return self._one_of(UNAVAILABLE)
        if self._errors_left and self._pick(2):
            self._errors_left -= 1
            return self._one_of((*UNAVAILABLE, REFUSED))
        return None

    def _one_of(self, options: Sequence[T]) -> T:
        return options[self._pick(len(options))] if len(options) > 1 else options[0]

    def _turns(self) -> list[Turn]:
        turns: list[Turn] = [self._wait]
        turns += [self._request_deletion, self._request_deletion] if self._requests_left else []
        turns += [self._deliver, self._deliver] if len(self.system.invocations) < 3 else []
        turns += [self._advance] * 6 + [self._finish] if self.system.invocations else []
        turns += [self._crash] if self.system.invocations and self._crashes_left else []
        turns += [self._redeliver] if self.system.queue.messages and self._repeats_left else []
        turns += [self.system.pass_time_to_next] if self.system.queue.messages else []
        return turns

    def _request_deletion(self) -> None:
        self._requests_left -= 1
        several = self._pick(3) == 2
        self.system.request_deletion(self._one_of(MEDIA), *([self._one_of(MEDIA)] if several else []))

    def _deliver(self) -> None:
        self.system.deliver(1 + self._pick(4))

    def _advance(self) -> None:
        fails = self._faults_left and self._pick(8) == 7
        self._faults_left -= bool(fails)
        self.system.advance(self._one_of(self.system.invocations), self._one_of(tuple(Fault)) if fails else None)

    def _finish(self) -> None:
        self.system.finish(self._one_of(self.system.invocations))

    def _crash(self) -> None:
        self._crashes_left -= 1
        self.system.crash(self._one_of(self.system.invocations))

    def _redeliver(self) -> None:
        """Deliver a hidden message again; the function may be handling it, or have just finished it."""
        self._repeats_left -= 1
        self.system.queue.redeliver(self._one_of(self.system.queue.messages))

    def _wait(self) -> None:
        self.system.pass_time(self._one_of((1, 4, 11, 45, 400)))

    def _crash_or_finish(self, invocation: Invocation) -> None:
        if not any(CRASHING in receipt.body for receipt in invocation.batch):
            self.system.finish(invocation)
            return
        for _ in range(self._pick(6)):
            if not invocation.finished:
                self.system.advance(invocation)
        if not invocation.finished:
            self.system.crash(invocation)
