"""What all tables share: one metadata, names of constraints, and the columns that recur."""

from typing import Any, Final

from sqlalchemy import Column, ForeignKey, Index, MetaData, Table
from sqlalchemy.sql import text

from gateway.db.columns import EnumColumn, Flag, Identifier, Json, UtcDateTime
from gateway.domain.transition import Action

metadata: Final = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    }
)


def key() -> Column[Any]:
    """Our id, which sorts by creation."""
    return Column("id", Identifier, primary_key=True)


def tenant() -> tuple[Column[Any], Column[Any]]:
    """Whose row it is, and in which mode."""
    return Column("account_id", Identifier, nullable=False), Column("livemode", Flag, nullable=False)


def owner(name: str, target: str, *, nullable: bool = False) -> Column[Any]:
    """Refer to the row that this one hangs on."""
    return Column(name, Identifier, ForeignKey(f"{target}.id"), nullable=nullable)


def pointer(name: str) -> Column[Any]:
    """Refer to another row without a foreign key: it points back, or is written first."""
    return Column(name, Identifier, nullable=True)


def at(name: str, *, nullable: bool = True) -> Column[Any]:
    """Name an instant."""
    return Column(name, UtcDateTime, nullable=nullable)


def words(name: str, *, nullable: bool = True) -> Column[Any]:
    """Text for people, or a name."""
    return Column(name, Identifier, nullable=nullable)


def document(name: str, *, nullable: bool = False, initially: str | None = None) -> Column[Any]:
    """JSON text; `initially` is what rows from before the column hold."""
    return Column(name, Json, nullable=nullable, server_default=None if initially is None else text(f"'{initially}'"))


def reason() -> tuple[Column[Any], Column[Any], Column[Any]]:
    """Why a row has its status."""
    return (
        words("reason_code", nullable=False),
        Column("reason_action", EnumColumn(Action), nullable=False),
        document("reason_evidence"),
    )


def partial(name: str, table: Table, *columns: str, where: str, unique: bool = False) -> Index:
    """Index only the rows of which `where` is true: what is worked on stays small however large the table grows."""
    condition = text(where)
    return Index(
        name, *(table.c[c] for c in columns), unique=unique, postgresql_where=condition, sqlite_where=condition
    )


def of_tenant(table: Table) -> Index:
    """Serve lists of one account and mode, newest first."""
    return Index(f"ix_{table.name}_tenant", table.c.account_id, table.c.livemode, table.c.id)


def due(table: Table, *before: str) -> tuple[Index, Index]:
    """Find rows whose time has come: by the system's clock, and by each test clock."""
    return (
        partial(
            f"ix_{table.name}_due",
            table,
            *before,
            "wake_at",
            "id",
            where="wake_at IS NOT NULL AND test_clock_id IS NULL",
        ),
        partial(
            f"ix_{table.name}_clock",
            table,
            "test_clock_id",
            "wake_at",
            where="wake_at IS NOT NULL AND test_clock_id IS NOT NULL",
        ),
    )
