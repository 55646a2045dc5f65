"""Files to upload: name, MIME type and content, checked against WhatsApp's limits before anything is sent."""

import mimetypes
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from nxcloud.errors import InvalidFileError

Source = str | os.PathLike[str] | bytes | BinaryIO

KB, MB = 1 << 10, 1 << 20  # the larger meaning of Meta's units: no file is refused here that WhatsApp may accept
MAX_STICKER_BYTES = 500 * KB  # animated; the 100 KB of a static one are left to WhatsApp
MAX_IMAGE_BYTES = 5 * MB
MAX_AUDIO_OR_VIDEO_BYTES = 16 * MB
MAX_DOCUMENT_BYTES = 100 * MB
# source: Meta, "Media", "Supported media types". Python's own table depends on its version and on the machine
MIME_TYPES = {
    ".3gp": "video/3gpp",
    ".aac": "audio/aac",
    ".amr": "audio/amr",
    ".doc": "application/msword",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".m4a": "audio/mp4",
    ".mp3": "audio/mpeg",
    ".mp4": "video/mp4",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".ppt": "application/vnd.ms-powerpoint",
    ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ".txt": "text/plain",
    ".webp": "image/webp",
    ".xls": "application/vnd.ms-excel",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


@dataclass(frozen=True, slots=True)
class UploadFile:
    """A file as `uploadMedia` takes it."""

    name: str
    mime_type: str
    content: bytes = field(repr=False)


def load_file(source: Source, name: str | None = None, mime_type: str | None = None) -> UploadFile:
    """Read a path, bytes, or a binary stream from its position. Raises InvalidFileError, and OSError for a path.

    Without `name`, the file is named as its path. Without `mime_type`, it is guessed from the name.
    """
    name = name or _name_of(source)
    if name is None:
        raise InvalidFileError("the file has no name: pass file_name, from which its MIME type is guessed, too")
    name = name.encode(errors="replace").decode()  # a path's undecodable bytes are lone surrogates
    mime_type = mime_type or guess_mime_type(name)
    limit = max_bytes(mime_type)
    content = _read(source, limit + 1)
    if not content:
        raise InvalidFileError(f"{name} is empty, or its stream was read to the end before")
    if len(content) > limit:
        shown = f"{limit // MB} MB" if limit >= MB else f"{limit // KB} KB"
        raise InvalidFileError(f"{name} is larger than the {shown} that WhatsApp allows for {mime_type}")
    return UploadFile(name, mime_type, content)


def guess_mime_type(name: str) -> str:
    """Guess a MIME type from a file name's extension. Raises InvalidFileError."""
    known = MIME_TYPES.get(Path(name).suffix.lower()) or mimetypes.guess_type(name)[0]
    if known is None:
        raise InvalidFileError(f"the MIME type of {name} is not known from its name: pass mime_type")
    return known


def max_bytes(mime_type: str) -> int:
    """Return the largest size that WhatsApp documents for a MIME type (source: Meta, "Media")."""
    kinds = mime_type.partition(";")[0].strip().lower().split("/")
    if not all(kinds) or not all(" " <= character <= "~" for character in mime_type):  # a line break begins a header
        kinds = []
    match kinds:
        case ["image", "webp"]:
            return MAX_STICKER_BYTES
        case ["image", _]:
            return MAX_IMAGE_BYTES
        case ["audio" | "video", _]:
            return MAX_AUDIO_OR_VIDEO_BYTES
        case [_, _]:
            return MAX_DOCUMENT_BYTES
    raise InvalidFileError(f"{mime_type!r} is not a MIME type such as image/jpeg")


def _name_of(source: Source) -> str | None:
    path = source if isinstance(source, str | os.PathLike) else getattr(source, "name", None)
    return Path(path).name if isinstance(path, str | os.PathLike) else None  # a stream's may be a file descriptor


def _read(source: Source, size: int) -> bytes:
    """Read so many bytes at most."""
    if isinstance(source, bytes):
        return source[:size]
    if isinstance(source, str | os.PathLike):
        with Path(source).open("rb") as file:
            return file.read(size)
    content = bytearray()
    while chunk := source.read(size - len(content)):  # a raw stream may return less than it is asked for
        if not isinstance(chunk, bytes):
            raise InvalidFileError("the stream must be opened in binary mode")
        content += chunk
    return bytes(content)
