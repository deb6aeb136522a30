"""What the coming renewals of a wallet will meet, if it stays as it is (ST-51, PRODUCT: collectability).

Everything that the caller sells to one wallet in one token is looked at together, because it draws on one balance and
one allowance. What other merchants draw there is not the caller's to know, and is left out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from chain import erc20
from chain.errors import CallReverted, RpcUnavailable
from chain.port import ChainPort
from chain.primitives import ZERO_ADDRESS, Address
from gateway.db import catalog, charge_intents, drawing, mandates
from gateway.db.engine import Connection
from gateway.domain import forecast as domain
from gateway.domain.charge_intent import PAYABLE
from gateway.domain.errors import InvalidRequest
from gateway.domain.forecast import Draw, Forecast, Means
from gateway.domain.invoice import BillingReason
from gateway.domain.mandate import Mandate
from gateway.domain.money import Token, to_base_units
from gateway.domain.period import Period, period
from gateway.domain.subscription import Subscription
from gateway.services import invoicing
from gateway.services.gateway import Gateway
from gateway.services.invoicing import Bill, Terms

SHARERS_MAX: Final = 100
"""Subscriptions of one wallet that are looked at; people have a handful."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletForecast:
    """The coming draws on a wallet, in the order of time, and what it holds now."""

    subscription_id: str
    chain_id: int
    token: Token
    owner: Address
    means: Means
    coming: tuple[Forecast, ...]


async def of_subscription(
    conn: Connection,
    gateway: Gateway,
    chain: ChainPort | None,
    subscription: Subscription,
    *,
    count: int,
    now: datetime,
) -> WalletForecast:
    """Foresee the next `count` draws on the wallet of a subscription.

    Raises:
        InvalidRequest: it has no wallet, or its chain or token are not configured any more.
        RpcUnavailable: the chain could not be asked.
    """
    mandate = await _mandate(conn, subscription)
    token = gateway.tokens.get((mandate.chain_id, mandate.terms.token))
    if chain is None or token is None:
        raise InvalidRequest(
            f"Chain {mandate.chain_id} or its token {mandate.terms.token} is not configured here any more.",
            code="unknown_chain",
        )
    means = await means_of(chain, mandate)
    sharers = await drawing.on_wallet(
        conn,
        subscription.scope,
        chain_id=mandate.chain_id,
        token=mandate.terms.token,
        owner=mandate.terms.payer,
        limit=SHARERS_MAX,
    )
    draws = await _draws(conn, sharers, token, count, now)
    return WalletForecast(
        subscription_id=subscription.id,
        chain_id=mandate.chain_id,
        token=token,
        owner=mandate.terms.payer,
        means=means,
        coming=tuple(domain.foresee(sorted(draws, key=lambda draw: draw.at)[:count], means)),
    )


async def means_of(chain: ChainPort, mandate: Mandate) -> Means:
    """What the payer of a mandate has, and what it lets the contract take, at the newest block.

    Raises:
        RpcUnavailable: the chain could not be asked, or the token gave no answer.
    """
    payer, token = mandate.terms.payer, mandate.terms.token
    answers = await chain.calls(
        [
            (ZERO_ADDRESS, token, erc20.balance_of_data(payer)),
            (ZERO_ADDRESS, token, erc20.allowance_data(payer, mandate.contract)),
        ]
    )
    for answer in answers:
        if isinstance(answer, CallReverted):
            raise RpcUnavailable(f"token {token} does not tell balances: {answer}")
        if isinstance(answer, Exception):
            raise answer
    balance, allowance = (int.from_bytes(answer, "big") for answer in answers if isinstance(answer, bytes))
    return Means(balance, allowance)


async def _mandate(conn: Connection, subscription: Subscription) -> Mandate:
    found = {}
    if subscription.mandate_id is not None:
        found = await mandates.load(conn, [subscription.mandate_id])
    if not found:
        raise InvalidRequest(
            f"Subscription '{subscription.id}' has no wallet yet, so there is nothing to foresee.",
            code="payment_method_missing",
        )
    return found[subscription.mandate_id or ""]


async def _draws(
    conn: Connection, sharers: Sequence[Subscription], token: Token, count: int, now: datetime
) -> list[Draw]:
    terms = await invoicing.terms_of(conn, sharers, lock=False)
    customers = await catalog.load_customers(conn, sorted({s.customer_id for s in sharers}))
    balances = {c.id: (c.balance, c.balance_currency) for c in customers.values()}
    draws = [
        Draw(
            subscription_id=intent.subscription_id,
            at=max(intent.next_attempt_at, now),
            amount=intent.token_amount,
            retried=True,
        )
        for intent in await charge_intents.open_of_subscriptions(conn, [s.id for s in sharers])
        if intent.status in PAYABLE and intent.next_attempt_at is not None and intent.token_amount is not None
    ]
    for s in sharers:
        credit, held_in = balances.get(s.customer_id, (0, None))
        credit = credit if held_in in (None, s.currency) else 0
        for at, amount in _renewals(s, terms, count, now):
            owed, credit = max(amount + credit, 0), min(amount + credit, 0)
            if owed:
                draws.append(Draw(subscription_id=s.id, at=at, amount=to_base_units(owed, s.currency, token)))
        balances[s.customer_id] = (credit, held_in)
    return draws


def _renewals(s: Subscription, terms: Terms, count: int, now: datetime) -> Iterator[tuple[datetime, int]]:
    """When the coming periods begin, and what each costs in minor units: the first as it would be drawn up now."""
    for number in range(1, count + 1):
        coming: Period = s.numbered(period(s.anchor, s.interval, s.period_index - s.periods_before + number))
        if s.cancel_at_period_end or (s.ends_at is not None and coming.start >= s.ends_at):
            return
        if number == 1:
            bill = Bill(subscription=s, billed=coming, reason=BillingReason.SUBSCRIPTION_CYCLE, now=now)
            yield coming.start, invoicing.compose(bill, terms).invoice.total
        else:
            yield coming.start, invoicing.recurring_total(s, terms, now)
