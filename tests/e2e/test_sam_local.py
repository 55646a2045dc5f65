"""Every sample through the real `sam local invoke`, in Docker, as samconfig.toml sets it up: `make test-docker`."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.samples import kept, promised
from tests.local.cloud import ROOT
from tests.local.sandbox import CLOUD_PORT, SIMULATOR_PORT, sandbox

SAM = str(Path(sys.executable).with_name("sam"))
INVOKE = [SAM, "local", "invoke", "DeleteMediaFunction"]

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module", autouse=True)
def _as_make_local_does() -> Iterator[None]:
    with sandbox("0.0.0.0", CLOUD_PORT, SIMULATOR_PORT):  # noqa: S104 (for the function's container)
        yield


def run(command: list[str], given: str | None = None) -> list[dict[str, str]]:
    """The log lines about requests of a command that ends well."""
    done = subprocess.run(command, cwd=ROOT, input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith('{"level"')]
    return [line for line in lines if line.get("message") == "media_deletion"]


@pytest.mark.parametrize("name", sorted(promised()))
def test_a_sample(name: str) -> None:
    assert kept(run([*INVOKE, "-e", f"events/{name}.json"])) == promised()[name]


def test_sams_own_deletion_event() -> None:
    generate = [SAM, "local", "generate-event", "s3", "delete"]
    event = subprocess.run(generate, capture_output=True, text=True, check=True).stdout
    assert kept(run([*INVOKE, "-e", "-"], given=event)) == ["skipped: no_media"]
