"""Masked phone numbers in text; dates, UUIDs and resource names stay readable."""

import re
import string

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from media_cleanup.masking import mask_number, mask_numbers

MEDIA_ID = "fd81acff-eea8-4d9d-acc9-6c62904d6615"
OWN = "8615800001795"
numbers = st.text(string.digits, min_size=10, max_size=15)
words = st.text(string.ascii_letters + "/ :,äß", max_size=8)
no_digits = st.text(sorted(set(string.printable) - set(string.digits)), max_size=4)
SEPARATORS = [" ", "-", ".", "_", "(", ")", "[", "]", ") ", " (", "+", "%20", "\u2011", "\u00a0", "\u200b", ""]


def digits_of(text: str) -> str:
    return "".join(re.findall(r"\d", text))


@pytest.mark.parametrize(
    ("number", "masked"),
    [
        ("8615800001795", "86158****1795"),
        ("1234567890", "12345****7890"),
        ("123456789", "****89"),
        ("12", "****12"),
        ("", "****"),
    ],
)
def test_number_shows_first_five_and_last_four_digits(number: str, masked: str) -> None:
    assert mask_number(number) == masked


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("number +8615800001795 is not bound", "number +86158****1795 is not bound"),
        ("a/8615800001795/b_8615800001795.jpg", "a/86158****1795/b_86158****1795.jpg"),
        ("fd81acff-1111-2222-3333-123456789012", "fd81acff-1111-2222-3333-123456789012"),
        ("8615800001795fd81acff-eea8-4d9d-acc9-6c62904d6615", "86158****1795fd81acff-eea8-4d9d-acc9-6c62904d6615"),
        (f"8615800001795_1{MEDIA_ID[1:]}.jpg", f"86158****1795_1{MEDIA_ID[1:]}.jpg"),
        (
            "arn:aws:secretsmanager:us-east-1:123456789012:secret:a",
            "arn:aws:secretsmanager:us-east-1:123456789012:secret:a",
        ),
        ("arn:aws:s3:::photos-8615800001795/a", "arn:aws:s3:::photos-86158****1795/a"),
        ("arn:aws:sqs:us-east-1:123456789012:q-8615800001795", "arn:aws:sqs:us-east-1:123456789012:q-86158****1795"),
        ("arn:8615800001795", "arn:86158****1795"),
        ("code 9006, 2026", "code 9006, 2026"),
        ("12345, 123456", "****45, ****56"),
        ("Meta's error 8615800001795", "Meta's error 86158****1795"),
        ("٨٦١٥٨٠٠٠٠١٧٩٥", "٨٦١٥٨****١٧٩٥"),
        ("bucket photos.8615800001795", "bucket photos.86158****1795"),
    ],
)
def test_text_masks_numbers_but_not_media_ids_and_account_ids(text: str, masked: str) -> None:
    assert mask_numbers(text) == masked


@pytest.mark.parametrize(
    "number",
    [
        "+86 158 0000 1795",
        "+86-158-0000-1795",
        "+86.158.0000.1795",
        "+86_158_0000_1795",
        "+86 (158) 0000-1795",
        "+86[158]00001795",
        "+(86)(158)00001795",
        "+86\u00a0158\u20110000\u20131795",
        "+86%20158%200000%201795",
        "+8 6 1 5 8 0 0 0 0 1 7 9 5",
    ],
)
def test_number_with_single_separators_is_masked(number: str) -> None:
    assert mask_numbers(f"call {number}, please").replace("(", "") == "call +86158****1795, please"


@pytest.mark.parametrize(
    "number",
    [
        "86--158--0000--1795",
        "86\n158\n\n0000/1795",
        "86/158/0000/1795",
        "86 CN 158, 0000: 1795",
        "86%2F158%2F0000%2F1795",
    ],
)
def test_own_number_is_masked_whatever_stands_between(number: str) -> None:
    assert mask_numbers(f"a {number} b", OWN) == "a 86158****1795 b"


