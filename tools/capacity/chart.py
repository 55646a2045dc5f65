"""Draws how scenarios go: backlog, messages in flight, calls per second and lag over time."""

from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tools.capacity.simulation import HOUR_S, MOST_IN_FLIGHT, Course, Moment, Scenario

SHOWN_H = 96
Line = tuple[Scenario, Course]
ValueOf = Callable[[Moment], float | None]
ROWS: tuple[tuple[str, float, ValueOf], ...] = (  # what, how far up its axis goes at least, and where it stands
    ("waiting", 10, lambda moment: moment.waiting),
    ("in flight", 10, lambda moment: moment.in_flight),
    ("calls/s", 0.02, lambda moment: moment.calls_a_second),
    ("max. lag, h", 1, lambda moment: None if moment.lag_s is None else moment.lag_s / HOUR_S),
)


def draw(lines: Sequence[Line], path: Path) -> None:
    """Writes the chart, the same file for the same lines: a column for each number of deletions a day."""
    mpl.rcParams["svg.hashsalt"] = "the same identifiers in each run"
    lines = [line for line in lines if line[0].in_order]  # the lag of the others is a cloud
    columns = sorted({scenario.deletions_a_day for scenario, _ in lines})
    figure = Figure(figsize=(3.6 * len(columns), 2.4 * len(ROWS)), layout="constrained")
    axes = figure.subplots(len(ROWS), len(columns), sharex=True, squeeze=False)
    for column, deletions_a_day in enumerate(columns):
        its_lines = [line for line in lines if line[0].deletions_a_day == deletions_a_day]
        axes[0][column].set_title(f"{deletions_a_day:,} deletions a day")
        for row, (what, least, value_of) in enumerate(ROWS):
            _draw(axes[row][column], its_lines, value_of)
            axes[row][column].set_ylim(0, max(axes[row][column].get_ylim()[1], least))
            axes[row][0].set_ylabel(what)
        axes[-1][column].set_xlabel("hours; outage of NXCloud shaded")
    axes[1][-1].axhline(MOST_IN_FLIGHT, color="grey", linewidth=0.8, linestyle=":")
    figure.legend(*axes[0][-1].get_legend_handles_labels(), fontsize=8, loc="outside lower center", ncols=3)
    figure.savefig(path, metadata={"Date": None})


def _draw(axes: Axes, lines: Sequence[Line], value_of: ValueOf) -> None:
    for scenario, course in lines:
        shown = [moment for moment in course.moments if moment.hour <= SHOWN_H]
        values = [float("nan") if (value := value_of(moment)) is None else value for moment in shown]
        hours, label = [moment.hour for moment in shown], f"{scenario.name} (MaxConcurrency {scenario.max_concurrency})"
        axes.plot(hours, values, linewidth=1.2, label=label)
    axes.axvspan(lines[0][0].fails_h, lines[0][0].recovers_h, color="orange", alpha=0.12, linewidth=0)
    axes.yaxis.set_major_formatter(lambda value, _: short(value))


def short(number: float) -> str:
    """A number of three digits, with M for millions and k for thousands."""
    size, unit = (1e6, " M") if number >= 1e6 else (1e3, " k") if number >= 1e3 else (1, "")
    return f"{number / size:.{3 if number >= 1 else 2}g}{unit}"
