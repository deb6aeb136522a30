"""Every table, by subject; `gateway.db.schema` brings them together."""
