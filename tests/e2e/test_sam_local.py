"""Every sample through the real `sam local invoke`, in Docker, as samconfig.toml sets it up: `make test-docker`."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from localdev.cloud import ROOT
from localdev.sandbox import CLOUD_PORT, NXCLOUD_PORT, Sandbox, sandbox
from localdev.stack import function_for
from tests.conftest import EVENTS
from tests.e2e.samples import kept, promised

SAM = str(Path(sys.executable).with_name("sam"))

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module", autouse=True)
def box() -> Iterator[Sandbox]:
    """What `make local` runs."""
    with sandbox("0.0.0.0", CLOUD_PORT, NXCLOUD_PORT) as running:  # noqa: S104 (for the function's container)
        yield running


def invoke(function: str, event: str, given: str | None = None) -> list[str]:
    """What the function logs about the requests in an event, in the table's words."""
    command = [SAM, "local", "invoke", function, "-e", event]
    done = subprocess.run(command, cwd=ROOT, input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return kept(line for line in done.stderr.splitlines() if line.startswith('{"level"'))


@pytest.mark.parametrize("name", sorted(promised()))
def test_sample_event_has_documented_outcomes(box: Sandbox, name: str) -> None:
    box.forget()
    path = EVENTS / f"{name}.json"
    assert invoke(function_for(path), str(path)) == promised()[name]


@pytest.mark.parametrize(
    ("function", "happening", "outcome"),
    [
        ("DeleteMediaFunction", "delete", "skipped: no_media"),
        ("IndexMediaFunction", "put", "skipped: gone_or_replaced"),
    ],
)
def test_event_generated_by_sam_has_outcome(function: str, happening: str, outcome: str) -> None:
    generate = [SAM, "local", "generate-event", "s3", happening]
    event = subprocess.run(generate, capture_output=True, text=True, check=True).stdout
    assert invoke(function, "-", given=event) == [outcome]
