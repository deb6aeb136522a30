"""`GET /v1/events/stream`: the log as it grows, as server-sent events whose id is the event's `sequence`.

Every stream reads rows, in the order of their numbers, from the number that its reader has seen last: a restart of
either side, or another process behind the same address, loses and repeats nothing. A reader that is slow is not read
ahead for: the next rows are read when the last ones were taken.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import MediaType, Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.response import Stream
from msgspec import Meta

from gateway.api import forms
from gateway.api.auth import Caller, authenticate
from gateway.api.endpoint import Api
from gateway.api.events import TypeNames
from gateway.api.forms import Params
from gateway.api.problems import AuthenticationFailed, ErrorAnswer, ErrorObject
from gateway.db import events
from gateway.db.engine import Connection
from gateway.db.errors import BooksError
from gateway.db.events import EventRecord
from gateway.domain.errors import InvalidRequest
from gateway.domain.events import EventProfile, public_type
from gateway.domain.permission import Level, Resource
from gateway.wire import webhook as wire

BATCH: Final = 100  # rows held for one reader at a time
POLL_SECONDS: Final = 0.2  # how late an event may be that another process wrote
HEARTBEAT_SECONDS: Final = 15.0  # proxies close what is silent for a minute; a dead reader is noticed by it
CHECK_KEY_SECONDS: Final = 30.0  # a key that was revoked keeps its streams no longer than this
STREAMS_MAX: Final = 100  # of a process: each costs a query every POLL_SECONDS
RETRY_MS: Final = 1_000  # when a reader whose stream broke asks again
_SEQUENCE_MAX: Final = 2**53
_SEQUENCE_DIGITS_MAX: Final = 16

AnyRequest = Request[Any, Any, Any]


class FollowEvents(Params, frozen=True, kw_only=True):
    """From where on, and what. Without a number, from now on; the header Last-Event-ID goes before it.

    With `event_profile` events have the names under which an endpoint of that profile hears of them; without it the
    whole log is shown, without a gap.
    """

    after_sequence: Annotated[int, Meta(ge=0, le=_SEQUENCE_MAX)] | None = None
    types: TypeNames | None = None
    event_profile: Literal["default", "stripe"] | None = None


@dataclass(slots=True)
class _Open:
    """How many streams this process serves."""

    streams: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """Who follows, and what."""

    api: Api
    caller: Caller
    authorization: str | None
    types: Sequence[str] | None
    profile: EventProfile | None

    async def next(self, position: int) -> list[EventRecord]:
        """The rows that follow a number."""
        async with self.api.gateway.books.read() as conn:
            return await events.after_sequence(conn, self.caller.scope, position, limit=BATCH, types=self.types)

    async def may_go_on(self) -> bool:
        """Whether the key still opens the log."""
        try:
            async with self.api.gateway.books.read() as conn:
                await _caller(conn, self.api, self.authorization)
        except AuthenticationFailed:
            return False
        return True

    def told(self, record: EventRecord) -> bytes:
        """An event as it goes out; one that the profile does not hear of moves the reader's number only."""
        name = record.type.value if self.profile is None else public_type(record.type, self.profile)
        if name is None:
            return b"id: %d\n\n" % record.sequence
        return b"id: %d\nevent: %b\ndata: %b\n\n" % (record.sequence, name.encode(), wire.event(record, name))


async def _caller(conn: Connection, api: Api, authorization: str | None) -> Caller:
    return await authenticate(
        conn, authorization, resource=Resource.EVENTS, level=Level.READ, pepper=api.pepper, now=api.clock()
    )


def handler(api: Api) -> HTTPRouteHandler:
    """Make the framework's handler."""
    counter = _Open()

    @get("/v1/events/stream", name="get_events_stream", opt={"public_stream": True})
    async def stream(request: AnyRequest) -> Response[bytes] | Stream:
        """Follow the events of an account."""
        authorization = request.headers.get("authorization")
        async with api.gateway.books.read() as conn:
            caller = await _caller(conn, api, authorization)
            query = forms.decode(FollowEvents, forms.read_form(request.scope["query_string"]), coerce=True)
            position = _position(request.headers.get("last-event-id"), query.after_sequence)
            if position is None:
                position = await events.last_sequence(conn, caller.scope)
        if counter.streams >= STREAMS_MAX:
            return _full()
        reader = _Reader(
            api=api,
            caller=caller,
            authorization=authorization,
            types=query.types,
            profile=None if query.event_profile is None else EventProfile(query.event_profile),
        )
        return Stream(
            _follow(reader, position, counter),
            media_type="text/event-stream",
            headers={"X-Accel-Buffering": "no"},
        )

    return stream


def _position(last_event_id: str | None, after_sequence: int | None) -> int | None:
    if not last_event_id:
        return after_sequence
    if not last_event_id.isascii() or not last_event_id.isdecimal() or len(last_event_id) > _SEQUENCE_DIGITS_MAX:
        raise InvalidRequest(
            "Last-Event-ID is the sequence of the last event that was seen.",
            code="parameter_invalid",
            param="Last-Event-ID",
        )
    return int(last_event_id)


async def _follow(reader: _Reader, position: int, counter: _Open) -> AsyncIterator[bytes]:
    """Tell what follows `position`, for ever; ends when the key is gone or the database is away."""
    loop = asyncio.get_running_loop()
    counter.streams += 1
    try:
        yield b"retry: %d\nid: %d\n\n" % (RETRY_MS, position)
        said_at = checked_at = loop.time()
        while True:
            records = await reader.next(position)
            now = loop.time()
            if records:
                position = records[-1].sequence
                said_at = now
                yield b"".join(reader.told(record) for record in records)
            elif now - said_at >= HEARTBEAT_SECONDS:
                said_at = now
                yield b": still here\n\n"
            if now - checked_at >= CHECK_KEY_SECONDS:
                checked_at = now
                if not await reader.may_go_on():
                    return
            if len(records) < BATCH:
                await asyncio.sleep(POLL_SECONDS)
    except BooksError:
        return  # the reader asks again, from where it was
    finally:
        counter.streams -= 1


def _full() -> Response[bytes]:
    error = ErrorObject(
        type="api_error", code="too_many_streams", message="This server has no room for another stream; try again."
    )
    return Response(
        msgspec.json.encode(ErrorAnswer.of(error)),
        status_code=503,
        media_type=MediaType.JSON,
        headers={"Retry-After": "5"},
    )
