"""Masks phone numbers in text that is shown: logs, errors, answers, reasons."""

import re
from collections.abc import Callable
from functools import lru_cache

MIN_DIGITS = 5  # together; fewer are codes, ports and lines
MIN_SEPARATED_DIGITS = 7  # fewer are versions and parts of dates

_ENCODED = "%[0-9A-Fa-f]{2}"  # a character of a URL, mostly a space or a plus: %20, %2B
_MARK = r"[\s._+\-\u00ad\u2010-\u2015\u200b-\u200f\u2060\ufeff]"  # visible or not: space, hyphen, zero-width space
_SEPARATOR = rf"(?:{_ENCODED}|{_MARK}?[()\[\]]{{1,2}}{_MARK}?|{_MARK})"  # %20, ") ", " (", "-"
_RUN = re.compile(rf"\d(?:{_SEPARATOR}?\d)*")  # 8615800001795, 86 (158) 0000-1795, 86%20158%2000001795
_TOGETHER = re.compile(rf"\d{{{MIN_DIGITS},}}")  # digits without separators

_DAY, _MONTH, _YEAR = "(?:0[1-9]|[12][0-9]|3[01])", "(?:0[1-9]|1[0-2])", "(?:19|20)[0-9]{2}"  # 15, 01, 2026
# T09:26:53, _092653, T09:26:53.589, T09:26:53.589000
_TIME = "[T_ -](?:[01][0-9]|2[0-3]):?[0-5][0-9]:?[0-5][0-9](?:[.][0-9]{3}){0,1}(?:[.][0-9]{6})?"
# Text with digits that is not a number; a number next to it is still masked
_READABLE = re.compile(
    "|".join(
        [
            # A UUID: fd81acff-eea8-4d9d-acc9-6c62904d6615
            r"(?:(?<![0-9])|(?=[a-fA-F]))[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?![0-9])",
            # An ARN up to its account id: arn:aws:sqs:us-east-1:123456789012
            r"\barn:[a-z-]+:[a-z0-9-]+:[a-z0-9-]*:[0-9]{12}(?=:)",
            # The account id in a queue's URL: https://sqs.us-east-1.amazonaws.com/123456789012/queue
            r"(?<=[.]amazonaws[.]com/)[0-9]{12}(?=/)",
            # The end of a name that CloudFormation generated: stack-sourcebucket-1a2b3c4d5e6f
            r"(?<=[a-z]-)(?![A-Za-z]*[0-9]{7})(?![0-9A-Za-z]*[A-Za-z][0-9]{7})[0-9A-Za-z]{12,13}\b",
            # The sequencer of an S3 event: 0068796A6D2A1B3C4D
            r"\b00(?=[0-9]*[A-F])(?![0-9A-F]*[0-9]{10})[0-9A-F]{14,}\b",
            # A date, with or without a time: 2026-01-15, 20260115, 2026-01-15T09:26:53.589
            rf"(?<![0-9]){_YEAR}(?P<by>[._-]?){_MONTH}(?P=by){_DAY}(?:{_TIME})?(?![0-9])",
            # A date, day and month in either order: 15.01.2026, 01-15-2026
            rf"(?<![0-9]){_DAY}(?P<with>[._-]){_DAY}(?P=with){_YEAR}(?![0-9])",
            # A masked number: 86158****1795
            r"\d{5}[*]{4}\d{4}(?!\d)",
            # Meta's code in the detail of a reason (provider/classification.py): Meta's error 130429
            r"(?<=Meta's error )[0-9]{1,6}(?![0-9])",
        ]
    )
)


def mask_number(number: str) -> str:
    """Return a number with its first five and last four digits, or its last two if it has fewer than ten."""
    return f"{number[:5]}****{number[-4:]}" if len(number) >= 10 else f"****{number[-2:]}"


def mask_numbers(text: str, *own_numbers: str) -> str:
    """Return the text with every number masked.

    `own_numbers` are masked whatever stands between their digits. Of other numbers, five or more digits are masked, and
    seven or more with single separators. Dates, UUIDs, account ids in ARNs, sequencers, and names that CloudFormation
    generated stay readable.
    """
    if not own_numbers:
        return _substitute(_READABLE, text, lambda readable: readable, _mask_runs)
    digits = _digits(own_numbers[0])
    return _substitute(
        _own_number(digits), text, lambda _: mask_number(digits), lambda rest: mask_numbers(rest, *own_numbers[1:])
    )


def _substitute(
    pattern: re.Pattern[str], text: str, inside: Callable[[str], str], outside: Callable[[str], str]
) -> str:
    """Replace each match of a pattern, and in another way the text between them."""
    parts, end = [], 0
    for match in pattern.finditer(text):
        parts += [outside(text[end : match.start()]), inside(match[0])]
        end = match.end()
    return "".join([*parts, outside(text[end:])])


@lru_cache
def _own_number(digits: str) -> re.Pattern[str]:
    """The pattern of a number whatever stands between its digits; of too short a number, a pattern without matches."""
    if len(digits) < MIN_DIGITS:
        return re.compile("(?!)")
    separators = (rf"(?:{_ENCODED}|\D)*+", r"\D*+")  # possessive, so that the time is linear in the text's length
    return re.compile("|".join(separator.join(digits) for separator in separators))


def _mask_runs(text: str) -> str:
    return _RUN.sub(lambda run: _mask_run(run[0]), text)


def _mask_run(run: str) -> str:
    digits = _digits(re.sub(_ENCODED, "", run))
    if len(digits) >= MIN_SEPARATED_DIGITS:
        return mask_number(digits)
    return _TOGETHER.sub(lambda together: mask_number(together[0]), run)


def _digits(text: str) -> str:
    return "".join(re.findall(r"\d", text))
