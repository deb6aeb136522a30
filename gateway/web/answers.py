"""Answers that are no page of a session: JSON for the script, and errors in words for people."""

import logging
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from litestar import MediaType, Request, Response
from litestar.exceptions import HTTPException

from gateway import log
from gateway.web import rendering
from gateway.web.words import Words, chosen

AnyRequest = Request[Any, Any, Any]

_log: Final = logging.getLogger(__name__)


class NoSuchPage(Exception):
    """The address names no session, or its token is not the session's."""


class NotFromHere(Exception):
    """Something was to be changed by a request that no page of ours has sent."""


class TooMany(Exception):
    """A session was asked for too much."""


def compresses(request: AnyRequest) -> bool:
    """Whether the browser takes gzip."""
    return "gzip" in request.headers.get("accept-encoding", "")


def words_of(request: AnyRequest, locale: str | None = None) -> Words:
    """The language to answer in."""
    return chosen(request.query_params.get("lang"), locale, request.headers.get("accept-language"))


def json_answer(value: Mapping[str, Any], status: int = 200) -> Response[bytes]:
    """What the script is told."""
    return Response(msgspec.json.encode(value), status_code=status, media_type=MediaType.JSON)


def plain(request: AnyRequest, kind: str, status: int, **values: object) -> Response[bytes]:
    """A page, or JSON for the script, that says one thing."""
    words = words_of(request)
    if "json" in request.headers.get("content-type", ""):
        return json_answer({"message": words(f"{kind}.text", **values)}, status)
    context = {"title": words(f"{kind}.title"), "text": words(f"{kind}.text", **values), "merchant": "Dues"}
    return rendering.page("plain.html", words, context, status=status)


def missing(request: AnyRequest, _error: Exception) -> Response[bytes]:
    """404, whether there never was such a session or the token is another one."""
    return plain(request, "missing", 404)


def refusal(request: AnyRequest, _error: Exception) -> Response[bytes]:
    """403: another site tried to act in the payer's name."""
    return plain(request, "refusal", 403)


def busy(request: AnyRequest, _error: Exception) -> Response[bytes]:
    """429: too many requests for one session."""
    return plain(request, "busy", 429)


def broken(request: AnyRequest, error: Exception) -> Response[bytes]:
    """500, logged, and not explained to strangers."""
    if isinstance(error, HTTPException) and error.status_code < 500:  # noqa: PLR2004 - theirs, not ours
        return plain(request, "missing", error.status_code)
    _log.error("unexpected error on a page", exc_info=error)
    return plain(request, "broken", 500, id=log.request_id.get() or "")
