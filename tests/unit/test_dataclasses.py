"""Dataclasses are frozen and have slots, so that facts cannot change on their way."""

import importlib
import pkgutil
from dataclasses import fields, is_dataclass
from types import ModuleType

import pytest

import media_cleanup
import nxcloud

MODULES = [
    importlib.import_module(found.name)
    for package in (media_cleanup, nxcloud)
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
]
MUTABLE = {
    "media_cleanup.sweep_index._Slice",  # the findings of a slice, counted up while it is scanned
    "media_cleanup.triggers.sqs._Message",  # how the batch ends for it
    "media_cleanup.provider.gateway._Deletion",  # the time of its calls
    # The state of a business phone or of credentials, kept for the life of the execution environment
    "media_cleanup.provider.absence._PhoneState",
    "media_cleanup.provider.pauses._State",
}


def dataclasses_of(module: ModuleType) -> list[type]:
    defined = [each for each in vars(module).values() if isinstance(each, type) and each.__module__ == module.__name__]
    return [each for each in defined if is_dataclass(each)]


def test_every_mutable_dataclass_exists() -> None:
    assert {f"{module.__name__}.{each.__name__}" for module in MODULES for each in dataclasses_of(module)} >= MUTABLE


@pytest.mark.parametrize(
    "module", [each for each in MODULES if dataclasses_of(each)], ids=lambda module: module.__name__
)
def test_dataclasses_are_frozen_and_have_slots(module: ModuleType) -> None:
    for each in dataclasses_of(module):
        slots, parameters = each.__slots__, each.__dataclass_params__  # type: ignore[attr-defined]  # of dataclasses
        assert set(slots) == {field.name for field in fields(each)}
        assert parameters.frozen is (f"{module.__name__}.{each.__name__}" not in MUTABLE)
