"""Whatever happens to objects, in whatever order their events arrive: no media goes too early, and none stays."""

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from tests.model.bucket import Versioning
from tests.model.history import History

PICKS = 250  # bytes for a history to pick by; few need as many
HISTORIES = settings(
    max_examples=1200,
    derandomize=True,  # the same histories in each run
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize(
    ("versioning", "switching"),
    [
        (Versioning.UNVERSIONED, False),
        (Versioning.ENABLED, False),
        (Versioning.SUSPENDED, False),
        (Versioning.UNVERSIONED, True),
    ],
    ids=["unversioned", "versioned", "suspended", "switched"],
)
@HISTORIES
@given(picks=st.binary(min_size=PICKS, max_size=PICKS))
def test_no_media_of_a_readable_object_goes_and_each_of_a_gone_one_does(
    versioning: Versioning, *, switching: bool, picks: bytes
) -> None:
    numbers = iter(picks)
    history = History(versioning, lambda options: next(numbers, 0) % options, switching=switching)
    broken = history.play()
    note("\n".join(history.world.told))
    assert broken == []


@pytest.mark.parametrize("versioning", Versioning)
@settings(HISTORIES, max_examples=600)
@given(picks=st.binary(min_size=PICKS, max_size=PICKS))
def test_where_events_of_deletions_are_lost_the_sweep_makes_up_for_them(versioning: Versioning, picks: bytes) -> None:
    numbers = iter(picks)
    history = History(versioning, lambda options: next(numbers, 0) % options, losing=True)
    broken = history.play()
    note("\n".join(history.world.told))
    assert broken == []
