"""Which act makes which event happen: every type of the catalog stands here, or in `gateway.cli.trigger.NOT_MADE`."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from gateway.cli.acts import CENTS, DAY, HOUR, UNITS_A_CENT, Act, Stage
from gateway.cli.remote import Json
from gateway.domain.events import EventType

_DAYS_DUE: Final = 14
_E = EventType


def _changed(path: str, **body: Any) -> Any:
    """Make an object by `make`, then change it."""

    def after(make: Any) -> Act:
        return lambda stage: stage.post(path.format(make(stage)["id"]), **body)

    return after


def _deleted(path: str, make: Any) -> Act:
    return lambda stage: stage.remote.delete(path.format(make(stage)["id"]))


def _rate(stage: Stage) -> Json:
    return stage.post("/v1/tax_rates", display_name="VAT", percentage=19, inclusive=False)


def _coupon(stage: Stage) -> Json:
    return stage.post("/v1/coupons", percent_off=25, duration="forever")


def _code(stage: Stage) -> Json:
    return stage.post("/v1/promotion_codes", promotion={"type": "coupon", "coupon": _coupon(stage)["id"]})


def _table(stage: Stage) -> Json:
    return stage.post("/v1/pricing_tables", prices=[stage.price()["id"]], success_url="https://example.com/welcome")


def _item(stage: Stage) -> Json:
    return stage.post("/v1/invoiceitems", customer=stage.customer()["id"], amount=500, currency="usd")


def _meter(stage: Stage) -> Json:
    name = (
        f"calls_{stage.get('/v1/events', limit=1)['data'][0]['sequence']}"
        if stage.get("/v1/events", limit=1)["data"]
        else "calls"
    )
    return stage.post(
        "/v1/billing/meters", display_name="Calls", event_name=name, default_aggregation={"formula": "sum"}
    )


def _asleep_meter(stage: Stage) -> Json:
    return stage.post(f"/v1/billing/meters/{_meter(stage)['id']}/deactivate")


def _attached(stage: Stage) -> Json:
    return stage.method(stage.customer()["id"])


def _discounted(stage: Stage) -> Json:
    return stage.opened(discounts=[{"coupon": _coupon(stage)["id"]}])


def _undiscounted(stage: Stage) -> None:
    """The wallet signed the whole price: what is taken off and put on again needs no other signature."""
    path = f"/v1/subscriptions/{stage.active()['id']}"
    stage.post(path, discounts=[{"coupon": _coupon(stage)["id"]}])
    stage.remote.delete(f"{path}/discount")


def _renewed(stage: Stage) -> None:
    stage.billed(stage.active())


def _upcoming(stage: Stage) -> None:
    subscription = stage.active()
    stage.advance(to=subscription["items"]["data"][0]["current_period_end"] - 2 * DAY)


def _past_due(stage: Stage) -> Json:
    """The first payment takes all that the wallet has."""
    subscription = stage.active(funds=CENTS)
    stage.billed(subscription)
    return stage.status(subscription["id"], "past_due")


def _unpaid(stage: Stage) -> None:
    subscription = _past_due(stage)
    stage.advance(by=5 * DAY)
    stage.status(subscription["id"], "unpaid")


def _poor(stage: Stage) -> None:
    stage.signed("charge_intents", stage.opened(funds=CENTS - 1)["latest_charge_intent"])


def _expired(stage: Stage) -> None:
    stage.opened()
    stage.advance(by=DAY)


def _paused(stage: Stage) -> Json:
    return stage.post(f"/v1/subscriptions/{stage.active()['id']}/pause")


def _trial(stage: Stage) -> Json:
    return stage.opened(trial_period_days=7)


def _trial_signed(stage: Stage) -> Json:
    made = _trial(stage)
    stage.signed("setup_intents", made["pending_setup_intent"])
    stage.until(
        "the setup intent has succeeded",
        lambda: stage.get(f"/v1/setup_intents/{made['pending_setup_intent']}"),
        lambda found: found["status"] == "succeeded",
    )
    return made


def _trial_ends(stage: Stage) -> None:
    _trial_signed(stage)
    stage.advance(by=8 * DAY)


def _trial_will_end(stage: Stage) -> None:
    _trial_signed(stage)
    stage.advance(by=5 * DAY)


def _setup_canceled(stage: Stage) -> None:
    stage.post(f"/v1/setup_intents/{_trial(stage)['pending_setup_intent']}/cancel")


@contextmanager
def _settings(stage: Stage, **changed: Any) -> Iterator[None]:
    """The account's settings, changed for a while."""
    before = stage.get("/v1/account/settings")
    stage.post("/v1/account/settings", **changed)
    try:
        yield
    finally:
        stage.post(
            "/v1/account/settings", **{name: before[name] if before[name] is not None else "" for name in changed}
        )


