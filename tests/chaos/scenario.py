"""Runs a chaos test: uploads, stores, deletions and messages, during faults, outages and a rotation of credentials."""

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
from localdev.fake_nxcloud import THROTTLING, RateLimit
from localdev.fake_nxcloud.provider import ACTIONS
from localdev.stack import Stack
from nxcloud import Credentials, MediaClient
from tests.chaos.deploy import deploy_with_short_times
from tests.chaos.fault_profile import FaultProfile, FaultyNxCloud
from tests.chaos.fault_proxy import FaultProxy
from tests.chaos.findings import Findings, deletions_over_limit, gather_findings
from tests.chaos.outcome_events import BUS, EventQueue
from tests.chaos.plan import PHONES, Action, Plan, draw_plan

SENDERS = 4
ROTATION_GAP_S = 1.5
THROTTLED_RATE, THROTTLED_BURST = 2.0, 1
MAX_PHASE_S = 30  # a slow machine may take as long until a call meets the fault of a phase
EXPIRED_EACH = 12  # of the media files to delete
MIN_DELETIONS_PER_HOUR = 25
KILL_SHARE, SMALL_KILL_SHARE = 0.003, 0.01
SMALL = 200  # with fewer media files the scenario is short enough for a test
LAST_FAULTS_S = 60
TICK_S = 0.25
IDLE_TICKS = 4
ReportProgress = Callable[[str, int], None]  # the phase, and the number of deleted media files


@dataclass
class Scenario:
    """A chaos test in progress."""

    stack: Stack
    fake_nxcloud: FaultyNxCloud
    proxy: FaultProxy
    credentials: Credentials
    plan: Plan
    report_progress: ReportProgress

    def __post_init__(self) -> None:
        self._sqs = self.stack.cloud.client("sqs")  # boto3's clients may be shared by threads
        self._s3 = self.stack.cloud.client("s3")
        self._bucket = self.stack.outputs["SourceBucketName"]

    def store_objects(self) -> None:
        """Store all objects, and wait until the index function has read them: metadata is deleted with its object."""
        cases = [case for case in [*self.plan.to_delete, *self.plan.bystanders] if case.key]
        _run_concurrently(
            lambda case: self._s3.put_object(Bucket=self._bucket, Key=case.key, Body=b"x", Metadata=case.metadata),
            cases,
        )
        self.wait_until_idle("objects are indexed", 300)

    def run(self, outage_s: float) -> str:
        """Carry out the actions, an eighth of them in each phase. Returns NXCloud's secret after the rotation."""
        fake_nxcloud, actions = self.fake_nxcloud, self.plan.actions
        parts = [actions[start::8] for start in range(8)]
        fake_nxcloud.profile, self.proxy.faults_enabled = FaultProfile.MIXED, True
        self._phase("faults", parts[0], outage_s)
        fake_nxcloud.profile = FaultProfile.OUTAGE_RESET
        self._phase("outage: resets", parts[1], outage_s)
        fake_nxcloud.profile = FaultProfile.MIXED
        self._phase("faults", parts[2], outage_s)
        self._troubles(parts[3], parts[4], outage_s)
        new_secret = secrets.token_hex(16)
        fake_nxcloud.provider.access_secret = new_secret
        self._phase("rotation: new secret at NXCloud", parts[5], ROTATION_GAP_S)
        self.stack.store_credentials(self.credentials.access_key, new_secret)
        self._phase("rotation: new secret in Secrets Manager", [], outage_s)
        fake_nxcloud.profile = FaultProfile.OUTAGE_CODE
        self._phase("outage: code -1", parts[6], outage_s)
        fake_nxcloud.profile = FaultProfile.MIXED
        self._phase("last faults", parts[7], outage_s)
        until = time.monotonic() + (LAST_FAULTS_S if len(self.plan.to_delete) >= SMALL else 10)
        while self._deleted() < 0.9 * len(self.plan.to_delete) and time.monotonic() < until:
            self.report_progress("last faults", self._deleted())
            time.sleep(TICK_S)  # the phase takes its time
        fake_nxcloud.profile, self.proxy.faults_enabled = FaultProfile.NONE, False
        return new_secret

    def _troubles(self, first: list[Action], second: list[Action], seconds: float) -> None:
        """Let NXCloud throttle in each way, refuse each action, and have one number out of order."""
        provider = self.fake_nxcloud.provider
        for number, (style, reply) in enumerate(THROTTLING.items()):
            provider.rate_limit = RateLimit(THROTTLED_RATE, THROTTLED_BURST, reply)
            actions = first[number :: len(THROTTLING)]
            self._phase(f"throttling: {style}", actions, seconds / len(THROTTLING), trouble="throttled")
        provider.rate_limit = None
        provider.out_of_order = {PHONES[0]}
        self._phase("one number out of order", second, seconds, trouble="number out of order")
        provider.out_of_order = set()
        for action in ACTIONS:
            provider.refused_actions = {action: 1005}
            self._phase(f"{action} is refused", [], seconds / len(ACTIONS))
        provider.refused_actions = {}

    def wait_until_idle(self, phase: str, limit_s: float) -> int:
        """Wait until both queues stay empty. Returns the number of messages left when the time is over."""
        until, idle_ticks = time.monotonic() + limit_s, 0
        while (messages := self._messages()) or idle_ticks < IDLE_TICKS:
            idle_ticks = 0 if messages else idle_ticks + 1
            self.report_progress(f"{phase}, {messages} messages", self._deleted())
            if time.monotonic() > until:
                return messages
            time.sleep(TICK_S)  # the local cloud works in the background
        return 0

    def _phase(self, name: str, actions: list[Action], seconds: float, trouble: str = "") -> None:
        """Carry out these actions. The phase takes at least `seconds`, and until a call meets the trouble."""
        started, met_before = time.monotonic(), self._met(trouble)
        self.report_progress(name, self._deleted())
        _run_concurrently(self._carry_out, actions)
        while (passed := time.monotonic() - started) < seconds or (
            trouble and self._met(trouble) == met_before and passed < MAX_PHASE_S
        ):
            self.report_progress(name, self._deleted())
            time.sleep(TICK_S)  # the phase takes its time

    def _met(self, trouble: str) -> int:
        """How many calls have met this trouble of NXCloud."""
        return self.fake_nxcloud.provider.troubles[trouble]

    def _carry_out(self, action: Action) -> None:
        if action.queue:
            self._sqs.send_message(QueueUrl=self.stack.outputs[action.queue], MessageBody=action.body)
        else:
            self._s3.delete_object(Bucket=self._bucket, Key=action.key)

    def _deleted(self) -> int:
        remaining = self.fake_nxcloud.provider.media
        return sum((case.business_phone, case.media_id) not in remaining for case in self.plan.to_delete)

    def _messages(self) -> int:
        names = [f"ApproximateNumberOfMessages{state}" for state in ("", "NotVisible", "Delayed")]
        queues = [self.stack.outputs["DeletionQueueUrl"], self.stack.outputs["IndexQueueUrl"]]
        responses = [self._sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names) for queue in queues]
        return sum(int(response["Attributes"].get(name, 0)) for response in responses for name in names)


