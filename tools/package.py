"""`make package`: packs the sources of a commit with the built application, and builds the client's package."""

import gzip
import shutil
import subprocess
import tarfile
import tomllib
from io import BytesIO
from pathlib import Path

from tools.client_package import build_client
from tools.program import one_line_errors

ROOT = Path(__file__).parents[1]
BUILT_AT_S = 1577836800  # 2020-01-01, as in the layers


def main() -> None:
    """Write the packages into dist/, and print their names."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    name = f"whatsapp-media-cleanup-{version}"
    package = ROOT / "dist" / f"{name}.tar.gz"
    shutil.rmtree(package.parent, ignore_errors=True)
    package.parent.mkdir()
    package.write_bytes(gzip.compress(pack(name, ROOT / ".aws-sam/build"), mtime=0))
    for path in (package, *build_client(package.parent)):
        print(path.relative_to(ROOT))


def pack(name: str, built: Path) -> bytes:
    """Return a tar archive of the current commit and of the built application, in a folder of this name."""
    sources = ["/usr/bin/env", "git", "archive", f"--prefix={name}/", "HEAD"]
    content = BytesIO(subprocess.run(sources, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout)
    with tarfile.open(fileobj=content, mode="a") as archive:
        archive.add(built, f"{name}/.aws-sam/build", filter=_plain)
    return content.getvalue()


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Leave out what differs from one machine or build to another."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mtime = BUILT_AT_S
    return entry


if __name__ == "__main__":
    with one_line_errors("make package"):
        main()
