"""`make absence`: simulates verified absence in every scenario, and prints what was declared gone."""

import argparse
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import groupby
from multiprocessing import get_context

from rich.console import Console
from rich.table import Table

from tests.absence_model.findings import Findings, every_scenario, simulate
from tests.absence_model.probability import most_probable


def main() -> int:
    """Run the simulations. Returns 0 if no living media file was declared gone."""
    parser = argparse.ArgumentParser(prog="python -m tests.absence_model", description=__doc__)
    parser.add_argument("--media", type=int, default=5000, help="media files in each scenario (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=3, help="random seeds, from 1 (default: %(default)s)")
    parser.add_argument("--processes", type=int, default=2, help="default: %(default)s")
    options = parser.parse_args()
    console = Console(highlight=False, width=130)
    works = [(name, seed) for name in every_scenario() for seed in range(1, options.seeds + 1)]
    with ProcessPoolExecutor(options.processes, get_context("spawn")) as pool:
        findings = list(pool.map(partial(simulate, options.media), works))
    console.print(table(findings))
    for each in (each for each in findings if each.wrongly_gone):
        console.print(f"{each.scenario}: {each.wrongly_gone} living media files declared gone", style="red")
    probability, share = most_probable()
    console.print(
        f"random failures: at most {probability * 1e5:.2f} in 100,000 (computed; at {share:.1%} of the calls)"
    )
    return 1 if any(each.wrongly_gone for each in findings) else 0


def table(findings: Iterable[Findings]) -> Table:
    """Format the findings, one row for a group of scenarios, and one for each scenario of media files that are gone."""
    caption = "controls left: the most in one run, and its numbers times its environments"
    shown = Table(title="Verified absence", caption=caption)
    for heading in ("scenario", "media files", "deleted", "already gone", "by receive 6", "living, but declared gone"):
        shown.add_column(heading, justify="left" if heading == "scenario" else "right")
    shown.add_column("controls left", justify="right")
    for name, group in groupby(findings, lambda each: each.scenario if each.group == "gone" else each.group):
        each = list(group)

        def total(of: Callable[[Findings], int], each: list[Findings] = each) -> int:
            return sum(map(of, each))

        media = total(lambda run: run.media)
        in_time = total(lambda run: run.in_time)
        most = max(each, key=lambda run: run.controls)
        shown.add_row(
            f"{name} ({len(each)} runs)",
            f"{media:,}",
            f"{total(lambda run: run.deleted):,}",
            f"{total(lambda run: run.already_gone):,}",
            f"{in_time:,}" + (f" ({in_time / media:.2%})" if each[0].group == "gone" else ""),
            str(total(lambda run: run.wrongly_gone)),
            f"{most.controls} of {most.pairs}",
        )
    return shown


if __name__ == "__main__":
    sys.exit(main())
