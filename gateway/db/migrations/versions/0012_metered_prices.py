"""Prices that charge for usage, lines that bill it, and what a period may cost at most."""

from pathlib import Path
from typing import Final

from alembic import op

revision: Final = "0012_metered_prices"
down_revision: Final = "0011_pushes"

_SQL: Final = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    """Add columns."""
    text = (_SQL / f"0012_metered_prices_{op.get_bind().dialect.name}.sql").read_text(encoding="utf-8")
    for statement in text.split(";\n"):
        if statement.strip():
            op.get_bind().exec_driver_sql(statement)
