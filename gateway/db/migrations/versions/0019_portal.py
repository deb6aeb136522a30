"""Signing in to the portal, and what merchants allow there."""

from pathlib import Path
from typing import Final

from alembic import op

revision: Final = "0019_portal"
down_revision: Final = "0016_collected_once"

_SQL: Final = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    """Add tables and columns."""
    text = (_SQL / f"0019_portal_{op.get_bind().dialect.name}.sql").read_text(encoding="utf-8")
    for statement in text.split(";\n"):
        if statement.strip():
            op.get_bind().exec_driver_sql(statement)
