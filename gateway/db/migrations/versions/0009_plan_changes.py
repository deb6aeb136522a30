"""Changes of subscriptions in the middle of a period, and those that wait for a signature."""

from pathlib import Path
from typing import Final

from alembic import op

revision: Final = "0009_plan_changes"
down_revision: Final = "0008_dunning"

_SQL: Final = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    """Add tables and columns."""
    text = (_SQL / f"0009_plan_changes_{op.get_bind().dialect.name}.sql").read_text(encoding="utf-8")
    for statement in text.split(";\n"):
        if statement.strip():
            op.get_bind().exec_driver_sql(statement)
