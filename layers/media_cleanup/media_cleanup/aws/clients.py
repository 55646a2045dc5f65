"""AWS clients, created on first use, with explicit timeouts and attempts; and the translation of their errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from media_cleanup.aws.service_models import ServiceModels
from media_cleanup.aws.tls import read_certificates_once
from media_cleanup.errors import DependencyUnavailable
from media_cleanup.outcome import Reason

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient

AWS_ERRORS = (ClientError, BotoCoreError)
# botocore's own defaults are 5 attempts of up to 60 s each
_CONFIG = Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 2})
_OF_SERVICE = {"dynamodb": Config(parameter_validation=False)}  # of own items, which DynamoDB validates too


class AwsClients:
    """The clients of an execution environment, kept with their connections; for concurrent workers."""

    def __init__(self) -> None:
        self._lock = Lock()  # botocore creates clients in one thread at a time
        self._clients: dict[str, Any] = {}

    def create(self, *services: str) -> None:
        """Create the clients of these services, unless they exist."""
        for service in services:
            self._client(service)

    @property
    def dynamodb(self) -> "DynamoDBClient":
        """The client of DynamoDB."""
        return self._client("dynamodb")  # type: ignore[no-any-return]  # as the signature declares

    @property
    def events(self) -> "EventBridgeClient":
        """The client of EventBridge."""
        return self._client("events")  # type: ignore[no-any-return]  # as the signature declares

    @property
    def s3(self) -> "S3Client":
        """The client of S3."""
        return self._client("s3")  # type: ignore[no-any-return]  # as the signature declares

    @property
    def secretsmanager(self) -> "SecretsManagerClient":
        """The client of Secrets Manager."""
        return self._client("secretsmanager")  # type: ignore[no-any-return]  # as the signature declares

    @property
    def sqs(self) -> "SQSClient":
        """The client of SQS."""
        return self._client("sqs")  # type: ignore[no-any-return]  # as the signature declares

    def _client(self, service: str) -> Any:  # noqa: ANN401 (botocore creates clients at run time)
        with self._lock:
            if service not in self._clients:
                config = _CONFIG.merge(_OF_SERVICE.get(service, Config()))
                client = _session().create_client(service, config=config)
                read_certificates_once(client)
                self._clients[service] = client
            return self._clients[service]


@cache
def _session() -> botocore.session.Session:
    """Return botocore's session, which keeps what it has loaded; boto3's would be a second one around it."""
    session = botocore.session.get_session()
    session.register_component("data_loader", ServiceModels())
    session.set_default_client_config(Config(user_agent=session.user_agent()))  # else it is composed for each call
    return session


@contextmanager
def unavailable_as(reason: Reason, dependency: str) -> Iterator[None]:
    """Translate an AWS error in the block to DependencyUnavailable with this reason."""
    try:
        yield
    except AWS_ERRORS as error:
        raise DependencyUnavailable(reason, f"{dependency} {describe_error(error)}") from None


def describe_error(error: BaseException) -> str:
    """Describe an AWS error by its code, or by its type where there was no response; never by its text."""
    if isinstance(error, ClientError):
        return f"answered {error.response['Error']['Code']}"
    return f"did not answer: {type(error).__name__}"
