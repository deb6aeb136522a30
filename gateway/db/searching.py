"""Searches as SQL: the fields of each kind of object as expressions, clauses as conditions with bound values.

Both databases answer alike: case is folded for ASCII only, and an absent value is never equal, above or below. A
negated clause holds exactly where the clause itself does not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    FunctionElement,
    Table,
    Text,
    and_,
    bindparam,
    case,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    type_coerce,
)
from sqlalchemy.ext.compiler import compiles

from gateway.db import rows, schema
from gateway.db.engine import Connection
from gateway.domain.catalog import Scope
from gateway.domain.search import METADATA, Clause, FieldKind, Operator, Query

COUNT_MAX: Final = 10_000
"""A total is counted no further than this: it is for people, and every object counted is one read."""

_SECOND: Final = 1_000_000
_INTEGER_MAX: Final = 2**63 - 1


class _Folded(FunctionElement[str]):
    type = Text()
    inherit_cache = True


@compiles(_Folded, "postgresql")
def _folded_by_bytes(element: _Folded, compiler: Any, **kw: Any) -> str:
    (target,) = element.clauses
    return f'lower(({compiler.process(target, **kw)}) COLLATE "C")'


@compiles(_Folded, "sqlite")
def _folded_ascii(element: _Folded, compiler: Any, **kw: Any) -> str:
    (target,) = element.clauses
    return f"lower({compiler.process(target, **kw)})"


class _Entry(FunctionElement[str]):
    type = Text()
    inherit_cache = True


@compiles(_Entry, "postgresql")
def _entry_of_jsonb(element: _Entry, compiler: Any, **kw: Any) -> str:
    document, key = (compiler.process(part, **kw) for part in element.clauses)
    return f"(CAST({document} AS jsonb) ->> CAST({key} AS text))"


@compiles(_Entry, "sqlite")
def _entry_of_json(element: _Entry, compiler: Any, **kw: Any) -> str:
    document, key = (compiler.process(part, **kw) for part in element.clauses)
    # json_extract would read the key as a path.
    return f"(SELECT value FROM json_each({document}) WHERE key = {key})"  # noqa: S608 - compiled


class _Holds(FunctionElement[bool]):
    inherit_cache = True


@compiles(_Holds, "postgresql")
def _holds_postgres(element: _Holds, compiler: Any, **kw: Any) -> str:
    whole, part = (compiler.process(side, **kw) for side in element.clauses)
    return f"(strpos({whole}, {part}) > 0)"


@compiles(_Holds, "sqlite")
def _holds_sqlite(element: _Holds, compiler: Any, **kw: Any) -> str:
    whole, part = (compiler.process(side, **kw) for side in element.clauses)
    return f"(instr({whole}, {part}) > 0)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """Which table is searched, and what its fields are called."""

    table: Table
    fields: Mapping[str, tuple[FieldKind, ColumnElement[Any]]]
    within: ColumnElement[bool] | None = None

    @property
    def kinds(self) -> Mapping[str, FieldKind]:
        """What each field holds, for the reader of queries."""
        return {name: kind for name, (kind, _) in self.fields.items()}


def _plain(column: Column[Any]) -> ColumnElement[Any]:
    """The text that an enumeration is stored as."""
    return type_coerce(column, Text())


def _moment(column: Column[Any]) -> ColumnElement[Any]:
    """Microseconds since 1970."""
    return type_coerce(column, BigInteger())


def _fields(table: Table, **fields: FieldKind) -> dict[str, tuple[FieldKind, ColumnElement[Any]]]:
    """Fields that are columns of the same name, and those that all tables have."""
    found: dict[str, tuple[FieldKind, ColumnElement[Any]]] = {
        "created": (FieldKind.MOMENT, _moment(table.c.created_at))
    }
    if METADATA in table.c:
        found[METADATA] = (FieldKind.TOKEN, type_coerce(table.c.metadata, Text()))
    for name, kind in fields.items():
        column = table.c[name] if name in table.c else table.c[f"{name}_id"]
        found[name] = (kind, _plain(column) if kind is FieldKind.TOKEN else column)
    return found


_TOKEN, _TEXT, _NUMBER, _FLAG = FieldKind.TOKEN, FieldKind.TEXT, FieldKind.NUMBER, FieldKind.FLAG
_CUSTOMERS, _PRODUCTS, _PRICES = schema.customers, schema.products, schema.prices
_INTENTS, _CHARGES = schema.charge_intents, schema.charges
_INTENT_FIELDS: Final = _fields(
    _INTENTS, amount=_NUMBER, currency=_TOKEN, customer=_TOKEN, invoice=_TOKEN, status=_TOKEN, subscription=_TOKEN
)

SHELVES: Final[Mapping[str, Shelf]] = {
    "customer": Shelf(
        table=_CUSTOMERS,
        fields=_fields(_CUSTOMERS, email=_TEXT, name=_TEXT, phone=_TEXT),
        within=~_CUSTOMERS.c.deleted,
    ),
    "product": Shelf(
        table=_PRODUCTS,
        fields=_fields(_PRODUCTS, active=_FLAG, description=_TEXT, name=_TEXT),
        within=~_PRODUCTS.c.deleted,
    ),
    "price": Shelf(
        table=_PRICES,
        fields={
            **_fields(_PRICES, active=_FLAG, currency=_TOKEN, lookup_key=_TOKEN, nickname=_TEXT, product=_TOKEN),
            "type": (
                _TOKEN,
                case((_PRICES.c.interval_unit.is_(None), literal("one_time")), else_=literal("recurring")),
            ),
            "unit_amount": (_NUMBER, _PRICES.c.unit_amount),
        },
    ),
    "subscription": Shelf(
        table=schema.subscriptions,
        fields={
            **_fields(schema.subscriptions, currency=_TOKEN, customer=_TOKEN, description=_TEXT, status=_TOKEN),
            "canceled_at": (FieldKind.MOMENT, _moment(schema.subscriptions.c.canceled_at)),
        },
    ),
    "invoice": Shelf(
        table=schema.invoices,
        fields=_fields(
            schema.invoices,
            currency=_TOKEN,
            customer=_TOKEN,
            number=_TEXT,
            status=_TOKEN,
            subscription=_TOKEN,
            total=_NUMBER,
        ),
    ),
    "charge_intent": Shelf(table=_INTENTS, fields=_INTENT_FIELDS),
    "payment_intent": Shelf(
        table=_INTENTS,
        fields={
            **_INTENT_FIELDS,
            # Stripe's word for these two (C07).
            "status": (
                _TOKEN,
                case(
                    (_plain(_INTENTS.c.status).in_(("failed", "reversed")), literal("requires_payment_method")),
                    else_=_plain(_INTENTS.c.status),
                ),
            ),
        },
    ),
    "charge": Shelf(
        table=_CHARGES,
        fields={
            **_fields(
                _CHARGES, amount=_NUMBER, currency=_TOKEN, customer=_TOKEN, invoice=_TOKEN, status=_TOKEN,
                subscription=_TOKEN,
            ),
            "payment_intent": (_TOKEN, _plain(_CHARGES.c.charge_intent_id)),
            "refunded": (_FLAG, _CHARGES.c.amount_refunded == _CHARGES.c.amount),
        },
    ),
}  # fmt: skip
"""What can be searched, by the kind of object."""


@dataclass(frozen=True, slots=True)
class Hits:
    """Ids of a page, newest first, and whether there are more."""

    ids: list[str]
    has_more: bool


async def find(conn: Connection, scope: Scope, kind: str, query: Query, *, limit: int, after: str | None) -> Hits:
    """Objects of the caller's that a query is about, newest first; those older than `after`, if it is given."""
    table = SHELVES[kind].table
    statement = select(table.c.id).where(*_conditions(scope, kind, query)).order_by(table.c.id.desc())
    if after is not None:
        statement = statement.where(table.c.id < after)
    found = list((await conn.execute(statement.limit(limit + 1))).scalars())
    return Hits(found[:limit], has_more=len(found) > limit)