def _sent(stage: Stage) -> Json:
    """An invoice that is paid by link."""
    customer = stage.customer(timed=True)
    made = stage.post(
        "/v1/subscriptions",
        customer=customer["id"],
        items=[{"price": stage.price()["id"]}],
        collection_method="send_invoice",
        days_until_due=_DAYS_DUE,
    )
    return stage.until(
        "the invoice is sent",
        lambda: stage.get(f"/v1/invoices/{made['latest_invoice']}"),
        lambda found: found["status"] == "open" and found["payment_instructions"] is not None,
    )


def _reminded(by: int) -> Act:
    def act(stage: Stage) -> None:
        with _settings(stage, send_invoice={"due_days": _DAYS_DUE, "reminder_days": [-3, 2]}):
            _sent(stage)
            stage.advance(by=by)

    return act


def _with_extra(stage: Stage, cents: int) -> Json:
    """A subscription whose next invoice has something extra."""
    subscription = stage.active()
    stage.post(
        "/v1/invoiceitems",
        customer=subscription["customer"],
        subscription=subscription["id"],
        amount=cents,
        currency="usd",
    )
    return subscription


def _extra_billed(stage: Stage) -> None:
    stage.billed(_with_extra(stage, 300))


def _asked_again(stage: Stage) -> None:
    """An invoice above what the wallet has signed, and nobody signs for it."""
    with _settings(stage, approvals={"reminder_days": [1]}):
        stage.billed(_with_extra(stage, 9 * CENTS))
        stage.advance(by=2 * DAY)


def _pushed(stage: Stage) -> None:
    told = _sent(stage)["payment_instructions"]
    option = next(each for each in told["options"] if each["chain_id"] == stage.facts["chain_id"])
    stage.pushes(told["recipient"], int(option["amount"]))


def _stray(stage: Stage) -> Json:
    """A transfer that names nothing."""
    known = {each["id"] for each in stage.remote.pages("/v1/push_payments", status="unmatched")}
    told = _sent(stage)["payment_instructions"]
    stage.pushes(told["recipient"], 777 * UNITS_A_CENT + 1)
    found = stage.until(
        "the transfer is seen",
        lambda: [e for e in stage.remote.pages("/v1/push_payments", status="unmatched") if e["id"] not in known],
        bool,
    )
    return found[0]


def _refund(stage: Stage) -> Json:
    subscription = stage.active()
    return stage.post("/v1/refunds", charge_intent=subscription["latest_charge_intent"], amount=500)


def _refunded(stage: Stage) -> None:
    refund = _refund(stage)
    stage.repays(refund["next_action"]["send_transfer"])


def _session(stage: Stage) -> Json:
    return stage.post(
        "/v1/checkout/sessions",
        mode="subscription",
        line_items=[{"price": stage.price()["id"], "quantity": 1}],
        success_url="https://shop.example/thanks",
    )


def _bigger(stage: Stage) -> Json:
    """A plan that needs another mandate: the change waits for the wallet."""
    subscription = stage.active()
    return stage.post(
        f"/v1/subscriptions/{subscription['id']}",
        items=[{"id": subscription["items"]["data"][0]["id"], "price": stage.price(9 * CENTS)["id"]}],
        payment_behavior="pending_if_incomplete",
        proration_behavior="always_invoice",
    )


