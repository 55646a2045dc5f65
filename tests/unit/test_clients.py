"""AWS clients of the services in use, and AWS errors, translated and described without their text."""

import traceback

import pytest
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, UnknownServiceError

from media_cleanup.aws.clients import AwsClients, describe_error, unavailable_as
from media_cleanup.aws.service_models import SERVICES, ServiceModels
from media_cleanup.errors import DependencyUnavailable
from media_cleanup.outcome import Reason

ERRORS = [
    (ClientError({"Error": {"Code": "Throttling", "Message": "canary"}}, "GetItem"), "answered Throttling"),
    (EndpointConnectionError(endpoint_url="https://canary"), "did not answer: EndpointConnectionError"),
]


@pytest.mark.parametrize(("error", "text"), ERRORS)
def test_aws_error_is_described_by_code_or_type(error: ClientError | BotoCoreError, text: str) -> None:
    assert describe_error(error) == text


@pytest.mark.parametrize(("error", "text"), ERRORS)
def test_aws_error_becomes_dependency_unavailable(error: ClientError | BotoCoreError, text: str) -> None:
    with pytest.raises(DependencyUnavailable) as caught, unavailable_as(Reason.INDEX_UNREACHABLE, "the table t"):
        raise error
    assert (caught.value.reason, caught.value.detail) == (Reason.INDEX_UNREACHABLE, f"the table t {text}")
    assert "canary" not in "".join(traceback.format_exception(caught.value))


def test_other_error_is_not_translated() -> None:
    with pytest.raises(KeyError), unavailable_as(Reason.INDEX_UNREACHABLE, "the table t"):
        raise KeyError


def test_clients_of_all_used_services_are_created(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    clients = AwsClients()
    clients.create(*SERVICES)
    created = [clients.dynamodb, clients.events, clients.s3, clients.secretsmanager, clients.sqs]
    assert [client.meta.service_model.service_name for client in created] == SERVICES


def test_other_service_is_unknown() -> None:
    with pytest.raises(UnknownServiceError, match="ec2"):
        ServiceModels().load_service_model("ec2", "service-2")
