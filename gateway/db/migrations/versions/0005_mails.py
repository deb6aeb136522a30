"""Mails on their way."""

from pathlib import Path
from typing import Final

from alembic import op

revision: Final = "0005_mails"
down_revision: Final = "0004_invoicing"

_SQL: Final = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    """Add a table."""
    text = (_SQL / f"0005_mails_{op.get_bind().dialect.name}.sql").read_text(encoding="utf-8")
    for statement in text.split(";\n"):
        if statement.strip():
            op.get_bind().exec_driver_sql(statement)
