"""Settings of the functions: environment variables, parsed once and typed."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import floor
from typing import TYPE_CHECKING, Protocol, cast
from urllib.parse import urlsplit

from media_cleanup.errors import InvalidMediaError, SettingsError
from media_cleanup.model import Media

if TYPE_CHECKING:  # the index function makes no calls, and would import requests with it
    from nxcloud import Algorithm

DEFAULT_OBJECT_KEY_PATTERN = (
    r"(?:^|/)(?P<business_phone>[0-9]{5,15})/"
    r"(?P<media_id>[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})(?:[.][^/]*)?$"
)
MAX_KEY_BYTES = 1024
BATCH_SIZE = 10
MIN_SHARE = 0.25  # calls a second; a batch then takes at most 50 of an invocation's 60 s (provider/pacing.py)
SECRET_ID = re.compile("[A-Za-z0-9/_+=.@:!-]{1,600}")  # a name, or an ARN
LOCAL_HOSTS = {"localhost", "host.docker.internal"}


@dataclass(frozen=True, slots=True)
class DeleteMediaSettings:
    """Settings of the deletion function."""

    base_url: str
    secret_id: str
    media_index_table: str
    idempotency_table: str
    deletion_queue_url: str
    dead_letter_queue_url: str
    sign_algorithm: "Algorithm"
    default_business_phone: str | None
    object_key_prefix: str
    object_key_pattern: re.Pattern[str]
    dry_run: bool
    verify_absence: bool
    absence_proof_interval_s: float
    concurrent_calls: int
    outcome_event_bus: str | None
    max_concurrency: int
    calls_per_s: float
    max_deletions_per_hour: int

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "DeleteMediaSettings":
        """Read all settings; an empty variable counts as not set. Raises SettingsError."""
        max_concurrency = _max_concurrency(environment.get("MAX_CONCURRENCY") or "5")
        return cls(
            base_url=_base_url(_required(environment, "NXCLOUD_BASE_URL")),
            secret_id=_secret_id(_required(environment, "NXCLOUD_SECRET_ID")),
            media_index_table=_required(environment, "MEDIA_INDEX_TABLE"),
            idempotency_table=_required(environment, "IDEMPOTENCY_TABLE"),
            deletion_queue_url=_required(environment, "DELETION_QUEUE_URL"),
            dead_letter_queue_url=_required(environment, "DEAD_LETTER_QUEUE_URL"),
            sign_algorithm=cast("Algorithm", _one_of(environment, "NXCLOUD_SIGN_ALGORITHM", ("md5", "sha256"))),
            default_business_phone=_phone(environment.get("DEFAULT_BUSINESS_PHONE", "")),
            object_key_prefix=_prefix(environment.get("OBJECT_KEY_PREFIX", "")),
            object_key_pattern=_pattern(environment.get("OBJECT_KEY_PATTERN") or DEFAULT_OBJECT_KEY_PATTERN),
            dry_run=_one_of(environment, "DRY_RUN", ("false", "true")) == "true",
            verify_absence=_one_of(environment, "VERIFY_ABSENCE", ("true", "false")) == "true",
            absence_proof_interval_s=_seconds("ABSENCE_PROOF_INTERVAL_S", environment, "3600"),
            concurrent_calls=_concurrent_calls(environment.get("CONCURRENT_CALLS") or "10"),
            outcome_event_bus=_event_bus(environment.get("OUTCOME_EVENT_BUS", "")),
            max_concurrency=max_concurrency,
            calls_per_s=_share(environment.get("CALLS_PER_SECOND") or "0", max_concurrency),
            max_deletions_per_hour=_deletions_per_hour(environment.get("MAX_DELETIONS_PER_HOUR") or "0"),
        )


@dataclass(frozen=True, slots=True)
class IndexMediaSettings:
    """Settings of the index function."""

    media_index_table: str
    deletion_queue_url: str
    dead_letter_queue_url: str
    default_business_phone: str | None
    object_key_prefix: str
    concurrent_calls: int

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "IndexMediaSettings":
        """Read all settings; an empty variable counts as not set. Raises SettingsError."""
        return cls(
            media_index_table=_required(environment, "MEDIA_INDEX_TABLE"),
            deletion_queue_url=_required(environment, "DELETION_QUEUE_URL"),
            dead_letter_queue_url=_required(environment, "DEAD_LETTER_QUEUE_URL"),
            default_business_phone=_phone(environment.get("DEFAULT_BUSINESS_PHONE", "")),
            object_key_prefix=_prefix(environment.get("OBJECT_KEY_PREFIX", "")),
            concurrent_calls=_concurrent_calls(environment.get("CONCURRENT_CALLS") or "10"),
        )


@dataclass(frozen=True, slots=True)
class SweepIndexSettings:
    """Settings of the sweep function; passes start at least `every_s` seconds apart."""

    media_index_table: str
    deletion_queue_url: str
    object_key_prefix: str
    every_s: int

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "SweepIndexSettings":
        """Read all settings; an empty variable counts as not set. Raises SettingsError."""
        return cls(
            media_index_table=_required(environment, "MEDIA_INDEX_TABLE"),
            deletion_queue_url=_required(environment, "DELETION_QUEUE_URL"),
            object_key_prefix=_prefix(environment.get("OBJECT_KEY_PREFIX", "")),
            every_s=_days(environment.get("SWEEP_EVERY_DAYS") or "1") * 24 * 3600,
        )


@dataclass(frozen=True, slots=True)
class HourlyCheckSettings:
    """Settings of the sweep function's hourly check.

    `own_bucket` is the bucket that the stack created, `existing_buckets` the name or name pattern of other buckets;
    empty where there is none. `queue_urls` and `function_arns` name the destinations of their events.
    """

    media_index_table: str
    own_bucket: str
    existing_buckets: str
    object_key_prefix: str
    queue_urls: frozenset[str]
    function_arns: frozenset[str]
    dry_run: bool

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "HourlyCheckSettings":
        """Read all settings; an empty variable counts as not set. Raises SettingsError."""
        return cls(
            media_index_table=_required(environment, "MEDIA_INDEX_TABLE"),
            own_bucket=environment.get("OWN_BUCKET", ""),
            existing_buckets=environment.get("EXISTING_BUCKETS", ""),
            object_key_prefix=environment.get("OBJECT_KEY_PREFIX", ""),
            queue_urls=_set_of(environment, "DELETION_QUEUE_URL", "INDEX_QUEUE_URL"),
            function_arns=_set_of(environment, "DELETE_MEDIA_FUNCTION_ARN", "INDEX_MEDIA_FUNCTION_ARN"),
            dry_run=_one_of(environment, "DRY_RUN", ("false", "true")) == "true",
        )


class RequestSettings(Protocol):
    """The settings that all functions with requests have."""

    @property
    def default_business_phone(self) -> str | None:
        """The business phone, with country code, of requests that name none."""

    @property
    def dead_letter_queue_url(self) -> str:
        """The queue for requests that can never succeed."""

    @property
    def concurrent_calls(self) -> int:
        """The number of requests of an invocation that are handled at once."""


def _required(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name, "")
    if not value:
        raise SettingsError(f"{name} is not set")
    return value


def _secret_id(text: str) -> str:
    """The name or ARN of the secret, which errors show: not the secret itself."""
    if not SECRET_ID.fullmatch(text):
        raise SettingsError("NXCLOUD_SECRET_ID must be the name or the ARN of a secret, not its value")
    return text


def _set_of(environment: Mapping[str, str], *names: str) -> frozenset[str]:
    return frozenset(environment[name] for name in names if environment.get(name, ""))


def _one_of(environment: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    """The variable's value; the default is the first choice."""
    value = environment.get(name) or choices[0]
    if value not in choices:
        raise SettingsError(f"{name} must be one of {', '.join(choices)}")
    return value


