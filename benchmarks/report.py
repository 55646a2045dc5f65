"""Reports the measurements: tables, a chart, and the cost of a million deletions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.environment import FLOOR, INDEX, REFERENCE, SWEEP, THIS
from benchmarks.measure import LATENCIES_S, Results, Series
from benchmarks.quota import share

SIDES = (THIS, REFERENCE, FLOOR)
# us-east-1, first tiers, without the free ones (source: the pages "AWS Lambda Pricing", "Amazon SQS Pricing", "Amazon
# DynamoDB pricing for on-demand capacity", "AWS Secrets Manager Pricing")
USD_PER_GB_S = 0.0000133334  # arm64
USD_PER_INVOCATION = 0.20 / 1e6
USD_PER_SQS_CALL = 0.40 / 1e6
USD_PER_WRITE = 0.625 / 1e6
USD_PER_SECRET_CALL = 0.05 / 1e4
MILLION = 1_000_000

Table = tuple[tuple[str, ...], list[tuple[str, ...]]]  # headings and rows


@dataclass(frozen=True)
class Target:
    """A ratio, or a size, and what it should be at most."""

    what: str
    measured: float
    at_most: float

    @property
    def row(self) -> tuple[str, ...]:
        """The target's line in its table."""
        result = "met" if self.measured <= self.at_most else "missed"
        return (self.what, f"{self.measured:.3g}", f"{self.at_most:g}", result)


def targets(results: Results) -> list[Target]:
    """The ratios that matter, each of two things that were measured in this run, turn by turn."""
    memory_mb = results.chosen_mb
    this, reference, floor = (results.starts[side, memory_mb] for side in SIDES)
    ten, one = (results.warm[THIS, memory_mb, 0.2, batch] for batch in (10, 1))
    lambda_usd = [_lambda_usd(results, side, memory_mb, 10) for side in (THIS, REFERENCE)]
    mine = results.growth[THIS]
    growth = f"processor time of a deletion, {mine[-1].deletions:,} deletions to {mine[0].deletions:,}"
    return [
        Target("first response of a new environment, to the reference's", this.first.ratio_to(reference.first), 0.15),
        Target(
            "initialization and first response, to the reference's", this.together.ratio_to(reference.together), 0.38
        ),
        Target("initialization and first response, to the floor's", this.together.ratio_to(floor.together), 1.35),
        Target("a batch of 10 at 200 ms, to one call", ten.median_s / one.median_s, 1.25),
        Target("processor time of a warm deletion, to the reference's", _cpu_ratio(results, memory_mb), 0.75),
        Target("Lambda's cost in batches of 10 at 200 ms, to the reference's", lambda_usd[0] / lambda_usd[1], 0.15),
        Target(growth, mine[-1].cpu_ms_each / mine[0].cpu_ms_each, 1.05),
        Target("peak memory, MB", max(each.peak_mb for each in mine), 64),
    ]


def _cpu_ratio(results: Results, memory_mb: int) -> float:
    """Return the ratio of the processor times of warm batches of 10, over all latencies."""
    this, reference = (
        Series(tuple(one for latency_s in LATENCIES_S for one in results.warm[side, memory_mb, latency_s, 10].samples))
        for side in (THIS, REFERENCE)
    )
    return this.cpu_ratio_to(reference)


def tables(results: Results) -> dict[str, Table]:
    """Every table: its title, its headings, its rows."""
    memory_mb = results.chosen_mb
    return {
        "Targets": (
            ("ratio", "measured", "target, at most", "result"),
            [target.row for target in targets(results)],
        ),
        "New environments, ms: median (quartiles)": (
            ("memory, function", "initialization", "first response", "together", "to the reference", "to the floor"),
            [_start(results, memory, side) for memory in results.memories_mb for side in SIDES],
        ),
        "Warm batches, ms: median (quartiles)": (
            ("memory, messages, latency", *SIDES, "this / reference"),
            [_warm(results, *case) for case in sorted({(mb, batch, s) for _, mb, s, batch in results.warm})],
        ),
        "Lambda's cost by memory, at 200 ms": (
            ("memory, function", "billed, batch of 10", "a million, by 10", "billed, batch of 1", "a million, by 1"),
            [_memory(results, memory, side) for memory in results.memories_mb for side in (THIS, REFERENCE)],
        ),
        "Processor time of a deletion, ms, and peak memory, MB": (
            ("function", "deletions", "processor time of each", "peak memory"),
            [
                (side, f"{one.deletions:,}", f"{one.cpu_ms_each:.2f}", f"{one.peak_mb:.0f}")
                for side, growth in results.growth.items()
                for one in growth
            ],
        ),
        f"Batch of 10 at {memory_mb:,} MB by ConcurrentCalls, ms": (
            ("ConcurrentCalls", *(f"{latency_s * 1000:.0f} ms" for latency_s in LATENCIES_S), "processor time"),
            [_concurrency(results, calls) for calls in sorted({calls for calls, _ in results.concurrency})],
        ),
        "Index function and sweep": (
            ("memory, function", "initialization", "first response", "warm, each link", "links a second", "a dollar"),
            [_check(results, memory, name) for memory in results.memories_mb for name in (INDEX, SWEEP)],
        ),
        "Cost of a million deletions, US dollars": (
            ("function", "Lambda", "SQS", "DynamoDB", "Secrets Manager", "total"),
            [_cost(results, side) for side in (THIS, REFERENCE)],
        ),
    }


