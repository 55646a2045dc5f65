"""`make demo`: the deployed template deletes files' WhatsApp copies, by S3's events and by a message."""

import json
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TypeVar

from rich.console import Console
from rich.json import JSON
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table

from localdev.cloud import local_cloud
from localdev.fake_nxcloud import Call, FakeNxCloud
from localdev.stack import Stack, build, deploy
from localdev.uploader import upload_media
from nxcloud import Credentials, MediaClient, NxCloudError

Found = TypeVar("Found")

PHONE = "8615800001795"
SHOWN_PHONE = "86158****1795"
PATIENCE_S = 30.0
TICK_S = 0.02

console = Console(highlight=False, width=max(100, min(Console().width, 118)))


@dataclass(frozen=True)
class Setting:
    """What a scene plays on."""

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
        """Uploads a file to the simulated WhatsApp."""
        media_id = upload_media(self.fake_nxcloud.url, self.credentials, PHONE, name, b"a picture")
        tell("[cyan]WhatsApp[/]", f"uploadMedia {name} → Media-ID [bold]{media_id}[/]")
        return media_id


def main() -> int:
    """Plays all scenes. 0 if all copies are gone, 1 if one is still there."""
    console.print()
    title = "[bold]A file is deleted from S3; its WhatsApp copy goes too[/]"
    console.print(Panel(title, subtitle="all of it on this machine: no AWS account, no Docker", padding=(1, 2)))
    credentials = Credentials("demo-" + secrets.token_hex(6), secrets.token_hex(16))
    with ExitStack() as running:
        fake_nxcloud = running.enter_context(FakeNxCloud(credentials.access_key, credentials.access_secret))
        with doing("a local cloud starts"):
            cloud = running.enter_context(local_cloud())
        with doing("sam build: three functions and two layers"):
            build()
        with doing("sam deploy: template.yaml, as it is, to the local cloud"):
            stack = deploy(cloud, "demo", CreateSourceBucket="true", NxCloudBaseUrl=fake_nxcloud.url)
        with doing("the account's credentials go into the stack's secret"):
            stack.store_credentials(credentials.access_key, credentials.access_secret)
        setting = Setting(stack, fake_nxcloud, credentials)
        gone = [by_link(setting), by_metadata(setting), by_message(setting)]
    console.print()
    if all(gone):
        console.print(
            "[bold green]✓ All three WhatsApp copies are gone.[/] The local cloud has ended; nothing is left running."
        )
    else:
        console.print("[bold red]✗ A WhatsApp copy is still there.[/]")
    console.print()
    return 0 if all(gone) else 1


def by_link(setting: Setting) -> bool:
    """The safe order: store the file, upload it, link both; then the file's deletion in S3 is all that happens."""
    scene(1, "Somebody deletes a file")
    s3, sqs = setting.stack.cloud.client("s3"), setting.stack.cloud.client("sqs")
    key = "offers/house.jpg"
    s3.put_object(Bucket=setting.bucket, Key=key, Body=b"a picture")
    tell("[cyan]S3[/]", f"stored {key}")
    media_id = setting.upload("house.jpg")
    link = {"bucket": setting.bucket, "key": key, "business_phone": PHONE, "media_id": media_id}
    sqs.send_message(QueueUrl=setting.stack.outputs["IndexQueueUrl"], MessageBody=json.dumps(link))
    tell("[cyan]IndexQueue[/]", "sent {bucket, key, business_phone, media_id}: this file stands for that media")
    return await_link(setting, media_id) and watch(
        setting, media_id, "deleted the object", lambda: s3.delete_object(Bucket=setting.bucket, Key=key)
    )


def by_metadata(setting: Setting) -> bool:
    """The other order: the upload comes first, so the file's own metadata can name its media."""
    scene(2, "The file itself says what it stands for")
    s3 = setting.stack.cloud.client("s3")
    media_id, key = setting.upload("balcony.jpg"), "offers/balcony.jpg"
    labels = {"whatsapp-media-id": media_id, "whatsapp-business-phone": PHONE}
    s3.put_object(Bucket=setting.bucket, Key=key, Body=b"a picture", Metadata=labels)
    tell("[cyan]S3[/]", f"stored {key} with the metadata whatsapp-media-id and whatsapp-business-phone")
    return await_link(setting, media_id) and watch(
        setting, media_id, "deleted the object", lambda: s3.delete_object(Bucket=setting.bucket, Key=key)
    )


