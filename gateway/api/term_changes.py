"""From what a request says about items, discounts, tax rates and a trial's end to the change that is asked for."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from msgspec import UNSET, Struct, UnsetType

from gateway.api.subscription_params import DiscountParams, ItemChangeParams, PreviewDetails, UpdateSubscription
from gateway.domain.errors import DomainError, InvalidRequest
from gateway.domain.period import from_unix
from gateway.domain.proration import ProrationBehavior
from gateway.services.discounts import DiscountRequest
from gateway.services.item_changes import ItemChange
from gateway.services.plan_changes import TermsRequest

FIELDS = ("items", "discounts", "default_tax_rates", "trial_end")


def discount_requests(asked: Sequence[DiscountParams]) -> list[DiscountRequest]:
    """Discounts as asked for."""
    return [
        DiscountRequest(coupon_id=part.coupon, promotion_code_id=part.promotion_code, discount_id=part.discount)
        for part in asked
    ]


def item_changes(asked: Sequence[ItemChangeParams], *, named: str = "items") -> list[ItemChange]:
    """Items as asked for; `named` is what the request calls their list.

    Raises:
        InvalidRequest: one is to be removed and changed.
    """
    return [item_change(item, f"{named}[{index}]") for index, item in enumerate(asked)]


def item_change(item: ItemChangeParams, param: str) -> ItemChange:
    """One item as asked for.

    Raises:
        InvalidRequest: it is to be removed and changed.
    """
    metadata = None if isinstance(item.metadata, UnsetType) else item.metadata or {}
    rates = None if isinstance(item.tax_rates, UnsetType) else item.tax_rates or ()
    change = ItemChange(
        id=item.id,
        price_id=item.price,
        quantity=item.quantity,
        deleted=item.deleted,
        metadata=metadata,
        tax_rate_ids=rates,
        param=param,
    )
    if item.deleted and (item.price is not None or item.quantity is not None):
        raise InvalidRequest(
            "An item is removed or changed, not both.", code="parameter_conflict", param=change.named("deleted")
        )
    return change


def terms_request(body: UpdateSubscription) -> TermsRequest | None:
    """The change of terms that a request asks for; None when it asks for none.

    Raises:
        InvalidRequest: parameters contradict each other.
    """
    if all(getattr(body, name) is UNSET for name in FIELDS):
        if body.proration_date is not None:
            raise InvalidRequest(
                "proration_date goes with items that are prorated.", code="parameter_conflict", param="proration_date"
            )
        return None
    rates, discounts = body.default_tax_rates, body.discounts
    return TermsRequest(
        items=None if isinstance(body.items, UnsetType) else item_changes(body.items),
        discounts=None if isinstance(discounts, UnsetType) else discount_requests(discounts or ()),
        tax_rate_ids=None if isinstance(rates, UnsetType) else rates or (),
        trial_end=from_unix(body.trial_end) if isinstance(body.trial_end, int) else None,
        ends_trial=body.trial_end == "now",
        proration=ProrationBehavior(body.proration_behavior),
        prorated_at=None if body.proration_date is None else from_unix(body.proration_date),
        waits=body.payment_behavior == "pending_if_incomplete",
    )


def previewed(body: PreviewDetails) -> TermsRequest:
    """A change that is only looked at."""
    rates = body.default_tax_rates
    return TermsRequest(
        items=None if isinstance(body.items, UnsetType) else item_changes(body.items),
        tax_rate_ids=None if isinstance(rates, UnsetType) else rates or (),
        trial_end=from_unix(body.trial_end) if isinstance(body.trial_end, int) else None,
        ends_trial=body.trial_end == "now",
        proration=ProrationBehavior(body.proration_behavior),
        prorated_at=None if body.proration_date is None else from_unix(body.proration_date),
    )


@contextmanager
def named_in(outer: str, params: Struct | None) -> Iterator[None]:
    """Name the fields of `params`, which stand inside of `outer`, as the request calls them."""
    try:
        yield
    except DomainError as refused:
        name, bracket, rest = (refused.param or "").partition("[")
        if params is not None and name in params.__struct_fields__:
            refused.param = f"{outer}[{name}]{bracket}{rest}"
        raise


def of_items(
    items: Sequence[ItemChange], behavior: str, date: int | None, *, payment_behavior: str = "pending_if_incomplete"
) -> TermsRequest:
    """A change of nothing but items."""
    return TermsRequest(
        items=items,
        proration=ProrationBehavior(behavior),
        prorated_at=None if date is None else from_unix(date),
        waits=payment_behavior == "pending_if_incomplete",
    )
