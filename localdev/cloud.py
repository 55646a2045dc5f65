"""Runs MiniStack, a local AWS on one port, as a separate process with its own environment."""

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import requests

from tools.program import ToolError

ROOT = Path(__file__).parents[1]
REGION = "us-east-1"
START_S = 60


@dataclass(frozen=True)
class LocalCloud:
    """A running local cloud: its address, its own log file, and its TLS certificate where it enforces IAM."""

    url: str
    log: Path
    certificate: Path | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that make AWS's tools use this local cloud, and nothing else."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
        } | ({"AWS_CA_BUNDLE": str(self.certificate)} if self.certificate else {})

    def client(self, service: str) -> Any:  # noqa: ANN401 (boto3 creates clients at run time)
        """Return the boto3 client of a service with the root credentials."""
        return _root_client(self, service)

    def client_of(self, service: str, access_key: str, access_secret: str, session_token: str | None = None) -> Any:  # noqa: ANN401 (as above)
        """Create a boto3 client of a service with these credentials."""
        return boto3.client(
            service,  # type: ignore[call-overload]  # the overloads need literals
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=access_key,
            aws_secret_access_key=access_secret,
            aws_session_token=session_token,
            verify=str(self.certificate) if self.certificate else None,
        )


@cache
def _root_client(cloud: LocalCloud, service: str) -> Any:  # noqa: ANN401 (as above)
    return cloud.client_of(service, "local", "local")


@contextmanager
def local_cloud(
    host: str = "127.0.0.1", port: int = 0, *, enforcing: bool = False, tls: bool = False
) -> Iterator[LocalCloud]:
    """Start a local cloud, and stop it together with the functions that it runs. Port 0 selects a free port.

    With `enforcing` it checks signatures, IAM policies and resource policies, and uses TLS, which the policies require.
    """
    tls = tls or enforcing
    port = port or free_port()
    with tempfile.TemporaryDirectory(prefix="local-cloud-") as folder, (Path(folder) / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            [ROOT / ".venv-cloud/bin/python", ROOT / "localdev/ministack_process.py"],
            env={  # and nothing else: the local cloud passes its whole environment to the functions
                "PATH": os.environ["PATH"],
                "HOME": folder,
                "TMPDIR": folder,
                "STATE_DIR": f"{folder}/state",
                "S3_DATA_DIR": f"{folder}/s3",
                "BIND_HOST": host,
                "GATEWAY_PORT": str(port),
                "MINISTACK_REGION": REGION,
                "AWS_ACCESS_KEY_ID": "local",
                "AWS_SECRET_ACCESS_KEY": "local",
                "TZ": "UTC",
            }
            | ({"AUTH": "true"} if enforcing else {})
            | ({"USE_SSL": "1"} if tls else {}),
            stdout=log,
            stderr=log,
            start_new_session=True,  # so that its functions can be stopped with it
        )
        try:
            cloud = LocalCloud(f"http://127.0.0.1:{port}", Path(log.name))
            if tls:
                certificate = Path(folder) / "ministack-tls/server.crt"  # created by the local cloud
                cloud = LocalCloud(f"https://127.0.0.1:{port}", Path(log.name), certificate)
            _wait_for(cloud, process)
            yield cloud
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait_for(cloud: LocalCloud, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < until:
        try:
            requests.get(
                f"{cloud.url}/_ministack/health", timeout=1, verify=str(cloud.certificate or True)
            ).raise_for_status()
        except OSError:  # raised by requests, or the certificate does not exist yet
            time.sleep(0.05)  # another process is starting
        else:
            return
    raise ToolError(f"the local cloud did not start:\n{cloud.log.read_text()[-2000:]}")


def free_port() -> int:
    """Find a free port of this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
