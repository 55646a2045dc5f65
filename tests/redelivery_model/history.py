"""Plays one history of a queue: what is asked for, what fails, and which call comes next, picked by chance."""

from collections.abc import Callable, Sequence
from typing import TypeVar

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
from tests.redelivery_model.world import Fault, Run, World

MEDIA = [f"fd81acff-eea8-4d9d-acc9-6c62904d661{number}" for number in range(5)]
*_, HOPELESS, DEADLY = MEDIA
MAX_ASKED = 6
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
    """A world to which things happen; `pick` picks one of so many possibilities, by its number.

    NXCloud never deletes HOPELESS. In some histories each invocation that meets DEADLY crashes, once all else is over.
    """

    def __init__(self, pick: Callable[[int], int]) -> None:
        self._pick = pick
        self.world = World(self._answer)
        self._trouble_left, self._faults_left, self._crashes_left, self._repeats_left = 6, 3, 3, 3
        self._to_ask = 1 + pick(MAX_ASKED)

    def play(self) -> list[str]:
        """Lets everything happen, and then come to rest; the promises that were not kept."""
        is_deadly = self._pick(3) == 2
        with self.world:
            for _ in range(MAX_TURNS):
                self._one_of(self._turns())()
            self.world.come_to_rest(self._die_or_finish if is_deadly else None)
            return self.world.broken_at_rest()

    def _answer(self, media_id: str) -> NxCloudError | None:
        if media_id == HOPELESS:
            return self._one_of(UNAVAILABLE)
        if self._trouble_left and self._pick(2):
            self._trouble_left -= 1
            return self._one_of((*UNAVAILABLE, REFUSED))
        return None

    def _one_of(self, options: Sequence[T]) -> T:
        return options[self._pick(len(options))] if len(options) > 1 else options[0]

    def _turns(self) -> list[Turn]:
        turns: list[Turn] = [self._wait]
        turns += [self._ask, self._ask] if self._to_ask else []
        turns += [self._deliver, self._deliver] if len(self.world.runs) < 3 else []
        turns += [self._advance] * 6 + [self._finish] if self.world.runs else []
        turns += [self._crash] if self.world.runs and self._crashes_left else []
        turns += [self._repeat] if self.world.queue.messages and self._repeats_left else []
        turns += [self.world.pass_time_to_next] if self.world.queue.messages else []
        return turns

    def _ask(self) -> None:
        self._to_ask -= 1
        several = self._pick(3) == 2
        self.world.ask(self._one_of(MEDIA), *([self._one_of(MEDIA)] if several else []))

    def _deliver(self) -> None:
        self.world.deliver(1 + self._pick(4))

    def _advance(self) -> None:
        fails = self._faults_left and self._pick(8) == 7
        self._faults_left -= bool(fails)
        self.world.advance(self._one_of(self.world.runs), self._one_of(tuple(Fault)) if fails else None)

    def _finish(self) -> None:
        self.world.finish(self._one_of(self.world.runs))

    def _crash(self) -> None:
        self._crashes_left -= 1
        self.world.crash(self._one_of(self.world.runs))

    def _repeat(self) -> None:
        """SQS delivers a message although it is hidden; the function may be at work on it, or have just settled it."""
        self._repeats_left -= 1
        self.world.queue.deliver_again(self._one_of(self.world.queue.messages))

    def _wait(self) -> None:
        self.world.pass_time(self._one_of((1, 4, 11, 45, 400)))

    def _die_or_finish(self, run: Run) -> None:
        if not any(DEADLY in receipt.body for receipt in run.batch):
            self.world.finish(run)
            return
        for _ in range(self._pick(6)):
            if not run.finished:
                self.world.advance(run)
        if not run.finished:
            self.world.crash(run)
