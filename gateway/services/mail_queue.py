"""Writing mails down, in the transaction of what they tell of: one for each event that a person is written about.

Nothing is composed or sent here; `gateway.services.mails` does that later, from these rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gateway.db import accounts, catalog, mails
from gateway.db.engine import Connection
from gateway.db.events import EventRecord
from gateway.domain import mail as rules
from gateway.domain.catalog import PaymentMethod, Scope
from gateway.domain.ids import new_id
from gateway.domain.invoice import Invoice
from gateway.domain.mail import Mail
from gateway.domain.settings import MailKind
from gateway.domain.subscription import Subscription
from gateway.services.gateway import Gateway

_PREFIX: Final = "mail"


@dataclass(frozen=True, slots=True)
class _Occasion:
    """An event that a customer is written about, and what it is about."""

    kind: MailKind
    value: Invoice | Subscription | PaymentMethod
    customer_id: str
    record: EventRecord


async def queue(
    conn: Connection, gateway: Gateway, told: Sequence[tuple[object, EventRecord]], *, system_now: datetime
) -> None:
    """Write down the mails of these events, each with the object that it is about.

    Does nothing where the operator sends no mail, and not one statement more for a thousand events than for one.
    """
    policy = gateway.mail
    if policy is None:
        return
    occasions = [
        occasion
        for occasion in map(_occasion, told)
        if occasion is not None and (occasion.record.scope.livemode or policy.in_test_mode)
    ]
    occasions = _once_for_each(occasions)
    if not occasions:
        return
    merchants = await accounts.get_many(conn, sorted({each.record.scope.account_id for each in occasions}))
    wanted = [each for each in occasions if merchants[each.record.scope.account_id].settings.wants(each.kind)]
    if not wanted:
        return
    customers = await catalog.load_customers(conn, sorted({each.customer_id for each in wanted}))
    written = [
        Mail(
            id=new_id(_PREFIX, system_now),
            scope=each.record.scope,
            kind=each.kind,
            dedupe_key=f"{each.kind}:{each.record.id}",
            created_at=system_now,
            object_id=each.record.object_id,
            event_id=each.record.id,
            customer_id=each.customer_id,
            next_attempt_at=rules.first_attempt_at(each.record.type, each.value, system_now),
        )
        for each in wanted
        if customers[each.customer_id].email is not None
    ]
    if written:
        await mails.add(conn, written)


async def tell_merchant(
    conn: Connection, gateway: Gateway, scope: Scope, kind: MailKind, *, about: str, occasion: str, now: datetime
) -> None:
    """Write to the merchant itself, at its support address, about object `about`; one mail for each `occasion`."""
    if gateway.mail is None or not (scope.livemode or gateway.mail.in_test_mode):
        return
    merchant = await accounts.get(conn, scope.account_id)
    if merchant is None or merchant.settings.branding.support_email is None or not merchant.settings.wants(kind):
        return
    mail = Mail(
        id=new_id(_PREFIX, now),
        scope=scope,
        kind=kind,
        dedupe_key=f"{kind}:{occasion}",
        created_at=now,
        object_id=about,
        next_attempt_at=now,
    )
    await mails.add(conn, [mail])


def _occasion(told: tuple[object, EventRecord]) -> _Occasion | None:
    value, record = told
    if not isinstance(value, Invoice | Subscription | PaymentMethod) or value.customer_id is None:
        return None
    kind = rules.kind_of(record.type, value)
    return None if kind is None else _Occasion(kind, value, value.customer_id, record)


def _once_for_each(occasions: Sequence[_Occasion]) -> list[_Occasion]:
    """Whose payment failed is told by that mail what to approve: not by a second one."""
    failed = {each.value.id for each in occasions if each.kind is MailKind.PAYMENT_FAILED}
    return [each for each in occasions if not (each.kind is MailKind.APPROVAL_NEEDED and each.value.id in failed)]
