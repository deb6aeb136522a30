"""What smart retries count from, and whether a restored wallet is tried again after the last one."""

from pathlib import Path
from typing import Final

from alembic import op

revision: Final = "0008_dunning"
down_revision: Final = "0007_checkout"

_SQL: Final = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    """Add columns."""
    text = (_SQL / f"0008_dunning_{op.get_bind().dialect.name}.sql").read_text(encoding="utf-8")
    for statement in text.split(";\n"):
        if statement.strip():
            op.get_bind().exec_driver_sql(statement)
