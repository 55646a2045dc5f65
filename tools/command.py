"""What all commands share: AWS clients, and errors in one line each."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
)

# Longer than a function's timeout, for synchronous invocations
_CONFIG = Config(connect_timeout=5, read_timeout=90, retries={"mode": "standard"})
_DENIED = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation"}


class ToolError(Exception):
    """A command cannot continue; the message says why, and what to do."""


def client(service: str) -> Any:  # noqa: ANN401 (boto3 creates clients at run time)
    """Create a client of a service, with the credentials and the Region of the environment."""
    return boto3.client(service, config=_CONFIG)  # type: ignore[call-overload]  # the overloads need literals


def is_local(endpoint_url: str) -> bool:
    """Whether an endpoint is on this machine, as that of the local cloud is."""
    return urlsplit(endpoint_url).hostname in {"127.0.0.1", "localhost", "host.docker.internal"}


@contextmanager
def errors_in_one_line(command: str) -> Iterator[None]:
    """Exit with status 1 and one line for an error that the user can do something about."""
    try:
        yield
    except (ToolError, ClientError, BotoCoreError) as error:
        sys.exit(f"{command}: {describe(error)}")
    except KeyboardInterrupt:
        sys.exit(130)


def describe(error: BaseException) -> str:
    """Describe an error in one line, with what to do about it."""
    match error:
        case NoCredentialsError() | PartialCredentialsError():
            return "no AWS credentials: run `aws configure` or `aws sso login`, or set AWS_PROFILE"
        case NoRegionError():
            return "no AWS Region: set AWS_REGION"
        case EndpointConnectionError():
            return f"AWS does not answer: {error}"
        case ClientError():
            return _describe_answer(error)
    return " ".join(str(error).split()) or type(error).__name__


def _describe_answer(error: ClientError) -> str:
    answer = error.response["Error"]
    code, message = answer.get("Code", "?"), " ".join(answer.get("Message", "").split())
    if code in _DENIED:
        return f"not permitted: {error.operation_name}: {message}"
    return f"{error.operation_name}: {code}: {message}"


def confirmed(question: str, *, yes: bool) -> bool:
    """Ask on the terminal, unless the answer is given. Raises ToolError where there is no terminal."""
    if yes:
        return True
    if not os.isatty(sys.stdin.fileno()):
        raise ToolError("there is no terminal to ask on: pass YES=1")
    return input(f"{question} [y/N] ").strip().lower() in {"y", "yes"}
