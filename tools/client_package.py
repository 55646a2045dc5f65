"""Builds the client's wheel and sdist, and checks both."""

import subprocess
import sys
import tarfile
import zipfile
from email.parser import BytesParser
from pathlib import Path

from packaging.metadata import Metadata

from tools.program import ToolError

ROOT = Path(__file__).parents[1]
UV = ROOT / ".venv-uv/bin/uv"
CLIENT = ROOT / "layers/nxcloud"
IMPORT = """
import sys
sys.path.insert(0, sys.argv[1])
import nxcloud
nxcloud.MediaClient()
print(nxcloud.__file__)
"""


def build_client(folder: Path) -> tuple[Path, Path]:
    """Build the client's wheel and sdist into a folder, and check both. Raises ToolError."""
    command: list[str | Path] = [UV, "build", "--quiet", "--no-create-gitignore", CLIENT, "--out-dir", folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ToolError(f"uv cannot build {CLIENT.name}: {done.stderr.strip()}")
    [wheel], [sdist] = folder.glob("nxcloud_whatsapp-*.whl"), folder.glob("nxcloud_whatsapp-*.tar.gz")
    check_wheel(wheel)
    check_sdist(sdist)
    return wheel, sdist


def check_wheel(wheel: Path) -> None:
    """Check a wheel's metadata and modules, and that it can be imported. Raises ToolError."""
    with zipfile.ZipFile(wheel) as archive:
        files = {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
    _check_files(wheel, files)
    _check_metadata(wheel, next(content for name, content in files.items() if name.endswith("dist-info/METADATA")))
    done = subprocess.run([sys.executable, "-I", "-c", IMPORT, wheel], capture_output=True, text=True, check=False)
    if not done.stdout.startswith(str(wheel)):
        raise ToolError(f"{wheel.name} cannot be imported: {done.stderr.strip()}")


def check_sdist(sdist: Path) -> None:
    """Check an sdist's metadata and modules. Raises ToolError."""
    files: dict[str, bytes] = {}
    with tarfile.open(sdist) as archive:
        for entry in archive:
            if content := archive.extractfile(entry):
                files[entry.name.partition("/")[2]] = content.read()
    _check_files(sdist, files)
    _check_metadata(sdist, files["PKG-INFO"])


def _check_files(distribution: Path, files: dict[str, bytes]) -> None:
    for source in [*(CLIENT / "nxcloud").glob("*.py"), CLIENT / "nxcloud/py.typed"]:
        if files.get(f"nxcloud/{source.name}") != source.read_bytes():
            raise ToolError(f"{distribution.name} lacks nxcloud/{source.name}, or has another one than the layer")
    if foreign := [name for name in files if name.endswith(".py") and not name.startswith("nxcloud/")]:
        raise ToolError(f"{distribution.name} holds {', '.join(foreign)}, which is not of the client")


def _check_metadata(distribution: Path, content: bytes) -> None:
    try:
        Metadata.from_email(content)
    except ExceptionGroup as error:
        raise ToolError(f"{distribution.name}: {'; '.join(str(one) for one in error.exceptions)}") from None
    if BytesParser().parsebytes(content)["Description-Content-Type"] != "text/markdown":
        raise ToolError(f"{distribution.name} has no README")
