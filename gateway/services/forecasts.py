"""What the coming renewals of a wallet will meet, if it stays as it is (ST-51, PRODUCT: collectability).

Everything that the caller sells to one wallet in one token is looked at together, because it draws on one balance and
one allowance. What other merchants draw there is not the caller's to know, and is left out.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from chain import erc20
from chain.errors import CallReverted, RpcUnavailable
from chain.port import ChainPort
from chain.primitives import ZERO_ADDRESS, Address
from gateway.db import catalog, charge_intents, drawing, mandates
from gateway.db.drawing import Wallet
from gateway.db.engine import Connection
from gateway.domain import forecast as domain
from gateway.domain.charge_intent import PAYABLE, ChargeIntent
from gateway.domain.errors import InvalidRequest
from gateway.domain.forecast import Draw, Forecast, Means
from gateway.domain.invoice import BillingReason
from gateway.domain.money import Token, to_base_units
from gateway.domain.period import Period, period
from gateway.domain.subscription import Subscription
from gateway.services import invoicing
from gateway.services.gateway import Gateway
from gateway.services.invoicing import Bill, Terms

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletForecast:
    """The coming draws on a wallet, in the order of time, and what it holds now."""

    wallet: Wallet
    token: Token
    means: Means
    coming: tuple[Forecast, ...]


async def of_subscription(
    conn: Connection,
    gateway: Gateway,
    chains: Mapping[int, ChainPort],
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
    wallet = (await _wallets(conn, [subscription])).get(subscription.id)
    if wallet is None:
        raise InvalidRequest(
            f"Subscription '{subscription.id}' has no wallet yet, so there is nothing to foresee.",
            code="payment_method_missing",
        )
    if wallet.chain_id not in chains or (wallet.chain_id, wallet.token) not in gateway.tokens:
        raise InvalidRequest(
            f"Chain {wallet.chain_id} or its token {wallet.token} is not configured here any more.",
            code="unknown_chain",
        )
    means = await means_of(chains[wallet.chain_id], [wallet])
    draws = await _draws(conn, gateway, [wallet], count=count, times={}, now=now)
    return _foreseen(gateway, wallet, draws[wallet], means[wallet], count)


async def of_payer(
    conn: Connection,
    gateway: Gateway,
    means: Mapping[Wallet, Means],
    *,
    count: int,
    times: Mapping[str, datetime],
    now: datetime,
) -> dict[str, list[Forecast]]:
    """Foresee the next `count` renewals of whoever asks about its own wallets, by subscription.

    Unlike a merchant, a payer may know what all merchants draw on one wallet: they are looked at together. `times` are
    those of subscriptions on test clocks.
    """
    draws = await _draws(conn, gateway, list(means), count=count, times=times, now=now) if means else {}
    together: dict[tuple[int, Address, Address, Address], list[Draw]] = {}
    held = {}
    for wallet, of_wallet in draws.items():
        key = wallet.chain_id, wallet.token, wallet.owner, wallet.contract
        together.setdefault(key, []).extend(of_wallet)
        held[key] = means[wallet]
    coming: dict[str, list[Forecast]] = {}
    for key, shared in together.items():
        for foreseen in domain.foresee(shared, held[key]):
            coming.setdefault(foreseen.draw.subscription_id, []).append(foreseen)
    return coming


async def of_announcements(
    gateway: Gateway, chains: Mapping[int, ChainPort], *, now: datetime, limit: int
) -> Mapping[str, Forecast]:
    """Foresee the renewals that are to be announced now, by subscription; what cannot be asked is left out.

    A step of a worker before its transaction: nothing is locked, and the announcement does not wait for a node.
    """
    async with gateway.books.read() as conn:
        claims = await drawing.to_announce(conn, now=now, limit=limit)
        if not claims:
            return {}
        wallets = await _wallets(conn, [claim.value for claim in claims])
        known = sorted(
            {w for w in wallets.values() if w.chain_id in chains and (w.chain_id, w.token) in gateway.tokens},
            key=lambda wallet: (wallet.chain_id, wallet.token, wallet.owner),
        )
        times = {claim.value.id: claim.now for claim in claims}
        draws = await _draws(conn, gateway, known, count=1, times=times, now=now) if known else {}
    means: dict[Wallet, Means] = {}
    for chain_id in sorted({wallet.chain_id for wallet in known}):
        try:
            means |= await means_of(chains[chain_id], [wallet for wallet in known if wallet.chain_id == chain_id])
        except RpcUnavailable as error:
            _log.warning("renewals are announced without a forecast: %s", error, extra={"chain_id": chain_id})
    told: dict[str, Forecast] = {}
    for wallet in known:
        if wallet in means:
            coming = domain.foresee(draws[wallet], means[wallet])
            told |= {f.draw.subscription_id: f for f in coming if not f.draw.retried}
    return {claim.value.id: told[claim.value.id] for claim in claims if claim.value.id in told}


def _foreseen(gateway: Gateway, wallet: Wallet, draws: Sequence[Draw], means: Means, count: int) -> WalletForecast:
    return WalletForecast(
        wallet=wallet,
        token=gateway.tokens[wallet.chain_id, wallet.token],
        means=means,
        coming=tuple(domain.foresee(sorted(draws, key=lambda draw: draw.at)[:count], means)),
    )


async def means_of(chain: ChainPort, wallets: Sequence[Wallet]) -> dict[Wallet, Means]:
    """What wallets of one chain have, and what they let the contract take, at the newest block, in one round trip.

    Raises:
        RpcUnavailable: the chain could not be asked, or a token gave no answer.
    """
    answers = await chain.calls(
        [
            call
            for w in wallets
            for call in (
                (ZERO_ADDRESS, w.token, erc20.balance_of_data(w.owner)),
                (ZERO_ADDRESS, w.token, erc20.allowance_data(w.owner, w.contract)),
            )
        ]
    )
    numbers = []
    for answer in answers:
        if isinstance(answer, CallReverted):
            raise RpcUnavailable(f"a token does not tell balances: {answer}")
        if isinstance(answer, Exception):
            raise answer
        numbers.append(int.from_bytes(answer, "big"))
    return {w: Means(numbers[2 * n], numbers[2 * n + 1]) for n, w in enumerate(wallets)}


async def _wallets(conn: Connection, subscriptions: Sequence[Subscription]) -> dict[str, Wallet]:
    """The wallet of each subscription that has one, by the subscription's id."""
    ids = sorted({s.mandate_id for s in subscriptions if s.mandate_id is not None})
    agreed = await mandates.load(conn, ids) if ids else {}
    return {
        s.id: Wallet(s.scope, m.chain_id, m.terms.token, m.terms.payer, m.contract)
        for s in subscriptions
        if (m := agreed.get(s.mandate_id or "")) is not None
    }


