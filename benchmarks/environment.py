"""The environment of the measured functions: local cloud, fake NXCloud and Lambda's Runtime API, on loopback."""

import json
import os
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.httpsession

from benchmarks.quota import Quota, create_quota, share
from benchmarks.runtime_api import RuntimeApi
from localdev.cloud import ROOT, LocalCloud, local_cloud
from localdev.fake_nxcloud import FakeNxCloud, Fault
from localdev.stack import build, code_directory, sam
from localdev.tables import create_idempotency_table, create_index_table

HERE = Path(__file__).parent
PHONE = "8615800001795"
BUCKET = "measured-objects"
THIS, REFERENCE, FLOOR = "this", "reference", "floor"  # the names of the measured functions
FLOOR_CALLS, INDEX, SWEEP = "floor calls", "index", "sweep"
OURS = {THIS: "DeleteMediaFunction", INDEX: "IndexMediaFunction", SWEEP: "SweepIndexFunction"}
LAYERS = tuple(ROOT / f".aws-sam/build/{layer}/python" for layer in ("NxCloudLayer", "MediaCleanupLayer"))


@dataclass(frozen=True)
class Sample:
    """A phase of a function: its duration, and the processor time of the function's process, both in seconds.

    `response` is that of an invocation.
    """

    seconds: float
    cpu_s: float
    response: Any = None


class Function:
    """A function in a new execution environment, with the sample of its initialization."""

    def __init__(self, process_id: int, api: RuntimeApi, quota: Quota | None, log: Path, started: float) -> None:
        self._process_id = process_id
        self._api = api
        self._quota = quota
        self._log = log
        try:
            seconds = api.wait_until_asked() - started
        except TimeoutError as error:
            raise RuntimeError(f"{error}; its log:\n{log.read_text()[-2000:]}") from None
        self.initialization = Sample(seconds, self._cpu_s())

    def limit(self, memory_mb: int) -> None:
        """Give invocations the processor's share of this memory, where there is a quota."""
        if self._quota:
            self._quota.allow(share(memory_mb))

    def invoke(self, event: object) -> Sample:
        """Invoke the function. Raises RuntimeError unless it succeeds, so that no failure is measured."""
        cpu_before_s = self._cpu_s()
        seconds, response = self._api.invoke(event)
        if response.get("batchItemFailures") or "errorMessage" in response:
            raise RuntimeError(f"the function answered {response}; its log:\n{self._log.read_text()[-2000:]}")
        return Sample(seconds, self._cpu_s() - cpu_before_s, response)

    def peak_mb(self) -> float:
        """Return the peak memory of the function's process, in MB."""
        status = Path(f"/proc/{self._process_id}/status").read_text()
        [line] = [line for line in status.splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) / 1024

    def _cpu_s(self) -> float:
        return time.clock_gettime((~self._process_id << 3) | 2)  # as clock_getcpuclockid(3) makes a process's clock


@dataclass(frozen=True)
class Environment:
    """The running services, and the code of the functions. Without a `quota`, functions have a whole processor."""

    fake_nxcloud: FakeNxCloud
    cloud: LocalCloud
    variables: dict[str, str]
    code: dict[str, Path]
    python: str
    folder: Path
    quota: Quota | None

    @contextmanager
    def function(self, name: str, **settings: str) -> Iterator[Function]:
        """Initialize a function in a new execution environment, with a whole processor."""
        log = self.folder / f"{uuid.uuid4()}.log"
        command = (self.python, "-m", "awslambdaric", "app.lambda_handler")
        with RuntimeApi() as api, log.open("wb") as output:
            if self.quota:
                self.quota.allow(1)
            started = time.perf_counter()
            process = subprocess.Popen(
                self.quota.command(*command) if self.quota else command,
                cwd=self.code[name],
                env={**self.variables, **self._paths(name), "AWS_LAMBDA_RUNTIME_API": api.address, **settings},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            try:
                yield Function(process.pid, api, self.quota, log, started)
            finally:
                process.kill()
                process.wait()

    def _paths(self, name: str) -> dict[str, str]:
        layers = LAYERS if name in {*OURS, FLOOR_CALLS} else ()
        return {"PYTHONPATH": os.pathsep.join(map(str, layers)), "LAMBDA_TASK_ROOT": str(self.code[name])}

    def deletions(self, messages: int) -> dict[str, Any]:
        """Return an SQS event with this number of messages, each naming a media file that exists."""
        media_ids = [self.fake_nxcloud.provider.add_media(PHONE) for _ in range(messages)]
        return _sqs_event([{"business_phone": PHONE, "media_id": media_id} for media_id in media_ids])

    def stores(self, messages: int) -> dict[str, Any]:
        """Store objects that name media files, and return an SQS event with a message for each."""
        s3 = self.cloud.client("s3")
        bodies = []
        for key in (f"{uuid.uuid4()}.jpg" for _ in range(messages)):
            labels = {"whatsapp-media-id": str(uuid.uuid4()), "whatsapp-business-phone": PHONE}
            etag = s3.put_object(Bucket=BUCKET, Key=key, Body=key.encode(), Metadata=labels)["ETag"].strip('"')
            bodies.append({"Records": [_store(key, etag)]})
        return _sqs_event(bodies)

    def set_latency(self, seconds: float) -> None:
        """Set the latency of NXCloud's responses."""
        self.fake_nxcloud.behave()
        if seconds:
            self.fake_nxcloud.misbehave(Fault("latency", seconds=seconds, times=10**9))


def _sqs_event(bodies: list[dict[str, Any]]) -> dict[str, Any]:
    sent_ms = str(int(time.time() * 1000))
    record = {
        "receiptHandle": "a handle",
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": sent_ms},
        "messageAttributes": {},
        "md5OfBody": "",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:queue",
        "awsRegion": "us-east-1",
    }
    return {"Records": [record | {"messageId": str(uuid.uuid4()), "body": json.dumps(body)} for body in bodies]}


def _store(key: str, etag: str) -> dict[str, Any]:
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "eventTime": "2026-01-15T09:26:53.589Z",
        "s3": {"bucket": {"name": BUCKET}, "object": {"key": key, "eTag": etag, "sequencer": "0068796A6D2A1B3C40"}},
    }


