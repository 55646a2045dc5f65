"""Every sample through the built function, in AWS's runtime loop: with the outcomes that events/README.md lists."""

import platform
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from localdev.runtime import Emulator, emulator
from localdev.sandbox import Sandbox, sandbox
from localdev.stack import MESSAGES, function_for
from tests.conftest import EVENTS, sample
from tests.e2e.samples import kept, promised

pytestmark = pytest.mark.skipif(platform.system() != "Linux", reason="AWS ships its emulator as a program for Linux")


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with sandbox() as running:
        yield running


@pytest.fixture(scope="module")
def functions(box: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Emulator]]:
    logs, settings = tmp_path_factory.mktemp("emulator"), box.environment()
    with ExitStack() as running:
        yield {name: running.enter_context(emulator(settings, logs / f"{name}.txt", name)) for name in MESSAGES}


def test_table_lists_every_sample_event() -> None:
    files = [path.relative_to(EVENTS).with_suffix("") for path in EVENTS.rglob("*.json")]
    received = [path.as_posix() for path in files if path.parts[0] != "outcomes"]  # which the function sends
    assert sorted(promised()) == sorted(received)


@pytest.mark.parametrize("name", sorted(promised()))
def test_sample_event_has_documented_outcomes(box: Sandbox, functions: dict[str, Emulator], name: str) -> None:
    box.forget()
    path = EVENTS / f"{name}.json"
    function = functions[function_for(path)]
    before = len(function.log.read_text())
    answer = function.invoke(sample(name))
    assert kept(function.log.read_text()[before:].splitlines()) == promised()[name]
    if path.name.startswith("sqs-"):
        assert answer == {"batchItemFailures": []}
    elif path.name.startswith("s3-batch-"):
        assert {result["resultCode"] for result in answer["results"]} == {"Succeeded"}
    elif path.parent.name == "sweep":
        assert answer == {"SweptLinks": 1, "SweptGone": 1, "SweptReplaced": 0, "SweptRefused": 0, "SweptUnknown": 0}
    else:
        assert [result["outcome"] for result in answer["results"]] == [
            outcome.partition(":")[0] for outcome in promised()[name]
        ]


def test_failed_event_returns_error_message(functions: dict[str, Emulator]) -> None:
    answer = functions["DeleteMediaFunction"].invoke({"please": "delete"})
    assert answer["errorType"] == "RequestsFailedError"
    assert answer["errorMessage"].startswith("1 of 1 requests failed: rejected: not_understood")
