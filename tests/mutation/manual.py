"""`make mutation-manual`: applies known mistakes to the code, one patch at a time, and shows that tests notice each.

A patch is `patches/<suite>/<name>.patch`: a line that describes the mistake, a line `Killed by: <test paths>`, and a
unified diff of the project. It is applied to a copy.
"""

import argparse
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.mutation.runner import map_concurrently, project_copy, run

PATCHES = Path(__file__).parent / "patches"
_HEADER = re.compile(r"(?P<description>.+)\nKilled by: (?P<tests>.+)\n\n--- ")
_FIRST_FAILURE = re.compile(r"^(?:FAILED|ERROR) \S+?::(\S+)", re.MULTILINE)


class PatchError(Exception):
    """A patch cannot be used: it has no header, or does not apply to the code as it is."""


class TestsNotRunError(Exception):
    """Pytest ended without a verdict on a mutant: it did not run the tests, or they fail without any patch."""


@dataclass(frozen=True)
class ManualMutant:
    """A patch, and the tests of which at least one must fail with it."""

    patch: Path
    description: str
    tests: tuple[str, ...]

    @classmethod
    def read(cls, patch: Path) -> "ManualMutant":
        """Read a patch's header. Raises PatchError."""
        header = _HEADER.match(patch.read_text())
        if header is None:
            raise PatchError(f"{_name(patch)} does not begin with a description, `Killed by: <tests>` and a diff")
        return cls(patch, header["description"], tuple(header["tests"].split()))

    @property
    def name(self) -> str:
        """The suite and the patch's own name."""
        return _name(self.patch)

    @property
    def suite(self) -> str:
        """The folder of the patch."""
        return self.patch.parent.name

    def apply(self, copy: Path, *options: str) -> None:
        """Apply the patch to a copy of the project. Raises PatchError."""
        applied = run(copy, "git", "apply", *options, str(self.patch))
        if applied.returncode != 0:
            raise PatchError(f"{self.name} does not apply to the code as it is; renew it:\n{applied.stderr.strip()}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Examine the mutants. 0 if each is killed, 1 if one survives, 2 if a patch or a test run is broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation.manual", description=__doc__)
    parser.add_argument("names", nargs="*", help="suites or patches, such as model or model/no-if-match (default: all)")
    names = parser.parse_args(arguments).names
    try:
        mutants = read_all(names)
        check_all_apply(mutants)
        map_concurrently(check_unchanged, {mutant.tests for mutant in mutants})
        killed = map_concurrently(examine, mutants)
    except (PatchError, TestsNotRunError) as error:
        print(error, file=sys.stderr)
        return 2
    for suite in sorted({mutant.suite for mutant in mutants}):
        of_suite = [is_killed for mutant, is_killed in zip(mutants, killed, strict=True) if mutant.suite == suite]
        print(f"{suite}: {sum(of_suite)} of {len(of_suite)} killed")
    return 0 if all(killed) else 1


def read_all(names: Sequence[str]) -> list[ManualMutant]:
    """Read the patches of these names, or all. Raises PatchError."""
    patches = sorted(PATCHES.glob("*/*.patch"))
    if unknown := set(names) - {_name(patch) for patch in patches} - {patch.parent.name for patch in patches}:
        raise PatchError(f"no such patch: {', '.join(sorted(unknown))}")
    return [
        ManualMutant.read(patch)
        for patch in patches
        if not names or _name(patch) in names or patch.parent.name in names
    ]


def check_all_apply(mutants: Sequence[ManualMutant]) -> None:
    """Check all patches before any test runs. Raises PatchError, which names each that does not apply."""
    errors = []
    with project_copy() as copy:
        for mutant in mutants:
            try:
                mutant.apply(copy, "--check")
            except PatchError as error:
                errors.append(str(error))
    if errors:
        raise PatchError("\n".join(errors))


def check_unchanged(tests: Sequence[str]) -> None:
    """Check that tests pass without any patch. Raises TestsNotRunError."""
    if failure := first_failure(tests):
        raise TestsNotRunError(f"{' '.join(tests)}: {failure} fails without any patch")


def examine(mutant: ManualMutant) -> bool:
    """Print which test kills a mutant, if any. Raises TestsNotRunError."""
    started = time.monotonic()
    killed_by = first_failure(mutant.tests, mutant)
    verdict = f"killed by {killed_by}" if killed_by else "SURVIVES"
    print(f"{mutant.name}: {mutant.description} {verdict} ({time.monotonic() - started:.0f} s)", flush=True)
    return killed_by is not None


def first_failure(tests: Sequence[str], mutant: ManualMutant | None = None) -> str | None:
    """Return the first test that fails with a mutant, or without any; None where all pass. Raises TestsNotRunError."""
    with project_copy() as copy:
        if mutant:
            mutant.apply(copy)
        options = ("-x", "-q", "-p", "no:cacheprovider", "--hypothesis-profile=first-failure")
        ended = run(copy, sys.executable, "-m", "pytest", *options, *tests)
    if ended.returncode == 0:
        return None
    failure = _FIRST_FAILURE.search(ended.stdout)
    if ended.returncode != 1 or failure is None:
        name = mutant.name if mutant else "without a patch"
        raise TestsNotRunError(f"{name}: {' '.join(tests)} did not run:\n{ended.stdout}{ended.stderr}")
    return failure[1]


def _name(patch: Path) -> str:
    return f"{patch.parent.name}/{patch.stem}"


if __name__ == "__main__":
    sys.exit(main())
