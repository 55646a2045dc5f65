"""Settings from environment variables; errors name the variable and the reason."""

import pytest

from media_cleanup.errors import SettingsError
from media_cleanup.settings import (
    DEFAULT_OBJECT_KEY_PATTERN,
    DeleteMediaSettings,
    IndexMediaSettings,
    SweepIndexSettings,
)

REQUIRED = {
    "NXCLOUD_BASE_URL": "https://api2.nxcloud.com",
    "NXCLOUD_SECRET_ID": "nxcloud/credentials",
    "MEDIA_INDEX_TABLE": "media-index",
    "IDEMPOTENCY_TABLE": "confirmed-deletions",
    "DELETION_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/deletions",
    "DEAD_LETTER_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/dead-letters",
}


def test_optional_variables_have_defaults() -> None:
    settings = DeleteMediaSettings.from_environment(REQUIRED)
    assert settings.sign_algorithm == "md5"
    assert settings.default_business_phone is None
    assert settings.object_key_prefix == ""
    assert settings.object_key_pattern.pattern == DEFAULT_OBJECT_KEY_PATTERN
    assert not settings.dry_run
    assert settings.verify_absence
    assert settings.absence_proof_interval_s == 3600
    assert settings.concurrent_calls == 10
    assert (settings.calls_per_s, settings.max_concurrency, settings.max_deletions_per_hour) == (0, 5, 0)


def test_empty_variable_counts_as_not_set() -> None:
    unset = dict.fromkeys(
        [
            "NXCLOUD_SIGN_ALGORITHM",
            "DEFAULT_BUSINESS_PHONE",
            "OBJECT_KEY_PATTERN",
            "DRY_RUN",
            "VERIFY_ABSENCE",
            "ABSENCE_PROOF_INTERVAL_S",
        ],
        "",
    )
    assert DeleteMediaSettings.from_environment(REQUIRED | unset) == DeleteMediaSettings.from_environment(REQUIRED)


@pytest.mark.parametrize("name", ["MEDIA_INDEX_TABLE", "DELETION_QUEUE_URL", "DEAD_LETTER_QUEUE_URL"])
def test_index_settings_without_required_variable_are_refused(name: str) -> None:
    required = {"MEDIA_INDEX_TABLE": "t", "DELETION_QUEUE_URL": "q", "DEAD_LETTER_QUEUE_URL": "d"}
    assert IndexMediaSettings.from_environment(required) == IndexMediaSettings("t", "q", "d", None, "", 10)
    with pytest.raises(SettingsError, match=f"^{name} is not set$"):
        IndexMediaSettings.from_environment(required | {name: ""})


def test_sweep_settings_are_parsed_or_refused() -> None:
    required = {"MEDIA_INDEX_TABLE": "t", "DELETION_QUEUE_URL": "q"}
    assert SweepIndexSettings.from_environment(required) == SweepIndexSettings("t", "q", "", 24 * 3600)
    assert SweepIndexSettings.from_environment(required | {"SWEEP_EVERY_DAYS": "0"}).every_s == 0
    assert SweepIndexSettings.from_environment(required | {"SWEEP_EVERY_DAYS": "30"}).every_s == 30 * 24 * 3600
    for name in required:
        with pytest.raises(SettingsError, match=f"^{name} is not set$"):
            SweepIndexSettings.from_environment(required | {name: ""})
    for days in ("-1", "1.5", "1000", "daily", "٣"):
        with pytest.raises(SettingsError, match=r"^SWEEP_EVERY_DAYS must be a whole number from 0 to 999$"):
            SweepIndexSettings.from_environment(required | {"SWEEP_EVERY_DAYS": days})


