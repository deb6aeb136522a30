"""What a restricted key may do: for each kind of resource nothing, read, or write. Writing includes reading."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from gateway.domain.errors import InvalidRequest


class Resource(StrEnum):
    """What permissions are given for. Parts belong to their whole: items to subscriptions, lines to invoices."""

    ACCOUNT = "account"
    BILLING_PORTAL = "billing_portal"
    CHARGE_INTENTS = "charge_intents"
    CHARGES = "charges"
    CHECKOUT_SESSIONS = "checkout_sessions"
    COUPONS = "coupons"
    CUSTOMERS = "customers"
    EVENTS = "events"
    INVOICES = "invoices"
    MANDATES = "mandates"
    METERS = "meters"
    PAYMENT_METHODS = "payment_methods"
    PRICES = "prices"
    PRICING_TABLES = "pricing_tables"
    PRODUCTS = "products"
    PUSH_PAYMENTS = "push_payments"
    REFUNDS = "refunds"
    SETUP_INTENTS = "setup_intents"
    SUBSCRIPTIONS = "subscriptions"
    TAX_RATES = "tax_rates"
    TEST_CLOCKS = "test_clocks"
    WEBHOOK_ENDPOINTS = "webhook_endpoints"


class Level(StrEnum):
    """How much."""

    NONE = "none"
    READ = "read"
    WRITE = "write"

    def covers(self, wanted: "Level") -> bool:
        """Whether this is as much as `wanted` or more."""
        return _ORDER.index(self) >= _ORDER.index(wanted)


_ORDER: Final = (Level.NONE, Level.READ, Level.WRITE)

Permissions = Mapping[Resource, Level]
"""A resource that is not named is closed."""

NOTHING: Final[Permissions] = MappingProxyType({})


def name(resource: Resource, level: Level) -> str:
    """A permission as people write it: `invoices:read`."""
    return f"{resource}:{level}"


def allows(permissions: Permissions, resource: Resource, level: Level) -> bool:
    """Whether a key with these permissions may do this."""
    return permissions.get(resource, Level.NONE).covers(level)


def parse(words: Iterable[str]) -> Permissions:
    """Return the permissions that words such as `invoices:read` say; `none` closes, and the last word counts.

    Raises:
        InvalidRequest: a resource or a level that there is not; the message lists those that there are.
    """
    found: dict[Resource, Level] = {}
    for word in words:
        resource, _, level = word.partition(":")
        if resource not in set(Resource):
            raise InvalidRequest(
                f"There is no resource '{resource}'. There are: {', '.join(Resource)}.",
                code="permission_unknown",
                param="allow",
            )
        if level not in set(Level):
            raise InvalidRequest(
                f"'{word}': write {resource}:read or {resource}:write.", code="permission_unknown", param="allow"
            )
        found[Resource(resource)] = Level(level)
    return {resource: level for resource, level in sorted(found.items()) if level is not Level.NONE}
