"""What all routes of the checkout page do: find the session, let nobody else in, render it as it stands."""

import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from chain.port import ChainPort
from gateway import log
from gateway.api.endpoint import Api
from gateway.db import checkout_sessions
from gateway.domain.checkout import CheckoutSession
from gateway.services import times
from gateway.services.recording import Origin
from gateway.web import rendering, screens, screens_after, shown
from gateway.web.answers import (
    AnyRequest,
    NoSuchPage,
    NotFromHere,
    TooMany,
    compresses,
    words_of,
)
from gateway.web.screens import Asked, Screen
from gateway.web.security import Limiter, is_from_here
from gateway.web.shown import Shown, Stage

LOOKS_MAX: Final = 120
"""Looks for transfers on their way in a minute, in one process, over all invoices: nodes count requests."""


@dataclass(slots=True)
class Pages:
    """The pages of one process; `api` is what the API stands on as well."""

    api: Api
    limiter: Limiter = field(default_factory=Limiter)
    streams: int = 0
    looks: Limiter = field(default_factory=lambda: Limiter(requests_max=LOOKS_MAX))

    async def session(self, session_id: str, token: str) -> tuple[CheckoutSession, datetime]:
        """The session that an address names, and its time.

        Raises:
            NoSuchPage: there is none, or the token is another one: the answer is the same.
        """
        async with self.api.gateway.books.read() as conn:
            found = (await checkout_sessions.load(conn, [session_id])).get(session_id)
            if found is None or not secrets.compare_digest(found.token.encode(), token.encode()):
                raise NoSuchPage
            return found, await times.of_clock(conn, found.test_clock_id, self.api.clock())

    async def changing(self, request: AnyRequest) -> tuple[CheckoutSession, datetime, Origin]:
        """The session that a post is about.

        Raises:
            NoSuchPage, NotFromHere, TooMany: as their names say.
        """
        if not is_from_here(request.headers):
            raise NotFromHere
        session, now = await self.session(request.path_params["id"], request.path_params["token"])
        if not self.limiter.allows(session.id, self.api.clock()):
            raise TooMany
        return session, now, Origin(self.api.clock(), log.request_id.get())

    def chain_of(self, session: CheckoutSession) -> ChainPort | None:
        """The chain that the session's wallet is on."""
        return None if session.draft is None else self.api.chains.get(session.draft.chain_id)

    async def render(self, request: AnyRequest, session: CheckoutSession, asked: Asked, status: int = 200) -> Any:
        """The page of a session as it stands."""
        async with self.api.gateway.books.read() as conn:
            facts = await shown.load(conn, self.api.gateway, session)
        stage = shown.stage_of(facts, asked.now)
        may_edit = stage in {Stage.WALLET, Stage.CONSENT, Stage.STALE}
        if asked.problem is not None or (may_edit and "edit" in request.query_params):
            stage = Stage.DETAILS
        screen = await self._screen(facts, asked, stage)
        context = screens.base_context(facts, asked) | {"title": screen.title, "stage": screen.template}
        context |= {"step": screen.step, **screen.context}
        return rendering.page(
            "checkout.html", asked.words, context, script=screen.script, status=status, compress=compresses(request)
        )

    async def _screen(self, facts: Shown, asked: Asked, stage: Stage) -> Screen:
        match stage:
            case Stage.DETAILS:
                return screens.details(facts, asked)
            case Stage.WALLET:
                return screens.wallet(self.api.gateway, facts, asked)
            case Stage.CONSENT:
                return await screens.consent(self.chain_of(facts.session), facts, asked)
            case Stage.STALE:
                return screens.stale(facts, asked)
            case _:
                return screens_after.screen_of(facts, asked, stage)

    async def ring(self, *roles: str) -> None:
        """Tell the workers that there is something to do."""
        if self.api.wake is not None:
            for role in roles:
                await self.api.wake(role)


def asked_of(request: AnyRequest, session: CheckoutSession, now: datetime) -> Asked:
    """How a page is asked for."""
    words = words_of(request, session.locale)
    lang = request.query_params.get("lang")
    return Asked(words=words, now=now, lang=lang if lang == words.language else None)
