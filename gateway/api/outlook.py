"""`/v1/subscriptions/…/timeline` and `/forecast`: what happened and why, and what will happen if nothing changes."""

from typing import Annotated, Any, Final

from msgspec import Meta

from chain.checksum import checksum
from gateway.api.endpoint import Call, Endpoint, reads
from gateway.api.forms import Params
from gateway.api.pagination import LIMIT_MAX, Id
from gateway.db import subscriptions, timelines
from gateway.db.pages import Page
from gateway.domain.errors import NotFound
from gateway.domain.subscription import Subscription
from gateway.services import forecasts, times
from gateway.wire.forecast import ForecastObject, entry
from gateway.wire.timeline import TimelineEntry
from gateway.wire.timeline import entry as timeline_entry

RENEWALS_DEFAULT: Final = 12
RENEWALS_MAX: Final = 60

_KIND: Final = "subscription"


class Timeline(Params, frozen=True, kw_only=True):
    """Which part of a history, newest first."""

    limit: Annotated[int, Meta(ge=1, le=LIMIT_MAX)] = LIMIT_MAX
    starting_after: Id | None = None


class Renewals(Params, frozen=True, kw_only=True):
    """How many coming pulls to look at."""

    limit: Annotated[int, Meta(ge=1, le=RENEWALS_MAX)] = RENEWALS_DEFAULT


async def _found(call: Call) -> Subscription:
    found = await subscriptions.get(call.conn, call.scope, call.id)
    if found is None:
        raise NotFound(_KIND, call.id)
    return found


@reads(
    "/v1/subscriptions/{id:str}/timeline",
    kind="timeline_entry",
    params=Timeline,
    answer=TimelineEntry,
    is_list=True,
)
async def timeline(call: Call, query: Timeline) -> Page[TimelineEntry]:
    """List what happened to a subscription and all that belongs to it, with reasons and evidence."""
    found = await timelines.page(
        call.conn, call.scope, await _found(call), limit=query.limit, starting_after=query.starting_after
    )
    return found.of([timeline_entry(entry.id, entry.change) for entry in found.items])


@reads("/v1/subscriptions/{id:str}/forecast", kind="forecast", params=Renewals, answer=ForecastObject)
async def forecast(call: Call, query: Renewals) -> ForecastObject:
    """Foresee which of the coming pulls from a subscription's wallet can be collected, and what the others lack."""
    subscription = await _found(call)
    foreseen = await forecasts.of_subscription(
        call.conn,
        call.gateway,
        call.api.chains,
        subscription,
        count=query.limit,
        now=await times.of_subscription(call.conn, call.scope, subscription.id, call.now),
    )
    return ForecastObject(
        subscription=subscription.id,
        chain_id=foreseen.wallet.chain_id,
        token=checksum(foreseen.wallet.token),
        symbol=foreseen.token.symbol,
        decimals=foreseen.token.decimals,
        wallet=checksum(foreseen.wallet.owner),
        balance=str(foreseen.means.balance),
        allowance=str(foreseen.means.allowance),
        collectable=all(coming.code is None for coming in foreseen.coming),
        data=[entry(coming, foreseen.token) for coming in foreseen.coming],
    )


ENDPOINTS: Final[tuple[Endpoint[Any], ...]] = (timeline, forecast)
