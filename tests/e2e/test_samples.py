"""Every sample through the built function, in AWS's runtime loop: each comes to what README.md's table says."""

import json
import platform
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import EVENTS, sample
from tests.e2e.samples import kept, promised
from tests.local.runtime import Emulator, emulator
from tests.local.sandbox import sandbox

pytestmark = pytest.mark.skipif(platform.system() != "Linux", reason="AWS ships its emulator as a program for Linux")


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with sandbox() as box, emulator(box.environment(), tmp_path_factory.mktemp("emulator") / "log.txt") as running:
        yield running


def test_the_table_names_every_sample() -> None:
    assert sorted(promised()) == sorted(path.stem for path in EVENTS.glob("*.json"))


@pytest.mark.parametrize("name", sorted(promised()))
def test_a_sample(function: Emulator, name: str) -> None:
    before = len(function.log.read_text())
    answer = function.invoke(sample(name))
    assert kept(log_lines(function.log, before)) == promised()[name]
    if name.startswith("sqs-"):
        assert answer == {"batchItemFailures": []}
    else:
        assert [result["outcome"] for result in answer["results"]] == [
            outcome.partition(":")[0] for outcome in promised()[name]
        ]


def test_an_error_is_answered_with_its_message(function: Emulator) -> None:
    answer = function.invoke({"please": "delete"})
    assert answer["errorType"] == "RequestsFailedError"
    assert answer["errorMessage"].startswith("1 of 1 requests failed: rejected: not_understood")


def log_lines(log: Path, before: int) -> list[dict[str, str]]:
    """The structured lines about requests that came after a position in the log."""
    lines = [json.loads(line) for line in log.read_text()[before:].splitlines() if line.startswith("{")]
    return [line for line in lines if line.get("message") == "media_deletion"]
