"""A model of an SQS standard queue, and of what Lambda makes of a function's answer, over a clock that tests move."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

LONGEST_HIDDEN_S = 12 * 3600
AT_ONCE = 10
MOST_IN_FLIGHT = 120_000


@dataclass
class Clock:
    """The time, in seconds since the world began."""

    now_s: int = 0


class RefusedError(Exception):
    """SQS refuses a request; the text is its error code."""


@dataclass(eq=False)
class Message:
    """What lies in a queue; `received_s` and `handle` are of its latest receipt."""

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

    A message is hidden from its receipt for `visibility_s`, and deleted `retention_s` after its first sending. What was
    received `max_receives` times goes to `dead_letters` in place of one more receipt.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        visibility_s: int = 30,
        retention_s: int = 4 * 24 * 3600,
        max_receives: int | None = None,
        dead_letters: "Queue | None" = None,
        most_in_flight: int = MOST_IN_FLIGHT,
    ) -> None:
        self.messages: list[Message] = []
        self.expired: list[Message] = []
        self._clock = clock
        self._visibility_s = visibility_s
        self._retention_s = retention_s
        self._max_receives = max_receives
        self._dead_letters = dead_letters
        self._most_in_flight = most_in_flight
        self._sent = 0

    def send(self, body: str, attributes: Mapping[str, str] | None = None) -> Message:
        """Takes a message in."""
        self._sent += 1
        now_s = self._clock.now_s
        message = Message(f"message-{self._sent}", body, now_s, now_s, attributes or {})
        self.messages.append(message)
        return message

    def receive(self, most: int = AT_ONCE) -> list[Receipt]:
        """Hands over visible messages, those first that have been visible for longest."""
        self._expire()
        receipts: list[Receipt] = []
        for message in sorted(self._visible(), key=lambda message: message.visible_s):
            if len(receipts) == min(most, AT_ONCE) or self.in_flight() >= self._most_in_flight:
                break
            if self._dead_letters and message.receives == self._max_receives:
                self.messages.remove(message)
                self._dead_letters.messages.append(message)
                message.handle, message.visible_s = None, self._clock.now_s
            else:
                receipts.append(self._hand_over(message))
        return receipts

    def delete(self, handle: str) -> None:
        """Deletes a message; an older receipt's handle deletes nothing, and is no error."""
        self.messages = [message for message in self.messages if message.handle != handle]

    def change_visibility(self, handle: str, timeout_s: int) -> None:
        """Hides a message for so long from now, 12 hours from its receipt at most. Raises RefusedError."""
        self._expire()
        message = next((message for message in self.messages if message.handle == handle), None)
        if message is None:
            raise RefusedError("InvalidParameterValue")
        if message.visible_s <= self._clock.now_s:
            raise RefusedError("MessageNotInflight")
        if not 0 <= timeout_s <= LONGEST_HIDDEN_S - (self._clock.now_s - message.received_s):
            raise RefusedError("InvalidParameterValue: TotalVisibilityTimeout")
        message.visible_s = self._clock.now_s + timeout_s

    def deliver_again(self, message: Message) -> None:
        """Shows a message although it is hidden, or was deleted: standard queues deliver at least once."""
        if message not in self.messages:
            self.messages.append(message)
        message.visible_s = self._clock.now_s

    def in_flight(self) -> int:
        """How many messages are received, hidden and not deleted."""
        return sum(message.handle is not None and message.visible_s > self._clock.now_s for message in self.messages)

    def _visible(self) -> list[Message]:
        return [message for message in self.messages if message.visible_s <= self._clock.now_s]

    def _hand_over(self, message: Message) -> Receipt:
        now_s = self._clock.now_s
        message.receives += 1
        message.handle = f"{message.message_id}, receipt {message.receives}"
        message.received_s, message.visible_s = now_s, now_s + self._visibility_s
        return Receipt(message.handle, message.message_id, message.body, message.sent_s, message.receives, now_s)

    def _expire(self) -> None:
        old = [message for message in self.messages if message.sent_s + self._retention_s <= self._clock.now_s]
        self.expired += old
        self.messages = [message for message in self.messages if message not in old]


def failed_ids(answer: object, batch: Collection[str]) -> set[str]:
    """Which messages of a batch, by their ids, Lambda leaves in the queue after this answer; the others it deletes.

    Source: AWS Lambda Developer Guide, "Implementing partial batch responses": nothing named means that all succeeded,
    whatever cannot be understood means that all failed. So does an error of the function, which has no answer.
    """
    match answer:
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
