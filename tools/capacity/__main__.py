"""`make simulate`: what many deletions a day, and a day without NXCloud, do to the queue; a table and a chart."""

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from random import Random

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from media_cleanup.provider.gateway import MAX_CALL_S
from tests.redelivery_model.system import RETENTION_S
from tools.capacity.chart import draw, short
from tools.capacity.simulation import DAY_S, HOUR_S, Course, Scenario, simulate

BATCH_MS = 400  # not measured: nobody but NXCloud's customers can; `ProviderLatency` tells yours


def scenarios(batch_s: float) -> list[Scenario]:
    """All of them. While NXCloud is down calls hang until their deadline, unless they fail at once."""
    usual = Scenario(
        name="as deployed",
        deletions_a_day=100,
        batch_s=batch_s,
        failing_batch_s=batch_s + MAX_CALL_S,
        retention_s=RETENTION_S,
    )
    many = replace(usual, deletions_a_day=10_000_000)
    no_order = replace(many, name="no order", in_order=False)
    wide = replace(many, name="wide enough", max_concurrency=25)
    limited = replace(many, failing_batch_s=batch_s, most_calls_a_second=200)
    return [
        usual,
        replace(usual, deletions_a_day=10_000),
        replace(usual, deletions_a_day=2_000_000),
        many,
        no_order,
        replace(no_order, name="no order, kept 4 days", retention_s=4 * DAY_S),
        wide,
        replace(wide, name="calls fail at once", failing_batch_s=batch_s),
        replace(wide, name="3 days, no order", in_order=False, recovers_h=6 + 72),
        replace(limited, name="200 calls/s, too wide", max_concurrency=50),
        replace(limited, name="200 calls/s, fitting", max_concurrency=8),
    ]


def main() -> int:
    """Runs all scenarios, prints the table and draws the chart."""
    parser = argparse.ArgumentParser(prog="python -m tools.capacity", description=__doc__)
    parser.add_argument("--batch-ms", type=int, default=BATCH_MS, help="how long a batch takes (default: %(default)s)")
    parser.add_argument("--chart", type=Path, default=Path("docs/scale.svg"), help="(default: %(default)s)")
    options = parser.parse_args()
    chosen = scenarios(options.batch_ms / 1000)
    with ProcessPoolExecutor() as pool:
        courses = list(pool.map(_course, chosen))
    title = f"A day without NXCloud, at {options.batch_ms} ms a batch, messages kept for {RETENTION_S // DAY_S} days"
    Console(highlight=False, width=118).print(_table(title, list(zip(chosen, courses, strict=True))))
    draw(list(zip(chosen, courses, strict=True)), options.chart)
    print(f"chart: {options.chart}")
    return 0


def _course(scenario: Scenario) -> Course:
    return simulate(scenario, Random(1).random)  # noqa: S311 (to spread load, as the schedule does)


def _table(title: str, lines: list[tuple[Scenario, Course]]) -> Table:
    shown = Table(title=title, box=SIMPLE_HEAD, pad_edge=False)
    shown.add_column("a day", no_wrap=True)
    shown.add_column("scenario", no_wrap=True)
    for heading in ("wide", "waiting", "in flight", "calls/s", "then", "lag, h", "late, h", "given up", "lost"):
        shown.add_column(heading, justify="right", no_wrap=True)
    for scenario, course in lines:
        shown.add_row(
            short(scenario.deletions_a_day), scenario.name, str(scenario.max_concurrency), *_row(scenario, course)
        )
    shown.caption = (
        "wide: MaxConcurrency. waiting, in flight, calls/s while NXCloud is down and then, lag: the most. "
        "late: how long after the outage a confirmation was more than 5 minutes late"
    )
    return shown


def _row(scenario: Scenario, course: Course) -> Sequence[str]:
    down = [one for one in course.moments if scenario.fails_h < one.hour <= scenario.recovers_h]
    then = [one for one in course.moments if one.hour > scenario.recovers_h]
    is_late_for_ever = course.late_until_h > 24 * scenario.days - 1
    return (
        short(max(one.waiting for one in course.moments)),
        short(max(one.in_flight for one in course.moments)),
        short(max(one.calls_a_second for one in down)),
        short(max(one.calls_a_second for one in then)),
        f"{course.longest_lag_s / HOUR_S:.1f}",
        "∞" if is_late_for_ever else f"{course.late_until_h - scenario.recovers_h:.1f}",
        short(course.given_up),
        short(course.expired),
    )


if __name__ == "__main__":
    sys.exit(main())