def _base_url(url: str) -> str:
    """The base URL of NXCloud; plain http, which exposes the access key, is for this machine alone."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:  # whose text may hold a part of a password
        host = port = None
    if not host or port == 0 or not re.fullmatch(r"[!-~]+", url):
        raise SettingsError("NXCLOUD_BASE_URL is not a URL such as https://api2.nxcloud.com")
    if parts.username is not None or parts.password is not None:
        raise SettingsError("NXCLOUD_BASE_URL must not hold a user name or a password")
    if "?" in url or "#" in url:  # an empty query, too, would become a part of each call's path
        raise SettingsError("NXCLOUD_BASE_URL must not hold a query or a fragment")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_local(host)):
        raise SettingsError(
            "NXCLOUD_BASE_URL must begin with https:// (plain http is for this machine's own addresses)"
        )
    return url.rstrip("/")


def _is_local(host: str) -> bool:
    try:
        return host in LOCAL_HOSTS or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _phone(text: str) -> str | None:
    if not text:
        return None
    try:
        return Media.parse(text, "any").business_phone
    except InvalidMediaError as error:
        raise SettingsError(f"DEFAULT_BUSINESS_PHONE: {error}") from None


def _concurrent_calls(text: str) -> int:
    if not re.fullmatch("[1-9]|10", text):  # boto3 and requests keep ten connections
        raise SettingsError("CONCURRENT_CALLS must be a whole number from 1 to 10")
    return int(text)


def _event_bus(text: str) -> str | None:
    if not re.fullmatch("[A-Za-z0-9._/-]{0,256}", text):
        raise SettingsError("OUTCOME_EVENT_BUS must be the name of an event bus: letters, digits and . _ / -")
    return text or None


def _max_concurrency(text: str) -> int:
    if not re.fullmatch("[1-9][0-9]{0,3}", text):
        raise SettingsError("MAX_CONCURRENCY must be a whole number from 1 to 9999")
    return int(text)


def _share(text: str, max_concurrency: int) -> float:
    """An execution environment's share of CALLS_PER_SECOND: whole calls a second, so that all shares keep within it."""
    if not re.fullmatch("[0-9]{1,5}([.][0-9]{1,3})?", text):
        raise SettingsError("CALLS_PER_SECOND must be a number from 0 to 99999")
    share = float(text) / max_concurrency
    if 0 < share < MIN_SHARE:
        largest = floor(float(text) / MIN_SHARE)
        fewer = f", or MaxConcurrency to {largest} or less" if largest else ""
        raise SettingsError(
            f"CALLS_PER_SECOND {text} ÷ MAX_CONCURRENCY {max_concurrency} = {share:.3f} calls a second for each "
            f"environment, so that a batch takes {BATCH_SIZE} ÷ {share:.3f} = {BATCH_SIZE / share:.0f} s: too long for "
            f"an invocation. Set CallsPerSecond to {MIN_SHARE * max_concurrency:g} or more{fewer}"
        )
    return float(floor(share)) if share >= 1 else share


