"""Simulates the deletion queue over days, by the real redelivery schedule, for as many deletions as one likes.

A simulated message stands for many where there are many. What is sent is spread evenly over the day. The queue hands
over what has been visible for longest, or in no order at all: SQS promises none, and the truth lies between the two.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from math import inf

from media_cleanup.outcome import Outcome, Reason
from media_cleanup.result import Result
from media_cleanup.triggers.backoff import backoff_s, give_up

HOUR_S = 3600
DAY_S = 24 * HOUR_S
STEP_S = 10
MOST_IN_FLIGHT = 120_000  # source: Amazon SQS Developer Guide, "Amazon SQS standard queue quotas"
MOST_SIMULATED_A_DAY = 50_000
LATE_S = 300


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What is asked of the stack, and how it is set.

    A batch takes `batch_s` while NXCloud answers, and `failing_batch_s` from the hour `fails_h` to `recovers_h`, when
    all calls fail. NXCloud answers 429 to what is more than `most_calls_a_second`.
    """

    name: str
    deletions_a_day: int
    max_concurrency: int = 5
    batch_size: int = 10
    batch_s: float
    failing_batch_s: float
    fails_h: float = 6
    recovers_h: float = 30
    most_calls_a_second: float = inf
    retention_s: int
    in_order: bool = True
    days: int = 9

    def fails_at(self, now_s: float) -> bool:
        """Whether all calls fail at this time."""
        return self.fails_h * HOUR_S <= now_s < self.recovers_h * HOUR_S


@dataclass(frozen=True)
class Moment:
    """The state at one time; the calls a second and the longest lag of a confirmation are those since the last one."""

    hour: float
    waiting: float
    in_flight: float
    calls_a_second: float
    lag_s: float | None


@dataclass
class Course:
    """How it went, in real messages; `late_until_h` is when the last one was confirmed more than 5 minutes late."""

    moments: list[Moment] = field(default_factory=list)
    confirmed: float = 0
    given_up: float = 0
    expired: float = 0
    calls: float = 0
    late_until_h: float = 0
    longest_lag_s: float = 0


@dataclass(slots=True)
class _Message:
    sent_s: float
    receives: int = 0


def simulate(scenario: Scenario, jitter: Callable[[], float], moment_s: int = HOUR_S // 2) -> Course:
    """How a scenario goes; `jitter` draws numbers from 0 to 1 for the schedule, and `moment_s` lies between moments."""
    return _Simulation(scenario, jitter).run(moment_s)


class _Simulation:
    """The queue, its messages each standing for `weight` of them."""

    def __init__(self, scenario: Scenario, jitter: Callable[[], float]) -> None:
        self._scenario = scenario
        self._jitter = jitter
        self._weight = max(1, scenario.deletions_a_day / MOST_SIMULATED_A_DAY)
        self._waiting: deque[_Message] = deque()
        self._hidden: list[tuple[float, int, _Message]] = []
        self._number = count()  # orders messages that are due at the same time
        self._to_send = self._to_receive = self._to_accept = 0.0
        self._calls_before = 0.0
        self._lag_s: float | None = None
        self._course = Course()

    def run(self, moment_s: int) -> Course:
        for now_s in range(0, self._scenario.days * DAY_S, STEP_S):
            self._send(now_s)
            self._show(now_s)
            self._receive(now_s)
            if now_s % moment_s == 0:
                self._note(now_s, moment_s)
        return self._course

    def _send(self, now_s: float) -> None:
        self._to_send += self._scenario.deletions_a_day / self._weight * STEP_S / DAY_S
        while self._to_send >= 1:
            self._to_send -= 1
            self._waiting.append(_Message(now_s))

    def _show(self, now_s: float) -> None:
        """Lets messages be seen again whose time has come."""
        while self._hidden and self._hidden[0][0] <= now_s:
            self._waiting.append(heappop(self._hidden)[2])

    def _receive(self, now_s: float) -> None:
        """Receives as many messages within a step as the batches that may run at once can take."""
        scenario = self._scenario
        batch_s = scenario.failing_batch_s if scenario.fails_at(now_s) else scenario.batch_s
        at_once = scenario.max_concurrency * scenario.batch_size
        self._to_receive = self._refilled(self._to_receive, at_once / batch_s)
        self._to_accept = self._refilled(self._to_accept, scenario.most_calls_a_second)
        most_hidden = (MOST_IN_FLIGHT - at_once) / self._weight
        while self._waiting and self._to_receive >= 1 and len(self._hidden) < most_hidden:
            message = self._next()
            if now_s - message.sent_s >= scenario.retention_s:
                self._course.expired += self._weight
            else:
                self._to_receive -= 1
                self._call(message, now_s, batch_s)

    def _refilled(self, left: float, a_second: float) -> float:
        """What a step allows at this rate; of what is left only a part of a message is carried over."""
        a_step = a_second * STEP_S / self._weight
        return min(left + a_step, a_step + 1)

    def _next(self) -> _Message:
        if not self._scenario.in_order:
            chosen = int(self._jitter() * len(self._waiting))
            self._waiting[0], self._waiting[chosen] = self._waiting[chosen], self._waiting[0]
        return self._waiting.popleft()

    def _call(self, message: _Message, now_s: float, batch_s: float) -> None:
        message.receives += 1
        self._course.calls += self._weight
        if not self._scenario.fails_at(now_s) and self._to_accept >= 1:
            self._to_accept -= 1
            self._confirm(message, now_s + batch_s)
            return
        result = give_up(Result(outcome=Outcome.UNAVAILABLE, reason=Reason.NO_ANSWER), message.receives)
        if result.outcome is Outcome.REJECTED:
            self._course.given_up += self._weight
        else:
            due_s = now_s + batch_s + backoff_s(result, message.receives, self._jitter())
            heappush(self._hidden, (due_s, next(self._number), message))

    def _confirm(self, message: _Message, at_s: float) -> None:
        lag_s = at_s - message.sent_s
        self._lag_s = max(lag_s, self._lag_s or 0)
        self._course.confirmed += self._weight
        self._course.longest_lag_s = max(self._course.longest_lag_s, lag_s)
        if lag_s > LATE_S:
            self._course.late_until_h = at_s / HOUR_S

    def _note(self, now_s: float, moment_s: int) -> None:
        calls, self._calls_before = self._course.calls - self._calls_before, self._course.calls
        waiting, in_flight = len(self._waiting) * self._weight, len(self._hidden) * self._weight
        self._course.moments.append(Moment(now_s / HOUR_S, waiting, in_flight, calls / moment_s, self._lag_s))
        self._lag_s = None
