"""Simulates the deletion queue over days, with the real redelivery schedule and any number of deletions.

Above a limit, one simulated message represents several. Messages are sent evenly over the day. They are received in the
order in which they became visible, or in random order: SQS standard queues guarantee none, and are between the two.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from math import floor, inf

from media_cleanup.outcome import Outcome, Reason
from media_cleanup.provider.breaker import OPEN_S
from media_cleanup.provider.pacing import MARGIN
from media_cleanup.result import Result
from media_cleanup.triggers.backoff import backoff_s, give_up_if_exhausted

HOUR_S = 3600
DAY_S = 24 * HOUR_S
STEP_S = 10
MAX_IN_FLIGHT = 120_000  # source: Amazon SQS Developer Guide, "Amazon SQS standard queue quotas"
MAX_SIMULATED_PER_DAY = 50_000
LATE_S = 300
# Dollars (AWS list prices, us-east-1): a second with 512 MB on arm64, requests, a write, 750 bytes of logs
LAMBDA_S, LAMBDA_REQUEST, SQS_REQUEST = 0.5 * 0.0000133334, 0.2e-6, 0.4e-6
DYNAMODB_WRITE, DYNAMODB_READ, LOG_LINE = 0.625e-6, 0.125e-6, 750 * 0.5e-9


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """The load, the stack's settings and the outage.

    A batch takes `batch_s`, or `failing_batch_s` during the outage, in which all calls fail; with an open circuit, it
    makes no call and takes `open_batch_s`. Outside of the outage, NXCloud answers 429 to calls above `max_calls_per_s`.
    `calls_per_second` is the parameter CallsPerSecond; 0 means no limit.
    """

    name: str
    deletions_per_day: int
    max_concurrency: int = 5
    batch_size: int = 10
    batch_s: float
    failing_batch_s: float
    open_batch_s: float = 0.05
    has_circuit: bool = True
    calls_per_second: float = 0
    outage_start_h: float = 6
    outage_end_h: float = 30
    max_calls_per_s: float = inf
    retention_s: int
    in_order: bool = True
    days: int = 9

    @property
    def paced_s(self) -> float:
        """The time that a batch waits for the turns of its calls: the first one waits for 1.5 intervals on average."""
        if not self.calls_per_second:
            return 0
        share = self.calls_per_second / self.max_concurrency
        interval_s = MARGIN / (floor(share) if share >= 1 else share)
        return (self.batch_size + 0.5) * interval_s

    def is_outage(self, now_s: float) -> bool:
        """Whether all calls fail at this time."""
        return self.outage_start_h * HOUR_S <= now_s < self.outage_end_h * HOUR_S


@dataclass(frozen=True)
class Snapshot:
    """The queue at one time; calls per second and longest lag of a confirmation are those since the last snapshot."""

    hour: float
    visible: float
    in_flight: float
    calls_per_s: float
    lag_s: float | None


@dataclass
class Outage:
    """What was spent during the outage: receives of messages, invocations, their seconds, and calls to NXCloud."""

    receives: float = 0
    invocations: float = 0
    lambda_s: float = 0
    calls: float = 0

    @property
    def dollars(self) -> float:
        """The price of it all, by AWS's list prices in us-east-1."""
        of_invocation = LAMBDA_REQUEST + 2 * SQS_REQUEST
        return (
            self.lambda_s * LAMBDA_S
            + self.invocations * of_invocation
            + self.receives * (DYNAMODB_READ + LOG_LINE)
            + self.calls * 2 * DYNAMODB_WRITE
        )


@dataclass
class SimulationResult:
    """The totals, in real messages; `late_until_h` is the time of the last confirmation with a lag over 5 minutes."""

    snapshots: list[Snapshot] = field(default_factory=list)
    confirmed: float = 0
    given_up: float = 0
    expired: float = 0
    calls: float = 0
    outage: Outage = field(default_factory=Outage)
    late_until_h: float = 0
    longest_lag_s: float = 0


@dataclass(slots=True)
class _Message:
    sent_s: float
    receives: int = 0


