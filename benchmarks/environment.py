"""The environment of the measured functions: local cloud, fake NXCloud and AWS's runtime loop, on loopback."""

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

from localdev.cloud import ROOT, LocalCloud, local_cloud
from localdev.fake_nxcloud import FakeNxCloud, Fault
from localdev.runtime import Emulator, emulator
from localdev.stack import build, code_directory, sam

HERE = Path(__file__).parent
PHONE = "8615800001795"
THIS, REFERENCE, FLOOR = "this", "reference", "floor"  # the names of the measured functions


@dataclass(frozen=True)
class Sample:
    """One invocation: its duration, and the CPU time of the function's process, both in seconds."""

    seconds: float
    cpu_s: float


class Function:
    """A function in the emulator; measures every invocation."""

    def __init__(self, running: Emulator) -> None:
        self._running = running

    def invoke(self, event: object) -> Sample:
        """Invoke the function. Raises RuntimeError unless it succeeds, so that no failure is measured."""
        cpu_before_s, started = self._cpu_s(), time.perf_counter()
        response = self._running.invoke(event)
        seconds = time.perf_counter() - started
        if response != {"batchItemFailures": []}:
            raise RuntimeError(f"the function answered {response}; its log:\n{self._running.log.read_text()[-2000:]}")
        return Sample(seconds, self._cpu_s() - cpu_before_s)

    def peak_mb(self) -> float:
        """Return the peak memory of the function's process, in MB."""
        [line] = [line for line in self._proc_file("status").splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) / 1024

    def _cpu_s(self) -> float:
        fields = self._proc_file("stat").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") if fields else 0.0

    def _proc_file(self, name: str) -> str:
        """Read a file in /proc of the runtime's process, the emulator's only child; empty before it has one."""
        parent = self._running.process_id
        children = Path(f"/proc/{parent}/task/{parent}/children")
        tasks = [(path / "children").read_text().split() for path in Path(f"/proc/{parent}/task").iterdir()]
        found = [child for task in tasks for child in task] or children.read_text().split()
        return Path(f"/proc/{found[0]}/{name}").read_text() if found else ""


@dataclass(frozen=True)
class Environment:
    """The running services, and the code of the functions."""

    fake_nxcloud: FakeNxCloud
    variables: dict[str, str]
    code: dict[str, Path]
    python: str
    folder: Path

    @contextmanager
    def function(self, name: str, **settings: str) -> Iterator[Function]:
        """Start a function in a new execution environment."""
        log = self.folder / f"{uuid.uuid4()}.log"
        variables = {**self.variables, **settings}
        with emulator(variables, log, code=self.code[name], python=self.python) as running:
            yield Function(running)

    def event(self, messages: int) -> dict[str, Any]:
        """Return an SQS event with this number of messages, each naming a media file that exists."""
        return {"Records": [self._record() for _ in range(messages)]}

    def set_latency(self, seconds: float) -> None:
        """Set the latency of NXCloud's responses."""
        self.fake_nxcloud.behave()
        if seconds:
            self.fake_nxcloud.misbehave(Fault("latency", seconds=seconds, times=10**9))

    def _record(self) -> dict[str, Any]:
        media = {"business_phone": PHONE, "media_id": self.fake_nxcloud.provider.add_media(PHONE)}
        return {
            "messageId": str(uuid.uuid4()),
            "receiptHandle": "a handle",
            "body": json.dumps(media),
            "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": str(int(time.time() * 1000))},
            "messageAttributes": {},
            "md5OfBody": "",
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:deletions",
            "awsRegion": "us-east-1",
        }


@contextmanager
def create_environment(python: str) -> Iterator[Environment]:
    """Build the functions, and start the services. `python` is the interpreter of the functions."""
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        code = _build_functions(folder, python)
        cloud = running.enter_context(local_cloud())
        fake_nxcloud = running.enter_context(FakeNxCloud())
        layers = [ROOT / f".aws-sam/build/{layer}/python" for layer in ("NxCloudLayer", "MediaCleanupLayer")]
        variables = {
            **cloud.environment,
            **_create_resources(cloud, fake_nxcloud),
            "PYTHONPATH": os.pathsep.join(map(str, layers)),
        }
        yield Environment(fake_nxcloud, variables, code, python, folder)


def _build_functions(folder: Path, python: str) -> dict[str, Path]:
    """Build this function by its own Makefiles, and the reference by sam's default build for the Python in use."""
    build()
    version = subprocess.run([python, "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    template = folder / "template.yaml"
    runtime = "python" + ".".join(version.split(".")[:2])
    template.write_text((HERE / "reference/template.yaml").read_text().replace("python3.13", runtime))
    (folder / "function").symlink_to(HERE / "reference/function")
    path = f"{Path(python).parent}{os.pathsep}{os.environ['PATH']}"
    sam("build", "--template", str(template), "--build-dir", str(folder / "built"), environment={"PATH": path})
    return {
        THIS: code_directory("DeleteMediaFunction"),
        REFERENCE: folder / "built/ReferenceFunction",
        FLOOR: HERE / "floor",
        f"{FLOOR} calls": HERE / "floor_calls",
    }


def _create_resources(cloud: LocalCloud, fake_nxcloud: FakeNxCloud) -> dict[str, str]:
    """Create tables, secret and queue, and return the environment variables that name them."""
    keys = {"MEDIA_INDEX_TABLE": ["object", "link"], "IDEMPOTENCY_TABLE": ["id"]}
    for table, names in keys.items():
        cloud.client("dynamodb").create_table(
            TableName=table,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
            KeySchema=[
                {"AttributeName": name, "KeyType": kind} for name, kind in zip(names, ["HASH", "RANGE"], strict=False)
            ],
        )
    provider = fake_nxcloud.provider
    secret = json.dumps({"accessKey": provider.access_key, "accessSecret": provider.access_secret})
    secret_id = cloud.client("secretsmanager").create_secret(Name="nxcloud", SecretString=secret)["ARN"]
    queue_url = cloud.client("sqs").create_queue(QueueName="deletions")["QueueUrl"]
    return {
        **{table: table for table in keys},
        "NXCLOUD_BASE_URL": fake_nxcloud.url,
        "NXCLOUD_SECRET_ID": secret_id,
        "DELETION_QUEUE_URL": queue_url,
        "DEAD_LETTER_QUEUE_URL": queue_url,
        "ACCESS_KEY": provider.access_key,  # for the floor, which does not read the secret
        "ACCESS_SECRET": provider.access_secret,
    }
