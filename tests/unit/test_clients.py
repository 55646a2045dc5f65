"""AWS errors, translated and described without their text."""

import traceback

import pytest
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError

from media_cleanup.aws.clients import describe_error, unavailable_as
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
