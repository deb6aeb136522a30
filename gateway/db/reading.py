"""Rows of the hot path as values: read as the driver gives them, and decoded once for each content.

A worker loads the same mandate in four phases of a renewal, the same subscription in six. Bringing fifty columns into
the form of our types costs more than reading them, so what a row was decoded to is kept, by all that it holds: a row
that changed is another row. Values are frozen; nobody may write into the mappings that they carry.
"""

from collections import namedtuple
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import Dialect, Label, Select, Table, select, type_coerce
from sqlalchemy.types import NullType

T = TypeVar("T")

KEPT: Final = 4_096
"""Values of one table that are kept: some batches of each phase, at about three kilobytes each."""

_record: Final[Any] = namedtuple  # noqa: PYI024 - of the columns of a table, which no type checker knows

Raw = Sequence[Any]


class Reader(Generic[T]):
    """How rows of a table become values: `make` gets a row, and with `parts` those that hang on it, in their order."""

    def __init__(self, table: Table, make: Callable[..., T], *, parts: Table | None = None) -> None:
        self.columns: Final[tuple[Label[Any], ...]] = tuple(
            type_coerce(column, NullType()).label(column.name) for column in table.c
        )
        self._table = table
        self._parts = parts
        self._make = make
        self._width = len(self.columns)
        self._decoders: dict[str, Callable[[tuple[Any, ...], tuple[tuple[Any, ...], ...] | None], T]] = {}

    def select(self) -> Select[Any]:
        """The table's rows as the driver gives them."""
        return select(*self.columns)

    def values(self, dialect: Dialect, found: Iterable[Raw]) -> list[T]:
        """Values of rows; columns behind the table's own do not count."""
        decode = self._decoder(dialect)
        return [decode(tuple(row)[: self._width], None) for row in found]

    def whole(self, dialect: Dialect, found: Iterable[Raw], parts: Iterable[tuple[Raw, ...]]) -> list[T]:
        """Values of rows, each with its parts as the driver gave them."""
        decode = self._decoder(dialect)
        return [
            decode(tuple(row)[: self._width], tuple(map(tuple, of_row)))
            for row, of_row in zip(found, parts, strict=True)
        ]

    def _decoder(self, dialect: Dialect) -> Callable[[tuple[Any, ...], tuple[tuple[Any, ...], ...] | None], T]:
        known = self._decoders.get(dialect.name)
        if known is None:
            known = self._decoders[dialect.name] = lru_cache(maxsize=KEPT)(self._decoding(dialect))
        return known

    def _decoding(self, dialect: Dialect) -> Callable[[tuple[Any, ...], tuple[tuple[Any, ...], ...] | None], T]:
        typed = _typed(self._table, dialect)
        typed_part = None if self._parts is None else _typed(self._parts, dialect)
        make = self._make

        def decode(row: tuple[Any, ...], parts: tuple[tuple[Any, ...], ...] | None) -> T:
            if parts is None or typed_part is None:
                return make(typed(row))
            return make(typed(row), [typed_part(part) for part in parts])

        return decode


def _typed(table: Table, dialect: Dialect) -> Callable[[Raw], Any]:
    """What gives the columns of a raw row the form of their types, and their names."""
    shape = _record("_Row", table.c.keys())
    processors = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in table.c]
    working = [(place, process) for place, process in enumerate(processors) if process is not None]

    def typed(raw: Raw) -> Any:
        values = list(raw)
        for place, process in working:
            values[place] = process(values[place])
        return shape._make(values)

    return typed
