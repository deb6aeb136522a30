"""Invoices that are sent, what customers push, charges without a mandate."""

from pathlib import Path
from typing import Final

from alembic import op

revision: Final = "0011_pushes"
down_revision: Final = "0010_metering"

_SQL: Final = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    """Add tables and columns."""
    text = (_SQL / f"0011_pushes_{op.get_bind().dialect.name}.sql").read_text(encoding="utf-8")
    for statement in text.split(";\n"):
        if statement.strip():
            op.get_bind().exec_driver_sql(statement)
