"""Carries out a storm: uploads, stores, deletions and messages, while NXCloud misbehaves, is down, and rotates."""

import secrets
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from localdev.cloud import local_cloud
from localdev.stack import Stack
from localdev.uploader import upload_media
from nxcloud import Credentials
from tests.chaos.deploy import deploy_faster
from tests.chaos.fault_profile import FaultyNxCloud, Weather
from tests.chaos.fault_proxy import Strait
from tests.chaos.findings import Findings, found
from tests.chaos.plan import PHONES, Action, Plan, drawn

SENDERS = 4
ROTATION_GAP_S = 1.5
KILL_SHARE, KILL_SHARE_OF_FEW = 0.003, 0.01
SMALL = 200  # below so many media nothing takes long, so that a storm can be a test
ROUGH_TO_THE_END_S = 60
TICK_S = 0.25
QUIET_TICKS = 4
Tell = Callable[[str, int], None]  # what goes on, and how many media have gone


@dataclass
class Storm:
    """A storm under way. `tell` hears of its progress."""

    stack: Stack
    fake_nxcloud: FaultyNxCloud
    strait: Strait
    credentials: Credentials
    plan: Plan
    tell: Tell

    def __post_init__(self) -> None:
        self._sqs = self.stack.cloud.client("sqs")  # boto3's clients may be shared by threads
        self._s3 = self.stack.cloud.client("s3")
        self._bucket = self.stack.outputs["SourceBucketName"]

    def store_objects(self) -> None:
        """Stores every object, and waits until the index function has read them: metadata go with their object."""
        cases = [case for case in [*self.plan.asked, *self.plan.left_alone] if case.key]
        _all_at_once(
            lambda case: self._s3.put_object(Bucket=self._bucket, Key=case.key, Body=b"x", Metadata=case.metadata),
            cases,
        )
        self.wait_until_quiet("objects are read", 300)

    def rage(self, outage_s: float) -> str:
        """Does all the actions, a sixth in each weather. The secret that NXCloud has in the end."""
        fake_nxcloud, actions = self.fake_nxcloud, self.plan.actions
        parts = [actions[start::6] for start in range(6)]
        fake_nxcloud.weather, self.strait.rough = Weather.ROUGH, True
        self._act("rough", parts[0], outage_s)
        fake_nxcloud.weather = Weather.RESETTING
        self._act("down: resets", parts[1], outage_s)
        fake_nxcloud.weather = Weather.ROUGH
        self._act("rough again", parts[2], outage_s)
        new_secret = secrets.token_hex(16)
        fake_nxcloud.provider.access_secret = new_secret
        self._act("NXCloud has a new secret", parts[3], ROTATION_GAP_S)
        self.stack.store_credentials(self.credentials.access_key, new_secret)
        self._act("so has AWS", [], outage_s)
        fake_nxcloud.weather = Weather.REFUSING
        self._act("down: code -1", parts[4], outage_s)
        fake_nxcloud.weather = Weather.ROUGH
        self._act("rough to the end", parts[5], outage_s)
        until = time.monotonic() + (ROUGH_TO_THE_END_S if len(self.plan.asked) >= SMALL else 10)
        while self._gone() < 0.9 * len(self.plan.asked) and time.monotonic() < until:
            self.tell("rough to the end", self._gone())
            time.sleep(TICK_S)  # the weather lasts
        fake_nxcloud.weather, self.strait.rough = Weather.CALM, False
        return new_secret

    def wait_until_quiet(self, what: str, limit_s: float) -> int:
        """Waits until both queues are empty and stay so. How many messages were left when the time was over."""
        until, quiet = time.monotonic() + limit_s, 0
        while (waiting := self._waiting()) or quiet < QUIET_TICKS:
            quiet = 0 if waiting else quiet + 1
            self.tell(f"{what}, {waiting} messages", self._gone())
            if time.monotonic() > until:
                return waiting
            time.sleep(TICK_S)  # the local cloud works in the background
        return 0

    def _act(self, what: str, actions: list[Action], seconds: float) -> None:
        """Does these actions, and lets at least so many seconds pass."""
        until = time.monotonic() + seconds
        self.tell(what, self._gone())
        _all_at_once(self._do, actions)
        while (left := until - time.monotonic()) > 0:
            self.tell(what, self._gone())
            time.sleep(min(TICK_S, left))  # the weather lasts

    def _do(self, action: Action) -> None:
        if action.queue:
            self._sqs.send_message(QueueUrl=self.stack.outputs[action.queue], MessageBody=action.body)
        else:
            self._s3.delete_object(Bucket=self._bucket, Key=action.key)

    def _gone(self) -> int:
        kept = self.fake_nxcloud.provider.media
        return sum((case.business_phone, case.media_id) not in kept for case in self.plan.asked)

    def _waiting(self) -> int:
        counts = ["", "NotVisible", "Delayed"]
        names = [f"ApproximateNumberOfMessages{count}" for count in counts]
        queues = [self.stack.outputs["DeletionQueueUrl"], self.stack.outputs["IndexQueueUrl"]]
        answers = [self._sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names) for queue in queues]
        return sum(int(answer["Attributes"].get(name, 0)) for answer in answers for name in names)


def raise_storm(media: int, seed: int, tell: Tell = lambda _what, _gone: None) -> Findings:
    """A storm over so many media, from its beginning to its findings."""
    slowest_s = 2.0 if media < SMALL else 12.0  # the client's own deadline is 10 s
    chance = Random(seed)  # noqa: S311 (repeatable on purpose)
    credentials = Credentials("soak-" + secrets.token_hex(8), secrets.token_hex(16))
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="soak-")))
        fake_nxcloud = running.enter_context(
            FaultyNxCloud(credentials.access_key, credentials.access_secret, seed, slowest_s)
        )
        tell("a local cloud starts", 0)
        cloud = running.enter_context(local_cloud())
        tell("sam build, sam deploy", 0)
        strait = running.enter_context(Strait(cloud.url, seed, KILL_SHARE_OF_FEW if media < SMALL else KILL_SHARE))
        parameters = {"CreateSourceBucket": "true", "NxCloudBaseUrl": fake_nxcloud.url}
        stack = deploy_faster(cloud, "soak", folder, strait.url, 7 if media < SMALL else 15, **parameters)
        stack.store_credentials(credentials.access_key, credentials.access_secret)
        tell("media are uploaded", 0)
        asked, control = (_uploaded(fake_nxcloud, credentials, count) for count in (media, max(8, media // 10)))
        plan = drawn(asked, control, stack.outputs["SourceBucketName"], chance)
        storm = Storm(stack, fake_nxcloud, strait, credentials, plan, tell)
        storm.store_objects()
        began = time.monotonic()
        new_secret = storm.rage(2 + min(media, 2000) / 250)
        left = storm.wait_until_quiet("it calms down", 60 + media)
        tell("findings are gathered", media)
        canaries = [credentials.access_key, credentials.access_secret, new_secret]
        return found(stack, fake_nxcloud, strait, plan, canaries, time.monotonic() - began, left)


def _uploaded(fake_nxcloud: FaultyNxCloud, credentials: Credentials, count: int) -> list[tuple[str, str]]:
    phones = [PHONES[number % len(PHONES)] for number in range(count)]
    return _all_at_once(
        lambda phone: (phone, upload_media(fake_nxcloud.url, credentials, phone, "soak.jpg", b"a picture")), phones
    )


def _all_at_once(do: Callable[[Any], Any], things: list[Any]) -> list[Any]:
    with ThreadPoolExecutor(SENDERS) as pool:
        return list(pool.map(do, things))