def test_own_number_is_masked_apart_from_its_neighbours() -> None:
    assert mask_numbers(f"2026_{OWN}_0001", OWN) == "2026_86158****1795_0001"
    assert mask_numbers(f"{OWN} {OWN[::-1]}", OWN, OWN[::-1]) == "86158****1795 59710****5168"
    assert mask_numbers("12 and 1 2", "12") == "12 and 1 2"  # too short to be a number in text


@pytest.mark.parametrize(
    ("text", "masked"),
    [("1234", "1234"), ("12345", "****45"), ("12 34 56", "12 34 56"), ("12 34 567", "****67")],
)
def test_shortest_numbers_are_masked(text: str, masked: str) -> None:
    assert mask_numbers(text) == masked


def test_shortest_own_number_is_masked() -> None:
    assert mask_numbers("1/2/3/4 1/2/3/4/5", "12345") == "1/2/3/4 ****45"


def test_each_of_several_own_numbers_is_masked() -> None:
    assert mask_numbers("1/2/3/4/5 6/7/8/9/0 5/4/3/2/1", "12345", "67890", "54321") == "****45 ****90 ****21"


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-15",
        "2026/01/15, 2026.01.15, 2026_01_15, 15.01.2026, 01-15-2026, 20260115",
        "2026-01-15T09:26:55.950+00:00",
        "IMG_20260115_092655.jpg",
        "20260115T092655Z",
        MEDIA_ID,
        "the table whatsapp-media-cleanup-IdempotencyTable-1X23456YZAB78 answered Throttling",
        "https://sqs.us-east-1.amazonaws.com/123456789012/media-cleanup-DeletionQueue-AbC12345dEfG",
        "arn:aws:dynamodb:us-east-1:123456789012:table/media-cleanup-MediaIndexTable-1X23456YZAB78",
        "arn:aws-us-gov:iam::123456789012:role/r",
        "sequencer 0055AED6DCD90281E5",
        "media-cleanup-6f1c2f70-1234-11f0-9aaa-0affd1234567",
        "throttled: Meta's error 130429",
        "credentials_refused: code 1003 at line 120 of 4096 bytes, 127.0.0.1:8080",
    ],
)
def test_date_uuid_and_resource_name_stay_readable(text: str) -> None:
    assert mask_numbers(text) == text


@given(words, numbers, words, st.lists(no_digits, min_size=15, max_size=15))
@example("", OWN, "", ["\x00"] * 15)
def test_own_number_never_shows(before: str, number: str, after: str, between: list[str]) -> None:
    spelled = "".join(digit + separator for digit, separator in zip(number, between, strict=False))
    assert mask_number(number) in mask_numbers(before + spelled + after, number)
    assert number not in digits_of(mask_numbers(before + spelled + after, number))


@given(words, numbers, words, st.lists(st.sampled_from(SEPARATORS), min_size=15, max_size=15))
def test_other_number_never_shows(before: str, number: str, after: str, between: list[str]) -> None:
    spelled = "".join(digit + separator for digit, separator in zip(number, between, strict=False))
    text = f"{before} {spelled} {after}"
    assume(not re.search(r"(19|20)\d\d[._-]?[01]\d[._-]?[0-3]\d|[0-3]\d[._-][0-3]\d[._-](19|20)\d\d", text))  # a date
    assert mask_number(number) in mask_numbers(text)
    assert number not in digits_of(mask_numbers(text))


@given(st.text())
def test_masked_text_stays_as_it_is(text: str) -> None:
    assert mask_numbers(mask_numbers(text)) == mask_numbers(text)


@given(st.text().filter(lambda text: not re.search(r"\d", text)))
def test_text_without_digits_stays_as_it_is(text: str) -> None:
    assert mask_numbers(text, OWN) == text


@given(words, st.uuids(), words)
def test_uuid_stays_readable_in_any_text(before: str, media_id: object, after: str) -> None:
    assert str(media_id) in mask_numbers(f"{OWN}_{media_id}{after}", OWN)
    assert str(media_id) in mask_numbers(f"{before} {media_id}{after}")


def test_masking_takes_linear_time() -> None:
    for text in ("8" * 100_000, "8%61" * 25_000, "8a" * 50_000, "0-" * 50_000, "a-" * 50_000, "8 (" * 30_000):
        assert len(mask_numbers(text, OWN)) <= len(text)
