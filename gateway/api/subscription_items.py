"""`/v1/subscription_items`: one item of a subscription at a time, by the same rules as `/v1/subscriptions/{id}`."""

from collections.abc import Sequence
from typing import Annotated, Any, Final

from msgspec import UNSET, Meta, Struct, UnsetType

from gateway.api import term_changes
from gateway.api.deleted import DeletedObject
from gateway.api.endpoint import DELETE, UPDATE, Call, Endpoint, Retrieve, reads, writes
from gateway.api.fields import Id, Metadata
from gateway.api.forms import Params
from gateway.api.pagination import LIMIT_DEFAULT, LIMIT_MAX, UnixTime
from gateway.api.subscription_params import PendingBehavior, ProrationBehaviorName
from gateway.db import subscriptions
from gateway.db.pages import Page
from gateway.domain.errors import InvalidRequest, NotFound
from gateway.domain.plan_change import OwnedItem
from gateway.domain.subscription import Subscription
from gateway.services import subscriptions as services
from gateway.services import times
from gateway.services.item_changes import ItemChange
from gateway.services.subscriptions import SubscriptionChanges
from gateway.wire.subscription import SubscriptionItemObject

_KIND: Final = "subscription_item"
_RINGS: Final = ("collection", "webhooks")


class CreateSubscriptionItem(Params, frozen=True, kw_only=True):
    """So many of another price for a subscription."""

    subscription: Id
    price: Id
    quantity: int | None = None
    metadata: Metadata | UnsetType = UNSET
    tax_rates: list[Id] | UnsetType | None = UNSET
    payment_behavior: PendingBehavior = "pending_if_incomplete"
    proration_behavior: ProrationBehaviorName = "create_prorations"
    proration_date: UnixTime | None = None


class UpdateSubscriptionItem(Params, frozen=True, kw_only=True):
    """What to change of an item; the rest stays."""

    price: Id | None = None
    quantity: int | None = None
    metadata: Metadata | UnsetType = UNSET
    tax_rates: list[Id] | UnsetType | None = UNSET
    payment_behavior: PendingBehavior = "pending_if_incomplete"
    proration_behavior: ProrationBehaviorName = "create_prorations"
    proration_date: UnixTime | None = None


class DeleteSubscriptionItem(Params, frozen=True, kw_only=True):
    """How the rest of its period is settled."""

    payment_behavior: PendingBehavior = "pending_if_incomplete"
    proration_behavior: ProrationBehaviorName = "create_prorations"
    proration_date: UnixTime | None = None


