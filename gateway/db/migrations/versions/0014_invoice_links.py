"""Addresses of invoices that nobody can guess."""

from typing import Final

from alembic import op

revision: Final = "0014_invoice_links"
down_revision: Final = "0013_trial_end"


def upgrade() -> None:
    """Add a column. Invoices from before have no address."""
    op.get_bind().exec_driver_sql("ALTER TABLE invoices ADD COLUMN access_token TEXT")