async def count(conn: Connection, scope: Scope, kind: str, query: Query) -> int:
    """How many there are, counted up to `COUNT_MAX`."""
    table = SHELVES[kind].table
    some = select(table.c.id).where(*_conditions(scope, kind, query))
    # In the order of the tenant's index: SQLite would rather read the whole table, others' rows and all.
    some = some.order_by(table.c.id.desc()).limit(COUNT_MAX)
    found: int = (await conn.execute(select(func.count()).select_from(some.subquery()))).scalar_one()
    return found


def _conditions(scope: Scope, kind: str, query: Query) -> list[ColumnElement[bool]]:
    shelf = SHELVES[kind]
    clauses = [_condition(shelf, clause) for clause in query.clauses]
    found = [rows.in_scope(shelf.table, scope), or_(*clauses) if query.any_of else and_(*clauses)]
    return found if shelf.within is None else [*found, shelf.within]


def _condition(shelf: Shelf, clause: Clause) -> ColumnElement[bool]:
    kind, target = shelf.fields[clause.field]
    if clause.key is not None:
        target = _Entry(target, bindparam(None, clause.key, Text(), unique=True))
    is_there = target.is_not(None)
    holds = ~is_there if clause.value is None else and_(is_there, _compared(kind, target, clause))
    return not_(holds) if clause.negated else holds


def _compared(kind: FieldKind, target: ColumnElement[Any], clause: Clause) -> ColumnElement[bool]:
    match kind:
        case FieldKind.MOMENT:
            return _of_moment(target, clause.operator, int(clause.value or 0))
        case FieldKind.NUMBER:
            return _of_number(target, clause.operator, int(clause.value or 0))
        case FieldKind.FLAG:
            return target.is_(True) if clause.value else target.is_(False)
        case _ if clause.operator is Operator.CONTAINS:
            return _Holds(_Folded(target), bindparam(None, clause.value, Text(), unique=True))
        case _:
            return _Folded(target) == bindparam(None, clause.value, Text(), unique=True)


def _of_number(target: ColumnElement[Any], operator: Operator, value: int) -> ColumnElement[bool]:
    number = bindparam(None, value, BigInteger(), unique=True)
    match operator:
        case Operator.ABOVE:
            return target > number
        case Operator.BELOW:
            return target < number
        case Operator.AT_LEAST:
            return target >= number
        case Operator.AT_MOST:
            return target <= number
        case _:
            return target == number


def _of_moment(target: ColumnElement[Any], operator: Operator, second: int) -> ColumnElement[bool]:
    """Compare whole seconds: what happened within a second is at that second."""
    match operator:
        case Operator.IS:
            return and_(_of_moment(target, Operator.AT_LEAST, second), _of_moment(target, Operator.AT_MOST, second))
        case Operator.ABOVE | Operator.AT_MOST:
            bound = (second + 1) * _SECOND
        case _:
            bound = second * _SECOND
    if not -_INTEGER_MAX <= bound <= _INTEGER_MAX:
        # No instant lies beyond what the column can hold.
        upwards = operator in {Operator.ABOVE, Operator.AT_LEAST}
        return false() if upwards == (bound > 0) else target.is_not(None)
    return _of_number(
        target, Operator.AT_LEAST if operator in {Operator.ABOVE, Operator.AT_LEAST} else Operator.BELOW, bound
    )