def run_scenario(count: int, seed: int, report_progress: ReportProgress = lambda _phase, _deleted: None) -> Findings:
    """Run a chaos test that deletes `count` media files, and return its findings."""
    slowest_s = 2.0 if count < SMALL else 12.0  # the client's own deadline is 10 s
    random = Random(seed)  # noqa: S311 (repeatable on purpose)
    credentials = Credentials("chaos-" + secrets.token_hex(8), secrets.token_hex(16))
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
        fake_nxcloud = running.enter_context(
            FaultyNxCloud(credentials.access_key, credentials.access_secret, seed, slowest_s)
        )
        report_progress("starting the local cloud", 0)
        cloud = running.enter_context(local_cloud())
        report_progress("sam build, sam deploy", 0)
        proxy = running.enter_context(FaultProxy(cloud.url, seed, SMALL_KILL_SHARE if count < SMALL else KILL_SHARE))
        event_queue = EventQueue(cloud)
        limit = max(MIN_DELETIONS_PER_HOUR, count // 20)
        parameters = {
            "CreateSourceBucket": "true",
            "NxCloudBaseUrl": fake_nxcloud.url,
            "OutcomeEventBusName": BUS,
            "MaxDeletionsPerHour": str(limit),
        }
        timeout_s = 7 if count < SMALL else 15
        stack = deploy_with_short_times(cloud, "chaos", folder, proxy.url, timeout_s, **parameters)
        stack.store_credentials(credentials.access_key, credentials.access_secret)
        report_progress("uploading media files", 0)
        to_delete, bystanders = (_upload(fake_nxcloud, credentials, each) for each in (count, max(8, count // 10)))
        plan = draw_plan(to_delete, bystanders, stack.outputs["SourceBucketName"], random)
        scenario = Scenario(stack, fake_nxcloud, proxy, credentials, plan, report_progress)
        scenario.store_objects()
        for case in plan.to_delete[::EXPIRED_EACH]:
            fake_nxcloud.provider.expire(case.business_phone, case.media_id)
        started = time.monotonic()
        new_secret = scenario.run(2 + min(count, 2000) / 250)
        messages_left = scenario.wait_until_idle("recovery", 60 + count)
        report_progress("gathering findings", count)
        all_secrets = [credentials.access_key, credentials.access_secret, new_secret]
        seconds = time.monotonic() - started
        events = event_queue.receive()
        findings = gather_findings(stack, fake_nxcloud, proxy, plan, all_secrets, seconds, messages_left, events)
        findings.violations["more deletions than MaxDeletionsPerHour"] = deletions_over_limit(fake_nxcloud, plan, limit)
        return findings


def _upload(fake_nxcloud: FaultyNxCloud, credentials: Credentials, count: int) -> list[tuple[str, str]]:
    phones = [PHONES[number % len(PHONES)] for number in range(count)]
    client = MediaClient(fake_nxcloud.url)
    return _run_concurrently(
        lambda phone: (phone, client.upload_media(credentials, phone, b"a picture", "chaos.jpg")), phones
    )


def _run_concurrently(function: Callable[[Any], Any], arguments: list[Any]) -> list[Any]:
    with ThreadPoolExecutor(SENDERS) as pool:
        return list(pool.map(function, arguments))
