"""The fake NXCloud behind a function URL answers as it does on loopback."""

import base64
import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import boto3
import pytest
import requests
from moto import mock_aws

from localdev.fake_nxcloud import function_url
from nxcloud import Credentials, SignatureAuth, system_clock_ms
from tests.conftest import CREDENTIALS, PHONE


@pytest.fixture(autouse=True)
def _table(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    monkeypatch.setenv("ACCESS_KEY", CREDENTIALS.access_key)
    monkeypatch.setenv("ACCESS_SECRET", CREDENTIALS.access_secret)
    table = f"media-{uuid4()}"  # the tests of a process share moto's state
    monkeypatch.setenv("TABLE", table)
    with mock_aws():
        boto3.client("dynamodb").create_table(
            TableName=table,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "media", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "media", "KeyType": "HASH"}],
        )
        function_url._provider.cache_clear()  # noqa: SLF001 (else the table of another test)
        yield


def call(action: str, credentials: Credentials = CREDENTIALS, **body: Any) -> Any:  # noqa: ANN401 (any JSON)
    """Send a signed request as the function receives it from its URL."""
    auth = SignatureAuth(credentials, action, system_clock_ms)
    request = requests.Request("POST", f"https://fake.example.com/api/wa/{action}", auth=auth, **body).prepare()
    content = request.body if isinstance(request.body, bytes) else (request.body or "").encode()
    event = {
        "version": "2.0",
        "rawPath": f"/api/wa/{action}",
        "headers": {name.lower(): str(value) for name, value in request.headers.items()},
        "body": base64.b64encode(content).decode(),
        "isBase64Encoded": True,
    }
    response = function_url.lambda_handler(event, None)
    assert response["statusCode"] == 200
    return json.loads(response["body"])


def media(media_id: str) -> dict[str, str]:
    return {"business_phone": PHONE, "Media-ID": media_id, "messaging_product": "whatsapp"}


def test_uploaded_media_is_found_until_deleted() -> None:
    fields = {"business_phone": PHONE, "messaging_product": "whatsapp", "type": "image/png"}
    uploaded = call("uploadMedia", data=fields, files={"file": ("a.png", b"a picture", "image/png")})
    media_id = uploaded["data"]["id"]
    assert call("getMedia", json=media(media_id))["data"]["file_name"] == "a.png"
    function_url._provider.cache_clear()  # noqa: SLF001 (another execution environment)
    assert call("deleteMedia", json=media(media_id))["data"] == {"success": True}
    assert call("getMedia", json=media(media_id))["code"] == -1


def test_wrong_signature_is_refused() -> None:
    wrong = Credentials(CREDENTIALS.access_key, "wrong")
    assert call("getMedia", wrong, json=media("1b2c"))["code"] == 1003
