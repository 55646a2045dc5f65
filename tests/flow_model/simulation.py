"""Simulates execution environments that pace their calls, and records the time of each call."""

from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from random import Random

from media_cleanup.errors import DependencyUnavailable
from media_cleanup.provider.pacing import Pacer
from media_cleanup.settings import DeleteMediaSettings

TIMEOUT_S = 60.0
RESERVE_S = 6.0
REQUIRED = {
    "NXCLOUD_BASE_URL": "https://nxcloud.example",
    "NXCLOUD_SECRET_ID": "secret",
    "MEDIA_INDEX_TABLE": "index",
    "IDEMPOTENCY_TABLE": "records",
    "DELETION_QUEUE_URL": "deletions",
    "DEAD_LETTER_QUEUE_URL": "dead letters",
}


@dataclass
class Environment:
    """An execution environment: a clock of its own, and the pacer that it keeps over its invocations."""

    calls_per_s: float
    jitter: Callable[[], float]
    now_s: float = 0
    called_at: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pacer = Pacer(
            self.calls_per_s, lambda: self.now_s, lambda wait_s: self.called_at.append(self.now_s + wait_s), self.jitter
        )

    def invoke(self, now_s: float, calls: int, call_s: float) -> float:
        """Make an invocation with concurrent calls. Returns the time of its end."""
        self.now_s = now_s
        self.called_at.clear()
        self.pacer.begin_invocation()
        for _ in range(calls):
            try:
                self.pacer.wait_for_turn(TIMEOUT_S - RESERVE_S)
            except DependencyUnavailable:
                break
        return max([now_s, *self.called_at]) + call_s


def simulate(rate: float, places: int, random: Random, seconds: int = 300) -> list[float]:
    """Run as many invocations at once as there are places of MaxConcurrency. Returns the times of all calls.

    All places start together. Lambda takes any idle environment of more than it needs, and new ones now and then.
    """
    variables = {"CALLS_PER_SECOND": str(rate), "MAX_CONCURRENCY": str(places)}
    share = DeleteMediaSettings.from_environment(REQUIRED | variables).calls_per_s
    calls: list[float] = []
    idle: list[Environment] = []
    places_free: list[tuple[float, int, Environment | None]] = [(0.0, place, None) for place in range(places)]
    while places_free[0][0] < seconds:
        now_s, place, finished = heappop(places_free)
        idle += [finished] if finished else []
        if not idle or random.random() < 0.1:
            idle.append(Environment(share, random.random))
        environment = idle.pop(random.randrange(len(idle)))
        end_s = environment.invoke(now_s, random.choice((1, 10, 10, 10, 40)), random.choice((0.001, 0.2, 2)))
        calls += environment.called_at
        heappush(places_free, (end_s + random.choice((0, 0, 0.01, 1)), place, environment))
    return sorted(calls)


def most_calls(calls: list[float], window_s: float) -> int:
    """Return the largest number of calls in any window of this length, its end not included."""
    most = first = 0
    for number, called_at in enumerate(calls):
        while calls[first] <= called_at - window_s:
            first += 1
        most = max(most, number - first + 1)
    return most
