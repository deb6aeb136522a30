"""Privileged acts."""

from typing import Final

from sqlalchemy import Column, Index, Table

from gateway.db.columns import EnumColumn
from gateway.db.tables.base import at, document, key, metadata, pointer, words
from gateway.domain.act import ActKind

acts: Final = Table(
    "acts",
    metadata,
    key(),
    at("at", nullable=False),
    Column("kind", EnumColumn(ActKind), nullable=False),
    words("actor", nullable=False),
    words("object_id", nullable=False),
    pointer("merchant_id"),
    words("mode"),
    words("request_id"),
    document("details"),
)
Index("ix_acts_merchant_id", acts.c.merchant_id, acts.c.id)
