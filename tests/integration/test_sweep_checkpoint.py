"""The sweep's checkpoint never moves backwards, whatever slices run at the same time."""

from typing import Any

import pytest

from media_cleanup.aws.clients import AwsClients
from media_cleanup.aws.media_index import ItemKey
from media_cleanup.aws.sweep_checkpoint import SweepCheckpoint, SweepCheckpoints
from tests.integration.conftest import AWS, TABLE

FIRST, SECOND = ItemKey("bucket/a.jpg", "1"), ItemKey("bucket/b.jpg", "1")


@pytest.fixture
def checkpoints(environment: object) -> SweepCheckpoints:  # noqa: ARG001 (its table)
    return SweepCheckpoints(AwsClients(), TABLE)


def test_saved_checkpoint_is_loaded_with_next_revision(checkpoints: SweepCheckpoints) -> None:
    assert checkpoints.load() is None
    assert checkpoints.save(SweepCheckpoint(7, FIRST))
    assert checkpoints.load() == SweepCheckpoint(7, FIRST, revision=1)


def test_late_slice_leaves_checkpoint_of_faster_one(checkpoints: SweepCheckpoints) -> None:
    assert checkpoints.save(SweepCheckpoint(7))
    late, fast = checkpoints.load(), checkpoints.load()
    assert late == fast == SweepCheckpoint(7, revision=1)
    assert checkpoints.save(SweepCheckpoint(7, SECOND, revision=1))
    assert not checkpoints.save(SweepCheckpoint(7, FIRST, revision=1))
    assert checkpoints.load() == SweepCheckpoint(7, SECOND, revision=2)


def test_second_of_two_first_slices_saves_nothing(checkpoints: SweepCheckpoints) -> None:
    assert checkpoints.save(SweepCheckpoint(7, SECOND))
    assert not checkpoints.save(SweepCheckpoint(7, FIRST))
    assert checkpoints.load() == SweepCheckpoint(7, SECOND, revision=1)


def test_checkpoint_of_earlier_version_is_continued(checkpoints: SweepCheckpoints) -> None:
    item: dict[str, Any] = {
        "object": {"S": "sweep"},
        "link": {"S": "sweep"},
        "began_s": {"N": "7"},
        "ended": {"BOOL": False},
    }
    AWS.dynamodb.put_item(TableName=TABLE, Item=item)
    assert checkpoints.load() == SweepCheckpoint(7)
    assert checkpoints.save(SweepCheckpoint(7, FIRST))
