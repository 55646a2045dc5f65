"""`make capacity`: the queue under many deletions a day and a day without NXCloud, as a table and a chart."""

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
from samcli.yamlhelper import yaml_parse

from localdev.cloud import ROOT
from media_cleanup.provider.gateway import MAX_CALL_S
from tools.capacity.chart import draw, short
from tools.capacity.simulation import DAY_S, HOUR_S, Scenario, SimulationResult, simulate

BATCH_MS = 400  # not measured here; the metric `ProviderLatency` has the real value
_QUEUE = yaml_parse((ROOT / "template.yaml").read_text())["Resources"]["DeletionQueue"]["Properties"]
RETENTION_S: int = _QUEUE["MessageRetentionPeriod"]


def scenarios(batch_s: float) -> list[Scenario]:
    """All scenarios. During the outage, calls take until their deadline, unless they fail at once."""
    usual = Scenario(
        name="as deployed",
        deletions_per_day=100,
        batch_s=batch_s,
        failing_batch_s=batch_s + MAX_CALL_S,
        retention_s=RETENTION_S,
    )
    many = replace(usual, deletions_per_day=10_000_000)
    no_order = replace(many, name="random order", in_order=False)
    wide = replace(many, name="sufficient concurrency", max_concurrency=25)
    limited = replace(many, failing_batch_s=batch_s, max_calls_per_s=200)
    return [
        usual,
        replace(usual, deletions_per_day=10_000),
        replace(usual, deletions_per_day=2_000_000),
        many,
        no_order,
        replace(no_order, name="random order, 4 days kept", retention_s=4 * DAY_S),
        wide,
        replace(wide, name="calls fail at once", failing_batch_s=batch_s),
        replace(wide, name="3 days, random order", in_order=False, outage_end_h=6 + 72),
        replace(limited, name="200 calls/s, excessive", max_concurrency=50),
        replace(limited, name="200 calls/s, matching", max_concurrency=8),
        replace(limited, name="CallsPerSecond=200", max_concurrency=50, calls_per_second=200),
        replace(limited, name="CallsPerSecond=200", max_concurrency=200, calls_per_second=200),
    ]


def comparisons(batch_s: float) -> list[Scenario]:
    """The scenarios whose outage is shown without and with the circuit breaker."""
    _, few, two_million, many, *_ = scenarios(batch_s)
    wide = replace(many, name="sufficient concurrency", max_concurrency=25)
    # At low volume, each message is a batch of its own
    return [
        replace(few, batch_size=1),
        two_million,
        many,
        wide,
        replace(wide, name="calls fail at once", failing_batch_s=batch_s),
    ]


def main() -> int:
    """Simulate all scenarios, print the table and draw the chart."""
    parser = argparse.ArgumentParser(prog="python -m tools.capacity", description=__doc__)
    parser.add_argument(
        "--batch-ms", type=int, default=BATCH_MS, help="duration of a batch in ms (default: %(default)s)"
    )
    parser.add_argument(
        "--chart", type=Path, default=Path("docs/images/scale.svg"), help="file of the chart (default: %(default)s)"
    )
    options = parser.parse_args()
    all_scenarios = scenarios(options.batch_ms / 1000)
    compared = comparisons(options.batch_ms / 1000)
    uninterrupted = [replace(scenario, has_circuit=False, days=2) for scenario in compared]
    interrupted = [replace(scenario, days=2) for scenario in compared]
    with ProcessPoolExecutor() as pool:
        results, without, with_circuit = (
            list(pool.map(_simulate, each)) for each in (all_scenarios, uninterrupted, interrupted)
        )
    simulated = list(zip(all_scenarios, results, strict=True))
    title = f"Outage of one day, {options.batch_ms} ms per batch, message retention of {RETENTION_S // DAY_S} days"
    console = Console(highlight=False, width=118)
    console.print(_table(title, simulated))
    console.print(_outage_table(list(zip(compared, without, with_circuit, strict=True))))
    draw(simulated, options.chart)
    print(f"chart: {options.chart}")
    return 0


def _simulate(scenario: Scenario) -> SimulationResult:
    return simulate(scenario, Random(1).random)  # noqa: S311 (jitter, as in the schedule)


def _table(title: str, simulated: list[tuple[Scenario, SimulationResult]]) -> Table:
    table = Table(title=title, box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("a day", no_wrap=True)
    table.add_column("scenario", no_wrap=True)
    for heading in ("conc.", "visible", "in flight", "calls/s", "after", "lag, h", "late, h", "given up", "expired"):
        table.add_column(heading, justify="right", min_width=len(heading.split()[0]))
    for scenario, result in simulated:
        table.add_row(
            short(scenario.deletions_per_day), scenario.name, str(scenario.max_concurrency), *_row(scenario, result)
        )
    table.caption = (
        "conc.: MaxConcurrency. Maxima: visible, in flight, calls/s during the outage and after it, lag. "
        "late: time after the outage until confirmations are at most 5 minutes late again"
    )
    return table


def _outage_table(compared: list[tuple[Scenario, SimulationResult, SimulationResult]]) -> Table:
    table = Table(title="The day of the outage, without and with the circuit breaker", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("a day", no_wrap=True)
    table.add_column("scenario", no_wrap=True)
    for heading in ("conc.", "receives", "", "calls", "", "Lambda, s", "", "$", ""):
        table.add_column(heading, justify="right")
    for scenario, *results in compared:
        outages = [result.outage for result in results]
        columns = [
            *(short(outage.receives) for outage in outages),
            *(short(outage.calls) for outage in outages),
            *(short(outage.lambda_s) for outage in outages),
            *(f"{outage.dollars:.2f}" for outage in outages),
        ]
        table.add_row(short(scenario.deletions_per_day), scenario.name, str(scenario.max_concurrency), *columns)
    return table


def _row(scenario: Scenario, result: SimulationResult) -> Sequence[str]:
    outage = [each for each in result.snapshots if scenario.outage_start_h < each.hour <= scenario.outage_end_h]
    after = [each for each in result.snapshots if each.hour > scenario.outage_end_h]
    never_recovers = result.late_until_h > 24 * scenario.days - 1
    return (
        short(max(each.visible for each in result.snapshots)),
        short(max(each.in_flight for each in result.snapshots)),
        short(max(each.calls_per_s for each in outage)),
        short(max(each.calls_per_s for each in after)),
        f"{result.longest_lag_s / HOUR_S:.1f}",
        "∞" if never_recovers else f"{result.late_until_h - scenario.outage_end_h:.1f}",
        short(result.given_up),
        short(result.expired),
    )


if __name__ == "__main__":
    sys.exit(main())
