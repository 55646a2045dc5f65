"""The programs report missing credentials, Region, stack, network and permissions in one line each."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import boto3
import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    ProfileNotFound,
    UnauthorizedSSOTokenError,
)

from localdev.stack import SamError
from tools import backfill, redrive
from tools.program import ToolError, explain, one_line_errors

ERROR = "<ErrorResponse><Error><Type>Sender</Type><Code>{}</Code><Message>{}</Message></Error></ErrorResponse>"
STACK = (
    "<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>s</StackName>"
    "<StackStatus>ROLLBACK_COMPLETE</StackStatus></member></Stacks></DescribeStacksResult></DescribeStacksResponse>"
)
PROGRAMS = {
    "make redrive": (redrive.main, ["--stack", "s", "--queue", "deletion"]),
    "make backfill": (backfill.main, ["--stack", "s", "--bucket", "b"]),
}


@contextmanager
def cloudformation(status: int, body: str) -> Iterator[str]:
    """The URL of a CloudFormation that gives this response."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(params=PROGRAMS)
def run(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Callable[..., str]:
    """A program in an environment of its own; returns the line that it prints before it exits with status 1."""
    main, arguments = PROGRAMS[request.param]

    def run(**environment: str) -> str:
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
        monkeypatch.setattr(sys, "argv", ["program", *arguments])
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 1
        [line] = capsys.readouterr().err.splitlines()
        assert line.startswith(f"{request.param}: ")
        return line

    return run


REGION = {"AWS_DEFAULT_REGION": "eu-central-1"}
KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}


def test_missing_credentials_are_one_line(run: Callable[..., str]) -> None:
    assert "there are no AWS credentials" in run(**REGION)


def test_missing_region_is_one_line(run: Callable[..., str]) -> None:
    assert "set AWS_DEFAULT_REGION" in run(**KEYS)


def test_missing_profile_is_one_line(run: Callable[..., str]) -> None:
    assert "set AWS_PROFILE" in run(**REGION, AWS_PROFILE="nowhere")


def test_missing_network_is_one_line(run: Callable[..., str]) -> None:
    assert "AWS cannot be reached" in run(**REGION, **KEYS, AWS_ENDPOINT_URL="http://127.0.0.1:1")


@pytest.mark.parametrize(
    ("status", "body", "text"),
    [
        (400, ERROR.format("ValidationError", "Stack with id s does not exist"), "no stack 's' in eu-central-1"),
        (403, ERROR.format("AccessDenied", "x is not\nauthorized"), "a permission is missing for DescribeStacks: x is"),
        (403, ERROR.format("ExpiredToken", "expired"), "AWS refuses the credentials (ExpiredToken); log in again"),
        (500, ERROR.format("InternalFailure", "oh"), "DescribeStacks: InternalFailure: oh"),
        (200, STACK, "the stack 's' (ROLLBACK_COMPLETE) has no output"),
    ],
)  # fmt: skip
def test_response_of_cloudformation_is_one_line(run: Callable[..., str], status: int, body: str, text: str) -> None:
    with cloudformation(status, body) as url:
        assert text in run(**REGION, **KEYS, AWS_ENDPOINT_URL=url)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (NoCredentialsError(), "there are no AWS credentials"),
        (UnauthorizedSSOTokenError(), "run `aws configure` or `aws sso login`"),
        (NoRegionError(), "no AWS Region is set"),
        (ProfileNotFound(profile="p"), "set AWS_PROFILE"),
        (EndpointConnectionError(endpoint_url="https://sqs"), "AWS cannot be reached"),
        (ParamValidationError(report="two\nlines"), "two lines"),
        (
            ClientError({"Error": {"Code": "NoSuchBucket", "Message": "none"}}, "ListObjects"),
            "ListObjects: NoSuchBucket",
        ),
        (FileNotFoundError(2, "No such file or directory", "ministack"), "'ministack'"),
        (ToolError("the reason"), "the reason"),
        (SamError("sam deploy ended with status 1:\nits output"), "its output"),
    ],
)
def test_expected_error_ends_a_program_with_its_text(
    error: Exception, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended, one_line_errors("make demo"):
        raise error
    assert ended.value.code == 1
    assert capsys.readouterr().err == f"make demo: {explain(error)}\n"
    assert text in explain(error)


def test_interruption_ends_a_program_with_status_130(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, one_line_errors("make redrive", "run it again"):
        raise KeyboardInterrupt
    assert (ended.value.code, capsys.readouterr().err) == (130, "make redrive: run it again\n")


def test_bug_keeps_its_traceback() -> None:
    with pytest.raises(KeyError), one_line_errors("make demo"):
        raise KeyError


@pytest.mark.parametrize("program", ["demo", "invoke", "sandbox"])
def test_local_program_reports_errors_in_one_line(program: str) -> None:
    text = (Path(redrive.__file__).parents[1] / f"localdev/{program}.py").read_text()
    assert 'if __name__ == "__main__":\n    with one_line_errors(' in text
