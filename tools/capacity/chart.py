"""Draws the scenarios over time: messages visible and in flight, calls per second, lag."""

from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tools.capacity.simulation import HOUR_S, MAX_IN_FLIGHT, Scenario, SimulationResult, Snapshot

SHOWN_H = 96
Simulated = tuple[Scenario, SimulationResult]
ValueOf = Callable[[Snapshot], float | None]
ROWS: tuple[tuple[str, float, ValueOf], ...] = (  # label, least upper end of the axis, value
    ("visible", 10, lambda snapshot: snapshot.visible),
    ("in flight", 10, lambda snapshot: snapshot.in_flight),
    ("calls/s", 0.02, lambda snapshot: snapshot.calls_per_s),
    ("max. lag, h", 1, lambda snapshot: None if snapshot.lag_s is None else snapshot.lag_s / HOUR_S),
)


def draw(simulated: Sequence[Simulated], path: Path) -> None:
    """Write the chart, always the same file for the same results: a column for each number of deletions a day."""
    mpl.rcParams["svg.hashsalt"] = "the same identifiers in each run"
    simulated = [each for each in simulated if each[0].in_order]  # the lag in random order shows no curve
    columns = sorted({scenario.deletions_per_day for scenario, _ in simulated})
    figure = Figure(figsize=(3.6 * len(columns), 2.4 * len(ROWS)), layout="constrained")
    axes = figure.subplots(len(ROWS), len(columns), sharex=True, squeeze=False)
    for column, deletions_per_day in enumerate(columns):
        in_column = [each for each in simulated if each[0].deletions_per_day == deletions_per_day]
        axes[0][column].set_title(f"{deletions_per_day:,} deletions a day")
        for row, (label, least, value_of) in enumerate(ROWS):
            _draw(axes[row][column], in_column, value_of)
            axes[row][column].set_ylim(0, max(axes[row][column].get_ylim()[1], least))
            axes[row][0].set_ylabel(label)
        axes[-1][column].set_xlabel("hours; outage of NXCloud shaded")
    axes[1][-1].axhline(MAX_IN_FLIGHT, color="grey", linewidth=0.8, linestyle=":")
    figure.legend(*axes[0][-1].get_legend_handles_labels(), fontsize=8, loc="outside lower center", ncols=3)
    figure.savefig(path, metadata={"Date": None})


def _draw(axes: Axes, simulated: Sequence[Simulated], value_of: ValueOf) -> None:
    for scenario, result in simulated:
        shown = [snapshot for snapshot in result.snapshots if snapshot.hour <= SHOWN_H]
        values = [float("nan") if (value := value_of(snapshot)) is None else value for snapshot in shown]
        hours = [snapshot.hour for snapshot in shown]
        label = f"{scenario.name} (MaxConcurrency {scenario.max_concurrency})"
        axes.plot(hours, values, linewidth=1.2, label=label)
    outage = simulated[0][0]
    axes.axvspan(outage.outage_start_h, outage.outage_end_h, color="orange", alpha=0.12, linewidth=0)
    axes.yaxis.set_major_formatter(lambda value, _: short(value))


def short(number: float) -> str:
    """Format a number with three digits, with M for millions and k for thousands."""
    size, unit = (1e6, " M") if number >= 1e6 else (1e3, " k") if number >= 1e3 else (1, "")
    return f"{number / size:.{3 if number >= 1 else 2}g}{unit}"
