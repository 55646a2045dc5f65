"""The step that forces alarms, and a temporary subscription that receives their notifications."""

import json
from typing import Self

from tools.command import client
from tools.verify.results import StepFailedError
from tools.verify.subject import Subject


def alarms(subject: Subject) -> str:
    """Force each alarm into the state ALARM, and receive its notification from the topic."""
    cloudwatch = client("cloudwatch")
    names = sorted(subject.deployment.alarms().values())
    found = cloudwatch.describe_alarms(AlarmNames=names, AlarmTypes=["MetricAlarm"])["MetricAlarms"] if names else []
    notifying = [alarm for alarm in found if alarm["AlarmActions"]]
    if not notifying:
        raise StepFailedError("no alarm has an action")
    if off := [alarm["AlarmName"] for alarm in notifying if not alarm["ActionsEnabled"]]:
        raise StepFailedError(f"actions are turned off: {', '.join(off)}")
    topics = {action for alarm in notifying for action in alarm["AlarmActions"] if ":sns:" in action}
    waiting = {alarm["AlarmName"] for alarm in notifying}
    with Subscription(subject, topics) as subscription:
        for alarm in notifying:
            states = ["OK", "ALARM"] if alarm["StateValue"] == "ALARM" else ["ALARM"]
            for state in states:
                cloudwatch.set_alarm_state(AlarmName=alarm["AlarmName"], StateValue=state, StateReason="make verify")
        try:
            _await_notifications(subject, subscription, waiting)
        finally:
            for alarm in notifying:
                cloudwatch.set_alarm_state(
                    AlarmName=alarm["AlarmName"], StateValue=alarm["StateValue"], StateReason="make verify has ended"
                )
    return f"{len(notifying)} of {len(found)} alarms were forced, and each sent its notification"


def _await_notifications(subject: Subject, subscription: "Subscription", waiting: set[str]) -> None:
    def all_arrived() -> bool:
        waiting.difference_update(subscription.alarmed())
        return not waiting

    subject.wait_for(all_arrived, lambda: f"no notification of {', '.join(sorted(waiting))}")


class Subscription:
    """A temporary queue that is subscribed to topics, as a context manager."""

    def __init__(self, subject: Subject, topics: set[str]) -> None:
        self._sqs, self._sns = subject.sqs, client("sns")
        self._name = f"media-cleanup-verify-{subject.run}"
        self._deployment = subject.deployment
        self._topics = topics
        self._subscriptions: list[str] = []

    def __enter__(self) -> Self:
        deployment = self._deployment
        arn = f"arn:{deployment.partition}:sqs:{deployment.region}:{deployment.account}:{self._name}"
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": sorted(self._topics)}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self._url = self._sqs.create_queue(QueueName=self._name, Attributes={"Policy": policy})["QueueUrl"]
        for topic in self._topics:
            subscription = self._sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, ReturnSubscriptionArn=True)
            self._subscriptions.append(subscription["SubscriptionArn"])
        return self

    def __exit__(self, *_: object) -> None:
        for subscription in self._subscriptions:
            self._sns.unsubscribe(SubscriptionArn=subscription)
        self._sqs.delete_queue(QueueUrl=self._url)

    def alarmed(self) -> set[str]:
        """Return the names of alarms whose notifications of the state ALARM have arrived."""
        received = self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        notifications = [json.loads(json.loads(one["Body"])["Message"]) for one in received.get("Messages", [])]
        return {one["AlarmName"] for one in notifications if one["NewStateValue"] == "ALARM"}
