"""The scenarios: what NXCloud holds, what trouble it is in, and when deletions are requested."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from math import log
from random import Random

from media_cleanup.model import Media
from nxcloud import InvalidResponseError, NoResponseError, NxCloudError
from tests.absence_model.provider import (
    DAY_S,
    Flapping,
    OldMediaTrouble,
    Outages,
    RandomFailures,
    TokenBucket,
    failure,
    http_429,
)
from tests.absence_model.simulation import Simulation

PHONES = tuple(f"86158000017{number:02}" for number in range(5))
ACTIONS = ("deleteMedia", "getMedia", "uploadMedia")
HOUR_S = 3600.0
THROTTLING_ERRORS: dict[str, Callable[[], NxCloudError]] = {
    **{f"code {code}": partial(failure, code) for code in (27, 28, 88)},
    **{f"code 9099 with {code}": partial(failure, 9099, code) for code in (4, 80007, 130429, 131056)},
    "HTTP 429": http_429,
}
RATES, BURSTS, ENVIRONMENTS = (1, 2, 5, 10, 25), (1, 5, 10), (1, 2, 5)
SHARES = (0.01, 0.1, 0.3, 0.5, 0.57, 0.7, 0.9)
GONE_SHARE = 0.1  # of media files that are gone, in the scenarios about living ones

Prepare = Callable[[Simulation], None]


@dataclass(frozen=True)
class Scenario:
    """A scenario; deletions are requested over `spread_s` seconds. `aged_s`: seconds since the media's uploads."""

    group: str
    name: str
    prepare: Prepare = lambda _: None
    environments: int = 1
    spread_s: float = 0
    aged_s: float = 10 * DAY_S
    processing_s: float = 0

    def run(self, count: int, seed: int, *, gone: bool = False) -> Simulation:
        """Simulate the deletion of this many media files, which NXCloud holds, or which are `gone`."""
        simulation = Simulation(seed, self.environments)
        self.prepare(simulation)
        random = simulation.random
        for number in range(count if gone else round(count * (1 + GONE_SHARE))):
            media = Media(PHONES[number % len(PHONES)], f"media-{number}")
            requested_s = random.uniform(0, self.spread_s)
            if number < count and not gone:
                simulation.provider.media[media] = requested_s - self.aged_s
                simulation.provider.processing_s[media] = random.uniform(0, self.processing_s)
            simulation.request(media, requested_s)
        simulation.run()
        return simulation


def living() -> Iterator[Scenario]:
    """Return the scenarios in which no living media file may be declared gone."""
    for name, error in THROTTLING_ERRORS.items():
        yield Scenario("documented throttling", f"2 calls a second, {name}", _bucket(2, 1, error), environments=2)
    for rate in RATES:
        for burst in BURSTS:
            for environments in ENVIRONMENTS:
                name = f"{rate} calls a second, burst {burst}, {environments} environments"
                yield Scenario("token bucket with -1", name, _bucket(rate, burst, partial(failure, -1)), environments)
    yield Scenario("outages", "of one number", _outages(PHONES[0]), spread_s=12 * HOUR_S)
    for action in ACTIONS:
        yield Scenario("outages", f"of {action}", _outages(action=action), spread_s=12 * HOUR_S)
        name = f"of {action} for one number"
        yield Scenario("outages", name, _outages(PHONES[0], action), environments=2, spread_s=12 * HOUR_S)
    yield Scenario("outages", "every half minute", _with(Flapping(30)), environments=2, spread_s=HOUR_S)
    yield Scenario("new media", "not found for up to 30 minutes", aged_s=60, processing_s=30 * 60, spread_s=12 * HOUR_S)
    yield Scenario("trouble of old media", "for up to 50 minutes", _old_media_trouble, spread_s=12 * HOUR_S)


def at_random() -> Iterator[Scenario]:
    """Return the scenarios of random failures."""
    for share in SHARES:
        yield Scenario("random failures", f"{share:.0%} of the calls", _random_failures(share), environments=2)


def gone() -> dict[str, Scenario]:
    """Return the scenarios in which media files are gone for good, requested over three days."""
    return {
        each.name: each
        for each in (
            Scenario("gone", "quiet", spread_s=3 * DAY_S),
            Scenario("gone", "quiet, 5 environments", environments=5, spread_s=3 * DAY_S),
            Scenario("gone", "all at once", spread_s=0),
            Scenario("gone", "1 % fail with -1 or 9001", _random_failures(0.01), spread_s=3 * DAY_S),
            Scenario("gone", "1 % fail in any way", _mixed_failures, spread_s=3 * DAY_S),
        )
    }


def _with(*troubles: Callable[..., NxCloudError | None]) -> Prepare:
    return lambda simulation: simulation.provider.troubles.extend(troubles)


def _bucket(rate: float, burst: int, error: Callable[[], NxCloudError]) -> Prepare:
    return lambda simulation: simulation.provider.troubles.append(TokenBucket(rate, burst, error))


def _random_failures(share: float) -> Prepare:
    return lambda simulation: simulation.provider.troubles.append(RandomFailures(share, simulation.random))


def _mixed_failures(simulation: Simulation) -> None:
    """Let 1 % of the calls fail: with codes, HTTP 500, without a response, or with a lost response."""
    errors = (failure(-1), failure(9001), failure(28), InvalidResponseError("", http_status=500), NoResponseError(""))
    simulation.provider.troubles.append(RandomFailures(0.008, simulation.random, errors))
    simulation.provider.lose = lambda: simulation.random.random() < 0.002


def _outages(business_phone: str | None = None, action: str | None = None) -> Prepare:
    def prepare(simulation: Simulation) -> None:
        periods = list(_draw_periods(simulation.random, 1, 6 * HOUR_S))
        simulation.provider.troubles.append(Outages(periods, business_phone, action))

    return prepare


def _draw_periods(random: Random, shortest_s: float, longest_s: float) -> Iterator[tuple[float, float]]:
    """Draw outages over two days, each about half an hour after the last, some short and some long."""
    start_s = 0.0
    while start_s < 2 * DAY_S:
        start_s += random.expovariate(1 / 1800)
        end_s = start_s + shortest_s * 2.718281828 ** random.uniform(0, log(longest_s / shortest_s))
        yield start_s, end_s
        start_s = end_s


def _old_media_trouble(simulation: Simulation) -> None:
    """One trouble in six hours: two that meet both proofs of a media file would mislead the experiment."""
    starts = [6 * HOUR_S * number + simulation.random.uniform(0, HOUR_S) for number in range(4)]
    periods = [(start_s, start_s + 60 * simulation.random.uniform(1, 50)) for start_s in starts]
    simulation.provider.troubles.append(OldMediaTrouble(periods))
