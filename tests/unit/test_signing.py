"""Signatures, compared with the provider's published vectors and with literals."""

import hashlib

import pytest
from requests import Request

from nxcloud import Credentials, SignatureAuth, sign

VECTOR_HEADERS = {"accessKey": "fme2na3kdi3ki", "action": "send", "bizType": "1", "ts": "1655710885431"}
VECTOR_SECRET = "abciiiko2k3"  # noqa: S105 (published by the provider)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('{"name":"牛小信","id":10001}', "87c3560d3331ae23f1021e2025722354"),
        ('{"id":10001,"name":"牛小信"}', "7750759da06333f20d0640be09355e34"),
        ('{"id": 10001, "name": "牛小信"}', "d0c24a9886c629330d7f3f2056c65bc2"),
    ],
)
def test_signature_equals_the_providers_vectors(body: str, expected: str) -> None:
    assert sign(VECTOR_HEADERS, body.encode(), VECTOR_SECRET) == expected


def test_sha256_signs_the_same_text_as_md5() -> None:
    text = "accessKey=k&action=deleteMedia&bizType=2&ts=1&body={}&accessSecret=s"
    headers = {"ts": "1", "bizType": "2", "action": "deleteMedia", "accessKey": "k"}
    assert sign(headers, b"{}", "s", "sha256") == hashlib.sha256(text.encode()).hexdigest()


def test_empty_body_is_not_signed() -> None:
    expected = hashlib.md5(b"accessKey=k&accessSecret=s").hexdigest()  # noqa: S324 (the provider's choice)
    assert sign({"accessKey": "k"}, b"", "s") == expected


def test_request_signature_covers_the_sent_bytes() -> None:
    request = Request("POST", "https://example.com", data='{"name": "牛小信"}'.encode()).prepare()
    SignatureAuth(Credentials("k", "s"), "deleteMedia", lambda: 1655710885431)(request)
    signed = {"accessKey": "k", "action": "deleteMedia", "bizType": "2", "ts": "1655710885431"}
    assert {name: request.headers[name] for name in signed} == signed
    assert isinstance(request.body, bytes)
    assert request.headers["sign"] == sign(signed, request.body, "s")
    assert "algorithm" not in request.headers


def test_sha256_adds_the_algorithm_header() -> None:
    request = Request("POST", "https://example.com", data=b"{}").prepare()
    SignatureAuth(Credentials("k", "s"), "deleteMedia", lambda: 1, "sha256")(request)
    assert request.headers["algorithm"] == "sha256"
    assert len(request.headers["sign"]) == 64


def test_text_body_is_signed_as_utf8() -> None:
    request = Request("POST", "https://example.com", data="é").prepare()
    SignatureAuth(Credentials("k", "s"), "a", lambda: 1)(request)
    assert request.headers["sign"] == sign(
        {"accessKey": "k", "action": "a", "bizType": "2", "ts": "1"}, "é".encode(), "s"
    )


def test_multipart_body_is_not_signed() -> None:
    request = Request("POST", "https://example.com", files={"file": b"bytes"}).prepare()
    SignatureAuth(Credentials("k", "s"), "uploadMedia", lambda: 1)(request)
    assert request.headers["sign"] == sign(
        {"accessKey": "k", "action": "uploadMedia", "bizType": "2", "ts": "1"}, b"", "s"
    )


def test_each_request_gets_a_new_time_and_signature() -> None:
    times = iter([1, 2])
    auth = SignatureAuth(Credentials("k", "s"), "deleteMedia", lambda: next(times))
    first, second = (auth(Request("POST", "https://example.com", data=b"{}").prepare()) for _ in range(2))
    assert (first.headers["ts"], second.headers["ts"]) == ("1", "2")
    assert first.headers["sign"] != second.headers["sign"]


def test_credentials_repr_hides_key_and_secret() -> None:
    shown = repr(Credentials("the-key", "the-secret")) + str(Credentials("the-key", "the-secret"))
    assert "the-key" not in shown
    assert "the-secret" not in shown


@pytest.mark.parametrize("access_key", ["", "two words", "line\nbreak", "schlüssel"])
def test_access_key_invalid_in_a_header_is_refused_unnamed(access_key: str) -> None:
    with pytest.raises(ValueError, match="printable ASCII") as caught:
        Credentials(access_key, "s")
    assert not access_key or access_key not in str(caught.value)


def test_access_key_accepts_all_printable_ascii() -> None:
    every = "".join(map(chr, range(0x21, 0x7F)))
    assert Credentials(every, "a secret").access_key == every


def test_access_secret_may_have_any_character_with_an_encoding() -> None:
    nearly = "\ud7ff\ue000"
    assert Credentials("k", nearly).access_secret == nearly


@pytest.mark.parametrize("surrogate", [0xD800, 0xDC00, 0xDFFF])
def test_access_secret_without_encoding_is_refused_unnamed(surrogate: int) -> None:
    with pytest.raises(ValueError, match="lone surrogate") as caught:
        Credentials("k", f"hunter{chr(surrogate)}")
    assert type(caught.value) is ValueError  # that of an encoder would hold the text
    assert "hunter" not in repr(caught.value)


def test_access_secret_empty_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        Credentials("k", "")
