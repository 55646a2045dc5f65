"""Measures new environments, warm batches, concurrency, and growth; the functions take turns throughout."""

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from statistics import median, quantiles
from typing import Any

from benchmarks.environment import FLOOR, FLOOR_CALLS, INDEX, REFERENCE, SWEEP, THIS, Environment, Function, Sample
from benchmarks.quota import WHOLE_PROCESSOR_MB

ReportProgress = Callable[[str], None]
LATENCIES_S = (0.0, 0.05, 0.2)
BATCHES = (1, 10)
CHOSEN_MB = 512  # the template's MemorySize


@dataclass(frozen=True)
class Plan:
    """The number of measurements of each kind: `starts` with the chosen memory, half as many with each other."""

    memories_mb: tuple[int, ...]
    starts: int
    warm: dict[int, int]  # invocations by batch size
    marks: tuple[int, ...]  # deletions of one environment
    concurrency: tuple[int, ...]

    def with_whole_processor(self) -> "Plan":
        """Return the plan for a machine without quotas: the memory that has a whole processor alone."""
        return Plan((WHOLE_PROCESSOR_MB,), self.starts, self.warm, self.marks, self.concurrency)


FULL = Plan((256, CHOSEN_MB, 1024, WHOLE_PROCESSOR_MB), 12, {1: 6, 10: 5}, (100, 1_000, 10_000), (1, 2, 3, 5, 10))
QUICK = Plan((CHOSEN_MB,), 1, {1: 1, 10: 1}, (50, 100), (1, 10))


@dataclass(frozen=True)
class Series:
    """Samples of the same measurement, in the order of their turns."""

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
        """The median of the processor time."""
        return median(sample.cpu_s for sample in self.samples)

    def ratio_to(self, other: "Series") -> float:
        """Return the median of the ratios of two functions' samples, turn by turn."""
        pairs = zip(self.samples, other.samples, strict=True)
        return median(mine.seconds / its.seconds for mine, its in pairs)

    def cpu_ratio_to(self, other: "Series") -> float:
        """Return the same of the processor time."""
        return median(mine.cpu_s / its.cpu_s for mine, its in zip(self.samples, other.samples, strict=True))


@dataclass(frozen=True)
class Starts:
    """New environments: their initialization, their first invocation, and both together."""

    initialization: Series
    first: Series

    @property
    def together(self) -> Series:
        """The sums, turn by turn."""
        pairs = zip(self.initialization.samples, self.first.samples, strict=True)
        return Series(tuple(Sample(one.seconds + two.seconds, one.cpu_s + two.cpu_s) for one, two in pairs))


@dataclass(frozen=True)
class Growth:
    """One environment after this number of deletions, in batches of 10."""

    deletions: int
    cpu_ms_each: float
    peak_mb: float


@dataclass
class Results:
    """All measurements. Keys are functions, memories in MB, latencies in seconds, batch sizes and concurrent calls.

    `checks` has the warm invocations of the index function and the sweep with the number of links of each.
    """

    memories_mb: tuple[int, ...]
    starts: dict[tuple[str, int], Starts] = field(default_factory=dict)
    warm: dict[tuple[str, int, float, int], Series] = field(default_factory=dict)
    checks: dict[tuple[str, int], tuple[Series, float]] = field(default_factory=dict)
    concurrency: dict[tuple[int, float], Series] = field(default_factory=dict)
    growth: dict[str, list[Growth]] = field(default_factory=dict)

    @property
    def chosen_mb(self) -> int:
        """The memory that the targets are for."""
        return CHOSEN_MB if CHOSEN_MB in self.memories_mb else self.memories_mb[-1]


