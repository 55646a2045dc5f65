"""Plants known bugs, one by one, in a copy of the code, and shows that the tests in a folder catch each."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

PROJECT = Path(__file__).parents[2]
SOURCES = Path("layers/media_cleanup/media_cleanup")


@dataclass(frozen=True)
class PlantedBug:
    """A mistake that somebody could make: a text in a source file, and what stands there instead."""

    name: str
    module: str
    right: str
    wrong: str

    def occurrences(self, project: Path = PROJECT) -> int:
        """How often the text is there; anything but once means that this bug must be written anew."""
        return (project / SOURCES / self.module).read_text().count(self.right)

    def plant(self, project: Path) -> None:
        """Puts the mistake into a copy of the project."""
        if self.occurrences(project) != 1:
            raise SystemExit(f"{self.name}: {self.module} does not hold this text exactly once: {self.right!r}")
        source = project / SOURCES / self.module
        source.write_text(source.read_text().replace(self.right, self.wrong))


BUGS = (
    PlantedBug(
        "no second look after a store",
        "linking.py",
        "            self._look_again(seen.file)\n        linked",
        "            pass\n        linked",
    ),
    PlantedBug(
        "no second look after a message",
        "linking.py",
        "        self._look_again(seen.file if seen else file)\n",
        "",
    ),
    PlantedBug(
        "no second look where the object was gone at the first",
        "linking.py",
        "            self._look_again(file)\n            return",
        "            return",
    ),
    PlantedBug(
        "second look at the object alone, not at its version",
        "objects.py",
        "not file.version_id or seen.file == file or self.look_at(file)",
        "True",
    ),
    PlantedBug(
        "second look before the link is written",
        "linking.py",
        "        self._index.write(Link(seen.file, seen.etag, media) if seen else Link(file, None, media))\n"
        "        self._look_again(seen.file if seen else file)\n",
        "        self._look_again(seen.file if seen else file)\n"
        "        self._index.write(Link(seen.file, seen.etag, media) if seen else Link(file, None, media))\n",
    ),
    PlantedBug(
        "the event's sequencer for another version's link",
        "linking.py",
        "event.sequencer if same else None",
        "event.sequencer",
    ),
    PlantedBug(
        "no If-Match: a later store's labels under an earlier one's sequencer",
        "linking.py",
        "self._objects.look_at(file, None if file.version_id else event.etag)",
        "self._objects.look_at(file)",
    ),
    PlantedBug(
        "no look at the object before the deletion",
        "deletion.py",
        "self._living(file) if links or spelled else None",
        "None",
    ),
    PlantedBug(
        "no second query for links that were made meanwhile",
        "deletion.py",
        "kept = self._index.links_of(file) if links and living else []",
        "kept = links",
    ),
    PlantedBug(
        "link removed before the confirmation",
        "deletion.py",
        "if outcome.outcome in {Outcome.DELETED, Outcome.ALREADY_GONE}:",
        "if outcome:",
    ),
    PlantedBug(
        "sequencers compared as numbers",
        "links.py",
        'one.ljust(length, "0") < other.ljust(length, "0")',
        "int(one, 16) < int(other, 16)",
    ),
    PlantedBug(
        "sequencers padded on the left",
        "links.py",
        'one.ljust(length, "0") < other.ljust(length, "0")',
        'one.rjust(length, "0") < other.rjust(length, "0")',
    ),
    PlantedBug(
        "a version's deletion takes the links of all",
        "links.py",
        "return link.file.version_id == self.file.version_id or not readable",
        "return True",
    ),
    PlantedBug(
        "a version's deletion takes nothing that was left over",
        "links.py",
        " or not readable",
        "",
    ),
    PlantedBug(
        "eTags protect across versions",
        "links.py",
        "if self.version_id or link.file.version_id:",
        "if False:",
    ),
    PlantedBug(
        "links of unknown order go although the object can be read",
        "links.py",
        "return not readable",
        "return True",
    ),
    PlantedBug(
        "links do not protect the object that can be read",
        "links.py",
        " - {link.media for link in kept if living.is_meant_by(link)}",
        "",
    ),
    PlantedBug(
        "metadata do not protect the object that can be read",
        "links.py",
        " - living.media - ",
        " - ",
    ),
    PlantedBug(
        "the key does not protect the object that can be read",
        "links.py",
        "return taken - {spelled} - ",
        "return taken - ",
    ),
    PlantedBug(
        "eventually consistent reads of the index",
        "index.py",
        "ConsistentRead=True,\n                    KeyCondition",
        "ConsistentRead=False,\n                    KeyCondition",
    ),
    PlantedBug(
        "one page of links is all",
        "index.py",
        'for page in pages for item in page["Items"]]',
        'for page in pages[:1] for item in page["Items"]]',
    ),
    PlantedBug(
        "links of all versions under one name",
        "index.py",
        'link.file.version_id or link.etag or ""',
        '""',
    ),
    PlantedBug(
        "a delete marker's version taken for the object's",
        "events.py",
        "if marker:",
        "if False:",
    ),
    PlantedBug(
        "keys of notifications not decoded",
        "events.py",
        'unquote_plus(key, errors="strict")',
        "key",
    ),
    PlantedBug(
        "the deletion of a version taken for one of the object",
        "events.py",
        '"version_id": file.get("versionId")',
        '"version_id": None',
    ),
    PlantedBug(
        "403 taken for gone",
        "objects.py",
        "if status in gone:",
        "if status in gone or status == 403:",
    ),
    PlantedBug(
        "each slice of the sweep begins at the first link",
        "sweep.py",
        "self._walk(progress.after, time_left_ms)",
        "self._walk(None, time_left_ms)",
    ),
    PlantedBug(
        "the sweep leaves out the link before which a slice ends",
        "sweep.py",
        "            if time_left_ms() <",
        "            found.after = place\n            if time_left_ms() <",
    ),
    PlantedBug(
        "the sweep remembers before it has asked",
        "sweep.py",
        "        gone = self._ask_for(found.gone)\n"
        "        self._index.remember(SweepCheckpoint(progress.began_s, found.after, found.ended))\n",
        "        self._index.remember(SweepCheckpoint(progress.began_s, found.after, found.ended))\n"
        "        gone = self._ask_for(found.gone)\n",
    ),
    PlantedBug(
        "the object asked for in place of its version",
        "asking.py",
        "if file.version_id else {}",
        "if False else {}",
    ),
)


@contextmanager
def copy_of_project() -> Iterator[Path]:
    """A copy of what the tests need, for as long as it is used."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for file in ("pyproject.toml", "template.yaml"):
            shutil.copy(PROJECT / file, copy)
        for part in ("layers", "tests"):
            shutil.copytree(PROJECT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
        yield copy


def first_failure(bug: PlantedBug | None, folder: str) -> str | None:
    """The name of the folder's first test that fails with this bug planted, None where all pass."""
    with copy_of_project() as copy:
        if bug:
            bug.plant(copy)
        # That the bugs' texts are there is told of the unchanged code alone
        command = [sys.executable, "-m", "pytest", "-x", "-q", folder, "-p", "no:cacheprovider"]
        command += ["--hypothesis-profile=first-failure"]
        command += ["--deselect", f"{folder}/test_planted_bugs.py"] if bug else []
        environment = os.environ | {"PYTHONPATH": "", "PYTHONDONTWRITEBYTECODE": "1"}
        ended = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode == 0:
        return None
    found = re.search(r"^(?:FAILED|ERROR) \S+?::(\S+)", ended.stdout, re.MULTILINE)
    if ended.returncode != 1 or not found:
        raise SystemExit(
            f"{bug.name if bug else 'unchanged code'}: the tests did not run:\n{ended.stdout}{ended.stderr}"
        )
    return found[1]


def tell(bug: PlantedBug | None, folder: str) -> bool:
    """Prints which test catches a bug; whether all is as it should be."""
    started = time.monotonic()
    caught_by = first_failure(bug, folder)
    name = bug.name if bug else "unchanged code"
    verdict = f"caught by {caught_by}" if caught_by else "SURVIVES" if bug else "passes"
    print(f"{name:70} {verdict} ({time.monotonic() - started:.0f} s)", flush=True)
    return (caught_by is not None) == (bug is not None)


def main(bugs: Sequence[PlantedBug] = BUGS, folder: str = "tests/model") -> int:
    """Plants each bug, as many at a time as there are processors; 0 where each is caught."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        good = list(pool.map(partial(tell, folder=folder), [None, *bugs]))
    print(f"{sum(good) - good[0]} of {len(bugs)} planted bugs caught")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