class ListSubscriptionItems(Params, frozen=True, kw_only=True):
    """Whose items, and which of them."""

    subscription: Id
    limit: Annotated[int, Meta(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT
    starting_after: Id | None = None
    ending_before: Id | None = None


async def _owner(call: Call) -> Subscription:
    """The subscription that has the item of the URL."""
    owner_id = await subscriptions.owner_of_item(call.conn, call.scope, call.id)
    found = None if owner_id is None else await subscriptions.get(call.conn, call.scope, owner_id)
    if found is None:
        raise NotFound(_KIND, call.id)
    return found


async def _change(
    call: Call,
    subscription_id: str,
    change: ItemChange,
    body: CreateSubscriptionItem | UpdateSubscriptionItem | DeleteSubscriptionItem,
) -> Subscription:
    terms = term_changes.of_items(
        [change], body.proration_behavior, body.proration_date, payment_behavior=body.payment_behavior
    )
    return await services.update(
        call.conn,
        call.gateway,
        scope=call.scope,
        subscription_id=subscription_id,
        changes=SubscriptionChanges(given=frozenset({"terms"}), terms=terms),
        now=await times.of_subscription(call.conn, call.scope, subscription_id, call.now),
        origin=call.origin,
    )


def _asked(body: Struct, item_id: str | None = None) -> ItemChange:
    """The item as a request says it, which is the whole request."""
    metadata, rates = getattr(body, "metadata", UNSET), getattr(body, "tax_rates", UNSET)
    return ItemChange(
        id=item_id,
        price_id=getattr(body, "price", None),
        quantity=getattr(body, "quantity", None),
        deleted=isinstance(body, DeleteSubscriptionItem),
        metadata=None if isinstance(metadata, UnsetType) else metadata or {},
        tax_rate_ids=None if isinstance(rates, UnsetType) else rates or (),
        param="",
    )


def _of(owner: Subscription) -> list[OwnedItem]:
    return [OwnedItem(item=item, owner=owner) for item in owner.items]


@writes(
    "/v1/subscription_items", kind=_KIND, params=CreateSubscriptionItem, answer=SubscriptionItemObject, rings=_RINGS
)
async def create(call: Call, body: CreateSubscriptionItem) -> OwnedItem:
    """Add an item to a subscription; above the wallet's cap it is the one that waits in `pending_update`."""
    before = await subscriptions.get(call.conn, call.scope, body.subscription)
    if before is None:
        raise NotFound("subscription", body.subscription, param="subscription")
    after = await _change(call, before.id, _asked(body), body)
    items = after.items if after.pending_update is None else after.pending_update.terms.items
    held = {item.id for item in before.items}
    return next(OwnedItem(item=item, owner=after) for item in items if item.id not in held)


@reads("/v1/subscription_items/{id:str}", kind=_KIND, params=Retrieve, answer=SubscriptionItemObject)
async def retrieve(call: Call, _: Retrieve) -> OwnedItem:
    """Retrieve an item."""
    return next(one for one in _of(await _owner(call)) if one.item.id == call.id)


@writes(
    "/v1/subscription_items/{id:str}",
    kind=_KIND,
    params=UpdateSubscriptionItem,
    answer=SubscriptionItemObject,
    methods=UPDATE,
    rings=_RINGS,
)
async def update(call: Call, body: UpdateSubscriptionItem) -> OwnedItem:
    """Change an item; above the wallet's cap it stays as it is until `pending_update` is signed."""
    owner = await _owner(call)
    after = await _change(call, owner.id, _asked(body, call.id), body)
    return next(one for one in _of(after) if one.item.id == call.id)


@writes(
    "/v1/subscription_items/{id:str}",
    kind=_KIND,
    params=DeleteSubscriptionItem,
    answer=DeletedObject,
    methods=DELETE,
    rings=_RINGS,
)
async def delete(call: Call, body: DeleteSubscriptionItem) -> DeletedObject:
    """Remove an item from its subscription; the last one stays."""
    owner = await _owner(call)
    await _change(call, owner.id, _asked(body, call.id), body)
    return DeletedObject(id=call.id, object=_KIND)


@reads("/v1/subscription_items", kind=_KIND, params=ListSubscriptionItems, answer=SubscriptionItemObject, is_list=True)
async def listed(call: Call, query: ListSubscriptionItems) -> Page[OwnedItem]:
    """List the items of a subscription."""
    owner = await subscriptions.get(call.conn, call.scope, query.subscription)
    if owner is None:
        raise NotFound("subscription", query.subscription, param="subscription")
    return _page(_of(owner), query)


def _page(found: Sequence[OwnedItem], query: ListSubscriptionItems) -> Page[OwnedItem]:
    """A part of the few items of one subscription."""
    ids = [one.item.id for one in found]
    first, last = 0, len(ids)
    for name, cursor in (("starting_after", query.starting_after), ("ending_before", query.ending_before)):
        if cursor is not None and cursor not in ids:
            raise InvalidRequest(f"No such subscription_item: '{cursor}'", code="resource_missing", param=name)
    if query.starting_after is not None:
        first = ids.index(query.starting_after) + 1
    if query.ending_before is not None:
        last = ids.index(query.ending_before)
        return Page(list(found[max(first, last - query.limit) : last]), last - query.limit > first)
    return Page(list(found[first : first + query.limit]), first + query.limit < last)


ENDPOINTS: Final[tuple[Endpoint[Any], ...]] = (create, retrieve, update, delete, listed)
