"""`make chaos N=… SEED=…`: many deletions over the deployed template under injected faults, and a report."""

import argparse
import sys

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from media_cleanup.provider.gateway import MAX_CALL_S
from tests.chaos.findings import Findings
from tests.chaos.scenario import run_scenario

MAX_SHOWN = 5


def main() -> int:
    """Run a scenario, and print its report. Returns 0 if no guarantee was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--n", type=int, default=2000, help="media files to delete (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="random seed (default: %(default)s)")
    options = parser.parse_args()
    console = Console(highlight=False, width=max(100, min(Console().width, 118)))
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=options.n)
        findings = run_scenario(
            options.n,
            options.seed,
            lambda phase, deleted: progress.update(task, description=phase, completed=deleted),
        )
    console.print(report_table(findings, options.seed))
    for violation, cases in findings.violations.items():
        for case in cases[:MAX_SHOWN]:
            console.print(f"{violation.partition(':')[0]}: {case}", style="red", markup=False, soft_wrap=True)
    return 0 if findings.passed else 1


def report_table(findings: Findings, seed: int) -> Table:
    """Format the findings as a table."""
    table = Table(title=f"Chaos test with {findings.requested} media files, seed {seed}", show_header=False)
    table.add_row("media files to delete", str(findings.requested))
    table.add_row("bystanders, not to be deleted", str(findings.bystanders))
    table.add_row("deleted from NXCloud, or expired", f"{findings.deleted}, of which {findings.expired} expired")
    table.add_row("controls left behind", str(findings.controls))
    table.add_row("seconds", f"{findings.seconds:.0f}")
    calls_per_deletion = findings.calls / max(1, findings.deleted)
    table.add_row("calls to deleteMedia", f"{findings.calls} ({calls_per_deletion:.2f} per deletion)")
    table.add_row("faults of NXCloud", _format_counts(findings.faults))
    table.add_row("faults of AWS", _format_counts(findings.aws_faults))
    table.add_row("functions killed", _format_counts(findings.kills) or "none")
    over_ms = 1000 * (findings.longest_call_s - MAX_CALL_S)
    table.add_row("longest call, measured by NXCloud", f"{findings.longest_call_s:.2f} s, {over_ms:.0f} ms over 10 s")
    table.add_row("log lines", _format_counts(findings.outcomes))
    table.add_row("outcome events", f"{findings.events}, of which {findings.distinct_events} distinct")
    table.add_row("dead-lettered, by reason", _format_counts(findings.dead_letters) or "none")
    table.add_section()
    for violation, cases in findings.violations.items():
        table.add_row(violation, f"[red]{len(cases)}[/]" if cases else "[green]0[/]")
    return table


def _format_counts(counts: dict[str, int]) -> str:
    return "\n".join(f"{count} {name}" for name, count in sorted(counts.items(), key=lambda item: -item[1]))


if __name__ == "__main__":
    sys.exit(main())
