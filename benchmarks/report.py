"""Reports the measurements: tables, a chart, and the cost of a million deletions."""

from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.environment import FLOOR, REFERENCE, THIS
from benchmarks.measure import Results, Series

SIDES = (THIS, REFERENCE, FLOOR)
# us-east-1, first tiers, without the free ones (source: the pages "AWS Lambda Pricing", "Amazon SQS Pricing", "Amazon
# DynamoDB pricing for on-demand capacity", "AWS Secrets Manager Pricing")
USD_PER_GB_S = 0.0000133334  # arm64
USD_PER_INVOCATION = 0.20 / 1e6
USD_PER_SQS_CALL = 0.40 / 1e6
USD_PER_WRITE = 0.625 / 1e6
USD_PER_SECRET_CALL = 0.05 / 1e4
MEMORY_GB = 0.5
VCPU_AT_GB = 1769 / 1024  # the memory at which a function has one whole vCPU
MILLION = 1_000_000


@dataclass(frozen=True)
class Row:
    """A line of a table."""

    what: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Target:
    """A ratio, and what it should be at most."""

    what: str
    ratio: float
    at_most: float

    @property
    def met(self) -> bool:
        """Whether it is."""
        return self.ratio <= self.at_most


def targets(results: Results) -> list[Target]:
    """The ratios that matter, each of two things that were measured in this run."""
    cold = {side: series.median_s for side, series in results.cold.items()}
    one, ten = (results.warm[THIS, 0.2, batch].median_s for batch in (1, 10))
    mine, other = (results.growth[side] for side in (THIS, REFERENCE))
    same = {one.deletions: one.cpu_ms_each for one in mine}[other[-1].deletions]
    return [
        Target("cold start, to the reference", cold[THIS] / cold[REFERENCE], 0.40),
        Target("cold start, to the floor", cold[THIS] / cold[FLOOR], 1.5),
        Target("a batch of 10 at 200 ms, to one call", ten / one, 1.3),
        Target("CPU time of a warm deletion, to the reference", same / other[-1].cpu_ms_each, 0.8),
        Target(
            f"CPU time of a deletion, {mine[-1].deletions:,} to {mine[0].deletions:,}",
            mine[-1].cpu_ms_each / mine[0].cpu_ms_each,
            1.1,
        ),
    ]


def tables(results: Results) -> dict[str, tuple[tuple[str, ...], list[Row]]]:
    """Every table: its title, its headings, its rows."""
    return {
        "Targets": (
            ("ratio", "measured", "target, at most", "result"),
            [_target(target) for target in targets(results)],
        ),
        "Cold start to the first response, ms": (
            ("function", "median", "quartiles", "CPU time", "to the reference"),
            [_cold(results, side) for side in SIDES],
        ),
        "Warm batches, ms: median (quartiles)": (
            ("messages, NXCloud's latency", *SIDES, "this / reference"),
            _warm(results),
        ),
        "CPU time of a deletion, ms, and peak memory, MB": (
            ("function", "deletions", "CPU time per deletion", "peak memory"),
            [
                Row(side, (f"{one.deletions:,}", f"{one.cpu_ms_each:.2f}", f"{one.peak_mb:.0f}"))
                for side, growth in results.growth.items()
                for one in growth
            ],
        ),
        "Batch of 10 at 200 ms by ConcurrentCalls, ms": (
            ("ConcurrentCalls", "median (quartiles)"),
            [Row(str(calls), (_spread(series),)) for calls, series in results.concurrency.items()],
        ),
        "Cost of a million deletions, US dollars": (
            ("function", "Lambda", "SQS", "DynamoDB", "Secrets Manager", "total"),
            [_cost(results, side) for side in (THIS, REFERENCE)],
        ),
    }


def billed_s(results: Results, side: str) -> float:
    """The seconds of a batch of 10 at 200 ms, were it given the share of a processor that its memory buys.

    While it waits it needs none; its CPU time is stretched by that share.
    """
    series, cpu_s = results.warm[side, 0.2, 10], results.growth[side][-1].cpu_ms_each / 100
    return max(series.median_s, series.median_s - cpu_s + cpu_s * VCPU_AT_GB / MEMORY_GB)


def _cost(results: Results, side: str) -> Row:
    batches = MILLION / 10
    costs = (
        batches * (billed_s(results, side) * MEMORY_GB * USD_PER_GB_S + USD_PER_INVOCATION),
        (MILLION + 2 * batches) * USD_PER_SQS_CALL,  # each sent by itself; received and deleted by tens
        2 * MILLION * USD_PER_WRITE,  # "in progress", and "done"
        12 * 24 * 30 * 5 * USD_PER_SECRET_CALL,  # every 5 minutes for a month, by 5 environments
    )
    return Row(side, (*(f"{cost:.2f}" for cost in costs), f"{sum(costs):.2f}"))


def _target(target: Target) -> Row:
    return Row(target.what, (f"{target.ratio:.2f}", f"{target.at_most:g}", "met" if target.met else "missed"))


def _cold(results: Results, side: str) -> Row:
    series = results.cold[side]
    first, third = series.quartiles_s
    ratio = series.median_s / results.cold[REFERENCE].median_s
    spread = f"{first * 1000:.0f} to {third * 1000:.0f}"
    return Row(side, (f"{series.median_s * 1000:.0f}", spread, f"{series.cpu_s * 1000:.0f}", f"{ratio:.2f}"))


def _warm(results: Results) -> list[Row]:
    cases = sorted({(batch, latency_s) for _, latency_s, batch in results.warm})
    rows = []
    for batch, latency_s in cases:
        series = [results.warm[side, latency_s, batch] for side in SIDES]
        ratio = series[0].median_s / series[1].median_s
        rows.append(Row(f"{batch}, {latency_s * 1000:.0f} ms", (*map(_spread, series), f"{ratio:.2f}")))
    return rows


def _spread(series: Series) -> str:
    first, third = series.quartiles_s
    return f"{series.median_s * 1000:.0f} ({first * 1000:.0f} to {third * 1000:.0f})"


def markdown(results: Results, about: str) -> str:
    """docs/benchmarks.md's measured part."""
    parts = [about]
    for title, (headings, rows) in tables(results).items():
        parts += ["", f"## {title}", "", _line(headings), _line(["---"] * len(headings))]
        parts += [_line((row.what, *row.cells)) for row in rows]
    return "\n".join(parts) + "\n"


def _line(cells: tuple[str, ...] | list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def draw(results: Results, file: Path) -> None:
    """The chart: cold starts, and batches of 10."""
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    colours = {THIS: "#1b7f5c", REFERENCE: "#b0b7bd", FLOOR: "#d9dde0"}
    left.barh(SIDES, [results.cold[side].median_s * 1000 for side in SIDES], color=[colours[side] for side in SIDES])
    left.invert_yaxis()
    left.set_title("Cold start to the first response, ms")
    latencies = sorted({latency_s for _, latency_s, _ in results.warm})
    for number, side in enumerate(SIDES):
        heights = [results.warm[side, latency_s, 10].median_s * 1000 for latency_s in latencies]
        places = [place + 0.27 * (number - 1) for place in range(len(latencies))]
        right.bar(places, heights, width=0.25, label=side, color=colours[side])
    right.set_xticks(range(len(latencies)), [f"{latency_s * 1000:.0f} ms" for latency_s in latencies])
    right.set_title("Batch of 10 by NXCloud's latency, ms")
    right.legend(frameon=False)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, metadata={"Date": None})
