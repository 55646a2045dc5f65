"""`make demo`: the deployed template deletes the WhatsApp copies of files, by S3 events and by a message.

`--picture FILE` also records the first scene as an SVG, for the documentation.
"""

import argparse
import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.json import JSON
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table

from localdev.cloud import ROOT, local_cloud
from localdev.fake_nxcloud import Call, FakeNxCloud
from localdev.stack import Stack, build, deploy
from nxcloud import Credentials, MediaClient, NxCloudError
from tools.program import one_line_errors

Found = TypeVar("Found")

PHONE = "8615800001795"
SHOWN_PHONE = "86158****1795"
PATIENCE_S = 30.0
TICK_S = 0.02

WIDTH = 100  # of the picture, in characters; a terminal may be a little wider
FONT_FACES = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)  # web fonts of another host, which Rich names in an SVG

console = Console(highlight=False, width=max(WIDTH, min(Console().width, 118)))


@dataclass(frozen=True)
class Setting:
    """What all scenes work with."""

    stack: Stack
    fake_nxcloud: FakeNxCloud
    credentials: Credentials

    @property
    def bucket(self) -> str:
        """The stack's own bucket."""
        return self.stack.outputs["SourceBucketName"]

    def exists(self, media_id: str) -> bool:
        """Whether NXCloud still has the media, asked by a signed `getMedia`."""
        try:
            MediaClient(self.fake_nxcloud.url).get_media(self.credentials, PHONE, media_id)
        except NxCloudError:
            return False
        return True

    def upload(self, name: str) -> str:
        """Uploads a file to the fake NXCloud."""
        media_id = MediaClient(self.fake_nxcloud.url).upload_media(self.credentials, PHONE, b"a picture", name)
        tell("[cyan]WhatsApp[/]", f"uploadMedia {name} → Media-ID [bold]{media_id}[/]")
        return media_id


def main() -> int:
    """Runs all scenes. 0 if all copies are deleted, 1 if one still exists."""
    parser = argparse.ArgumentParser(prog="make demo", description="Deletes the WhatsApp copies of three files.")
    parser.add_argument("--picture", type=Path, help="also record the first scene as this SVG file")
    picture = parser.parse_args().picture
    console.print()
    title = "[bold]A file is deleted from S3, and so is its WhatsApp copy[/]"
    console.print(Panel(title, subtitle="runs on this machine: no AWS account, no Docker", padding=(1, 2)))
    credentials = Credentials("demo-" + secrets.token_hex(6), secrets.token_hex(16))
    with ExitStack() as running:
        fake_nxcloud = running.enter_context(FakeNxCloud(credentials.access_key, credentials.access_secret))
        with doing("start a local cloud"):
            cloud = running.enter_context(local_cloud())
        with doing("sam build: three functions and two layers"):
            build()
        with doing("sam deploy: template.yaml, unchanged, to the local cloud"):
            stack = deploy(cloud, "demo", CreateSourceBucket="true", NxCloudBaseUrl=fake_nxcloud.url)
        with doing("store NXCloud's credentials in the stack's secret"):
            stack.store_credentials(credentials.access_key, credentials.access_secret)
        setting = Setting(stack, fake_nxcloud, credentials)
        with recorded(picture):
            linked = by_link(setting)
        gone = [linked, by_metadata(setting), by_message(setting)]
    console.print()
    if all(gone):
        console.print("[bold green]✓ All three WhatsApp copies are deleted.[/] The local cloud has stopped.")
    else:
        console.print("[bold red]✗ A WhatsApp copy still exists.[/]")
    console.print()
    return 0 if all(gone) else 1


def by_link(setting: Setting) -> bool:
    """The safe order, by the example uploader. Then only the object is deleted, from S3."""
    scene(1, "An object is deleted from S3")
    s3, key = setting.stack.cloud.client("s3"), "offers/house.jpg"
    media_id = run_uploader(setting, "house.jpg", key)
    tell("[cyan]S3[/]", f"stored {key}")
    tell("[cyan]WhatsApp[/]", f"uploadMedia house.jpg → Media-ID [bold]{media_id}[/]")
    tell("[cyan]IndexQueue[/]", "sent the link message {bucket, key, version_id, business_phone, media_id}")
    return await_link(setting, media_id) and watch(
        setting, media_id, "deleted the object", lambda: s3.delete_object(Bucket=setting.bucket, Key=key)
    )


