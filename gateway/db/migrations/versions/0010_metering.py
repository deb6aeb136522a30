"""Meters, and the events that they count."""

from pathlib import Path
from typing import Final

from alembic import op

revision: Final = "0010_metering"
down_revision: Final = "0009_plan_changes"

_SQL: Final = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    """Add tables."""
    text = (_SQL / f"0010_metering_{op.get_bind().dialect.name}.sql").read_text(encoding="utf-8")
    for statement in text.split(";\n"):
        if statement.strip():
            op.get_bind().exec_driver_sql(statement)
