"""What happens in a storm, drawn from a seed: who is asked for, how, how often, in which order, and who is not."""

import json
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random

PHONES = ("8615800001795", "4915112345678", "12025550142")


class Way(StrEnum):
    """How a media is asked for."""

    MESSAGE = "by a message"
    SPELLED = "by its object, whose key spells it"
    LABELLED = "by its object, whose metadata name it"
    LINKED = "by its object, which a message links to it"


@dataclass(frozen=True)
class Case:
    """One media, how it is asked for, and the key of its object where it has one."""

    way: Way
    business_phone: str
    media_id: str
    key: str = ""

    @property
    def metadata(self) -> dict[str, str]:
        """What the uploader writes into the object's metadata."""
        if self.way is not Way.LABELLED:
            return {}
        return {"whatsapp-media-id": self.media_id, "whatsapp-business-phone": self.business_phone}


@dataclass(frozen=True)
class Action:
    """A thing that is done: a message is sent to a queue (by the name of its output), or an object is deleted."""

    queue: str = ""
    body: str = ""
    key: str = ""


@dataclass
class Plan:
    """`asked` must go, `left_alone` must stay, `actions` are to be done in this order."""

    asked: list[Case] = field(default_factory=list)
    left_alone: list[Case] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)


def drawn(media: list[tuple[str, str]], control: list[tuple[str, str]], bucket: str, chance: Random) -> Plan:
    """A plan for these media, each a phone and an id: half go by messages, half by their objects."""
    ways = [Way.MESSAGE, Way.SPELLED, Way.MESSAGE, Way.LABELLED, Way.MESSAGE, Way.SPELLED, Way.MESSAGE, Way.LINKED]
    plan = Plan(
        asked=[_case(ways[number % len(ways)], *one) for number, one in enumerate(media)],
        left_alone=[_case(ways[number % len(ways)], *one) for number, one in enumerate(control)],
    )
    for case in plan.asked:
        plan.actions += _actions(case, bucket, chance)
    for case in plan.left_alone:
        if case.key and chance.random() < 0.5:  # a false alarm: the object is there
            plan.actions.append(_message("DeletionQueueUrl", bucket=bucket, key=case.key))
        if case.way is Way.LINKED:
            plan.actions.append(_link(case, bucket))
    chance.shuffle(plan.actions)
    return plan


def _case(way: Way, business_phone: str, media_id: str) -> Case:
    key = {
        Way.SPELLED: f"offers/{business_phone}/{media_id}.jpg",
        Way.LABELLED: f"labelled/of-{media_id}.jpg",
        Way.LINKED: f"linked/of-{media_id}.jpg",
    }
    return Case(way, business_phone, media_id, key.get(way, ""))


def _actions(case: Case, bucket: str, chance: Random) -> list[Action]:
    """What asks for a media, with up to three repeats."""
    repeats = chance.choice([0, 0, 0, 1, 1, 2, 3])
    if case.way is Way.MESSAGE:
        request = _message("DeletionQueueUrl", business_phone=case.business_phone, media_id=case.media_id)
        return [request] * (1 + repeats)
    alarm = _message("DeletionQueueUrl", bucket=bucket, key=case.key)
    links = [_link(case, bucket)] * chance.choice([1, 1, 2]) if case.way is Way.LINKED else []
    return [Action(key=case.key), *links, *[alarm] * repeats]


def _link(case: Case, bucket: str) -> Action:
    return _message(
        "IndexQueueUrl", bucket=bucket, key=case.key, business_phone=case.business_phone, media_id=case.media_id
    )


def _message(queue: str, **body: str) -> Action:
    return Action(queue=queue, body=json.dumps(body))