def simulate(scenario: Scenario, jitter: Callable[[], float], snapshot_s: int = HOUR_S // 2) -> SimulationResult:
    """Simulate a scenario. `jitter` draws numbers from 0 to 1 for the backoff; one snapshot per `snapshot_s`."""
    return _Simulation(scenario, jitter).run(snapshot_s)


class _Simulation:
    """The queue; each simulated message represents `weight` real ones."""

    def __init__(self, scenario: Scenario, jitter: Callable[[], float]) -> None:
        self._scenario = scenario
        self._jitter = jitter
        self._weight = max(1, scenario.deletions_per_day / MAX_SIMULATED_PER_DAY)
        self._visible: deque[_Message] = deque()
        self._hidden: list[tuple[float, int, _Message]] = []
        self._number = count()  # orders messages that become visible at the same time
        self._to_send = self._free_s = self._to_accept = self._to_probe = 0.0
        self._calls_before = 0.0
        self._lag_s: float | None = None
        self._result = SimulationResult()

    def run(self, snapshot_s: int) -> SimulationResult:
        for now_s in range(0, self._scenario.days * DAY_S, STEP_S):
            self._send(now_s)
            self._make_visible(now_s)
            self._receive(now_s)
            if now_s % snapshot_s == 0:
                self._take_snapshot(now_s, snapshot_s)
        return self._result

    def _send(self, now_s: float) -> None:
        self._to_send += self._scenario.deletions_per_day / self._weight * STEP_S / DAY_S
        while self._to_send >= 1:
            self._to_send -= 1
            self._visible.append(_Message(now_s))

    def _make_visible(self, now_s: float) -> None:
        """End the visibility timeouts that are over."""
        while self._hidden and self._hidden[0][0] <= now_s:
            self._visible.append(heappop(self._hidden)[2])

    def _receive(self, now_s: float) -> None:
        """Receive as many messages in a step as the concurrent batches can process."""
        scenario = self._scenario
        self._free_s = min(self._free_s, 0) + scenario.max_concurrency * STEP_S
        self._to_accept = self._refill(self._to_accept, scenario.max_calls_per_s)
        if scenario.has_circuit and scenario.is_outage(now_s):
            every_s = OPEN_S + scenario.failing_batch_s
            self._to_probe = min(self._to_probe + scenario.max_concurrency * STEP_S / every_s, scenario.max_concurrency)
        max_hidden = (MAX_IN_FLIGHT - scenario.max_concurrency * scenario.batch_size) / self._weight
        while self._visible and self._free_s > 0 and len(self._hidden) < max_hidden:
            message = self._receive_one()
            if now_s - message.sent_s >= scenario.retention_s:
                self._result.expired += self._weight
            else:
                self._process(message, now_s)

    def _refill(self, left: float, per_s: float) -> float:
        """Return the messages that a step allows at this rate; at most one unused message is carried over."""
        per_step = per_s * STEP_S / self._weight
        return min(left + per_step, per_step + 1)

    def _process(self, message: _Message, now_s: float) -> None:
        """Process a message as a part of a batch, or the messages that it represents as several batches."""
        scenario, batches = self._scenario, self._weight / self._scenario.batch_size
        if not scenario.is_outage(now_s):
            batch_s = scenario.batch_s + scenario.paced_s
            self._free_s -= batches * batch_s
            self._result.calls += self._weight
            self._call(message, now_s, batch_s)
            return
        failing, calls = batches, self._weight
        if scenario.has_circuit:
            failing = calls = min(batches, self._to_probe)  # a batch makes one call, for whose response the others wait
            self._to_probe -= failing
        spent_s = failing * scenario.failing_batch_s + (batches - failing) * scenario.open_batch_s
        self._free_s -= spent_s
        self._result.calls += calls
        self._count(Outage(self._weight, batches, spent_s, calls))
        self._fail(message, now_s + spent_s / batches, Reason.NO_ANSWER)

    def _count(self, spent: Outage) -> None:
        total = self._result.outage
        total.receives += spent.receives
        total.invocations += spent.invocations
        total.lambda_s += spent.lambda_s
        total.calls += spent.calls

    def _receive_one(self) -> _Message:
        if not self._scenario.in_order:
            chosen = int(self._jitter() * len(self._visible))
            self._visible[0], self._visible[chosen] = self._visible[chosen], self._visible[0]
        return self._visible.popleft()

    def _call(self, message: _Message, now_s: float, batch_s: float) -> None:
        if self._to_accept >= 1:
            self._to_accept -= 1
            self._confirm(message, now_s + batch_s)
        else:
            self._fail(message, now_s + batch_s, Reason.THROTTLED)

    def _fail(self, message: _Message, at_s: float, reason: Reason) -> None:
        """Hide a message until its redelivery, or give it up."""
        message.receives += 1
        result = give_up_if_exhausted(Result(outcome=Outcome.UNAVAILABLE, reason=reason), message.receives)
        if result.outcome is Outcome.REJECTED:
            self._result.given_up += self._weight
        else:
            due_s = at_s + backoff_s(result, message.receives, self._jitter())
            heappush(self._hidden, (due_s, next(self._number), message))

    def _confirm(self, message: _Message, at_s: float) -> None:
        lag_s = at_s - message.sent_s
        self._lag_s = max(lag_s, self._lag_s or 0)
        self._result.confirmed += self._weight
        self._result.longest_lag_s = max(self._result.longest_lag_s, lag_s)
        if lag_s > LATE_S:
            self._result.late_until_h = at_s / HOUR_S

    def _take_snapshot(self, now_s: float, snapshot_s: int) -> None:
        calls, self._calls_before = self._result.calls - self._calls_before, self._result.calls
        visible, in_flight = len(self._visible) * self._weight, len(self._hidden) * self._weight
        self._result.snapshots.append(Snapshot(now_s / HOUR_S, visible, in_flight, calls / snapshot_s, self._lag_s))
        self._lag_s = None
