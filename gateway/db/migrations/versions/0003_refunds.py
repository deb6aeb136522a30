"""Refunds, and the search for transfers that people send by themselves."""

from pathlib import Path
from typing import Final

from alembic import op

revision: Final = "0003_refunds"
down_revision: Final = "0002_lifecycle"

_SQL: Final = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    """Add tables and columns."""
    text = (_SQL / f"0003_refunds_{op.get_bind().dialect.name}.sql").read_text(encoding="utf-8")
    for statement in text.split(";\n"):
        if statement.strip():
            op.get_bind().exec_driver_sql(statement)
