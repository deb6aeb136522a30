"""`/v1/test_helpers/test_clocks`: time that moves when it is told to."""

from datetime import datetime
from typing import Annotated, Any, Final

from msgspec import Meta

from gateway.api.deleted import DeletedObject
from gateway.api.endpoint import DELETE, Call, Endpoint, Retrieve, reads, writes
from gateway.api.forms import Params
from gateway.api.pagination import ListParams, UnixTime
from gateway.db import test_clocks
from gateway.db.pages import Page
from gateway.domain.errors import NotFound
from gateway.domain.period import from_unix
from gateway.domain.test_clock import TestClock
from gateway.services import test_clocks as services
from gateway.wire.webhook import TestClockObject

_KIND: Final = "test_helpers.test_clock"
_ROOT: Final = "/v1/test_helpers/test_clocks"


class CreateClock(Params, frozen=True, kw_only=True):
    """A new clock, and where it stands."""

    frozen_time: UnixTime
    name: Annotated[str, Meta(max_length=services.NAME_MAX)] | None = None


class AdvanceClock(Params, frozen=True, kw_only=True):
    """Where the clock shall go."""

    frozen_time: UnixTime


async def _chain_time(call: Call, _: Params) -> datetime | None:
    """Ask the local chains how late it is there: no clock may fall behind them."""
    return await services.chain_time(call.api.local_chains)


@writes(_ROOT, kind=_KIND, params=CreateClock, answer=TestClockObject, before=_chain_time, rings=("clocks",))
async def create(call: Call, body: CreateClock) -> TestClock:
    """Create a test clock."""
    return await services.create(
        call.conn,
        call.gateway,
        scope=call.scope,
        frozen_at=from_unix(body.frozen_time),
        name=body.name,
        chain_time=call.prepared,
        origin=call.origin,
    )


@reads(f"{_ROOT}/{{id:str}}", kind=_KIND, params=Retrieve, answer=TestClockObject)
async def retrieve(call: Call, _: Retrieve) -> TestClock:
    """Retrieve a test clock."""
    found = await test_clocks.get(call.conn, call.scope, call.id)
    if found is None or found.deleted:
        raise NotFound("test_clock", call.id)
    return found


@reads(_ROOT, kind=_KIND, params=ListParams, answer=TestClockObject, is_list=True)
async def listed(call: Call, query: ListParams) -> Page[TestClock]:
    """List test clocks."""
    return await test_clocks.page(call.conn, query.page(call))


@writes(
    f"{_ROOT}/{{id:str}}/advance",
    kind=_KIND,
    params=AdvanceClock,
    answer=TestClockObject,
    before=_chain_time,
    rings=("clocks",),
)
async def advance(call: Call, body: AdvanceClock) -> TestClock:
    """Advance a test clock; it is `advancing` until everything that falls due on the way has happened."""
    return await services.advance(
        call.conn,
        call.gateway,
        scope=call.scope,
        clock_id=call.id,
        target=from_unix(body.frozen_time),
        chain_time=call.prepared,
        origin=call.origin,
    )


@writes(f"{_ROOT}/{{id:str}}", kind=_KIND, params=Retrieve, answer=DeletedObject, methods=DELETE)
async def delete(call: Call, _: Retrieve) -> DeletedObject:
    """Delete a test clock."""
    gone = await services.delete(call.conn, call.gateway, scope=call.scope, clock_id=call.id, origin=call.origin)
    return DeletedObject(id=gone.id, object=_KIND)


ENDPOINTS: Final[tuple[Endpoint[Any], ...]] = (create, retrieve, listed, advance, delete)
