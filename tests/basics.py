"""What `factories` stands on: one moment, one chain, and ids and addresses that follow from numbers."""

from datetime import UTC, datetime
from hashlib import sha256

from chain.primitives import (
    Address,
    Hash32,
    MandateId,
    address,
    hash32,
    mandate_id,
)
from gateway.domain.catalog import Scope
from gateway.domain.money import Token
from gateway.domain.period import Interval, IntervalUnit

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
"""When everything here was created: a day that shows whether month ends are clamped."""

MONTHLY = Interval(IntervalUnit.MONTH)
CHAIN_ID = 31337
ACCOUNT_ID = "acct_1"
SCOPE = Scope(ACCOUNT_ID, livemode=False)
TOKEN = address("0x" + "70" * 20)
PAYEE = address("0x" + "9a" * 20)
WALLET = address("0x" + "3a" * 20)
CONTRACT = address("0x" + "c0" * 20)
USDC = Token(
    chain_id=CHAIN_ID,
    address=TOKEN,
    symbol="USDC",
    decimals=6,
    currency="usd",
    permit_name="USD Coin",
    permit_version="2",
)


def numbered(prefix: str, number: int) -> str:
    """An id that sorts by `number`."""
    return f"{prefix}_{number:026d}"


def some_address(seed: object) -> Address:
    """An address that follows from `seed`."""
    return address("0x" + sha256(f"address {seed}".encode()).hexdigest()[:40])


def some_hash(seed: object) -> Hash32:
    """A hash that follows from `seed`."""
    return hash32("0x" + sha256(f"hash {seed}".encode()).hexdigest())


def some_mandate_id(seed: object) -> MandateId:
    """A mandate id of the chain that follows from `seed`."""
    return mandate_id("0x" + sha256(f"mandate {seed}".encode()).hexdigest()[:24])


CUSTOMER_ID = numbered("cus", 1)
PRODUCT_ID = numbered("prod", 1)
PRICE_ID = numbered("price", 1)
PAYMENT_METHOD_ID = numbered("pm", 1)
MANDATE_ID = numbered("mandate", 1)
SUBSCRIPTION_ID = numbered("sub", 1)
ITEM_ID = numbered("si", 1)
INVOICE_ID = numbered("in", 1)
LINE_ID = numbered("il", 1)
INTENT_ID = numbered("ci", 1)
CHARGE_ID = numbered("ch", 1)
SETUP_ID = numbered("seti", 1)
CLOCK_ID = numbered("clock", 1)
ENDPOINT_ID = numbered("we", 1)
ONCHAIN_ID = some_mandate_id(1)
