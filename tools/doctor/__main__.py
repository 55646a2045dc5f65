"""Prints one line for each finding, with the fix, and exits with status 1 if there is a problem."""

import argparse
import sys

from rich.console import Console
from rich.markup import escape

from tools.command import client
from tools.deployment import read_deployment
from tools.doctor.checks import Doctor
from tools.doctor.findings import Finding, Health, exit_status
from tools.program import one_line_errors

STYLES = {Health.OK: "green", Health.WARNING: "yellow", Health.PROBLEM: "bold red", Health.UNKNOWN: "dim"}
_console = Console(highlight=False, soft_wrap=True, emoji=False)


def line(finding: Finding) -> str:
    """Return a finding in one line, with Rich's markup."""
    fix = f" [bold]→ {escape(finding.fix)}[/]" if finding.fix else ""
    state = f"[{STYLES[finding.health]}]{finding.health:<8}[/]"
    return f"{state} {finding.check:<12} {escape(finding.text)}{fix}"


def main(arguments: list[str] | None = None) -> int:
    """Examine a stack. 1 if there is a problem."""
    parser = argparse.ArgumentParser(prog="make doctor", description="Examines a deployed stack, and changes nothing.")
    parser.add_argument("--stack", required=True, help="the stack's name")
    parser.add_argument("--phone", action="append", default=[], help="a business phone to ask NXCloud for")
    parser.add_argument("--bucket-profile", help="an AWS profile of the buckets' account, if it is another one")
    options = parser.parse_args(arguments)
    with one_line_errors(parser.prog):
        deployment = read_deployment(client("cloudformation"), options.stack)
        found = []
        for finding in Doctor(deployment, options.phone, options.bucket_profile).examine():
            _console.print(line(finding))
            found.append(finding)
    return exit_status(found)


if __name__ == "__main__":
    sys.exit(main())
