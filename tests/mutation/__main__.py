"""`make mutation`: lets cosmic-ray change the pure rules bit by bit, and shows that some test notices each change."""

import argparse
import subprocess
import sys
import tempfile
import time
import tomllib
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cosmic_ray.work_db import WorkDB, use_db
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from tests.mutation.runner import PROJECT, environment, map_concurrently, project_copy, run, tool

MIN_PERCENT = 90
HYPOTHESIS_PROFILE = "--hypothesis-profile=first-failure"
EQUIVALENTS = PROJECT / "tests/mutation/equivalent.toml"
CLEANUP, NXCLOUD = Path("layers/media_cleanup/media_cleanup"), Path("layers/nxcloud/nxcloud")
# Each module of rules, and its fastest tests
TESTS = {
    CLEANUP / "triggers/parsing.py": "tests/unit/test_parsing.py",
    CLEANUP / "request.py": "tests/unit/test_parsing.py tests/unit/test_runner.py tests/unit/test_sqs.py",
    CLEANUP / "model.py": "tests/unit/test_model.py tests/unit/test_parsing.py tests/unit/test_deletion_rules.py",
    CLEANUP / "masking.py": "tests/unit/test_masking.py",
    CLEANUP / "deletion_rules.py": "tests/unit/test_deletion_rules.py tests/model/test_deletion_rules.py",
    CLEANUP / "provider/absence.py": "tests/unit/test_absence.py",
    CLEANUP / "provider/pauses.py": "tests/unit/test_pauses.py",
    CLEANUP / "verify_absence.py": "tests/unit/test_verify_absence.py",
    CLEANUP / "provider/classification.py": "tests/unit/test_classification.py",
    CLEANUP / "brake.py": "tests/unit/test_brake.py",
    CLEANUP / "provider/breaker.py": "tests/unit/test_breaker.py",
    CLEANUP / "provider/pacing.py": "tests/unit/test_pacing.py",
    CLEANUP / "provider/flow_control.py": "tests/unit/test_flow_control.py",
    CLEANUP / "result.py": "tests/unit/test_result.py tests/unit/test_backoff.py tests/unit/test_sqs.py",
    CLEANUP / "triggers/batches.py": "tests/unit/test_batches.py",
    CLEANUP / "triggers/failures.py": "tests/unit/test_failures.py",
    CLEANUP / "triggers/outcome_events.py": "tests/unit/test_outcome_events.py",
    CLEANUP / "triggers/backoff.py": "tests/unit/test_backoff.py tests/unit/test_sqs.py",
    CLEANUP / "triggers/dead_letters.py": "tests/unit/test_dead_letters.py tests/unit/test_sqs.py",
    CLEANUP / "triggers/sqs.py": "tests/unit/test_sqs.py tests/unit/test_sqs_events.py",
    CLEANUP / "aws/credentials.py": "tests/unit/test_credentials.py",
    NXCLOUD / "signing.py": "tests/unit/test_signing.py",
    NXCLOUD / "errors.py": "tests/unit/test_errors.py tests/unit/test_classification.py",
    NXCLOUD / "clock.py": "tests/unit/test_clock.py",
    NXCLOUD / "responses.py": "tests/unit/test_responses.py",
    NXCLOUD / "files.py": "tests/unit/test_files.py",
}
CONFIG = """
[cosmic-ray]
module-path = "{module}"
timeout = 60.0
excluded-modules = []
test-command = "{python} -m pytest -x -q -p no:cacheprovider {profile} tests/unit/test_dataclasses.py {tests}"

[cosmic-ray.distributor]
name = "local"

[cosmic-ray.filters.operators-filter]
exclude-operators = [
  ".*_BitOr_.*",     # types such as `str | None`: they do not run
  ".*_(Eq|Is)_(Eq|Is)$",         # equal constants are the same object in CPython
  ".*_(NotEq|IsNot)_(NotEq|IsNot)$",  # equal constants are the same object in CPython
]
"""


@dataclass(frozen=True)
class Mutant:
    """A change of one line of a module that no test noticed; `module` is the path within its package."""

    module: str
    was: str
    becomes: str


@dataclass
class Findings:
    """The number of a module's mutants, and the survivors."""

    module: Path
    mutants: int = 0
    survivors: tuple[Mutant, ...] = ()