def measure(environment: Environment, plan: Plan, report_progress: ReportProgress) -> Results:
    """Measure everything."""
    plan = plan if environment.quota else plan.with_whole_processor()
    results = Results(plan.memories_mb)
    for memory_mb in plan.memories_mb:
        turns = plan.starts if memory_mb == results.chosen_mb else -(-plan.starts // 2)
        results.starts |= _starts(environment, memory_mb, turns, report_progress)
    _warm(environment, plan, results, report_progress)
    _checks(environment, plan, results, report_progress)
    results.concurrency = _concurrency(environment, plan, results.chosen_mb, report_progress)
    for name, marks in {THIS: plan.marks, REFERENCE: plan.marks[:2]}.items():  # the reference is slow
        results.growth[name] = list(_growth(environment, name, marks, report_progress))
    return results


def _event(environment: Environment, name: str, batch: int = 1) -> Any:  # noqa: ANN401 (any JSON)
    if name == SWEEP:
        return {}
    return environment.stores(batch) if name == INDEX else environment.deletions(batch)


def _starts(
    environment: Environment, memory_mb: int, turns: int, report_progress: ReportProgress
) -> dict[tuple[str, int], Starts]:
    samples: dict[str, list[tuple[Sample, Sample]]] = {name: [] for name in (THIS, REFERENCE, FLOOR, INDEX, SWEEP)}
    for turn in range(turns + 1):
        for name, its_samples in samples.items():
            report_progress(f"{memory_mb} MB, start {turn} of {turns}: {name}")
            with environment.function(name, SWEEP_EVERY_DAYS="365") as function:  # after the first one, no pass is due
                function.limit(memory_mb)
                first = function.invoke(_event(environment, name))
            if turn:  # the first one only warms the disk cache
                its_samples.append((function.initialization, first))
    return {
        (name, memory_mb): Starts(*(Series(phase) for phase in zip(*its_samples, strict=True)))
        for name, its_samples in samples.items()
    }


def _warm(environment: Environment, plan: Plan, results: Results, report_progress: ReportProgress) -> None:
    codes = {THIS: THIS, REFERENCE: REFERENCE, FLOOR: FLOOR_CALLS}
    with ExitStack() as running:
        functions = {name: running.enter_context(environment.function(code)) for name, code in codes.items()}
        for function in functions.values():
            function.invoke(environment.deletions(10))
        for memory_mb in plan.memories_mb:
            for latency_s in LATENCIES_S:
                environment.set_latency(latency_s)
                for batch, turns in plan.warm.items():
                    report_progress(f"{memory_mb} MB, batches of {batch} at {latency_s * 1000:.0f} ms")
                    series = _take_turns(functions, memory_mb, partial(environment.deletions, batch), turns)
                    results.warm |= {(name, memory_mb, latency_s, batch): its for name, its in series.items()}
    environment.set_latency(0)


def _take_turns(
    functions: dict[str, Function], memory_mb: int, event: Callable[[], object], turns: int
) -> dict[str, Series]:
    samples: dict[str, list[Sample]] = {name: [] for name in functions}
    for _ in range(turns):
        for name, function in functions.items():
            function.limit(memory_mb)
            samples[name].append(function.invoke(event()))
    return {name: Series(tuple(its_samples)) for name, its_samples in samples.items()}


def _checks(environment: Environment, plan: Plan, results: Results, report_progress: ReportProgress) -> None:
    """Measure the index function in batches of 10, and slices of the sweep over the links that it wrote."""
    with environment.function(INDEX) as index, environment.function(SWEEP) as sweep:
        for function, name in ((index, INDEX), (sweep, SWEEP)):
            function.invoke(_event(environment, name, 10))
        for memory_mb in plan.memories_mb:
            report_progress(f"{memory_mb} MB, index function and sweep")
            linked = _take_turns({INDEX: index}, memory_mb, partial(environment.stores, 10), plan.warm[10])
            results.checks[INDEX, memory_mb] = (linked[INDEX], 10)
            swept = _take_turns({SWEEP: sweep}, memory_mb, dict, max(1, plan.warm[10] // 3))[SWEEP]
            results.checks[SWEEP, memory_mb] = (swept, median(each.response["SweptLinks"] for each in swept.samples))


def _concurrency(
    environment: Environment, plan: Plan, memory_mb: int, report_progress: ReportProgress
) -> dict[tuple[int, float], Series]:
    results: dict[tuple[int, float], Series] = {}
    with ExitStack() as running:
        functions = {
            str(calls): running.enter_context(environment.function(THIS, CONCURRENT_CALLS=str(calls)))
            for calls in plan.concurrency
        }
        for function in functions.values():
            function.invoke(environment.deletions(10))
        for latency_s in LATENCIES_S:
            report_progress(f"batches of 10 at {latency_s * 1000:.0f} ms by ConcurrentCalls")
            environment.set_latency(latency_s)
            series = _take_turns(functions, memory_mb, partial(environment.deletions, 10), plan.warm[10])
            results |= {(int(calls), latency_s): its_series for calls, its_series in series.items()}
    environment.set_latency(0)
    return results


def _growth(
    environment: Environment, name: str, marks: tuple[int, ...], report_progress: ReportProgress
) -> Iterable[Growth]:
    with environment.function(name) as function:
        function.invoke(environment.deletions(10))
        cpu_s = 0.0
        for done in range(10, marks[-1] + 1, 10):
            cpu_s += function.invoke(environment.deletions(10)).cpu_s
            if done in marks:
                report_progress(f"{done} of {marks[-1]} deletions: {name}")
                yield Growth(done, 1000 * cpu_s / done, function.peak_mb())
