"""`make invoke`: runs a sample event in its built function, against the local cloud and the fake NXCloud.

Uses `sam local invoke` where Docker runs, otherwise AWS's runtime interface emulator.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.rule import Rule

from localdev.cloud import REGION, ROOT
from localdev.runtime import emulator
from localdev.sandbox import Sandbox, sandbox
from localdev.stack import build, function_for
from tools.program import one_line_errors


def main() -> int:
    """Invoke the function, and print its log and its response. Returns 1 if the function raised."""
    parser = argparse.ArgumentParser(prog="make invoke", description="Run one event in the built function.")
    parser.add_argument("event", type=Path, help="event file, such as events/direct-media.json")
    path = parser.parse_args().event
    try:
        event = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        print(f"make invoke: EVENT={path} is not a JSON file: {error}", file=sys.stderr)
        return 2
    build()
    if _docker_runs():
        with sandbox("0.0.0.0") as box:  # noqa: S104 (for the function's container)
            return _by_sam(box, path)
    with sandbox() as box:
        return _by_emulator(box, function_for(path.resolve()), event)


def _docker_runs() -> bool:
    docker = shutil.which("docker")
    return docker is not None and subprocess.run([docker, "info"], capture_output=True, check=False).returncode == 0


def _by_sam(box: Sandbox, path: Path) -> int:
    with tempfile.NamedTemporaryFile("w", suffix=".json") as variables:
        json.dump({"Parameters": box.environment("host.docker.internal")}, variables)
        variables.flush()
        command: list[str | Path] = [
            Path(sys.executable).with_name("sam"),
            "local",
            "invoke",
            function_for(path.resolve()),
            "--event",
            path.resolve(),
        ]
        options = ["--env-vars", variables.name, "--region", REGION]
        return subprocess.run([*command, *options], cwd=ROOT, check=False).returncode


def _by_emulator(box: Sandbox, name: str, event: object) -> int:
    console = Console(soft_wrap=True, highlight=False)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.txt"
        with emulator(box.environment(), log, name) as function:
            response = function.invoke(event)
        console.print(Rule("log of the function", style="dim"))
        console.print(log.read_text().rstrip(), markup=False)
    console.print(Rule("response", style="dim"))
    console.print_json(json.dumps(response))
    return 1 if isinstance(response, dict) and "errorMessage" in response else 0


if __name__ == "__main__":
    with one_line_errors("make invoke"):
        sys.exit(main())
