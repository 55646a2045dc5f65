"""Media and objects: what they are called, and which media an object's key spells or its labels name."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

MEDIA_ID_LABEL = "whatsapp-media-id"
BUSINESS_PHONE_LABEL = "whatsapp-business-phone"
_NAME = re.compile(r"[!-~]{1,128}")
_BUCKET = re.compile(r"[A-Za-z0-9._-]{3,255}")
_KEY_BYTES = 1024
_VERSION_ID = re.compile(r"[!-~]{1,1024}")


class InvalidMediaError(ValueError):
    """A business phone or a Media-ID that no media can have."""


class InvalidObjectError(ValueError):
    """A bucket or a key that no object can have."""


@dataclass(frozen=True, slots=True)
class Media:
    """One WhatsApp copy: the business phone's digits with their country code, and the Media-ID."""

    business_phone: str
    media_id: str

    @classmethod
    def checked(cls, business_phone: object, media_id: object) -> "Media":
        """The media by these names, the phone without its leading plus. Raises InvalidMediaError."""
        if isinstance(business_phone, str):
            business_phone = business_phone.removeprefix("+")
        return cls(_checked("business_phone", business_phone), _checked("media_id", media_id))


@dataclass(frozen=True, slots=True)
class S3Object:
    """A file in S3; `version_id` is None where the bucket keeps no versions."""

    bucket: str
    key: str
    version_id: str | None = None

    @classmethod
    def checked(cls, bucket: object, key: object, version_id: object = None) -> "S3Object":
        """The object by these names. Raises InvalidObjectError."""
        if not isinstance(bucket, str) or not _BUCKET.fullmatch(bucket):
            raise InvalidObjectError(
                "the bucket must be named by 3 to 255 letters, digits, dots, hyphens or underscores"
            )
        if not isinstance(key, str) or not 1 <= _utf8_length(key) <= _KEY_BYTES:
            raise InvalidObjectError(f"the key must be text of 1 to {_KEY_BYTES} bytes in UTF-8")
        # S3 says "null", or nothing, of an object that was stored while its bucket kept no versions
        if version_id in (None, "", "null"):
            return cls(bucket, key)
        if not isinstance(version_id, str) or not _VERSION_ID.fullmatch(version_id):
            raise InvalidObjectError("the version id must be 1 to 1024 printable ASCII characters without spaces")
        return cls(bucket, key, version_id)


def media_in_key(key: str, pattern: re.Pattern[str], default_business_phone: str | None) -> Media | None:
    """The media that a decoded key spells, or None. Raises InvalidMediaError where it spells half of one."""
    found = pattern.search(key)
    if found is None or found["media_id"] is None:
        return None
    business_phone = found.groupdict().get("business_phone") or default_business_phone
    if business_phone is None:
        raise InvalidMediaError("the key spells no business_phone, and DEFAULT_BUSINESS_PHONE is not set")
    return Media.checked(business_phone, found["media_id"])


def media_in_labels(
    labels: Iterable[Mapping[str, str]], default_business_phone: str | None
) -> tuple[list[Media], list[InvalidMediaError]]:
    """The media that an object's metadata and tags name, ids separated by spaces; and what is wrong with the others."""
    media, errors = [], []
    for each in labels:
        business_phone = each.get(BUSINESS_PHONE_LABEL, "").strip() or default_business_phone
        for media_id in each.get(MEDIA_ID_LABEL, "").split():
            try:
                media.append(_labelled(business_phone, media_id))
            except InvalidMediaError as error:
                errors.append(error)
    return list(dict.fromkeys(media)), errors


def _labelled(business_phone: str | None, media_id: str) -> Media:
    if business_phone is None:
        raise InvalidMediaError(f"{BUSINESS_PHONE_LABEL} is missing, and DEFAULT_BUSINESS_PHONE is not set")
    return Media.checked(business_phone, media_id)


def _checked(name: str, value: object) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise InvalidMediaError(f"{name} must be 1 to 128 printable ASCII characters without spaces")
    return value


def _utf8_length(text: str) -> int:
    """The length in bytes; 0 for text with lone surrogates, which has no UTF-8."""
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        return 0
