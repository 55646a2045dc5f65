"""Files to upload: names, MIME types, and WhatsApp's limits, checked before anything is sent."""

import io
import os
from pathlib import Path

import pytest

from nxcloud import InvalidFileError
from nxcloud.files import MIME_TYPES, guess_mime_type, load_file, max_bytes

KB, MB = 1024, 1024 * 1024


class Dripping(io.RawIOBase):
    """A stream that returns `step` bytes at most, and counts those read."""

    def __init__(self, content: bytes, step: int = 3) -> None:
        self.left = io.BytesIO(content)
        self.step = step

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self.left.read(min(size, self.step))


def test_path_names_the_file_and_its_type(tmp_path: Path) -> None:
    path = tmp_path / "House.JPG"
    path.write_bytes(b"picture")
    for source in (path, str(path)):
        file = load_file(source)
        assert (file.name, file.mime_type, file.content) == ("House.JPG", "image/jpeg", b"picture")


def test_given_name_and_type_come_before_the_path(tmp_path: Path) -> None:
    path = tmp_path / "house.jpg"
    path.write_bytes(b"picture")
    file = load_file(path, "offer.png", "image/webp")
    assert (file.name, file.mime_type) == ("offer.png", "image/webp")


def test_name_that_utf_8_cannot_encode_is_replaced() -> None:
    assert load_file(b"x", "\udcff.png").name == "?.png"


def test_stream_is_read_from_its_position_in_any_steps() -> None:
    stream = io.BytesIO(b"headpicture")
    stream.seek(4)
    assert load_file(stream, "house.jpg").content == b"picture"
    assert load_file(Dripping(b"a long picture"), "house.jpg").content == b"a long picture"  # type: ignore[arg-type]  # RawIOBase lacks a part of BinaryIO


def test_open_file_has_the_name_of_its_path(tmp_path: Path) -> None:
    path = tmp_path / "song.mp3"
    path.write_bytes(b"song")
    with path.open("rb") as stream:
        assert load_file(stream).name == "song.mp3"
    with os.fdopen(os.open(path, os.O_RDONLY), "rb") as stream, pytest.raises(InvalidFileError, match="has no name"):
        load_file(stream)  # its name is the number of a file descriptor


def test_content_is_not_in_repr() -> None:
    assert "picture" not in repr(load_file(b"picture", "house.jpg"))


@pytest.mark.parametrize(
    ("source", "name", "mime_type", "reason"),
    [
        (b"x", None, None, "pass file_name"),
        (b"x", "house", None, "pass mime_type"),
        (b"x", "house.jpg", "jpeg", "is not a MIME type"),
        *(
            (b"x", "house.jpg", mime_type, "is not a MIME type")
            for mime_type in ("/", "image/", "image/png\r\nX-Header: 1", "imäge/png", "a/b/c", "a/b\x1f", "a/b\x7f")
        ),
        (b"", "house.jpg", None, "house.jpg is empty"),
        (io.BytesIO(), "house.jpg", None, "house.jpg is empty"),
        (io.StringIO("text"), "notes.txt", None, "binary mode"),
        (bytes(5 * MB + 1), "house.jpg", None, "larger than the 5 MB that WhatsApp allows for image/jpeg"),
        (io.BytesIO(bytes(16 * MB + 1)), "song.mp3", None, "larger than the 16 MB"),
        (bytes(500 * KB + 1), "wink.webp", None, "larger than the 500 KB that WhatsApp allows for image/webp"),
    ],
)
def test_unsuitable_file_is_refused_with_the_remedy(
    source: bytes, name: str | None, mime_type: str | None, reason: str
) -> None:
    with pytest.raises(InvalidFileError, match=reason):
        load_file(source, name, mime_type)


def test_missing_path_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_file(tmp_path / "missing.jpg")


@pytest.mark.parametrize(
    ("mime_type", "limit"),
    [
        ("image/jpeg", 5 * MB),
        ("IMAGE/WEBP", 500 * KB),
        ("audio/ogg; codecs=opus", 16 * MB),
        ("audio/ogg; codecs=~", 16 * MB),
        ("video/mp4", 16 * MB),
        ("application/pdf", 100 * MB),
        ("text/plain", 100 * MB),
    ],
)
def test_limit_follows_the_kind_of_file(mime_type: str, limit: int) -> None:
    assert max_bytes(mime_type) == limit
    file = load_file(bytes(limit), "file", mime_type) if limit <= 16 * MB else None
    assert file is None or len(file.content) == limit


def test_large_stream_is_read_up_to_its_limit_only() -> None:
    stream = io.BytesIO(bytes(6 * MB))
    with pytest.raises(InvalidFileError):
        load_file(stream, "house.jpg")
    assert stream.tell() == 5 * MB + 1
    steps = Dripping(bytes(7 * MB), 3 * MB)
    with pytest.raises(InvalidFileError):
        load_file(steps, "house.jpg")  # type: ignore[arg-type]  # RawIOBase lacks a part of BinaryIO
    assert steps.left.tell() == 5 * MB + 1


def test_types_of_whatsapp_are_known_on_every_machine() -> None:
    assert {guess_mime_type(f"file{extension.upper()}") for extension in MIME_TYPES} == set(MIME_TYPES.values())
    assert guess_mime_type("page.html") == "text/html"  # by Python's own table
