"""How Alembic runs our migrations: on the connection and in the transaction that `gateway.db.migrate` gives."""

from alembic import context

from gateway.db import schema

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=schema.metadata,
    # SQLite cannot alter most of a table: later migrations copy it.
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
