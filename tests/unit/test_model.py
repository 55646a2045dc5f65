"""Names of media and objects, and the media that keys spell."""

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
def test_keys_that_spell_a_media(key: str) -> None:
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
def test_keys_that_spell_none(key: str) -> None:
    assert media_in_key(key, PATTERN, PHONE) is None


def test_a_pattern_without_a_phone_takes_the_default_one() -> None:
    assert media_in_key("photos/abc", re.compile("(?P<media_id>[^/]+)$"), PHONE) == Media(PHONE, "abc")


def test_an_optional_phone_takes_the_default_one_where_it_is_missing() -> None:
    pattern = re.compile("^(?:(?P<business_phone>[0-9]+)/)?(?P<media_id>[a-z]+)$")
    assert media_in_key("abc", pattern, "49301") == Media("49301", "abc")
    assert media_in_key("49302/abc", pattern, "49301") == Media("49302", "abc")


def test_a_key_without_any_phone_is_half_a_media() -> None:
    with pytest.raises(InvalidMediaError, match="DEFAULT_BUSINESS_PHONE"):
        media_in_key("abc", re.compile("(?P<media_id>.*)"), None)


def test_an_optional_media_id_that_is_missing_spells_none() -> None:
    assert media_in_key("photos", re.compile("photos(?P<media_id>/.+)?"), PHONE) is None


@pytest.mark.parametrize(
    "name", ["", " ", "a b", "é", "a\n", "a\x00", "\x1b[31m", "a" * 129, None, 8615800001795, ["a"]]
)
def test_names_that_no_media_has(name: object) -> None:
    with pytest.raises(InvalidMediaError, match="media_id"):
        Media.parse(PHONE, name)
    with pytest.raises(InvalidMediaError, match="business_phone"):
        Media.parse(name, MEDIA_ID)


def test_one_plus_is_dropped_from_a_phone_and_none_from_an_id() -> None:
    assert Media.parse("+49301", "+a") == Media("49301", "+a")
    with pytest.raises(InvalidMediaError):
        Media.parse("+", "a")


@pytest.mark.parametrize("version_id", [None, "", "null"])
def test_three_ways_to_say_unversioned(version_id: str | None) -> None:
    assert S3Object.parse("example-bucket", "a", version_id) == S3Object("example-bucket", "a", None)


@pytest.mark.parametrize(
    ("bucket", "key", "version_id", "why"),
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
def test_names_that_no_object_has(bucket: object, key: object, version_id: object, why: str) -> None:
    with pytest.raises(InvalidObjectError, match=why):
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
def test_media_that_labels_name(labels: dict[str, str], media: list[Media]) -> None:
    assert media_in_labels([labels], "4915100000000") == (media, [])


def test_one_bad_label_does_not_spoil_its_neighbours() -> None:
    media, [error] = media_in_labels([LABELS | {"whatsapp-media-id": f"{MEDIA_ID} ü"}], None)
    assert media == [Media(PHONE, MEDIA_ID)]
    assert str(error) == "media_id must be 1 to 128 printable ASCII characters without spaces"


def test_a_label_without_its_phone_says_so() -> None:
    media, [error] = media_in_labels([{"whatsapp-media-id": MEDIA_ID}], None)
    assert media == []
    assert str(error) == "whatsapp-business-phone is missing, and DEFAULT_BUSINESS_PHONE is not set"


@pytest.mark.parametrize("key", ["k" * 1024, "ü" * 512])
def test_the_longest_key_that_an_object_can_have(key: str) -> None:
    assert S3Object.parse("bucket", key).key == key
    with pytest.raises(InvalidObjectError):
        S3Object.parse("bucket", key + "k")
