"""Masked phone numbers in text; Media-IDs and ARNs stay readable."""

import pytest

from media_cleanup.masking import mask_number, mask_numbers


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
        (
            "arn:aws:secretsmanager:us-east-1:123456789012:secret:a",
            "arn:aws:secretsmanager:us-east-1:123456789012:secret:a",
        ),
        ("code 9006, 2026", "code 9006, 2026"),
        ("٨٦١٥٨٠٠٠٠١٧٩٥", "٨٦١٥٨****١٧٩٥"),
    ],
)
def test_text_masks_numbers_but_not_media_ids_and_arns(text: str, masked: str) -> None:
    assert mask_numbers(text) == masked
