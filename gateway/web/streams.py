"""What a page that waits is told, as server-sent events."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from gateway.db.errors import BooksError
from gateway.domain.checkout import CheckoutSession
from gateway.web import screens_after, shown
from gateway.web.sessions import Pages
from gateway.web.shown import LIVE, WATCHED, Stage, followed
from gateway.web.words import Words

TICK_SECONDS: Final = 1.0
"""How often a page that waits is told what changed."""

STREAM_SECONDS: Final = 300.0
"""How long one stream lasts; the browser then asks for another one by itself."""


@dataclass(frozen=True, slots=True)
class Told:
    """Where something stands: its stage, a sentence, and i of n confirmations."""

    stage: Stage
    text: str
    i: int
    of: int


Look = Callable[[], Awaitable[Told]]


def follow(pages: Pages, session: CheckoutSession, words: Words) -> Look:
    """A look at where a session stands."""

    async def look() -> Told:
        current, now = await pages.session(session.id, session.token)
        async with pages.api.gateway.books.read() as conn:
            facts = await shown.load(conn, pages.api.gateway, current)
        stage = shown.stage_of(facts, now)
        i, of = screens_after.progress_bar(facts, stage)
        text = screens_after.progress_text(facts, stage, words) if stage in LIVE else ""
        return Told(stage, text, i, of)

    return look


async def stream(pages: Pages, look: Look) -> AsyncIterator[bytes]:
    """Tell what changes, as long as it changes by itself; the browser asks again when the stream ends."""
    pages.streams += 1
    try:
        last = b""
        for _ in range(int(STREAM_SECONDS / TICK_SECONDS)):
            seen = await look()
            told = msgspec.json.encode({"stage": followed(seen.stage), "text": seen.text, "i": seen.i, "of": seen.of})
            if told != last:
                last = told
                yield b"data: " + told + b"\n\n"
            else:
                yield b": \n\n"
            if seen.stage not in WATCHED:
                return
            await asyncio.sleep(TICK_SECONDS)
    except BooksError:
        return  # the browser asks again
    finally:
        pages.streams -= 1
