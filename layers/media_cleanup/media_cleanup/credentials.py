"""NXCloud's credentials from Secrets Manager, read once in a while, checked, and never shown."""

import json
import re
from collections.abc import Callable
from time import monotonic

from botocore.exceptions import BotoCoreError, ClientError

from media_cleanup.aws import Aws
from nxcloud import Credentials

MAX_AGE_S = 300
_PLACEHOLDER = re.compile(r"<.*>|(replace|change)[ _-]?(me|this)|placeholder|x{3,}|\.{3}|…", re.IGNORECASE)


class CredentialsError(Exception):
    """The secret cannot be used until somebody mends it: the message names the secret and the field, never a value."""


class SecretUnreachableError(Exception):
    """Secrets Manager did not hand the secret over this time."""


class CredentialsStore:
    """The credentials of one secret, remembered for five minutes so that a rotated secret is soon found."""

    def __init__(self, aws: Aws, secret_id: str, clock: Callable[[], float] = monotonic) -> None:
        self._aws = aws
        self._secret_id = secret_id
        self._clock = clock
        self._credentials: Credentials | None = None
        self._read_at = 0.0

    def get(self) -> Credentials:
        """The credentials. Raises CredentialsError or SecretUnreachableError."""
        if self._credentials is None or self._clock() - self._read_at > MAX_AGE_S:
            self._credentials = parse_secret(self._secret_id, _read(self._aws, self._secret_id))
            self._read_at = self._clock()
        return self._credentials


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