def _bigger_signed(stage: Stage) -> None:
    stage.signed("setup_intents", _bigger(stage)["pending_setup_intent"])


def _bigger_forgotten(stage: Stage) -> None:
    _bigger(stage)
    stage.advance(by=DAY + HOUR)


def _clock_deleted(stage: Stage) -> None:
    stage.remote.delete(f"/v1/test_helpers/test_clocks/{stage.new_clock()['id']}")


def _clock_moved(stage: Stage) -> None:
    stage.new_clock()
    stage.advance(by=HOUR)


def _voided(stage: Stage) -> None:
    stage.post(f"/v1/invoices/{stage.opened()['latest_invoice']}/void")


def _written_off(stage: Stage) -> None:
    stage.post(f"/v1/invoices/{stage.opened()['latest_invoice']}/mark_uncollectible")


def _canceled(stage: Stage) -> None:
    stage.remote.delete(f"/v1/subscriptions/{stage.active()['id']}")


_TO_NAME: Final = _changed("/v1/customers/{}", name="Grace")

ACTS: Final[Mapping[EventType, Act]] = {
    _E.CUSTOMER_CREATED: Stage.customer,
    _E.CUSTOMER_UPDATED: _TO_NAME(Stage.customer),
    _E.CUSTOMER_DELETED: _deleted("/v1/customers/{}", Stage.customer),
    _E.PRODUCT_CREATED: Stage.product,
    _E.PRODUCT_UPDATED: _changed("/v1/products/{}", name="The Monthly Light")(Stage.product),
    _E.PRODUCT_DELETED: _deleted("/v1/products/{}", Stage.product),
    _E.PRICE_CREATED: Stage.price,
    _E.PRICE_UPDATED: _changed("/v1/prices/{}", metadata={"shelf": "3"})(Stage.price),
    _E.PRICING_TABLE_CREATED: _table,
    _E.PRICING_TABLE_UPDATED: _changed("/v1/pricing_tables/{}", metadata={"shelf": "4"})(_table),
    _E.TAX_RATE_CREATED: _rate,
    _E.TAX_RATE_UPDATED: _changed("/v1/tax_rates/{}", display_name="GST")(_rate),
    _E.COUPON_CREATED: _coupon,
    _E.COUPON_UPDATED: _changed("/v1/coupons/{}", name="Welcome")(_coupon),
    _E.COUPON_DELETED: _deleted("/v1/coupons/{}", _coupon),
    _E.PROMOTION_CODE_CREATED: _code,
    _E.PROMOTION_CODE_UPDATED: _changed("/v1/promotion_codes/{}", active=False)(_code),
    _E.CUSTOMER_DISCOUNT_CREATED: _discounted,
    _E.CUSTOMER_DISCOUNT_DELETED: _undiscounted,
    _E.INVOICEITEM_CREATED: _item,
    _E.INVOICEITEM_UPDATED: _extra_billed,
    _E.INVOICEITEM_DELETED: _deleted("/v1/invoiceitems/{}", _item),
    _E.PAYMENT_METHOD_ATTACHED: _attached,
    _E.PAYMENT_METHOD_DETACHED: _changed("/v1/payment_methods/{}/detach")(_attached),
    _E.PAYMENT_METHOD_UPDATED: _changed("/v1/payment_methods/{}", metadata={"shelf": "3"})(_attached),
    _E.MANDATE_CREATED: Stage.opened,
    _E.MANDATE_UPDATED: Stage.active,
    _E.SUBSCRIPTION_OPENED: Stage.opened,
    _E.SUBSCRIPTION_CREATED: Stage.active,
    _E.SUBSCRIPTION_ACTIVATED: Stage.active,
    _E.SUBSCRIPTION_INCOMPLETE: Stage.opened,
    _E.SUBSCRIPTION_UPDATED: Stage.active,
    _E.SUBSCRIPTION_RENEWED: _renewed,
    _E.SUBSCRIPTION_PAST_DUE: _past_due,
    _E.SUBSCRIPTION_UNPAID: _unpaid,
    _E.SUBSCRIPTION_PAUSED: _paused,
    _E.SUBSCRIPTION_RESUMED: _changed("/v1/subscriptions/{}/resume")(_paused),
    _E.SUBSCRIPTION_EXPIRED: _expired,
    _E.SUBSCRIPTION_DELETED: _canceled,
    _E.SUBSCRIPTION_TRIAL_STARTED: _trial,
    _E.SUBSCRIPTION_TRIAL_ENDED: _trial_ends,
    _E.SUBSCRIPTION_TRIAL_WILL_END: _trial_will_end,
    _E.SUBSCRIPTION_UPCOMING: _upcoming,
    _E.SUBSCRIPTION_PENDING_UPDATE_APPLIED: _bigger_signed,
    _E.SUBSCRIPTION_PENDING_UPDATE_EXPIRED: _bigger_forgotten,
    _E.SETUP_INTENT_CREATED: _trial,
    _E.SETUP_INTENT_REQUIRES_ACTION: _trial,
    _E.SETUP_INTENT_PROCESSING: _trial_signed,
    _E.SETUP_INTENT_SUCCEEDED: _trial_signed,
    _E.SETUP_INTENT_CANCELED: _setup_canceled,
    _E.INVOICE_UPCOMING: _upcoming,
    _E.INVOICE_CREATED: Stage.opened,
    _E.INVOICE_FINALIZED: Stage.opened,
    _E.INVOICE_SENT: _sent,
    _E.INVOICE_WILL_BE_DUE: _reminded((_DAYS_DUE - 2) * DAY),
    _E.INVOICE_OVERDUE: _reminded((_DAYS_DUE + 3) * DAY),
    _E.INVOICE_APPROVAL_REMINDER: _asked_again,
    _E.INVOICE_UPDATED: Stage.active,
    _E.INVOICE_PAID: Stage.active,
    _E.INVOICE_PAYMENT_SUCCEEDED: Stage.active,
    _E.INVOICE_PAYMENT_FAILED: _past_due,
    _E.INVOICE_PAYMENT_ACTION_REQUIRED: Stage.opened,
    _E.INVOICE_VOIDED: _voided,
    _E.INVOICE_MARKED_UNCOLLECTIBLE: _written_off,
    _E.CHARGE_INTENT_CREATED: Stage.opened,
    _E.CHARGE_INTENT_REQUIRES_ACTION: Stage.opened,
    _E.CHARGE_INTENT_PROCESSING: Stage.active,
    _E.CHARGE_INTENT_SUCCEEDED: Stage.active,
    _E.CHARGE_INTENT_PAYMENT_FAILED: _past_due,
    _E.CHARGE_INTENT_CANCELED: _expired,
    _E.CHARGE_PENDING: Stage.active,
    _E.CHARGE_SUCCEEDED: Stage.active,
    _E.CHARGE_FAILED: _past_due,
    _E.CHARGE_REFUNDED: _refunded,
    _E.CHECKOUT_SESSION_EXPIRED: _changed("/v1/checkout/sessions/{}/expire")(_session),
    _E.PUSH_PAYMENT_APPLIED: _pushed,
    _E.PUSH_PAYMENT_UNMATCHED: _stray,
    _E.PUSH_PAYMENT_DISMISSED: _changed("/v1/push_payments/{}/dismiss")(_stray),
    _E.REFUND_CREATED: _refund,
    _E.REFUND_UPDATED: _refunded,
    _E.METER_CREATED: _meter,
    _E.METER_UPDATED: _changed("/v1/billing/meters/{}", display_name="Requests")(_meter),
    _E.METER_DEACTIVATED: _asleep_meter,
    _E.METER_REACTIVATED: _changed("/v1/billing/meters/{}/reactivate")(_asleep_meter),
    _E.TEST_CLOCK_CREATED: Stage.new_clock,
    _E.TEST_CLOCK_ADVANCING: _clock_moved,
    _E.TEST_CLOCK_READY: _clock_moved,
    _E.TEST_CLOCK_DELETED: _clock_deleted,
}
