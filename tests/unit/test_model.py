"""Validated names, and the media files that keys and labels name."""

import base64
import re

import pytest

from media_cleanup.errors import InvalidMediaError, InvalidObjectError
from media_cleanup.model import Link, Media, S3Object, media_in_key, media_in_labels
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


@pytest.mark.parametrize(
    ("business_phone", "media_id", "shown"),
    [
        (PHONE, MEDIA_ID, MEDIA_ID),
        (PHONE, f"+{PHONE}", "+86158****1795"),
        (PHONE, f"a-{PHONE}-b", "a-86158****1795-b"),
        (PHONE, "1234567890123456", "1234567890123456"),  # as those of Meta's Cloud API are
        ("81acf", MEDIA_ID, MEDIA_ID),
    ],
)
def test_business_phone_in_a_media_id_is_not_shown(business_phone: str, media_id: str, shown: str) -> None:
    assert Media(business_phone, media_id).shown_id == shown


@pytest.mark.parametrize(
    ("business_phone", "media_id", "shown"),
    [
        (PHONE, MEDIA_ID, MEDIA_ID),
        (PHONE, f"{PHONE}-a", "86158****1795-a"),
        ("1234567890", "a-1234567890", "a-12345****7890"),
        ("123456789", "a-123456789", "a-123456789"),  # so few digits can be a part of any Media-ID
    ],
)
def test_shown_id_hides_the_business_phone(business_phone: str, media_id: str, shown: str) -> None:
    assert Media(business_phone, media_id).shown_id == shown


@pytest.mark.parametrize("version_id", [None, ""])
def test_object_version_absent_or_empty_is_none(version_id: str | None) -> None:
    assert S3Object.parse("example-bucket", "a", version_id) == S3Object("example-bucket", "a", None)


def test_null_version_is_a_name_and_no_identity() -> None:
    null, whole = S3Object.parse("example-bucket", "a", "null"), S3Object("example-bucket", "a")
    assert null.version_id == "null"
    assert (null.without_null_version, null.without_version) == (whole, whole)
    version = S3Object("example-bucket", "a", "v1")
    assert (version.without_null_version, version.without_version) == (version, whole)


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
BOTH_MEDIA = [Media(PHONE, MEDIA_ID), Media(PHONE, OTHER_ID)]


def _encoded(text: str) -> str:
    """Encode text as S3 returns it: an encoded word of RFC 2047."""
    return f"=?UTF-8?B?{base64.b64encode(text.encode()).decode()}?="


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
        # tags keep their letter case
        ({"WhatsApp-Media-Id": MEDIA_ID, "WHATSAPP-BUSINESS-PHONE": PHONE}, [Media(PHONE, MEDIA_ID)]),
        # S3 joins repeated metadata headers with commas
        (
            {"whatsapp-media-id": f"{MEDIA_ID},{OTHER_ID}", "whatsapp-business-phone": f"{PHONE},{PHONE}"},
            [Media(PHONE, MEDIA_ID), Media(PHONE, OTHER_ID)],
        ),
        # S3 returns metadata beyond ASCII as encoded words: here a byte order mark, and direction marks
        (LABELS | {"whatsapp-media-id": _encoded(f"\ufeff{MEDIA_ID}\n{OTHER_ID}")}, BOTH_MEDIA),
        (LABELS | {"whatsapp-business-phone": _encoded(f"\u202a+{PHONE}\u202c")}, [Media(PHONE, MEDIA_ID)]),
        (LABELS | {"whatsapp-media-id": f"=?UTF-8?Q?{MEDIA_ID}=20{OTHER_ID}?="}, BOTH_MEDIA),
    ],
)
def test_labels_name_media_files(labels: dict[str, str], media: list[Media]) -> None:
    assert media_in_labels([labels], "4915100000000") == (media, [])


def test_invalid_label_leaves_the_other_ids() -> None:
    media, [error] = media_in_labels([LABELS | {"whatsapp-media-id": f"{MEDIA_ID} ü"}], None)
    assert media == [Media(PHONE, MEDIA_ID)]
    assert str(error) == "media_id must be 1 to 128 printable ASCII characters without spaces"


@pytest.mark.parametrize(
    ("labels", "error"),
    [
        ({"whatsapp-media-id": _encoded("ü")}, "media_id must be 1 to 128 printable ASCII characters without spaces"),
        ({"whatsapp-media-id": "=?UTF-8?B?a?="}, "whatsapp-media-id is not a valid RFC 2047 encoded word"),
        ({"whatsapp-media-id": "=?no-charset?Q?abc?="}, "whatsapp-media-id is not a valid RFC 2047 encoded word"),
        ({"whatsapp-media-id": "=?é?Q?abc?="}, "whatsapp-media-id is not a valid RFC 2047 encoded word"),
        ({"whatsapp-media-id": "=?UTF-8?Q?=FF?="}, "whatsapp-media-id is not a valid RFC 2047 encoded word"),
        ({"whatsapp-media-id": "=?UTF-8?Q?cut of"}, "whatsapp-media-id is not a valid RFC 2047 encoded word"),
        ({"whatsapp-business-phone": "+86 158 0000"}, "whatsapp-business-phone must be one number without spaces"),
        ({"whatsapp-business-phone": f"{PHONE},1"}, "whatsapp-business-phone must be one number without spaces"),
        ({"whatsapp-business-phone": _encoded("é")}, "business_phone must be 1 to 128 printable ASCII"),
    ],
)
def test_label_that_no_media_file_can_have_is_an_error(labels: dict[str, str], error: str) -> None:
    media, [found] = media_in_labels([LABELS | labels], PHONE)
    assert media == []
    assert str(found).startswith(error)


def test_labels_of_metadata_and_tags_are_read_separately() -> None:
    bad = {"whatsapp-media-id": "ü", "whatsapp-business-phone": PHONE}
    media, errors = media_in_labels([bad, LABELS], None)
    assert (media, len(errors)) == ([Media(PHONE, MEDIA_ID)], 1)


def test_label_without_phone_or_default_is_an_error() -> None:
    media, [error] = media_in_labels([{"whatsapp-media-id": MEDIA_ID}], None)
    assert media == []
    assert str(error) == "whatsapp-business-phone is missing, and DEFAULT_BUSINESS_PHONE is not set"


@pytest.mark.parametrize("key", ["k" * 1024, "ü" * 512])
def test_object_key_has_at_most_1024_bytes(key: str) -> None:
    assert S3Object.parse("bucket", key).key == key
    with pytest.raises(InvalidObjectError):
        S3Object.parse("bucket", key + "k")


def test_labels_without_sender_do_not_end_the_reading() -> None:
    media, errors = media_in_labels([{"whatsapp-media-id": "first"}, LABELS], None)
    assert (media, len(errors)) == ([Media(PHONE, MEDIA_ID)], 1)


def test_link_is_not_refused_unless_stated() -> None:
    assert not Link(S3Object("bucket", "key"), None, Media(PHONE, MEDIA_ID)).refused
