"""Tax rates, coupons, invoice items, customers' balances, and what they make of invoices."""

from pathlib import Path
from typing import Final

from alembic import op

revision: Final = "0004_invoicing"
down_revision: Final = "0003_refunds"

_SQL: Final = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    """Add tables and columns."""
    text = (_SQL / f"0004_invoicing_{op.get_bind().dialect.name}.sql").read_text(encoding="utf-8")
    for statement in text.split(";\n"):
        if statement.strip():
            op.get_bind().exec_driver_sql(statement)
