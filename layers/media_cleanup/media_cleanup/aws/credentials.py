"""NXCloud's credentials from Secrets Manager: cached, validated, and never shown."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from threading import Lock
from time import monotonic

from botocore.exceptions import ClientError

from media_cleanup.aws.clients import AwsClients, unavailable_as
from media_cleanup.errors import DependencyUnavailable
from media_cleanup.masking import mask_number
from media_cleanup.outcome import Reason
from nxcloud import Credentials

CACHE_S = 300
REFRESH_INTERVAL_S = 60
RETRY_AFTER_FAILURE_S = 5
_PRINTABLE = re.compile(r"[!-~]+")
_QUOTES = "\"'`"
_PLACEHOLDER = re.compile(r"<.*>|(replace|change)[ _-]?(me|this)|placeholder|x{3,}|\.{3}|…", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Accounts:
    """The credentials of a secret: those of single business phones, and the common pair of all others.

    An error in place of credentials says what is wrong with them.
    """

    own: Mapping[str, Credentials | DependencyUnavailable]
    common: Credentials | DependencyUnavailable

    def get(self, business_phone: str) -> Credentials:
        """Return the credentials for a business phone. Raises DependencyUnavailable."""
        found = self.own.get(business_phone, self.common)
        if isinstance(found, Credentials):
            return found
        shown = mask_number(business_phone)
        raise DependencyUnavailable(found.reason, f"no usable credentials for {shown}: {found.detail}")


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
        self._accounts: Accounts | None = None
        self._read_again_at = -inf
        self._refreshed_at: dict[Credentials, float] = {}
        self._failure: DependencyUnavailable | None = None

    def get(self, business_phone: str) -> Credentials:
        """Return the credentials for a business phone."""
        with self._lock:
            if self._clock() >= self._read_again_at:
                self._read()
            return self._require().get(business_phone)

    def prepare(self) -> None:
        """Read the secret before the first request. A failure is not cached, so that the request reads it again."""
        with self._lock:
            self._read()
            if self._failure:
                self._read_again_at = -inf
            self._require()

    def refresh_after_refusal(self, business_phone: str, refused: Credentials) -> Credentials | None:
        """Return credentials to try after a refusal, read again at most once a minute for each; None for none."""
        with self._lock:
            now = self._clock()
            if self._accounts and (current := self._accounts.get(business_phone)) != refused:
                return current  # another worker has read the secret again
            self._refreshed_at = {each: at for each, at in self._refreshed_at.items() if now < at + REFRESH_INTERVAL_S}
            if refused in self._refreshed_at:
                return None
            self._refreshed_at[refused] = now
            self._read()
            return self._require().get(business_phone)

    def _require(self) -> Accounts:
        if self._accounts is None:
            unread = DependencyUnavailable(Reason.SECRET_UNREACHABLE, f"secret {self._secret_id} was not read")
            raise (self._failure or unread).with_traceback(None)  # it may be raised many times
        return self._accounts

    def _read(self) -> None:
        """Read the secret; a failure is cached for a while too, so that workers do not queue up to repeat it."""
        try:
            self._accounts = parse_secret(self._secret_id, self._secret_value())
            self._failure = None
            self._read_again_at = self._clock() + CACHE_S
        except DependencyUnavailable as error:
            if error.reason is Reason.CREDENTIALS_UNUSABLE:  # else the last good ones are served
                self._accounts = None
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


class _Object(dict[str, object]):
    """A JSON object, with each occurrence of its names in `pairs`."""

    def __init__(self, pairs: list[tuple[str, object]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs


def parse_secret(secret_id: str, value: str | bytes | None) -> Accounts:
    """Parse a secret's text, or its bytes. Raises DependencyUnavailable where nothing in it is usable.

    The text is `{"accessKey": "…", "accessSecret": "…"}`, and in addition to the two or instead of them,
    `{"accounts": {"<business phone>": {"accessKey": "…", "accessSecret": "…"}}}`. A byte order mark and white space
    around values are ignored. Errors name the secret and the field, never a value.
    """
    fields = _json_object(secret_id, value)
    own = _own_accounts(secret_id, fields)
    try:
        common: Credentials | DependencyUnavailable = _credentials(f"secret {secret_id}", fields)
    except DependencyUnavailable as error:
        if not own:
            raise
        common = error
    return Accounts(own, common)


def _json_object(secret_id: str, value: str | bytes | None) -> _Object:
    try:
        text = value.decode() if isinstance(value, bytes) else value
    except UnicodeDecodeError:
        raise _unusable(f"secret {secret_id} is binary and no UTF-8 text; store JSON text") from None
    try:
        fields = json.loads((text or "").removeprefix("\ufeff"), object_pairs_hook=_Object)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, _Object):
        raise _unusable(f'secret {secret_id} is not JSON of the form {{"accessKey": "…", "accessSecret": "…"}}')
    return fields


def _own_accounts(secret_id: str, fields: _Object) -> dict[str, Credentials | DependencyUnavailable]:
    """The credentials of single business phones; a damaged entry concerns its own number alone."""
    match [value for name, value in fields.pairs if name == "accounts"]:
        case [] | [None]:
            entries = _Object([])
        case [_Object() as entries]:
            pass
        case _:
            raise _unusable(f"secret {secret_id} must have one JSON object in its field accounts")
    own: dict[str, Credentials | DependencyUnavailable] = {}
    for name, entry in entries.pairs:
        number = name.strip().removeprefix("+")
        own[number] = _account(secret_id, entry, again=number in own)
    return own


def _account(secret_id: str, entry: object, *, again: bool) -> Credentials | DependencyUnavailable:
    place = f"secret {secret_id}, in its field accounts,"
    try:
        if again:
            raise _unusable(f"{place} has this number twice; keep one entry")
        if not isinstance(entry, _Object):
            raise _unusable(f"{place} has no JSON object for this number")
        return _credentials(place, entry)
    except DependencyUnavailable as error:
        return error.with_traceback(None)


def _credentials(place: str, fields: _Object) -> Credentials:
    return Credentials(_field(place, fields, "accessKey"), _field(place, fields, "accessSecret"))


def _field(place: str, fields: _Object, name: str) -> str:
    if sum(each == name for each, _ in fields.pairs) > 1:
        raise _unusable(f"{place} has its field {name} twice; keep one")
    value = fields.get(name)
    if not isinstance(value, str) or not value.strip():
        raise _unusable(f"{place} has no text in its field {name}")
    value = value.strip()
    if _PLACEHOLDER.fullmatch(value):
        raise _unusable(f"{place} still has a placeholder in its field {name}; store the real value")
    if not _PRINTABLE.fullmatch(value):
        found = "white space, a control character or a character beyond ASCII"
        raise _unusable(f"{place} has {found} in its field {name}; store the value as NXCloud shows it")
    if value[0] in _QUOTES or value[-1] in _QUOTES:
        raise _unusable(f"{place} has a quotation mark around its field {name}; store the value without it")
    return value


def _unusable(detail: str) -> DependencyUnavailable:
    return DependencyUnavailable(Reason.CREDENTIALS_UNUSABLE, detail)
