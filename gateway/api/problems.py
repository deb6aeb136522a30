"""Every error as the wire shows it: `{"error": {type, code, message, param, …}}`, one shape for all of them.

Errors of the rules say what is wrong and where; errors of our own say nothing but that, and are logged with the id of
the request.
"""

import logging
from typing import Any, Final

import msgspec
from litestar import MediaType, Request, Response
from litestar.exceptions import HTTPException, NotFoundException
from litestar.status_codes import HTTP_404_NOT_FOUND, HTTP_405_METHOD_NOT_ALLOWED, HTTP_413_REQUEST_ENTITY_TOO_LARGE
from litestar.types import ExceptionHandlersMap

from chain.errors import ChainError
from gateway.api.forms import BODY_BYTES_MAX
from gateway.db.errors import BooksUnavailable, WriteConflict
from gateway.domain.errors import Conflict, DomainError, IllegalTransition, NotFound, PaymentFailed

_MESSAGE_LENGTH_MAX: Final = 1_000  # messages repeat what was sent

_log = logging.getLogger(__name__)


class ErrorObject(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong. `code` is stable, `message` is for people."""

    type: str
    code: str | None = None
    message: str
    param: str | None = None
    decline_code: str | None = None
    doc_url: None = None


class ErrorAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The body of every answer that is not a success; `code` and `message` stand at the top as well."""

    error: ErrorObject
    code: str | None = None
    message: str = ""

    @classmethod
    def of(cls, error: ErrorObject) -> "ErrorAnswer":
        """The body that tells of an error."""
        return cls(error=error, code=error.code, message=error.message)


class AuthenticationFailed(Exception):
    """No key, or none that opens anything."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


class PermissionDenied(AuthenticationFailed):
    """The key is good, but not for this."""


class TooManyRequests(Exception):
    """The key has made too many requests; nothing was looked at."""


class IdempotencyMismatch(Exception):
    """The key of a request was used before, for another request."""


def _answer(status: int, error: ErrorObject, headers: dict[str, str] | None = None) -> Response[bytes]:
    clipped = msgspec.structs.replace(error, message=error.message[:_MESSAGE_LENGTH_MAX])
    return Response(
        msgspec.json.encode(ErrorAnswer.of(clipped)),
        status_code=status,
        media_type=MediaType.JSON,
        headers=headers,
    )


def _invalid(status: int, message: str, code: str | None = None, param: str | None = None) -> Response[bytes]:
    return _answer(
        status,
        ErrorObject(type="invalid_request_error", code=code, message=message, param=param),
    )


def domain_error(_request: Request[Any, Any, Any], error: DomainError) -> Response[bytes]:
    """A rule was broken; nothing was changed.

    What the URL names and is not there answers 404; what a parameter names and is not there answers 400. Objects of
    others are not there.
    """
    match error:
        case NotFound(param=None):
            return _invalid(404, error.message, error.code, "id")
        case Conflict():
            return _invalid(409, error.message, error.code, error.param)
        case PaymentFailed():
            failed = ErrorObject(
                type="card_error",
                code=error.code,
                message=error.message,
                param=error.param,
                decline_code=error.decline_code,
            )
            return _answer(402, failed)
        case IllegalTransition():
            return _invalid(400, error.message, error.code)
        case _:
            return _invalid(400, error.message, error.code, error.param)


def authentication_failed(_request: Request[Any, Any, Any], error: AuthenticationFailed) -> Response[bytes]:
    """401 without a good key, 403 with a key that may not do this."""
    shown = ErrorObject(type="invalid_request_error", code=error.code, message=error.message)
    if isinstance(error, PermissionDenied):
        return _answer(403, shown)
    return _answer(401, shown, {"WWW-Authenticate": 'Bearer realm="Dues"'})


def too_many(_request: Request[Any, Any, Any], error: TooManyRequests) -> Response[bytes]:
    """429; how long to wait stands in the headers."""
    return _invalid(429, str(error), "rate_limit")


def idempotency_mismatch(_request: Request[Any, Any, Any], error: IdempotencyMismatch) -> Response[bytes]:
    """400 of its own type, as the SDKs expect."""
    return _answer(400, ErrorObject(type="idempotency_error", code="idempotency_key_reused", message=str(error)))


def http_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """What the framework refuses before any handler runs."""
    match error.status_code:
        case _ if isinstance(error, NotFoundException):
            return _invalid(
                HTTP_404_NOT_FOUND, f"Unrecognized request URL ({request.method}: {request.url.path}).", "url_unknown"
            )
        case status if status == HTTP_405_METHOD_NOT_ALLOWED:
            return _invalid(status, f"{request.method} is not allowed for {request.url.path}.", "method_not_allowed")
        case status if status == HTTP_413_REQUEST_ENTITY_TOO_LARGE:
            return _invalid(status, f"The body is larger than {BODY_BYTES_MAX} bytes.", "body_too_large")
        case status if status < 500:  # noqa: PLR2004 - the line between their errors and ours
            return _invalid(400, "The request could not be read.", "request_malformed")
        case _:
            return unexpected(request, error)


def busy(_request: Request[Any, Any, Any], _error: WriteConflict) -> Response[bytes]:
    """Others were writing the same rows; nothing was changed, and trying again is right."""
    return _invalid(409, "Another request is changing the same object. Try again.", "lock_timeout")


def chain_unavailable(_request: Request[Any, Any, Any], _error: ChainError) -> Response[bytes]:
    """A node was needed (to ask a contract wallet about its signature) and did not answer."""
    _log.warning("a node did not answer an API request", exc_info=True)
    error = ErrorObject(type="api_error", code="rpc_unavailable", message="The chain cannot be asked now. Try again.")
    return _answer(503, error, {"Retry-After": "1"})


def books_unavailable(_request: Request[Any, Any, Any], _error: BooksUnavailable) -> Response[bytes]:
    """The database went away. A request that was in its transaction has had no effect; repeat it with its key."""
    _log.error("the database cannot be used", exc_info=True)
    error = ErrorObject(type="api_error", code="database_unavailable", message="The database is away. Try again.")
    return _answer(503, error, {"Retry-After": "1"})


def unexpected(_request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """A fault of ours: logged, and not explained to strangers."""
    _log.error("unexpected error", exc_info=error)
    message = "Something went wrong on our side. Quote the Request-Id of this answer when you ask about it."
    return _answer(500, ErrorObject(type="api_error", code="internal_error", message=message))


HANDLERS: Final[ExceptionHandlersMap] = {
    DomainError: domain_error,
    AuthenticationFailed: authentication_failed,
    IdempotencyMismatch: idempotency_mismatch,
    TooManyRequests: too_many,
    WriteConflict: busy,
    BooksUnavailable: books_unavailable,
    ChainError: chain_unavailable,
    HTTPException: http_error,
    Exception: unexpected,
}
