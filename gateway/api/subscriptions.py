"""`/v1/subscriptions`: a customer's access."""

from datetime import UTC, datetime
from typing import Any, Final

from msgspec import UnsetType

from gateway.api import term_changes
from gateway.api.deleted import DeletedObject
from gateway.api.endpoint import DELETE, UPDATE, Call, Endpoint, Retrieve, reads, writes
from gateway.api.fields import given, metadata
from gateway.api.subscription_params import (
    CancelSubscription,
    CreateSubscription,
    FeedbackParams,
    ListSubscriptions,
    ResumeSubscription,
    TrialSettingsParams,
    UpdateSubscription,
)
from gateway.db import subscriptions
from gateway.db.pages import Page
from gateway.domain import metadata as merchant_metadata
from gateway.domain.beginning import AnchorConfig, Schedule
from gateway.domain.cancellation import CancellationDetails, CancellationFeedback
from gateway.domain.errors import InvalidRequest, NotFound
from gateway.domain.period import from_unix
from gateway.domain.subscription import CancellationReason, CollectionMethod, Status, Subscription
from gateway.domain.terms import MissingPaymentMethod
from gateway.services import contacts, pauses, tax_rates, times
from gateway.services import subscriptions as services
from gateway.services.catalog import CustomerFields
from gateway.services.collection_methods import CollectionChange
from gateway.services.items import NewItem
from gateway.services.plan_changes import TermsRequest
from gateway.services.subscriptions import PaymentBehavior, SubscriptionChanges
from gateway.wire.subscription import SubscriptionObject

_KIND: Final = "subscription"
_RINGS: Final = ("collection", "webhooks")
_ENDED: Final = "ended"
_NO_FIELDS: Final = frozenset(
    {"expand", "payment_behavior", "proration_behavior", "proration_date", *term_changes.FIELDS}
)


@writes("/v1/subscriptions", kind=_KIND, params=CreateSubscription, answer=SubscriptionObject, rings=_RINGS)
async def create(call: Call, body: CreateSubscription) -> Subscription:
    """Create a subscription, with its first invoice and what the wallet has to sign."""
    items = [
        NewItem(
            price_id=item.price,
            quantity=item.quantity,
            metadata=merchant_metadata.merge({}, metadata(item.metadata), param=f"items[{index}][metadata]"),
            tax_rate_ids=tax_rates.distinct(item.tax_rates or (), param=f"items[{index}][tax_rates]"),
        )
        for index, item in enumerate(body.items)
    ]
    if body.cancel_at_period_end and (body.cancel_at is not None or body.end_date is not None):
        raise _both("cancel_at_period_end", "cancel_at" if body.end_date is None else "end_date")
    if body.cancel_at is not None and body.end_date is not None:
        raise _both("cancel_at", "end_date")
    ends_at = None if body.cancel_at is None else from_unix(body.cancel_at)
    if body.end_date is not None:
        ends_at = _moment(body.end_date, "end_date")
    customer_id = await _customer(call, body)
    return await services.create(
        call.conn,
        call.gateway,
        scope=call.scope,
        customer_id=customer_id,
        items=items,
        default_payment_method_id=body.default_payment_method,
        payment_behavior=PaymentBehavior(body.payment_behavior),
        description=body.description,
        metadata=merchant_metadata.merge({}, metadata(body.metadata)),
        cancel_at=ends_at,
        end_param="cancel_at" if body.end_date is None else "end_date",
        cancel_at_period_end=body.cancel_at_period_end,
        schedule=_schedule(body),
        missing_payment_method=_missing(body.trial_settings) or MissingPaymentMethod.CREATE_INVOICE,
        discounts=term_changes.discount_requests(body.discounts or ()),
        default_tax_rate_ids=tax_rates.distinct(body.default_tax_rates or (), param="default_tax_rates"),
        collection_method=CollectionMethod(body.collection_method),
        days_until_due=body.days_until_due,
        mandate_amount=None if body.mandate_options is None else body.mandate_options.amount,
        now=await times.of_customer(call.conn, call.scope, customer_id, call.now),
        origin=call.origin,
    )


def _both(first: str, second: str) -> InvalidRequest:
    return InvalidRequest(f"Give {first} or {second}, not both.", code="parameter_conflict", param=second)


