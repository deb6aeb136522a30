"""The changes of one transaction, gathered by table and written in bulk.

Use cases move values by domain verbs and hand the moves over here; `write` turns them into one insert and one update
per table, and announces them in the order in which they were made. An object may move several times: the row is written
once, its history and its events whole.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from gateway.db import (
    charge_intents,
    charges,
    checkout_sessions,
    invoices,
    mandates,
    moves,
    pushes,
    refunds,
    setup_intents,
    subscriptions,
)
from gateway.db.engine import Connection
from gateway.domain.catalog import Price
from gateway.domain.charge import Charge
from gateway.domain.charge_intent import ChargeIntent
from gateway.domain.checkout import CheckoutSession
from gateway.domain.invoice import Invoice
from gateway.domain.mandate import Mandate
from gateway.domain.outcome import Outcome
from gateway.domain.push import PushPayment
from gateway.domain.refund import Refund
from gateway.domain.setup_intent import SetupIntent
from gateway.domain.subscription import Subscription
from gateway.domain.transition import Moved
from gateway.services import checkout_following
from gateway.services.gateway import Gateway
from gateway.services.recording import Known, Origin, record

Kept = Mandate | Subscription | Invoice | ChargeIntent | Charge | SetupIntent | Refund | PushPayment | CheckoutSession
K = TypeVar(
    "K", Mandate, Subscription, Invoice, ChargeIntent, Charge, SetupIntent, Refund, PushPayment, CheckoutSession
)
_Write = Callable[[Connection, Sequence[Moved[Any]]], Awaitable[None]]

_TABLES: Final[Mapping[type[Kept], tuple[_Write, _Write]]] = {
    Mandate: (mandates.add_many, mandates.save_many),
    Subscription: (subscriptions.add_many, subscriptions.save_many),
    Invoice: (invoices.add_many, invoices.save_many),
    ChargeIntent: (charge_intents.add_many, charge_intents.save_many),
    Charge: (charges.add_many, charges.save_many),
    SetupIntent: (setup_intents.add_many, setup_intents.save_many),
    Refund: (refunds.add_many, refunds.save_many),
    PushPayment: (pushes.add_many, pushes.save_many),
    CheckoutSession: (checkout_sessions.add_many, checkout_sessions.save_many),
}
"""(insert, update) of each table, in the order in which they are written."""


@dataclass(slots=True)
class Changes:
    """Moves of one transaction. `insert` and `update` return the value that the object has now."""

    announced: list[Moved[Any]] = field(default_factory=list)
    _inserted: dict[tuple[type, str], Moved[Any]] = field(default_factory=dict)
    _updated: dict[tuple[type, str], Moved[Any]] = field(default_factory=dict)
    _carried: dict[tuple[type, str], Any] = field(default_factory=dict)
    _prices: dict[str, Price] = field(default_factory=dict)

    def insert(self, moved: Moved[K]) -> K:
        """Take over a new object."""
        self._inserted[type(moved.value), moved.value.id] = moved
        self.announced.append(moved)
        return moved.value

    def update(self, *moves: Moved[K]) -> K:
        """Take over one or more moves of an object, in order."""
        for moved in moves:
            key = type(moved.value), moved.value.id
            table = self._inserted if key in self._inserted else self._updated
            earlier = table.get(key)
            table[key] = moved if earlier is None else _joined(earlier, moved)
            self.announced.append(moved)
        return moves[-1].value

    def announce(self, moved: Moved[Any]) -> None:
        """Tell of something that is not kept, such as a preview."""
        self.announced.append(moved)

    def take(self, result: Outcome) -> None:
        """Take over the moves of an attempt's outcome."""
        self.update(result.intent)
        self.update(result.invoice)
        if result.subscription:
            self.update(*result.subscription)

    def made(self, kind: type[K]) -> list[K]:
        """New objects of a kind, as they are now."""
        return [moved.value for (of, _), moved in self._inserted.items() if of is kind]

    def carry(
        self,
        *,
        prices: Mapping[str, Price] | None = None,
        mandates: Iterable[Mandate] = (),
        intents: Iterable[ChargeIntent] = (),
    ) -> None:
        """Keep rows that this transaction read, as they are in it, for the renderings of its events."""
        self._prices |= prices or {}
        self._carried |= {(Mandate, mandate.id): mandate for mandate in mandates}
        self._carried |= {(ChargeIntent, intent.id): intent for intent in intents}

    def _known(self) -> Known:
        """What renderings need not load: what was carried or moved here, as it is now."""
        values = {key: self.current(value) for key, value in self._carried.items()}
        values |= {key: moved.value for key, moved in (*self._updated.items(), *self._inserted.items())}
        new = {invoice_id for of, invoice_id in self._inserted if of is Invoice}
        intents = {value.invoice_id: value for (of, _), value in values.items() if of is ChargeIntent}
        return Known(
            prices=self._prices,
            mandates={value_id: value for (of, value_id), value in values.items() if of is Mandate},
            intents=intents,
            # Nobody else can have made an intent for an invoice that begins here.
            unpaid=frozenset(new - intents.keys()),
        )

    def current(self, value: K) -> K:
        """Return `value` as it is after the moves so far."""
        key = type(value), value.id
        moved = self._inserted.get(key) or self._updated.get(key)
        return value if moved is None else moved.value

    async def write(self, conn: Connection, gateway: Gateway, origin: Origin) -> None:
        """Write everything and announce it. Call it last in a transaction.

        Checkout sessions end with what becomes of their subscriptions, in the same transaction.
        """
        for followed in await checkout_following.follow(conn, self._latest()):
            self.update(followed)
        written: list[Moved[Any]] = []
        for kind, (add_many, save_many) in _TABLES.items():
            if inserted := [moved for (of, _), moved in self._inserted.items() if of is kind]:
                await add_many(conn, _without_history(inserted))
            if updated := [moved for (of, _), moved in self._updated.items() if of is kind]:
                await save_many(conn, _without_history(updated))
            written += inserted + updated
        # In one statement for all tables.
        await moves.remember(conn, written)
        await record(conn, gateway, self.announced, origin=origin, known=self._known())

    def _latest(self) -> list[Moved[Any]]:
        return [*self._inserted.values(), *self._updated.values()]


def _without_history(moved: Sequence[Moved[Any]]) -> list[Moved[Any]]:
    return [Moved(value=move.value, before=move.before) for move in moved]


def _joined(earlier: Moved[Any], later: Moved[Any]) -> Moved[Any]:
    return replace(later, before=earlier.before, changes=earlier.changes + later.changes)
