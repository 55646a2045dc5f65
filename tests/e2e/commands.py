"""Runs the commands of tools/ against the local cloud, as `make` does."""

import os
import subprocess
import sys

from localdev.cloud import ROOT, LocalCloud


def run(cloud: LocalCloud, tool: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m tools.<tool>` without a terminal, with further environment variables."""
    paths = os.pathsep.join(["layers/nxcloud", "layers/media_cleanup", os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, **cloud.environment, "COLUMNS": "300", "PYTHONPATH": paths, **variables}
    command = [sys.executable, "-m", f"tools.{tool}", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment, text=True, capture_output=True, check=False, stdin=subprocess.DEVNULL
    )
