"""`make bench`: measures the functions, a typical one and the floor by Lambda's processor model, on loopback."""

import argparse
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.environment import create_environment
from benchmarks.measure import FULL, QUICK, measure
from benchmarks.report import draw, markdown, tables
from localdev.cloud import ROOT

PAGE, CHART = ROOT / "docs/benchmarks.md", ROOT / "docs/images/benchmarks.svg"
CHART_TEXT = "Initialization and first response of the three functions, and Lambda's cost by memory"
MARK = "<!-- measured -->"
NO_QUOTA = "without a processor quota, which this machine or user does not have: invocations had a whole processor"


def main() -> int:
    """Measure, print the tables, and write docs/benchmarks.md; in quick mode write nothing."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--python", type=Path, default=Path(sys.executable), help="interpreter of the functions")
    parser.add_argument(
        "--quick", action="store_true", help="take a minute, and write nothing: only the exit status counts"
    )
    options = parser.parse_args()
    console = Console(highlight=False, width=118)
    python = str(options.python.absolute())
    with console.status("build") as status, create_environment(python) as environment:
        has_quota = environment.quota is not None
        if not has_quota:
            console.print(NO_QUOTA)
        results = measure(environment, QUICK if options.quick else FULL, status.update)
    for title, (headings, rows) in tables(results).items():
        table = Table(*headings, title=title)
        for row in rows:
            table.add_row(*row)
        console.print(table)
    if not options.quick:
        draw(results, CHART)
        prose = PAGE.read_text().partition(MARK)[0]
        PAGE.write_text(f"{prose}{MARK}\n\n{markdown(results, _about(python, has_quota=has_quota))}")
    return 0


def _about(python: str, *, has_quota: bool) -> str:
    version = subprocess.run([python, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    system = f"{platform.system()} {platform.release().partition('-')[0]}"
    machine = f"{platform.machine()} with {os.cpu_count()} processors, {system}"
    model = "with the kernel's processor quota" if has_quota else NO_QUOTA
    measured = f"Measured on {datetime.now(UTC):%Y-%m-%d}, {version}, {machine}, {model}."
    return f"{measured}\n\n![{CHART_TEXT}](images/benchmarks.svg)"


if __name__ == "__main__":
    sys.exit(main())
