"""The decisions of `make verify`: what a step's end means, the exit status, and the request for a batch job."""

import io
import json
from collections.abc import Callable
from typing import cast

import botocore.session
import pytest
from botocore.exceptions import ClientError
from botocore.validate import validate_parameters
from rich.console import Console

from localdev.fake_nxcloud import FakeNxCloud, Fault
from media_cleanup.triggers.parsing import parse_batch_tasks
from nxcloud import ApiError, MediaClient, NoResponseError, ThrottledError
from tests.conftest import CREDENTIALS, MEDIA_ID, PHONE
from tools.program import ToolError
from tools.verify.batch_job import job_event, job_request, manifest
from tools.verify.media import UploadedMedia, is_real
from tools.verify.results import (
    NotApplicableError,
    Result,
    Status,
    StepFailedError,
    exit_status,
    run_step,
    run_steps,
    summary,
    table,
)

KEYS = ["photos/house & garden 100%+tax.jpg", "a,b.jpg"]


def raising(error: Exception) -> Callable[[], str]:
    def step() -> str:
        raise error

    return step


@pytest.mark.parametrize(
    ("step", "status", "detail"),
    [
        (lambda: "all is well", Status.HELD, "all is well"),
        (raising(NotApplicableError("no bucket")), Status.NOT_RUN, "no bucket"),
        (raising(StepFailedError("nothing was deleted")), Status.FAILED, "nothing was deleted"),
        (raising(NoResponseError("no route")), Status.FAILED, "no route"),
        (raising(ApiError("no 8615800001795")), Status.FAILED, "no 86158****1795"),
        (
            raising(ClientError({"Error": {"Code": "Throttling", "Message": "Rate\nexceeded"}}, "PutObject")),
            Status.FAILED,
            "PutObject: Throttling: Rate exceeded",
        ),
    ],
)
def test_end_of_step_has_status_and_detail(step: Callable[[], str], status: Status, detail: str) -> None:
    seconds = iter([1.0, 3.5])
    assert run_step("step", step, lambda: next(seconds)) == Result("step", status, detail, 2.5)


def test_failed_first_step_skips_the_others() -> None:
    steps = [("first", raising(StepFailedError("no answer"))), ("second", lambda: "held")]
    assert [result.status for result in run_steps(steps)] == [Status.FAILED, Status.NOT_RUN]


def test_failed_later_step_skips_nothing() -> None:
    steps = [("first", lambda: "held"), ("second", raising(StepFailedError("no"))), ("third", lambda: "held")]
    results = list(run_steps(steps))
    assert [result.status for result in results] == [Status.HELD, Status.FAILED, Status.HELD]
    assert exit_status(results) == 1
    assert summary(results) == "2 held, 1 failed, 0 not run. Failed: second"


def test_steps_that_do_not_apply_are_no_failure() -> None:
    results = [Result("a", Status.HELD, ""), Result("b", Status.NOT_RUN, "no bucket")]
    assert exit_status(results) == 0
    assert summary(results) == "1 held, 0 failed, 1 not run."


@pytest.mark.parametrize(
    ("host", "real"),
    [
        ("api2.nxcloud.com", True),
        ("nxcloud.com", True),
        ("api2.nxcloud.com.", True),
        ("127.0.0.1", False),
        ("x.lambda-url.us-east-1.on.aws", False),
        ("notnxcloud.com", False),
    ],
)
def test_host_of_nxcloud_is_real(host: str, *, real: bool) -> None:
    assert is_real(host) is real


def test_throttled_question_does_not_say_that_media_is_gone(fake_nxcloud: FakeNxCloud) -> None:
    media = UploadedMedia(MediaClient(fake_nxcloud.url), CREDENTIALS, PHONE)
    assert (media.exists(MEDIA_ID), media.exists("another")) == (True, False)
    fake_nxcloud.misbehave(Fault("code", code=28))
    with pytest.raises(ThrottledError):
        media.exists(MEDIA_ID)


def test_media_that_cannot_be_removed_is_named(fake_nxcloud: FakeNxCloud) -> None:
    media = UploadedMedia(MediaClient(fake_nxcloud.url), CREDENTIALS, PHONE)
    added = sorted(media.add(str(number)) for number in range(3))
    fake_nxcloud.misbehave(Fault("code", code=28, action="deleteMedia"))
    with pytest.raises(ToolError, match=rf"^{added[0]} \(.*28") as caught:
        media.remove_all()
    assert added[1] not in str(caught.value)
    assert [media.exists(each) for each in added] == [True, False, False]


def test_detail_with_brackets_is_shown_as_it_is() -> None:
    console = Console(file=io.StringIO(), width=200)
    console.print(table([Result("a step", Status.FAILED, "refused: [/x]")]))
    assert "refused: [/x]" in cast("io.StringIO", console.file).getvalue()


def test_manifest_encodes_keys() -> None:
    assert manifest("my-bucket", KEYS).decode() == (
        "my-bucket,photos/house+%26+garden+100%25%2Btax.jpg\nmy-bucket,a%2Cb.jpg\n"
    )


def test_batch_job_event_is_understood_by_index_function() -> None:
    tasks = parse_batch_tasks(json.loads(job_event("my-bucket", KEYS)))
    assert [request.obj.key for request in tasks.values()] == KEYS  # type: ignore[union-attr]  # all name objects


def test_batch_job_request_is_valid_for_s3() -> None:
    request = job_request(
        account="123456789012",
        role_arn="arn:aws:iam::123456789012:role/backfill",
        function_arn="arn:aws:lambda:us-east-1:123456789012:function:index:live",
        manifest_arn="arn:aws:s3:::my-bucket/media-cleanup-backfill/run.csv",
        manifest_etag="101a0e3e2f58188b3e2ffc1057316c13",
        token="run",  # noqa: S106 (a token for idempotency)
    )
    service = botocore.session.get_session().get_service_model("s3control")
    validate_parameters(request, service.shape_for("CreateJobRequest"))