def by_message(setting: Setting) -> bool:
    """No file at all: a message on the queue names the media."""
    scene(3, "Somebody sends a message")
    sqs = setting.stack.cloud.client("sqs")
    media_id = setting.upload("garden.jpg")
    body = json.dumps({"business_phone": PHONE, "media_id": media_id})
    queue = setting.stack.outputs["DeletionQueueUrl"]
    what = f'sent {{"business_phone": "{SHOWN_PHONE}", "media_id": "{media_id}"}}'
    return watch(setting, media_id, what, lambda: sqs.send_message(QueueUrl=queue, MessageBody=body))


def await_link(setting: Setting, media_id: str) -> bool:
    """Shows that the index function has linked the media. Whether it has."""
    line = wait_for(lambda: log_line(setting, "IndexMediaFunction", media_id))
    linked = line is not None and line["outcome"] == "linked"
    told = f"media_linking: [green]linked[/] {line['object_key']}" if line and linked else "[red]nothing was linked[/]"
    tell("[cyan]Index[/]", told)
    return linked


def watch(setting: Setting, media_id: str, what: str, act: Callable[[], object]) -> bool:
    """Does it, and shows what follows as it happens. Whether the copy is gone in the end."""
    began = time.monotonic()
    act()
    happened("0 ms", what)
    call = wait_for(
        lambda: next((call for call in setting.fake_nxcloud.provider.calls if is_deletion(call, media_id)), None)
    )
    happened(since(began), "NXCloud received a signed [bold]deleteMedia[/]" if call else "NXCloud was not called")
    line = wait_for(lambda: log_line(setting, "DeleteMediaFunction", media_id))
    happened(since(began), "the function logged its line" if line else "the function logged nothing")
    gone = not setting.exists(media_id)
    happened(
        since(began), "getMedia: [green]the copy is gone[/]" if gone else "getMedia: [red]the copy is still there[/]"
    )
    console.print()
    if call:
        console.print(Padding(account(call), (0, 2)))
    if line:
        console.print(
            Padding(Panel(JSON(json.dumps(story(line))), title="the function's log line", border_style="dim"), (0, 2))
        )
    return gone and call is not None and line is not None


def log_line(setting: Setting, function: str, media_id: str) -> dict[str, object] | None:
    """A function's log line about a media, once it is there."""
    return next((line for line in setting.stack.log_lines(function) if line.get("media_id") == media_id), None)


def account(call: Call) -> Panel:
    """What the fake NXCloud says of the request that it checked."""
    table = Table.grid(padding=(0, 2))
    table.add_row("[dim]request[/]", f"POST /api/wa/{call.action}")
    table.add_row("[dim]body[/]", call.body.decode().replace(PHONE, SHOWN_PHONE))
    table.add_row("[dim]headers[/]", f"accessKey ***  action {call.action}  bizType 2  ts {call.ts}  sign ***")
    table.add_row("[dim]checked[/]", f"{call.checked} ({call.algorithm} over the very bytes received)")
    table.add_row("[dim]answered[/]", f"code {call.code}, data.success true" if call.code == 0 else f"code {call.code}")
    return Panel(table, title="NXCloud's account of it", border_style="dim")


def story(line: dict[str, object]) -> dict[str, object]:
    """The log line without what Lambda adds to each."""
    return {name: value for name, value in line.items() if not name.startswith("function_")}


def is_deletion(call: Call, media_id: str) -> bool:
    """Whether a call was to delete this media."""
    return call.action == "deleteMedia" and call.media_id == media_id


def wait_for(look: Callable[[], Found | None]) -> Found | None:
    """What look finds, as soon as it finds it, or None when patience ends."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        if (found := look()) is not None:
            return found
        time.sleep(TICK_S)  # looks again a little later
    return None


@contextmanager
def doing(what: str) -> Iterator[None]:
    """Shows that something is under way, and when it is done, how long it took."""
    began = time.monotonic()
    with console.status(f"  {what}"):
        yield
    console.print(f"  [green]✓[/] {what} [dim]{time.monotonic() - began:.1f} s[/]")


def scene(number: int, title: str) -> None:
    """Begins a scene."""
    console.print()
    console.print(Rule(f"[bold]{number}. {title}[/]", align="left"))


def tell(who: str, what: str) -> None:
    """A line before the curtain: who does what."""
    console.print(f"  {who:<20} {what}", soft_wrap=True)


def happened(when: str, what: str) -> None:
    """A line of what happened, and when."""
    console.print(f"  [yellow]{when:>8}[/]  {what}", soft_wrap=True)


def since(began: float) -> str:
    """The time since then, as people read it."""
    return f"{round((time.monotonic() - began) * 1000)} ms"


if __name__ == "__main__":
    sys.exit(main())
