"""The secret's text, checked: errors name the secret and the field, never a value."""

import traceback

import pytest

from media_cleanup.aws.credentials import parse_secret
from media_cleanup.errors import DependencyUnavailable
from nxcloud import Credentials

CANARY = "canary-7f3a"


def test_a_good_secret() -> None:
    text = '{"accessKey": "key", "accessSecret": "secret", "note": "more is ignored"}'
    assert parse_secret("s", text) == Credentials("key", "secret")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "not JSON"),
        ("", "not JSON"),
        (CANARY, "not JSON"),
        (f'["{CANARY}"]', "not JSON"),
        (f'{{"accessKey": "{CANARY}"}}', "accessSecret"),
        (f'{{"accessSecret": "{CANARY}"}}', "accessKey"),
        (f'{{"accessKey": "", "accessSecret": "{CANARY}"}}', "accessKey"),
        (f'{{"accessKey": "{CANARY}", "accessSecret": "  "}}', "accessSecret"),
        (f'{{"accessKey": "{CANARY}", "accessSecret": 7}}', "accessSecret"),
        (f'{{"accessKey": "{CANARY} {CANARY}", "accessSecret": "s"}}', "access key must be printable"),
        ('{"accessKey": "REPLACE_ME", "accessSecret": "REPLACE_ME"}', "placeholder in its field accessKey"),
        (f'{{"accessKey": "{CANARY}", "accessSecret": "<your secret>"}}', "placeholder in its field accessSecret"),
        (f'{{"accessKey": "{CANARY}", "accessSecret": "changeme"}}', "placeholder in its field accessSecret"),
        (f'{{"accessKey": "{CANARY}", "accessSecret": "…"}}', "placeholder in its field accessSecret"),
    ],
)
def test_a_bad_secret_is_named_without_its_value(text: str | None, why: str) -> None:
    with pytest.raises(DependencyUnavailable, match=f"^secret nxcloud/credentials.*{why}") as caught:
        parse_secret("nxcloud/credentials", text)
    assert CANARY not in "".join(traceback.format_exception(caught.value))
