"""NXCloud's credentials from Secrets Manager: cached, validated, and never shown."""

import json
import re
from collections.abc import Callable
from math import inf
from threading import Lock
from time import monotonic

from botocore.exceptions import ClientError

from media_cleanup.aws.clients import AwsClients, unavailable_as
from media_cleanup.errors import DependencyUnavailable
from media_cleanup.outcome import Reason
from nxcloud import Credentials

CACHE_S = 300
PAUSE_S = 60
RETRY_AFTER_FAILURE_S = 5
_PLACEHOLDER = re.compile(r"<.*>|(replace|change)[ _-]?(me|this)|placeholder|x{3,}|\.{3}|…", re.IGNORECASE)


class CredentialsStore:
    """The credentials of one secret, for concurrent workers: one reads for all.

    They are cached for five minutes, and longer while Secrets Manager is throttled or down. `clock` counts seconds.
    Each method but `refuse` raises DependencyUnavailable with the reason `credentials_unusable` or
    `secret_unreachable`, `get` also `credentials_refused`.
    """

    def __init__(self, clients: AwsClients, secret_id: str, clock: Callable[[], float] = monotonic) -> None:
        self._clients = clients
        self._secret_id = secret_id
        self._clock = clock
        self._lock = Lock()
        self._credentials: Credentials | None = None
        self._read_again_at = -inf
        self._refreshed_at = -inf
        self._refused: Credentials | None = None
        self._refused_at = -inf
        self._failure: DependencyUnavailable | None = None

    def get(self) -> Credentials:
        """Return the credentials, unless NXCloud refused them within the last minute."""
        with self._lock:
            if self._clock() >= self._read_again_at:
                self._read()
            credentials = self._require()
            if credentials == self._refused and self._clock() < self._refused_at + PAUSE_S:
                detail = f"NXCloud refused those of secret {self._secret_id} within the last {PAUSE_S} s"
                raise DependencyUnavailable(Reason.CREDENTIALS_REFUSED, detail)
            return credentials

    def refresh_after_refusal(self, refused: Credentials) -> Credentials | None:
        """Return credentials to try after a refusal, read again at most once a minute; None for none."""
        with self._lock:
            if self._credentials not in {None, refused}:  # another worker has read the secret again
                return self._credentials
            if self._clock() < self._refreshed_at + PAUSE_S:
                return None
            self._refreshed_at = self._clock()
            self._read()
            return self._require()

    def refuse(self, refused: Credentials) -> None:
        """Record that NXCloud has refused these credentials."""
        with self._lock:
            self._refused, self._refused_at = refused, self._clock()

    def _require(self) -> Credentials:
        if self._credentials is None:
            unread = DependencyUnavailable(Reason.SECRET_UNREACHABLE, f"secret {self._secret_id} was not read")
            raise (self._failure or unread).with_traceback(None)  # it may be raised many times
        return self._credentials

    def _read(self) -> None:
        """Read the secret; a failure is cached for a while too, so that workers do not queue up to repeat it."""
        try:
            self._credentials = parse_secret(self._secret_id, self._secret_text())
            self._failure = None
            self._read_again_at = self._clock() + CACHE_S
        except DependencyUnavailable as error:
            if error.reason is Reason.CREDENTIALS_UNUSABLE:  # else the last good ones are served
                self._credentials = None
            self._failure = error
            self._read_again_at = self._clock() + RETRY_AFTER_FAILURE_S

    def _secret_text(self) -> str | None:
        with unavailable_as(Reason.SECRET_UNREACHABLE, f"Secrets Manager, for secret {self._secret_id},"):
            try:
                return self._clients.secretsmanager.get_secret_value(SecretId=self._secret_id).get("SecretString")
            except ClientError as error:
                if error.response["Error"]["Code"] == "ResourceNotFoundException":
                    raise _unusable(f"secret {self._secret_id} does not exist or has no value; store one") from None
                raise


def parse_secret(secret_id: str, text: str | None) -> Credentials:
    """Parse a secret's text `{"accessKey": "…", "accessSecret": "…"}`. Raises DependencyUnavailable.

    The error names the secret and the field, never a value.
    """
    try:
        fields = json.loads(text or "")
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise _unusable(f'secret {secret_id} is not JSON of the form {{"accessKey": "…", "accessSecret": "…"}}')
    try:
        return Credentials(_field(secret_id, fields, "accessKey"), _field(secret_id, fields, "accessSecret"))
    except ValueError as error:
        raise _unusable(f"secret {secret_id}: {error}") from None


def _field(secret_id: str, fields: dict[str, object], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value.strip():
        raise _unusable(f"secret {secret_id} has no text in its field {name}")
    if _PLACEHOLDER.fullmatch(value.strip()):
        raise _unusable(f"secret {secret_id} still has a placeholder in its field {name}; store the real value")
    return value


def _unusable(detail: str) -> DependencyUnavailable:
    return DependencyUnavailable(Reason.CREDENTIALS_UNUSABLE, detail)
