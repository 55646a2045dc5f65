"""What is measured: cold starts, warm batches, and how processor time and memory grow. Sides take turns throughout."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median, quantiles

from benchmarks.stage import FLOOR, REFERENCE, THIS, Sample, Stage

Tell = Callable[[str], None]
LATENCIES_S = (0.0, 0.05, 0.2)
BATCHES = (1, 10, 100)


@dataclass(frozen=True)
class Plan:
    """How often each thing is measured."""

    cold_starts: int
    warm: dict[int, int]  # invocations by the size of their batches
    growth: tuple[int, ...]  # deletions
    concurrency: tuple[int, ...] = (1, 2, 5, 10)


FULL = Plan(cold_starts=20, warm={1: 20, 10: 8, 100: 3}, growth=(100, 1_000, 10_000))
QUICK = Plan(cold_starts=1, warm={1: 1, 10: 1}, growth=(50, 100), concurrency=(1, 10))


@dataclass(frozen=True)
class Series:
    """Samples of the same thing."""

    samples: tuple[Sample, ...]

    @property
    def median_s(self) -> float:
        """The median of the seconds."""
        return median(sample.seconds for sample in self.samples)

    @property
    def quartiles_s(self) -> tuple[float, float]:
        """The first and the third quartile of the seconds."""
        seconds = [sample.seconds for sample in self.samples]
        if len(seconds) < 2:
            return seconds[0], seconds[0]
        first, _, third = quantiles(seconds, n=4, method="inclusive")
        return first, third

    @property
    def cpu_s(self) -> float:
        """The mean of the processor time; the kernel counts it in ticks of 10 ms."""
        return sum(sample.cpu_s for sample in self.samples) / len(self.samples)


@dataclass(frozen=True)
class Growth:
    """What so many deletions, in batches of 10, cost one environment."""

    deletions: int
    cpu_ms_each: float
    peak_mb: float


@dataclass
class Results:
    """All that was measured; keys are sides, latencies in seconds, and sizes of batches."""

    cold: dict[str, Series] = field(default_factory=dict)
    warm: dict[tuple[str, float, int], Series] = field(default_factory=dict)
    growth: dict[str, list[Growth]] = field(default_factory=dict)
    concurrency: dict[int, Series] = field(default_factory=dict)


def measure(stage: Stage, plan: Plan, tell: Tell) -> Results:
    """Measures everything."""
    results = Results(cold=_cold(stage, plan, tell))
    results.warm = _warm(stage, plan, tell)
    results.concurrency = _concurrency(stage, plan, tell)
    for side, sizes in {THIS: plan.growth, REFERENCE: plan.growth[:2]}.items():  # the reference takes its time
        results.growth[side] = [_grown(stage, side, deletions, tell) for deletions in sizes]
    return results


def _cold(stage: Stage, plan: Plan, tell: Tell) -> dict[str, Series]:
    samples: dict[str, list[Sample]] = {THIS: [], REFERENCE: [], FLOOR: []}
    for turn in range(plan.cold_starts + 1):
        for side, its_samples in samples.items():
            tell(f"cold start {turn} of {plan.cold_starts}: {side}")
            with stage.function(side) as function:
                sample = function.invoke(stage.event(1))
            if turn:  # the first only warms the disk's cache
                its_samples.append(sample)
    return {side: Series(tuple(its_samples)) for side, its_samples in samples.items()}


def _warm(stage: Stage, plan: Plan, tell: Tell) -> dict[tuple[str, float, int], Series]:
    sides = {THIS: THIS, REFERENCE: REFERENCE, FLOOR: f"{FLOOR} calls"}
    results: dict[tuple[str, float, int], Series] = {}
    with ExitStack() as running:
        functions = {side: running.enter_context(stage.function(name)) for side, name in sides.items()}
        for function in functions.values():
            function.invoke(stage.event(10))
        for latency_s in LATENCIES_S:
            stage.latency(latency_s)
            for batch, times in plan.warm.items():
                samples: dict[str, list[Sample]] = {side: [] for side in functions}
                for turn in range(times):
                    for side, function in functions.items():
                        tell(f"{batch} at {latency_s * 1000:.0f} ms, {turn + 1} of {times}: {side}")
                        samples[side].append(function.invoke(stage.event(batch)))
                results |= {(side, latency_s, batch): Series(tuple(some)) for side, some in samples.items()}
    stage.latency(0)
    return results


def _concurrency(stage: Stage, plan: Plan, tell: Tell) -> dict[int, Series]:
    stage.latency(0.2)
    results = {}
    for calls in plan.concurrency:
        tell(f"a batch of 10 at 200 ms, {calls} at once")
        with stage.function(THIS, CONCURRENT_CALLS=str(calls)) as function:
            function.invoke(stage.event(10))
            results[calls] = Series(tuple(function.invoke(stage.event(10)) for _ in range(plan.warm[10])))
    stage.latency(0)
    return results


def _grown(stage: Stage, side: str, deletions: int, tell: Tell) -> Growth:
    with stage.function(side) as function:
        function.invoke(stage.event(10))
        cpu_s = 0.0
        for done in range(0, deletions, 10):
            tell(f"{done} of {deletions} deletions: {side}")
            cpu_s += function.invoke(stage.event(10)).cpu_s
        return Growth(deletions, 1000 * cpu_s / deletions, function.peak_mb())
