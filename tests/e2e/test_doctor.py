"""`make doctor` on the local cloud: a healthy stack has no problems, and each problem is found with its fix."""

import subprocess

import pytest

from localdev.cloud import LocalCloud
from localdev.fake_nxcloud import Account, FakeNxCloud, Fault
from localdev.stack import Stack
from tests.conftest import CREDENTIALS, PHONE
from tests.e2e.commands import run
from tests.e2e.conftest import deployed, eventually

pytestmark = pytest.mark.usefixtures("well_behaved")


def doctor(stack: Stack) -> subprocess.CompletedProcess[str]:
    return run(stack.cloud, "doctor", "--stack", stack.name, "--phone", f"+{PHONE}")


def problems(stack: Stack) -> list[str]:
    done = doctor(stack)
    found = [line for line in done.stdout.splitlines() if line.startswith("problem")]
    assert done.returncode == int(bool(found)), done
    assert "Traceback" not in done.stderr
    assert PHONE not in done.stdout
    return found


@pytest.fixture(scope="module")
def stack(cloud: LocalCloud, nxcloud: FakeNxCloud) -> Stack:
    cloud.client("s3").create_bucket(Bucket="examined")
    return deployed(cloud, nxcloud, "examined", SourceBucketName="examined", AlarmEmail="ops@example.com")


def connect(stack: Stack) -> None:
    stack.cloud.client("s3").put_bucket_notification_configuration(
        Bucket="examined", NotificationConfiguration={"EventBridgeConfiguration": {}}
    )


def test_healthy_stack_has_no_problem_and_no_unknown(stack: Stack, nxcloud: FakeNxCloud) -> None:
    connect(stack)
    calls = len(nxcloud.provider.calls)
    done = doctor(stack)
    lines = [line.split(maxsplit=2)[:2] for line in done.stdout.splitlines()]
    assert done.returncode == 0, done
    assert {check for _, check in lines} == {
        "Stack",
        "Mode",
        "Version",
        "Secret",
        "NXCloud",
        "Bucket",
        "Region",
        "Permissions",
        "Queues",
        "Concurrency",
        "Alarms",
    }
    assert [line for line in lines if line[0] in {"problem", "unknown"}] == [], done.stdout
    assert [call.action for call in nxcloud.provider.calls[calls:]] == ["getMedia"]


def test_disconnected_bucket_is_named_with_fix(stack: Stack) -> None:
    stack.cloud.client("s3").put_bucket_notification_configuration(Bucket="examined", NotificationConfiguration={})
    [line] = problems(stack)
    assert "→ make connect STACK=examined BUCKET=examined" in line
    connect(stack)


def test_refused_credentials_are_a_problem(stack: Stack) -> None:
    stack.store_credentials(CREDENTIALS.access_key, "wrong")
    [line] = problems(stack)
    assert "refuses the credentials for 86158****1795" in line
    stack.store_credentials("REPLACE_ME", "REPLACE_ME")
    [line] = problems(stack)
    assert "placeholder" in line
    stack.store_credentials(CREDENTIALS.access_key, CREDENTIALS.access_secret)


def test_each_account_is_asked_for(stack: Stack, nxcloud: FakeNxCloud) -> None:
    phones = ("4915112345678", "4915112345679")
    nxcloud.provider.accounts["other-key"] = Account("other-secret", set(phones))
    own = [{"accessKey": "other-key", "accessSecret": secret} for secret in ("other-secret", "wrong")]
    common = {"accessKey": CREDENTIALS.access_key, "accessSecret": CREDENTIALS.access_secret}
    stack.store_secret(common | {"accounts": dict(zip(phones, own, strict=True))})
    calls = len(nxcloud.provider.calls)
    [line] = problems(stack)
    assert "refuses the credentials for 49151****5679" in line
    assert [call.code for call in nxcloud.provider.calls[calls:]] == [-1, -1, 1003]
    stack.store_credentials(CREDENTIALS.access_key, CREDENTIALS.access_secret)


def test_unbound_number_is_a_problem(stack: Stack, nxcloud: FakeNxCloud) -> None:
    nxcloud.misbehave(Fault("code", code=9006, action="getMedia"))
    [line] = problems(stack)
    assert "refuses the number 86158****1795" in line


def test_disabled_mapping_is_a_problem(stack: Stack) -> None:
    awslambda = stack.cloud.client("lambda")
    name = f"{stack.resources['IndexMediaFunction']}:live"
    [mapping] = awslambda.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
    awslambda.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    [line] = problems(stack)
    assert f"--uuid {mapping['UUID']} --enabled" in line
    awslambda.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)
    eventually(lambda: not problems(stack))


def test_missing_permission_is_a_problem(stack: Stack) -> None:
    documents = stack.policies("DeleteMediaRole")
    [policy] = [name for name, document in documents.items() if "secretsmanager:GetSecretValue" in str(document)]
    document = documents[policy]
    changed = document | {
        "Statement": [one for one in document["Statement"] if one["Action"] != "secretsmanager:GetSecretValue"]
    }
    stack.put_policy("DeleteMediaRole", policy, changed)
    [line] = problems(stack)
    assert "DeleteMediaRole may not secretsmanager:GetSecretValue" in line
    stack.put_policy("DeleteMediaRole", policy, document)


def test_missing_stack_is_one_line(cloud: LocalCloud) -> None:
    done = doctor(Stack(cloud, "missing", {}, {}))
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done
    assert "there is no stack missing" in done.stderr
