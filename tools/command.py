"""What the commands on a deployed stack share: AWS clients, and a question on the terminal."""

import os
import sys
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

from tools.program import ToolError

# Longer than a function's timeout, for synchronous invocations
_CONFIG = Config(connect_timeout=5, read_timeout=90, retries={"mode": "standard"})


def client(service: str, *, profile: str | None = None, region: str | None = None) -> Any:  # noqa: ANN401 (boto3 creates clients at run time)
    """Create a client of a service, with the credentials and the Region of the environment, or of a profile."""
    session = boto3.Session(profile_name=profile or None)
    return session.client(service, region_name=region, config=_CONFIG)  # type: ignore[call-overload]  # the overloads need literals


def is_local(endpoint_url: str) -> bool:
    """Whether an endpoint is on this machine, as that of the local cloud is."""
    return urlsplit(endpoint_url).hostname in {"127.0.0.1", "localhost", "host.docker.internal"}


def confirmed(question: str, *, yes: bool) -> bool:
    """Ask on the terminal, unless the answer is given. Raises ToolError where there is no terminal."""
    if yes:
        return True
    if not os.isatty(sys.stdin.fileno()):
        raise ToolError("there is no terminal to ask on: pass YES=1")
    return input(f"{question} [y/N] ").strip().lower() in {"y", "yes"}