def _moment(value: int | str, param: str) -> datetime:
    """An instant in unix seconds, or the beginning of a day."""
    if isinstance(value, int):
        return from_unix(value)
    try:
        return datetime.strptime(value, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise InvalidRequest(
            f"{param} must be unix seconds or a day like 2027-01-31.", code="parameter_invalid", param=param
        ) from None


def _missing(params: TrialSettingsParams | UnsetType | None) -> MissingPaymentMethod | None:
    if isinstance(params, UnsetType | None):
        return None
    return MissingPaymentMethod(params.end_behavior.missing_payment_method)


def _schedule(body: CreateSubscription) -> Schedule:
    config = body.billing_cycle_anchor_config
    if body.trial_end == "now" and body.trial_period_days is not None:
        raise _both("trial_end", "trial_period_days")
    return Schedule(
        trial_days=0 if body.trial_end == "now" else body.trial_period_days,
        trial_end=from_unix(body.trial_end) if isinstance(body.trial_end, int) else None,
        start_date=None if body.start_date is None else _moment(body.start_date, "start_date"),
        billing_cycle_anchor=None if body.billing_cycle_anchor is None else from_unix(body.billing_cycle_anchor),
        anchor_config=None
        if config is None
        else AnchorConfig(
            month=config.month,
            day_of_month=config.day_of_month,
            hour=config.hour,
            minute=config.minute,
            second=config.second,
        ),
    )


async def _customer(call: Call, body: CreateSubscription) -> str:
    """The customer's id; exactly one of `customer` and `customer_data` says who it is (PM-06)."""
    inline = body.customer_data
    if inline is None:
        if body.customer is None:
            raise InvalidRequest("Missing required param: customer.", code="parameter_missing", param="customer")
        return body.customer
    if body.customer is not None:
        raise _both("customer", "customer_data")
    names = [part for part in (inline.first_name, inline.last_name) if part]
    found = await contacts.customer_for(
        call.conn,
        call.gateway,
        scope=call.scope,
        fields=CustomerFields(
            given=frozenset(), email=inline.email, phone=inline.phone, name=inline.name or " ".join(names) or None
        ),
        now=call.now,
        origin=call.origin,
    )
    return found.id


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
    terms = term_changes.terms_request(body)
    details = body.cancellation_details
    changes = SubscriptionChanges(
        given=given(body, without=_NO_FIELDS) | ({"terms"} if terms is not None else frozenset()),
        description=None if isinstance(body.description, UnsetType) else body.description,
        metadata=before.metadata
        if isinstance(body.metadata, UnsetType)
        else merchant_metadata.merge(before.metadata, body.metadata),
        cancel_at=None if isinstance(body.cancel_at, UnsetType | None) else from_unix(body.cancel_at),
        cancel_at_period_end=body.cancel_at_period_end is True,
        details=None if isinstance(details, UnsetType) else _details(details),
        default_payment_method_id=body.default_payment_method or None,
        collection=_collection(body),
        terms=terms,
        missing_payment_method=_missing(body.trial_settings),
    )
    return await _change(call, call.id, changes)


def _collection(body: UpdateSubscription) -> CollectionChange | None:
    method, days = body.collection_method, body.days_until_due
    if isinstance(method, UnsetType) and isinstance(days, UnsetType):
        return None
    return CollectionChange(
        method=None if isinstance(method, UnsetType) else CollectionMethod(method),
        days_until_due=None if isinstance(days, UnsetType) else days,
    )


def _details(params: FeedbackParams) -> CancellationDetails:
    feedback = None if params.feedback is None else CancellationFeedback(params.feedback)
    return CancellationDetails(comment=params.comment, feedback=feedback)


async def _cancel(call: Call, body: CancelSubscription) -> Subscription:
    details = body.cancellation_details
    return await services.cancel(
        call.conn,
        call.gateway,
        scope=call.scope,
        subscription_id=call.id,
        reason=CancellationReason.MERCHANT if details is None else CancellationReason(details.reason),
        details=None if details is None else _details(details),
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


@writes(
    "/v1/subscriptions/{id:str}/discount",
    kind="discount",
    params=Retrieve,
    answer=DeletedObject,
    methods=DELETE,
    rings=_RINGS,
)
async def delete_discount(call: Call, _: Retrieve) -> DeletedObject:
    """Take all discounts from a subscription, if its wallet has allowed what it costs without them."""
    before = await _found(call)
    if not before.discounts:
        raise NotFound("discount", call.id)
    terms = TermsRequest(discounts=(), waits=False)
    await _change(call, call.id, SubscriptionChanges(given=frozenset({"terms"}), terms=terms))
    return DeletedObject(id=before.discounts[0].id, object="discount")


@writes("/v1/subscriptions/{id:str}/pause", kind=_KIND, params=Retrieve, answer=SubscriptionObject, rings=_RINGS)
async def pause(call: Call, _: Retrieve) -> Subscription:
    """Bill and pull nothing until it is resumed."""
    return await pauses.pause(
        call.conn,
        call.gateway,
        scope=call.scope,
        subscription_id=call.id,
        now=await times.of_subscription(call.conn, call.scope, call.id, call.now),
        origin=call.origin,
    )


@writes(
    "/v1/subscriptions/{id:str}/resume",
    kind=_KIND,
    params=ResumeSubscription,
    answer=SubscriptionObject,
    rings=_RINGS,
)
async def resume(call: Call, body: ResumeSubscription) -> Subscription:
    """Go on after a pause; what passed meanwhile is never billed."""
    return await pauses.resume(
        call.conn,
        call.gateway,
        scope=call.scope,
        subscription_id=call.id,
        re_anchor=body.billing_cycle_anchor == "now",
        now=await times.of_subscription(call.conn, call.scope, call.id, call.now),
        origin=call.origin,
    )


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


ENDPOINTS: Final[tuple[Endpoint[Any], ...]] = (
    create,
    retrieve,
    update,
    delete,
    delete_discount,
    cancel,
    pause,
    resume,
    listed,
)
