"""Computes how probable it is that living media is declared gone, where a share of all calls fails at random."""

from collections import Counter
from enum import Enum
from functools import cache

from media_cleanup.provider.absence import MAX_USELESS_CONTROLS, PAUSE_S, ROUNDS
from media_cleanup.triggers.backoff import FIRST_DELAY_S, MAX_ATTEMPTS, MAX_DELAY_S
from media_cleanup.verify_absence import FIRST_ATTEMPT

MEAN_JITTER = 0.1


class End(Enum):
    """The end of an experiment on one media file."""

    PROOF = "proof"
    FOUND = "found"
    USELESS = "useless"


def experiment(share: float, *, kept: bool) -> Counter[tuple[End, bool]]:
    """Return the probabilities of an experiment's ends, each with whether a control is left that is kept.

    Failures look like absence. `kept`: an earlier experiment left a control, which is not uploaded again.
    """
    works = 1 - share
    ends: Counter[tuple[End, bool]] = Counter()
    ends[End.FOUND, kept] += works  # type: ignore[assignment]  # Counter adds up probabilities, too
    suspect, found = share, 0.0
    if not kept:
        ends[End.USELESS, False] += suspect * share  # type: ignore[assignment]  # as above
        suspect *= works

    def find_control() -> None:
        nonlocal suspect, found
        ends[End.USELESS, False] += (suspect + found) * share * works  # type: ignore[assignment]  # as above
        ends[End.USELESS, True] += (suspect + found) * share * share  # type: ignore[assignment]  # as above
        suspect, found = suspect * works, found * works

    find_control()
    for _ in range(ROUNDS):
        suspect, found = suspect * share, found + suspect * works
        find_control()
    ends[End.USELESS, True] += (suspect + found) * share  # type: ignore[assignment]  # as above
    ends[End.PROOF, False] += suspect * works  # type: ignore[assignment]  # as above
    ends[End.FOUND, False] += found * works  # type: ignore[assignment]  # as above
    return ends


def declared_gone(share: float, *, one_environment: bool) -> float:
    """Return the probability for a media file alone; else its controls and pauses are those of others.

    `one_environment`: it handles all receives, with its pauses and the control that it keeps; else each handles one.
    """
    experiments = {kept: experiment(share, kept=kept) for kept in (False, True)}

    @cache
    def from_receive(number: int, useless: int, pause_s: float, *, proven: bool, kept: bool) -> float:
        if number > MAX_ATTEMPTS:
            return 0.0
        delay_s = min(FIRST_DELAY_S << (number - 1), MAX_DELAY_S) * (1 + MEAN_JITTER)
        if number < FIRST_ATTEMPT or pause_s > 0:
            left_s = max(0.0, pause_s - delay_s)
            return share * from_receive(number + 1, useless, left_s, proven=proven, kept=kept)
        total = 0.0
        for (end, kept_then), probability in experiments[kept and one_environment].items():
            match end:
                case End.PROOF if proven:
                    total += probability
                case End.PROOF:
                    total += probability * from_receive(number + 1, 0, 0.0, proven=True, kept=kept_then)
                case End.FOUND:
                    total += probability * from_receive(number + 1, 0, 0.0, proven=False, kept=kept_then)
                case End.USELESS:
                    paused = one_environment and useless + 1 == MAX_USELESS_CONTROLS
                    next_useless = 0 if paused or not one_environment else useless + 1
                    left_s = max(0.0, PAUSE_S - delay_s) if paused else 0.0
                    total += probability * from_receive(number + 1, next_useless, left_s, proven=proven, kept=kept_then)
        return share * total

    return from_receive(1, 0, 0.0, proven=False, kept=False)


def most_probable() -> tuple[float, float]:
    """Return the highest probability over all shares, and the share."""
    shares = [step / 200 for step in range(1, 200)]
    return max((declared_gone(each, one_environment=one), each) for one in (True, False) for each in shares)
