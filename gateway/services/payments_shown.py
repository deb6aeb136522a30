"""What letters say of payments and prices: rows turned into facts that a person can check."""

from collections.abc import Iterable, Mapping, Sequence

from chain.checksum import checksum
from chain.primitives import MandateId
from gateway.db import catalog, mandates
from gateway.db.engine import Connection
from gateway.domain.catalog import Account
from gateway.domain.charge import Charge
from gateway.domain.mandate import Mandate
from gateway.letters.page import Payment
from gateway.services.gateway import Gateway


async def names_of(conn: Connection, price_ids: Iterable[str]) -> dict[str, str]:
    """What prices are called: their own nickname, else their product's name."""
    ids = sorted(set(price_ids))
    if not ids:
        return {}
    prices = await catalog.load_prices(conn, ids)
    products = await catalog.load_products(conn, sorted({price.product_id for price in prices.values()}))
    return {key: price.nickname or products[price.product_id].name for key, price in prices.items()}


async def mandates_of(conn: Connection, charges: Sequence[Charge]) -> dict[str, Mandate]:
    """The mandates that charges drew on, by their id on the chain; a payment that was sent has none."""
    by_chain: dict[int, set[MandateId]] = {}
    for charge in charges:
        if charge.onchain_mandate_id is not None:
            by_chain.setdefault(charge.chain_id, set()).add(charge.onchain_mandate_id)
    found: dict[str, Mandate] = {}
    for chain_id, ids in by_chain.items():
        for key, mandate in (await mandates.by_onchain_ids(conn, chain_id, sorted(ids))).items():
            found[str(key)] = mandate
    return found


def payment_of(gateway: Gateway, charge: Charge, agreed: Mapping[str, Mandate], merchant: Account) -> Payment | None:
    """Where a charge is on the chain; None when no transaction is known, or the operator took its token away."""
    network = gateway.networks.get(charge.chain_id)
    token = gateway.tokens.get((charge.chain_id, charge.token))
    if network is None or token is None or charge.transaction_hash is None:
        return None
    mandate = agreed.get(str(charge.onchain_mandate_id))
    payer = charge.payer if mandate is None else mandate.terms.payer
    return Payment(
        chain=network.name,
        chain_id=charge.chain_id,
        symbol=token.symbol,
        decimals=token.decimals,
        token=checksum(token.address),
        token_amount=charge.token_amount,
        transaction_hash=charge.transaction_hash,
        block_number=charge.block_number,
        payer=None if payer is None else checksum(payer),
        payee=checksum(merchant.payout_address if mandate is None else mandate.terms.payee),
        paid_at=charge.settled_at or charge.created_at,
    )
