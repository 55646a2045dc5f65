"""Runs a built function in AWS's own runtime loop without Docker: runtime interface emulator and client."""

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
import samcli

from localdev.cloud import REGION, ROOT, free_port
from localdev.stack import code_directory
from tools.program import ToolError

BUILD = ROOT / ".aws-sam/build"
LAYERS = ("NxCloudLayer", "MediaCleanupLayer")
START_S = 20
TIMEOUT_S = 60


class Emulator:
    """The function in the emulator: one execution environment, invoked over HTTP as Lambda's runtime API has it."""

    def __init__(self, port: int, log: Path, process_id: int) -> None:
        self.process_id = process_id
        self._url = f"http://127.0.0.1:{port}/2015-03-31/functions/function/invocations"
        self.log = log

    def invoke(self, event: object) -> Any:  # noqa: ANN401 (whatever the function answers)
        """The function's answer; where it raised, the error that Lambda answers."""
        return requests.post(self._url, data=json.dumps(event), timeout=TIMEOUT_S + 5).json()


@contextmanager
def emulator(
    environment: dict[str, str],
    log: Path,
    function: str = "DeleteMediaFunction",
    code: Path | None = None,
    python: str = sys.executable,
) -> Iterator[Emulator]:
    """Starts the emulator with a function's settings; what the function prints goes to `log`.

    `code` is the directory of its code, `python` the interpreter that has the runtime's packages.
    """
    code = code or code_directory(function)
    machine = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
    binary = Path(samcli.__file__).parent / "local/rapid" / f"aws-lambda-rie-{machine}"
    port, runtime_port = free_port(), free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                binary,
                *("--runtime-interface-emulator-address", f"127.0.0.1:{port}"),
                *("--runtime-api-address", f"127.0.0.1:{runtime_port}"),
                *(python, "-m", "awslambdaric", "app.lambda_handler"),
            ],
            cwd=code,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": os.pathsep.join(str(BUILD / layer / "python") for layer in LAYERS),
                "PYTHONDONTWRITEBYTECODE": "1",  # Lambda's code directories are read-only
                "LAMBDA_TASK_ROOT": str(code),
                "AWS_LAMBDA_FUNCTION_NAME": function,
                "AWS_LAMBDA_FUNCTION_TIMEOUT": str(TIMEOUT_S),
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
                "AWS_REGION": REGION,
                "AWS_DEFAULT_REGION": REGION,
                "AWS_ACCESS_KEY_ID": "local",
                "AWS_SECRET_ACCESS_KEY": "local",
                "TZ": "UTC",
                **environment,
            },
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait_for(port, process, log)
            yield Emulator(port, log, process.pid)
        finally:
            os.killpg(process.pid, 9)
            process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < until:
        try:
            requests.get(f"http://127.0.0.1:{port}/", timeout=1)
        except requests.RequestException:
            time.sleep(0.02)  # waits for another process to start
        else:
            return
    raise ToolError(f"the runtime interface emulator did not start:\n{log.read_text()[-2000:]}")
