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
REFRESH_INTERVAL_S = 60
RETRY_AFTER_FAILURE_S = 5
_PRINTABLE = re.compile(r"[!-~]+")
_QUOTES = "\"'`"
_PLACEHOLDER = re.compile(r"<.*>|(replace|change)[ _-]?(me|this)|placeholder|x{3,}|\.{3}|…", re.IGNORECASE)


class CredentialsStore:
    """The credentials of one secret, for concurrent workers: one reads for all.

    They are cached for five minutes, and longer while Secrets Manager is throttled or down. `clock` counts seconds.
    Each method raises DependencyUnavailable with the reason `credentials_unusable` or `secret_unreachable`.
    """

    def __init__(self, clients: AwsClients, secret_id: str, clock: Callable[[], float] = monotonic) -> None:
        self._clients = clients
        self._secret_id = secret_id
        self._clock = clock
        self._lock = Lock()
        self._credentials: Credentials | None = None
        self._read_again_at = -inf
        self._refreshed_at = -inf
        self._failure: DependencyUnavailable | None = None

    def get(self) -> Credentials:
        """Return the credentials."""
        with self._lock:
            if self._clock() >= self._read_again_at:
                self._read()
            return self._require()

    def prepare(self) -> None:
        """Read the secret before the first request. A failure is not cached, so that the request reads it again."""
        with self._lock:
            self._read()
            if self._failure:
                self._read_again_at = -inf
            self._require()

    def refresh_after_refusal(self, refused: Credentials) -> Credentials | None:
        """Return credentials to try after a refusal, read again at most once a minute; None for none."""
        with self._lock:
            if self._credentials not in {None, refused}:  # another worker has read the secret again
                return self._credentials
            if self._clock() < self._refreshed_at + REFRESH_INTERVAL_S:
                return None
            self._refreshed_at = self._clock()
            self._read()
            return self._require()

    def _require(self) -> Credentials:
        if self._credentials is None:
            unread = DependencyUnavailable(Reason.SECRET_UNREACHABLE, f"secret {self._secret_id} was not read")
            raise (self._failure or unread).with_traceback(None)  # it may be raised many times
        return self._credentials

    def _read(self) -> None:
        """Read the secret; a failure is cached for a while too, so that workers do not queue up to repeat it."""
        try:
            self._credentials = parse_secret(self._secret_id, self._secret_value())
            self._failure = None
            self._read_again_at = self._clock() + CACHE_S
        except DependencyUnavailable as error:
            if error.reason is Reason.CREDENTIALS_UNUSABLE:  # else the last good ones are served
                self._credentials = None
            self._failure = error
            self._read_again_at = self._clock() + RETRY_AFTER_FAILURE_S

    def _secret_value(self) -> str | bytes | None:
        with unavailable_as(Reason.SECRET_UNREACHABLE, f"Secrets Manager, for secret {self._secret_id},"):
            try:
                value = self._clients.secretsmanager.get_secret_value(SecretId=self._secret_id)
                return value.get("SecretString", value.get("SecretBinary"))
            except ClientError as error:
                if error.response["Error"]["Code"] == "ResourceNotFoundException":
                    raise _unusable(f"secret {self._secret_id} does not exist or has no value; store one") from None
                raise


def parse_secret(secret_id: str, value: str | bytes | None) -> Credentials:
    """Parse a secret's text `{"accessKey": "…", "accessSecret": "…"}`, or its bytes. Raises DependencyUnavailable.

    A byte order mark and white space around values are ignored. The error names the secret and the field, never a
    value.
    """
    try:
        text = value.decode() if isinstance(value, bytes) else value
    except UnicodeDecodeError:
        raise _unusable(f"secret {secret_id} is binary and no UTF-8 text; store JSON text") from None
    try:
        fields = json.loads((text or "").removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise _unusable(f'secret {secret_id} is not JSON of the form {{"accessKey": "…", "accessSecret": "…"}}')
    return Credentials(_field(secret_id, fields, "accessKey"), _field(secret_id, fields, "accessSecret"))


def _field(secret_id: str, fields: dict[str, object], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value.strip():
        raise _unusable(f"secret {secret_id} has no text in its field {name}")
    value = value.strip()
    if _PLACEHOLDER.fullmatch(value):
        raise _unusable(f"secret {secret_id} still has a placeholder in its field {name}; store the real value")
    if not _PRINTABLE.fullmatch(value):
        found = "white space, a control character or a character beyond ASCII"
        raise _unusable(f"secret {secret_id} has {found} in its field {name}; store the value as NXCloud shows it")
    if value[0] in _QUOTES or value[-1] in _QUOTES:
        raise _unusable(f"secret {secret_id} has a quotation mark around its field {name}; store the value without it")
    return value


def _unusable(detail: str) -> DependencyUnavailable:
    return DependencyUnavailable(Reason.CREDENTIALS_UNUSABLE, detail)
