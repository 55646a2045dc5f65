"""Patterns that explode are refused; others cost little, and the default nothing."""

import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from localdev.cloud import ROOT
from media_cleanup import key_pattern
from media_cleanup.errors import SettingsError
from media_cleanup.key_pattern import KEY_CHARACTERS, backtracks_exponentially, misleading_keys
from media_cleanup.settings import DEFAULT_OBJECT_KEY_PATTERN, DeleteMediaSettings
from tests.unit.test_settings import REQUIRED

EXPLOSIVE = [
    r"^(?P<media_id>([a-z]+)+)$",
    r"(?P<media_id>(a+)+)b",
    r"^offers/(\d+)/(?P<media_id>(\w+-?)+)\.jpg$",
    r"(?P<media_id>(.*)(.*)(.*)(.*))x",
    r"^(?P<media_id>(?:[^/]+/?)*)x$",
    r"^(?P<media_id>((ab)*)*)c",
    r"(?P<media_id>(a|aa)+)$",
    r"(?P<media_id>(?:a?b?)*)c$",
    r"(?P<media_id>(.*a){20})$",
    r"^(?P<media_id>(\s*\S*)*)x$",
    r"(?=(a+)+$)(?P<media_id>b)",
    r"(?i)^(?P<media_id>(é+)+)$",
    r"^img(?P<media_id>(%[0-9]{2})*(%[0-9]{2})*(%[0-9]{2})*)*$",
    r"^x{1000}(?P<media_id>(a+)+)$",
]
ORDINARY = [
    DEFAULT_OBJECT_KEY_PATTERN,
    r"^(?P<business_phone>\d+)/(?P<media_id>[^/.]+)(\.\w+)?$",
    r"(?:[^/]+/)*(?P<media_id>[0-9a-f-]{36})",
    r"^(?:[^/]+/)*(?P<media_id>[^/]+)\.jpg$",
    r"/(?P<business_phone>[0-9]{5,15})_(?P<media_id>[\w-]+)\.(?:jpe?g|png)$",
    r"^(.*)/(?P<media_id>.*)$",
    r"(?P<media_id>\w+)-(?P<business_phone>\d+)",
    r"^(?P<x>a)?(?P<media_id>(?(x)b|c)(?P=x)(?<!d))",
    r"(?P<media_id>((a{1000}){1000}){1000})",
]


@pytest.mark.parametrize("pattern", EXPLOSIVE)
def test_pattern_that_backtracks_exponentially_is_refused(pattern: str) -> None:
    assert backtracks_exponentially(re.compile(pattern))


@pytest.mark.parametrize("pattern", ORDINARY)
def test_ordinary_pattern_is_accepted(pattern: str) -> None:
    assert not backtracks_exponentially(re.compile(pattern))
    assert all(0 < len(key) <= KEY_CHARACTERS for key in misleading_keys(pattern))


def test_refusal_is_decided_once_and_takes_little_time() -> None:
    backtracks_exponentially.cache_clear()
    environment = REQUIRED | {"OBJECT_KEY_PATTERN": EXPLOSIVE[0]}
    started = time.process_time()
    for _ in range(10):
        with pytest.raises(SettingsError, match=r"^OBJECT_KEY_PATTERN takes too long to search some keys"):
            DeleteMediaSettings.from_environment(environment)
    assert time.process_time() - started < 10 * key_pattern.MAX_SEARCH_S
    assert backtracks_exponentially.cache_info().misses == 1


def test_pattern_in_another_thread_is_not_tried() -> None:  # only the main thread can interrupt a search
    backtracks_exponentially.cache_clear()
    with ThreadPoolExecutor(1) as other:
        assert not other.submit(backtracks_exponentially, re.compile(EXPLOSIVE[0])).result()
    backtracks_exponentially.cache_clear()


def test_default_pattern_does_not_load_the_check() -> None:
    program = (
        "import sys; from media_cleanup.settings import DeleteMediaSettings as settings; "
        f"settings.from_environment({REQUIRED!r}); print('media_cleanup.key_pattern' in sys.modules)"
    )
    paths = f"{ROOT / 'layers/media_cleanup'}:{ROOT / 'layers/nxcloud'}"
    done = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": paths}, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
