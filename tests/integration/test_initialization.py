"""The initialization phase: the calls that it makes, and requests after a phase in which something failed."""

import json
import random
from collections import Counter
from typing import Any

import pytest
from snapshot_restore_py import get_after_restore

from delete_media import app as delete_media_app
from index_media import app as index_media_app
from media_cleanup.aws.clients import AwsClients
from media_cleanup.errors import SettingsError
from media_cleanup.initialization import Preparable, initialize
from sweep_index import app as sweep_index_app
from tests.integration.conftest import MEDIA_MESSAGE, Environment, aws_error, sqs_event

ON_DEMAND = {"AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand"}
SNAP_START = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}
SERVICES = ("dynamodb", "s3", "secretsmanager", "sqs")


def created_clients(clients: AwsClients) -> set[str]:
    return set(clients._clients)  # noqa: SLF001 (each property would create its client)


def count_calls(clients: AwsClients) -> Counter[str]:
    """Count the calls of each AWS operation from now on."""
    counted: Counter[str] = Counter()
    for service in SERVICES:
        getattr(clients, service).meta.events.register("before-call", lambda model, **_: counted.update([model.name]))
    return counted


def warnings(capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    """Return the errors of each line about an incomplete initialization."""
    lines = map(json.loads, capsys.readouterr().out.splitlines())
    return [line["errors"] for line in lines if line["message"] == "initialization_incomplete"]


class SecretFailure:
    """Lets reads of the secret fail until it is ended."""

    def __init__(self, clients: AwsClients) -> None:
        self._events = clients.secretsmanager.meta.events
        self._events.register("before-call.secretsmanager", self._fail)

    @staticmethod
    def _fail(**_: Any) -> Any:  # noqa: ANN401 (botocore's stubs know no handler that answers)
        return aws_error(400, "ThrottlingException")

    def end(self) -> None:
        self._events.unregister("before-call.secretsmanager", self._fail)


def test_initialization_elsewhere_creates_nothing() -> None:
    def create() -> Preparable:
        raise AssertionError("created")

    initialize(create, {"AWS_LAMBDA_FUNCTION_NAME": "DeleteMedia"})


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    ("use_case", "services"),
    [
        (delete_media_app.use_case, {"dynamodb", "s3", "secretsmanager"}),
        (index_media_app.use_case, {"dynamodb", "s3"}),
        (sweep_index_app.sweep, {"dynamodb", "s3"}),
    ],
)
def test_initialization_creates_clients_of_main_path(use_case: Any, services: set[str]) -> None:  # noqa: ANN401 (any of three)
    initialize(use_case, ON_DEMAND)
    assert created_clients(use_case().clients) == services


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    ("use_case", "calls"),
    [
        (delete_media_app.use_case, {"GetItem": 1, "GetSecretValue": 1}),
        (index_media_app.use_case, {"Query": 1}),
        (sweep_index_app.sweep, {"GetItem": 1}),
    ],
)
def test_initialization_reads_secret_and_connects(use_case: Any, calls: dict[str, int]) -> None:  # noqa: ANN401 (any of three)
    counted = count_calls(use_case().clients)
    initialize(use_case, ON_DEMAND)
    assert counted == calls


def test_first_request_reads_no_secret_after_initialization(environment: Environment) -> None:
    initialize(delete_media_app.use_case, ON_DEMAND)
    calls = count_calls(environment.delete_media_clients)
    environment.delete_media(sqs_event(MEDIA_MESSAGE))
    assert environment.outcomes == [("deleted", None)]
    assert calls == {"PutItem": 1, "UpdateItem": 1}


def test_first_request_recovers_from_failed_secret(
    environment: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    failure = SecretFailure(environment.delete_media_clients)
    initialize(delete_media_app.use_case, ON_DEMAND)
    [[error]] = warnings(capsys)
    assert error.startswith("secret_unreachable: ")
    failure.end()
    environment.delete_media(sqs_event(MEDIA_MESSAGE))
    assert environment.outcomes == [("deleted", None)]


def test_first_request_reports_secret_that_still_fails(environment: Environment) -> None:
    SecretFailure(environment.delete_media_clients)
    initialize(delete_media_app.use_case, ON_DEMAND)
    environment.delete_media(sqs_event(MEDIA_MESSAGE))
    assert environment.outcomes == [("unavailable", "secret_unreachable")]


def test_wrong_settings_fail_each_request_alone(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CONCURRENT_CALLS", "11")
    initialize(delete_media_app.use_case, ON_DEMAND)
    assert warnings(capsys) == [["CONCURRENT_CALLS must be a whole number from 1 to 10"]]
    for _ in range(2):
        with pytest.raises(SettingsError, match="CONCURRENT_CALLS"):
            environment.delete_media(sqs_event(MEDIA_MESSAGE))


def test_unexpected_error_is_logged_without_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    def create() -> Preparable:
        raise ValueError("canary")

    initialize(create, ON_DEMAND)
    assert warnings(capsys) == [["ValueError"]]


def test_hourly_check_shares_clients_of_sweep(environment: Environment) -> None:
    assert sweep_index_app.hourly_check().clients is environment.sweep_index_clients


@pytest.fixture
def after_restore() -> Any:  # noqa: ANN401 (the runtime's own list)
    """The hooks that Lambda runs after a restore; those of other tests are forgotten."""
    get_after_restore().clear()
    yield get_after_restore()
    get_after_restore().clear()


def run(hooks: list[Any]) -> None:
    for hook, arguments, _ in hooks:
        hook(*arguments)


def test_snapshot_has_clients_and_no_secret(environment: Environment, after_restore: list[Any]) -> None:
    calls = count_calls(environment.delete_media_clients)
    initialize(delete_media_app.use_case, SNAP_START)
    assert calls == {}
    run(after_restore)
    assert calls == {"GetItem": 1, "GetSecretValue": 1}


def test_restored_environment_draws_its_own_jitter(environment: Environment, after_restore: list[Any]) -> None:  # noqa: ARG001 (the settings)
    initialize(delete_media_app.use_case, SNAP_START)
    snapshot = random.getstate()
    run(after_restore)
    first = random.getstate()
    random.setstate(snapshot)
    run(after_restore)
    assert random.getstate() not in {snapshot, first}
