"""Pauses after refused credentials, each as wide as the refusal: of all calls, or of one business phone's."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from threading import Lock
from time import monotonic

from media_cleanup.errors import DependencyUnavailable
from media_cleanup.outcome import Reason
from nxcloud import ApiError, ClockSkewError, Credentials, CredentialsRefusedError
from nxcloud.errors import WRONG_SIGNATURE

PAUSE_S = 60
MAX_SCOPES = 10_000
Scope = tuple[Credentials, str | None]


@dataclass(slots=True)
class _State:
    """The last responses of a scope, by the time of their requests; `paused_until` is None without a pause."""

    refused_at: float = -inf
    accepted_at: float = -inf
    paused_until: float | None = None


class Pauses:
    """The pauses of an execution environment, for concurrent workers. `clock` counts seconds.

    A scope is the credentials alone (a wrong signature, code 1003), or with one business phone (a missing right). When
    a pause is over, one request probes while the others wait for its response, for another minute at most.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._states: dict[Scope, _State] = {}

    def raise_if_paused(self, credentials: Credentials, business_phone: str) -> None:
        """Raise DependencyUnavailable during a pause; the first call after a pause probes, while the others wait."""
        with self._lock:
            now = self._clock()
            states = [self._states[scope] for scope in _scopes(credentials, business_phone) if scope in self._states]
            if any(state.paused_until is not None and now < state.paused_until for state in states):
                detail = f"NXCloud refused the last call with these credentials, less than {PAUSE_S} s ago"
                raise DependencyUnavailable(Reason.CREDENTIALS_REFUSED, detail)
            for state in states:
                if state.paused_until is not None:  # this call probes
                    state.paused_until = now + PAUSE_S

    @contextmanager
    def record_response(self, credentials: Credentials, business_phone: str) -> Iterator[None]:
        """Make the call in the block, and begin or end pauses by its response."""
        asked_at = self._clock()
        try:
            yield
        except CredentialsRefusedError as error:
            refused_phone = None if error.provider_code == WRONG_SIGNATURE else business_phone
            self.record_refusal(credentials, refused_phone, asked_at)
            raise
        except ClockSkewError:
            raise
        except ApiError:  # of a call with accepted credentials: else, a media file that is gone could prolong a pause
            self.record_acceptance(credentials, business_phone, asked_at)
            raise
        self.record_acceptance(credentials, business_phone, asked_at)

    def record_refusal(self, credentials: Credentials, business_phone: str | None, asked_at: float) -> None:
        """Pause calls with these credentials, those of one business phone where it is given."""
        with self._lock:
            state = self._state((credentials, business_phone))
            state.refused_at = max(state.refused_at, asked_at)
            if state.accepted_at < asked_at:
                state.paused_until = self._clock() + PAUSE_S

    def record_acceptance(self, credentials: Credentials, business_phone: str, asked_at: float) -> None:
        """End the pauses that this call was subject to, unless they are of a later request."""
        with self._lock:
            for scope in _scopes(credentials, business_phone):
                state = self._state(scope)
                state.accepted_at = max(state.accepted_at, asked_at)
                if state.refused_at <= asked_at:
                    state.paused_until = None

    def _state(self, scope: Scope) -> _State:
        state = self._states.pop(scope, None) or _State()
        self._states[scope] = state  # the latest is last
        if len(self._states) > MAX_SCOPES:
            del self._states[next(iter(self._states))]
        return state


def _scopes(credentials: Credentials, business_phone: str) -> tuple[Scope, Scope]:
    return (credentials, None), (credentials, business_phone)
