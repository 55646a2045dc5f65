"""Validated names, and the media files that keys and labels name."""

import re

import pytest

from media_cleanup.errors import InvalidMediaError, InvalidObjectError
from media_cleanup.model import Media, S3Object, media_in_key, media_in_labels
from media_cleanup.settings import DEFAULT_OBJECT_KEY_PATTERN
from tests.conftest import MEDIA_ID, PHONE

PATTERN = re.compile(DEFAULT_OBJECT_KEY_PATTERN)


@pytest.mark.parametrize(
    "key",
    [
        f"{PHONE}/{MEDIA_ID}",
        f"{PHONE}/{MEDIA_ID}.jpg",
        f"offers/2026/{PHONE}/{MEDIA_ID}.tar.gz",
        f"menus & prices/100%+tax/{PHONE}/{MEDIA_ID}.pdf",
    ],
)
def test_key_by_the_default_pattern_names_a_media_file(key: str) -> None:
    assert media_in_key(key, PATTERN, None) == Media(PHONE, MEDIA_ID)


@pytest.mark.parametrize(
    "key",
    [
        f"{PHONE}/{MEDIA_ID}/thumbnail.jpg",
        f"{PHONE}/{MEDIA_ID}jpg",
        f"{PHONE}-{MEDIA_ID}.jpg",
        f"1234/{MEDIA_ID}.jpg",
        f"1234567890123456/{MEDIA_ID}.jpg",
        f"{PHONE}/{MEDIA_ID[:-1]}.jpg",
        "test/key",
        "",
    ],
)
def test_key_outside_the_default_pattern_names_none(key: str) -> None:
    assert media_in_key(key, PATTERN, PHONE) is None


def test_pattern_without_phone_uses_the_default() -> None:
    assert media_in_key("photos/abc", re.compile("(?P<media_id>[^/]+)$"), PHONE) == Media(PHONE, "abc")


def test_pattern_with_optional_phone_uses_the_default() -> None:
    pattern = re.compile("^(?:(?P<business_phone>[0-9]+)/)?(?P<media_id>[a-z]+)$")
    assert media_in_key("abc", pattern, "49301") == Media("49301", "abc")
    assert media_in_key("49302/abc", pattern, "49301") == Media("49302", "abc")


def test_key_without_phone_or_default_is_refused() -> None:
    with pytest.raises(InvalidMediaError, match="DEFAULT_BUSINESS_PHONE"):
        media_in_key("abc", re.compile("(?P<media_id>.*)"), None)


def test_pattern_with_optional_media_id_names_none() -> None:
    assert media_in_key("photos", re.compile("photos(?P<media_id>/.+)?"), PHONE) is None


@pytest.mark.parametrize(
    "name", ["", " ", "a b", "é", "a\n", "a\x00", "\x1b[31m", "a" * 129, None, 8615800001795, ["a"]]
)
def test_media_with_invalid_name_is_refused(name: object) -> None:
    with pytest.raises(InvalidMediaError, match="media_id"):
        Media.parse(PHONE, name)
    with pytest.raises(InvalidMediaError, match="business_phone"):
        Media.parse(name, MEDIA_ID)


def test_media_drops_one_leading_plus_of_the_phone() -> None:
    assert Media.parse("+49301", "+a") == Media("49301", "+a")
    with pytest.raises(InvalidMediaError):
        Media.parse("+", "a")


@pytest.mark.parametrize("version_id", [None, "", "null"])
def test_object_version_absent_empty_or_null_is_none(version_id: str | None) -> None:
    assert S3Object.parse("example-bucket", "a", version_id) == S3Object("example-bucket", "a", None)


@pytest.mark.parametrize(
    ("bucket", "key", "version_id", "error"),
    [
        (None, "a", None, "bucket"),
        ("ab", "a", None, "bucket"),
        ("../../etc", "a", None, "bucket"),
        ("example-bucket", None, None, "key"),
        ("example-bucket", "", None, "key"),
        ("example-bucket", "é" * 513, None, "key"),
        ("example-bucket", "\ud800", None, "key"),
        ("example-bucket", "a", 7, "version"),
    ],
)
def test_object_with_invalid_name_is_refused(bucket: object, key: object, version_id: object, error: str) -> None:
    with pytest.raises(InvalidObjectError, match=error):
        S3Object.parse(bucket, key, version_id)


LABELS = {"whatsapp-media-id": MEDIA_ID, "whatsapp-business-phone": PHONE}
OTHER_ID = "a75c6d9b-a7c8-4f41-8f61-94548e92cbee"


@pytest.mark.parametrize(
    ("labels", "media"),
    [
        ({}, []),
        ({"whatsapp-business-phone": PHONE}, []),
        (LABELS, [Media(PHONE, MEDIA_ID)]),
        (LABELS | {"whatsapp-business-phone": f"+{PHONE} "}, [Media(PHONE, MEDIA_ID)]),
        (LABELS | {"whatsapp-media-id": f" {MEDIA_ID}  {OTHER_ID} "}, [Media(PHONE, MEDIA_ID), Media(PHONE, OTHER_ID)]),
        ({"whatsapp-media-id": MEDIA_ID}, [Media("4915100000000", MEDIA_ID)]),
        ({"whatsapp-media-id": MEDIA_ID, "whatsapp-business-phone": " "}, [Media("4915100000000", MEDIA_ID)]),
    ],
)
def test_labels_name_media_files(labels: dict[str, str], media: list[Media]) -> None:
    assert media_in_labels([labels], "4915100000000") == (media, [])


def test_invalid_label_leaves_the_other_ids() -> None:
    media, [error] = media_in_labels([LABELS | {"whatsapp-media-id": f"{MEDIA_ID} ü"}], None)
    assert media == [Media(PHONE, MEDIA_ID)]
    assert str(error) == "media_id must be 1 to 128 printable ASCII characters without spaces"


def test_label_without_phone_or_default_is_an_error() -> None:
    media, [error] = media_in_labels([{"whatsapp-media-id": MEDIA_ID}], None)
    assert media == []
    assert str(error) == "whatsapp-business-phone is missing, and DEFAULT_BUSINESS_PHONE is not set"


@pytest.mark.parametrize("key", ["k" * 1024, "ü" * 512])
def test_object_key_has_at_most_1024_bytes(key: str) -> None:
    assert S3Object.parse("bucket", key).key == key
    with pytest.raises(InvalidObjectError):
        S3Object.parse("bucket", key + "k")
