"""Column types: what a value of ours is in each database.

A value that has not the form of its type is refused before it reaches the database. JSON is stored as text on both
databases, so that what is read is byte for byte what was written.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import Any, Final, Generic, TypeVar

import msgspec
from sqlalchemy import BigInteger, Boolean, Dialect, Integer, LargeBinary, Numeric, Text
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeDecorator, TypeEngine

from chain.primitives import Address, Hash32, MandateId, address, hash32, mandate_id

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_BASE_UNITS_DIGITS: Final = 78
"""Digits of 2²⁵⁶."""

EnumT = TypeVar("EnumT", bound=Enum)

Processor = Callable[[Any], Any]
"""What SQLAlchemy asks of a type for each value that comes in or goes out. The types below give theirs at once: the
layers that it would put around `process_…` cost more than what they do, at millions of values."""

KEPT_INSTANTS: Final = 4096
"""Instants that are remembered: the rows of a batch share most of theirs."""

_json = msgspec.json.Encoder(order="deterministic")
_from_json = msgspec.json.Decoder()

Identifier = Text
Bytes = LargeBinary
Flag = Boolean
Count = Integer
Amount = BigInteger
"""Minor units of a currency, or any other integer within 64 bits."""

Serial: Final = BigInteger().with_variant(Integer(), "sqlite")
"""A number that the database gives: SQLite counts up only a column that is exactly INTEGER."""


def _integer(value: Any) -> int | None:
    return None if value is None else int(value)


class BaseUnits(TypeDecorator[int]):
    """Up to 2²⁵⁶ - 1 of a token's base units. On SQLite it is decimal text: compare it for equality only."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """NUMERIC(78, 0) where there is one."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(Numeric(_BASE_UNITS_DIGITS, 0))
        return dialect.type_descriptor(Text())

    def process_bind_param(self, value: int | None, dialect: Dialect) -> Any:
        """Refuse what is not a natural number."""
        if value is None:
            return None
        if type(value) is not int or value < 0:
            raise ValueError(f"base units are integers from 0 up, not {value!r}")
        return Decimal(value) if dialect.name == "postgresql" else str(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> int | None:  # noqa: ARG002 - given by SQLAlchemy
        """Give the integer back."""
        return _integer(value)

    def result_processor(self, dialect: Dialect, coltype: object) -> Processor:  # noqa: ARG002 - as above
        """See `Processor`."""
        return _integer


@lru_cache(maxsize=KEPT_INSTANTS)
def _instant(value: int | None) -> datetime | None:
    return None if value is None else _EPOCH + timedelta(microseconds=value)


class UtcDateTime(TypeDecorator[datetime]):
    """An instant: whole microseconds since 1970, which compare alike on both databases."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002 - as above
        """Refuse a datetime without time zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        return (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - as above
        """Give it back in UTC."""
        return _instant(value)

    def result_processor(self, dialect: Dialect, coltype: object) -> Processor:  # noqa: ARG002 - as above
        """See `Processor`."""
        return _instant


class AddressColumn(TypeDecorator[Address]):
    """An address in canonical form."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - as above
        """Refuse what is not canonical."""
        return None if value is None else _canonical(value, address(value))

    def process_result_value(self, value: str | None, dialect: Dialect) -> Address | None:  # noqa: ARG002 - as above
        """It was checked on its way in."""
        return None if value is None else Address(value)

    def result_processor(self, dialect: Dialect, coltype: object) -> None:
        """The text as it is; see `Processor`."""


class Hash32Column(TypeDecorator[Hash32]):
    """A transaction or block hash in canonical form."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - as above
        """Refuse what is not canonical."""
        return None if value is None else _canonical(value, hash32(value))

    def process_result_value(self, value: str | None, dialect: Dialect) -> Hash32 | None:  # noqa: ARG002 - as above
        """It was checked on its way in."""
        return None if value is None else Hash32(value)

    def result_processor(self, dialect: Dialect, coltype: object) -> None:
        """The text as it is; see `Processor`."""


class MandateIdColumn(TypeDecorator[MandateId]):
    """A mandate's id on the chain, in canonical form."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - as above
        """Refuse what is not canonical."""
        return None if value is None else _canonical(value, mandate_id(value))

    def process_result_value(self, value: str | None, dialect: Dialect) -> MandateId | None:  # noqa: ARG002 - as above
        """It was checked on its way in."""
        return None if value is None else MandateId(value)

    def result_processor(self, dialect: Dialect, coltype: object) -> None:
        """The text as it is; see `Processor`."""


class _Members(dict[Any, Any]):
    """Members of an enumeration by their values, as a table; a value without one is an error."""

    def __init__(self, kind: type[Enum]) -> None:
        super().__init__({member.value: member for member in kind} | {None: None})
        self._kind = kind

    def __missing__(self, value: Any) -> Any:
        return self._kind(value)


class EnumColumn(TypeDecorator[EnumT], Generic[EnumT]):
    """A member of an enumeration, stored as its value. A value that the code does not know is an error when read."""

    impl = Text
    cache_ok = True

    def __init__(self, kind: type[EnumT]) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: EnumT | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - as above
        """Refuse a bare string: it may be misspelt."""
        if value is None:
            return None
        if not isinstance(value, self.kind):
            raise TypeError(f"expected a {self.kind.__name__}, not {value!r}")
        return str(value.value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> EnumT | None:  # noqa: ARG002 - as above
        """Give the member back."""
        return None if value is None else self.kind(value)

    def bind_processor(self, dialect: Dialect) -> Processor:  # noqa: ARG002 - given by SQLAlchemy
        """See `Processor`."""
        kind = self.kind

        def stored(value: EnumT | None) -> Any:
            if value is None:
                return None
            if not isinstance(value, kind):
                raise TypeError(f"expected a {kind.__name__}, not {value!r}")
            return value._value_

        return stored

    def result_processor(self, dialect: Dialect, coltype: object) -> Processor:  # noqa: ARG002 - as above
        """See `Processor`."""
        return _Members(self.kind).__getitem__


def _write_json(value: Any) -> str | None:
    return None if value is None else _json.encode(value).decode()


def _read_json(value: str | None) -> Any:
    return None if value is None else _from_json.decode(value)


class Json(TypeDecorator[Any]):
    """Anything that JSON expresses, with sorted keys."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002 - as above
        """None is SQL's NULL."""
        return _write_json(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:  # noqa: ARG002 - as above
        """Plain dicts and lists."""
        return _read_json(value)

    def bind_processor(self, dialect: Dialect) -> Processor:  # noqa: ARG002 - given by SQLAlchemy
        """See `Processor`."""
        return _write_json

    def result_processor(self, dialect: Dialect, coltype: object) -> Processor:  # noqa: ARG002 - as above
        """See `Processor`."""
        return _read_json


class ArrayParameter(TypeDecorator[Sequence[Any]]):
    """Many values as one bound parameter: an array on PostgreSQL, JSON text on SQLite. See `gateway.db.keys`."""

    impl = Text
    cache_ok = True

    def __init__(self, item: TypeEngine[Any]) -> None:
        super().__init__()
        self.item = item

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """An array of the plain type under the items' type."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.ARRAY(plain(self.item, dialect)))
        return dialect.type_descriptor(Text())

    def process_bind_param(self, value: Sequence[Any] | None, dialect: Dialect) -> Any:
        """Bring each item into the form that its column has."""
        convert = self.item.dialect_impl(dialect).bind_processor(dialect)
        items = list(value or ()) if convert is None else [convert(item) for item in value or ()]
        return items if dialect.name == "postgresql" else _json.encode(items).decode()


def plain(kind: TypeEngine[Any], dialect: Dialect) -> TypeEngine[Any]:
    """Return the type that the database itself knows under one of ours."""
    return kind.type_engine(dialect) if isinstance(kind, TypeDecorator) else kind.dialect_impl(dialect)


def _canonical(given: str, canonical: str) -> str:
    if given != canonical:
        raise ValueError(f"{given!r} is not in canonical form: {canonical!r}")
    return canonical
