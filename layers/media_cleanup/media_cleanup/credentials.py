"""NXCloud's credentials from Secrets Manager, read once in a while, checked, and never shown."""

import json
import re
from collections.abc import Callable
from math import inf
from threading import Lock
from time import monotonic

from botocore.exceptions import BotoCoreError, ClientError

from media_cleanup.aws import Aws
from nxcloud import Credentials

MAX_AGE_S = 300
PAUSE_S = 60
AFTER_FAILURE_S = 5
_PLACEHOLDER = re.compile(r"<.*>|(replace|change)[ _-]?(me|this)|placeholder|x{3,}|\.{3}|…", re.IGNORECASE)


class CredentialsError(Exception):
    """The secret cannot be used until somebody mends it: the message names the secret and the field, never a value."""


class CredentialsRefusedLatelyError(Exception):
    """NXCloud has refused these credentials within the last minute, so it is not asked again yet."""


class SecretUnreachableError(Exception):
    """Secrets Manager did not hand the secret over this time."""


class CredentialsStore:
    """The credentials of one secret, for concurrent workers: read once for all of them, and again in time.

    They are remembered for five minutes, and longer while Secrets Manager is throttled or down. `clock` counts seconds.
    """

    def __init__(self, aws: Aws, secret_id: str, clock: Callable[[], float] = monotonic) -> None:
        self._aws = aws
        self._secret_id = secret_id
        self._clock = clock
        self._lock = Lock()
        self._credentials: Credentials | None = None
        self._due_at = -inf
        self._refreshed_at = -inf
        self._refused: Credentials | None = None
        self._refused_at = -inf
        self._failure: Exception | None = None

    def get(self) -> Credentials:
        """The credentials. Raises CredentialsError, CredentialsRefusedLatelyError or SecretUnreachableError."""
        with self._lock:
            if self._clock() >= self._due_at:
                self._read()
            if self._credentials is None:
                raise self._failed()
            if self._credentials == self._refused and self._clock() < self._refused_at + PAUSE_S:
                raise CredentialsRefusedLatelyError(
                    f"NXCloud refused those of secret {self._secret_id} within the last {PAUSE_S} s"
                )
            return self._credentials

    def after_refusal_of(self, refused: Credentials) -> Credentials | None:
        """What to try after a refusal: the secret as another worker, or this one, has read it since; None for nothing.

        The secret is read afresh at most once a minute. Raises CredentialsError.
        """
        with self._lock:
            if self._credentials not in {None, refused}:
                return self._credentials
            if self._clock() < self._refreshed_at + PAUSE_S:
                return None
            self._refreshed_at = self._clock()
            self._read()
            if self._credentials is None:
                raise self._failed()
            return self._credentials

    def refuse(self, refused: Credentials) -> None:
        """Remembers that NXCloud has refused these."""
        with self._lock:
            self._refused, self._refused_at = refused, self._clock()

    def _failed(self) -> Exception:
        failure = self._failure or SecretUnreachableError(f"secret {self._secret_id} was not read")
        return failure.with_traceback(None)  # it may be raised again and again

    def _read(self) -> None:
        """Reads the secret; a failure is remembered for a while too, so that workers do not queue up to repeat it."""
        try:
            self._credentials = parse_secret(self._secret_id, _read(self._aws, self._secret_id))
            self._failure = None
            self._due_at = self._clock() + MAX_AGE_S
        except SecretUnreachableError as error:  # the last good ones may still do
            self._failure = error
            self._due_at = self._clock() + AFTER_FAILURE_S
        except CredentialsError as error:
            self._credentials, self._failure = None, error
            self._due_at = self._clock() + AFTER_FAILURE_S


def _read(aws: Aws, secret_id: str) -> str | None:
    try:
        return aws.secretsmanager.get_secret_value(SecretId=secret_id).get("SecretString")
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code == "ResourceNotFoundException":
            raise CredentialsError(f"secret {secret_id} does not exist or has no value; store one") from None
        raise SecretUnreachableError(f"Secrets Manager answered {code} for secret {secret_id}") from None
    except BotoCoreError as error:
        raise SecretUnreachableError(f"secret {secret_id} was not read: {type(error).__name__}") from None


def parse_secret(secret_id: str, text: str | None) -> Credentials:
    """The credentials in a secret's text `{"accessKey": "…", "accessSecret": "…"}`. Raises CredentialsError."""
    try:
        fields = json.loads(text or "")
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise CredentialsError(f'secret {secret_id} is not JSON of the form {{"accessKey": "…", "accessSecret": "…"}}')
    try:
        return Credentials(_field(secret_id, fields, "accessKey"), _field(secret_id, fields, "accessSecret"))
    except ValueError as error:
        raise CredentialsError(f"secret {secret_id}: {error}") from None


def _field(secret_id: str, fields: dict[str, object], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value.strip():
        raise CredentialsError(f"secret {secret_id} has no text in its field {name}")
    if _PLACEHOLDER.fullmatch(value.strip()):
        raise CredentialsError(f"secret {secret_id} still has a placeholder in its field {name}; store the real value")
    return value
