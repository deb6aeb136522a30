"""What is sold and to whom: merchants, customers, products, prices, wallets. Plain facts, without a status machine."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from chain.primitives import Address
from gateway.domain.period import Interval
from gateway.domain.permission import Permissions
from gateway.domain.settings import AccountSettings


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose objects, and in which mode: part of every query."""

    account_id: str
    livemode: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A merchant. `payout_address` is the payee of every mandate it asks for."""

    id: str
    name: str
    payout_address: Address
    created_at: datetime
    settings: AccountSettings = field(default_factory=AccountSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key, known only by its digest. `kind` is `sk`, `pk` or `rk`.

    Attributes:
        permissions: what a restricted key may do; other kinds have none.
        used_at: when it opened something last, to the minute.
        replaced_by: the key that rotation made instead of it.
    """

    id: str
    account_id: str
    livemode: bool
    kind: str
    digest: bytes
    last4: str
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    name: str | None = None
    permissions: Permissions = field(default_factory=dict)
    used_at: datetime | None = None
    replaced_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """Who subscribes (MX-02, FR-01).

    Attributes:
        balance: minor units of `balance_currency`; negative is credit, which pays invoices first (ST-73).
    """

    id: str
    scope: Scope
    created_at: datetime
    email: str | None = None
    name: str | None = None
    phone: str | None = None
    description: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    default_payment_method_id: str | None = None
    test_clock_id: str | None = None
    deleted: bool = False
    balance: int = 0
    balance_currency: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """What is sold (MX-03, FR-04). Where it has `trial_period_days`, every subscription begins with them (SX-08)."""

    id: str
    scope: Scope
    created_at: datetime
    updated_at: datetime
    name: str
    active: bool = True
    description: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    default_price_id: str | None = None
    deleted: bool = False
    trial_period_days: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """How much, and how often (MX-04). `unit_amount` in minor units; `interval` None = one time.

    With `meter_id` it charges for each unit of usage, after the period in which it happened (ST-74).
    """

    id: str
    scope: Scope
    created_at: datetime
    product_id: str
    currency: str
    unit_amount: int
    interval: Interval | None
    active: bool = True
    nickname: str | None = None
    lookup_key: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    meter_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a wallet had and allowed, in base units, when the chain was asked last.

    Attributes:
        renewals_left: for how many renewals the allowance lasts; None where nothing draws on it.
        warned_at: when it was said that it runs out; None while it does not.
    """

    allowance: int
    balance: int
    renewals_left: int | None
    checked_at: datetime
    warned_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentMethod:
    """A wallet and the token it pays with (FR-03); type `erc20_allowance`. `spender` is our contract."""

    id: str
    scope: Scope
    created_at: datetime
    chain_id: int
    token: Address
    owner: Address
    spender: Address
    customer_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    standing: Standing | None = None
