"""The checks of the doctor: each reads AWS or NXCloud, and returns findings. None changes anything."""

import uuid
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from media_cleanup.aws.credentials import Accounts, parse_secret
from media_cleanup.errors import DependencyUnavailable
from media_cleanup.settings import DeleteMediaSettings
from nxcloud import Credentials, MediaClient, NxCloudError
from tools.bucket import Bucket
from tools.command import client
from tools.deployment import Deployment, live_settings
from tools.doctor import findings
from tools.doctor.findings import Finding, Health
from tools.doctor.needs import Needs, needs
from tools.forwarding import Place, deploy_command, forwarding_rules
from tools.program import ToolError, explain

MAX_NUMBERS = 5  # without an account of their own, each asked once
MAX_BUCKETS = 50
FUNCTIONS = ("DeleteMediaFunction", "IndexMediaFunction", "SweepIndexFunction")
QUEUES = ("DeletionQueue", "DeletionDeadLetterQueue", "IndexQueue", "IndexDeadLetterQueue")


class Doctor:
    """The checks of one stack. `phones` are business phones to ask for, besides those that the stack knows.

    `bucket_profile` is an AWS profile of the buckets' account, None where it is the stack's.
    """

    def __init__(self, deployment: Deployment, phones: list[str], bucket_profile: str | None = None) -> None:
        self.deployment = deployment
        self._phones = [phone.removeprefix("+") for phone in phones]
        self._bucket_profile = bucket_profile

    def examine(self) -> Iterator[Finding]:
        """Run all checks. What cannot be read is a finding, too."""
        checks: list[tuple[str, Callable[[], Iterator[Finding]]]] = [
            ("Stack", self._stack),
            ("Mode", self._mode),
            ("Version", self._versions),
            ("Secret", self._nxcloud),
            ("Bucket", self._buckets),
            ("Region", self._region),
            ("Permissions", self._permissions),
            ("Queues", self._queues),
            ("Events", self._events),
            ("Concurrency", self._concurrency),
            ("Alarms", self._alarms),
        ]
        for name, check in checks:
            try:
                yield from check()
            except (ToolError, ClientError, BotoCoreError) as error:
                yield Finding(name, Health.UNKNOWN, explain(error))

    @cached_property
    def _settings(self) -> DeleteMediaSettings:
        return live_settings(self._functions, self.deployment)

    @cached_property
    def _functions(self) -> Any:  # noqa: ANN401 (boto3 creates clients at run time)
        return client("lambda")

    @cached_property
    def _s3(self) -> Any:  # noqa: ANN401 (boto3 creates clients at run time)
        return client("s3", profile=self._bucket_profile)

    def _stack(self) -> Iterator[Finding]:
        yield findings.stack_status(self.deployment.name, self.deployment.status)

    def _mode(self) -> Iterator[Finding]:
        days = int(self.deployment.parameters.get("SweepEveryDays") or 0)
        yield findings.mode(dry_run=self._settings.dry_run, sweep_days=days)

    def _versions(self) -> Iterator[Finding]:
        for function in FUNCTIONS:
            name = self.deployment.physical_id(function)
            configuration = self._functions.get_function_configuration(FunctionName=name, Qualifier="live")
            alias = self._functions.get_alias(FunctionName=name, Name="live")
            pages = self._functions.get_paginator("list_versions_by_function").paginate(FunctionName=name)
            numbers = [one["Version"] for page in pages for one in page["Versions"] if one["Version"].isdecimal()]
            weights = alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})
            yield findings.version(function, configuration, max(numbers, key=int, default=""), weights)

    def _nxcloud(self) -> Iterator[Finding]:
        try:
            accounts = self._accounts()
        except (DependencyUnavailable, ClientError) as error:
            yield Finding("Secret", Health.PROBLEM, explain(error), findings.STORE_CREDENTIALS)
            return
        yield from findings.secret(self._settings.secret_id, accounts)
        numbers = self._numbers(accounts)
        if not numbers:
            fix = f"make doctor STACK={self.deployment.name} PHONE=…"
            yield Finding("NXCloud", Health.UNKNOWN, "no business phone is known to ask for", fix)
        api = MediaClient(self._settings.base_url, algorithm=self._settings.sign_algorithm)
        for phone in numbers:
            try:
                yield findings.number(phone, _error_of_harmless_call(api, accounts.get(phone), phone))
            except DependencyUnavailable as error:
                yield Finding("Secret", Health.PROBLEM, explain(error), findings.STORE_CREDENTIALS)

    def _events(self) -> Iterator[Finding]:
        """Look up the event bus for outcome events, where there is one."""
        name = self._settings.outcome_event_bus
        if name is None:
            return
        try:
            client("events").describe_event_bus(Name=name)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
            yield findings.event_bus(name, exists=False)
        else:
            yield findings.event_bus(name, exists=True)

    def _accounts(self) -> Accounts:
        value = client("secretsmanager").get_secret_value(SecretId=self._settings.secret_id)
        return parse_secret(self._settings.secret_id, value.get("SecretString", value.get("SecretBinary")))

    def _numbers(self, accounts: Accounts) -> list[str]:
        """Return the numbers given, the default one, some of the index's, and all that have an account of their own."""
        default = self._settings.default_business_phone
        known = [*self._phones, *([default] if default else []), *self._numbers_in_index()]
        own = [number for number in accounts.own if findings.is_number(number)]
        return list(dict.fromkeys([*list(dict.fromkeys(known))[:MAX_NUMBERS], *own]))

    def _numbers_in_index(self) -> list[str]:
        try:
            page = client("dynamodb").scan(TableName=self._settings.media_index_table, Limit=100)
        except ClientError:
            return []  # the user may not read it, and passes PHONE=…
        return [item["business_phone"]["S"] for item in page["Items"] if "business_phone" in item]

    def _buckets(self) -> Iterator[Finding]:
        names = self._bucket_names()
        if not names:
            fix = "deploy with SourceBucketName=… or CreateSourceBucket=true; without buckets, send messages"
            yield Finding("Bucket", Health.WARNING, f"no bucket matches {self.deployment.bucket_pattern}", fix)
        account = client("sts", profile=self._bucket_profile).get_caller_identity()["Account"]
        for one in names:
            try:
                yield from self._bucket(Bucket(self._s3, one), account)
            except (ToolError, ClientError) as error:
                yield Finding("Bucket", Health.UNKNOWN, f"{one}: {explain(error)}", findings.BUCKET_PROFILE)

    def _bucket(self, bucket: Bucket, account: str) -> Iterator[Finding]:
        deployment, configuration, place = self.deployment, bucket.read(), Place(account, bucket.region(account))
        own = deployment.creates_bucket
        yield findings.bucket(bucket.name, configuration, deployment.owner, own=own, stack=deployment.name)
        if place != Place.of(deployment):
            events = client("events", profile=self._bucket_profile, region=place.region)
            rules = forwarding_rules(events, deployment, bucket.name)
            yield findings.forwarding(bucket.name, place, rules, deploy_command(deployment, bucket.name, place.region))

    def _bucket_names(self) -> list[str]:
        pattern = self.deployment.bucket_pattern
        if pattern is None or "*" not in pattern:
            return [pattern] if pattern else []
        names = [one["Name"] for one in self._s3.list_buckets()["Buckets"]]
        return [name for name in names if fnmatchcase(name, pattern)][:MAX_BUCKETS]

    def _region(self) -> Iterator[Finding]:
        lacks = ["X-Ray", "DLQ redrive by SQS", "AsyncEventsDropped"] if self.deployment.partition == "aws-cn" else []
        yield findings.partition(self.deployment.partition, self.deployment.region, lacks)

    def _permissions(self) -> Iterator[Finding]:
        iam = client("iam")
        names = self._bucket_names()
        for role, wanted in needs(self._arns(), names[0] if names else None, self.deployment.partition).items():
            arn = iam.get_role(RoleName=self.deployment.physical_id(role))["Role"]["Arn"]
            yield findings.permissions(role, list(_denied(iam, arn, wanted)))

    def _arns(self) -> dict[str, str]:
        deployment, settings = self.deployment, self._settings
        place = f"{deployment.partition}:dynamodb:{deployment.region}:{deployment.account}"
        return {queue: deployment.queue_arn(queue) for queue in QUEUES} | {
            "CredentialsSecret": deployment.outputs["CredentialsSecretArn"],
            "MediaIndexTable": f"arn:{place}:table/{settings.media_index_table}",
            "IdempotencyTable": f"arn:{place}:table/{settings.idempotency_table}",
        }

    def _queues(self) -> Iterator[Finding]:
        sqs = client("sqs")
        deletions, links = (self._mapping(function) for function in FUNCTIONS[:2])
        queue = sqs.get_queue_attributes(
            QueueUrl=self.deployment.physical_id("DeletionQueue"), AttributeNames=["MessageRetentionPeriod"]
        )
        retention_s = int(queue["Attributes"]["MessageRetentionPeriod"])
        pause = findings.pause(deletions, retention_s, self.deployment.name)
        yield pause or findings.queue_mapping(FUNCTIONS[0], deletions)
        yield findings.queue_mapping(FUNCTIONS[1], links)
        for queue, resource in (("deletion", "DeletionDeadLetterQueue"), ("index", "IndexDeadLetterQueue")):
            answer = sqs.get_queue_attributes(
                QueueUrl=self.deployment.physical_id(resource), AttributeNames=["ApproximateNumberOfMessages"]
            )
            messages = int(answer["Attributes"]["ApproximateNumberOfMessages"])
            yield findings.dead_letters(queue, messages, self.deployment.name)

    def _mapping(self, function: str) -> Any:  # noqa: ANN401 (boto3 creates clients at run time)
        name = f"{self.deployment.physical_id(function)}:live"
        return next(iter(self._functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]), None)

    def _concurrency(self) -> Iterator[Finding]:
        limit = self._functions.get_account_settings()["AccountLimit"]["ConcurrentExecutions"]
        per_queue = int(self.deployment.parameters.get("MaxConcurrency") or 5)
        yield findings.concurrency(limit, 2 * per_queue + 1)  # two queues, and the sweep

    def _alarms(self) -> Iterator[Finding]:
        names = sorted(self.deployment.alarms().values())
        alarms = client("cloudwatch").describe_alarms(AlarmNames=names)["MetricAlarms"] if names else []
        topics = sorted({action for alarm in alarms for action in alarm["AlarmActions"] if ":sns:" in action})
        sns = client("sns")
        for topic in topics:
            found = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
            yield findings.subscriptions(topic.rpartition(":")[2], found)
        yield findings.alarm_states([one["AlarmName"] for one in alarms if one["StateValue"] == "ALARM"])


def _error_of_harmless_call(api: MediaClient, credentials: Credentials, phone: str) -> NxCloudError | None:
    """Ask for a media file that does not exist."""
    try:
        api.get_media(credentials, phone, str(uuid.uuid4()))
    except NxCloudError as error:
        return error
    return None


def _denied(iam: Any, role_arn: str, wanted: Needs) -> Iterator[str]:  # noqa: ANN401 (boto3 creates clients at run time)
    for actions, resource in wanted:
        answer = iam.simulate_principal_policy(
            PolicySourceArn=role_arn, ActionNames=list(actions), ResourceArns=[resource]
        )
        for result in answer["EvaluationResults"]:
            if result["EvalDecision"] != "allowed":
                yield f"{result['EvalActionName']} on {resource}"