def _deletions_per_hour(text: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", text):
        raise SettingsError("MAX_DELETIONS_PER_HOUR must be a whole number from 0 to 999999999")
    return int(text)


def _days(text: str) -> int:
    if not re.fullmatch("[0-9]{1,3}", text):
        raise SettingsError("SWEEP_EVERY_DAYS must be a whole number from 0 to 999")
    return int(text)


def _seconds(name: str, environment: Mapping[str, str], default: str) -> float:
    text = environment.get(name) or default
    if not re.fullmatch("[0-9]{1,5}([.][0-9]{1,3})?", text):
        raise SettingsError(f"{name} must be a number of seconds from 0 to 99999")
    return float(text)


def _prefix(text: str) -> str:
    if text.startswith("/"):
        raise SettingsError("OBJECT_KEY_PREFIX must not begin with a slash: the keys of objects do not")
    if len(text.encode(errors="replace")) > MAX_KEY_BYTES:
        raise SettingsError(f"OBJECT_KEY_PREFIX is longer than the {MAX_KEY_BYTES} bytes of the longest key")
    return text


def _pattern(text: str) -> re.Pattern[str]:
    try:
        pattern = re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise SettingsError(f"OBJECT_KEY_PATTERN does not compile: {error}") from None
    if "media_id" not in pattern.groupindex:
        raise SettingsError("OBJECT_KEY_PATTERN has no group (?P<media_id>…)")
    if text != DEFAULT_OBJECT_KEY_PATTERN and _backtracks_exponentially(pattern):
        raise SettingsError(
            "OBJECT_KEY_PATTERN takes too long to search some keys: avoid repeats within repeats, such as (a+)+, and "
            "several of .* in a row"
        )
    return pattern


def _backtracks_exponentially(pattern: re.Pattern[str]) -> bool:
    from media_cleanup.key_pattern import backtracks_exponentially  # noqa: PLC0415 (costs the cold start nothing with the default)

    return backtracks_exponentially(pattern)
