"""What restricted keys may do, what replaced a key, and the audit log."""

from pathlib import Path
from typing import Final

from alembic import op

revision: Final = "0028_keys"
down_revision: Final = "0027_pricing_tables"

_SQL: Final = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    """Add tables and columns."""
    text = (_SQL / f"0028_keys_{op.get_bind().dialect.name}.sql").read_text(encoding="utf-8")
    for statement in text.split(";\n"):
        if statement.strip():
            op.get_bind().exec_driver_sql(statement)
