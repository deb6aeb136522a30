"""What all routes of the portal do: find the session of a cookie, let nobody else act, count tries (S8).

The cookie is `__Host-` and `Secure` wherever browsers keep such cookies: on https, and on this machine. A plain http
address elsewhere, which live mode refuses, gets the same cookie without the two.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from litestar import Response
from litestar.datastructures import Cookie

from gateway import log
from gateway.api.endpoint import Api
from gateway.services import sign_in
from gateway.services.recording import Origin
from gateway.services.sign_in import AUTH_PATH, SignedIn
from gateway.web.answers import AnyRequest, NotFromHere, TooMany, words_of
from gateway.web.security import Limiter, is_from_here
from gateway.web.words import LANGUAGES, Words

TRIES_MAX: Final = 20
"""Tries to sign in from one address in a minute: a household's, not a list's."""

CSRF_FIELD: Final = "csrf"
CSRF_HEADER: Final = "x-csrf-token"
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_SAFE_NAME: Final = "__Host-dues"
_PLAIN_NAME: Final = "dues"


class NotSignedIn(Exception):
    """Nobody is signed in, or not any more: the way leads to the sign-in page."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A request of somebody who is signed in."""

    signed_in: SignedIn
    words: Words
    now: datetime
    lang: str | None

    @property
    def query(self) -> str:
        """What the page's own addresses end with."""
        return f"?lang={self.lang}" if self.lang else ""

    @property
    def csrf(self) -> str:
        """What every change has to bring along: only pages of this session know it."""
        return csrf_of(self.signed_in.secret)


@dataclass(slots=True)
class Portal:
    """The portal of one process; `api` is what the API stands on as well."""

    api: Api
    limiter: Limiter = field(default_factory=Limiter)
    tries: Limiter = field(default_factory=lambda: Limiter(requests_max=TRIES_MAX))

    @property
    def is_secure(self) -> bool:
        """Whether browsers take a cookie that is `Secure`."""
        site = urlsplit(self.api.gateway.public_url)
        return site.scheme == "https" or (site.hostname or "") in _LOOPBACK

    @property
    def cookie_name(self) -> str:
        """What the cookie is called."""
        return _SAFE_NAME if self.is_secure else _PLAIN_NAME

    async def visit(self, request: AnyRequest) -> Visit:
        """Who is signed in.

        Raises:
            NotSignedIn: nobody.
        """
        secret = request.cookies.get(self.cookie_name)
        now = self.api.clock()
        found = None if not secret else await sign_in.find(self.api.gateway, secret, now=now)
        if found is None:
            raise NotSignedIn
        said = words_of(request, found.session.language)
        lang = request.query_params.get("lang")
        return Visit(found, said, now, lang if lang == said.language else None)

    async def changing(self, request: AnyRequest, token: str) -> tuple[Visit, Origin]:
        """Who wants to change something; `token` is what their page sent along.

        Raises:
            NotSignedIn, NotFromHere, TooMany: as their names say.
        """
        if not is_from_here(request.headers):
            raise NotFromHere
        visit = await self.visit(request)
        if not hmac.compare_digest(token.encode(), visit.csrf.encode()):
            raise NotFromHere
        if not self.limiter.allows(visit.signed_in.session.digest.hex(), visit.now):
            raise TooMany
        return visit, Origin(visit.now, log.request_id.get())

    def trying(self, request: AnyRequest) -> datetime:
        """Count a try to sign in.

        Raises:
            NotFromHere: another site sends it.
            TooMany: there were too many from this address.
        """
        if request.method != "GET" and not is_from_here(request.headers):
            raise NotFromHere
        now = self.api.clock()
        if not self.tries.allows(request.client.host if request.client else "", now):
            raise TooMany
        return now

    def cookie(self, secret: str) -> Cookie:
        """The cookie of a session; it ends with the browser, and earlier on our side."""
        return Cookie(
            key=self.cookie_name, value=secret, path="/", httponly=True, secure=self.is_secure, samesite="lax"
        )

    def forgotten(self) -> Cookie:
        """The cookie of nobody."""
        return Cookie(
            key=self.cookie_name, value="", path="/", httponly=True, secure=self.is_secure, samesite="lax", max_age=0
        )

    async def ring(self) -> None:
        """Tell the workers that there is something to do."""
        if self.api.wake is not None:
            for role in ("collection", "webhooks"):
                await self.api.wake(role)


def csrf_of(secret: str) -> str:
    """A token that follows from the cookie, and does not tell it."""
    digest = hmac.new(secret.encode(), b"csrf", hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def to(path: str, *, cookie: Cookie | None = None) -> Response[bytes]:
    """Lead to another page."""
    cookies = [] if cookie is None else [cookie]
    return Response(b"", status_code=303, headers={"Location": path}, cookies=cookies)


def to_sign_in(request: AnyRequest, _error: Exception) -> Response[Any]:
    """Lead whoever is not signed in to where that is done; a script is told so."""
    lang = request.query_params.get("lang")
    query = f"?lang={lang}" if lang in LANGUAGES else ""
    if "json" in request.headers.get("content-type", ""):
        return Response(
            {"message": words_of(request)("portal.signed_out")}, status_code=401, media_type="application/json"
        )
    return to(AUTH_PATH + query)
