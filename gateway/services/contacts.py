"""Finding the customer that an inline description means, or making it (PM-06, PM-07)."""

import re
from dataclasses import replace
from datetime import datetime
from typing import Final

from gateway.db import catalog
from gateway.db.engine import Connection
from gateway.domain.catalog import Customer, Scope
from gateway.domain.errors import InvalidRequest
from gateway.services.catalog import CustomerFields, create_customer
from gateway.services.gateway import Gateway
from gateway.services.recording import Origin

PARAM: Final = "customer_data"
_SEPARATORS: Final = re.compile(r"[\s().\-/]")
_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")


def phone_number(text: str) -> str:
    """A phone number in E.164: `+971 (50) 123-4567` and `00971501234567` are `+971501234567`.

    Raises:
        InvalidRequest: it is none, or has no country code.
    """
    digits = _SEPARATORS.sub("", text)
    number = "+" + digits[2:] if digits.startswith("00") else digits
    if not _E164.fullmatch(number):
        raise InvalidRequest(
            "customer_data[phone] must be a phone number with its country code, as in +971501234567.",
            code="phone_invalid",
            param=f"{PARAM}[phone]",
        )
    return number


async def customer_for(
    conn: Connection, gateway: Gateway, *, scope: Scope, fields: CustomerFields, now: datetime, origin: Origin
) -> Customer:
    """The merchant's customer with this e-mail address or phone number; a new one where there is none.

    Raises:
        InvalidRequest: neither is given, one is malformed, or they belong to different customers: nothing is guessed.
    """
    if fields.email is None and fields.phone is None:
        raise InvalidRequest(
            "customer_data needs an email or a phone.", code="parameter_missing", param=f"{PARAM}[email]"
        )
    phone = None if fields.phone is None else phone_number(fields.phone)
    found = await catalog.customers_by_contact(conn, scope, email=fields.email, phone=phone)
    if len(found) > 1:
        raise InvalidRequest(
            "More than one customer has this email or phone. Give customer instead.",
            code="customer_ambiguous",
            param=PARAM,
        )
    if found:
        return found[0]
    wanted = replace(fields, phone=phone)
    return await create_customer(conn, gateway, scope=scope, fields=wanted, now=now, origin=origin)
