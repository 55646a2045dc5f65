"""Simulates a deletion queue and its execution environments in virtual time, with the real verification of absence."""

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from heapq import heappop, heappush
from math import inf
from random import Random
from types import SimpleNamespace
from typing import cast

from media_cleanup.aws.credentials import CredentialsStore
from media_cleanup.aws.idempotency import DeletionRecords
from media_cleanup.model import Media
from media_cleanup.outcome import Outcome, Reason
from media_cleanup.provider.absence import AbsenceExperiments
from media_cleanup.provider.flow_control import FlowControl
from media_cleanup.provider.gateway import NxCloudGateway
from media_cleanup.request import Attempt, Request
from media_cleanup.result import Confirmation, Result, WorkItem
from media_cleanup.triggers.backoff import backoff_s, give_up_if_exhausted
from media_cleanup.verify_absence import VerifyAbsence
from nxcloud import CorrectedClock, MediaClient
from tests.absence_model.clock import Clock
from tests.absence_model.provider import FakeMediaClient, Provider
from tests.conftest import CREDENTIALS

BATCH = 10
TIMEOUT_S = 60
INTERVAL_S = 3600
POLL_S = 20.0
Credentials = cast(
    "CredentialsStore", SimpleNamespace(get=lambda _: CREDENTIALS, refresh_after_refusal=lambda *_: None)
)


class FakeRecords:
    """The idempotency table's records of proofs and confirmations."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._proved_s: dict[Media, float] = {}

    def get_proof_age_s(self, media: Media) -> float | None:
        """Return the seconds since the first proof."""
        proved_s = self._proved_s.get(media)
        return None if proved_s is None else self._clock.now_s - proved_s

    def put_proof(self, media: Media) -> None:
        """Record the first proof."""
        self._proved_s[media] = self._clock.now_s

    def remove_proof(self, media: Media) -> None:
        """Remove the first proof."""
        self._proved_s.pop(media, None)

    def confirm(self, media: Media, confirmation: Confirmation) -> None:
        """Record a confirmation."""


@dataclass(frozen=True)
class _Deadline:
    """The end of an invocation."""

    clock: Clock
    ends_s: float

    def get_remaining_time_in_millis(self) -> int:
        return int(1000 * (self.ends_s - self.clock.now_s))


@dataclass
class Simulation:
    """A queue of deletions, and NXCloud. `wrongly_gone`: media files that NXCloud held when they were declared gone.

    `outcomes` counts the messages by their ends; `receives` are those of each message that was declared gone.
    """

    seed: int
    environments: int = 1
    clock: Clock = field(default_factory=Clock)
    outcomes: Counter[str] = field(default_factory=Counter)
    wrongly_gone: list[Media] = field(default_factory=list)
    receives: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)  # noqa: S311 (repeatable on purpose)
        self.provider = Provider(self.clock)
        self._records = cast("DeletionRecords", FakeRecords(self.clock))
        self._queue: list[tuple[float, int, Media, int]] = []
        self._messages = 0
        self._unfinished = 0

    def request(self, media: Media, at_s: float = 0) -> None:
        """Send the message for a media file's deletion."""
        self._unfinished += 1
        self._send(media, at_s, 1)

    def run(self) -> None:
        """Run until each message is done or given up."""
        self.clock.run([partial(self._run_environment, Random(self.random.random())) for _ in range(self.environments)])  # noqa: S311 (repeatable on purpose)

    def _send(self, media: Media, visible_s: float, receive: int) -> None:
        self._messages += 1
        heappush(self._queue, (visible_s, self._messages, media, receive))

    def _run_environment(self, random: Random) -> None:
        """Receive batches, handle them, and set their visibility timeouts."""
        client = FakeMediaClient(self.provider, self.clock)
        media_client = cast("MediaClient", client)
        gateway = NxCloudGateway(media_client, CorrectedClock(), Credentials, FlowControl(clock=self.clock))
        verifier = AbsenceExperiments(media_client, Credentials, self.clock, self.clock.sleep)
        verification = VerifyAbsence(verifier, self._records, INTERVAL_S)
        latency_s = partial(random.uniform, 0.05, 0.3)
        while self._unfinished:
            batch = self._receive()
            if not batch:
                self._wait()
                continue
            deadline = _Deadline(self.clock, self.clock.now_s + TIMEOUT_S)
            handled = [WorkItem(Request(media), Attempt(receive, deadline)) for media, receive in batch]
            client.latency_s = None  # the calls are concurrent: each arrives after a latency of its own
            arrivals = sorted((self.clock.now_s + latency_s(), number) for number in range(len(batch)))
            for arrives_s, number in arrivals:
                self.clock.sleep_until(arrives_s)
                handled[number].results.append(gateway.delete(batch[number][0], handled[number].attempt))
            client.latency_s = latency_s
            verification.verify(handled)
            for (media, receive), each in zip(batch, handled, strict=True):
                self._finish(media, receive, give_up_if_exhausted(each.results[0], receive), random)

    def _receive(self) -> list[tuple[Media, int]]:
        batch: list[tuple[Media, int]] = []
        while self._queue and self._queue[0][0] <= self.clock.now_s and len(batch) < BATCH:
            _, _, media, receive = heappop(self._queue)
            batch.append((media, receive))
        return batch

    def _wait(self) -> None:
        """Wait for a message; those that another environment handles may become visible again at any time."""
        limit_s = self.clock.now_s + POLL_S if self.environments > 1 else inf
        self.clock.sleep_until(min(limit_s, self._queue[0][0] if self._queue else limit_s))

    def _finish(self, media: Media, receive: int, result: Result, random: Random) -> None:
        if result.outcome is Outcome.UNAVAILABLE:
            self._send(media, self.clock.now_s + backoff_s(result, receive, random.random()), receive + 1)
            return
        self._unfinished -= 1
        self.outcomes[result.outcome] += 1
        if result.reason is Reason.VERIFIED_ABSENT:
            self.receives.append(receive)
            if media in self.provider.media:
                self.wrongly_gone.append(media)
