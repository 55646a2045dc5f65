"""Draws the plan of a chaos test from a seed: media files to delete, bystanders, and messages in random order."""

import json
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random

PHONES = ("8615800001795", "4915112345678", "12025550142")


class Route(StrEnum):
    """How the deletion of a media file is requested."""

    MESSAGE = "by a message that names it"
    KEY = "by its object, whose key names it"
    METADATA = "by its object, whose metadata names it"
    LINK = "by its object, linked by a message"


@dataclass(frozen=True)
class Case:
    """One media file, the route of its deletion, and the key of its object; empty for none."""

    route: Route
    business_phone: str
    media_id: str
    key: str = ""

    @property
    def metadata(self) -> dict[str, str]:
        """The object's metadata, as the uploading application writes it."""
        if self.route is not Route.METADATA:
            return {}
        return {"whatsapp-media-id": self.media_id, "whatsapp-business-phone": self.business_phone}


@dataclass(frozen=True)
class Action:
    """An action: a message to a queue, named by its stack output, or the deletion of the object with this key."""

    queue: str = ""
    body: str = ""
    key: str = ""


@dataclass
class Plan:
    """The media files `to_delete`, the `bystanders` that must stay, and the `actions` in their order."""

    to_delete: list[Case] = field(default_factory=list)
    bystanders: list[Case] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)


def draw_plan(to_delete: list[tuple[str, str]], bystanders: list[tuple[str, str]], bucket: str, random: Random) -> Plan:
    """Draw a plan for media files given by phone and id: half are deleted by messages, half by their objects."""
    routes = [Route.MESSAGE, Route.KEY, Route.MESSAGE, Route.METADATA]
    routes += [Route.MESSAGE, Route.KEY, Route.MESSAGE, Route.LINK]
    plan = Plan(
        to_delete=[_case(routes[number % len(routes)], *names) for number, names in enumerate(to_delete)],
        bystanders=[_case(routes[number % len(routes)], *names) for number, names in enumerate(bystanders)],
    )
    for case in plan.to_delete:
        plan.actions += _actions(case, bucket, random)
    for case in plan.bystanders:
        if case.key and random.random() < 0.5:  # a request to ignore: the object exists
            plan.actions.append(_message("DeletionQueueUrl", bucket=bucket, key=case.key))
        if case.route is Route.LINK:
            plan.actions.append(_link_message(case, bucket))
    random.shuffle(plan.actions)
    return plan


def _case(route: Route, business_phone: str, media_id: str) -> Case:
    keys = {
        Route.KEY: f"offers/{business_phone}/{media_id}.jpg",
        Route.METADATA: f"labelled/of-{media_id}.jpg",
        Route.LINK: f"linked/of-{media_id}.jpg",
    }
    return Case(route, business_phone, media_id, keys.get(route, ""))


def _actions(case: Case, bucket: str, random: Random) -> list[Action]:
    """The actions that request a deletion, with up to three repeats."""
    repeats = random.choice([0, 0, 0, 1, 1, 2, 3])
    if case.route is Route.MESSAGE:
        request = _message("DeletionQueueUrl", business_phone=case.business_phone, media_id=case.media_id)
        return [request] * (1 + repeats)
    request = _message("DeletionQueueUrl", bucket=bucket, key=case.key)
    links = [_link_message(case, bucket)] * random.choice([1, 1, 2]) if case.route is Route.LINK else []
    return [Action(key=case.key), *links, *[request] * repeats]


def _link_message(case: Case, bucket: str) -> Action:
    return _message(
        "IndexQueueUrl", bucket=bucket, key=case.key, business_phone=case.business_phone, media_id=case.media_id
    )


def _message(queue: str, **body: str) -> Action:
    return Action(queue=queue, body=json.dumps(body))