def main() -> int:
    """Print a table. 0 if enough mutants were killed, and every survivor is known to be equivalent."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("modules", nargs="*", help="names such as parsing.py (default: all)")
    chosen = [module for module in TESTS if module.name in parser.parse_args().modules] or list(TESTS)
    console = Console(highlight=False)
    columns = (TextColumn("{task.description:18}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    known = {
        Mutant(each["module"], each["was"], each["becomes"])
        for each in tomllib.loads(EQUIVALENTS.read_text())["mutant"]
    }
    with Progress(*columns, console=console) as progress:
        findings = map_concurrently(partial(mutate, progress=progress, known=known), chosen)
    console.print(table(findings, known))
    unexplained = [mutant for each in findings for mutant in each.survivors if mutant not in known]
    survived = {mutant for each in findings for mutant in each.survivors}
    examined = {name_in_package(each.module) for each in findings}
    outdated = [mutant for mutant in known if mutant not in survived and mutant.module in examined]
    for mutant in outdated:
        console.print(f"no longer survives: {mutant}", style="yellow", markup=False, soft_wrap=True)
    return 1 if unexplained or outdated or percent_killed(findings) < MIN_PERCENT else 0


def percent_killed(findings: list[Findings]) -> float:
    """Return the percentage of mutants that some test noticed; equivalent ones count as not noticed."""
    mutants = sum(each.mutants for each in findings)
    return 100 * (1 - sum(len(each.survivors) for each in findings) / max(1, mutants))


def table(findings: list[Findings], known: set[Mutant]) -> Table:
    """Return the findings as a table."""
    shown = Table(title="Mutants", caption=f"equivalent: see {EQUIVALENTS.relative_to(PROJECT)}")
    for heading in ("module", "mutants", "killed", "equivalent", "missed", "percent killed"):
        shown.add_column(heading, justify="left" if heading == "module" else "right")
    for each in findings:
        equivalent = sum(mutant in known for mutant in each.survivors)
        counts = (each.mutants, each.mutants - len(each.survivors), equivalent, len(each.survivors) - equivalent)
        shown.add_row(name_in_package(each.module), *map(str, counts), f"{percent_killed([each]):.1f}")
    shown.add_section()
    mutants, survivors = sum(each.mutants for each in findings), sum(len(each.survivors) for each in findings)
    shown.add_row("all", str(mutants), str(mutants - survivors), "", "", f"{percent_killed(findings):.1f}")
    return shown


def mutate(module: Path, progress: Progress, known: set[Mutant]) -> Findings:
    """Try every mutant of a module, in a copy of the project, and print the survivors that are not known."""
    with project_copy() as copy, tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        config, session = Path(folder) / "config.toml", Path(folder) / "session.sqlite"
        config.write_text(
            CONFIG.format(module=module, tests=TESTS[module], python=sys.executable, profile=HYPOTHESIS_PROFILE)
        )
        run(copy, tool("cosmic-ray"), "init", str(config), str(session)).check_returncode()
        run(copy, tool("cr-filter-operators"), str(session), str(config)).check_returncode()
        _try_all(copy, config, session, progress.add_task(name_in_package(module)), progress)
        with use_db(str(session), WorkDB.Mode.open) as work:
            tried = [result for _, result in work.completed_work_items if result.test_outcome]
    survivors = [_mutant(module, result.diff or "") for result in tried if not result.is_killed]
    progress.console.print(f"{name_in_package(module)}: {len(tried) - len(survivors)} of {len(tried)} killed")
    for mutant in survivors:
        if mutant not in known:
            lines = f"{mutant.module}\n- {mutant.was}\n+ {mutant.becomes}"
            progress.console.print(lines, style="red", markup=False, soft_wrap=True)
    return Findings(module, len(tried), tuple(survivors))


def name_in_package(module: Path) -> str:
    """Return a module's path within its package, such as triggers/parsing.py."""
    return str(module.relative_to(CLEANUP if module.is_relative_to(CLEANUP) else NXCLOUD))


def _try_all(copy: Path, config: Path, session: Path, task: TaskID, progress: Progress) -> None:
    with use_db(str(session), WorkDB.Mode.open) as work:
        progress.update(task, total=work.num_work_items)
        command = [tool("cosmic-ray"), "exec", str(config), str(session)]
        with subprocess.Popen(
            command, cwd=copy, env=environment(copy), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as trying:
            while trying.poll() is None:
                progress.update(task, completed=work.num_results)
                time.sleep(1)  # only the display waits for it
        progress.update(task, completed=work.num_results)
        if trying.returncode != 0 or work.num_results != work.num_work_items:
            raise SystemExit(f"cosmic-ray ended early: {work.num_results} of {work.num_work_items} mutants tried")


def _mutant(module: Path, diff: str) -> Mutant:
    lines = [line for line in diff.splitlines() if line[1:].strip() and not line.startswith(("---", "+++"))]
    was, becomes = (" ".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+")
    return Mutant(name_in_package(module), was, becomes)


if __name__ == "__main__":
    sys.exit(main())