async def _draws(
    conn: Connection,
    gateway: Gateway,
    wallets: Sequence[Wallet],
    *,
    count: int,
    times: Mapping[str, datetime],
    now: datetime,
) -> dict[Wallet, list[Draw]]:
    """What each wallet is to be drawn on: what is owed and tried again, and the next `count` periods of each sharer."""
    shared = await drawing.on_wallets(conn, wallets)
    sharers = list({s.id: s for of_wallet in shared.values() for s in of_wallet}.values())
    terms = await invoicing.terms_of(conn, sharers, lock=False)
    customers = await catalog.load_customers(conn, sorted({s.customer_id for s in sharers}))
    owed: dict[str, list[ChargeIntent]] = {}
    for intent in await charge_intents.open_of_subscriptions(conn, [s.id for s in sharers]) if sharers else []:
        owed.setdefault(intent.subscription_id, []).append(intent)
    draws: dict[Wallet, list[Draw]] = {}
    for wallet, of_wallet in shared.items():
        token = gateway.tokens[wallet.chain_id, wallet.token]
        standing = {c.id: c.balance for c in customers.values()}  # negative: credit, which the next invoices use up
        draws[wallet] = []
        for s in of_wallet:
            here = times.get(s.id, now)
            draws[wallet] += _retries(owed.get(s.id, ()), here)
            for at, total in _renewals(s, terms, count, here):
                due = total + standing.get(s.customer_id, 0)
                standing[s.customer_id] = min(due, 0)
                if due > 0:
                    draws[wallet].append(
                        Draw(subscription_id=s.id, at=at, amount=to_base_units(due, s.currency, token))
                    )
    return draws


def _retries(owed: Sequence[ChargeIntent], now: datetime) -> Iterator[Draw]:
    for intent in owed:
        if intent.status in PAYABLE and intent.next_attempt_at is not None and intent.token_amount is not None:
            at = max(intent.next_attempt_at, now)
            yield Draw(subscription_id=intent.subscription_id, at=at, amount=intent.token_amount, retried=True)


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