def _start(results: Results, memory_mb: int, side: str) -> tuple[str, ...]:
    starts = results.starts[side, memory_mb]
    phases = (starts.initialization, starts.first, starts.together)
    ratios = (starts.together.ratio_to(results.starts[other, memory_mb].together) for other in (REFERENCE, FLOOR))
    return (f"{memory_mb:,}, {side}", *map(_spread, phases), *(f"{ratio:.2f}" for ratio in ratios))


def _warm(results: Results, memory_mb: int, batch: int, latency_s: float) -> tuple[str, ...]:
    series = [results.warm[side, memory_mb, latency_s, batch] for side in SIDES]
    ratio = series[0].ratio_to(series[1])
    return (f"{memory_mb:,}, {batch}, {latency_s * 1000:.0f} ms", *map(_spread, series), f"{ratio:.2f}")


def _memory(results: Results, memory_mb: int, side: str) -> tuple[str, ...]:
    cells = []
    for batch in (10, 1):
        cells.append(f"{_billed_ms(results.warm[side, memory_mb, 0.2, batch]):,} ms")
        cells.append(f"${_lambda_usd(results, side, memory_mb, batch):.2f}")
    return (f"{memory_mb:,}, {side}", *cells)


def _billed_ms(series: Series) -> int:
    """Lambda bills whole milliseconds."""
    return math.ceil(series.median_s * 1000)


def _lambda_usd(results: Results, side: str, memory_mb: int, batch: int) -> float:
    """Return Lambda's dollars for a million deletions in batches of this size, at 200 ms."""
    seconds = _billed_ms(results.warm[side, memory_mb, 0.2, batch]) / 1000
    return MILLION / batch * _invocation_usd(seconds, memory_mb)


def _invocation_usd(seconds: float, memory_mb: int) -> float:
    return seconds * memory_mb / 1024 * USD_PER_GB_S + USD_PER_INVOCATION


def _concurrency(results: Results, calls: int) -> tuple[str, ...]:
    series = [results.concurrency[calls, latency_s] for latency_s in LATENCIES_S]
    return (str(calls), *map(_spread, series), f"{series[0].cpu_s * 1000:.0f}")


def _check(results: Results, memory_mb: int, name: str) -> tuple[str, ...]:
    starts = results.starts[name, memory_mb]
    series, links = results.checks[name, memory_mb]
    a_dollar = links / _invocation_usd(series.median_s, memory_mb)
    each_ms, a_second = 1000 * series.median_s / links, links / series.median_s
    cells = (f"{each_ms:.1f} ms", f"{a_second:.0f}", f"{a_dollar / MILLION:.1f} million")
    return (f"{memory_mb:,}, {name}", _spread(starts.initialization), _spread(starts.first), *cells)


def _cost(results: Results, side: str) -> tuple[str, ...]:
    batches = MILLION / 10
    costs = (
        _lambda_usd(results, side, results.chosen_mb, 10),
        (MILLION + 2 * batches) * USD_PER_SQS_CALL,  # each sent by itself; received and deleted by tens
        2 * MILLION * USD_PER_WRITE,  # "in progress", and "done"
        12 * 24 * 30 * 5 * USD_PER_SECRET_CALL,  # every 5 minutes for a month, by 5 environments
    )
    return (side, *(f"{cost:.2f}" for cost in costs), f"{sum(costs):.2f}")


def _spread(series: Series) -> str:
    first, third = series.quartiles_s
    return f"{series.median_s * 1000:.0f} ({first * 1000:.0f} to {third * 1000:.0f})"


def markdown(results: Results, about: str) -> str:
    """docs/benchmarks.md's measured part."""
    parts = [about]
    for title, (headings, rows) in tables(results).items():
        parts += ["", f"## {title}", "", _line(headings), _line(["---"] * len(headings)), *map(_line, rows)]
    return "\n".join(parts) + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def draw(results: Results, file: Path) -> None:
    """The chart: new environments, and the billed duration by memory."""
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    colours = {THIS: "#1b7f5c", REFERENCE: "#8d979e", FLOOR: "#c9cfd3"}
    starts = [results.starts[side, results.chosen_mb] for side in SIDES]
    initialization = [1000 * each.initialization.median_s for each in starts]
    first = [1000 * each.first.median_s for each in starts]
    left.barh(SIDES, initialization, color=[colours[side] for side in SIDES])
    left.barh(SIDES, first, left=initialization, color=[colours[side] for side in SIDES], alpha=0.5)
    left.invert_yaxis()
    left.set_title(f"New environment at {results.chosen_mb:,} MB, ms:\ninitialization, then first response (pale)")
    for side in (THIS, REFERENCE):
        usd = [_lambda_usd(results, side, memory_mb, 10) for memory_mb in results.memories_mb]
        right.plot(results.memories_mb, usd, marker="o", label=side, color=colours[side])
    right.set_xticks(results.memories_mb, [f"{mb:,} MB\n{share(mb):.2f}" for mb in results.memories_mb])
    right.set_ylim(bottom=0)
    right.set_title("Lambda's dollars per million deletions,\nby memory and its share of a processor")
    right.legend(frameon=False)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, metadata={"Date": None})
