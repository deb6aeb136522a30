"""How far the books were audited, and what an audit looks up by block."""

from pathlib import Path
from typing import Final

from alembic import op

revision: Final = "0006_audits"
down_revision: Final = "0005_mails"

_SQL: Final = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    """Add tables and columns."""
    text = (_SQL / f"0006_audits_{op.get_bind().dialect.name}.sql").read_text(encoding="utf-8")
    for statement in text.split(";\n"):
        if statement.strip():
            op.get_bind().exec_driver_sql(statement)
