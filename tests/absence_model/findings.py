"""Runs simulations by name, in any process, and gathers their findings."""

from dataclasses import dataclass

from media_cleanup.outcome import Outcome
from tests.absence_model import scenarios
from tests.absence_model.scenarios import PHONES, Scenario

MAX_RECEIVES = 6


@dataclass(frozen=True)
class Findings:
    """The findings of one simulation; `controls`: those left behind, of as many pairs of numbers and environments."""

    scenario: str
    group: str
    media: int
    deleted: int
    already_gone: int
    in_time: int
    wrongly_gone: int
    controls: int
    pairs: int


def every_scenario() -> dict[str, tuple[Scenario, bool]]:
    """Return the scenarios by name, each with whether its media files are gone."""
    alive = {f"{each.group}: {each.name}": (each, False) for each in (*scenarios.living(), *scenarios.at_random())}
    return alive | {f"gone: {name}": (each, True) for name, each in scenarios.gone().items()}


def simulate(count: int, work: tuple[str, int]) -> Findings:
    """Run one simulation."""
    name, seed = work
    scenario, gone = every_scenario()[name]
    simulation = scenario.run(count, seed, gone=gone)
    return Findings(
        name,
        scenario.group,
        sum(simulation.outcomes.values()),
        simulation.outcomes[Outcome.DELETED],
        simulation.outcomes[Outcome.ALREADY_GONE],
        sum(receives <= MAX_RECEIVES for receives in simulation.receives),
        len(simulation.wrongly_gone),
        sum(media.media_id.startswith("control") for media in simulation.provider.media),
        len(PHONES) * scenario.environments,
    )
