"""`layers/Makefile` builds with any Python and pip, whatever pip's configuration says, and with macOS's programs."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from localdev.cloud import ROOT

OLDEST = (3, 7)  # Amazon Linux 2023, CloudShell and macOS have 3.9, with pip 21
LAYER = "NxCloudLayer"  # its packages include one that needs a newer Python
# Of POSIX, or beside it in both GNU's and Apple's programs
PORTABLE = {"cp", "echo", "else", "env", "fi;", "find", "if", "rm", '"$(RUNTIME)"', "python3"}


def oldest_python() -> Path:
    """The oldest Python 3 with pip on this machine; at worst that of this test."""
    folders = [*Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob("versions/*/bin"), Path("/usr/bin")]
    found = [
        path for folder in folders for path in folder.glob("python3.*") if re.fullmatch(r"python3\.\d+", path.name)
    ]
    for python in sorted(found, key=version):
        probe = subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False)
        if version(python) >= OLDEST and probe.returncode == 0:
            return python
    return Path(sys.executable)


def version(python: Path) -> tuple[int, int]:
    return 3, int(python.name.removeprefix("python3.").partition("-")[0])


def build(folder: Path, python: Path) -> dict[str, bytes]:
    """Build the layer by a `python3` of this kind, and return its files, without byte code."""
    programs, artifacts, configuration = folder / "bin", folder / "artifacts", folder / "pip.conf"
    programs.mkdir(parents=True)
    artifacts.mkdir()
    (programs / "python3").write_text(f'#!/bin/sh\nexec "{python}" "$@"\n')
    (programs / "python3").chmod(0o755)
    configuration.write_text("[global]\nuser = true\nrequire-virtualenv = true\n")
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["/usr/bin/env", "make", f"build-{LAYER}", f"ARTIFACTS_DIR={artifacts}"],
        cwd=ROOT / "layers",
        env={**os.environ, "PATH": path, "PIP_CONFIG_FILE": str(configuration)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    files = [path for path in artifacts.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert {path.stat().st_mtime for path in files} == {1577836800}  # 2020-01-01, in UTC
    return {str(path.relative_to(artifacts)): path.read_bytes() for path in files}


def test_oldest_python_and_configured_pip_build_the_same_layer(tmp_path: Path) -> None:
    oldest = oldest_python()
    built = build(tmp_path / "oldest", oldest)
    assert {"python/nxcloud/client.py", "python/requests/sessions.py"} <= built.keys()
    assert built == build(tmp_path / "own", Path(sys.executable))


@pytest.mark.parametrize("makefile", [*sorted(ROOT.glob("functions/*/Makefile")), ROOT / "layers/Makefile"])
def test_recipes_of_the_build_use_portable_programs(makefile: Path) -> None:
    recipes = re.sub(r"\\\n\s*", "", makefile.read_text()).splitlines()
    commands = [line.removeprefix("\t").lstrip("@") for line in recipes if line.startswith("\t")]
    words = [re.sub(r"^(?:[A-Z_]+=\S* )+", "", command).split()[0] for command in commands]
    assert words
    assert set(words) <= PORTABLE
    text = "\n".join(commands)
    assert not re.search(
        r"touch -d|sed -i|--transform|--sort=|find [^/\n]*-printf|cp -[a-z]*[ad]\b", text
    )  # GNU's alone


def test_recipes_name_programs_of_the_environments_by_their_path() -> None:
    """Apple's make 3.81 looks for the program of a simple recipe line in the PATH that make was started with."""
    text = (ROOT / "Makefile").read_text()
    recipes = re.findall(r"^\t@?-?(?:[A-Z_]+=\S* )*([a-z][a-z0-9_.-]*)\b", text, flags=re.MULTILINE)
    assert recipes
    own = {path.name for path in Path(sys.executable).parent.iterdir()} - {
        path.name for path in Path("/usr/bin").iterdir()
    }
    assert set(recipes) & own == set()
