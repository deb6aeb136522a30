"""What happens when a trial ends and no wallet has signed."""

from pathlib import Path
from typing import Final

from alembic import op

revision: Final = "0013_trial_end"
down_revision: Final = "0012_metered_prices"

_SQL: Final = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    """Add a column."""
    text = (_SQL / f"0013_trial_end_{op.get_bind().dialect.name}.sql").read_text(encoding="utf-8")
    for statement in text.split(";\n"):
        if statement.strip():
            op.get_bind().exec_driver_sql(statement)
