"""The one place that reads the drivers' errors: each becomes a class of `gateway.db.errors`."""

import re
from typing import Any, Final

from sqlalchemy import Index
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from gateway.db import schema, sqlite_driver
from gateway.db.errors import BooksError, BooksUnavailable, ConstraintBroken, WriteConflict

_CONFLICT_STATES: Final = frozenset({"40001", "40P01", "55P03"})
"""serialization_failure, deadlock_detected, lock_not_available."""

_UNAVAILABLE_STATES: Final = re.compile(r"08...|57P..|53300|28...|3D000")
"""Connection lost or refused, shutting down, too many connections, wrong password, no such database."""

_SQLITE_CONFLICT: Final = re.compile(r"database (table )?is locked")
_SQLITE_UNAVAILABLE: Final = re.compile(
    r"unable to open|disk I/O|not a database|readonly database|database or disk is full"
)


def translated(error: Exception, url: URL) -> BooksError | None:
    """Return our error for a driver's; None when it is a defect of the code."""
    where = sqlite_driver.shown(url)
    if isinstance(error, IntegrityError):
        return ConstraintBroken(str(error.orig), _constraint(error.orig))
    if isinstance(error, OSError | PoolTimeout):
        return BooksUnavailable(f"Cannot reach {where}: {error}")
    if not isinstance(error, DBAPIError):
        return None
    state = getattr(error.orig, "sqlstate", None) or ""
    text = str(error.orig)
    if state in _CONFLICT_STATES or _SQLITE_CONFLICT.search(text):
        return WriteConflict(text)
    if error.connection_invalidated or _UNAVAILABLE_STATES.fullmatch(state) or _SQLITE_UNAVAILABLE.search(text):
        return BooksUnavailable(f"Cannot use {where}: {text}")
    return None


def _constraint(error: Any) -> str:
    named = getattr(getattr(error, "__cause__", None), "constraint_name", None)
    if isinstance(named, str):
        return named
    match = re.search(r"UNIQUE constraint failed: (.+)", str(error))
    if match is None:
        return ""
    columns = [part.strip() for part in match[1].split(",")]
    table = schema.metadata.tables.get(columns[0].partition(".")[0])
    if table is None:
        return ""
    names = [column.partition(".")[2] for column in columns]
    if names == [column.name for column in table.primary_key.columns]:
        return f"pk_{table.name}"
    unique = [index for index in table.indexes if index.unique and _columns(index) == names]
    return str(unique[0].name) if unique else f"uq_{table.name}_{'_'.join(names)}"


def _columns(index: Index) -> list[str]:
    return [column.name for column in index.columns]
