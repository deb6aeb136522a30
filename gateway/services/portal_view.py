"""What somebody who has signed in sees: subscriptions of all merchants, the wallets on their chains, what is left.

The books are read, then the chains are asked, then the renewals foreseen: no node is waited for in a transaction. A
chain that does not answer leaves its figures out.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from chain import erc20
from chain import mandates as contract
from chain.errors import ChainError
from chain.port import ChainPort
from chain.primitives import ZERO_ADDRESS, Address
from chain.views import decode_mandate
from gateway.db import accounts, catalog, mandates, payers, test_clocks
from gateway.db.drawing import Wallet
from gateway.db.engine import Connection
from gateway.domain.catalog import Account, Customer, Price, Product
from gateway.domain.forecast import Forecast, Means
from gateway.domain.mandate import USABLE, Mandate
from gateway.domain.money import Token
from gateway.domain.portal import PayerScope
from gateway.domain.subscription import TERMINAL, Subscription
from gateway.services import allowances, forecasts, invoicing
from gateway.services.gateway import Gateway, Network
from gateway.wire.related import WalletCall

RENEWALS: Final = 12
"""How far ahead trouble is looked for: a year of monthly renewals."""

Purse = tuple[int, Address, Address, Address]
"""Chain, token, owner, and the contract that may take from it: what one allowance belongs to."""

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A subscription and what belongs to it.

    Attributes:
        now: its own time: a test clock's, or the system's.
        means: None when the chain did not say.
        coming: the renewals to come; empty when they could not be foreseen, or none is.
        recurring: minor units of a whole period.
    """

    subscription: Subscription
    account: Account
    customer: Customer
    products: tuple[str, ...]
    now: datetime
    recurring: int
    mandate: Mandate | None = None
    network: Network | None = None
    token: Token | None = None
    means: Means | None = None
    coming: tuple[Forecast, ...] = ()

    @property
    def is_over(self) -> bool:
        """Whether it ended for good."""
        return self.subscription.status in TERMINAL

    @property
    def merchant(self) -> str:
        """The name that the payer knows."""
        return self.account.settings.branding.name or self.account.name

    @property
    def trouble(self) -> Forecast | None:
        """The first renewal that will fail if the wallet stays as it is."""
        return next((foreseen for foreseen in self.coming if foreseen.code is not None), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """What a wallet still permits on the chain, and the transactions that end it.

    Attributes:
        mandate: None where only an allowance is left.
        merchant: who collects by it.
        is_left_over: whether nothing that lives needs it.
        keeps_allowance: whether other mandates draw on the same allowance, so that it stays.
    """

    purse: Purse
    calls: tuple[WalletCall, ...]
    network: Network
    token: Token
    allowance: int | None
    mandate: Mandate | None = None
    merchant: str | None = None
    subscription_id: str | None = None
    is_left_over: bool = True
    keeps_allowance: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Everything, newest first. `silent`: names of chains that could not be asked."""

    held: tuple[Held, ...]
    permissions: tuple[Permission, ...]
    silent: tuple[str, ...] = ()

    def of(self, subscription_id: str) -> Held | None:
        """One subscription; None when it is not theirs."""
        return next((each for each in self.held if each.subscription.id == subscription_id), None)

    def permission_of(self, subscription_id: str) -> Permission | None:
        """What the wallet permits for a subscription."""
        wanted = self.of(subscription_id)
        mandate_id = None if wanted is None else wanted.subscription.mandate_id
        return next((p for p in self.permissions if p.mandate is not None and p.mandate.id == mandate_id), None)

    @property
    def left_over(self) -> tuple[Permission, ...]:
        """What may be taken back without losing anything."""
        return tuple(permission for permission in self.permissions if permission.is_left_over)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chain:
    """What the chains said: of purses, and which mandates are canceled there already."""

    means: Mapping[Purse, Means]
    canceled: frozenset[str]
    silent: frozenset[int]


async def look(gateway: Gateway, chains: Mapping[int, ChainPort], payer: PayerScope, *, now: datetime) -> View:
    """Everything that belongs to a payer, as it is now."""
    async with gateway.books.read() as conn:
        found = await payers.subscriptions_of(conn, payer)
        signed = await payers.mandates_of(conn, payer)
        drawn = await mandates.load(conn, sorted({s.mandate_id for s in found if s.mandate_id is not None}))
        everybody = list({m.id: m for m in (*signed, *drawn.values())}.values())
        usable = await payers.usable_of(conn, sorted({m.terms.payer for m in everybody})) if everybody else []
        held = await _held(conn, gateway, found, drawn, now)
        names = await _names(conn, everybody)
    told = await _ask(chains, everybody)
    held = [replace(each, means=told.means.get(purse_of(each.mandate))) if each.mandate else each for each in held]
    async with gateway.books.read() as conn:
        coming = await _foreseen(conn, gateway, held, now)
    return View(
        held=tuple(replace(each, coming=tuple(coming.get(each.subscription.id, ()))) for each in held),
        permissions=tuple(_permissions(gateway, held, signed=everybody, usable=usable, told=told, names=names)),
        silent=tuple(sorted(gateway.networks[c].name for c in told.silent if c in gateway.networks)),
    )


def purse_of(mandate: Mandate) -> Purse:
    """What a mandate draws on."""
    return mandate.chain_id, mandate.terms.token, mandate.terms.payer, mandate.contract


async def _held(
    conn: Connection, gateway: Gateway, found: Sequence[Subscription], drawn: Mapping[str, Mandate], now: datetime
) -> list[Held]:
    if not found:
        return []
    merchants = await accounts.get_many(conn, sorted({s.scope.account_id for s in found}))
    customers = await catalog.load_customers(conn, sorted({s.customer_id for s in found}))
    prices = await catalog.load_prices(conn, sorted({item.price_id for s in found for item in s.items}))
    products = await catalog.load_products(conn, sorted({price.product_id for price in prices.values()}))
    clocks = await test_clocks.load(conn, sorted({s.test_clock_id for s in found if s.test_clock_id is not None}))
    living = [s for s in found if s.status not in TERMINAL]
    terms = await invoicing.terms_of(conn, living, lock=False) if living else None
    shown = []
    for s in found:
        mandate = drawn.get(s.mandate_id or "")
        here = now if s.test_clock_id is None else clocks[s.test_clock_id].frozen_at
        shown.append(
            Held(
                subscription=s,
                account=merchants[s.scope.account_id],
                customer=customers[s.customer_id],
                products=tuple(_product_names(s, prices, products)),
                now=here,
                recurring=0 if terms is None or s not in living else invoicing.recurring_total(s, terms, here),
                mandate=mandate,
                network=None if mandate is None else gateway.networks.get(mandate.chain_id),
                token=None if mandate is None else gateway.tokens.get((mandate.chain_id, mandate.terms.token)),
            )
        )
    return shown


def _product_names(s: Subscription, prices: Mapping[str, Price], products: Mapping[str, Product]) -> Iterable[str]:
    for item in s.items:
        name = products[prices[item.price_id].product_id].name
        yield name if item.quantity == 1 else f"{item.quantity} x {name}"


async def _names(conn: Connection, signed: Sequence[Mandate]) -> dict[str, str]:
    """The merchants of mandates, by account."""
    if not signed:
        return {}
    found = await accounts.get_many(conn, sorted({m.scope.account_id for m in signed}))
    return {key: account.settings.branding.name or account.name for key, account in found.items()}


async def _ask(chains: Mapping[int, ChainPort], signed: Sequence[Mandate]) -> _Chain:
    """Balance and allowance of each purse, and the state of each mandate that we think is usable: a call a chain."""
    means: dict[Purse, Means] = {}
    canceled, silent = set(), set()
    for chain_id in sorted({m.chain_id for m in signed}):
        purses = sorted({purse_of(m) for m in signed if m.chain_id == chain_id})
        usable = [m for m in signed if m.chain_id == chain_id and m.status in USABLE]
        requests = [
            call
            for _, token, owner, spender in purses
            for call in (
                (ZERO_ADDRESS, token, erc20.balance_of_data(owner)),
                (ZERO_ADDRESS, token, erc20.allowance_data(owner, spender)),
            )
        ] + [(ZERO_ADDRESS, m.contract, contract.mandate_data(m.onchain_id)) for m in usable]
        chain = chains.get(chain_id)
        try:
            answers = [] if chain is None else await chain.calls(requests)
        except ChainError as error:
            _log.warning("a portal page is shown without what the chain says: %s", error, extra={"chain_id": chain_id})
            answers = []
        if not answers:
            silent.add(chain_id)
            continue
        for purse, balance, allowance in zip(purses, answers[::2], answers[1::2], strict=False):
            if isinstance(balance, bytes) and isinstance(allowance, bytes):
                means[purse] = Means(erc20.decode_uint(balance), erc20.decode_uint(allowance))
        for mandate, answer in zip(usable, answers[2 * len(purses) :], strict=True):
            registered = decode_mandate(answer) if isinstance(answer, bytes) else None
            if registered is not None and registered.canceled:
                canceled.add(mandate.id)
    return _Chain(means=means, canceled=frozenset(canceled), silent=frozenset(silent))


async def _foreseen(
    conn: Connection, gateway: Gateway, held: Sequence[Held], now: datetime
) -> Mapping[str, Sequence[Forecast]]:
    """The coming renewals of the subscriptions whose wallets could be asked."""
    means = {}
    for each in held:
        mandate = each.mandate
        if mandate is not None and each.means is not None and each.token is not None and not each.is_over:
            wallet = Wallet(mandate.scope, *purse_of(mandate))
            means[wallet] = each.means
    times = {each.subscription.id: each.now for each in held}
    return await forecasts.of_payer(conn, gateway, means, count=RENEWALS, times=times, now=now)


def _permissions(
    gateway: Gateway,
    held: Sequence[Held],
    *,
    signed: Sequence[Mandate],
    usable: Sequence[Mandate],
    told: _Chain,
    names: Mapping[str, str],
) -> Iterable[Permission]:
    """Mandates that still collect, then allowances that no mandate needs any more."""
    needed_by = {each.subscription.mandate_id: each for each in held if not each.is_over}
    alive = [m for m in usable if m.id not in told.canceled]
    calls = allowances.revocations(signed)
    covered: set[Purse] = set()
    for mandate in signed:
        purse = purse_of(mandate)
        network, token = gateway.networks.get(mandate.chain_id), gateway.tokens.get(purse[:2])
        if network is None or token is None or mandate.status not in USABLE or mandate.id in told.canceled:
            continue
        covered.add(purse)
        others = [m for m in alive if m.id != mandate.id and purse_of(m) == purse]
        means = told.means.get(purse)
        keeps = bool(others) or (means is not None and not means.allowance)
        yield Permission(
            purse=purse,
            # The allowance goes with the last mandate that needs it.
            calls=tuple(c for c in calls[mandate.id] if c.type != "revoke_allowance" or not keeps),
            network=network,
            token=token,
            allowance=None if means is None else means.allowance,
            mandate=mandate,
            merchant=names.get(mandate.scope.account_id),
            subscription_id=mandate.subscription_id,
            is_left_over=mandate.id not in needed_by,
            keeps_allowance=bool(others),
        )
    needed = covered | {purse_of(m) for m in alive}
    for mandate in signed:
        purse = purse_of(mandate)
        network, token = gateway.networks.get(mandate.chain_id), gateway.tokens.get(purse[:2])
        means = told.means.get(purse)
        if purse in needed or network is None or token is None or means is None or not means.allowance:
            continue
        needed.add(purse)
        take_back = tuple(c for c in calls[mandate.id] if c.type == "revoke_allowance")
        yield Permission(purse=purse, calls=take_back, network=network, token=token, allowance=means.allowance)
