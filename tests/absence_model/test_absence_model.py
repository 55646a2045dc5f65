"""Living media files are never declared gone, and those that are gone are declared so in time.

`make absence` runs the same scenarios with 5,000 media files and three seeds each.
"""

from math import sqrt
from random import Random
from typing import cast

import pytest

from media_cleanup.model import Media
from media_cleanup.provider.absence import AbsenceExperiments
from media_cleanup.request import Attempt
from nxcloud import MediaClient
from tests.absence_model import scenarios
from tests.absence_model.clock import Clock
from tests.absence_model.findings import every_scenario, simulate
from tests.absence_model.probability import End, experiment, most_probable
from tests.absence_model.provider import FakeMediaClient, Provider, RandomFailures
from tests.absence_model.simulation import Credentials
from tests.conftest import PHONE, Context

MEDIA = 150
LIVING = [name for name, (_, gone) in every_scenario().items() if not gone]
IN_TIME = {  # the least share that is declared gone by the sixth receive
    "quiet": 0.999,
    "quiet, 5 environments": 0.999,
    "all at once": 0.999,
    "1 % fail with -1 or 9001": 0.99,
    "1 % fail in any way": 0.98,  # a smaller sample than that of `make absence`, where it is 0.99
}


@pytest.mark.parametrize("name", LIVING)
def test_living_media_is_never_declared_gone(name: str) -> None:
    findings = simulate(MEDIA, (name, 1))
    assert findings.wrongly_gone == 0
    assert findings.media == round(MEDIA * 1.1)


@pytest.mark.parametrize(("name", "share"), IN_TIME.items())
def test_gone_media_is_declared_gone_by_the_sixth_receive(name: str, share: float) -> None:
    findings = simulate(4 * MEDIA, (f"gone: {name}", 1))
    assert findings.in_time >= share * findings.media


def test_every_gone_scenario_has_a_bound() -> None:
    assert scenarios.gone().keys() == IN_TIME.keys()


def test_random_failures_mislead_at_most_one_in_100_000() -> None:
    probability, _ = most_probable()
    assert probability <= 1e-5


def test_computed_probability_agrees_with_experiments() -> None:
    share, count, proofs = 0.4, 10_000, 0
    clock = Clock()
    media = Media(PHONE, "media")
    provider = Provider(clock, [RandomFailures(share, Random(1))], {media: 0.0})  # noqa: S311 (repeatable on purpose)
    client = cast("MediaClient", FakeMediaClient(provider, clock))
    for _ in range(count):
        verifier = AbsenceExperiments(client, Credentials, clock, clock.sleep)
        proofs += media in verifier.prove(PHONE, [media], Attempt(3, Context())).absent
    expected = count * sum(p for (end, _), p in experiment(share, kept=False).items() if end is End.PROOF)
    assert expected == pytest.approx(count * 0.4**3 * 0.6**5)
    assert abs(proofs - expected) < 4 * sqrt(expected)
