"""Everything but a confirmed success of NXCloud's media API.

NxCloudError                      carries provider_code, provider_message and http_status
├── NoAnswerError                 nothing complete came back: network, TLS, deadline
├── InvalidAnswerError            what came back is no answer of the API: HTTP error, redirect, HTML, oversized text
└── RefusedError                  the API answered, and not with success: -1, 9001, unknown codes, `success` false
    ├── InvalidRequestError       1001, 1002, 9000, 9002, 9006: the same request can never succeed
    ├── CredentialsRefusedError   1003, 1005 and the other 100X: wrong signature, key or right
    └── ClockSkewError            1004: the timestamp is more than 60 s off

None of them ever holds a signature, a secret or a request's header.
"""


class NxCloudError(Exception):
    """A call that did not end in a confirmed success.

    `provider_code` and `provider_message` are the API's own, where it gave them; `http_status` is the answer's status,
    where there was an answer. `retry_after_s` is how many seconds the server asked to wait; `server_time_ms` is the
    server's own time by its `Date`, as Unix milliseconds.
    """

    def __init__(  # noqa: PLR0913 (what there is to know of an answer)
        self,
        what: str,
        *,
        provider_code: int | None = None,
        provider_message: str | None = None,
        http_status: int | None = None,
        retry_after_s: int | None = None,
        server_time_ms: int | None = None,
    ) -> None:
        super().__init__(what)
        self.provider_code = provider_code
        self.provider_message = provider_message
        self.http_status = http_status
        self.retry_after_s = retry_after_s
        self.server_time_ms = server_time_ms


class NoAnswerError(NxCloudError):
    """No complete answer arrived: the call may or may not have taken effect."""


class InvalidAnswerError(NxCloudError):
    """An answer arrived that is not one of the API's, so it proves nothing."""


class RefusedError(NxCloudError):
    """The API answered with something other than success."""


class InvalidRequestError(RefusedError):
    """The API will refuse this very request each time: a parameter or a header of it is wrong."""


class CredentialsRefusedError(RefusedError):
    """The API refused the signature, the access key or the account's right to call."""


class ClockSkewError(RefusedError):
    """The API found the request's timestamp more than 60 s away from its own clock."""


def refusal(code: int, message: str, http_status: int, server_time_ms: int | None = None) -> RefusedError:
    """The error that an answer with this code stands for (source: NXCloud, "API interface calling convention")."""
    kind: type[RefusedError]
    match code:
        case 1001 | 1002 | 9000 | 9002 | 9006:
            kind = InvalidRequestError
        case 1004:
            kind = ClockSkewError
        case _ if 1000 <= code <= 1009:
            kind = CredentialsRefusedError
        case _:
            kind = RefusedError
    what = f"NXCloud refused the call with code {code}: {message}"
    return kind(
        what, provider_code=code, provider_message=message, http_status=http_status, server_time_ms=server_time_ms
    )
