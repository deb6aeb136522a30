"""The first schema.

Written out as SQL, one file for each database, so that it stays what it was however `gateway.db.tables` goes on.
"""

from pathlib import Path
from typing import Final

from alembic import op

revision: Final = "0001"
down_revision: Final = None

_SQL: Final = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    """Create every table and index."""
    text = (_SQL / f"0001_{op.get_bind().dialect.name}.sql").read_text(encoding="utf-8")
    for statement in text.split(";\n"):
        if statement.strip():
            op.get_bind().exec_driver_sql(statement)
