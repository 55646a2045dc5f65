"""`make mutants`: changes the pure decisions bit by bit, and shows that some test notices each change."""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from cosmic_ray.work_db import WorkDB, use_db
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SweepCheckpoint, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from localdev.cloud import ROOT

LEAST_PERCENT = 90
EQUIVALENTS = ROOT / "tests/mutation/equivalent.toml"
LAYERS = Path("layers/media_cleanup/media_cleanup"), Path("layers/nxcloud/nxcloud")
# What decides, and the quickest tests that speak of it
TESTS = {
    LAYERS[0] / "events.py": "tests/unit/test_events.py",
    LAYERS[0] / "media.py": "tests/unit/test_media.py tests/unit/test_events.py",
    LAYERS[0] / "masking.py": "tests/unit/test_masking.py",
    LAYERS[0] / "links.py": "tests/unit/test_links.py tests/model/test_choice.py",
    LAYERS[0] / "absence.py": "tests/unit/test_absence.py",
    LAYERS[0] / "classification.py": "tests/unit/test_classification.py",
    LAYERS[0] / "outcome.py": "tests/unit/test_outcome.py tests/unit/test_redelivery.py",
    LAYERS[0] / "redelivery.py": "tests/unit/test_redelivery.py tests/unit/test_settling.py",
    LAYERS[1] / "signing.py": "tests/unit/test_signing.py",
    LAYERS[1] / "errors.py": "tests/unit/test_classification.py",
    LAYERS[1] / "clock.py": "tests/unit/test_clock.py",
    LAYERS[1] / "answers.py": "tests/unit/test_answers.py",
}
CONFIG = """
[cosmic-ray]
module-path = "{module}"
timeout = 60.0
excluded-modules = []
test-command = "{python} -m pytest -x -q -p no:cacheprovider tests/unit/test_facts.py {tests}"

[cosmic-ray.distributor]
name = "local"

[cosmic-ray.filters.operators-filter]
exclude-operators = [
  ".*_BitOr_.*",     # types such as `str | None`: not what runs
  ".*_(Eq|Is)_(Eq|Is)$",         # equal constants are the same object in CPython
  ".*_(NotEq|IsNot)_(NotEq|IsNot)$",  # likewise
]
"""


@dataclass(frozen=True)
class Mutant:
    """A change to one line of a module that no test noticed."""

    module: str
    was: str
    becomes: str


@dataclass
class Findings:
    """How many mutants of a module there were, and which of them survived."""

    module: Path
    mutants: int = 0
    survivors: tuple[Mutant, ...] = ()


def main() -> int:
    """Prints a table. 0 if enough mutants were killed, and every survivor is known to be equivalent."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("modules", nargs="*", help="names such as events.py (default: all)")
    chosen = [module for module in TESTS if module.name in parser.parse_args().modules] or list(TESTS)
    console = Console(highlight=False)
    columns = (TextColumn("{task.description:18}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with SweepCheckpoint(*columns, console=console) as progress, ThreadPoolExecutor(2) as pool:
        findings = list(pool.map(lambda module: mutate(module, progress), chosen))
    known = {
        Mutant(one["module"], one["was"], one["becomes"]): one["because"]
        for one in tomllib.loads(EQUIVALENTS.read_text())["mutant"]
    }
    console.print(table(findings, known))
    unexplained = [mutant for one in findings for mutant in one.survivors if mutant not in known]
    for mutant in unexplained:
        console.print(f"{mutant.module}\n- {mutant.was}\n+ {mutant.becomes}", style="red", markup=False)
    survived = {mutant for one in findings for mutant in one.survivors}
    outdated = [m for m in known if m not in survived and m.module in {one.module.name for one in findings}]
    for mutant in outdated:
        console.print(f"no longer survives: {mutant}", style="yellow", markup=False)
    return 1 if unexplained or outdated or percent_killed(findings) < LEAST_PERCENT else 0


def percent_killed(findings: list[Findings]) -> float:
    """The share of mutants that some test noticed, the equivalent ones counted as missed."""
    mutants = sum(one.mutants for one in findings)
    return 100 * (1 - sum(len(one.survivors) for one in findings) / max(1, mutants))


def table(findings: list[Findings], known: dict[Mutant, str]) -> Table:
    """The findings for people."""
    shown = Table(title="Mutants", caption=f"equivalent: see {EQUIVALENTS.relative_to(ROOT)}")
    for heading in ("module", "mutants", "killed", "equivalent", "missed", "percent killed"):
        shown.add_column(heading, justify="left" if heading == "module" else "right")
    for one in findings:
        equivalent = sum(mutant in known for mutant in one.survivors)
        shown.add_row(
            one.module.name,
            *map(str, (one.mutants, one.mutants - len(one.survivors), equivalent, len(one.survivors) - equivalent)),
            f"{percent_killed([one]):.1f}",
        )
    shown.add_section()
    shown.add_row("all", str(sum(one.mutants for one in findings)), "", "", "", f"{percent_killed(findings):.1f}")
    return shown


def mutate(module: Path, progress: SweepCheckpoint) -> Findings:
    """Tries every mutant of a module, in a copy of the project."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copy, session = Path(folder) / "project", Path(folder) / "session.sqlite"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".*", "__pycache__"))
        config = Path(folder) / "config.toml"
        config.write_text(CONFIG.format(module=module, tests=TESTS[module], python=sys.executable))
        _run(copy, "cosmic-ray", "init", str(config), str(session))
        _run(copy, "cr-filter-operators", str(session), str(config))
        _try_all(copy, config, session, progress.add_task(module.name), progress)
        with use_db(str(session), WorkDB.Mode.open) as work:
            tried = [result for _, result in work.completed_work_items if result.test_outcome]
    survivors = [_mutant(module, result.diff or "") for result in tried if not result.is_killed]
    return Findings(module, len(tried), tuple(survivors))


def _try_all(copy: Path, config: Path, session: Path, task: TaskID, progress: SweepCheckpoint) -> None:
    with use_db(str(session), WorkDB.Mode.open) as work:
        progress.update(task, total=work.num_work_items)
        command = [_tool("cosmic-ray"), "exec", str(config), str(session)]
        with subprocess.Popen(command, cwd=copy, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as trying:
            while trying.poll() is None:
                progress.update(task, completed=work.num_results)
                time.sleep(1)  # only the display waits for it
        progress.update(task, completed=work.num_results)


def _mutant(module: Path, diff: str) -> Mutant:
    lines = [line for line in diff.splitlines() if not line.startswith(("---", "+++"))]
    was, becomes = (" ".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+")
    return Mutant(module.name, was, becomes)


def _run(folder: Path, tool: str, *arguments: str) -> None:
    subprocess.run([_tool(tool), *arguments], cwd=folder, check=True, capture_output=True)


def _tool(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


if __name__ == "__main__":
    sys.exit(main())
