"""The planted bugs can still be planted."""

import pytest

from tests.model.planted_bugs import BUGS, PlantedBug


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_the_text_that_a_planted_bug_replaces_stands_in_the_code_once(bug: PlantedBug) -> None:
    assert bug.occurrences() == 1
