"""One object of every kind, for one merchant in one mode: what strangers must not see, and what they own themselves."""

from dataclasses import dataclass
from typing import Any, Final

from gateway.db.engine import Books
from gateway.domain.catalog import Scope
from tests import factories as f
from tests.api.desk import Desk
from tests.basics import (
    CHARGE_ID,
    CLOCK_ID,
    CUSTOMER_ID,
    INTENT_ID,
    INVOICE_ID,
    ITEM_ID,
    LINE_ID,
    MANDATE_ID,
    PAYMENT_METHOD_ID,
    PRICE_ID,
    PRODUCT_ID,
    SETUP_ID,
    SUBSCRIPTION_ID,
)
from tests.happenings import push_payment
from tests.keeping import keep

MARK: Final = "quite-private"
"""Stands in every object of an estate that can hold it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estate:
    """Whose it is, the key that opens it, and an id of every kind."""

    scope: Scope
    key: str
    ids: dict[str, str]

    @property
    def mark(self) -> str:
        """Tells this estate's texts from those of others."""
        mode = "live" if self.scope.livemode else "test"
        return f"{MARK}-{self.scope.account_id.replace('_', '-')}-{mode}"


def _id_of(sample: str, number: int) -> str:
    return f.numbered(sample.partition("_")[0], number)


async def build(desk: Desk, scope: Scope, key: str, number: int) -> Estate:
    """Fill the books of one merchant in one mode; `number` keeps the ids of estates apart."""
    estate = Estate(scope=scope, key=key, ids={})
    await _keep_rows(desk.house.gateway.books, estate, number)
    await _make_rest(desk, estate)
    return estate


async def _keep_rows(books: Books, estate: Estate, number: int) -> None:
    scope, mark = estate.scope, estate.mark
    new = {
        sample: _id_of(sample, number)
        for sample in (CUSTOMER_ID, PRODUCT_ID, PRICE_ID, PAYMENT_METHOD_ID, MANDATE_ID, SUBSCRIPTION_ID, ITEM_ID)
    }
    new |= {
        sample: _id_of(sample, number) for sample in (INVOICE_ID, LINE_ID, INTENT_ID, CHARGE_ID, SETUP_ID, CLOCK_ID)
    }
    person: dict[str, Any] = {"scope": scope, "customer_id": new[CUSTOMER_ID]}
    life = person | {"subscription_id": new[SUBSCRIPTION_ID]}
    wallet = {"payment_method_id": new[PAYMENT_METHOD_ID], "mandate_id": new[MANDATE_ID]}
    item = f.subscription_item(id=new[ITEM_ID], price_id=new[PRICE_ID])
    line = f.invoice_line(id=new[LINE_ID], price_id=new[PRICE_ID], subscription_item_id=new[ITEM_ID], description=mark)
    paid = {"charge_intent_id": new[INTENT_ID], "charge_id": new[CHARGE_ID]}
    refund, push, session = (f.numbered(prefix, number) for prefix in ("re", "push", "cs"))
    other_price = f.numbered("price", 1_000 + number)
    endpoint, owner = f.numbered("we", number), f.some_address(number)
    async with books.write() as conn:
        await keep(
            conn,
            f.clock(id=new[CLOCK_ID], scope=scope, name=mark),
            f.customer(
                id=new[CUSTOMER_ID],
                scope=scope,
                email=f"{mark.lower()}@example.com",
                name=mark,
                default_payment_method_id=new[PAYMENT_METHOD_ID],
            ),
            f.product(id=new[PRODUCT_ID], scope=scope, name=mark),
            f.price(id=new[PRICE_ID], scope=scope, product_id=new[PRODUCT_ID], lookup_key=mark),
            f.price(id=other_price, scope=scope, product_id=new[PRODUCT_ID]),
            f.payment_method(id=new[PAYMENT_METHOD_ID], owner=owner, metadata={"mark": mark}, **person),
            f.mandate(
                id=new[MANDATE_ID],
                onchain_id=f.some_mandate_id(number),
                payment_method_id=new[PAYMENT_METHOD_ID],
                **life,
            ),
            f.active_subscription(
                id=new[SUBSCRIPTION_ID],
                items=(item,),
                latest_invoice_id=new[INVOICE_ID],
                description=mark,
                **person,
                **wallet,
            ),
            f.setup_intent(id=new[SETUP_ID], client_secret=mark, **life, **wallet),
            f.invoice(id=new[INVOICE_ID], lines=(line,), charge_intent_id=new[INTENT_ID], description=mark, **life),
            f.charge_intent(id=new[INTENT_ID], invoice_id=new[INVOICE_ID], client_secret=mark, **life, **wallet),
            f.charge(
                id=new[CHARGE_ID],
                charge_intent_id=new[INTENT_ID],
                invoice_id=new[INVOICE_ID],
                payment_method_id=new[PAYMENT_METHOD_ID],
                **life,
            ),
            f.refund(id=refund, metadata={"mark": mark}, **person, **paid),
            push_payment(id=push, log_index=number, **person),
            f.checkout_session(id=session, scope=scope, token=mark, customer_id=new[CUSTOMER_ID]),
            f.webhook_endpoint(id=endpoint, scope=scope, description=mark),
        )
    estate.ids.update(
        {
            "customer": new[CUSTOMER_ID],
            "product": new[PRODUCT_ID],
            "price": new[PRICE_ID],
            "other_price": other_price,
            "payment_method": new[PAYMENT_METHOD_ID],
            "mandate": new[MANDATE_ID],
            "subscription": new[SUBSCRIPTION_ID],
            "subscription_item": new[ITEM_ID],
            "setup_intent": new[SETUP_ID],
            "invoice": new[INVOICE_ID],
            "charge_intent": new[INTENT_ID],
            "payment_intent": new[INTENT_ID],
            "charge": new[CHARGE_ID],
            "test_clock": new[CLOCK_ID],
            "refund": refund,
            "push_payment": push,
            "checkout_session": session,
            "webhook_endpoint": endpoint,
        }
    )


async def _make_rest(desk: Desk, estate: Estate) -> None:
    """What the API makes without a chain."""
    mark, customer = estate.mark, estate.ids["customer"]
    bodies: dict[str, tuple[str, dict[str, Any]]] = {
        "tax_rate": ("/v1/tax_rates", {"display_name": mark, "percentage": 19, "inclusive": False}),
        "coupon": ("/v1/coupons", {"id": mark, "percent_off": 20, "name": mark}),
        "promotion_code": ("/v1/promotion_codes", {"code": mark, "promotion": {"type": "coupon", "coupon": mark}}),
        "meter": (
            "/v1/billing/meters",
            {"display_name": mark, "event_name": mark.replace("-", "_"), "default_aggregation": {"formula": "sum"}},
        ),
        "invoiceitem": (
            "/v1/invoiceitems",
            {"customer": customer, "amount": 100, "currency": "usd", "description": mark},
        ),
        "balance_transaction": (
            f"/v1/customers/{customer}/balance_transactions",
            {"amount": -100, "currency": "usd", "description": mark},
        ),
    }
    for kind, (path, body) in bodies.items():
        answer = await desk.post(path, body, key=estate.key)
        assert answer.status_code == 200, answer.text
        estate.ids[kind] = answer.json()["id"]
    events = (await desk.get("/v1/events?limit=1", key=estate.key)).json()["data"]
    estate.ids["event"] = events[0]["id"]
