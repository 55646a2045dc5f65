"""`make test-client`: tests the client's wheel on each Python from 3.10 to 3.14 that this machine has."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.client_package import ROOT, UV, build_client
from tools.program import ToolError, one_line_errors

VERSIONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
TESTS = [f"tests/unit/test_{name}.py" for name in ("clock", "errors", "files", "responses", "signing")]
TESTS += ["tests/integration/test_client.py"]
LIBRARIES = ["pytest", "pytest-xdist", "hypothesis"]  # xdist for a hook in tests/conftest.py
# Without the conftest of the functions' tests, which need a newer Python, AWS's libraries, and the client as a folder
PYTEST = ["-m", "pytest", "-q", "--noconftest", "-p", "tests.conftest", "-o", "pythonpath=.", "-p", "no:cacheprovider"]


def find_python(version: str) -> str | None:
    """Return an interpreter of this version: from the PATH, or of pyenv."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates = [shutil.which(f"python{version}"), *map(str, pyenv.glob(f"versions/{version}.*/bin/python"))]
    for candidate in filter(None, candidates):
        probe = [candidate, "-c", "import sys; print(sys.executable, *sys.version_info[:2])"]
        found = subprocess.run(probe, capture_output=True, text=True, check=False).stdout.split()
        if found[1:] == version.split("."):  # a shim of pyenv may lead nowhere
            return found[0]
    return None


def run_tests(python: str, wheel: Path, folder: Path) -> int:
    """Install the wheel into a new environment, and run the client's tests there. Returns pytest's status."""
    own = folder / "bin/python"
    commands: list[list[str | Path]] = [
        [UV, "venv", "--quiet", "--python", python, folder],
        [UV, "pip", "install", "--quiet", "--python", own, wheel, *LIBRARIES],
    ]
    for command in commands:
        subprocess.run(command, check=True)
    return subprocess.run([own, *PYTEST, *TESTS], cwd=ROOT, check=False).returncode


def main(arguments: list[str] | None = None) -> int:
    """Test each version. 1 if a test failed, or with `--all` if a version is missing."""
    parser = argparse.ArgumentParser(prog="make test-client", description="Tests the client's wheel.")
    parser.add_argument("--all", action="store_true", help="fail if this machine lacks one of the versions")
    options = parser.parse_args(arguments)
    pythons = {version: find_python(version) for version in VERSIONS}
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        wheel, _ = build_client(Path(folder))
        for version, python in pythons.items():
            print(f"Python {version}" if python else f"Python {version} is not on this machine", flush=True)
            if python and run_tests(python, wheel, Path(folder) / version):
                failed.append(version)
    if failed:
        raise ToolError(f"the tests failed on Python {', '.join(failed)}")
    return int(options.all and None in pythons.values())


if __name__ == "__main__":
    with one_line_errors("make test-client"):
        sys.exit(main())
