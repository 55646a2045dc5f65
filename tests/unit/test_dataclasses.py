"""Facts travel in dataclasses that nothing can change on the way."""

from dataclasses import fields, is_dataclass
from types import ModuleType

import pytest

from media_cleanup import deletion, events, idempotency, links, media, objects, observability, outcome, redelivery
from nxcloud import answers, client, signing

MODULES = [deletion, events, idempotency, links, media, objects, observability, outcome, redelivery]


@pytest.mark.parametrize("module", [*MODULES, answers, client, signing], ids=lambda module: module.__name__)
def test_facts_cannot_be_changed(module: ModuleType) -> None:
    for fact in (each for each in vars(module).values() if isinstance(each, type) and is_dataclass(each)):
        assert set(fact.__slots__) == {field.name for field in fields(fact)}  # type: ignore[attr-defined]  # that they are there
        assert fact.__dataclass_params__.frozen  # type: ignore[attr-defined]  # likewise
