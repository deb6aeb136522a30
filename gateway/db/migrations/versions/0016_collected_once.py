"""A period of a mandate is collected once: the books refuse a second charge for what the chain did once."""

from pathlib import Path
from typing import Final

from alembic import op

revision: Final = "0016_collected_once"
down_revision: Final = "0015_wallets"

_SQL: Final = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    """Add the key."""
    text = (_SQL / f"0016_collected_once_{op.get_bind().dialect.name}.sql").read_text(encoding="utf-8")
    for statement in text.split(";\n"):
        if statement.strip():
            op.get_bind().exec_driver_sql(statement)
