"""Masks phone numbers in text that is shown: logs, errors, answers, reasons."""

import re

# Five or more digits may be a phone number. Media-IDs and ARNs contain such digits too, and stay readable.
_READABLE_OR_NUMBER = re.compile(
    r"(?P<readable>[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|\barn:\S+)|\d{5,}",
)


def mask_number(number: str) -> str:
    """Return a number with its first five and last four digits, or its last two if it has fewer than ten."""
    return f"{number[:5]}****{number[-4:]}" if len(number) >= 10 else f"****{number[-2:]}"


def mask_numbers(text: str) -> str:
    """Return the text with every number masked."""
    return _READABLE_OR_NUMBER.sub(lambda match: match[0] if match["readable"] else mask_number(match[0]), text)
