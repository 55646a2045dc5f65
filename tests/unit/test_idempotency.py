"""The stores of the idempotency table are configured once, before any worker uses them."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer

from media_cleanup.aws.idempotency import CONFIRMATION_TTL_S, DeletionRecords

WORKERS = 10


def test_workers_that_start_together_share_configured_stores(monkeypatch: pytest.MonkeyPatch) -> None:
    configured: list[DynamoDBPersistenceLayer] = []
    configure = DynamoDBPersistenceLayer.configure

    def configure_slowly(store: DynamoDBPersistenceLayer, config: Any, **options: Any) -> None:  # noqa: ANN401 (as Powertools has it)
        configured.append(store)
        time.sleep(0.02)  # another worker's turn
        configure(store, config, **options)

    monkeypatch.setattr(DynamoDBPersistenceLayer, "configure", configure_slowly)
    client = SimpleNamespace(meta=SimpleNamespace(events=SimpleNamespace(register_last=lambda *_: None)))
    records = DeletionRecords(cast("Any", SimpleNamespace(dynamodb=client)), "confirmed-deletions")
    together = Barrier(WORKERS)

    def seen_by_worker(_: int) -> tuple[int, str, float]:
        together.wait()
        store = records._confirmations  # noqa: SLF001 (the store itself is under test)
        return id(store), store.hash_function().name, store.expires_after_seconds

    with ThreadPoolExecutor(WORKERS) as workers:
        seen = set(workers.map(seen_by_worker, range(WORKERS)))
    assert len(configured) == 1
    assert seen == {(id(configured[0]), "sha256", CONFIRMATION_TTL_S)}
