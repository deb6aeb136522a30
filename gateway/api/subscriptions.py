"""`/v1/subscriptions`: a customer's access."""

from typing import Any, Final, Literal

from msgspec import UNSET, Struct, UnsetType

from gateway.api.endpoint import DELETE, UPDATE, Call, Endpoint, Retrieve, reads, writes
from gateway.api.fields import Id, Metadata, Text, given, metadata
from gateway.api.forms import Params
from gateway.api.pagination import ListParams, UnixTime
from gateway.db import subscriptions
from gateway.db.pages import Page
from gateway.domain import metadata as merchant_metadata
from gateway.domain.errors import InvalidRequest, NotFound
from gateway.domain.period import from_unix
from gateway.domain.subscription import CancellationReason, Status, Subscription
from gateway.services import subscriptions as services
from gateway.services import times
from gateway.services.subscriptions import NewItem, PaymentBehavior, SubscriptionChanges
from gateway.wire.subscription import SubscriptionObject

_KIND: Final = "subscription"
_RINGS: Final = ("collection", "webhooks")
_ENDED: Final = "ended"


class ItemParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """So many of a price."""

    price: Id
    quantity: int = 1
    metadata: Metadata = None


class CreateSubscription(Params, frozen=True, kw_only=True):
    """A new subscription. Without `default_payment_method` the customer's default pays."""

    customer: Id
    items: list[ItemParams]
    default_payment_method: Id | None = None
    payment_behavior: Literal["allow_incomplete", "default_incomplete"] = "allow_incomplete"
    collection_method: Literal["charge_automatically"] = "charge_automatically"
    description: Text | None = None
    metadata: Metadata = None
    cancel_at: UnixTime | None = None
    cancel_at_period_end: bool = False


class UpdateSubscription(Params, frozen=True, kw_only=True):
    """What to change; an empty value clears a field. A subscription that has ended is frozen."""

    description: Text | UnsetType | None = UNSET
    metadata: Metadata | UnsetType = UNSET
    cancel_at: UnixTime | UnsetType | None = UNSET
    cancel_at_period_end: bool | UnsetType = UNSET


class CancellationDetailsParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who wanted it to end."""

    reason: Literal["customer", "merchant"] = "merchant"


class CancelSubscription(Params, frozen=True, kw_only=True):
    """End it now. What was billed stays as it is: nothing is prorated."""

    cancellation_details: CancellationDetailsParams | None = None
    invoice_now: Literal[False] = False
    prorate: Literal[False] = False


class ListSubscriptions(ListParams, frozen=True, kw_only=True):
    """Which subscriptions; without `status` those that have not ended."""

    customer: Id | None = None
    price: Id | None = None
    test_clock: Id | None = None
    status: (
        Literal[
            "pending",
            "incomplete",
            "incomplete_expired",
            "trialing",
            "active",
            "past_due",
            "unpaid",
            "paused",
            "canceled",
            "ended",
            "all",
        ]
        | None
    ) = None


@writes("/v1/subscriptions", kind=_KIND, params=CreateSubscription, answer=SubscriptionObject, rings=_RINGS)
async def create(call: Call, body: CreateSubscription) -> Subscription:
    """Create a subscription, with its first invoice and what the wallet has to sign."""
    items = [
        NewItem(
            price_id=item.price,
            quantity=item.quantity,
            metadata=merchant_metadata.merge({}, metadata(item.metadata), param=f"items[{index}][metadata]"),
        )
        for index, item in enumerate(body.items)
    ]
    made = await services.create(
        call.conn,
        call.gateway,
        scope=call.scope,
        customer_id=body.customer,
        items=items,
        default_payment_method_id=body.default_payment_method,
        payment_behavior=PaymentBehavior(body.payment_behavior),
        description=body.description,
        metadata=merchant_metadata.merge({}, metadata(body.metadata)),
        cancel_at=from_unix(body.cancel_at) if body.cancel_at is not None else None,
        now=await times.of_customer(call.conn, call.scope, body.customer, call.now),
        origin=call.origin,
    )
    if not body.cancel_at_period_end:
        return made
    if body.cancel_at is not None:
        raise InvalidRequest(
            "Give cancel_at or cancel_at_period_end, not both.", code="parameter_conflict", param="cancel_at"
        )
    changes = SubscriptionChanges(given=frozenset({"cancel_at_period_end"}), cancel_at_period_end=True)
    return await _change(call, made.id, changes)


async def _change(call: Call, subscription_id: str, changes: SubscriptionChanges) -> Subscription:
    return await services.update(
        call.conn,
        call.gateway,
        scope=call.scope,
        subscription_id=subscription_id,
        changes=changes,
        now=await times.of_subscription(call.conn, call.scope, subscription_id, call.now),
        origin=call.origin,
    )


async def _found(call: Call) -> Subscription:
    found = await subscriptions.get(call.conn, call.scope, call.id)
    if found is None:
        raise NotFound(_KIND, call.id)
    return found


@reads("/v1/subscriptions/{id:str}", kind=_KIND, params=Retrieve, answer=SubscriptionObject)
async def retrieve(call: Call, _: Retrieve) -> Subscription:
    """Retrieve a subscription."""
    return await _found(call)


@writes(
    "/v1/subscriptions/{id:str}",
    kind=_KIND,
    params=UpdateSubscription,
    answer=SubscriptionObject,
    methods=UPDATE,
    rings=_RINGS,
)
async def update(call: Call, body: UpdateSubscription) -> Subscription:
    """Update a subscription."""
    if not isinstance(body.cancel_at, UnsetType | None) and body.cancel_at_period_end is True:
        raise InvalidRequest(
            "Give cancel_at or cancel_at_period_end, not both.", code="parameter_conflict", param="cancel_at"
        )
    before = await _found(call)
    changes = SubscriptionChanges(
        given=given(body, without=frozenset({"expand"})),
        description=None if isinstance(body.description, UnsetType) else body.description,
        metadata=before.metadata
        if isinstance(body.metadata, UnsetType)
        else merchant_metadata.merge(before.metadata, body.metadata),
        cancel_at=None if isinstance(body.cancel_at, UnsetType | None) else from_unix(body.cancel_at),
        cancel_at_period_end=body.cancel_at_period_end is True,
    )
    return await _change(call, call.id, changes)


async def _cancel(call: Call, body: CancelSubscription) -> Subscription:
    details = body.cancellation_details
    return await services.cancel(
        call.conn,
        call.gateway,
        scope=call.scope,
        subscription_id=call.id,
        reason=CancellationReason.MERCHANT if details is None else CancellationReason(details.reason),
        now=await times.of_subscription(call.conn, call.scope, call.id, call.now),
        origin=call.origin,
    )


@writes(
    "/v1/subscriptions/{id:str}",
    kind=_KIND,
    params=CancelSubscription,
    answer=SubscriptionObject,
    methods=DELETE,
    rings=_RINGS,
)
async def delete(call: Call, body: CancelSubscription) -> Subscription:
    """Cancel a subscription."""
    return await _cancel(call, body)


@writes(
    "/v1/subscriptions/{id:str}/cancel",
    kind=_KIND,
    params=CancelSubscription,
    answer=SubscriptionObject,
    rings=_RINGS,
)
async def cancel(call: Call, body: CancelSubscription) -> Subscription:
    """Cancel a subscription, as DELETE does."""
    return await _cancel(call, body)


@reads("/v1/subscriptions", kind=_KIND, params=ListSubscriptions, answer=SubscriptionObject, is_list=True)
async def listed(call: Call, query: ListSubscriptions) -> Page[Subscription]:
    """List subscriptions."""
    ended = (Status.CANCELED, Status.INCOMPLETE_EXPIRED)
    alive = tuple(status for status in Status if status not in ended)
    only = None if query.status in {None, "all", _ENDED} else Status(query.status or "")
    return await subscriptions.page(
        call.conn,
        query.page(call),
        customer=query.customer,
        price=query.price,
        test_clock=query.test_clock,
        status=only,
        without=(Status.CANCELED,) if query.status is None else alive if query.status == _ENDED else (),
    )


ENDPOINTS: Final[tuple[Endpoint[Any], ...]] = (create, retrieve, update, delete, cancel, listed)
