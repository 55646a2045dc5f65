"""Generated histories: no media file is deleted too early, and none is left, in any order of events."""

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
def test_history_deletes_exactly_media_of_gone_objects(
    versioning: Versioning, *, switching: bool, picks: bytes
) -> None:
    numbers = iter(picks)
    history = History(versioning, lambda options: next(numbers, 0) % options, switching=switching)
    violations = history.play()
    note("\n".join(history.system.trace))
    assert violations == []


@pytest.mark.parametrize("versioning", Versioning)
@settings(HISTORIES, max_examples=600)
@given(picks=st.binary(min_size=PICKS, max_size=PICKS))
def test_history_with_missed_events_is_completed_by_sweep(versioning: Versioning, picks: bytes) -> None:
    numbers = iter(picks)
    history = History(versioning, lambda options: next(numbers, 0) % options, losing=True)
    violations = history.play()
    note("\n".join(history.system.trace))
    assert violations == []
