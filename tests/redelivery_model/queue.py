"""A model of an SQS standard queue, and of Lambda's partial batch responses, over a clock of the tests."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

MAX_VISIBILITY_TIMEOUT_S = 12 * 3600
MAX_BATCH = 10
MAX_IN_FLIGHT = 120_000


@dataclass
class Clock:
    """The time, in seconds since the start of the history."""

    now_s: int = 0


class RequestRefusedError(Exception):
    """SQS refuses a request; the text is its error code."""


@dataclass(eq=False)
class Message:
    """A message in a queue; `received_s` and `handle` are of its latest receive."""

    message_id: str
    body: str
    sent_s: int
    visible_s: int
    attributes: Mapping[str, str] = field(default_factory=dict)
    receives: int = 0
    received_s: int = 0
    handle: str | None = None


@dataclass(frozen=True)
class Receipt:
    """A message as a consumer receives it; `receives` counts this one."""

    handle: str
    message_id: str
    body: str
    sent_s: int
    receives: int
    received_s: int


class Queue:
    """A standard queue (source: Amazon SQS Developer Guide, "Amazon SQS visibility timeout", "… dead-letter queues").

    A message is hidden for `visibility_s` from its receive, and deleted `retention_s` after its first sending. After
    `max_receives` receives it is moved to `dead_letters` in place of one more receive.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        visibility_s: int = 30,
        retention_s: int = 4 * 24 * 3600,
        max_receives: int | None = None,
        dead_letters: "Queue | None" = None,
        max_in_flight: int = MAX_IN_FLIGHT,
    ) -> None:
        self.messages: list[Message] = []
        self.expired: list[Message] = []
        self._clock = clock
        self._visibility_s = visibility_s
        self._retention_s = retention_s
        self._max_receives = max_receives
        self._dead_letters = dead_letters
        self._max_in_flight = max_in_flight
        self._sent = 0

    def send(self, body: str, attributes: Mapping[str, str] | None = None) -> Message:
        """Add a message."""
        self._sent += 1
        now_s = self._clock.now_s
        message = Message(f"message-{self._sent}", body, now_s, now_s, attributes or {})
        self.messages.append(message)
        return message

    def receive(self, max_messages: int = MAX_BATCH) -> list[Receipt]:
        """Return visible messages, those first that have been visible for longest."""
        self._expire()
        receipts: list[Receipt] = []
        for message in sorted(self._visible(), key=lambda message: message.visible_s):
            if len(receipts) == min(max_messages, MAX_BATCH) or self.in_flight() >= self._max_in_flight:
                break
            if self._dead_letters and message.receives == self._max_receives:
                self.messages.remove(message)
                self._dead_letters.messages.append(message)
                message.handle, message.visible_s = None, self._clock.now_s
            else:
                receipts.append(self._receive_one(message))
        return receipts

    def delete(self, handle: str) -> None:
        """Delete a message; the handle of an older receive deletes nothing, and is not an error."""
        self.messages = [message for message in self.messages if message.handle != handle]

    def change_visibility(self, handle: str, timeout_s: int) -> None:
        """Hide a message for a time from now, until 12 hours after its receive at most. Raises RequestRefusedError."""
        self._expire()
        message = next((message for message in self.messages if message.handle == handle), None)
        if message is None:
            raise RequestRefusedError("InvalidParameterValue")
        if message.visible_s <= self._clock.now_s:
            raise RequestRefusedError("MessageNotInflight")
        if not 0 <= timeout_s <= MAX_VISIBILITY_TIMEOUT_S - (self._clock.now_s - message.received_s):
            raise RequestRefusedError("InvalidParameterValue: TotalVisibilityTimeout")
        message.visible_s = self._clock.now_s + timeout_s

    def redeliver(self, message: Message) -> None:
        """Make a message visible although it is hidden, or was deleted: standard queues deliver at least once."""
        if message not in self.messages:
            self.messages.append(message)
        message.visible_s = self._clock.now_s

    def in_flight(self) -> int:
        """Return the number of messages that are received, hidden and not deleted."""
        return sum(message.handle is not None and message.visible_s > self._clock.now_s for message in self.messages)

    def _visible(self) -> list[Message]:
        return [message for message in self.messages if message.visible_s <= self._clock.now_s]

    def _receive_one(self, message: Message) -> Receipt:
        now_s = self._clock.now_s
        message.receives += 1
        message.handle = f"{message.message_id}, receive {message.receives}"
        message.received_s, message.visible_s = now_s, now_s + self._visibility_s
        return Receipt(message.handle, message.message_id, message.body, message.sent_s, message.receives, now_s)

    def _expire(self) -> None:
        old = [message for message in self.messages if message.sent_s + self._retention_s <= self._clock.now_s]
        self.expired += old
        self.messages = [message for message in self.messages if message not in old]


def failed_ids(response: object, batch: Collection[str]) -> set[str]:
    """Return the ids of a batch's messages that Lambda leaves in the queue after this response; it deletes the others.

    Source: AWS Lambda Developer Guide, "Implementing partial batch responses": a response without ids means that all
    succeeded, an invalid one means that all failed. So does an error of the function, which has no response.
    """
    match response:
        case None | {"batchItemFailures": None | []}:
            return set()
        case {"batchItemFailures": [*failures]}:
            named = [failure.get("itemIdentifier") if isinstance(failure, dict) else None for failure in failures]
            return {name for name in named if name} if all(name in batch for name in named) else set(batch)
        case {"batchItemFailures": _}:
            return set(batch)
        case {}:
            return set()
        case _:
            return set(batch)
