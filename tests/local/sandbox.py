"""What the samples in events/ talk of: a secret, a dead-letter queue, a bucket, and the media at the provider.

As a program, it keeps all of that on the fixed ports that tests/local/env.json names, for `sam local invoke`.
"""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.local.cloud import REGION, LocalCloud, local_cloud
from tests.simulator import Simulator

CLOUD_PORT = 4566
SIMULATOR_PORT = 8080
SECRET = "nxcloud/credentials"  # noqa: S105 (the secret's name)
BUCKET = "example-bucket"
PHONE = "8615800001795"
DELETED_MEDIA = "fd81acff-eea8-4d9d-acc9-6c62904d6615"
LIVING_MEDIA = "a75c6d9b-a7c8-4f41-8f61-94548e92cbee"
LIVING_KEY = f"{PHONE}/{LIVING_MEDIA}.jpg"


@dataclass(frozen=True)
class Sandbox:
    """The local cloud and the simulator, filled for the samples."""

    cloud: LocalCloud
    simulator: Simulator
    dead_letter_queue_url: str

    def environment(self, host: str = "127.0.0.1") -> dict[str, str]:
        """The function's settings, as it sees this machine from where it runs."""
        settings = {
            "NXCLOUD_BASE_URL": self.simulator.url,
            "NXCLOUD_SECRET_ID": SECRET,
            "DEAD_LETTER_QUEUE_URL": self.dead_letter_queue_url,
            "AWS_ENDPOINT_URL": self.cloud.url,
        }
        return {name: value.replace("127.0.0.1", host).replace("localhost", host) for name, value in settings.items()}


@contextmanager
def sandbox(host: str = "127.0.0.1", cloud_port: int = 0, simulator_port: int = 0) -> Iterator[Sandbox]:
    """Starts and fills a sandbox. `host` is the address to listen on; containers do not reach the loopback one."""
    with local_cloud(host, cloud_port) as cloud, Simulator(host=host, port=simulator_port) as simulator:
        provider = simulator.provider
        secret = json.dumps({"accessKey": provider.access_key, "accessSecret": provider.access_secret})
        cloud.client("secretsmanager").create_secret(Name=SECRET, SecretString=secret)
        queue = cloud.client("sqs").create_queue(QueueName="dead-letters")
        cloud.client("s3").create_bucket(Bucket=BUCKET)
        cloud.client("s3").put_object(Bucket=BUCKET, Key=LIVING_KEY, Body=b"alive")
        for media_id in (DELETED_MEDIA, LIVING_MEDIA):
            provider.add_media(PHONE, media_id)
            provider.evergreen.add((PHONE, media_id))
        yield Sandbox(cloud, simulator, queue["QueueUrl"])


def main() -> None:
    """Runs until it is interrupted."""
    with sandbox("0.0.0.0", CLOUD_PORT, SIMULATOR_PORT):  # noqa: S104 (for the function's container)
        print(f"The local cloud answers on http://127.0.0.1:{CLOUD_PORT} (region {REGION}),")
        print(f"NXCloud's simulator on http://127.0.0.1:{SIMULATOR_PORT}. Now, in another terminal:\n")
        print("    sam build && sam local invoke DeleteMediaFunction -e events/direct-media.json\n")
        print("Ctrl-C ends both.", flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    main()
