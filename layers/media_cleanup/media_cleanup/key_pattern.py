"""Detects regular expressions that backtrack exponentially: `re` would try ever more ways to match a key.

The pattern is tried on misleading keys: each begins as the pattern does, repeats one of its parts up to a key's full
length, and ends in a way that does not match. Only patterns other than the default are checked.
"""

import re
import signal
import string
from collections.abc import Iterator
from functools import lru_cache
from re import _compiler, _constants, _parser  # type: ignore[attr-defined]  # not in typeshed
from threading import current_thread, main_thread
from typing import Any

KEY_CHARACTERS = 1024
MAX_SEARCH_S = 0.1  # of processor time for one key; an ordinary pattern takes a hundredth of it
REPEATED = "0aA_-./ é"  # characters to repeat, as far as a part of the pattern accepts them
ENDINGS = ("", "!", "/", "\n\n")

_REPEATS = {_constants.MAX_REPEAT, _constants.MIN_REPEAT, _constants.POSSESSIVE_REPEAT}
_LOOKAROUNDS = {_constants.ASSERT, _constants.ASSERT_NOT}
_CHARACTERS = {_constants.LITERAL, _constants.NOT_LITERAL, _constants.IN, _constants.ANY}


@lru_cache(maxsize=1)
def backtracks_exponentially(pattern: re.Pattern[str]) -> bool:
    """Return whether the search of some key takes too long.

    Python interrupts a search in the main thread only, where Lambda calls the handler; in others nothing is tried.
    """
    if current_thread() is not main_thread():
        return False
    previous = signal.signal(signal.SIGVTALRM, _interrupt)
    try:
        for key in set(misleading_keys(pattern.pattern)):
            signal.setitimer(signal.ITIMER_VIRTUAL, MAX_SEARCH_S)
            pattern.search(key)
    except TimeoutError:
        return True
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, previous)
    return False


def _interrupt(*_: object) -> None:
    raise TimeoutError


def misleading_keys(pattern: str) -> Iterator[str]:
    """Yield the keys for each repeated part of the pattern, for each of the characters, and for each ending."""
    parsed = _parser.parse(pattern)
    for character in REPEATED:
        for branch in (0, -1):
            for start, part in _Examples(character, branch).repeats("", parsed):
                for ending in ENDINGS if part else ():
                    length = KEY_CHARACTERS - len(start) - len(ending)
                    yield start + (part * KEY_CHARACTERS)[:length] + ending


class _Examples:
    """Texts that parts of a parsed pattern match, with this character where it is accepted, and with this branch."""

    def __init__(self, character: str, branch: int) -> None:
        self._characters = [character, *string.printable, "é"]
        self._branch = branch

    def repeats(self, start: str, parsed: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 (re's own types)
        """Yield the text before each repeat, and that of the repeated part."""
        for operation, argument in parsed:
            for part in _parts(operation, argument):
                if operation in _REPEATS and argument[1] > 1:
                    yield start, self.text(part)
                yield from self.repeats(start, part)
            start += self._text(operation, argument)

    def text(self, parsed: Any) -> str:  # noqa: ANN401 (re's own types)
        """Return a text that matches; back references and lookarounds are not followed."""
        return "".join(self._text(operation, argument) for operation, argument in parsed)

    def _text(self, operation: Any, argument: Any) -> str:  # noqa: ANN401 (re's own types)
        if operation in _CHARACTERS:
            accepted = _compiler.compile(_parser.SubPattern(_parser.State(), [(operation, argument)]))
            return next((character for character in self._characters if accepted.match(character)), "")
        parts = list(_parts(operation, argument))
        if not parts or operation in _LOOKAROUNDS:
            return ""
        times = max(argument[0], 1) if operation in _REPEATS else 1
        return (self.text(parts[self._branch]) * min(times, KEY_CHARACTERS))[:KEY_CHARACTERS]


def _parts(operation: Any, argument: Any) -> Iterator[Any]:  # noqa: ANN401 (re's own types)
    """Yield the patterns within an operation."""
    if operation in _CHARACTERS:
        return
    for part in argument if isinstance(argument, tuple) else [argument]:
        if isinstance(part, _parser.SubPattern):
            yield part
        elif isinstance(part, list):  # the branches
            yield from part
