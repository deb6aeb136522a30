"""The history of a subscription and of everything that hangs on it, in one list: what happened, when, and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Select, literal, select, union_all

from gateway.db import rows, schema
from gateway.db.engine import Connection
from gateway.db.pages import Page
from gateway.domain.catalog import Scope
from gateway.domain.errors import InvalidRequest
from gateway.domain.subscription import Subscription
from gateway.domain.transition import StateChange

_T: Final = schema.state_changes
_PREFIX: Final = "tl_"


@dataclass(frozen=True, slots=True)
class Entry:
    """A change of a status; `number` grows in the order in which changes were written."""

    number: int
    change: StateChange

    @property
    def id(self) -> str:
        """Its name in lists."""
        return f"{_PREFIX}{self.number}"


async def page(
    conn: Connection, scope: Scope, subscription: Subscription, *, limit: int, starting_after: str | None = None
) -> Page[Entry]:
    """What happened to a subscription of the caller's, its invoices, intents, charges, mandates and refunds.

    Newest first.

    Raises:
        InvalidRequest: `starting_after` is no id of an entry.
    """
    query = select(_T).where(rows.in_scope(_T, scope), _T.c.object_id.in_(_concerned(subscription)))
    if starting_after is not None:
        query = query.where(_T.c.id < _number(starting_after))
    found = (await conn.execute(query.order_by(_T.c.id.desc()).limit(limit + 1))).all()
    return Page([_entry(row) for row in found[:limit]], len(found) > limit)


def _concerned(subscription: Subscription) -> Select[Any]:
    """Ids of everything that hangs on a subscription, each found by an index."""
    intents, charges, refunds = schema.charge_intents, schema.charges, schema.refunds
    of_customer = [
        select(table.c.id).where(
            table.c.customer_id == subscription.customer_id, table.c.subscription_id == subscription.id
        )
        for table in (schema.invoices, schema.mandates)
    ]
    own = intents.c.subscription_id == subscription.id
    charged = select(charges.c.id).join(intents, charges.c.charge_intent_id == intents.c.id).where(own)
    refunded = select(refunds.c.id).join(intents, refunds.c.charge_intent_id == intents.c.id).where(own)
    setups = select(schema.setup_intents.c.id).where(schema.setup_intents.c.subscription_id == subscription.id)
    parts: Sequence[Select[Any]] = (
        select(literal(subscription.id).label("id")),
        *of_customer,
        select(intents.c.id).where(own),
        charged,
        refunded,
        setups,
    )
    everything = union_all(*parts).subquery()
    return select(everything.c.id)


def _number(entry_id: str) -> int:
    digits = entry_id.removeprefix(_PREFIX)
    if digits == entry_id or not digits.isascii() or not digits.isdigit() or int(digits) >= 2**63:
        raise InvalidRequest(
            f"'{entry_id}' is no entry of a timeline; those begin with {_PREFIX}.",
            code="resource_missing",
            param="starting_after",
        )
    return int(digits)


def _entry(row: Any) -> Entry:
    change = StateChange(
        kind=row.kind,
        object_id=row.object_id,
        source=row.source,
        target=row.target,
        reason=rows.reason(row),
        at=row.at,
    )
    return Entry(row.id, change)
