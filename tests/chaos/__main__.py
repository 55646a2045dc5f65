"""`make soak N=… SEED=…`: a storm over the deployed template, and what became of everything."""

import argparse
import sys

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from media_cleanup.provider.gateway import MAX_CALL_S
from tests.chaos.findings import Findings
from tests.chaos.scenario import raise_storm

SHOWN = 5


def main() -> int:
    """Raises the storm and prints its table. 0 if nothing happened that must not."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--n", type=int, default=2000, help="media that are asked for (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="what chance begins with (default: %(default)s)")
    options = parser.parse_args()
    console = Console(highlight=False, width=max(100, min(Console().width, 118)))
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=options.n)
        findings = raise_storm(
            options.n,
            options.seed,
            lambda what, gone: progress.update(task, description=what, completed=gone),
        )
    console.print(table(findings, options.seed))
    for what, cases in findings.must_be_none.items():
        for case in cases[:SHOWN]:
            console.print(f"{what.partition(':')[0]}: {case}", style="red", markup=False, soft_wrap=True)
    return 0 if findings.sound else 1


def table(findings: Findings, seed: int) -> Table:
    """The findings for people."""
    shown = Table(title=f"A storm over {findings.media} media, seed {seed}", show_header=False)
    shown.add_row("media asked for", str(findings.media))
    shown.add_row("media left alone, as a control", str(findings.left_alone))
    shown.add_row("gone from NXCloud", str(findings.gone))
    shown.add_row("seconds", f"{findings.seconds:.0f}")
    shown.add_row("calls of deleteMedia", f"{findings.calls} ({findings.calls / max(1, findings.gone):.2f} a deletion)")
    shown.add_row("faults", _counted(findings.faults))
    shown.add_row("faults of AWS", _counted(findings.aws_faults))
    shown.add_row("functions killed", _counted(findings.kills) or "none")
    over_ms = 1000 * (findings.longest_call_s - MAX_CALL_S)
    shown.add_row("longest call, as NXCloud saw it", f"{findings.longest_call_s:.2f} s, {over_ms:.0f} ms over its 10 s")
    shown.add_row("log lines", _counted(findings.outcomes))
    shown.add_row("dead-lettered, by reason", _counted(findings.dead_letters) or "none")
    shown.add_section()
    for what, cases in findings.must_be_none.items():
        shown.add_row(what, f"[red]{len(cases)}[/]" if cases else "[green]0[/]")
    return shown


def _counted(counts: dict[str, int]) -> str:
    return "\n".join(f"{count} {what}" for what, count in sorted(counts.items(), key=lambda item: -item[1]))


if __name__ == "__main__":
    sys.exit(main())