@pytest.mark.parametrize("name", REQUIRED)
def test_delete_settings_without_required_variable_are_refused(name: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} is not set$"):
        DeleteMediaSettings.from_environment(REQUIRED | {name: ""})


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("NXCLOUD_BASE_URL", "api2.nxcloud.com", "not a URL"),
        ("NXCLOUD_BASE_URL", "ftp://api2.nxcloud.com", "must begin with https"),
        ("NXCLOUD_BASE_URL", "http://api2.nxcloud.com", "must begin with https"),
        ("NXCLOUD_BASE_URL", "http://10.0.0.1", "must begin with https"),
        ("NXCLOUD_BASE_URL", "http://localhost.example.com", "must begin with https"),
        ("NXCLOUD_BASE_URL", "https://user:password@api2.nxcloud.com", "user name"),
        ("NXCLOUD_BASE_URL", "https://@api2.nxcloud.com", "user name"),
        ("NXCLOUD_BASE_URL", "https://api2.nxcloud.com/?a=b", "query"),
        ("NXCLOUD_BASE_URL", "https://api2.nxcloud.com/?", "query"),
        ("NXCLOUD_BASE_URL", "https://api2.nxcloud.com#", "fragment"),
        ("NXCLOUD_BASE_URL", "https://api2.nxcloud.com:port", "not a URL"),
        ("NXCLOUD_BASE_URL", "https://api2.nxcloud.com:0", "not a URL"),
        ("NXCLOUD_BASE_URL", "https://[::1", "not a URL"),
        ("NXCLOUD_BASE_URL", "https://api2.nxcloud.com/a b", "not a URL"),
        ("NXCLOUD_SECRET_ID", '{"accessKey": "a key", "accessSecret": "a secret"}', "name or the ARN .* not its value"),
        ("NXCLOUD_SECRET_ID", " ", "name or the ARN"),
        ("NXCLOUD_SIGN_ALGORITHM", "sha1", "md5, sha256"),
        ("DEFAULT_BUSINESS_PHONE", "+86 158", "printable ASCII"),
        ("OBJECT_KEY_PATTERN", "(?P<media_id>", "does not compile"),
        ("OBJECT_KEY_PATTERN", "([0-9]+)", "no group"),
        ("OBJECT_KEY_PATTERN", "a{99999999999}", "does not compile"),
        ("OBJECT_KEY_PATTERN", "(?P<media_id>([a-z]+)+)$", "takes too long"),
        ("OBJECT_KEY_PREFIX", "/offers/", "must not begin with a slash"),
        ("OBJECT_KEY_PREFIX", "ä" * 513, "longer than the 1024 bytes"),
        ("DRY_RUN", "yes", "false, true"),
        ("VERIFY_ABSENCE", "1", "true, false"),
        ("ABSENCE_PROOF_INTERVAL_S", "-1", "number of seconds from 0 to 99999"),
        ("ABSENCE_PROOF_INTERVAL_S", "1e3", "number of seconds from 0 to 99999"),
        ("ABSENCE_PROOF_INTERVAL_S", "100000", "number of seconds from 0 to 99999"),
        ("CONCURRENT_CALLS", "0", "whole number from 1 to 10"),
        ("CONCURRENT_CALLS", "11", "whole number from 1 to 10"),
        ("CONCURRENT_CALLS", "five", "whole number from 1 to 10"),
        ("CALLS_PER_SECOND", "-1", "number from 0 to 99999"),
        ("CALLS_PER_SECOND", "fast", "number from 0 to 99999"),
        ("MAX_DELETIONS_PER_HOUR", "1.5", "whole number from 0 to 999999999"),
        ("MAX_CONCURRENCY", "0", "whole number from 1 to 9999"),
    ],
)
def test_invalid_variable_is_refused_with_the_reason(name: str, value: str, reason: str) -> None:
    with pytest.raises(SettingsError, match=rf"^{name}\b.*{reason}"):
        DeleteMediaSettings.from_environment(REQUIRED | {name: value})


@pytest.mark.parametrize(
    ("calls", "environments", "share"),
    [("0", "1000", 0), ("200", "8", 25), ("200", "7", 28), ("9.9", "5", 1), ("4", "5", 0.8), ("1.25", "5", 0.25)],
)
def test_environment_has_whole_calls_of_the_rate(calls: str, environments: str, share: float) -> None:
    variables = {"CALLS_PER_SECOND": calls, "MAX_CONCURRENCY": environments}
    assert DeleteMediaSettings.from_environment(REQUIRED | variables).calls_per_s == share


def test_share_below_a_quarter_is_refused_with_the_arithmetic() -> None:
    with pytest.raises(SettingsError) as caught:
        DeleteMediaSettings.from_environment(REQUIRED | {"CALLS_PER_SECOND": "3", "MAX_CONCURRENCY": "20"})
    assert str(caught.value) == (
        "CALLS_PER_SECOND 3 ÷ MAX_CONCURRENCY 20 = 0.150 calls a second for each environment, so that a batch "
        "takes 10 ÷ 0.150 = 67 s: too long for an invocation. Set CallsPerSecond to 5 or more, or MaxConcurrency to 12 "
        "or less"
    )


def test_rate_too_small_for_any_environment_has_one_remedy() -> None:
    with pytest.raises(SettingsError, match=r"Set CallsPerSecond to 1[.]25 or more$"):
        DeleteMediaSettings.from_environment(REQUIRED | {"CALLS_PER_SECOND": "0.2", "MAX_CONCURRENCY": "5"})


@pytest.mark.parametrize(("text", "seconds"), [("0", 0), ("7200", 7200), ("0.5", 0.5)])
def test_absence_proof_interval_is_parsed(text: str, seconds: float) -> None:
    settings = DeleteMediaSettings.from_environment(REQUIRED | {"ABSENCE_PROOF_INTERVAL_S": text})
    assert settings.absence_proof_interval_s == seconds


def test_prefix_is_checked_in_each_function() -> None:
    for settings in (IndexMediaSettings, SweepIndexSettings):
        with pytest.raises(SettingsError, match=r"^OBJECT_KEY_PREFIX must not begin with a slash"):
            settings.from_environment(REQUIRED | {"OBJECT_KEY_PREFIX": "/"})
    assert SweepIndexSettings.from_environment(REQUIRED | {"OBJECT_KEY_PREFIX": "ä" * 512}).object_key_prefix


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NXCLOUD_BASE_URL", "https://user:hunter2@example.com"),
        ("NXCLOUD_BASE_URL", "https://user:hunter2/of@example.com"),  # a slash ends the host
        ("NXCLOUD_BASE_URL", "https://user:[hunter2]x@example.com"),
        ("NXCLOUD_SECRET_ID", '{"accessKey":"hunter2"}'),
    ],
)
def test_secret_in_a_variable_is_not_in_the_error(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        DeleteMediaSettings.from_environment(REQUIRED | {name: value})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8080",
        "http://127.0.0.1",
        "http://127.8.8.8:1",
        "http://[::1]:80",
        "http://host.docker.internal:8080",
    ],
)
def test_plain_http_url_of_this_machine_is_accepted(url: str) -> None:
    assert DeleteMediaSettings.from_environment(REQUIRED | {"NXCLOUD_BASE_URL": url + "/"}).base_url == url


def test_default_phone_loses_the_leading_plus() -> None:
    assert (
        DeleteMediaSettings.from_environment(REQUIRED | {"DEFAULT_BUSINESS_PHONE": "+49301"}).default_business_phone
        == "49301"
    )
