"""Runs tools in copies of the project, several at a time: the common part of both mutation tools."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

PROJECT = Path(__file__).parents[2]

Item = TypeVar("Item")
Finding = TypeVar("Finding")


@contextmanager
def project_copy() -> Iterator[Path]:
    """Copy the project without its hidden folders, and remove the copy afterwards."""
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        copy = Path(folder) / "project"
        shutil.copytree(PROJECT, copy, ignore=shutil.ignore_patterns(".*", "__pycache__"))
        yield copy


def environment(copy: Path) -> dict[str, str]:
    """Return the environment of a process in a copy: it reads that copy alone, and leaves no byte code."""
    isolated = {"PYTHONPATH": "", "PYTHONDONTWRITEBYTECODE": "1", "GIT_CEILING_DIRECTORIES": str(copy.parent)}
    return os.environ | isolated


def run(copy: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a copy, with its output captured."""
    return subprocess.run(command, cwd=copy, env=environment(copy), capture_output=True, text=True, check=False)


def tool(name: str) -> str:
    """Return the path of a tool in this Python environment."""
    return str(Path(sys.executable).with_name(name))


def map_concurrently(examine: Callable[[Item], Finding], items: Iterable[Item]) -> list[Finding]:
    """Examine items, as many at a time as there are processors. Returns the findings in the items' order."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(examine, items))
