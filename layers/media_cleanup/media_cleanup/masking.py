"""Masks phone numbers in whatever is shown to people: logs, errors, answers, reasons."""

import re

# Runs of five digits and more may be numbers. Media-IDs and ARNs hold such runs too, and must stay readable.
_KEPT_OR_NUMBER = re.compile(
    r"(?P<kept>[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|\barn:\S+)|\d{5,}",
)


def mask_number(number: str) -> str:
    """A number's first five and last four digits, or its last two where it has fewer than ten."""
    return f"{number[:5]}****{number[-4:]}" if len(number) >= 10 else f"****{number[-2:]}"


def mask_numbers(text: str) -> str:
    """The text with every number in it masked."""
    return _KEPT_OR_NUMBER.sub(lambda found: found[0] if found["kept"] else mask_number(found[0]), text)
