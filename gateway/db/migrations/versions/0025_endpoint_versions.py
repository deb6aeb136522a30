"""The API version that each webhook endpoint asked for."""

from pathlib import Path
from typing import Final

from alembic import op

revision: Final = "0025_endpoint_versions"
down_revision: Final = "0019_portal"

_SQL: Final = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    """Add a column."""
    text = (_SQL / f"0025_endpoint_versions_{op.get_bind().dialect.name}.sql").read_text(encoding="utf-8")
    for statement in text.split(";\n"):
        if statement.strip():
            op.get_bind().exec_driver_sql(statement)
