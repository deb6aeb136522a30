"""What wallets were seen to have and to allow, and how far each chain was searched for that."""

from pathlib import Path
from typing import Final

from alembic import op

revision: Final = "0015_wallets"
down_revision: Final = "0014_invoice_links"

_SQL: Final = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    """Add tables and columns."""
    text = (_SQL / f"0015_wallets_{op.get_bind().dialect.name}.sql").read_text(encoding="utf-8")
    for statement in text.split(";\n"):
        if statement.strip():
            op.get_bind().exec_driver_sql(statement)