def run_uploader(setting: Setting, name: str, key: str) -> str:
    """Runs the example uploader: it stores, uploads and links. The Media-ID."""
    console.print(f"  [dim]$ python examples/uploader {name} --stack demo --phone {SHOWN_PHONE} --key {key}[/]")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / name
        file.write_bytes(b"a picture")
        program = [sys.executable, str(ROOT / "examples/uploader"), str(file), "--stack", setting.stack.name]
        own = {"NXCLOUD_BASE_URL": setting.fake_nxcloud.url, "PYTHONPATH": str(ROOT / "layers/nxcloud")}
        done = subprocess.run(
            [*program, "--phone", PHONE, "--key", key],
            env={**os.environ, **setting.stack.cloud.environment, **own},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    return done.stdout.strip()


def by_metadata(setting: Setting) -> bool:
    """The other order: the upload comes first, so the object's metadata can name the media file."""
    scene(2, "The object's metadata names its media file")
    s3 = setting.stack.cloud.client("s3")
    media_id, key = setting.upload("balcony.jpg"), "offers/balcony.jpg"
    labels = {"whatsapp-media-id": media_id, "whatsapp-business-phone": PHONE}
    s3.put_object(Bucket=setting.bucket, Key=key, Body=b"a picture", Metadata=labels)
    tell("[cyan]S3[/]", f"stored {key} with the metadata whatsapp-media-id and whatsapp-business-phone")
    return await_link(setting, media_id) and watch(
        setting, media_id, "deleted the object", lambda: s3.delete_object(Bucket=setting.bucket, Key=key)
    )


def by_message(setting: Setting) -> bool:
    """No object at all: a message on the queue names the media file."""
    scene(3, "A message requests the deletion")
    sqs = setting.stack.cloud.client("sqs")
    media_id = setting.upload("garden.jpg")
    body = json.dumps({"business_phone": PHONE, "media_id": media_id})
    queue = setting.stack.outputs["DeletionQueueUrl"]
    what = f'sent {{"business_phone": "{SHOWN_PHONE}", "media_id": "{media_id}"}}'
    return watch(setting, media_id, what, lambda: sqs.send_message(QueueUrl=queue, MessageBody=body))


def await_link(setting: Setting, media_id: str) -> bool:
    """Shows that the index function has linked the media file. Whether it has."""
    line = wait_for(lambda: log_line(setting, "IndexMediaFunction", media_id))
    linked = line is not None and line["outcome"] == "linked"
    text = f"media_linking: [green]linked[/] {line['object_key']}" if line and linked else "[red]nothing was linked[/]"
    tell("[cyan]IndexMedia[/]", text)
    return linked


def watch(setting: Setting, media_id: str, what: str, act: Callable[[], object]) -> bool:
    """Runs the action, and shows what follows as it happens. Whether the copy is deleted in the end."""
    began = time.monotonic()
    act()
    happened("0 ms", what)
    call = wait_for(
        lambda: next((call for call in setting.fake_nxcloud.provider.calls if is_deletion(call, media_id)), None)
    )
    happened(since(began), "NXCloud received a signed [bold]deleteMedia[/]" if call else "NXCloud was not called")
    line = wait_for(lambda: log_line(setting, "DeleteMediaFunction", media_id))
    happened(since(began), "the function wrote its log line" if line else "the function wrote no log line")
    gone = not setting.exists(media_id)
    happened(
        since(began), "getMedia: [green]the copy is deleted[/]" if gone else "getMedia: [red]the copy still exists[/]"
    )
    console.print()
    if call:
        console.print(Padding(account(call), (0, 2)))
    if line:
        console.print(
            Padding(
                Panel(JSON(json.dumps(story(line))), title="the function's log line", border_style="dim"),
                (0, 2),
            )
        )
    return gone and call is not None and line is not None


def log_line(setting: Setting, function: str, media_id: str) -> dict[str, object] | None:
    """A function's log line about a media file, once it is written."""
    return next((line for line in setting.stack.log_lines(function) if line.get("media_id") == media_id), None)


def account(call: Call) -> Panel:
    """The request as the fake NXCloud received and validated it."""
    table = Table.grid(padding=(0, 2))
    table.add_row("[dim]request[/]", f"POST /api/wa/{call.action}")
    table.add_row("[dim]body[/]", call.body.decode().replace(PHONE, SHOWN_PHONE))
    table.add_row("[dim]headers[/]", f"accessKey ***  action {call.action}  bizType 2  ts {call.ts}  sign ***")
    table.add_row("[dim]validated[/]", f"{call.checked} ({call.algorithm} over the bytes received)")
    table.add_row("[dim]response[/]", f"code {call.code}, data.success true" if call.code == 0 else f"code {call.code}")
    return Panel(table, title="the request that NXCloud received", border_style="dim")


def story(line: dict[str, object]) -> dict[str, object]:
    """The log line without the fields that Lambda adds."""
    return {name: value for name, value in line.items() if not name.startswith("function_")}


def is_deletion(call: Call, media_id: str) -> bool:
    """Whether a call requested the deletion of this media file."""
    return call.action == "deleteMedia" and call.media_id == media_id


def wait_for(look: Callable[[], Found | None]) -> Found | None:
    """The first result of polling that is not None, or None after the timeout."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        if (found := look()) is not None:
            return found
        time.sleep(TICK_S)
    return None


@contextmanager
def doing(what: str) -> Iterator[None]:
    """Shows a step in progress, and its duration when it is done."""
    began = time.monotonic()
    with console.status(f"  {what}"):
        yield
    console.print(f"  [green]✓[/] {what} [dim]{time.monotonic() - began:.1f} s[/]")


@contextmanager
def recorded(picture: Path | None) -> Iterator[None]:
    """Records what is printed meanwhile as an SVG, if there is a file for it."""
    if picture is None:
        yield
        return
    console.width, console.record = WIDTH, True
    yield
    console.record = False
    svg = FONT_FACES.sub("", console.export_svg(title="make demo", unique_id="demo"))
    picture.write_text(svg.replace("Fira Code,", "ui-monospace, SFMono-Regular, Menlo, Consolas,"))


def scene(number: int, title: str) -> None:
    """Prints a scene's heading."""
    console.print()
    console.print(Rule(f"[bold]{number}. {title}[/]", align="left"))


def tell(who: str, what: str) -> None:
    """Prints a preparation: the service, and what was done."""
    console.print(f"  {who:<20} {what}", soft_wrap=True)


def happened(when: str, what: str) -> None:
    """Prints an event and its time."""
    console.print(f"  [yellow]{when:>8}[/]  {what}", soft_wrap=True)


def since(began: float) -> str:
    """The time since then, in milliseconds."""
    return f"{round((time.monotonic() - began) * 1000)} ms"


if __name__ == "__main__":
    with one_line_errors("make demo"):
        sys.exit(main())
