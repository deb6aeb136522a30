"""Many active subscriptions at once, written straight into the books: for counting statements and measuring speed."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from chain import eip712
from chain.primitives import Address, ChargeItem, MandateTerms
from gateway.db import catalog, mandates, subscriptions
from gateway.db.engine import Books
from gateway.domain.catalog import Customer, PaymentMethod
from gateway.domain.mandate import Mandate
from gateway.domain.period import to_unix
from gateway.domain.subscription import Subscription
from gateway.domain.transition import Moved
from tests import factories


@dataclass(frozen=True)
class Crowd:
    """What was written; `terms` are to be registered on the chain by the caller, in this order."""

    subscriptions: list[Subscription]
    mandates: list[Mandate]

    @property
    def test_clock_id(self) -> str | None:
        return self.subscriptions[0].test_clock_id

    @property
    def terms(self) -> list[MandateTerms]:
        return [mandate.terms for mandate in self.mandates]

    def second_periods(self) -> list[ChargeItem]:
        """The pulls that renewing everybody comes down to."""
        return [ChargeItem(mandate.onchain_id, 2, mandate.terms.amount) for mandate in self.mandates]


def crowd(
    count: int,
    *,
    now: datetime = factories.NOW,
    chain_id: int = factories.CHAIN_ID,
    contract: Address = factories.CONTRACT,
    token: Address = factories.TOKEN,
    wallets: list[Address] | None = None,
    test_clock_id: str | None = None,
    apart: timedelta = timedelta(),
) -> Crowd:
    """`count` active monthly subscriptions of one price, whose second period is due a month after they began.

    The last began at `now`, each other one `apart` before the next.
    """
    agreed = []
    opened = []
    for number in range(1, count + 1):
        owner = wallets[(number - 1) % len(wallets)] if wallets else factories.some_address(number)
        began = now - apart * (count - number)
        terms = factories.mandate_terms(
            payer=owner, token=token, salt=number, start=to_unix(began), deadline=to_unix(now) + 86_400
        )
        mandate = factories.active_mandate(
            id=factories.numbered("mandate", number),
            customer_id=factories.numbered("cus", number),
            payment_method_id=factories.numbered("pm", number),
            subscription_id=factories.numbered("sub", number),
            chain_id=chain_id,
            contract=contract,
            terms=terms,
            onchain_id=eip712.mandate_id(terms, chain_id, contract),
        )
        agreed.append(mandate)
        opened.append(
            factories.active_subscription(
                id=mandate.subscription_id,
                customer_id=mandate.customer_id,
                payment_method_id=mandate.payment_method_id,
                mandate_id=mandate.id,
                items=(factories.subscription_item(id=factories.numbered("si", number)),),
                anchor=began,
                latest_invoice_id=None,
                test_clock_id=test_clock_id,
            )
        )
    return Crowd(opened, agreed)


async def write(books: Books, many: Crowd) -> None:
    """Write a crowd into books that hold the merchant, its product and its price."""
    customers: list[Customer] = []
    methods: list[PaymentMethod] = []
    for mandate in many.mandates:
        customers.append(factories.customer(id=mandate.customer_id, test_clock_id=many.test_clock_id))
        methods.append(
            replace(
                factories.payment_method(),
                id=mandate.payment_method_id,
                customer_id=mandate.customer_id,
                owner=mandate.terms.payer,
                chain_id=mandate.chain_id,
                token=mandate.terms.token,
                spender=mandate.contract,
            )
        )
    async with books.write() as conn:
        await catalog.add_customers(conn, customers)
        await catalog.add_payment_methods(conn, methods)
        await mandates.add_many(conn, [Moved(value=mandate) for mandate in many.mandates])
        await subscriptions.add_many(conn, [Moved(value=subscription) for subscription in many.subscriptions])
