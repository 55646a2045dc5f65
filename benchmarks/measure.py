"""Measures cold starts, warm batches, and the growth of CPU time and memory; the functions take turns throughout."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median, quantiles

from benchmarks.environment import FLOOR, REFERENCE, THIS, Environment, Sample

ReportProgress = Callable[[str], None]
LATENCIES_S = (0.0, 0.05, 0.2)
BATCHES = (1, 10, 100)


@dataclass(frozen=True)
class Plan:
    """The number of measurements of each kind."""

    cold_starts: int
    warm: dict[int, int]  # invocations by batch size
    growth: tuple[int, ...]  # deletions
    concurrency: tuple[int, ...] = (1, 2, 5, 10)


FULL = Plan(cold_starts=20, warm={1: 20, 10: 8, 100: 3}, growth=(100, 1_000, 10_000))
QUICK = Plan(cold_starts=1, warm={1: 1, 10: 1}, growth=(50, 100), concurrency=(1, 10))


@dataclass(frozen=True)
class Series:
    """Samples of the same measurement."""

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
        """The mean of the CPU time; the kernel counts it in ticks of 10 ms."""
        return sum(sample.cpu_s for sample in self.samples) / len(self.samples)


@dataclass(frozen=True)
class Growth:
    """CPU time and memory of one execution environment after this number of deletions, in batches of 10."""

    deletions: int
    cpu_ms_each: float
    peak_mb: float


@dataclass
class Results:
    """All measurements; keys are functions (`this`, `reference`, `floor`), latencies in seconds, and batch sizes."""

    cold: dict[str, Series] = field(default_factory=dict)
    warm: dict[tuple[str, float, int], Series] = field(default_factory=dict)
    growth: dict[str, list[Growth]] = field(default_factory=dict)
    concurrency: dict[int, Series] = field(default_factory=dict)


def measure(environment: Environment, plan: Plan, report_progress: ReportProgress) -> Results:
    """Measure everything."""
    results = Results(cold=_cold(environment, plan, report_progress))
    results.warm = _warm(environment, plan, report_progress)
    results.concurrency = _concurrency(environment, plan, report_progress)
    for name, sizes in {THIS: plan.growth, REFERENCE: plan.growth[:2]}.items():  # the reference is slow
        results.growth[name] = [_growth(environment, name, deletions, report_progress) for deletions in sizes]
    return results


def _cold(environment: Environment, plan: Plan, report_progress: ReportProgress) -> dict[str, Series]:
    samples: dict[str, list[Sample]] = {THIS: [], REFERENCE: [], FLOOR: []}
    for turn in range(plan.cold_starts + 1):
        for name, its_samples in samples.items():
            report_progress(f"cold start {turn} of {plan.cold_starts}: {name}")
            with environment.function(name) as function:
                sample = function.invoke(environment.event(1))
            if turn:  # the first one only warms the disk cache
                its_samples.append(sample)
    return {name: Series(tuple(its_samples)) for name, its_samples in samples.items()}


def _warm(
    environment: Environment, plan: Plan, report_progress: ReportProgress
) -> dict[tuple[str, float, int], Series]:
    codes = {THIS: THIS, REFERENCE: REFERENCE, FLOOR: f"{FLOOR} calls"}
    results: dict[tuple[str, float, int], Series] = {}
    with ExitStack() as running:
        functions = {name: running.enter_context(environment.function(code)) for name, code in codes.items()}
        for function in functions.values():
            function.invoke(environment.event(10))
        for latency_s in LATENCIES_S:
            environment.set_latency(latency_s)
            for batch, times in plan.warm.items():
                samples: dict[str, list[Sample]] = {name: [] for name in functions}
                for turn in range(times):
                    for name, function in functions.items():
                        report_progress(f"{batch} at {latency_s * 1000:.0f} ms, {turn + 1} of {times}: {name}")
                        samples[name].append(function.invoke(environment.event(batch)))
                results |= {(name, latency_s, batch): Series(tuple(its)) for name, its in samples.items()}
    environment.set_latency(0)
    return results


def _concurrency(environment: Environment, plan: Plan, report_progress: ReportProgress) -> dict[int, Series]:
    environment.set_latency(0.2)
    results = {}
    for calls in plan.concurrency:
        report_progress(f"a batch of 10 at 200 ms, ConcurrentCalls {calls}")
        with environment.function(THIS, CONCURRENT_CALLS=str(calls)) as function:
            function.invoke(environment.event(10))
            results[calls] = Series(tuple(function.invoke(environment.event(10)) for _ in range(plan.warm[10])))
    environment.set_latency(0)
    return results


def _growth(environment: Environment, name: str, deletions: int, report_progress: ReportProgress) -> Growth:
    with environment.function(name) as function:
        function.invoke(environment.event(10))
        cpu_s = 0.0
        for done in range(0, deletions, 10):
            report_progress(f"{done} of {deletions} deletions: {name}")
            cpu_s += function.invoke(environment.event(10)).cpu_s
        return Growth(deletions, 1000 * cpu_s / deletions, function.peak_mb())
