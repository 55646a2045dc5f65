"""Media and objects: what they are called, and which media an object's key spells."""

import re
from dataclasses import dataclass

_NAME = re.compile(r"[!-~]{1,128}")
_BUCKET = re.compile(r"[A-Za-z0-9._-]{3,255}")
_KEY_BYTES = 1024


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
        if version_id is not None and not isinstance(version_id, str):
            raise InvalidObjectError("the version id must be text")
        # S3 says "null", or nothing, of an object that was stored while its bucket kept no versions
        return cls(bucket, key, None if version_id in {"", "null"} else version_id)


def media_in_key(key: str, pattern: re.Pattern[str], default_business_phone: str | None) -> Media | None:
    """The media that a decoded key spells, or None. Raises InvalidMediaError where it spells half of one."""
    found = pattern.search(key)
    if found is None or found["media_id"] is None:
        return None
    business_phone = found.groupdict().get("business_phone") or default_business_phone
    if business_phone is None:
        raise InvalidMediaError("the key spells no business_phone, and DEFAULT_BUSINESS_PHONE is not set")
    return Media.checked(business_phone, found["media_id"])


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
