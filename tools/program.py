"""Reports the errors that a program's user can repair in one line each, never by a traceback."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)
from botocore.exceptions import ConnectionError as UnreachableError

NO_CREDENTIALS = (
    NoCredentialsError,
    PartialCredentialsError,
    CredentialRetrievalError,
    SSOError,
    TokenRetrievalError,
)
REFUSED_CREDENTIALS = {
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "RequestExpired",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
DENIED = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "Forbidden", "UnauthorizedOperation", "403"}


class ToolError(Exception):
    """The program cannot go on; the message says why, and what to do."""


@contextmanager
def one_line_errors(program: str, interrupted: str = "stopped") -> Iterator[None]:
    """Exit with status 1 and one line for an expected error in the block, and with 130 for Ctrl-C."""
    try:
        yield
    except KeyboardInterrupt:
        print(f"{program}: {interrupted}", file=sys.stderr)
        sys.exit(130)
    except (ToolError, ClientError, BotoCoreError, OSError) as error:
        print(f"{program}: {explain(error)}", file=sys.stderr)
        sys.exit(1)


def explain(error: Exception) -> str:
    """Return an error, and what to do about it, in one line; that of a ToolError as it is."""
    return str(error) if isinstance(error, ToolError) else " ".join(_explain(error).split())


def _explain(error: Exception) -> str:
    match error:
        case ClientError():
            return _explain_response(error)
        case ProfileNotFound():
            return f"{error}; set AWS_PROFILE to one of `aws configure list-profiles`"
        case NoRegionError():
            return "no AWS Region is set; set AWS_DEFAULT_REGION, or AWS_PROFILE to a profile that has one"
        case _ if isinstance(error, NO_CREDENTIALS):
            return f"there are no AWS credentials ({error}); run `aws configure` or `aws sso login`, or set AWS_PROFILE"
        case HTTPClientError() | UnreachableError():
            return f"AWS cannot be reached ({error}); check the network, the Region and AWS_ENDPOINT_URL"
    return str(error)


def _explain_response(error: ClientError) -> str:
    code, message = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
    if code in REFUSED_CREDENTIALS:
        return f"AWS refuses the credentials ({code}); log in again, or set AWS_PROFILE"
    if code in DENIED:
        return f"a permission is missing for {error.operation_name}: {message or code}"
    return f"{error.operation_name}: {code}: {message}"