@contextmanager
def create_environment(python: str) -> Iterator[Environment]:
    """Build the functions, and start the services. `python` is the interpreter of the functions."""
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        code = _build_functions(folder, python)
        cloud = running.enter_context(local_cloud(tls=True))
        fake_nxcloud = running.enter_context(FakeNxCloud())
        quota = running.enter_context(create_quota())
        variables = {
            **cloud.environment,
            **_create_resources(cloud, fake_nxcloud),
            "AWS_CA_BUNDLE": str(_bundle(cloud, folder)),
            "PATH": os.environ["PATH"],
            "PYTHONDONTWRITEBYTECODE": "1",  # Lambda's code directories are read-only
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_FUNCTION_NAME": "measured",
            "TZ": "UTC",
        }
        yield Environment(fake_nxcloud, cloud, variables, code, python, folder, quota)


def _bundle(cloud: LocalCloud, folder: Path) -> Path:
    """Return botocore's certificates with that of the local cloud: those of AWS take their time to read, too."""
    bundle = folder / "certificates.pem"
    own = cloud.certificate.read_text() if cloud.certificate else ""
    bundle.write_text(Path(botocore.httpsession.where()).read_text() + own)
    return bundle


def _build_functions(folder: Path, python: str) -> dict[str, Path]:
    """Build these functions by their own Makefile, and the reference by sam's default build for the Python in use."""
    build()
    version = subprocess.run([python, "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    template = folder / "template.yaml"
    runtime = "python" + ".".join(version.split(".")[:2])
    template.write_text((HERE / "reference/template.yaml").read_text().replace("python3.13", runtime))
    (folder / "function").symlink_to(HERE / "reference/function")
    path = f"{Path(python).parent}{os.pathsep}{os.environ['PATH']}"
    sam("build", "--template", str(template), "--build-dir", str(folder / "built"), environment={"PATH": path})
    return {
        **{name: code_directory(function) for name, function in OURS.items()},
        REFERENCE: folder / "built/ReferenceFunction",
        FLOOR: HERE / "floor",
        FLOOR_CALLS: HERE / "floor_calls",
    }


def _create_resources(cloud: LocalCloud, fake_nxcloud: FakeNxCloud) -> dict[str, str]:
    """Create tables, bucket, secret and queue, and return the environment variables that name them."""
    create_index_table(cloud.client("dynamodb"), "MEDIA_INDEX_TABLE")
    create_idempotency_table(cloud.client("dynamodb"), "IDEMPOTENCY_TABLE")
    cloud.client("s3").create_bucket(Bucket=BUCKET)
    provider = fake_nxcloud.provider
    secret = json.dumps({"accessKey": provider.access_key, "accessSecret": provider.access_secret})
    secret_id = cloud.client("secretsmanager").create_secret(Name="nxcloud", SecretString=secret)["ARN"]
    queue_url = cloud.client("sqs").create_queue(QueueName="deletions")["QueueUrl"]
    return {
        **{table: table for table in ("MEDIA_INDEX_TABLE", "IDEMPOTENCY_TABLE")},
        "NXCLOUD_BASE_URL": fake_nxcloud.url,
        "NXCLOUD_SECRET_ID": secret_id,
        "DELETION_QUEUE_URL": queue_url,
        "DEAD_LETTER_QUEUE_URL": queue_url,
        "SWEEP_EVERY_DAYS": "0",  # each slice may begin a pass
        "ACCESS_KEY": provider.access_key,  # for the floor, which does not read the secret
        "ACCESS_SECRET": provider.access_secret,
    }
